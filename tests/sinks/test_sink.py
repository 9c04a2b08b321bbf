from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import infogan
from infogan import sinks
from infogan.errors import UsageError
from infogan.runs import metrics_log
from infogan.runs.directory import RunDirectory
from tests.sinks.conftest import LINE, train


class Recorder(sinks.Sink):
    """Keeps everything that it receives, by the run's path."""

    received: dict[str, list[tuple[str, Any]]] = {}  # noqa: RUF012 - shared on purpose

    def __init__(self, run: RunDirectory, config: infogan.Config) -> None:
        super().__init__(run, config)
        self.events = self.received.setdefault(str(run.path), [])
        self.events.append(("open", config.training.seed))

    def metrics(self, line: Mapping[str, Any]) -> None:
        self.events.append(("metrics", dict(line)))

    def pictures(self, step: int, paths: Mapping[str, Path]) -> None:
        assert all(path.is_file() for path in paths.values())
        self.events.append(("pictures", (step, sorted(paths))))

    def message(self, text: str) -> None:
        self.events.append(("message", text))

    def close(self) -> None:
        self.events.append(("close", None))


class Broken(sinks.Sink):
    """Fails as a server that cannot be reached does."""

    calls = 0

    def metrics(self, line: Mapping[str, Any]) -> None:
        Broken.calls += 1
        raise ConnectionError("no route to host")


@pytest.mark.slow
def test_a_sink_receives_the_lines_of_metrics_jsonl_and_the_pictures(tmp_path: Path) -> None:
    train(tmp_path / "run", 40, log_to=[Recorder], progress=False)
    events = Recorder.received[str(tmp_path / "run")]
    lines = [json.loads(json.dumps(value)) for kind, value in events if kind == "metrics"]
    assert lines == metrics_log.read(tmp_path / "run" / "metrics.jsonl")
    names = ["samples", "traversals/digit", "traversals/rotation", "traversals/width"]
    assert [value for kind, value in events if kind == "pictures"] == [(20, names), (40, names)]
    assert events[0] == ("open", 0)
    assert events[-1] == ("close", None)
    assert any(kind == "message" and "no warnings" in value for kind, value in events)


@pytest.mark.slow
def test_a_sink_that_fails_stops_nothing_and_is_reported_once(tmp_path: Path) -> None:
    Broken.calls = 0
    said: list[str] = []
    train(tmp_path / "run", 40, log_to=[Broken, Recorder], progress=said.append)
    assert Broken.calls == 1
    warnings = [text for text in said if "Broken" in text]
    assert len(warnings) == 1
    assert "ConnectionError: no route to host" in warnings[0]
    assert len(metrics_log.read(tmp_path / "run" / "metrics.jsonl")) == 2
    assert len([1 for kind, _ in Recorder.received[str(tmp_path / "run")] if kind == "metrics"]) == 2


@pytest.mark.slow
def test_a_resumed_run_logs_to_the_sinks_that_are_named_again(tmp_path: Path) -> None:
    train(tmp_path / "run", 20, progress=False)
    infogan.resume(tmp_path / "run", steps=40, log_to=[Recorder], progress=False)
    steps = [value["step"] for kind, value in Recorder.received[str(tmp_path / "run")] if kind == "metrics"]
    assert steps == [40]


def test_a_registered_sink_is_found_by_its_name() -> None:
    with sinks.SINKS.restored():
        sinks.sink("recorder")(Recorder)
        assert sinks.find(["recorder", Broken]) == (Recorder, Broken)


def test_an_unknown_name_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(UsageError, match="did you mean 'tensorboard'"):
        sinks.find(["tensorbord"])


def test_a_missing_package_is_named_with_the_extra_before_training() -> None:
    with sinks.SINKS.restored():
        sinks.sink("dashboard", package="no_such_package", extra="dashboards")(Recorder)
        with pytest.raises(UsageError, match=r"no_such_package(.|\n)*pip install 'infogan\[dashboards\]'"):
            infogan.train("digits", log_to=["dashboard"])


def test_numbers_are_named_by_their_paths() -> None:
    assert dict(sinks.numbers(LINE)) == {
        "images_seen": 320.0,
        "loss/generator": 0.5,
        "loss/discriminator": 1.5,
        "mutual_information/digit": 2.0,
    }
