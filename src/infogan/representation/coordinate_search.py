"""Slow coordinates of images that two disjoint parts of them agree on, in any of several metrics.

Principal components, metric and graph are computed on each of two parts. Both versions of a coordinate are
extended to a third part, where they must agree. Versions of one factor in several metrics are averaged.

A factor may be found only mixed with stronger ones, so the search is repeated on what the accepted
coordinates leave of all versions. On rendered faces the direction of the light and the elevation of the head
are mixed in most metrics, and the elevation is found in the second round.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Int64, UInt8

from infogan.representation.neighbours import Metric, Neighbours, PrincipalComponents, Scores, nearest
from infogan.representation.slow_coordinates import (
    NEW,
    Coordinate,
    agreement,
    joined,
    slow_coordinates,
    uniform_ranks,
    unmixed,
    unpredicted_share,
)

METRICS = (
    *(Metric(count, whitened=False) for count in (20, 40, 80)),
    *(Metric(count, whitened=True) for count in (10, 20, 40, 60, 80)),
)
"""The metrics that are tried. A factor may be visible in few of them; stability shows in which."""

LEAST = 0.7
"""Least agreement of two versions of a candidate: half of the variance of its ranks is reproducible."""

MOST = 6
"""Largest number of coordinates."""

FITTED = 10_000
"""Largest number of images that coordinates are computed on; others get the mean of their neighbours."""

_PART = 4_000  # images in each part
_SAME = 0.8  # agreement above which versions of two metrics are the same
_LEFT = 0.25  # least share of the variance of a version that is left by the accepted coordinates
_LEAST_NOISE = 0.01
_CLEAR = 0.1  # least support of a coordinate, relative to the clearest of its round
_UNMIXED = 0.95  # share of the variance from which a version counts as not mixed
_LEAST_AROUND, _AROUND = 5, 80  # images whose mean is subtracted to remove the accepted coordinates
_LEAST_VARIANCE = 1e-12  # of a version that is constant
_NULL_METRICS = 2  # every second metric is enough to estimate the null's mean and standard deviation
_NULL_DEVIATIONS = 3.5  # of the null's agreements: the 99th percentile of the largest of some 50

Images = UInt8[np.ndarray, "_ h w c"]


@dataclass(frozen=True)
class Found:
    """A coordinate that was found on two parts of the images.

    Attributes:
        coordinate: of all images.
        metrics: in which it was found, that of the most typical version first.
        stability: agreement of versions from two parts on a third one, 0..1.
        threshold: the agreement that it had to exceed.
    """

    coordinate: Coordinate
    metrics: tuple[Metric, ...]
    stability: float
    threshold: float


@dataclass(frozen=True)
class Parts:
    """Indices of three disjoint parts of the images: two to fit, and one to compare on."""

    first: Int64[np.ndarray, " a"]
    second: Int64[np.ndarray, " b"]
    third: Int64[np.ndarray, " c"]

    @classmethod
    def of(cls, count: int, seed: int, share: float, most: int) -> Parts:
        """Split `count` images at random.

        Args:
            count: number of images.
            seed: of the split.
            share: of the images in each of the first two parts.
            most: largest number of images in a part.
        """
        order = np.random.default_rng(seed).permutation(count)
        fitted = min(most, int(share * count))
        return cls(order[:fitted], order[fitted : 2 * fitted], order[2 * fitted :][:most])


def permuted_images(images: Images, rng: np.random.Generator) -> Images:
    """Permute each pixel and channel independently across images: a null without any common factor."""
    flat = rng.permuted(images.reshape(len(images), -1), axis=0)
    return np.ascontiguousarray(flat.reshape(images.shape))


def stable_coordinates(images: Images, *, seed: int = 0, metrics: Sequence[Metric] = METRICS) -> list[Found]:
    """Return the slow coordinates of images that are stable, the clearest first.

    The threshold is that of the first round, which counts all metrics as one search. Permuted images never
    reach a later round.

    Args:
        images: uint8, without duplicates.
        seed: of the split into parts and of the permuted images.
        metrics: the distances of images to search in.
    """
    parts = Parts.of(len(images), seed, 1 / 3, _PART)
    of_parts = [images[rows] for rows in (parts.first, parts.second, parts.third)]
    versions = _of_two_parts(of_parts, metrics)
    if not _stable(versions, LEAST):
        return []
    null = permuted_images(np.concatenate(of_parts), np.random.default_rng(seed + 1))
    cuts = np.cumsum([len(part) for part in of_parts])[:-1]
    threshold = _threshold(_stable(_of_two_parts(np.split(null, cuts), metrics[::_NULL_METRICS]), 0.0))
    whole = _Whole.of(images, of_parts[2], seed)
    accepted: list[Found] = []
    while len(accepted) < MOST:
        stable = _stable(_left(versions, whole.on_third(accepted)), threshold)
        known = [found.coordinate for found in accepted]
        found = _clearest(whole.versions(stable, known), known, threshold)
        if not found:
            break
        accepted = _unmixed([*accepted, *found])
    return whole.spread(whole.averaged(accepted), images)


# --- versions on parts of the images -----------------------------------------------------------------------

Versions = Mapping[Metric, Sequence[Sequence[Coordinate]]]
"""For each metric, coordinates of different parts of the images at the same images."""


@dataclass(frozen=True)
class _Stable:
    """A coordinate of one metric, with its agreement and the mean of both versions on the third part."""

    metric: Metric
    stability: float
    on_third: Coordinate


def _of_two_parts(parts: Sequence[Images], metrics: Sequence[Metric]) -> Versions:
    """Return the coordinates of the first and of the second part, extended to the third one."""
    versions: dict[Metric, list[list[Coordinate]]] = {metric: [] for metric in metrics}
    for part in parts[:2]:
        components = PrincipalComponents(part)
        fitted, third = components.scores(part), components.scores(parts[2])
        for metric in metrics:
            points = metric.points(fitted)
            near = nearest(points, queries=metric.points(third))
            versions[metric].append([coordinate.extend(near) for coordinate in slow_coordinates(points)])
    return versions


def _stable(versions: Versions, threshold: float) -> list[_Stable]:
    """Return the coordinates of two parts, matched one to one, that agree more than the threshold."""
    return [
        _Stable(metric, value, mean_coordinate([first, second], [1.0, 1.0]))
        for metric, of_parts in versions.items()
        for first, second, value in matched(*of_parts)
        if value > threshold
    ]


def _left(versions: Versions, known: Sequence[Coordinate]) -> Versions:
    """Return what known coordinates leave of each version; see `left_by`."""
    if not known:
        return versions
    around = neighbours_along(known)
    return {metric: [left_by(around, part) for part in parts] for metric, parts in versions.items()}


def neighbours_along(known: Sequence[Coordinate]) -> Int64[np.ndarray, "n k"]:
    """Return the images of the most similar known coordinates, at most 80 and a twentieth of all images."""
    points = joined(known)
    return nearest(points, max(_LEAST_AROUND, min(_AROUND, len(points) // 20))).indices


def left_by(around: Int64[np.ndarray, "n k"], coordinates: Sequence[Coordinate]) -> list[Coordinate]:
    """Return lines without what known coordinates predict of them; functions of these are left out.

    Args:
        around: for each image, those whose mean is subtracted, from `neighbours_along`.
        coordinates: circles and lines that known coordinates predict little of are returned as they are, as
            the mean of few images is noisy.
    """
    left = []
    for coordinate in coordinates:
        columns = coordinate.columns if coordinate.circle else uniform_ranks(coordinate.columns)
        residual = columns - columns[around].mean(1)
        share = residual.var(0).sum() / max(columns.var(0).sum(), _LEAST_VARIANCE)
        if share > _UNMIXED or (coordinate.circle and share > _LEFT):
            left.append(coordinate)
        elif share > _LEFT:
            left.append(Coordinate(uniform_ranks(residual[:, 0])))
    return left


def matched(
    first: Sequence[Coordinate], second: Sequence[Coordinate]
) -> list[tuple[Coordinate, Coordinate, float]]:
    """Return pairs of coordinates in the one-to-one matching of the highest sum of agreements."""
    from scipy.optimize import linear_sum_assignment  # lazy: slow to import

    if not first or not second:
        return []
    table = np.array([[agreement(a, b) for b in second] for a in first])
    rows, columns = linear_sum_assignment(table, maximize=True)
    return [(first[i], second[j], float(table[i, j])) for i, j in zip(rows, columns, strict=True)]


def _threshold(null: Sequence[_Stable]) -> float:
    """Return the agreement to exceed: at least LEAST, and above what permuted images reach.

    The agreements of the null are compared on Fisher's scale, where they are about normal.
    """
    if not null:
        return LEAST
    values = np.arctanh(np.clip([coordinate.stability for coordinate in null], 0, 0.999))
    return max(LEAST, float(np.tanh(values.mean() + _NULL_DEVIATIONS * values.std())))


# --- all images --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Version:
    """A coordinate of the fitted images in one metric, and its stability."""

    metric: Metric
    coordinate: Coordinate
    stability: float


@dataclass
class _Whole:
    """The images that the returned coordinates are fitted to, all or a random part of them.

    Attributes:
        components: principal components of the fitted images.
        rows: indices of these.
        fitted: their scores.
        third: scores of the third part, on which versions are compared.
        of_metrics: coordinates of the fitted images, and the neighbours of the third part among them.
    """

    components: PrincipalComponents
    rows: Int64[np.ndarray, " m"]
    fitted: Scores
    third: Scores
    of_metrics: dict[Metric, tuple[list[Coordinate], Neighbours]] = field(default_factory=dict)

    @classmethod
    def of(cls, images: Images, third: Images, seed: int) -> _Whole:
        rows = np.sort(np.random.default_rng(seed).permutation(len(images))[:FITTED])
        components = PrincipalComponents(images[rows])
        return cls(components, rows, components.scores(images[rows]), components.scores(third))

    def on_third(self, accepted: Sequence[Found]) -> list[Coordinate]:
        """Return coordinates of the fitted images at the third part, each by the neighbours of its metric."""
        return [found.coordinate.extend(self._coordinates(found.metrics[0])[1]) for found in accepted]

    def spread(self, accepted: Sequence[Found], images: Images) -> list[Found]:
        """Return coordinates of the fitted images for all images, each by the neighbours of its metric."""
        if len(self.rows) == len(images):
            return list(accepted)
        scores = self.components.scores(images)
        near = {
            metric: nearest(metric.points(self.fitted), queries=metric.points(scores))
            for metric in {found.metrics[0] for found in accepted}
        }
        return [
            replace(found, coordinate=found.coordinate.extend(near[found.metrics[0]])) for found in accepted
        ]

    def versions(self, stable: Sequence[_Stable], known: Sequence[Coordinate]) -> list[_Version]:
        """Return the versions of stable coordinates on the fitted images, as independent as possible.

        Args:
            stable: on the third part, without what known coordinates predict.
            known: of the fitted images.
        """
        around = neighbours_along(known) if known else None
        versions = []
        for metric in dict.fromkeys(found.metric for found in stable):
            own = [found.on_third for found in stable if found.metric == metric]
            coordinates, near = self._coordinates(metric)
            left = coordinates if around is None else left_by(around, coordinates)
            kept = [c for c in left if any(agreement(c.extend(near), other) > LEAST for other in own)]
            for coordinate in unmixed(kept):
                on_third = coordinate.extend(near)
                closest = max(stable, key=lambda found: agreement(on_third, found.on_third))
                versions.append(_Version(metric, coordinate, closest.stability))
        return versions

    def averaged(self, accepted: Sequence[Found]) -> list[Found]:
        """Return the coordinates, on average with the versions of other metrics that agree with them.

        In a metric that mixes a coordinate with others, these are removed first.
        """
        return [self._averaged(found, [c for c in accepted if c is not found]) for found in accepted]

    def _averaged(self, found: Found, others: Sequence[Found]) -> Found:
        more = self._versions_left_by([other.coordinate for other in others], found) if others else {}
        if not more:
            return found
        weights = [_precision(found.stability) * len(found.metrics), *(w for _, w in more.values())]
        mean = mean_coordinate([found.coordinate, *(c for c, _ in more.values())], weights)
        return replace(found, coordinate=mean, metrics=(*found.metrics, *more))

    def _versions_left_by(
        self, others: Sequence[Coordinate], found: Found
    ) -> dict[Metric, tuple[Coordinate, float]]:
        """Return versions in further metrics, without what `others` predict, and their weights."""
        around = neighbours_along(others)
        versions = {}
        for metric in (metric for metric in self.of_metrics if metric not in found.metrics):
            left = left_by(around, self._coordinates(metric)[0])
            agreed = [agreement(version, found.coordinate) for version in left]
            if agreed and max(agreed) > LEAST:
                versions[metric] = left[int(np.argmax(agreed))], _precision(max(agreed))
        return versions

    def _coordinates(self, metric: Metric) -> tuple[list[Coordinate], Neighbours]:
        if metric not in self.of_metrics:
            points = metric.points(self.fitted)
            near = nearest(points, queries=metric.points(self.third))
            self.of_metrics[metric] = slow_coordinates(points), near
        return self.of_metrics[metric]


def _precision(stability: float) -> float:
    """Return the ratio of signal to noise of versions that agree this well: their weight in a mean."""
    return stability / max(1 - stability, _LEAST_NOISE)


def _clearest(versions: Sequence[_Version], known: Sequence[Coordinate], threshold: float) -> list[Found]:
    """Return the coordinates that stand out most, each the mean of the versions that agree.

    They are those with the most precise versions: each factor is an average over the metrics that show it,
    which needs no choice of a metric and cancels their errors. Coordinates with less than a tenth of the
    first one's support are left for later rounds, which return one coordinate each: they are clearer once the
    others are removed.

    Args:
        versions: of coordinates, without what known ones predict.
        known: coordinates that were accepted before.
        threshold: that the stability of the versions exceeds.
    """
    clearest: list[Found] = []
    left, most = list(versions), 0.0
    while left and len(clearest) < (1 if known else MOST):
        supports = [sum(_support(version, other) for other in left) for version in left]
        leader, support = left[int(np.argmax(supports))], max(supports)
        others = [version for version in left if version is not leader]
        group = [leader, *(v for v in others if agreement(leader.coordinate, v.coordinate) > _SAME)]
        left = [version for version in others if not any(version is member for member in group)]
        mean = mean_coordinate(
            [version.coordinate for version in group], [_precision(version.stability) for version in group]
        )
        before = [*known, *(found.coordinate for found in clearest)]
        if support < _CLEAR * most or (before and unpredicted_share(before, mean) < NEW):
            continue
        most = max(most, support)
        metrics = tuple(dict.fromkeys(version.metric for version in group))
        clearest.append(Found(mean, metrics, max(version.stability for version in group), threshold))
    return clearest


def _support(version: _Version, other: _Version) -> float:
    return _precision(other.stability) * agreement(version.coordinate, other.coordinate) ** 2


def _unmixed(accepted: Sequence[Found]) -> list[Found]:
    turned = unmixed([found.coordinate for found in accepted])
    return [replace(found, coordinate=other) for found, other in zip(accepted, turned, strict=True)]


def mean_coordinate(coordinates: Sequence[Coordinate], weights: Sequence[float]) -> Coordinate:
    """Return the weighted mean of versions of one coordinate, after each is aligned with the first.

    Lines are aligned by their sign, circles by sense and start.
    """
    first = coordinates[0]
    if not first.circle:
        total = np.zeros(len(first.values), dtype=np.float64)
        for coordinate, weight in zip(coordinates, weights, strict=True):
            ranks = uniform_ranks(coordinate.values)
            total += weight * ranks * np.sign(np.corrcoef(ranks, first.values)[0, 1] or 1.0)
        return Coordinate(uniform_ranks(total))
    angle, mean = np.pi * first.values, np.zeros(len(first.values), dtype=complex)
    for coordinate, weight in zip(coordinates, weights, strict=True):
        other = np.pi * coordinate.values
        sense = (
            1 if abs(np.exp(1j * (angle - other)).mean()) >= abs(np.exp(1j * (angle + other)).mean()) else -1
        )
        offset = np.angle(np.exp(1j * (angle - sense * other)).mean())
        mean += weight * np.exp(1j * (sense * other + offset))
    return Coordinate(uniform_ranks(np.angle(mean)), circle=True)
