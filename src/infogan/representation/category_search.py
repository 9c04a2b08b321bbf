"""Choose the method and the number of categories without labels, and test the result against a null.

Two partitions are learned on two disjoint parts of the images and compared on a third one. Their agreement
alone (adjusted mutual information) prefers few categories; the information that they share, in nats above
what unrelated partitions share, grows until further categories are not reproducible. The smallest number that
keeps 90 % of the largest information is chosen. It errs on the large side, since `merge_tree` merges
categories.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64

from infogan import streams
from infogan.data.neighbour_index import Search
from infogan.representation.categories import Head, Votes, heads, to_points
from infogan.representation.communities import community_votes, own_probabilities
from infogan.representation.merging import merge_tree, neighbour_table
from infogan.representation.neighbours import NEIGHBOURS, Neighbours, nearest

COUNTS = (2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30)
"""Numbers of categories that are compared."""


Source = Literal["heads", "communities"]

_LARGEST_PART = 2_000
_LEAST_PART = 6  # images per category in a part
_ENOUGH = 0.9  # share of the largest information
_FEW = 5  # below, agreement does not compare methods: a fragment that is cut off is stable
_COMPARED = (10, 20)  # numbers of categories by which spaces are compared
_NULL_RUNS = 8
_LEVEL = 0.01
_JACCARD = 0.5
_CONFIDENT = 0.5
_FENCE = 3.0
_STARTS = 2  # of the heads of a part
_TINY = 1e-12
_ALMOST_ONE = 0.999


@dataclass(frozen=True)
class Stability:
    """How well partitions of one method and number of categories are reproduced on disjoint parts.

    Attributes:
        source: the method.
        categories: number of categories.
        agreement: adjusted mutual information of two partitions of a third part, mean over three pairs.
        information: mutual information of the two in nats, above its expectation for unrelated partitions.
        standard_error: of `agreement`.
        confirmed: share of images in categories that overlap with one of the other partition by a Jaccard
            index above 0.5.
    """

    source: Source
    categories: int
    agreement: float
    information: float
    standard_error: float
    confirmed: float


@dataclass(frozen=True)
class Categories:
    """Categories of all images, and why they were chosen.

    Attributes:
        labels: category of each image, 0 to K - 1.
        probabilities: of each category.
        none: images of no category: outliers, and images between categories.
        chosen: stability of the chosen method and number.
        threshold: agreement that partitions of data without categories exceed in 1 % of searches.
        curve: stability of all methods and numbers that were compared.
        tree: which categories merge into larger ones; see `merge_tree`.
        space: what the images were compared by.
    """

    labels: Int64[np.ndarray, " n"]
    probabilities: Float[np.ndarray, "n categories"]
    none: Bool[np.ndarray, " n"]
    chosen: Stability
    threshold: float
    curve: tuple[Stability, ...]
    tree: Float[np.ndarray, "merges 4"]
    space: str = "pixels"


def category_search(  # noqa: PLR0913 - the features, and what is searched
    features: Float[np.ndarray, "n f"],
    *,
    seed: int,
    categories: int | None = None,
    sources: Sequence[Source] = ("heads", "communities"),
    compared: int = 1,
    search: Search = "exact",
    after_step: Callable[[str], None] | None = None,
) -> Categories | None:
    """Find categories of images by their features, choose method and number, and test them against a null.

    Equal images count once. The result is a function of the arguments: None if neither the chosen
    number of categories nor the most stable one passes the test, unless `categories` is given.

    Args:
        features: of the images, such as those of `Encoder.features`, or principal components of pixels.
        seed: random seed.
        categories: their number, if it is known; the method is chosen still.
        sources: the methods that are compared; the more stable one is chosen, on a tie the first.
        compared: number of sets of features from which these were chosen, such as by `steadiest`; the test
            counts them all.
        search: how the neighbours of more than 50,000 images are found; see `nearest`.
        after_step: called with a sentence after each step, to report progress.

    Raises:
        ValueError: there are fewer than 36 different images.
        UsageError: an index is needed, and faiss is not installed.
    """
    report = after_step or (lambda message: None)
    distinct, inverse = _distinct(features)
    limit = len(distinct) // 3 // _LEAST_PART
    if limit < 2:
        raise ValueError(f"{len(distinct)} different images; at least {6 * _LEAST_PART} are needed")
    points = to_points(distinct)
    counts = [count for count in COUNTS if count <= limit] if categories is None else [categories]
    curve: list[Stability] = []
    for source in sources:
        curve += stability(points, counts, source, seed=seed)
        report(f"stability of {source} with {counts[0]} to {counts[-1]} categories measured")
    chosen, threshold = _test(points, curve, seed, report, compared)
    if categories is None and chosen.agreement <= threshold:
        return None
    neighbours = nearest(points, search=search)
    if chosen.source == "heads":
        head = heads(points, neighbours.indices, chosen.categories, seed=seed)
        probabilities = _without_empty(head.probabilities(points))
    else:
        found = own_probabilities(points, neighbours.indices, chosen.categories, seed=seed)
        probabilities = _without_empty(found)
    labels = probabilities.argmax(1).astype(np.int64)
    return Categories(
        labels=labels[inverse],
        probabilities=probabilities[inverse],
        none=none_of_these(neighbours, probabilities)[inverse],
        chosen=chosen,
        threshold=threshold,
        curve=tuple(curve),
        tree=merge_tree(neighbour_table(labels, neighbours.indices)),
    )


def given_clusters(
    features: Float[np.ndarray, "n f"],
    categories: int,
    *,
    seed: int,
    search: Search = "exact",
    neighbours: Int64[np.ndarray, "n k"] | None = None,
) -> Float[np.ndarray, "n categories"]:
    """Return the probabilities of at most a given number of communities, without a test of their stability.

    Args:
        features: of the images, of which two or more differ.
        categories: their number.
        seed: random seed.
        search: how the neighbours of more than 50,000 images are found; see `nearest`.
        neighbours: ten or more of each image, if they are known; not used where some images are equal.

    Raises:
        UsageError: an index is needed, and faiss is not installed.
    """
    distinct, inverse = _distinct(features)
    points = to_points(distinct)
    if neighbours is None or neighbours.shape[1] < NEIGHBOURS or len(points) < len(features):
        neighbours = nearest(points, search=search).indices
    probabilities = _without_empty(own_probabilities(points, neighbours, categories, seed=seed))
    return np.asarray(probabilities[inverse])


def _distinct(
    features: Float[np.ndarray, "n f"],
) -> tuple[Float[np.ndarray, "m f"], Int64[np.ndarray, " n"]]:
    """Return the different rows, in order of their first occurrence, and the number of each row in them."""
    _, first, inverse = np.unique(features, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)
    return features[first[order]], np.argsort(order)[inverse]


def _test(
    points: Float[np.ndarray, "n d"],
    curve: Sequence[Stability],
    seed: int,
    report: Callable[[str], None],
    compared: int,
) -> tuple[Stability, float]:
    """Return the chosen method and number with its threshold; if it fails the test, the most stable one.

    The number that keeps most information may fail where a smaller one passes, for example with two distant
    clusters.
    """
    tested: list[tuple[Stability, float]] = []
    for candidate in (choose(curve), max(curve, key=lambda point: point.agreement)):
        threshold = null_threshold(points, candidate, seed=seed, searched=compared * len(curve))
        reached = f"stability {candidate.agreement:.2f}; required {threshold:.2f}"
        report(f"{candidate.categories} categories: {reached}")
        tested.append((candidate, threshold))
        if candidate.agreement > threshold:
            return candidate, threshold
    return tested[0]


def steadiest(
    spaces: Mapping[str, Float[np.ndarray, "n _"]], *, seed: int, categories: int | None = None
) -> str:
    """Return the name of the space in which communities are reproduced best, on a tie the first one.

    Neighbours by learned features share a category more often on photographs, neighbours by pixels on digits,
    and neighbours by both where each knows something. Partitions of disjoint parts show which.

    Args:
        spaces: features of the same images by their name.
        seed: random seed.
        categories: their number, if it is known.
    """
    wanted = _COMPARED if categories is None else (categories,)
    agreements = {}
    for name, features in spaces.items():
        points = to_points(np.unique(features, axis=0))
        counts = [count for count in wanted if count <= len(points) // 3 // _LEAST_PART] or [2]
        curve = stability(points, counts, "communities", seed=seed)
        agreements[name] = float(np.mean([point.agreement for point in curve]))
    return max(agreements, key=lambda name: agreements[name])


def _without_empty(probabilities: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n categories"]:
    """Drop the categories that are not the most probable one of any image."""
    kept = probabilities[:, np.unique(probabilities.argmax(1))]
    return np.asarray(kept / np.maximum(kept.sum(1, keepdims=True), _TINY), np.float32)


def choose(curve: Sequence[Stability]) -> Stability:
    """Choose the method of higher agreement, then the smallest number with 90 % of the most information.

    Methods are compared by their mean agreement over five categories and more; the first one is kept unless
    another exceeds it by more than the standard error of the difference.
    """
    sources = list(dict.fromkeys(point.source for point in curve))
    best = sources[0]
    for source in sources[1:]:
        (old, old_error), (new, new_error) = _agreement(curve, best), _agreement(curve, source)
        best = source if new - old > np.hypot(old_error, new_error) else best
    points = [point for point in curve if point.source == best]
    most = max(point.information for point in points)
    enough = most - (1 - _ENOUGH) * abs(most)  # below 0 if nothing is reproduced
    return min((p for p in points if p.information >= enough), key=lambda point: point.categories)


def _agreement(curve: Sequence[Stability], source: Source) -> tuple[float, float]:
    """Return mean and standard error of a method's agreement, which the numbers of categories share."""
    points = [point for point in curve if point.source == source]
    points = [point for point in points if point.categories >= _FEW] or points
    errors = [point.standard_error for point in points]
    return float(np.mean([point.agreement for point in points])), float(np.mean(errors))


# --- stability ------------------------------------------------------------------------------------------


def learn(
    points: Float[np.ndarray, "n d"], counts: Sequence[int], source: Source, *, seed: int
) -> list[Head] | list[Votes]:
    """Learn a rule for each number of categories."""
    if source not in get_args(Source):
        raise ValueError(f"source of categories {source!r}; expected one of {', '.join(get_args(Source))}")
    if source == "communities":
        return community_votes(points, counts, seed=seed)
    neighbours = nearest(points).indices
    return [heads(points, neighbours, count, seed=seed, starts=_STARTS) for count in counts]


def stability(
    points: Float[np.ndarray, "n d"], counts: Sequence[int], source: Source, *, seed: int
) -> list[Stability]:
    """Measure how well the partitions of each number of categories are reproduced.

    The points are divided into three parts of at most 2,000. Rules are learned on each, and each pair of
    rules is compared on the part that neither saw (after Tibshirani & Walther 2005: prediction strength;
    Hennig 2007: overlap of single clusters).
    """
    rng = streams.generator(seed, "categories/parts")
    order = torch.randperm(len(points), generator=rng)[: 3 * _LARGEST_PART].numpy()
    parts = [points[part] for part in np.array_split(order, 3)]
    rules = [learn(part, counts, source, seed=seed + number) for number, part in enumerate(parts)]
    results: list[Stability] = []
    for index, count in enumerate(counts):
        figures = []
        for first, second, third in ((0, 1, 2), (0, 2, 1), (1, 2, 0)):
            labels = [rules[n][index].probabilities(parts[third]).argmax(1) for n in (first, second)]
            figures.append(_compare(labels[0], labels[1]))
        mean, error = np.mean(figures, 0), np.std(figures, 0, ddof=1) / np.sqrt(3)
        results.append(
            Stability(source, count, *(float(figure) for figure in (mean[0], mean[1], error[0], mean[2])))
        )
    return results


def _compare(first: Int64[np.ndarray, " n"], second: Int64[np.ndarray, " n"]) -> tuple[float, float, float]:
    """Return agreement, information above chance and confirmed share of two partitions."""
    from sklearn.metrics import adjusted_mutual_info_score, mutual_info_score  # lazy: slow to import

    rng = np.random.default_rng(0)
    unrelated = np.mean([mutual_info_score(first, rng.permutation(second)) for _ in range(5)])
    table = np.zeros((first.max() + 1, second.max() + 1))
    np.add.at(table, (first, second), 1)
    either = table.sum(1, keepdims=True) + table.sum(0) - table
    jaccard = (table / np.maximum(either, 1)).max(1)
    confirmed = table.sum(1)[jaccard > _JACCARD].sum() / table.sum()
    information = float(mutual_info_score(first, second) - unrelated)
    return float(adjusted_mutual_info_score(first, second)), information, float(confirmed)


def null_threshold(points: Float[np.ndarray, "n d"], chosen: Stability, *, seed: int, searched: int) -> float:
    """Return the agreement that data without categories exceed in 1 % of searches.

    The null is a uniform distribution over a box with the covariance of the points, which has no categories
    but the same directions of large variance (Tibshirani, Walther & Hastie 2001: the gap statistic's
    reference). Independently permuted pixels or features would lack these, and any smooth variation would
    look like categories. The agreement of eight such data sets, after Fisher's transformation, is taken as
    normal; Bonferroni's correction counts the whole search as one test.

    Args:
        points: from `to_points`, so that their components are uncorrelated.
        chosen: the method and number of categories.
        seed: random seed.
        searched: number of methods and numbers of categories that were compared.
    """
    from scipy.stats import t  # lazy: slow to import

    agreements: list[float] = []
    for run in range(_NULL_RUNS):
        rng = streams.generator(seed, "categories/null", run)
        shape = (min(len(points), 3 * _LARGEST_PART), points.shape[1])
        surrogate = (torch.rand(shape, generator=rng).numpy() - 0.5) * points.std(0) * np.float32(12**0.5)
        result = stability(surrogate, [chosen.categories], chosen.source, seed=seed + run)
        agreements.append(result[0].agreement)
    transformed = np.arctanh(np.clip(agreements, -_ALMOST_ONE, _ALMOST_ONE))
    deviations = float(t.ppf(1 - _LEVEL / searched, _NULL_RUNS - 1)) * np.sqrt(1 + 1 / _NULL_RUNS)
    return float(np.tanh(transformed.mean() + deviations * transformed.std(ddof=1)))


# --- images of no category --------------------------------------------------------------------------------


def none_of_these(
    neighbours: Neighbours, probabilities: Float[np.ndarray, "n categories"]
) -> Bool[np.ndarray, " n"]:
    """Return which images belong to no category: outliers, and images without a category above 1/2.

    An outlier is farther from its tenth neighbour than the upper quartile of these distances plus three times
    their interquartile range (Tukey 1977: "far out").
    """
    distance = neighbours.distances[:, -1]
    lower, upper = np.quantile(distance, [0.25, 0.75])
    far = distance > upper + _FENCE * (upper - lower)
    return np.asarray(far | (probabilities.max(1) <= _CONFIDENT))
