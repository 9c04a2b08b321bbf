"""Metrics of the paper's figures and their targets."""

from __future__ import annotations

from typing import Any

import pytest

from infogan_experiments.experiment import FIRST_SEED
from infogan_experiments.targets import (
    Metric,
    at,
    factor,
    matched,
    only_code,
    outcome,
)

SCORES: dict[str, Any] = {
    "clustering": {"code": "digit", "accuracy": 0.9, "accuracy_interval": [0.88, 0.92]},
    "factors": {"azimuth": {"code": "style2", "spearman": 0.8, "spearman_interval": [0.7, 0.9]}},
    "agreement": {"style": {"azimuth": {"circular": 0.6, "circular_by_object": 0.85}, "elevation": {}}},
    "baselines": {
        "kmeans": {"clustering": {"accuracy": 0.5, "accuracy_interval": [0.48, 0.52]}},
        "pca": {"agreement": {"component1": {"azimuth": {"circular_by_object": 0.3}}}},
    },
}


def made(seed: int, accuracy: float, arm: str = "robust", **facts: Any) -> dict[str, Any]:
    """Return a result as `results.read_results` does."""
    scores = {
        "clustering": {"accuracy": accuracy, "accuracy_interval": [accuracy - 0.01, accuracy + 0.01]},
        "baselines": {"kmeans": {"clustering": {"accuracy": 0.5}}},
        "images": 100, "split": "test", "dataset": "drawn", "train_seconds": 60.0 * seed,
    }  # fmt: skip
    row = {
        "experiment": "mnist",
        "arm": arm,
        "seed": seed,
        "steps": 40,
        "settings": [],
        "quick": False,
        "data_given": False,
    }
    return row | {"machine": {"processor": "abacus", "usable_cores": 2}, "scores": scores} | facts


def test_a_value_is_measured_with_its_interval_and_baselines() -> None:
    found = at("clustering.accuracy")(SCORES)
    assert found is not None and found.note == "digit"
    assert found.own == (0.9, (0.88, 0.92))
    assert found.baselines == {"kmeans": (0.5, (0.48, 0.52))}
    assert at("brightness.spearman_real")(SCORES) is None


def test_a_factor_without_a_code_counts_as_0_if_the_data_have_factors() -> None:
    reached = factor("azimuth", "spearman")(SCORES)
    assert reached is not None and (reached.own.value, reached.note) == (0.8, "style2")
    none = factor("elevation", "spearman")(SCORES)
    assert none is not None and none.own.value == 0
    assert factor("azimuth", "spearman")({"codes": {}}) is None


def test_the_only_code_is_measured_whatever_it_was_matched_to() -> None:
    found = only_code("azimuth", "circular_by_object")(SCORES)
    assert found is not None and (found.own.value, found.note) == (0.85, "style")
    assert found.baselines == {"pca": (0.3, None)}
    two = {"agreement": SCORES["agreement"] | {"other": {}}}
    assert only_code("azimuth", "circular")(two) is None


def test_a_picture_shows_the_matched_code() -> None:
    assert matched("width", "azimuth")(SCORES) == ["style2"]
    assert matched("width")(SCORES) == []


def test_a_factor_that_the_data_do_not_have_does_not_apply() -> None:
    scores = {"factors": {"azimuth": {"code": "c1", "spearman": 0.9}}}
    known = scores | {"agreement": {"c1": {"azimuth": {}, "width": {}}}}
    assert factor("light", "spearman")(known) is None
    nought = factor("width", "spearman")(known)
    assert nought is not None and nought.own.value == 0


@pytest.mark.parametrize(
    ("accuracies", "needed", "verdict"),
    [
        ((0.9, 0.96, 0.97), 2, "pass"),
        ((0.9, 0.96, 0.9), 2, "short"),
        ((0.9, 0.96), 2, "open"),
        ((0.9, 0.9), 2, "short"),  # one more seed cannot change it
        ((0.96, 0.96), 2, "pass"),
        ((0.93, 0.96, 0.97), None, "pass"),  # the mean
        ((0.93, 0.95, 0.96), None, "short"),
        ((0.99, 0.99), None, "open"),  # the mean of fewer seeds is no mean
        ((0.96, 0.9, 0.9, 0.96, 0.96), 2, "short"),  # more seeds than planned make nothing easier
        ((0.93, 0.93, 0.93, 0.99, 0.99), None, "short"),
    ],
)
def test_a_verdict_counts_the_planned_seeds(
    accuracies: tuple[float, ...], needed: int | None, verdict: str
) -> None:
    metric = Metric("accuracy", at("clustering.accuracy"), 0.95, needed)
    rows = [made(FIRST_SEED + seed, one) for seed, one in enumerate(accuracies)]
    assert outcome(metric, rows, planned=range(FIRST_SEED, FIRST_SEED + 3)).verdict == verdict


def test_seeds_of_the_hyperparameter_search_are_shown_and_do_not_count() -> None:
    metric = Metric("accuracy", at("clustering.accuracy"), 0.95, 2)
    found = outcome(
        metric, [made(seed, 0.99) for seed in (0, 1, 2)], planned=range(FIRST_SEED, FIRST_SEED + 3)
    )
    assert (found.verdict, found.reached, len(found.measurements)) == ("open", 0, 3)


def test_a_metric_that_does_not_apply_has_no_verdict() -> None:
    metric = Metric("light", at("brightness.x"), 0.5, 1)
    assert outcome(metric, [made(FIRST_SEED, 0.9)], planned=range(FIRST_SEED, FIRST_SEED + 1)).verdict == ""
