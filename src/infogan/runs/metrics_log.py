"""metrics.jsonl: one JSON object a line, appended while a run trains; it never stops the training.

A line counts only with its line end: what a killed process or a full disk tore off is dropped. Imports no
torch: whoever only reads a run pays nothing for training.
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
    """Appends lines to a metrics file, whole or not at all.

    A line that cannot be written is lost, and training goes on: the first one is reported, all are counted.

    Args:
        path: of metrics.jsonl; made with the first line.
        on_failure: told once, of the first line that could not be written: path, reason and what to do.
    """

    def __init__(self, path: Path, on_failure: Callable[[str], None] = _log.warning) -> None:
        self.path, self.lost = path, 0
        self._on_failure = on_failure

    def append(self, line: Mapping[str, Any]) -> None:
        """Writes one line.

        Args:
            line: with an int "step" and, nested or not, finite numbers; a figure that does not apply is left
                out by the caller, so that a NaN is never dropped without a word.

        Raises:
            ValueError: a number is not finite; it names the dotted key.
            TypeError: "step" is missing or no int, or a value is no JSON.
        """
        step = line.get("step")
        if not isinstance(step, int) or isinstance(step, bool):
            raise TypeError(f"a line of metrics has step = {step!r}, not an int")
        for key, value in _numbers(line):
            if not math.isfinite(value):
                raise ValueError(f"step {step}: {key} = {value} is not finite: leave it out, or stop")
        data = (json.dumps(line, allow_nan=False) + "\n").encode()
        try:
            _append(self.path, data)
        except OSError as error:
            self.lost += 1
            if self.lost == 1:
                remedy = storage.remedy(error, self.path, len(data))
                self._on_failure(
                    f"cannot write {self.path}: {error.strerror or error}; training goes on without the line "
                    f"of step {step} and maybe more. To have them: {remedy}"
                )

    def sync(self) -> None:
        """Makes the lines survive a power cut; for before a checkpoint, which then never lacks its lines."""
        try:
            descriptor = os.open(self.path, os.O_RDWR)
        except OSError:  # no line yet, or all were lost and reported
            return
        try:
            with storage.writing(self.path, 0):
                os.fsync(descriptor)
        finally:
            os.close(descriptor)


def read(path: Path) -> list[dict[str, Any]]:
    """The lines of a metrics file, without a torn last one; none if there is no such file.

    Raises:
        StorageError: the file cannot be read, or a line before the last is damaged; it says which.
    """
    return [line for _, line in _lines(path)]


def truncate(path: Path, step: int, every: int) -> None:
    """Takes back what a run that resumes at `step` is going to write again; does nothing without a file.

    What remains are the lines that an undisturbed run would have written up to there: of steps that are
    multiples of `every`. A line for the last step of a run that now goes further is not one of them.

    Args:
        path: of metrics.jsonl.
        step: of the checkpoint, in steps done.
        every: steps between two lines.

    Raises:
        StorageError: the file cannot be written, or a line before the last is damaged.
    """
    if not path.exists():
        return
    kept: dict[int, bytes] = {}
    for raw, line in _lines(path):
        if line["step"] <= step and line["step"] % every == 0:
            kept[line["step"]] = raw + b"\n"
    storage.write_file(path, b"".join(kept.values()))


def _append(path: Path, data: bytes) -> None:
    """One write at the end of the last whole line; on failure the file ends there again."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        good = _good_length(descriptor)
        os.ftruncate(descriptor, good)
        try:
            written = 0
            while written < len(data):  # a short write is followed by one that says why
                written += os.pwrite(descriptor, data[written:], good + written)
        except BaseException:
            os.ftruncate(descriptor, good)
            raise
    finally:
        os.close(descriptor)


def _good_length(descriptor: int) -> int:
    """Bytes up to the end of the last whole line."""
    end = os.fstat(descriptor).st_size
    while end:
        start = max(0, end - _TAIL_BYTES)
        found = os.pread(descriptor, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def _lines(path: Path) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """Each whole line as it stands, without its line end, and as JSON."""
    try:
        *whole, rest = path.read_bytes().split(b"\n") if path.exists() else [b""]
    except OSError as error:
        raise StorageError(
            f"cannot read {path}: {error.strerror or error}", "a readable file", f"chmod u+r {path}"
        ) from error
    for number, raw in enumerate(whole, start=1):
        try:
            line = json.loads(raw)
            if not isinstance(line, dict) or not isinstance(line.get("step"), int):
                raise ValueError("it is no object with a step")
        except ValueError as error:
            if number == len(whole) and not rest:
                return  # torn, and something wrote a line end behind it
            raise StorageError(
                f"{path}:{number} is damaged: {error}",
                "one JSON object with a step on every line",
                f"delete line {number} of {path}",
            ) from None
        yield raw, line


def _numbers(value: Any, key: str = "") -> Iterator[tuple[str, float]]:
    """Every float in nested values, with its dotted key."""
    if isinstance(value, float):
        yield key, value
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from _numbers(item, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _numbers(item, f"{key}.{index}" if key else str(index))
