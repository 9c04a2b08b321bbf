"""Slow coordinates of a set of points: the continuous factors along which neighbouring points change least.

They are the first eigenvectors of the random walk on the neighbourhood graph (diffusion maps: Coifman and
Lafon 2006, with their density normalisation alpha = 1), without those that are functions of earlier ones
(Dsilva et al. 2018), with circles replaced by angles. `unmixed` makes several of them independent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int64

from infogan.representation.neighbours import (
    NEIGHBOURS,
    Neighbours,
    graph,
    intrinsic_dimension,
    nearest,
)

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

VECTORS = 24
"""Number of eigenvectors: harmonics of a long factor come before the first vector of a short one."""

MOST = 6
"""Largest number of coordinates of one metric."""

FEWEST = 60
"""Fewest points in a connected component for coordinates."""

NEW = 0.6
"""Least share of a coordinate that accepted ones do not predict, see `unpredicted_share`."""

_REGRESSED = 2_500  # points of the local regressions
_LOCAL = 15  # neighbours of the local regressions
_THIN = 2.5  # intrinsic dimension below which few neighbours leave gaps
_MORE = 3  # factor of the number of neighbours that closes them
_DENSE = 3.5  # least intrinsic dimension in which distances say little of the density
_EARLIER = 0.5  # least unpredicted share given earlier groups
_SAME_GROUP = 0.25  # also given its own group, whose vectors may be two sides of a circle
_TIE = 0.8  # least ratio of the rates of two vectors that may be rotated against each other
_SPREAD = 0.35  # largest relative spread of the radius of a circle
_INSIDE = 0.02  # largest share of points inside a circle
_DEPENDENT = 0.02  # nats between two coordinates below which they count as independent
_CLEARER = 0.75  # largest share of the dependence that may be left after a rotation
_BINS = 8
_FAR = 10.0  # ratio of the distances to neighbours that makes an outlier


@dataclass(frozen=True)
class Coordinate:
    """One continuous factor of a set of points.

    Attributes:
        values: float32 [N], with uniform ranks on [-1, 1]; of a circle, half turns in [-1, 1).
        circle: -1 and 1 are the same point.
    """

    values: Float[np.ndarray, " n"]
    circle: bool = False

    @property
    def columns(self) -> Float[np.ndarray, "n d"]:
        """The values as points whose mean is meaningful: [N, 1], or cosine and sine [N, 2] of a circle."""
        if not self.circle:
            return self.values[:, None]
        angle = np.pi * self.values
        return np.stack([np.cos(angle), np.sin(angle)], 1).astype(np.float32)

    def extend(self, near: Neighbours) -> Coordinate:
        """Return the coordinate of other points, the mean over their nearest points among these."""
        mean = self.columns[near.indices].mean(1)
        if not self.circle:
            return Coordinate(mean[:, 0])
        return Coordinate((np.arctan2(mean[:, 1], mean[:, 0]) / np.pi).astype(np.float32), circle=True)


def joined(coordinates: Sequence[Coordinate]) -> Float[np.ndarray, "n d"]:
    """Return coordinates as points, one or two columns for each."""
    return np.concatenate([coordinate.columns for coordinate in coordinates], 1)


def slow_coordinates(
    points: Float[np.ndarray, "n d"], *, most: int = MOST, count: int = NEIGHBOURS
) -> list[Coordinate]:
    """Return the slow coordinates of points, slowest first; none of equal points.

    Points outside of the largest connected component of the graph get the mean of their nearest points in
    it: that two components are apart is a category, not a coordinate. So do outliers, ten times as far from
    their neighbours as these are from theirs.

    Args:
        points: their Euclidean distances define the neighbours. Equal points should be removed first.
        most: largest number of coordinates.
        count: number of neighbours; three times as many in fewer than 2.5 dimensions, where a gap in a sample
            of a circle would look like two ends.
    """
    from scipy.sparse.csgraph import connected_components  # lazy: slow to import
    from scipy.sparse.linalg import ArpackError

    if len(points) < FEWEST:
        return []
    near = nearest(points, count)
    if intrinsic_dimension(near.distances) < _THIN:
        near = nearest(points, _MORE * count)
    _, component = connected_components(graph(near.indices), directed=False)
    distance = near.distances.mean(1)
    far = distance > _FAR * np.median(distance[near.indices], 1)
    inside = (component == np.bincount(component).argmax()) & ~far
    if not inside.all():
        if inside.sum() < FEWEST:
            return []
        coordinates = slow_coordinates(points[inside], most=most, count=count)
        outside = nearest(points[inside], count, points)
        return [coordinate.extend(outside) for coordinate in coordinates]
    try:
        speeds, vectors = eigenvectors(near)
    except ArpackError:
        return []
    groups = independent(vectors, speeds, most)
    return [coordinate for group in groups for coordinate in _as_coordinates(group)]


def eigenvectors(
    near: Neighbours, count: int = VECTORS
) -> tuple[Float[np.ndarray, " count"], Float[np.ndarray, "n count"]]:
    """Return the slowest eigenvectors of the random walk on a connected neighbourhood graph.

    Below dimension 3.5, neighbours measure the density of the points. The kernel has a variable bandwidth
    and is normalised so that the eigenvectors do not depend on the density (Berry and Harlim 2016: the
    operator is the Laplacian). In more dimensions the distances of neighbours are nearly equal, and all
    connections have weight 1, normalised by the degrees (Coifman and Lafon 2006, alpha = 1).

    Args:
        near: the neighbours of each point.
        count: number of eigenvectors; reduced to what the graph allows.

    Returns:
        The rate at which the walk forgets each vector, ascending, and the vectors, without the constant one.
        The entry of largest magnitude of each is positive.
    """
    from scipy.sparse import diags  # lazy: slow to import
    from scipy.sparse.linalg import eigsh

    dimension = intrinsic_dimension(near.distances)
    if dimension < _DENSE:
        bandwidth = np.maximum(near.distances.mean(1), 1e-9)
        weights = np.exp(-(near.distances**2) / (bandwidth[:, None] * bandwidth[near.indices]))
        kernel, alpha = graph(near.indices, weights), 0.5 - 1 / max(dimension, 1.0)
    else:
        bandwidth, kernel, alpha, dimension = np.ones(len(near)), graph(near.indices), 1.0, 0.0
    logarithm = np.log(_sums(kernel)) - dimension * np.log(bandwidth)
    density = np.exp(logarithm - logarithm.mean())
    kernel = diags(density**-alpha) @ kernel @ diags(density**-alpha)
    degree = _sums(kernel)
    # Symmetric form of the generator (D^-1 K - 1) / bandwidth^2.
    scale = 1 / (bandwidth / np.median(bandwidth) * np.sqrt(degree))
    walk = diags(scale) @ (kernel - diags(degree)) @ diags(scale)
    count = min(count, len(near) - 2)
    start = np.random.default_rng(0).standard_normal(len(near))  # makes the result a function of the data
    values, vectors = eigsh(walk, k=count + 1, which="LA", v0=start, ncv=3 * count)
    vectors = (vectors * scale[:, None])[:, ::-1][:, 1:]
    signs = np.sign(vectors[np.abs(vectors).argmax(0), np.arange(count)])
    return -values[::-1][1:], vectors * signs


def _sums(kernel: csr_matrix) -> Float[np.ndarray, " n"]:
    return np.asarray(kernel.sum(1)).ravel()


def independent(
    vectors: Float[np.ndarray, "n count"], speeds: Float[np.ndarray, " count"], most: int = MOST
) -> list[list[Float[np.ndarray, " n"]]]:
    """Return the vectors that are not functions of those kept before, in groups of near-equal rates.

    Two harmonics of one coordinate, or the product of two coordinates, come before the first vector of a
    short coordinate (Dsilva et al. 2018). Within a group the test is weaker: of two sides of a circle and a
    line in any rotation, each is partly predicted by the others.

    Args:
        vectors: slowest first.
        speeds: their rates.
        most: largest number of vectors to keep.
    """
    kept: list[list[np.ndarray]] = []
    for group in _tied(speeds):
        earlier = [vector for part in kept for vector in part]
        new: list[np.ndarray] = []
        for vector in vectors[:, group].T:
            if len(earlier) + len(new) == most:
                break
            if earlier and not _is_new(earlier, vector, _EARLIER):
                continue
            if not new or _is_new([*earlier, *new], vector, _SAME_GROUP):
                new.append(vector)
        kept += [new] if new else []
    return kept


def _tied(speeds: Float[np.ndarray, " count"]) -> list[list[int]]:
    """Return the indices of consecutive vectors in groups of near-equal rates."""
    groups: list[list[int]] = []
    for j, speed in enumerate(speeds):
        if groups and speeds[groups[-1][0]] > _TIE * speed:
            groups[-1].append(j)
        else:
            groups.append([j])
    return groups


def _is_new(known: list[np.ndarray], vector: Float[np.ndarray, " n"], least: float) -> bool:
    """Return True if the share of a vector that others do not predict exceeds `least`."""
    others = [Coordinate(uniform_ranks(other)) for other in known]
    return unpredicted_share(others, Coordinate(uniform_ranks(vector))) > least


def unpredicted_share(known: Sequence[Coordinate], coordinate: Coordinate) -> float:
    """Return how little known coordinates predict another, from 0 (fully) to 1 (not at all).

    The coordinate is predicted by a cross-validated local regression. Its residual is placed between that of
    a coordinate which is itself among the predictors (0) and that of a permuted one, which nothing predicts
    (1). Both references are measured with as many predictors, since a local regression in many dimensions
    predicts nothing well. Of a circle, cosine and sine are predicted.
    """
    rng = np.random.default_rng(0)
    predictors = joined(known)
    rows = np.sort(rng.permutation(len(predictors))[:_REGRESSED])
    predictors, target = predictors[rows], coordinate.columns[rows]
    permuted = rng.permutation(len(rows))
    unpredictable = _residuals(predictors, target[permuted]).mean()
    residual = _residuals(predictors, target).mean()
    predictable = _residuals(np.column_stack([predictors[:, target.shape[1] :], target]), target).mean()
    return float(np.clip((residual - predictable) / max(unpredictable - predictable, 1e-6), 0, 1))


def local_residuals(
    known: Sequence[Coordinate], targets: Float[np.ndarray, "n t"]
) -> Float[np.ndarray, " t"]:
    """Return the relative residual of each target under a cross-validated local regression on coordinates."""
    predictors = joined(known)
    rows = np.sort(np.random.default_rng(0).permutation(len(predictors))[:_REGRESSED])
    return _residuals(predictors[rows], targets[rows])


def _residuals(known: Float[np.ndarray, "n d"], targets: Float[np.ndarray, "n t"]) -> Float[np.ndarray, " t"]:
    """Return the relative residual of each target under two-fold cross-validated local regression."""
    halves = np.arange(0, len(known), 2), np.arange(1, len(known), 2)
    shares = []
    for fitted, tested in (halves, halves[::-1]):
        near = nearest(known[fitted], _LOCAL, known[tested]).indices
        error = targets[fitted][near].mean(1) - targets[tested]
        shares.append((error**2).mean(0) / np.maximum(targets[tested].var(0), 1e-12))  # constants
    return np.asarray(np.sqrt(np.mean(shares, axis=0)))


def uniform_ranks(values: Float[np.ndarray, "n ..."]) -> Float[np.ndarray, "n ..."]:
    """Return the ranks of values along the first axis, spread evenly over [-1, 1]."""
    from scipy.stats import rankdata  # lazy: slow to import

    ranks = (rankdata(values, axis=0) - 0.5) / len(values) * 2 - 1
    return np.asarray(ranks, dtype=np.float32)


# --- circles and mixtures ------------------------------------------------------------------------------


def _as_coordinates(vectors: list[Float[np.ndarray, " n"]]) -> list[Coordinate]:
    """Return the vectors of one group as coordinates; two that form a circle become one angle.

    A circle is looked for before and after a rotation by independent component analysis, which separates it
    from lines.
    """
    part = np.stack(vectors, 1)
    part = part / part.std(0)
    pair = _circle_among(part)
    if pair is None and len(vectors) > 1:
        sources = _light_tailed_sources(part)
        part = part if sources is None else sources
        pair = _circle_among(part)
    coordinates = []
    if pair is not None:
        x, y = part[:, pair].T
        coordinates.append(Coordinate(uniform_ranks(np.arctan2(y, x)), circle=True))
    lines = [i for i in range(len(vectors)) if pair is None or i not in pair]
    return coordinates + [Coordinate(uniform_ranks(part[:, i])) for i in lines]


def _circle_among(part: Float[np.ndarray, "n k"]) -> list[int] | None:
    pairs = (list(pair) for pair in combinations(range(part.shape[1]), 2))
    return next((pair for pair in pairs if is_circle(part[:, pair])), None)


def is_circle(plane: Float[np.ndarray, "n 2"]) -> bool:
    """Return True if points of a plane lie around a circle: few inside, and some in every direction.

    Two sides of a square give cosines of independent coordinates, which fill the plane.
    """
    x, y = (plane / plane.std(0)).T
    radius = np.hypot(x, y)
    inside = float((radius < radius.mean() / 2).mean())
    counts = np.bincount(((np.arctan2(y, x) / np.pi + 1) / 2 * _BINS).astype(int) % _BINS, minlength=_BINS)
    return bool(
        inside < _INSIDE and radius.std() < _SPREAD * radius.mean() and counts.min() > counts.mean() / 4
    )


def unmixed(coordinates: list[Coordinate]) -> list[Coordinate]:
    """Rotate the coordinates on lines to be as independent as possible.

    An eigenvector solver returns two factors of nearly equal eigenvalues in an arbitrary rotation. The
    rotation by FastICA is kept if it lowers the dependence of the coordinates. Order and signs follow the
    coordinates before the rotation.
    """
    lines = [coordinate for coordinate in coordinates if not coordinate.circle]
    if len(lines) < 2:
        return coordinates
    from scipy.optimize import linear_sum_assignment  # lazy: slow to import

    before = np.stack([line.values for line in lines], 1)
    sources = _light_tailed_sources(before)
    rotated = before if sources is None else uniform_ranks(sources)
    nats = dependence(before).sum()
    if nats < _DEPENDENT or dependence(rotated).sum() > _CLEARER * nats:
        return coordinates
    correlation = np.corrcoef(before.T, rotated.T)[: len(lines), len(lines) :]
    _, order = linear_sum_assignment(-np.abs(correlation))
    signs = np.sign(correlation[np.arange(len(lines)), order])
    turned = iter((rotated[:, order] * signs).T)
    return [c if c.circle else Coordinate(next(turned).astype(np.float32)) for c in coordinates]


def _light_tailed_sources(values: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"] | None:
    """Return sources of light tails, such as uniform ones, of unit variance; None without convergence.

    This is FastICA with the cube as nonlinearity (Hyvarinen 1999). Its fixed point is undefined where all
    sources have the tails of a normal distribution; the iterations then overflow.
    """
    import warnings

    from sklearn.decomposition import FastICA  # lazy: slow to import
    from sklearn.exceptions import ConvergenceWarning

    ica = FastICA(whiten="unit-variance", fun="cube", max_iter=500, tol=1e-3, random_state=0)
    with warnings.catch_warnings(), np.errstate(all="ignore"):  # some BLAS set flags without cause
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            sources: Float[np.ndarray, "n k"] = ica.fit_transform(values)
        except (ConvergenceWarning, ValueError):  # the latter: values that overflowed
            return None
    return sources if np.isfinite(sources).all() else None


def dependence(values: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "k k"]:
    """Return the mutual information of each pair of coordinates with uniform ranks on [-1, 1], in nats.

    It is that of a table of 8x8 bins, less its bias under independence (Miller 1955).
    """
    n, k = values.shape
    bins = np.clip(((values + 1) / 2 * _BINS).astype(int), 0, _BINS - 1)
    nats = np.zeros((k, k))
    for i in range(k):
        for j in range(i):
            joint = np.bincount(bins[:, i] * _BINS + bins[:, j], minlength=_BINS**2) / n
            joint = joint[joint > 0]
            information = (joint * np.log(joint)).sum() + 2 * np.log(_BINS) - (_BINS - 1) ** 2 / (2 * n)
            nats[i, j] = nats[j, i] = max(0.0, information)
    return nats


def dependence_on_categories(coordinate: Coordinate, labels: Int64[np.ndarray, " n"]) -> float:
    """Return the mutual information of a coordinate and categories, in nats, as `dependence` measures it."""
    count = int(labels.max()) + 1
    bins = np.clip(((coordinate.values + 1) / 2 * _BINS).astype(int), 0, _BINS - 1)
    joint = np.bincount(labels * _BINS + bins, minlength=count * _BINS).reshape(count, _BINS) / len(labels)
    expected = joint.sum(1, keepdims=True) * joint.sum(0)
    filled = joint > 0
    information = float((joint[filled] * np.log(joint[filled] / expected[filled])).sum())
    return max(0.0, information - (_BINS - 1) * (count - 1) / (2 * len(labels)))


def agreement(first: Coordinate, second: Coordinate) -> float:
    """Return how well one coordinate predicts the other, from 0 to 1, for any sign, sense and start.

    Lines are compared by Spearman's rank correlation, circles by the length of the mean of
    exp(i pi (first -+ second)). A line and a circle have agreement 0.
    """
    if first.circle != second.circle:
        return 0.0
    if first.circle:
        a, b = np.pi * first.values, np.pi * second.values
        return float(max(np.abs(np.exp(1j * (a - b)).mean()), np.abs(np.exp(1j * (a + b)).mean())))
    a, b = uniform_ranks(first.values), uniform_ranks(second.values)
    return float(abs(np.corrcoef(a, b)[0, 1])) if a.std() and b.std() else 0.0
