"""Figure 1: two variants that differ in one term, and a new Q for each."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from infogan import evaluation
from infogan_experiments import (
    run,
)
from infogan_experiments.experiment import Options

TINY = {
    "data.source": "digits", "data.size": 8, "network.architecture": "generic", "network.width": 0.125,
    "training.batch_size": 16, "latents.noise": 6,
}  # fmt: skip


@pytest.mark.slow
def test_figure1_trains_both_variants_and_a_new_q_on_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = evaluation.fit_recognition
    budget = evaluation.Budget(max_steps=20, check_every=10, batch_size=16, held_out=64)
    monkeypatch.setattr(
        evaluation, "fit_recognition", lambda model, seed: whole(model, seed=seed, budget=budget, samples=64)
    )
    folder = tmp_path / "figure1"
    run("figure1", Options(out=folder, steps=40, seed=3, settings=TINY))
    result = json.loads((folder / "figure1.json").read_text())
    assert result["seed"] == 3 and result["arms"].keys() == {"infogan", "gan"}
    for arm in result["arms"].values():
        assert arm["step"] == [20, 40] and len(arm["nats"]) == 2
        assert "mutual_information_nats" in arm["fresh_recognition"]["codes"]["digit"]
    # The runs are equal until the generator's first update, which the bound must change.
    assert result["arms"]["infogan"]["nats"] != result["arms"]["gan"]["nats"]
    settings = {arm: (folder / arm / "config.toml").read_text() for arm in ("infogan", "gan")}
    assert settings["infogan"].replace("generator_information = true", "") == settings["gan"].replace(
        "generator_information = false", ""
    )
    assert "a new Q trained on the frozen generator" in capsys.readouterr().out
    figure = (folder / "figure1.svg").read_text()
    assert figure.startswith("<svg") and figure.count("<polyline") == 5 and figure.count("<circle") == 7 + 2
    trained = (folder / "gan" / "model" / "model.safetensors").stat().st_mtime_ns
    run("figure1", Options(out=folder, steps=40, seed=3, settings=TINY))
    assert (folder / "gan" / "model" / "model.safetensors").stat().st_mtime_ns == trained
