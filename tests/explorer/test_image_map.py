"""Positions of images on the map."""

from __future__ import annotations

import numpy as np
import pytest

from infogan.explorer import image_map


def clusters(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return features of images in three clusters, and the cluster of each."""
    rng = np.random.default_rng(0)
    number = rng.integers(3, size=count)
    return (10 * np.eye(8)[number] + rng.normal(size=(count, 8))).astype(np.float32), number


@pytest.mark.slow
@pytest.mark.parametrize("landmarks", [150, 60])
def test_neighbours_on_the_map_are_of_the_same_cluster(
    monkeypatch: pytest.MonkeyPatch, landmarks: int
) -> None:
    monkeypatch.setattr(image_map, "_LANDMARKS", landmarks)
    features, number = clusters(150)
    positions = image_map.place(features)
    assert abs(positions).max() <= 1.0001
    distances = np.linalg.norm(positions[:, None] - positions[None], axis=2) + 10 * np.eye(150)
    assert (number[distances.argmin(1)] == number).mean() > 0.95


@pytest.mark.slow
def test_the_map_is_always_the_same() -> None:
    features, _ = clusters(40)
    assert np.array_equal(image_map.place(features), image_map.place(features))


@pytest.mark.parametrize("count", [1, 2, 4])
def test_a_few_images_have_positions_too(count: int) -> None:
    positions = image_map.place(clusters(count)[0])
    assert positions.shape == (count, 2) and np.isfinite(positions).all()
