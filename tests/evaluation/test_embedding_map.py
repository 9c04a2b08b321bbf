"""The 2-D map of images: groups stay together, and neither order nor batch changes a position."""

from __future__ import annotations

import numpy as np
import pytest

from infogan.evaluation import embedding_map
from infogan.evaluation.embedding_map import EmbeddingMap, landmark_indices


def groups(count: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return features of three groups that lie far apart, and the group of each image."""
    rng = np.random.default_rng(seed)
    group = rng.integers(3, size=count)
    return (10 * np.eye(3, 20)[group] + rng.normal(size=(count, 20))).astype(np.float32), group


def share_of_neighbours_in_group(positions: np.ndarray, group: np.ndarray) -> float:
    distances = np.linalg.norm(positions[:, None] - positions[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    return float((group[distances.argmin(1)] == group).mean())


@pytest.mark.slow
def test_similar_images_are_close_to_each_other_also_those_that_are_no_landmarks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(embedding_map, "MOST_LANDMARKS", 60)
    features, group = groups(300)
    positions = embedding_map.embedding_map(features)
    assert positions.shape == (300, 2) and positions.dtype == np.float32
    assert share_of_neighbours_in_group(positions, group) > 0.98
    assert np.abs(positions).max() == pytest.approx(1, abs=0.05)
    assert len(np.unique(positions, axis=0)) == 300


@pytest.mark.slow
def test_a_seed_determines_the_map(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding_map, "MOST_LANDMARKS", 40)
    features, _ = groups(100)
    again = embedding_map.embedding_map(features, seed=3)
    assert np.array_equal(embedding_map.embedding_map(features, seed=3), again)
    assert not np.allclose(embedding_map.embedding_map(features, seed=4), again)


def test_a_position_does_not_depend_on_the_other_images_of_a_batch() -> None:
    features, _ = groups(30)
    fitted = EmbeddingMap(features[:20])
    whole = fitted.place(features)
    assert np.array_equal(whole[:20], fitted.positions)
    assert np.allclose([fitted.place(row[None])[0] for row in features], whole, atol=1e-6)


@pytest.mark.parametrize("count", [0, 1, 2, 5, 13])
def test_few_images_and_images_with_equal_features_have_finite_positions(count: int) -> None:
    different = np.random.default_rng(0).normal(size=(count, 4)).astype(np.float32)
    for features in (different, np.ones((count, 4), np.float32), different[:, :1]):
        positions = embedding_map.embedding_map(features)
        assert positions.shape == (count, 2)
        assert np.isfinite(positions).all()


def test_landmarks_are_all_of_few_images_and_a_random_subset_of_many() -> None:
    assert np.array_equal(landmark_indices(7), np.arange(7))
    many = landmark_indices(1_000_000, seed=1)
    assert len(np.unique(many)) == embedding_map.MOST_LANDMARKS
    assert many.max() > 990_000
    assert not np.array_equal(many, landmark_indices(1_000_000, seed=2))
