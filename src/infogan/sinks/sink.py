"""The interface of sinks, and their registry.

A sink is a class with any of four methods. This one prints a line for each line of metrics:

    from infogan.sinks import Sink, sink

    @sink("print")
    class Print(Sink):
        def metrics(self, line: Mapping[str, Any]) -> None:
            print(line["step"], line["loss"])

Pass it as `infogan.train(..., log_to=["print"])`, or `--log-to print --plugin FILE.py`. In Python, the class
itself can be passed, too: `log_to=[Print]`.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from infogan.config import Config
from infogan.errors import UsageError
from infogan.registry import Registry
from infogan.runs.directory import RunDirectory


class Sink:
    """Receives the metrics, pictures and messages of one run. Override the methods that you need.

    A sink is created each time the run trains: at its start, and again when it is resumed. If a method raises
    an exception, the sink is closed with a warning, and training continues.

    Args:
        run: the run directory, in which the sink may keep files of its own.
        config: the configuration of the run.
    """

    def __init__(self, run: RunDirectory, config: Config) -> None:
        self.run, self.config = run, config

    def metrics(self, line: Mapping[str, Any]) -> None:
        """Receive one line of metrics.jsonl, as it is written there."""

    def pictures(self, step: int, paths: Mapping[str, Path]) -> None:
        """Receive the pictures of a step: PNG files under "samples" and "traversals/CODE"."""

    def message(self, text: str) -> None:
        """Receive a message of log.txt, such as a training warning."""

    def close(self) -> None:
        """Write what is buffered. Called when training ends, is stopped or fails."""


NewSink = Callable[[RunDirectory, Config], Sink]
"""Makes the sink of a run: usually a subclass of `Sink`."""

SinkClass = TypeVar("SinkClass", bound=NewSink)


@dataclass(frozen=True)
class SinkEntry:
    """A registered sink.

    Attributes:
        make: makes the sink of a run.
        package: the importable package that it needs; None if it needs none.
        extra: the extra of infogan that installs the package.
    """

    make: NewSink
    package: str | None = None
    extra: str | None = None


SINKS: Registry[SinkEntry] = Registry(
    "sink", "infogan.sinks", advice="no sink: metrics.jsonl is always written"
)
"""All sinks, by the name that `log_to` and `--log-to` take."""


def sink(
    name: str, *, package: str | None = None, extra: str | None = None
) -> Callable[[SinkClass], SinkClass]:
    """Register the decorated class as a sink.

    Args:
        name: what users type.
        package: the package that the sink imports, if it is an optional dependency.
        extra: the extra of infogan that installs the package, if there is one.

    Raises:
        ValueError: another sink has that name.
    """

    def register(make: SinkClass) -> SinkClass:
        SINKS.add(name, SinkEntry(make, package, extra), make)
        return make

    return register


def find(sinks: Sequence[str | NewSink]) -> tuple[NewSink, ...]:
    """Return the makers of sinks that are given by name, or as such.

    Raises:
        UsageError: no sink has that name, or its package is not installed.
    """
    return tuple(_named(one) if isinstance(one, str) else one for one in sinks)


def _named(name: str) -> NewSink:
    entry = SINKS.find(name)
    if entry.package is not None and importlib.util.find_spec(entry.package) is None:
        wanted = entry.package if entry.extra is None else f"'infogan[{entry.extra}]'"
        raise UsageError(
            f"the sink {name!r} needs the package {entry.package}, which is not installed",
            entry.package,
            f"pip install {wanted}",
        )
    return entry.make


class OpenSinks:
    """The sinks of a run in training.

    Args:
        makers: from `find`.
        run: the run directory.
        config: of the run.
        warn: called with a message when a sink fails. The sink is then closed.
    """

    def __init__(
        self, makers: Sequence[NewSink], run: RunDirectory, config: Config, warn: Callable[[str], None]
    ) -> None:
        self._warn = warn
        self._open: list[Sink] = []
        for make in makers:
            try:
                self._open.append(make(run, config))
            except Exception as error:
                self._report(getattr(make, "__name__", repr(make)), error)

    def metrics(self, line: Mapping[str, Any]) -> None:
        """Pass on a line of metrics.jsonl."""
        self._each(lambda one: one.metrics(line))

    def pictures(self, step: int, paths: Mapping[str, Path]) -> None:
        """Pass on the pictures of a step."""
        self._each(lambda one: one.pictures(step, paths))

    def message(self, text: str) -> None:
        """Pass on a message."""
        self._each(lambda one: one.message(text))

    def close(self) -> None:
        """Close all sinks."""
        self._each(lambda one: one.close())
        self._open = []

    def _each(self, call: Callable[[Sink], None]) -> None:
        for one in list(self._open):
            try:
                call(one)
            # The packages of sinks raise exceptions of many libraries, and none of them may end a training.
            except Exception as error:
                self._open.remove(one)
                self._report(type(one).__name__, error)

    def _report(self, name: str, error: Exception) -> None:
        self._warn(
            f"warning: the sink {name} failed ({type(error).__name__}: {error}); training continues without "
            "it, and metrics.jsonl is complete"
        )


def numbers(line: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    """Yield the numbers of a line of metrics by their paths, such as "loss/generator"; not its step."""
    for key, value in line.items():
        name = f"{prefix}/{key}" if prefix else key
        if isinstance(value, Mapping):
            yield from numbers(value, name)
        elif isinstance(value, int | float) and not isinstance(value, bool) and name != "step":
            yield name, float(value)
