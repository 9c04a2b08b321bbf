"""The recipe `robust` with many seeds."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infogan.errors import ConfigError
from infogan_experiments import (
    results,
    robust_seeds,
    run,
)
from infogan_experiments.experiment import Options

TINY = {
    "data.source": "digits", "data.size": 8, "network.architecture": "generic", "network.width": 0.125,
    "training.batch_size": 16, "latents.noise": 6,
}  # fmt: skip


@pytest.mark.long
def test_a_table_of_seeds_resumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = Options(out=tmp_path, steps=4, seed=7, seeds=2, settings={**TINY, "repair_end": 0})
    run("robust-digits", options)
    printed = capsys.readouterr().out
    result = json.loads((tmp_path / "robust-digits.json").read_text())
    assert [(row["seed"], row["steps"]) for row in result["rows"]] == [(7, 4), (8, 4)]
    assert result["summary"]["4"]["seeds"] == [7, 8]
    assert set(result["rows"][0]["label_free_nats"]) == {"4"}
    assert printed.count("\n| digits | 7 | 4 |") == 1
    monkeypatch.setattr(results, "train_to", None)  # complete results are not trained again
    for path in (tmp_path / "rows").iterdir():  # as an older version wrote it, without this key
        older = json.loads(path.read_text())
        del older["config"]["network"]["normalization"]
        path.write_text(json.dumps(older))
    run("robust-digits", options)
    with pytest.raises(ConfigError, match="other settings"):
        run("robust-digits", replace(options, settings={**options.settings, "marginal_weight": 3.0}))


def measured(seed: int, accuracy: float, nats: float, **factors: float) -> dict[str, Any]:
    """Return a result as `results.record` writes it; noise makes half of the variance."""
    spearman = {
        name: {"spearman_generated": value, "spearman_real": value - 0.1} for name, value in factors.items()
    }
    return {
        "arm": "mnist", "seed": seed, "steps": 40, "label_free_nats": {"20": -nats, "40": nats},
        "scores": {
            "clustering": {"accuracy": accuracy, "generated_purity": accuracy},
            "variance": {"real": 40.0, "generated": 36.0, "noise": 18.0},
            "codes": {"rotation": {"r2_fake": accuracy}, "digit": {}},
            "factors": spearman,
        },
    }  # fmt: skip


def test_a_summary_shows_the_worst_seed_and_the_regret_of_label_free_selection() -> None:
    some = [
        measured(1, 0.98, 2.1, slant=0.9, width=0.8),
        measured(2, 0.90, 1.7, width=0.7, thickness=0.9),
        measured(3, 0.97, 2.0, slant=0.8, thickness=0.6),
    ]
    found = robust_seeds.summary(some)["40"]
    assert found["accuracy_mean"] == pytest.approx(0.95)
    assert (found["accuracy_median"], found["accuracy_least"]) == (0.97, 0.90)
    assert found["r2_fake_least"] == 0.90
    assert found["variance_median"] == {"generated_over_real": 0.9, "noise_over_generated": 0.5}
    # A seed without a code for slant has none: it is not left out of the median.
    assert found["slant_median"]["generated"] == 0.8
    assert robust_seeds.summary(some[:2])["40"]["slant_median"]["generated"] == 0.45
    assert found["width_or_thickness_median"]["real"] == pytest.approx(0.7)
    late, early = found["label_free"]["40"], found["label_free"]["20"]
    assert (late["picked_seed"], late["regret"], late["rank_correlation"]) == (1, 0.0, pytest.approx(1))
    assert (early["picked_seed"], early["regret"]) == (2, pytest.approx(0.08))


def test_recipes_are_compared_with_the_same_seed() -> None:
    def of(arm: str, seed: int, accuracy: float) -> dict[str, Any]:
        return {**measured(seed, accuracy, 2.0), "arm": arm}

    anchored = [of("anchored-categories", seed, 0.9 + seed / 100) for seed in (1, 2, 3)]
    robust = [of("robust", seed, accuracy) for seed, accuracy in ((1, 0.9), (2, 0.91), (4, 0.5))]
    found = robust_seeds.differences([*anchored, *robust])["40"]
    assert found["seeds"] == 2  # seed 3 has no run of robust, and seed 4 none of the other
    assert found["accuracy"] == pytest.approx(0.01)


@pytest.mark.long
def test_clusters_are_scored_on_test_images_too(tmp_path: Path) -> None:
    run(
        "anchored-digits", Options(out=tmp_path, steps=4, seed=7, seeds=1, settings={**TINY, "repair_end": 0})
    )
    result = json.loads((tmp_path / "anchored-digits.json").read_text())
    assert result["summary"]["difference"]["4"] == {"seeds": 1}  # one pair has no interval
    scores = {row["arm"]: row["scores"] for row in result["rows"]}
    assert scores["anchored-categories"]["representation"]["accuracy"] > 0.9
    assert "representation" not in scores["robust"]
