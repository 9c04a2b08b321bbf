"""Progress of training: one live line in a terminal, plain lines otherwise, and everything in log.txt."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from infogan.sinks import NewSink

_PLAIN_EVERY = 15.0  # seconds between lines without a terminal
_CLEAR = "\r\x1b[K"


@dataclass(frozen=True)
class Output:
    """Where training reports, in addition to the files of the run.

    Attributes:
        quiet: write nothing to stderr.
        notify: called with each message and each line of progress. After an exception it is not called again,
            and training continues.
        sinks: makers of the sinks that receive metrics and pictures.
    """

    quiet: bool = False
    notify: Callable[[str], None] | None = None
    sinks: tuple[NewSink, ...] = ()


class Progress:
    """Writes metrics and messages to a stream and to a log file.

    Args:
        total: the step at which training ends.
        stream: stderr if None, as stdout is for results.
        log_path: the log file; None for no log.
        output: where to write besides the log file; its sinks are not used here.
    """

    def __init__(
        self,
        total: int,
        *,
        stream: TextIO | None = None,
        log_path: Path | None = None,
        output: Output | None = None,
    ) -> None:
        output = output or Output()
        self.total, self.log_path, self._notify = total, log_path, output.notify
        # sys.stderr is None if the shell closed it: 2>&-
        self._stream: TextIO | None = None if output.quiet else stream or sys.stderr
        self._live = self._stream is not None and self._stream.isatty()
        self._live_line = ""
        self._last_plain = -_PLAIN_EVERY

    def update(self, line: Mapping[str, Any]) -> None:
        """Show one line of metrics.jsonl."""
        text = describe(line, self.total)
        now = time.monotonic()
        if self._live:
            self._live_line = text[: shutil.get_terminal_size().columns - 1]
            self._write(_CLEAR + self._live_line)
        elif now - self._last_plain >= _PLAIN_EVERY or line["step"] == self.total:
            self._last_plain = now
            self._write(f"{text}\n")
        self._log(text)
        self._call(text)

    def say(self, text: str) -> None:
        """Write a message above the live line."""
        self._write(f"{_CLEAR}{text}\n{self._live_line}" if self._live_line else f"{text}\n")
        self._log(text)
        self._call(text)

    def close(self) -> None:
        """End the live line."""
        if self._live_line:
            self._write("\n")
            self._live_line = ""

    def _write(self, text: str) -> None:
        if self._stream is None:
            return
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            self._stream = None  # a closed pipe; training continues, with log.txt only

    def _call(self, text: str) -> None:
        if self._notify is None:
            return
        try:
            self._notify(text)
        except Exception as error:  # of the user's function; hours of training must not depend on it
            self._notify = None
            self.say(f"warning: progress={error!r}: the function failed; training continues without it")

    def _log(self, text: str) -> None:
        if self.log_path is None:
            return
        try:
            with self.log_path.open("a", encoding="utf-8") as log:
                log.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n")
        except OSError as error:
            path, self.log_path = self.log_path, None
            self._write(f"warning: {path} cannot be written ({error}); training continues without it\n")


def describe(line: Mapping[str, Any], total: int) -> str:
    """Return a line of metrics as text: "step 20/5,000  388 images/s  12 min left  digit 2.11 of 2.30"."""
    rate = line["images_per_second"]
    per_step = line["images_seen"] / line["step"]
    parts = [f"step {line['step']:,}/{total:,}", f"{rate:,.0f} images/s"]
    if line["step"] < total and rate > 0:
        parts.append(f"{_duration((total - line['step']) * per_step / rate)} left")
    for name, nats in line["mutual_information"].items():
        ceiling = line["ceiling"].get(name)
        parts.append(f"{name} {nats:.2f} of {ceiling:.2f} nats" if ceiling else f"{name} {nats:.2f} nats")
    return "  ".join(parts)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
