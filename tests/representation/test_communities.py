"""Communities of points with known clusters."""

from __future__ import annotations

import numpy as np
import pytest

from infogan.representation import communities as module
from infogan.representation.categories import to_points
from infogan.representation.communities import MOST, communities, community_votes, own_probabilities
from infogan.representation.neighbours import graph, nearest


def clusters(count: int, size: int = 60, width: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """Return normal clusters that overlap slightly, float32 [count * size, width], and their labels."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(count), size)
    centres = rng.standard_normal((count, width)) * 1.8
    return (centres[labels] + rng.standard_normal((len(labels), width))).astype(np.float32), labels


def same_partition(first: np.ndarray, second: np.ndarray) -> float:
    from sklearn.metrics import adjusted_rand_score

    return float(adjusted_rand_score(first, second))


def test_overlapping_clusters_are_found_and_new_points_belong_to_them() -> None:
    features, labels = clusters(5, 80)
    points = to_points(features)
    (votes,) = community_votes(points[::2], [5], seed=0)
    assert votes.categories == 5
    assert same_partition(labels[1::2], votes.probabilities(points[1::2]).argmax(1)) > 0.9


def test_one_call_returns_a_rule_for_each_number() -> None:
    points = to_points(clusters(4)[0])
    rules = community_votes(points, [2, 4, 8], seed=0)
    assert [rule.categories for rule in rules] == [2, 4, 8]
    (alone,) = community_votes(points, [4], seed=0)
    assert same_partition(alone.labels, rules[1].labels) == 1


def test_partitions_become_finer_and_end_at_the_number_that_was_asked_for() -> None:
    points = to_points(clusters(4)[0])
    edges = graph(nearest(points).indices)
    sizes = [labels.max() + 1 for labels in communities(edges, 2, 12)]
    assert sizes == sorted(sizes)
    assert 4 in sizes
    assert sizes[-2] < 12 <= sizes[-1]
    fewer = [labels.max() + 1 for labels in communities(edges, 6, 12)]
    assert fewer == sizes[-len(fewer) :]
    assert len(fewer) < len(sizes)


def test_a_few_points_far_away_use_up_no_category() -> None:
    features, labels = clusters(2, 200)
    features[:3] += 40
    points = features.astype(np.float32)
    for part in communities(graph(nearest(points, 2).indices), 2, 2):  # the three are a component
        assert (part[:3] == -1).all()
    (votes,) = community_votes(points, [2], seed=0)
    assert same_partition(labels[3:], votes.probabilities(points[3:]).argmax(1)) > 0.9


def test_the_points_themselves_have_the_probabilities_that_the_rule_gives_them() -> None:
    points = to_points(clusters(4)[0])
    (votes,) = community_votes(points, [4], seed=0)
    own = own_probabilities(points, nearest(points).indices, 4, seed=0)
    np.testing.assert_allclose(own, votes.probabilities(points))


def test_many_small_components_take_no_time_without_limit() -> None:
    groups = np.repeat(np.random.default_rng(0).standard_normal((300, 5)) * 100, 12, 0)
    points = (groups + np.random.default_rng(1).standard_normal(groups.shape)).astype(np.float32)
    for part in communities(graph(nearest(points).indices), 10, 30):
        assert part.max() < MOST


def test_merged_communities_find_the_digits() -> None:
    """Spectral clustering into ten clusters, without merging, reaches .81."""
    from scipy.optimize import linear_sum_assignment
    from sklearn.datasets import load_digits

    digits = load_digits()
    points = to_points(digits.data)
    (votes,) = community_votes(points, [10], seed=0)
    table = np.zeros((10, 10))
    np.add.at(table, (votes.probabilities(points).argmax(1), digits.target), 1)
    assert table[linear_sum_assignment(-table)].sum() / len(points) > 0.94


def test_of_many_points_some_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGEST_GRAPH", 150)
    points = to_points(clusters(4)[0])
    (votes,) = community_votes(points, [4], seed=0)
    (again,) = community_votes(points, [4], seed=0)
    assert len(votes.points) <= 150
    assert np.array_equal(votes.labels, again.labels)
