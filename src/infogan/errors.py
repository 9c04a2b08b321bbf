"""Errors as users read them: what happened, what was expected, what to do next.

Every error that a user can cause is an `InfoGANError`; the command line prints its three parts and exits
with its code, without a traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path


class InfoGANError(Exception):
    """Base of all errors meant for a user.

    Args:
        happened: what happened, with the value and the path.
        expected: what was expected instead.
        advice: what to do next, in the words of the Python API.
        command: the same in the words of the command line, if they differ.
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
        """The message with what to type next."""
        return self._text(self.command or self.advice)

    def _text(self, advice: str) -> str:
        return f"{self.happened}\n  expected: {self.expected}\n  try: {advice}"


class UsageError(InfoGANError):
    """An argument or a command is wrong, or does not fit what it is applied to."""

    exit_code = 2


class ConfigError(InfoGANError):
    """A configuration has an unknown key, a wrong type or a value out of range."""

    exit_code = 2


class DivergenceError(InfoGANError):
    """Training produced numbers that are no longer finite, or far outside what a loss can be."""

    exit_code = 3


class StorageError(InfoGANError):
    """A file could not be written, or what is stored is damaged."""

    exit_code = 4


class DataError(InfoGANError):
    """Images are missing, unreadable or of the wrong form."""

    exit_code = 5


class Interrupted(BaseException):
    """A signal asked the process to stop.

    Derives from BaseException, so that no `except Exception` swallows the request.

    Attributes:
        signum: the signal's number.
        run: the run directory in which everything is saved; None if no run had begun.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum
        self.run: Path | None = None

    @property
    def exit_code(self) -> int:
        """128 + the signal's number: 130 for SIGINT, 143 for SIGTERM."""
        return 128 + self.signum


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a suffix ` (did you mean 'x'?)` with the known word nearest to `word`, or an empty string."""
    near = nearest(word, known)
    return f" (did you mean {near!r}?)" if near else ""


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that `word` may be a misspelling of, or None."""
    return next(iter(difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)), None)
