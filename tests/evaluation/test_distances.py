"""Fréchet and kernel distance against closed forms, and features that need no labels."""

from __future__ import annotations

import numpy as np
import pytest

from infogan.data import Dataset, Split
from infogan.evaluation import fidelity_features
from infogan.evaluation.distances import distances, frechet, kernel
from infogan.evaluation.fidelity_features import turn_classifier
from infogan.evaluation.metric import METRICS
from infogan.evaluation.subject import Subject
from infogan.model import InfoGAN


def cloud(count: int, centre: float = 0.0, spread: float = 1.0, seed: int = 0) -> np.ndarray:
    draw = np.random.Generator(np.random.Philox(seed))
    return centre + spread * draw.normal(size=(count, 6))


def test_frechet_is_the_distance_of_the_two_normal_distributions() -> None:
    assert frechet(cloud(500), cloud(500)) == pytest.approx(0, abs=1e-9)
    # 6 (mu^2 + (s1 - s2)^2)
    assert frechet(cloud(40_000), cloud(40_000, 2, 3, seed=1)) == pytest.approx(6 * (4 + 4), rel=0.02)
    turned = cloud(40_000) * np.array([3.0, 1, 1, 1, 1, 1])
    assert frechet(turned, turned[:, [1, 0, 2, 3, 4, 5]]) == pytest.approx(8, rel=0.03)


def test_kernel_is_unbiased_and_that_of_a_plain_sum() -> None:
    alike = [kernel(cloud(60, seed=2 * k), cloud(60, seed=2 * k + 1)) for k in range(30)]
    assert min(alike) < 0 < max(alike)
    assert abs(np.mean(alike)) < 3 * np.std(alike, ddof=1) / np.sqrt(30)
    x, y = cloud(9), cloud(7, 1, seed=1)
    pairs = [(a @ b / 6 + 1) ** 3 for i, a in enumerate(x) for j, b in enumerate(x) if i != j]
    others = [(a @ b / 6 + 1) ** 3 for i, a in enumerate(y) for j, b in enumerate(y) if i != j]
    across = [(a @ b / 6 + 1) ** 3 for a in x for b in y]
    assert kernel(x, y) == pytest.approx(np.mean(pairs) + np.mean(others) - 2 * np.mean(across))


def test_both_grow_with_what_is_missed_and_have_intervals() -> None:
    draw = np.random.Generator(np.random.Philox(9))
    near, far = (distances(cloud(600), cloud(600, c, seed=1), draw) for c in (0.1, 0.6))
    for name in ("frechet", "kernel"):
        assert near[name] < far[name]
        low, high = far[f"{name}_interval"]
        assert near[name] < low < far[name] < high


@pytest.mark.slow
def test_turns_are_learned_without_labels() -> None:
    draw = np.random.Generator(np.random.Philox(3))
    images = draw.integers(60, size=(300, 12, 12, 1), dtype=np.uint8)
    images[:, :4] += 150  # a bright top
    model = turn_classifier(images[:200], seed=0)
    for turns in range(4):
        assert (model.predict(np.rot90(images[200:], turns, axes=(1, 2))) == turns).mean() > 0.95


def test_unlabelled_images_have_distances_and_few_have_none(
    drawn_model: InfoGAN, drawn_dataset: Dataset, short_classifier: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = np.concatenate([drawn_dataset.train.images] * 4)[:600]
    bare = Dataset("bare", Split(images), Split(images[::-1].copy()))
    found = METRICS["distances"](Subject(drawn_model, bare, "raw", samples=600))
    assert found["baselines"]["real"]["fidelity"]["frechet"] == pytest.approx(0, abs=1e-6)
    assert found["fidelity"]["frechet"] > 0
    small = Dataset("small", Split(images[:100]), Split(images[:100]))
    monkeypatch.setattr(fidelity_features, "turn_classifier", None)  # no network is taught for nothing
    assert METRICS["distances"](Subject(drawn_model, small, "raw", samples=600)) == {}
