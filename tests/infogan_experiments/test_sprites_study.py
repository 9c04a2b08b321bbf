"""InfoGAN-CR on sprites."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from infogan import api, evaluation
from infogan import config as configuration
from infogan.errors import UsageError
from infogan.model import InfoGAN
from infogan_experiments import (
    results,
    run,
    sprites_study,
)
from infogan_experiments.experiment import Options


def scored(arm: str, seed: int, steps: int, value: float) -> dict[str, Any]:
    one = {
        "factorvae": value, "factorvae_interval": [value - 0.1, value + 0.1],
        "mig": value / 2, "mig_interval": [0.0, value],
        "dci": {"disentanglement": value, "disentanglement_interval": [0.0, 1.0]},
    }  # fmt: skip
    baselines = {"pca": {"disentanglement": one}, "kmeans": {}}
    return {
        "arm": arm,
        "seed": seed,
        "steps": steps,
        "scores": {"disentanglement": one, "baselines": baselines},
    }


def test_the_tables_show_every_seed_means_the_selected_run_and_all_steps() -> None:
    values = {(arm, seed): 0.2 + 0.1 * number + 0.01 * (seed - 100)
              for number, arm in enumerate(sprites_study.variants(100)) for seed in (100, 101)}  # fmt: skip
    made = [
        scored(arm, seed, steps, value * steps / 100)
        for (arm, seed), value in values.items()
        for steps in (50, 100)
    ]
    shown = sprites_study.sprites_tables(made, 100, {"seed": 101}).splitlines()
    assert f"| {sprites_study.BATCH} | 100 | 0.200 (0.100 to 0.300) | 0.100 (0.000 to 0.200) |" in shown[2]
    assert shown[4].startswith(f"| {sprites_study.BATCH}, mean (95 % over seeds) |  | 0.205 (0.141 to 0.269)")
    (picked,) = (line for line in shown if line.startswith(f"| {sprites_study.SELECTED}"))
    assert "| 101 | 0.410 (" in picked
    assert sum(line.startswith("| published on dSprites") for line in shown) == 4
    assert sum(line.startswith("| baseline: ") for line in shown) == 1
    assert f"| FactorVAE, {sprites_study.regularised(100)} | 0.203 | 0.405 |" in shown


@pytest.mark.long
def test_every_variant_is_trained_and_the_regulariser_starts_late(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sprites_study, "MEASURED_AT", (sprites_study.REGULARISED_FROM, 1.0))
    monkeypatch.setattr(evaluation, "evaluate", lambda *_, **__: scored("", 0, 0, 0.5)["scores"])
    settings = {"data.count": 2400, "network.width": 0.125, "training.batch_size": 4}
    run("sprites", Options(out=tmp_path, seed=7, seeds=2, steps=20, settings=settings))
    result = json.loads((tmp_path / "sprites.json").read_text())
    assert len(result["rows"]) == (3 * 2 - 1) * 2
    assert result["picked"]["seed"] in (7, 8)
    printed = capsys.readouterr()
    assert "published on dSprites" in printed.out and "| mean over seeds | step 18 |" in printed.out
    assert "from its start" not in printed.err
    kept = {
        arm: configuration.read(tmp_path / arm / "seed-7" / "config.toml").objective
        for arm in sprites_study.variants(20)
    }
    assert [one.contrastive_weight.points[0][0] for one in kept.values()] == [10**9, 10**9, 18]
    ends = {
        arm: InfoGAN.from_pretrained(tmp_path / arm / "seed-7").generator.output.weight
        for arm in sprites_study.variants(20)
    }
    assert not torch.equal(ends[sprites_study.SPECTRAL], ends[sprites_study.regularised(20)])
    # A run that is past a step cannot be measured there: the table shows the number of seeds.
    results.result_path(tmp_path, sprites_study.BATCH, 7, 18).unlink()
    run("sprites", Options(out=tmp_path, seed=7, seeds=2, steps=20, settings=settings))
    printed = capsys.readouterr()
    assert "batch norm in D, seed 7: was trained past step 18" in printed.err
    assert "| FactorVAE, batch norm in D | 0.500 (1) | 0.500 |" in printed.out
    assert "| mean over seeds (in brackets: number of seeds" in printed.out
    # A regularised run cannot be copied from a run past its start: it is trained from step 0.
    shutil.rmtree(tmp_path / sprites_study.regularised(20) / "seed-7")
    results.result_path(tmp_path, sprites_study.regularised(20), 7, 20).unlink()
    run("sprites", Options(out=tmp_path, seed=7, seeds=1, steps=20, settings=settings))
    assert "is trained from its start" in capsys.readouterr().err


@pytest.mark.parametrize(("steps", "count", "message"), [(9, 2_400, "20 or more"), (20, 400, "test images")])
def test_runs_that_could_not_be_measured_are_refused_before_training(
    steps: int, count: int, message: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=message):
        run("sprites", Options(out=tmp_path / "run", steps=steps, settings={"data.count": count}))
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_copied_regularised_run_equals_one_trained_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It shares its first steps with the run without the regulariser."""
    monkeypatch.setattr(sprites_study, "_select", lambda *_: None)
    monkeypatch.setattr(sprites_study, "MEASURED_AT", (sprites_study.REGULARISED_FROM, 1.0))
    monkeypatch.setattr(evaluation, "evaluate", lambda *_, **__: scored("", 0, 0, 0.5)["scores"])
    settings = {"data.count": 2400, "network.width": 0.125, "training.batch_size": 4}
    run("sprites", Options(out=tmp_path / "shared", seed=7, seeds=1, steps=20, settings=settings))
    shared = tmp_path / "shared" / sprites_study.regularised(20) / "seed-7"
    begun = {**settings, **sprites_study.starting_at(18), "training.seed": 7, "training.steps": 20}
    alone = api.train("sprites", recipe="cr", settings=begun, out=tmp_path / "alone")
    theirs = InfoGAN.from_pretrained(shared).state_dict()
    assert all(torch.equal(value, theirs[name]) for name, value in alone.state_dict().items())
