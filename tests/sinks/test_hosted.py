"""Weights & Biases and trackio, by stand-ins that record the calls: the packages are optional and large."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import infogan
from infogan.runs.directory import RunDirectory
from infogan.sinks.trackio_dashboard import TrackioDashboard
from infogan.sinks.weights_and_biases import WeightsAndBiases
from tests.sinks.conftest import LINE


class Hosted:
    """The part of the packages that the sinks use."""

    def __init__(self) -> None:
        self.begun: list[dict[str, Any]] = []
        self.logged: list[tuple[dict[str, Any], int | None]] = []
        self.id = "abc"

    def init(self, **settings: Any) -> Hosted:
        self.begun.append(settings)
        print("welcome")
        return self

    def setup(self) -> Any:
        return SimpleNamespace(settings=SimpleNamespace(project=None))

    def define_metric(self, name: str, step_metric: str) -> None:
        assert (name, step_metric) == ("*", "step")

    def log(self, values: dict[str, Any], step: int | None = None) -> None:
        self.logged.append((values, step))

    def finish(self) -> None:
        self.logged.append(({}, None))

    def Image(self, path: str | Path) -> str:  # noqa: N802 - the name of the packages
        return f"picture {path}"


@pytest.fixture
def hosted(monkeypatch: pytest.MonkeyPatch) -> Hosted:
    stand_in = Hosted()
    for name in ("wandb", "trackio"):
        monkeypatch.setitem(sys.modules, name, stand_in)  # type: ignore[arg-type]
    return stand_in


def test_wandb_receives_numbers_over_the_step(
    hosted: Hosted, run: RunDirectory, config: infogan.Config
) -> None:
    sink = WeightsAndBiases(run, config)
    sink.metrics(LINE)
    sink.pictures(20, {"samples": Path("a.png")})
    sink.close()
    (numbers, _), (pictures, _), _ = hosted.logged
    assert numbers["step"] == 20
    assert numbers["loss/generator"] == 0.5
    assert pictures == {"step": 20, "samples": "picture a.png"}
    assert hosted.begun[0]["project"] == "infogan"
    assert hosted.begun[0]["config"]["training"]["seed"] == 0


def test_wandb_continues_the_run_of_a_resumed_training(
    hosted: Hosted, run: RunDirectory, config: infogan.Config
) -> None:
    WeightsAndBiases(run, config).close()
    WeightsAndBiases(run, config).close()
    assert [settings["id"] for settings in hosted.begun] == [None, "abc"]


def test_trackio_continues_only_a_run_that_has_metrics(
    hosted: Hosted, run: RunDirectory, config: infogan.Config, capsys: pytest.CaptureFixture[str]
) -> None:
    TrackioDashboard(run, config).metrics(LINE)
    run.metrics_path.write_text('{"step": 20}\n')
    TrackioDashboard(run, config).close()
    assert [settings["resume"] for settings in hosted.begun] == ["never", "allow"]
    assert hosted.logged[0][1] == 20
    assert capsys.readouterr().out == ""  # stdout is for results
