"""Errors for users, in three parts: what happened, what was expected, and what to do next.

Every error that a user can cause is an `InfoGANError`. The command line prints its three parts without a
traceback, and exits with its exit code.
"""

from __future__ import annotations

import difflib
import signal
from collections.abc import Iterable
from pathlib import Path


class InfoGANError(Exception):
    """Base class of all errors for users.

    Args:
        happened: what happened, with the value and the path.
        expected: what was expected instead.
        advice: what to do next, for users of the Python API.
        command: what to do next for users of the command line, if it differs.
    """

    exit_code = 1

    def __init__(self, happened: str, expected: str, advice: str, *, command: str | None = None) -> None:
        super().__init__(happened, expected, advice)
        self.happened, self.expected, self.advice = happened, expected, advice
        self.command = command

    def __str__(self) -> str:
        return self._text(self.advice)

    @property
    def for_command_line(self) -> str:
        """The message with the advice for the command line."""
        return self._text(self.command or self.advice)

    def _text(self, advice: str) -> str:
        return f"{self.happened}\n  expected: {self.expected}\n  try: {advice}"


class UsageError(InfoGANError):
    """An argument or a command is wrong or cannot be applied here."""

    exit_code = 2


class ConfigError(InfoGANError):
    """A configuration has an unknown key, a wrong type or a value out of range."""

    exit_code = 2


class DivergenceError(InfoGANError):
    """Training diverged: a value is not finite, or far outside the range of a loss."""

    exit_code = 3


class StorageError(InfoGANError):
    """A file cannot be written, or a stored file is damaged."""

    exit_code = 4


class DataError(InfoGANError):
    """Images are missing, cannot be read, or have a wrong shape or type."""

    exit_code = 5


class DistributedError(InfoGANError):
    """A training by several processes has lost one of them, or they cannot be connected."""


class Interrupted(BaseException):
    """A signal asked the process to stop.

    Derives from BaseException, so that no `except Exception` swallows the request.

    Attributes:
        signum: the signal's number.
        run: the run directory in which the state is saved; None if no run had started.
        advice: how to resume, if not by resuming a run.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum
        self.run: Path | None = None
        self.advice: str | None = None

    def __str__(self) -> str:
        saved = "" if self.run is None else f"; the run is saved: infogan.resume({str(self.run)!r})"
        saved = saved if self.advice is None else f"; {self.advice}"
        return f"stopped by {signal.Signals(self.signum).name}{saved}"

    @property
    def exit_code(self) -> int:
        """128 + the signal's number: 130 for SIGINT, 143 for SIGTERM, 129 for SIGHUP, 152 for SIGXCPU."""
        return 128 + self.signum


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ` (did you mean 'x'?)` with the known word most similar to `word`, or an empty string."""
    near = nearest(word, known)
    return f" (did you mean {near!r}?)" if near else ""


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word of which `word` may be a misspelling, or None."""
    return next(iter(difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)), None)
