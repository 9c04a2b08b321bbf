"""Label-free selection compared with labels."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from infogan.errors import UsageError
from infogan_experiments import (
    selection_study,
)
from infogan_experiments.experiment import Options

TINY = {
    "data.source": "digits", "data.size": 8, "network.architecture": "generic", "network.width": 0.125,
    "training.batch_size": 16, "latents.noise": 6,
}  # fmt: skip


def test_criteria_are_compared_with_labels_and_a_random_selection() -> None:
    goodness = {"1": 0.9, "2": 0.5, "3": 0.7, "4": 0.6}
    runs = {
        name: {"right": value, "wrong": -value, "mean_rank": rank}
        for rank, (name, value) in enumerate(sorted(goodness.items(), key=lambda one: -one[1]), start=1)
    }
    found = selection_study.summary({"runs": runs}, goodness)
    for name in ("right", "mean_rank"):
        assert found["criteria"][name]["rank_correlation"] == pytest.approx(1)
        assert (found["criteria"][name]["picked"], found["criteria"][name]["regret"]) == ("1", 0)
    assert found["criteria"]["wrong"]["regret"] == pytest.approx(0.4)
    assert found["blind"] == pytest.approx(0.9 - 0.675)
    shown = selection_study.criteria_table(found, "accuracy")
    assert "| right | 1.00 (" in shown and "| random selection, mean |  |  | 0.225 |" in shown


def test_one_command_trains_selects_and_evaluates_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = replace(selection_study.PLANS[0], preset="digits", steps=3)
    with pytest.raises(UsageError, match="too few runs"):
        selection_study.compare(plan, Options(out=tmp_path, seed=7, seeds=2, settings=TINY))
    selection_study.compare(plan, Options(out=tmp_path, seed=7, seeds=3, settings=TINY))
    result = json.loads((tmp_path / "choosing-mnist.json").read_text())
    assert set(result["goodness"]) == {"7", "8", "9"}
    assert {"kept_nats", "consensus", "mean_rank"} <= set(result["criteria"])
    assert result["choice"]["chosen"] in result["goodness"]
    assert "random selection" in capsys.readouterr().out
