"""The text of an evaluation has a line for each metric that was measured, and no other."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

from infogan.reporting import tables

ROOT = Path(__file__).resolve().parents[2]


def published(steps: int) -> dict[str, Any]:
    """The figures of a published run."""
    rows = json.loads((ROOT / "docs" / "results" / "robust-mnist.json").read_text())["rows"]
    scores: dict[str, Any] = next(row["scores"] for row in rows if row["steps"] == steps)
    return scores


def test_every_metric_has_a_line() -> None:
    scores = published(5_000)
    shown = tables.evaluation_text(scores)
    information = scores["real"]["digit"]["information_nats"]
    assert f"digit of a real image and of its augmented view: {information:.3f} (95%:" in shown
    assert f"generated images {scores['variance']['generated']:.1f}, noise alone" in shown
    for factor, found in scores["factors"].items():
        assert f"  {factor}: code {found['code']}, rank correlation within categories" in shown
        assert f"{found['spearman_real']:.2f}" in shown
    assert f"precision {scores['fidelity']['precision']:.3f}" in shown
    assert all(len(line) < 180 for line in shown.splitlines())


def test_a_metric_that_was_not_measured_has_no_line() -> None:
    scores = {
        key: value
        for key, value in published(5_000).items()
        if key not in ("clustering", "baselines", "real", "variance", "factors", "fidelity")
    }
    lines = tables.evaluation_text(scores).splitlines()
    assert len(lines) == 1 + len(scores["codes"])


def test_brightness_context_and_the_best_attributes_have_lines() -> None:
    def attribute(choosing: float, sense: int) -> dict[str, Any]:
        place = {"code": "kind1", "category": 4, "sense": sense}
        return place | {"auc": 0.91, "auc_interval": [0.87, 0.94], "auc_choosing": choosing, "share": 0.1}

    many = {f"a{number}": attribute(0.5 + number / 100, 1) for number in range(9)}
    scores = published(5_000) | {
        "brightness": {
            "code": "style2",
            "spearman_generated": 0.85, "spearman_generated_interval": [0.84, 0.86],
            "spearman_real": 0.6, "spearman_real_interval": [0.5, 0.7],
        },
        "context": {"kind2": {"outside": 0.6, "outside_interval": [0.58, 0.62], "area": 0.5}},
        "attributes": many | {"Hat": attribute(0.9, -1)},
        "baselines": {"pca": {"brightness": {"spearman_real": 0.9}, "attributes": {"Hat": {"auc": 0.7}}}},
    }  # fmt: skip
    shown = tables.evaluation_text(scores)
    assert "brightness: code style2, rank correlation 0.85 (95%: 0.84 to 0.86) on generated" in shown
    assert "0.60 (95%: 0.50 to 0.70) on real images (pca 0.90)" in shown
    assert "kind2: share of its change outside the middle strip 0.60 (95%: 0.58 to 0.62); 0.50 for" in shown
    assert "Hat: not kind1 = 4, AUC 0.91 (95%: 0.87 to 0.94) (pca 0.70)" in shown
    assert "a8: kind1 = 4" in shown and "a1: kind1" not in shown  # the best eight


def test_disentanglement_scores_are_followed_by_those_of_the_baselines() -> None:
    def part(mig: float, completeness: float) -> dict[str, Any]:
        dci = {"completeness": completeness, "completeness_interval": [0.6, 0.8], "regressor": "trees"}
        return {"mig": mig, "mig_interval": [0.1, 0.3], "dci": dci}

    scores = published(5_000) | {
        "disentanglement": part(0.21, 0.71) | {"factors": ["azimuth", "width"], "images": 2_000},
        "baselines": {"pca": {"disentanglement": part(0.11, 0.61)}},
    }
    shown = tables.evaluation_text(scores)
    assert (
        "  scores of disentanglement for azimuth, width:\n    MIG 0.21 (95%: 0.10 to 0.30) (pca 0.11)"
        in shown
    )
    assert "    DCI completeness 0.71 (95%: 0.60 to 0.80) (pca 0.61)" in shown


def test_a_verdict_is_a_sentence_below_its_code() -> None:
    scores = published(5_000)
    fate: dict[str, Any] = {"survival": {"blur": 0.9, "rounding": 0.1}, "effect": 0.004}
    interval = {"effect_interval": [0.003, 0.005]}
    scores["codes"]["rotation"] |= fate | {"verdict": "hidden"} | interval
    scores["codes"]["width"] |= fate | {"verdict": "duplicate", "of": "rotation"}
    lines = tables.evaluation_text(scores).splitlines()
    told = {line.split(":")[0].strip(): after.strip() for line, after in itertools.pairwise(lines)}
    assert "do not survive rounding; it causes 0.4% of the variance" in told["rotation"]
    assert "(95% interval 0.3% to 0.5%)" in told["rotation"]
    assert told["width"] == "duplicate of rotation: both codes have nearly the same values on real images"
