"""Merging loses as little of the information between neighbours as any merge of two categories."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import mutual_info_score

from infogan.representation.merging import cut, information, merge_tree, neighbour_table


def joint(count: int, seed: int = 0) -> np.ndarray:
    """Return a random symmetric joint table."""
    table = np.random.default_rng(seed).random((count, count)) ** 3
    table += table.T
    return np.asarray(table / table.sum())


def merged(table: np.ndarray, i: int, j: int) -> np.ndarray:
    groups = np.arange(len(table))
    groups[i] = j
    groups = np.unique(groups, return_inverse=True)[1]
    together = np.zeros((groups.max() + 1,) * 2)
    np.add.at(together, (groups[:, None], groups), table)
    return together


def test_the_information_is_that_of_the_pairs() -> None:
    labels = np.random.default_rng(0).integers(0, 4, 300)
    neighbours = np.random.default_rng(1).integers(0, 300, (300, 5))
    first, second = np.repeat(labels, 5), labels[neighbours].ravel()
    expected = mutual_info_score(np.concatenate([first, second]), np.concatenate([second, first]))
    assert information(neighbour_table(labels, neighbours)) == pytest.approx(expected)


def test_images_of_no_category_do_not_count() -> None:
    labels = np.array([0, 1, -1, 0])
    neighbours = np.array([[1], [0], [0], [2]])
    np.testing.assert_allclose(neighbour_table(labels, neighbours), [[0, 0.5], [0.5, 0]])


@pytest.mark.parametrize("count", [3, 8])
def test_each_merge_is_the_best_one(count: int) -> None:
    table = joint(count)
    pairs = [(i, j) for i in range(count) for j in range(i)]
    losses = [information(table) - information(merged(table, i, j)) for i, j in pairs]
    tree = merge_tree(table)
    i, j = pairs[int(np.argmin(losses))]
    assert tree[0].tolist() == pytest.approx([j, i, min(losses), 2])
    assert tree[-1, 2] == pytest.approx(information(table))  # nothing is left


def test_a_cut_has_the_wanted_number_of_categories() -> None:
    tree = merge_tree(joint(9))
    assert [len(set(cut(tree, count))) for count in range(1, 10)] == list(range(1, 10))
