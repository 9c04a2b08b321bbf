"""Merge categories so that as little as possible of what neighbours tell about each other is lost."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int64


def neighbour_table(
    labels: Int64[np.ndarray, " n"], neighbours: Int64[np.ndarray, "n k"]
) -> Float[np.ndarray, "categories categories"]:
    """Return the joint probabilities of the categories of an image and of a neighbour; symmetric.

    Args:
        labels: 0 to K - 1; -1: no category, and pairs with such an image do not count.
        neighbours: indices of those of each image.
    """
    count = int(labels.max()) + 1
    table = np.zeros((count, count))
    own = np.broadcast_to(labels[:, None], neighbours.shape)
    others = labels[neighbours]
    both = (own >= 0) & (others >= 0)
    np.add.at(table, (own[both], others[both]), 1)
    return np.asarray((table + table.T) / max(2 * int(both.sum()), 1))


def information(table: Float[np.ndarray, "k k"]) -> float:
    """Return the mutual information of a symmetric joint table in nats."""
    return float(_entropy_terms(table).sum() - 2 * _entropy_terms(table.sum(1)).sum())


def merge_tree(table: Float[np.ndarray, "k k"]) -> Float[np.ndarray, "merges 4"]:
    """Repeatedly merge the two categories whose merging loses the least information about neighbours.

    This is the agglomerative information bottleneck (Slonim & Tishby 1999). `cut` returns the categories at
    any level.

    Args:
        table: from `neighbour_table`.

    Returns:
        One row for each merge, as in scipy's linkage: the numbers of both parts, the information lost so far
        in nats, and the number of first categories in the new part. The n-th merge makes part k + n.
    """
    count = len(table)
    parts, sizes = list(range(count)), [1] * count
    rows: list[tuple[float, float, float, float]] = []
    lost = 0.0
    while len(parts) > 1:
        losses = _losses(table)
        j, i = sorted(int(place) for place in np.unravel_index(losses.argmin(), losses.shape))
        table = _merge(table, i, j)
        lost += max(0.0, float(losses[i, j]))
        rows.append((parts[j], parts[i], lost, sizes[i] + sizes[j]))
        parts[j], sizes[j] = count + len(rows) - 1, sizes[i] + sizes[j]
        del parts[i], sizes[i]
    return np.array(rows, np.float64).reshape(-1, 4)


def cut(tree: Float[np.ndarray, "merges 4"], count: int) -> Int64[np.ndarray, " k"]:
    """Return the larger category, 0 to `count` - 1, of each category when `count` are left.

    Args:
        tree: from `merge_tree`.
        count: 1 to the number of categories.
    """
    first = len(tree) + 1
    members = {number: [number] for number in range(first)}
    for number, (left, right, _, _) in enumerate(tree[: first - count]):
        members[first + number] = sorted(members.pop(int(left)) + members.pop(int(right)))
    larger = np.zeros(first, np.int64)
    for number, group in enumerate(sorted(members.values())):
        larger[group] = number
    return larger


def _losses(table: Float[np.ndarray, "k k"]) -> Float[np.ndarray, "k k"]:
    """Return the information lost by merging each pair of categories; infinity on the diagonal."""
    own = _entropy_terms(table)
    with_third = 2 * (own[:, None] + own[None] - _entropy_terms(table[:, None] + table[None])).sum(2)
    # The sum over all others also has the pair itself, whose four entries become one.
    diagonal = own.diagonal()
    corner = np.add.outer(table.diagonal(), table.diagonal()) + 2 * table
    once = _entropy_terms(table.diagonal()[:, None] + table)
    four = np.add.outer(diagonal, diagonal) + 2 * own
    both = 2 * (four - once - once.T)
    apart = four - _entropy_terms(corner)
    marginal = table.sum(1)
    of_marginal = _entropy_terms(marginal)
    sums = np.add.outer(of_marginal, of_marginal) - _entropy_terms(np.add.outer(marginal, marginal))
    losses = with_third - both + apart - 2 * sums
    np.fill_diagonal(losses, np.inf)
    return np.asarray(losses)


def _merge(table: np.ndarray, i: int, j: int) -> Float[np.ndarray, "k k"]:
    """Return the table with category `i` merged into `j`, where j < i."""
    rows = table.copy()
    rows[j] += rows[i]
    rows[:, j] += rows[:, i]
    return np.asarray(np.delete(np.delete(rows, i, 0), i, 1))


def _entropy_terms(p: Float[np.ndarray, "*any"]) -> Float[np.ndarray, "*any"]:
    """Return p log p, in nats; 0 at 0."""
    from scipy.special import xlogy  # lazy: slow to import

    return np.asarray(xlogy(p, p))
