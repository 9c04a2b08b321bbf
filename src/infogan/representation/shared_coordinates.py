"""Coordinates that categories share: continuous factors within categories, such as the slant of digits.

Slow coordinates of all images mostly show how the categories lie next to each other. Here they are computed
on the images of each category alone, where their order and sign are arbitrary. Coordinates of different
categories are one factor if a linear prediction carries over: fitted in all other categories, to the
deviations of images from the mean of their category, it predicts the coordinate.

Coordinates are chosen so that they agree, and where images of a category vary in few directions, almost any
prediction follows them. The result is therefore compared with searches in which the deviations of each
category are rotated at random: what is predicted within a category stays, what categories share is destroyed.
If the images of all categories vary in fewer directions than there are categories, some linear prediction
follows any choice of coordinates, and no comparison can tell whether they are one factor.
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
"""Smallest category in which coordinates are computed; images of smaller ones get predicted values only."""

LEAST = 0.6
"""Least mean correlation of the coordinates of the categories with their predictions."""

MOST = 3
"""Largest number of shared coordinates."""

_MOST_IMAGES = 2_000  # of a category
_PER_COMPONENT = 5  # images that a principal component of a metric needs
_COMPONENTS = 40  # of the deviations, for the prediction
_LEAST_VARIANCE = 1e-6  # of a component of the deviations, relative to the first: below, rounding errors
_RIDGE = 1e-2  # relative to the mean variance of the deviations
_MEMBER = 0.2  # least correlation with the prediction at which a category is matched
_SAME = 0.5  # correlation from which a coordinate is the one that was found before
_ROUNDS = 10
_STARTING = 5  # categories whose coordinates the matching starts from, the largest ones
_NULLS = 5
_BASELINES = 16  # principal components that a coordinate is compared with
_NULL_DEVIATIONS = 3.5
_ALMOST_ONE = 0.999
_TINY = 1e-12


@dataclass(frozen=True)
class Shared:
    """A coordinate that categories share.

    Attributes:
        coordinate: of all images, with uniform ranks within each category.
        stability: mean correlation of the categories' own coordinates with the prediction from the other
            categories, weighted by their images; 0 for a category that is not matched.
        threshold: the stability that the coordinate had to exceed.
        explained_by: the principal component of the images, counted from 1, whose ranks within categories
            agree best with the coordinate, and the correlation, 0..1.
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
    """Return the coordinates that at least two categories share, in the order in which they are found.

    A coordinate is accepted if its stability exceeds 0.6, and if, on Fisher's scale, it is at least 3.5
    standard deviations above the mean of five searches with randomly rotated categories.

    Args:
        images: uint8, without duplicates.
        labels: category of each image.
        known: lines of all images that are matched, too. Their ranks within categories may be shared although
            the lines themselves follow the categories.
        seed: of the choice of at most 2,000 images of each category, and of the rotations.
    """
    rng = np.random.default_rng(seed)
    scores = PrincipalComponents(images).scores(images).values
    deviations = _deviations(scores, labels)
    if not deviations.shape[1]:
        return []
    groups = {
        category: _Group.of(images, deviations, known, np.sort(rng.permutation(rows)[:_MOST_IMAGES]))
        for category in np.unique(labels).tolist()
        if len(rows := np.flatnonzero(labels == category)) >= FEWEST
    }
    found: list[Shared] = []
    while len(found) < MOST:
        stability, match = _best_match(groups)
        if stability <= LEAST:
            break
        if stability <= (threshold := _threshold(groups, rng)):
            break
        weights = _solved(*_sums([groups[c].signed(*chosen) for c, chosen in match.items()]))
        values = ranks_within(deviations @ weights, labels)
        for category, (index, _) in match.items():
            groups[category] = groups[category].without(index)
        groups = {category: group.unlike(values[group.rows]) for category, group in groups.items()}
        if found and unpredicted_share([one.coordinate for one in found], Coordinate(values)) < NEW:
            continue  # a harmonic
        explained_by = _baseline(values, scores, labels)
        found.append(Shared(Coordinate(values), stability, threshold, explained_by))
    return found


def _deviations(
    scores: Float[np.ndarray, "n d"], labels: Int64[np.ndarray, " n"]
) -> Float[np.ndarray, "n k"]:
    """Return whitened principal components of the deviations of points from the mean of their category."""
    from sklearn.decomposition import PCA  # lazy: slow to import

    points = scores.copy()
    for category in np.unique(labels):
        points[labels == category] -= points[labels == category].mean(0)
    pca = PCA(min(_COMPONENTS, len(points) - 1, points.shape[1]), whiten=True, random_state=0)
    with np.errstate(invalid="ignore"):  # a total variance of 0, if all images are equal
        whitened = pca.fit_transform(points)
    variances = pca.explained_variance_
    return np.asarray(whitened[:, variances > _LEAST_VARIANCE * max(variances[0], _TINY)])


def ranks_within(
    values: Float[np.ndarray, "n ..."], labels: Int64[np.ndarray, " n"]
) -> Float[np.ndarray, "n ..."]:
    """Return the ranks of values among images of the same category, spread evenly over [-1, 1], float32."""
    ranks = np.zeros(values.shape, np.float32)
    for category in np.unique(labels):
        ranks[labels == category] = uniform_ranks(values[labels == category])
    return ranks


def _baseline(
    values: Float[np.ndarray, " n"], scores: Float[np.ndarray, "n d"], labels: Int64[np.ndarray, " n"]
) -> tuple[int, float]:
    """Return the principal component whose ranks within categories agree best with values, and how much."""
    ranks = ranks_within(scores[:, :_BASELINES], labels)
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
        values: known coordinates, and those of these images alone in all metrics, [m, coordinates].
        gram: [k, k], of the deviations.
        products: [k, coordinates], of deviations and coordinates.
    """

    rows: Int64[np.ndarray, " m"]
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
        return cls(rows, values, own.T @ own, own.T @ values)

    def rotated(self, rng: np.random.Generator) -> _Group:
        """Return the category with its deviations in a random rotation: a null.

        The deviations are whitened, so a rotation about the mean of all categories leaves them as likely.
        """
        turn = np.linalg.qr(rng.standard_normal(self.gram.shape))[0]
        return replace(self, gram=turn @ self.gram @ turn.T, products=turn @ self.products)

    def without(self, index: int) -> _Group:
        """Return the category without one of its coordinates."""
        return self._of(np.arange(self.values.shape[1]) != index)

    def unlike(self, known: Float[np.ndarray, " m"]) -> _Group:
        """Return the category without the coordinates that are correlated with a known one."""
        return self._of(np.array([abs(_correlation(v, known)) < _SAME for v in self.values.T], bool))

    def _of(self, kept: np.ndarray) -> _Group:
        return replace(self, values=self.values[:, kept], products=self.products[:, kept])

    def signed(self, index: int, sign: float) -> Part:
        """Return what the fit to one coordinate, with a sign, needs."""
        return self.gram, sign * self.products[:, index]

    def correlations(self, weights: Float[np.ndarray, " k"]) -> Float[np.ndarray, " coordinates"]:
        """Return the correlation of each coordinate with the prediction by weights; 0 for constant ones."""
        norms = np.sqrt(max(weights @ self.gram @ weights, 0.0)) * np.linalg.norm(self.values, axis=0)
        return np.asarray(weights @ self.products / np.maximum(norms, _TINY))


Part = tuple[Float[np.ndarray, "k k"], Float[np.ndarray, " k"]]
"""What the fit to a coordinate of one category needs; the parts of several categories are added."""


def _sums(parts: Sequence[Part]) -> Part:
    return np.sum([gram for gram, _ in parts], 0), np.sum([product for _, product in parts], 0)


def _solved(gram: Float[np.ndarray, "k k"], product: Float[np.ndarray, " k"]) -> Float[np.ndarray, " k"]:
    """Return the weights of the ridge regression on deviations."""
    ridge = _RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram))
    return np.linalg.solve(gram + ridge, product)


def _threshold(groups: Mapping[int, _Group], rng: np.random.Generator) -> float:
    """Return the stability that matches of rotated categories hardly exceed, at least LEAST."""
    nulls = [_best_match({c: g.rotated(rng) for c, g in groups.items()})[0] for _ in range(_NULLS)]
    values = np.arctanh(np.minimum(nulls, _ALMOST_ONE))
    return max(LEAST, float(np.tanh(values.mean() + _NULL_DEVIATIONS * values.std(ddof=1))))


def _best_match(groups: Mapping[int, _Group]) -> tuple[float, _Match]:
    """Return the match of the highest stability; it starts from each coordinate of the largest categories."""
    largest = sorted(groups, key=lambda category: -len(groups[category].rows))[:_STARTING]
    starts = [(category, index) for category in largest for index in range(groups[category].values.shape[1])]
    matches = [_match(groups, *start) for start in starts] or [(0.0, {})]
    return max(matches, key=lambda match: match[0])


def _match(groups: Mapping[int, _Group], first: int, index: int) -> tuple[float, _Match]:
    """Match the coordinates of the categories with one of them; return stability and match.

    In each round, every category gets the coordinate that agrees best with the prediction from the others.
    """
    match: _Match = {first: (index, 1.0)}
    agreed: dict[int, float] = {}
    for _ in range(_ROUNDS):
        before, match, agreed = match, {}, {}
        gram, product = _sums([groups[c].signed(*chosen) for c, chosen in before.items()])
        for category, group in groups.items():
            if list(before) == [category]:
                match[category] = before[category]
            elif group.values.shape[1]:
                own = group.signed(*before[category]) if category in before else (0.0, 0.0)
                correlations = group.correlations(_solved(gram - own[0], product - own[1]))
                best = int(np.abs(correlations).argmax())
                if abs(correlations[best]) > _MEMBER:
                    match[category] = best, float(np.sign(correlations[best]))
                    agreed[category] = float(abs(correlations[best]))
        if match == before or len(match) < 2:
            break
    if len(agreed) < 2:
        return 0.0, match
    total = sum(len(group.rows) for group in groups.values())
    return sum(len(groups[category].rows) * value for category, value in agreed.items()) / total, match
