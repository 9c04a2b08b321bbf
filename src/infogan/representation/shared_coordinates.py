"""Coordinates that categories share: continuous factors within categories, such as the slant of digits.

Slow coordinates of all images mostly show how the categories lie next to each other. Here they are computed
on the images of each category alone, where their order and sign are arbitrary. Coordinates of different
categories are one factor if a linear prediction carries over: fitted in all other categories, to the
deviations of images from the mean of their category, it predicts the coordinate. No image is in two
categories, so the prediction is confirmed on images that it was not fitted to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int64, UInt8

from infogan.representation.neighbours import Metric, PrincipalComponents
from infogan.representation.slow_coordinates import (
    NEW,
    Coordinate,
    slow_coordinates,
    uniform_ranks,
    unpredicted_share,
)

METRICS = tuple(Metric(count, whitened) for whitened in (False, True) for count in (20, 40))
"""The metrics in which coordinates of a category are computed."""

FEWEST = 100
"""Fewest images of a category of its own; smaller ones take part in the prediction only."""

LEAST = 0.6
"""Least mean correlation of the coordinates of the categories with their predictions."""

MOST = 3
"""Largest number of shared coordinates."""

_MOST_IMAGES = 2_000  # of a category
_PER_COMPONENT = 5  # images that a principal component of a metric needs
_COMPONENTS = 40  # of the deviations, for the prediction
_RIDGE = 1e-2  # relative to the mean variance of the deviations
_MEMBER = 0.2  # least correlation with the prediction at which a category is matched
_SAME = 0.5  # correlation from which a coordinate is the one that was found before
_ROUNDS = 10
_NULLS = 5
_BASELINES = 16  # principal components that a coordinate is compared with
_TINY = 1e-12


@dataclass(frozen=True)
class Shared:
    """A coordinate that categories share.

    Attributes:
        coordinate: of all images, with uniform ranks within each category.
        stability: mean correlation of the categories' own coordinates with the prediction from the others,
            weighted by their images; 0 for a category that is not matched.
        threshold: that the stability exceeds.
        explained_by: the principal component of the deviations from the categories' means, counted from 1,
            that is most correlated with the coordinate, and the correlation of the ranks, 0..1.
    """

    coordinate: Coordinate
    stability: float
    threshold: float
    explained_by: tuple[int, float]


def shared_coordinates(
    images: UInt8[np.ndarray, "n h w c"],
    labels: Int64[np.ndarray, " n"],
    known: Sequence[Coordinate] = (),
    *,
    seed: int = 0,
) -> list[Shared]:
    """Return the coordinates that at least two categories share, the clearest first.

    A coordinate is accepted if its stability exceeds 0.6 and that of five searches in which the values of
    every coordinate are permuted within its category.

    Args:
        images: uint8, without duplicates.
        labels: category of each image.
        known: lines of all images that are matched, too. Their ranks within categories may be shared although
            the lines themselves follow the categories.
        seed: of the images that are used of large categories, and of the permutations.
    """
    rng = np.random.default_rng(seed)
    deviations = _deviations(images, labels)
    groups = {
        category: _Group.of(images, deviations, known, np.sort(rng.permutation(rows)[:_MOST_IMAGES]))
        for category in np.unique(labels).tolist()
        if len(rows := np.flatnonzero(labels == category)) >= FEWEST
    }
    groups = {category: group for category, group in groups.items() if group.values.shape[1]}
    found: list[Shared] = []
    while len(found) < MOST and len(groups) > 1:
        score, match = _best_match(groups)
        nulls = [_best_match({c: g.permuted(rng) for c, g in groups.items()})[0] for _ in range(_NULLS)]
        threshold = max(LEAST, *nulls)
        if score <= threshold:
            break
        weights = _weights([groups[c].signed(*chosen) for c, chosen in match.items()])
        values = ranks_within(deviations @ weights, labels)
        groups = {category: group.without(values[group.rows]) for category, group in groups.items()}
        groups = {category: group for category, group in groups.items() if group.values.shape[1]}
        if found and unpredicted_share([one.coordinate for one in found], Coordinate(values)) < NEW:
            continue  # a harmonic
        found.append(Shared(Coordinate(values), score, threshold, _baseline(values, deviations, labels)))
    return found


def _deviations(
    images: UInt8[np.ndarray, "n h w c"], labels: Int64[np.ndarray, " n"]
) -> Float[np.ndarray, "n k"]:
    """Return whitened principal components of the deviations of images from the mean of their category.

    Deviations are taken in the first 80 principal components of the images, so that memory stays small.
    """
    from sklearn.decomposition import PCA  # lazy: slow to import

    scores = PrincipalComponents(images).scores(images).values
    for category in np.unique(labels):
        scores[labels == category] -= scores[labels == category].mean(0)
    count = min(_COMPONENTS, len(scores) - 1, scores.shape[1])
    return np.asarray(PCA(count, whiten=True, random_state=0).fit_transform(scores))


def ranks_within(
    values: Float[np.ndarray, "n ..."], labels: Int64[np.ndarray, " n"]
) -> Float[np.ndarray, "n ..."]:
    """Return the ranks of values among images of the same category, spread evenly over [-1, 1], float32."""
    ranks = np.zeros(values.shape, np.float32)
    for category in np.unique(labels):
        ranks[labels == category] = uniform_ranks(values[labels == category])
    return ranks


def _baseline(
    values: Float[np.ndarray, " n"], deviations: Float[np.ndarray, "n k"], labels: Int64[np.ndarray, " n"]
) -> tuple[int, float]:
    """Return the component of the deviations whose ranks are most correlated with values, and how much."""
    ranks = ranks_within(deviations[:, :_BASELINES], labels)
    correlations = np.abs([_correlation(column, values) for column in ranks.T])
    return int(correlations.argmax()) + 1, float(correlations.max())


def _correlation(first: Float[np.ndarray, " n"], second: Float[np.ndarray, " n"]) -> float:
    return float(first @ second / max(np.linalg.norm(first) * np.linalg.norm(second), _TINY))


# --- matching --------------------------------------------------------------------------------------------

_Match = dict[int, tuple[int, float]]
"""For each matched category, which of its coordinates, and its sign."""


@dataclass(frozen=True)
class _Group:
    """The images of one category that are used.

    Attributes:
        rows: their indices.
        deviations: principal components of the deviations, [m, k].
        values: known coordinates, and those of these images alone in all metrics, [m, coordinates].
        gram: [k, k], of the deviations.
        products: [k, coordinates], of deviations and coordinates.
    """

    rows: Int64[np.ndarray, " m"]
    deviations: Float[np.ndarray, "m k"]
    values: Float[np.ndarray, "m coordinates"]
    gram: Float[np.ndarray, "k k"]
    products: Float[np.ndarray, "k coordinates"]

    @classmethod
    def of(
        cls,
        images: UInt8[np.ndarray, "n h w c"],
        deviations: Float[np.ndarray, "n k"],
        known: Sequence[Coordinate],
        rows: Int64[np.ndarray, " m"],
    ) -> _Group:
        scores = PrincipalComponents(images[rows]).scores(images[rows])
        most = min(scores.values.shape[1], len(rows) // _PER_COMPONENT)
        lines = [uniform_ranks(coordinate.values[rows]) for coordinate in known]
        for metric in (metric for metric in METRICS if metric.components <= most):
            own_lines = slow_coordinates(metric.points(scores))
            lines += [coordinate.values for coordinate in own_lines if not coordinate.circle]
        values, own = np.array(lines, np.float32).reshape(len(lines), len(rows)).T, deviations[rows]
        return cls(rows, own, values, own.T @ own, own.T @ values)

    def permuted(self, rng: np.random.Generator) -> _Group:
        """Return the category with its coordinates permuted: a null."""
        return self._with(rng.permuted(self.values, axis=0))

    def without(self, known: Float[np.ndarray, " m"]) -> _Group:
        """Return the category without the coordinates that are correlated with a known one."""
        kept = [abs(_correlation(values, known)) < _SAME for values in self.values.T]
        return self._with(self.values[:, kept])

    def _with(self, values: Float[np.ndarray, "m coordinates"]) -> _Group:
        return replace(self, values=values, products=self.deviations.T @ values)

    def signed(self, index: int, sign: float) -> tuple[np.ndarray, np.ndarray]:
        """Return what the fit to one coordinate needs: the Gram matrix, and the coordinate's product."""
        return self.gram, sign * self.products[:, index]

    def correlations(self, weights: Float[np.ndarray, " k"]) -> Float[np.ndarray, " coordinates"]:
        """Return the correlation of each coordinate with the prediction by weights."""
        norms = np.sqrt(max(weights @ self.gram @ weights, _TINY)) * np.linalg.norm(self.values, axis=0)
        return np.asarray(weights @ self.products / norms)


def _weights(parts: Sequence[tuple[np.ndarray, np.ndarray]]) -> Float[np.ndarray, " k"]:
    """Return the weights of the ridge regression on deviations, fitted to parts from `_Group.signed`."""
    gram = np.sum([part[0] for part in parts], 0)
    product = np.sum([part[1] for part in parts], 0)
    ridge = _RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram))
    return np.linalg.solve(gram + ridge, product)


def _best_match(groups: Mapping[int, _Group]) -> tuple[float, _Match]:
    """Return the match of the highest score, from every coordinate of every category as a start."""
    starts = [
        (category, index) for category, group in groups.items() for index in range(group.values.shape[1])
    ]
    return max((_match(groups, *start) for start in starts), key=lambda match: match[0])


def _match(groups: Mapping[int, _Group], first: int, index: int) -> tuple[float, _Match]:
    """Match the coordinates of the categories with one of them; return the score and the match.

    In each round, every category takes the coordinate that the prediction from the others agrees with best.
    """
    match: _Match = {first: (index, 1.0)}
    agreed: dict[int, float] = {}
    for _ in range(_ROUNDS):
        before, found = match, {}
        agreed = {}
        for category, group in groups.items():
            others = [groups[c].signed(*chosen) for c, chosen in before.items() if c != category]
            if not others:
                found[category] = before[category]
                continue
            correlations = group.correlations(_weights(others))
            best = int(np.abs(correlations).argmax())
            if abs(correlations[best]) > _MEMBER:
                found[category] = best, float(np.sign(correlations[best]))
                agreed[category] = float(abs(correlations[best]))
        match = found
        if match == before or len(match) < 2:
            break
    total = sum(len(group.rows) for group in groups.values())
    return sum(len(groups[category].rows) * value for category, value in agreed.items()) / total, match
