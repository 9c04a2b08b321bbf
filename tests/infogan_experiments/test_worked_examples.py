"""Metrics on synthetic examples."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from infogan.evaluation.disentanglement.sample import SCORES
from infogan_experiments import (
    run,
    worked_examples,
)
from infogan_experiments.experiment import Options


@pytest.mark.slow
def test_every_metric_returns_the_exact_value_of_its_example() -> None:
    found = [
        *worked_examples.clustering_examples(),
        *worked_examples.information_examples(),
        *worked_examples.feature_examples(),
    ]
    assert len(found) > 20
    for one in found:
        assert one.measured == pytest.approx(one.theory, abs=0.03, rel=0.02), one


@pytest.mark.slow
def test_the_page_of_examples_shows_every_score(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(worked_examples, "IMAGES", 200)
    run("worked-examples", Options(out=tmp_path))
    result = json.loads((tmp_path / "worked-examples.json").read_text())
    shown = capsys.readouterr().out
    for name in SCORES:
        assert any(key.partition(".")[0] == name for key in result["disentanglement"]["the factors"])
        assert f"| {name}" in shown
