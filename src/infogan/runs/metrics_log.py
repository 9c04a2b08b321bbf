"""metrics.jsonl: one JSON object per line, appended during training; errors do not stop the training.

A line without a line end, left by a killed process or a full disk, is ignored. Imports no torch.
"""

from __future__ import annotations

import json
import logging
import math
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from infogan import storage
from infogan.errors import StorageError

_TAIL_BYTES = 2**16
_log = logging.getLogger(__name__)


class MetricsLog:
    """Appends complete lines to a metrics file.

    A line that cannot be written is lost and counted in `lost`; training continues.

    Args:
        path: path of metrics.jsonl; created with the first line.
        on_failure: called with a message for the first lost line only.
    """

    def __init__(self, path: Path, on_failure: Callable[[str], None] = _log.warning) -> None:
        self.path, self.lost = path, 0
        self._on_failure = on_failure

    def append(self, line: Mapping[str, Any]) -> None:
        """Append one line.

        Args:
            line: has an int "step" and finite numbers, nested or not. The caller leaves out values that do
                not apply.

        Raises:
            ValueError: a number is not finite; names its dotted key.
            TypeError: "step" is missing or not an int, or a value is not JSON.
        """
        step = line.get("step")
        if not isinstance(step, int) or isinstance(step, bool):
            raise TypeError(f"a line of metrics has step = {step!r}, not an int")
        for key, value in _numbers(line):
            if not math.isfinite(value):
                raise ValueError(f"step {step}: {key} = {value} is not finite")
        data = (json.dumps(line, allow_nan=False) + "\n").encode()
        try:
            _append(self.path, data)
        except OSError as error:
            self.lost += 1
            if self.lost == 1:
                self._on_failure(
                    f"cannot write {self.path}: {error.strerror or error}; training continues, but the line "
                    f"of step {step} is lost, and maybe more. To keep further lines: "
                    f"{storage.advice_for(error, self.path, len(data))}"
                )

    def sync(self) -> None:
        """Flush the lines to the disk; called before a checkpoint is written."""
        try:
            descriptor = os.open(self.path, os.O_RDWR)
        except OSError:  # no line yet, or all were lost
            return
        try:
            with storage.writing(self.path, 0):
                os.fsync(descriptor)
        finally:
            os.close(descriptor)


def read(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a metrics file without an incomplete last one; none if there is no such file.

    Raises:
        StorageError: the file cannot be read, or a line before the last is damaged.
    """
    return [line for _, line in _lines(path)]


def truncate(path: Path, step: int, every: int) -> None:
    """Delete the lines that a run resumed at `step` writes again; do nothing without a file.

    The lines of an uninterrupted run remain: up to `step`, of steps that are multiples of `every`. The line
    of an irregular last step is deleted.

    Args:
        path: path of metrics.jsonl.
        step: of the checkpoint.
        every: steps between two lines.

    Raises:
        StorageError: the file cannot be written, or a line before the last is damaged.
    """
    if not path.exists():
        return
    lines = {
        line["step"]: raw + b"\n"
        for raw, line in _lines(path)
        if line["step"] <= step and line["step"] % every == 0
    }
    storage.write_file(path, b"".join(lines.values()))


def _append(path: Path, data: bytes) -> None:
    """Write after the last complete line; after an error the file ends there again."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        length = _complete_length(descriptor)
        os.ftruncate(descriptor, length)
        os.lseek(descriptor, length, os.SEEK_SET)
        try:
            written = 0
            while written < len(data):  # after a short write the next one raises the error
                written += os.write(descriptor, data[written:])
        except BaseException:
            os.ftruncate(descriptor, length)
            raise
    finally:
        os.close(descriptor)


def _complete_length(descriptor: int) -> int:
    """Return the number of bytes up to the end of the last complete line."""
    end = os.fstat(descriptor).st_size
    while end:
        start = max(0, end - _TAIL_BYTES)
        os.lseek(descriptor, start, os.SEEK_SET)
        line_end = os.read(descriptor, end - start).rfind(b"\n")
        if line_end >= 0:
            return start + line_end + 1
        end = start
    return 0


def _lines(path: Path) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """Yield each complete line as bytes without its line end, and as JSON."""
    try:
        *complete, rest = path.read_bytes().split(b"\n") if path.exists() else [b""]
    except OSError as error:
        raise StorageError(
            f"cannot read {path}: {error.strerror or error}", "a readable file", f"chmod u+r {path}"
        ) from error
    for number, raw in enumerate(complete, start=1):
        try:
            line = json.loads(raw)
            if not isinstance(line, dict) or not isinstance(line.get("step"), int):
                raise ValueError("it is not an object with a step")
        except ValueError as error:
            if number == len(complete) and not rest:
                return  # incomplete, with a line end written after it
            raise StorageError(
                f"{path}:{number} is damaged: {error}",
                "one JSON object with a step on every line",
                f"delete line {number} of {path}",
            ) from None
        yield raw, line


def _numbers(value: Any, key: str = "") -> Iterator[tuple[str, float]]:
    """Yield each float in nested values with its dotted key."""
    if isinstance(value, float):
        yield key, value
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from _numbers(item, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _numbers(item, f"{key}.{index}" if key else str(index))
