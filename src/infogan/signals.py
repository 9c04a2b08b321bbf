"""Signals that end a process, as requests to save and stop, at any time.

They are SIGINT (Ctrl-C), SIGTERM, SIGHUP (the terminal was closed) and SIGXCPU (the limit of CPU time). A
flag that only the training loop checks would miss signals during data preparation or sampling. Therefore a
signal raises `Interrupted` at once, except inside `deferred()`, which completes a step or a save first.
Imports only the standard library, so that it works from the start of a command.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from infogan.errors import Interrupted

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGXCPU")
STOPPING: tuple[signal.Signals, ...] = tuple(
    signal.Signals[name] for name in _NAMES if name in signal.Signals.__members__
)
"""The signals that are handled; Windows does not have all of them."""


class _State:
    """The signal received, whether it is being handled, and the number of nested `deferred()` blocks."""

    active = False
    in_python = False
    requested: int | None = None
    acknowledged = False
    depth = 0


def _handle(signum: int, _frame: FrameType | None) -> None:
    if signum == signal.SIGINT and _State.requested == signal.SIGINT:
        if _State.in_python:  # the process is the user's: a notebook, for example
            raise KeyboardInterrupt
        os._exit(128 + signum)  # a second Ctrl-C: stop now
    _State.requested = signum
    if not _State.depth and not _State.acknowledged:
        raise Interrupted(signum)


@contextmanager
def handled() -> Iterator[None]:
    """Raise `Interrupted` in the main thread on a stopping signal; restore the old handlers at the end.

    SIGHUP stays ignored if it is, as under nohup. In another thread than the main one nothing is changed, as
    Python handles signals in the main thread only.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in STOPPING}
    ignored = {number for number in STOPPING if number.name == "SIGHUP" and before[number] == signal.SIG_IGN}
    # A handler that was not installed from Python, None, cannot be restored, so it is not replaced.
    changed = {number for number in STOPPING if before[number] is not None} - ignored
    for number in changed:
        signal.signal(number, _handle)
    _State.active, _State.in_python = True, False
    _State.requested, _State.acknowledged, _State.depth = None, False, 0
    try:
        yield
    finally:
        for number in changed:
            signal.signal(number, before[number])
        _State.active, _State.in_python = False, False
        _State.requested = None  # later training in this process is not interrupted


@contextmanager
def handled_in_python() -> Iterator[None]:
    """As `handled`, around a call of the Python API, in a process that is not infogan's own.

    A second Ctrl-C raises KeyboardInterrupt at once instead of ending the process. Inside `handled`, and in
    other threads than the main one, nothing is changed.

    Raises:
        KeyboardInterrupt: instead of `Interrupted`, after Ctrl-C. Other signals are sent again once the old
            handlers are restored: they end the process, or do what its own handlers do.
    """
    if _State.active:
        yield
        return
    try:
        with handled():
            _State.in_python = True
            yield
    except Interrupted as request:
        if request.signum == signal.SIGINT:
            raise KeyboardInterrupt(str(request)) from None
        os.kill(os.getpid(), request.signum)
        raise  # a handler of the process has returned


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
