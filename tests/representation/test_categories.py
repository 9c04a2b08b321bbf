"""Categories of points with known clusters: heads and spectral clustering."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from infogan.representation.categories import (
    heads,
    spectral,
    spectral_votes,
    to_points,
)
from infogan.representation.neighbours import graph, nearest


def clusters(
    count: int, size: int = 60, distance: float = 5.0, width: int = 10
) -> tuple[np.ndarray, np.ndarray]:
    """Return normal clusters around random centres, float32 [count * size, width], and their labels."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((count, width)) * distance / np.sqrt(2 * width)
    labels = np.repeat(np.arange(count), size)
    points = centres[labels] * np.sqrt(width) / 2 + rng.standard_normal((len(labels), width))
    return points.astype(np.float32), labels


def same_partition(first: np.ndarray, second: np.ndarray) -> float:
    from sklearn.metrics import adjusted_rand_score

    return float(adjusted_rand_score(first, second))


def test_points_are_components_of_total_variance_256() -> None:
    features, _ = clusters(3)
    points = to_points(features)
    assert points.shape == (180, 10)
    assert points.dtype == np.float32
    assert points.var(0).sum() == pytest.approx(256, rel=1e-3)
    assert to_points(np.ones((20, 5), np.float32)).var() == 0


def test_heads_find_overlapping_clusters() -> None:
    features, labels = clusters(5)
    points = to_points(features)
    head = heads(points, nearest(points).indices, 5, seed=0)
    probabilities = head.probabilities(points)
    assert probabilities.shape == (300, 5)
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-5)
    assert same_partition(labels, probabilities.argmax(1)) > 0.9
    assert 1.0 < head.information < np.log(5)


def test_heads_are_a_function_of_the_seed() -> None:
    points = to_points(clusters(3)[0])
    neighbours, before = nearest(points).indices, torch.random.get_rng_state()
    first, second, other = (heads(points, neighbours, 3, seed=seed, starts=1) for seed in (0, 0, 1))
    assert np.array_equal(first.weight, second.weight)
    assert not np.array_equal(first.weight, other.weight)
    assert torch.equal(before, torch.random.get_rng_state())


def test_heads_know_new_points() -> None:
    features, labels = clusters(4)
    points = to_points(features)
    seen = np.arange(0, 240, 2)
    head = heads(points[seen], nearest(points[seen]).indices, 4, seed=0)
    assert same_partition(labels[1::2], head.probabilities(points[1::2]).argmax(1)) > 0.9


def test_spectral_clustering_finds_overlapping_clusters_and_knows_new_points() -> None:
    features, labels = clusters(5, size=80)
    points = to_points(features)
    votes = spectral_votes(points[::2], 5, seed=0)
    assert votes.categories == 5
    assert same_partition(labels[1::2], votes.probabilities(points[1::2]).argmax(1)) > 0.9


def test_spectral_clustering_spends_no_category_on_fragments() -> None:
    """Two large clusters, and three points far away that are only joined with each other."""
    rng = np.random.default_rng(0)
    large = rng.standard_normal((400, 3)) * 0.3 + np.repeat([[0, 0, 0], [1.5, 0, 0]], 200, 0)
    far = np.array([40.0, 0, 0]) + rng.standard_normal((3, 3)) * 0.1
    points = np.concatenate([large, far]).astype(np.float32)
    edges = graph(nearest(points).indices).tolil()
    component = graph(nearest(far.astype(np.float32), 2).indices)
    edges[400:, :400] = 0
    edges[:400, 400:] = 0
    edges[400:, 400:] = component
    (labels,) = spectral(edges.tocsr(), [2], seed=0)
    assert (labels[400:] == -1).all()
    assert same_partition(np.repeat([0, 1], 200), labels[:400]) > 0.8


def test_spectral_clustering_separates_components_of_the_graph() -> None:
    rng = np.random.default_rng(0)
    points = np.concatenate([rng.standard_normal((100, 4)), rng.standard_normal((50, 4)) + 50])
    votes = spectral_votes(points.astype(np.float32), 2, seed=0)
    assert same_partition(np.repeat([0, 1], [100, 50]), votes.labels) == 1
