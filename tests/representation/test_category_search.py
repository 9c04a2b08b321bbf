"""The number of categories on data with known answers, and nothing found where there is nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest

from infogan.representation.category_search import (
    Categories,
    Source,
    Stability,
    category_search,
    choose,
    none_of_these,
    stability,
)
from infogan.representation.merging import cut, merge_tree, neighbour_table
from infogan.representation.neighbours import nearest


def clusters(count: int, size: int, width: int = 12, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return overlapping normal clusters, float32 [count * size, width], and their labels."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(count), size)
    points = rng.standard_normal((count, width))[labels] * 2 + rng.standard_normal((len(labels), width))
    return points.astype(np.float32), labels


def agreement(first: np.ndarray, second: np.ndarray) -> float:
    from sklearn.metrics import adjusted_mutual_info_score

    return float(adjusted_mutual_info_score(first, second))


def white_noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((300, 64)).astype(np.float32)


def permuted_pixels(seed: int) -> np.ndarray:
    """Return scikit-learn's digits with each pixel permuted across images."""
    from sklearn.datasets import load_digits

    rng = np.random.default_rng(seed)
    pixels = load_digits().data[:600]
    return np.stack([rng.permutation(pixel) for pixel in pixels.T], 1).astype(np.float32)


def searched(
    features: np.ndarray,
    *,
    seed: int = 0,
    categories: int | None = None,
    sources: Sequence[Source] = ("communities",),
) -> Categories:
    """Return categories, which must be found."""
    found = category_search(features, seed=seed, categories=categories, sources=sources)
    assert found is not None
    return found


# --- clusters -------------------------------------------------------------------------------------------


def test_overlapping_clusters_are_found_and_rather_too_many_than_too_few() -> None:
    features, labels = clusters(6, 100)
    found = searched(features)
    assert 6 <= found.chosen.categories <= 10
    assert agreement(labels, found.labels) > 0.8
    assert found.chosen.agreement > found.threshold + 0.1
    assert agreement(labels, cut(found.tree, 6)[found.labels]) > 0.9
    assert found.none.mean() < 0.1


@pytest.mark.long
def test_the_heads_are_chosen_where_they_are_as_stable() -> None:
    features, labels = clusters(4, 60)
    found = searched(features, categories=4, sources=("heads", "communities"))
    assert found.chosen.agreement > found.threshold
    assert {point.source for point in found.curve} == {"heads", "communities"}
    assert agreement(labels, found.labels) > 0.9


@pytest.mark.long
def test_the_search_is_a_function_of_the_seed() -> None:
    features, _ = clusters(3, 60)
    first, second = (searched(features, seed=1, categories=3, sources=["heads"]) for _ in range(2))
    assert np.array_equal(first.probabilities, second.probabilities)
    assert first.threshold == second.threshold
    assert np.array_equal(first.tree, second.tree)


def test_two_components_are_two_categories() -> None:
    features, _ = clusters(1, 150)
    features[100:] += 100
    found = searched(features)
    assert agreement(np.repeat([0, 1], [100, 50]), cut(found.tree, 2)[found.labels]) == 1


def test_duplicates_change_no_category() -> None:
    features, _ = clusters(4, 60)
    alone = searched(features, categories=4)
    repeated = searched(np.repeat(features, 3, 0), categories=4)
    assert np.array_equal(repeated.labels, np.repeat(alone.labels, 3))
    assert repeated.threshold == alone.threshold


def test_three_outliers_belong_to_no_category_and_are_none() -> None:
    features, labels = clusters(4, 60)
    features[[0, 70, 130]] += np.random.default_rng(1).standard_normal((3, 12)).astype(np.float32) * 30
    found = searched(features, categories=4)
    assert found.none[[0, 70, 130]].all()
    assert found.none.mean() < 0.1
    assert np.bincount(found.labels).min() > 20
    assert agreement(labels, found.labels) > 0.8


def test_unequal_clusters_are_found() -> None:
    features, labels = clusters(3, 300)
    kept = np.concatenate([np.arange(300), np.arange(300, 360), np.arange(600, 660)])
    found = searched(features[kept])
    assert agreement(labels[kept], cut(found.tree, 3)[found.labels]) > 0.8


def test_too_few_images_are_refused() -> None:
    with pytest.raises(ValueError, match="3 different images; at least 36 are needed"):
        category_search(np.eye(3, dtype=np.float32), seed=0)


def test_progress_is_reported() -> None:
    messages: list[str] = []
    category_search(
        clusters(3, 40)[0], seed=0, categories=3, sources=["communities"], after_step=messages.append
    )
    assert "stability of communities" in messages[0]
    assert messages[1].startswith("3 categories: stability")


# --- nothing there --------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("null", [white_noise, permuted_pixels])
def test_no_category_is_found_in_noise(null: object, seed: int) -> None:
    features = white_noise(seed) if null is white_noise else permuted_pixels(seed)
    assert category_search(features, seed=seed, sources=["communities"]) is None


# --- parts ----------------------------------------------------------------------------------------------


def test_stability_is_high_at_the_true_number() -> None:
    points, _ = clusters(4, 90)
    curve = stability(points, [2, 4, 12], "communities", seed=0)
    assert [point.categories for point in curve] == [2, 4, 12]
    assert curve[1].agreement > 0.9
    assert curve[1].confirmed > 0.9
    assert curve[2].agreement < curve[1].agreement


POINT = Stability("heads", 10, agreement=0.6, information=1.5, standard_error=0.02, confirmed=0.5)


def test_the_smallest_number_with_90_percent_of_the_information_is_chosen() -> None:
    curve = [
        dataclasses.replace(POINT, categories=count, information=information)
        for count, information in ((5, 1.0), (10, 1.7), (12, 1.81), (20, 2.0), (30, 1.9))
    ]
    assert choose(curve).categories == 12


def test_the_more_stable_method_is_chosen_and_the_first_on_a_tie() -> None:
    other = dataclasses.replace(POINT, source="communities", agreement=0.62)
    assert choose([POINT, other]).source == "heads"
    assert choose([POINT, dataclasses.replace(other, agreement=0.7)]).source == "communities"


def test_a_stable_fragment_does_not_decide_the_method() -> None:
    fragment = Stability("communities", 2, agreement=1.0, information=0.3, standard_error=0.0, confirmed=1.0)
    weak = dataclasses.replace(POINT, source="communities", agreement=0.4)
    assert choose([POINT, fragment, weak]).source == "heads"


def test_neighbouring_categories_merge_first() -> None:
    """Four clusters in two pairs: the pairs merge, then everything."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(4), 50)
    points = np.array([[0.0, 0], [2, 0], [50, 0], [52, 0]])[labels] + rng.standard_normal((200, 2))
    tree = merge_tree(neighbour_table(labels, nearest(points.astype(np.float32)).indices))
    assert tree.shape == (3, 4)
    assert sorted(map(sorted, tree[:2, :2].astype(int).tolist())) == [[0, 1], [2, 3]]
    assert (np.diff(tree[:, 2]) >= 0).all()
    assert tree[-1, 3] == 4
    assert cut(tree, 4).tolist() == [0, 1, 2, 3]
    assert cut(tree, 2).tolist() == [0, 0, 1, 1]
    assert cut(tree, 1).tolist() == [0, 0, 0, 0]


def test_images_between_categories_are_none() -> None:
    points, _ = clusters(1, 50)
    probabilities = np.full((50, 2), 0.5, np.float32)
    probabilities[:25] = [0.9, 0.1]
    none = none_of_these(nearest(points), probabilities)
    assert none[25:].all()
    assert none[:25].mean() < 0.2
