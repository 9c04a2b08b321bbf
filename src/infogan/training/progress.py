"""What a run says while it trains: a live line in a terminal, plain lines elsewhere, all in log.txt."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

_PLAIN_EVERY = 15.0  # seconds between lines where there is no terminal
_CLEAR = "\r\x1b[K"


class Progress:
    """Writes to `stream` (stderr, so that stdout stays for results) and to a log file.

    Args:
        total: the step at which training ends.
        stream: where people look.
        log_path: where every line is kept; None: nowhere.
    """

    def __init__(self, total: int, *, stream: TextIO | None = None, log_path: Path | None = None) -> None:
        self.total, self.log_path = total, log_path
        self._stream: TextIO | None = stream or sys.stderr  # None where the shell closed it: 2>&-
        self._live = self._stream is not None and self._stream.isatty()
        self._shown = ""  # the live line now on the screen
        self._last_plain = -_PLAIN_EVERY

    def update(self, line: Mapping[str, Any]) -> None:
        """Shows one line of metrics.jsonl."""
        text = describe(line, self.total)
        now = time.monotonic()
        if self._live:
            self._shown = text[: shutil.get_terminal_size().columns - 1]
            self._write(_CLEAR + self._shown)
        elif now - self._last_plain >= _PLAIN_EVERY or line["step"] == self.total:
            self._last_plain = now
            self._write(f"{text}\n")
        self._log(text)

    def say(self, text: str) -> None:
        """A line that stays, above the live one."""
        self._write(f"{_CLEAR}{text}\n{self._shown}" if self._shown else f"{text}\n")
        self._log(text)

    def close(self) -> None:
        """Leaves the live line as it stands."""
        if self._shown:
            self._write("\n")
            self._shown = ""

    def _write(self, text: str) -> None:
        if self._stream is None:
            return
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            self._stream = None  # nobody reads any more (a closed pipe): training goes on, log.txt has it all

    def _log(self, text: str) -> None:
        if self.log_path is None:
            return
        try:
            with self.log_path.open("a", encoding="utf-8") as log:
                log.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n")
        except OSError as error:
            path, self.log_path = self.log_path, None
            self._write(f"warning: {path} cannot be written ({error}); training goes on without it\n")


def describe(line: Mapping[str, Any], total: int) -> str:
    """A line of metrics.jsonl in words: "step 1,240/5,000  388 images/s  12 min left  digit 2.11 of 2.30"."""
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
