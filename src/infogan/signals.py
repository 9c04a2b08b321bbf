"""SIGINT and SIGTERM as requests to save and stop, wherever they come.

A flag that only the training loop looks at would miss a signal during data preparation or sampling. So a
signal raises `Interrupted` at once, except inside `deferred()`, where it waits for the end of the block: a
step or a save is never torn. Imports nothing heavy, so that it works from the first moment of a command.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from infogan.errors import Interrupted


class _State:
    """The signal that has come, whether somebody acts on it, and how many blocks put it off."""

    requested: int | None = None
    acknowledged = False
    depth = 0


def _handle(signum: int, _frame: FrameType | None) -> None:
    if signum == signal.SIGINT and _State.requested == signal.SIGINT:
        os._exit(128 + signum)  # asked twice: now
    _State.requested = signum
    if not _State.depth and not _State.acknowledged:
        raise Interrupted(signum)


@contextmanager
def handled() -> Iterator[None]:
    """Inside, SIGINT and SIGTERM raise `Interrupted` in the main thread; afterwards all is as before."""
    before = {number: signal.signal(number, _handle) for number in (signal.SIGINT, signal.SIGTERM)}
    _State.requested, _State.acknowledged, _State.depth = None, False, 0
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _State.requested = None  # whoever trains later in this process was asked nothing


@contextmanager
def deferred() -> Iterator[None]:
    """A block that a signal does not tear: `Interrupted` is raised behind it.

    It is raised also for a request that went by unheard before, as Python drops exceptions that a signal
    raises inside a finaliser.
    """
    _State.depth += 1
    try:
        yield
    finally:
        _State.depth -= 1
    if _State.requested is not None and not _State.acknowledged and not _State.depth:
        raise Interrupted(_State.requested)


def acknowledge() -> None:
    """Says that the request is being acted on: saving may now use `deferred()` without being stopped."""
    _State.acknowledged = True
