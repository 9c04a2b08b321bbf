"""Lines for the terminal: on stderr, and never the end of a command.

The reader of stderr may have gone (2>&1 | head -1), its disk may be full, or the shell may have closed it
(2>&-); sys.stderr is None then, and print would write to stdout, which is for results. Imports only the
standard library.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Any


class Guarded:
    """A stream for progress whose errors are ignored: a broken pipe must not end what is in progress.

    Args:
        stream: such as sys.stderr; None: nothing is written.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.encoding = getattr(stream, "encoding", None) or "utf-8"

    def write(self, text: str) -> int:
        """Write a text, if it can be written."""
        if self._stream is not None:
            with suppress(OSError, ValueError):  # ValueError: the stream was closed in Python
                self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush the stream, if it can be flushed."""
        if self._stream is not None:
            with suppress(OSError, ValueError):
                self._stream.flush()

    def isatty(self) -> bool:
        """Return True for a terminal."""
        return self._stream is not None and not self._stream.closed and bool(self._stream.isatty())


def say(text: str) -> None:
    """Print a line on stderr, if it can be written."""
    stream = Guarded(sys.stderr)
    stream.write(f"{text}\n")
    stream.flush()
