"""Communities of the neighbour graph: groups of images with more edges among them than chance would give.

Modularity at several resolutions (Reichardt & Bornholdt 2006) by the Louvain method (Blondel et al. 2008);
on a graph of neighbours, it is also known as PhenoGraph (Levine et al. 2015). The resolution decides how
many communities there are. For K categories, partitions into K and more communities are merged while the
categories of neighbours keep as much information as possible, and the one that keeps most is used.

Leiden's algorithm (Traag et al. 2019) is not used: scikit-network's version draws from C's global `rand`, so
two runs differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Int64

from infogan import streams
from infogan.representation.categories import Votes, shares
from infogan.representation.merging import cut, information, merge_tree, neighbour_table
from infogan.representation.neighbours import NEIGHBOURS, graph, nearest

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

LARGEST_GRAPH = 60_000
"""Largest number of points whose communities are searched for; of more, a random sample of this size."""

MOST = 150
"""Largest number of communities; smaller ones are fragments. Merging takes time of the fourth power."""

_LEAST_RESOLUTION, _RATIO, _RESOLUTIONS = 0.1, 2**0.5, 20
_MIDDLE = 6  # step at which the search begins: a resolution of 0.8
_FINER = 3  # communities per category of the finest partition that is merged
_FRAGMENT, _SMALL = 0.01, 0.25  # of all nodes, and of the mean size of a community


def communities(edges: csr_matrix, least: int, most: int) -> list[Int64[np.ndarray, " n"]]:
    """Return partitions of the nodes of a graph, with more and more communities; -1 marks fragments.

    A community of less than 1 % of the nodes, and of less than a quarter of the mean size, is a fragment:
    it would use up a category.

    Args:
        edges: symmetric weights.
        least: a partition with fewer communities is the first one.
        most: the first partition with this number of communities or more is the last one.
    """
    found: dict[int, Int64[np.ndarray, " n"]] = {}
    for step in range(_MIDDLE, -1, -1):
        found[step] = _communities(edges, step)
        if found[step].max() + 1 < least:
            break
    for step in range(_MIDDLE + 1, _RESOLUTIONS):
        if found[step - 1].max() + 1 >= most:
            break
        found[step] = _communities(edges, step)
    return [found[step] for step in sorted(found)]


def _communities(edges: csr_matrix, step: int) -> Int64[np.ndarray, " n"]:
    """Return the communities at one resolution, without a seed: nodes move in their order."""
    from sknetwork.clustering import Louvain  # lazy: slow to import

    labels = Louvain(resolution=_LEAST_RESOLUTION * _RATIO**step).fit_predict(edges)
    sizes = np.bincount(labels)
    kept = np.flatnonzero(sizes >= min(_FRAGMENT, _SMALL / len(sizes)) * len(labels))
    kept = np.sort(kept[np.argsort(-sizes[kept], kind="stable")][:MOST])
    numbers = np.full(len(sizes), -1, np.int64)
    numbers[kept] = np.arange(len(kept))
    return np.asarray(numbers[labels])


def community_votes(points: Float[np.ndarray, "n d"], counts: Sequence[int], *, seed: int) -> list[Votes]:
    """Find communities of points; return a rule for each number of categories.

    Points of fragments have no label: like new points, they have the categories of their neighbours.

    Args:
        points: from `categories.to_points`.
        counts: largest number of categories of each rule.
        seed: of the choice among more than 60,000 points.
    """
    if len(points) > LARGEST_GRAPH:
        rng = streams.generator(seed, "categories/communities")
        points = points[torch.randperm(len(points), generator=rng)[:LARGEST_GRAPH].sort().values.numpy()]
    return [_votes(points, labels) for labels in community_labels(nearest(points).indices, counts)]


def own_probabilities(
    points: Float[np.ndarray, "n d"], neighbours: Int64[np.ndarray, "n k"], categories: int, *, seed: int
) -> Float[np.ndarray, "n categories"]:
    """Return what the rule of `community_votes` gives the points themselves, whose neighbours are known.

    The categories of a point are its own and those of its first nine neighbours.
    """
    if len(points) > LARGEST_GRAPH:
        (votes,) = community_votes(points, [categories], seed=seed)
        return votes.probabilities(points)
    neighbours = neighbours[:, :NEIGHBOURS]
    (labels,) = community_labels(neighbours, [categories])
    votes, near = _votes(points, labels), np.arange(len(points))[:, None]
    near = np.concatenate([near, neighbours[:, : NEIGHBOURS - 1]], 1)
    known = (labels[near] >= 0).all(1)
    found = np.zeros((len(points), votes.categories), np.float32)
    found[known] = shares(labels[near[known]], votes.categories)
    if not known.all():  # next to fragments, whose points have no label
        found[~known] = votes.probabilities(points[~known])
    return found


def community_labels(
    neighbours: Int64[np.ndarray, "n k"], counts: Sequence[int]
) -> list[Int64[np.ndarray, " n"]]:
    """Return the labels of at most `count` categories for each count; -1 marks points of fragments."""
    edges = graph(neighbours)
    partitions = communities(edges, min(counts), _FINER * max(counts))
    return [
        _most_informed(
            [_merged(labels, count, neighbours) for labels in _finer(partitions, count)], neighbours
        )
        for count in counts
    ]


def _votes(points: Float[np.ndarray, "n d"], labels: Int64[np.ndarray, " n"]) -> Votes:
    kept = labels >= 0
    return Votes(points[kept], labels[kept], int(labels.max()) + 1)


def _finer(partitions: Sequence[np.ndarray], count: int) -> list[Int64[np.ndarray, " n"]]:
    """Return the partitions with `count` to three times as many communities, or the next finer one."""
    sizes = [int(labels.max()) + 1 for labels in partitions]
    least = min((size for size in sizes if size >= count), default=max(sizes))
    most = max(_FINER * count, least)
    return [labels for labels, size in zip(partitions, sizes, strict=True) if least <= size <= most]


def _most_informed(choices: Sequence[np.ndarray], neighbours: np.ndarray) -> Int64[np.ndarray, " n"]:
    """Return the labels that tell most about those of neighbours."""
    return max(choices, key=lambda labels: information(neighbour_table(labels, neighbours)))


def _merged(labels: np.ndarray, count: int, neighbours: np.ndarray) -> Int64[np.ndarray, " n"]:
    """Return the labels of at most `count` categories, merged from those of communities; -1 stays."""
    if labels.max() < count:
        return labels
    larger = cut(merge_tree(neighbour_table(labels, neighbours)), count)
    return np.where(labels < 0, -1, larger[labels])
