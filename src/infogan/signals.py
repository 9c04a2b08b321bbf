"""SIGINT and SIGTERM as requests to save and stop, at any time.

A flag that only the training loop checks would miss signals during data preparation or sampling. Therefore a
signal raises `Interrupted` at once, except inside `deferred()`, which completes a step or a save first.
Imports only the standard library, so that it works from the start of a command.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from infogan.errors import Interrupted


class _State:
    """The signal received, whether it is being handled, and the number of nested `deferred()` blocks."""

    requested: int | None = None
    acknowledged = False
    depth = 0


def _handle(signum: int, _frame: FrameType | None) -> None:
    if signum == signal.SIGINT and _State.requested == signal.SIGINT:
        os._exit(128 + signum)  # a second Ctrl-C: stop now
    _State.requested = signum
    if not _State.depth and not _State.acknowledged:
        raise Interrupted(signum)


@contextmanager
def handled() -> Iterator[None]:
    """Raise `Interrupted` in the main thread on SIGINT and SIGTERM; restore the old handlers at the end."""
    before = {number: signal.signal(number, _handle) for number in (signal.SIGINT, signal.SIGTERM)}
    _State.requested, _State.acknowledged, _State.depth = None, False, 0
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _State.requested = None  # later training in this process is not interrupted


@contextmanager
def deferred() -> Iterator[None]:
    """Delay `Interrupted` to the end of the block.

    It is also raised for an earlier signal whose exception was lost: Python drops exceptions that are raised
    inside a finalizer.
    """
    _State.depth += 1
    try:
        yield
    finally:
        _State.depth -= 1
    if _State.requested is not None and not _State.acknowledged and not _State.depth:
        raise Interrupted(_State.requested)


def requested() -> int | None:
    """Return the number of the signal that was received and is not handled yet; None if there is none."""
    return None if _State.acknowledged else _State.requested


def acknowledge() -> None:
    """Mark the signal as handled: `deferred()` no longer raises, so that the state can be saved."""
    _State.acknowledged = True
