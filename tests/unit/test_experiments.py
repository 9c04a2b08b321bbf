"""The paper's experiments in the small: what they write, and that a stopped one goes on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from infogan import evaluation
from infogan.errors import UsageError
from infogan.experiments import names, run
from infogan.experiments.mnist_paper import lowest_mean
from infogan.experiments.registry import Options

TINY = (
    "data.source=digits", "data.size=8", "network.architecture=generic", "network.width=0.125",
    "training.batch_size=16", "latents.noise=6",
)  # fmt: skip


def test_every_experiment_says_what_it_does() -> None:
    assert {"figure1", "mnist-paper"} <= set(names()) and all(names().values())


def test_an_unknown_experiment_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UsageError, match="figure1"):
        run("figur1", Options())


def test_figure1_shows_both_arms_and_a_fresh_q_on_each(
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
    # Until the generator's first update both arms are one run; afterwards the bound must have moved it.
    assert result["arms"]["infogan"]["nats"] != result["arms"]["gan"]["nats"]
    settings = {arm: (folder / arm / "config.toml").read_text() for arm in ("infogan", "gan")}
    assert settings["infogan"].replace("generator_information = true", "") == settings["gan"].replace(
        "generator_information = false", ""
    )
    assert (
        folder / "figure1.png"
    ).exists() and "a fresh Q on the frozen generator" in capsys.readouterr().out
    trained = (folder / "gan" / "model" / "model.safetensors").stat().st_mtime_ns
    run("figure1", Options(out=folder, steps=40, seed=3, settings=TINY))
    assert (folder / "gan" / "model" / "model.safetensors").stat().st_mtime_ns == trained


def test_the_lowest_mean_looks_at_the_hundred_steps_before_each_line() -> None:
    lines = [{"step": 20 * i, "mutual_information": {"digit": float(i)}} for i in range(1, 11)]
    assert lowest_mean(lines, 0) == 3.0  # of lines 1 to 5, which end at step 100
    assert lowest_mean(lines, 101) == 4.0
    assert lowest_mean(lines, 1_000) is None
