"""The paper's recipe on MNIST."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from infogan_experiments import (
    results,
    run,
)
from infogan_experiments.experiment import Options
from infogan_experiments.mnist_paper import lowest_mean

TINY = {
    "data.source": "digits", "data.size": 8, "network.architecture": "generic", "network.width": 0.125,
    "training.batch_size": 16, "latents.noise": 6,
}  # fmt: skip


def test_the_lowest_mean_is_over_the_hundred_steps_before_each_line() -> None:
    lines = [{"step": 20 * i, "mutual_information": {"digit": float(i)}} for i in range(1, 11)]
    assert lowest_mean(lines, 0) == 3.0  # of lines 1 to 5, which end at step 100
    assert lowest_mean(lines, 101) == 4.0
    assert lowest_mean(lines, 1_000) is None


@pytest.mark.long
def test_the_first_seed_is_trained_further_than_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = Options(out=tmp_path, steps=2, seed=3, seeds=2, settings={**TINY, "save_every": 1})
    run("mnist-paper", options)
    rows = json.loads((tmp_path / "mnist-paper.json").read_text())["rows"]
    assert [(row["seed"], row["steps"]) for row in rows] == [(3, 2), (4, 2), (3, 10)]
    assert rows[0]["lowest_hundred_step_mean_nats"] is None
    assert "| 3 | 10 |" in capsys.readouterr().out
    monkeypatch.setattr(results, "train_to", None)  # complete results are not trained again
    run("mnist-paper", options)
