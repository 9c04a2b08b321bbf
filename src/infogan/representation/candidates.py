"""Candidates: continuous factors and attributes of real images, each confirmed on other images.

A candidate is accepted if it is found independently on two disjoint parts of the images: both versions are
extended to a third part, where they must agree. Principal components, metric and graph are computed again on
each part.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Float, Int64, UInt8

from infogan.data.pixel_neighbours import pixels
from infogan.representation.components import independent_components
from infogan.representation.neighbours import Metric, PrincipalComponents, nearest
from infogan.representation.slow_coordinates import (
    Coordinate,
    agreement,
    local_residuals,
    slow_coordinates,
    uniform_ranks,
    unmixed,
    unpredicted_share,
)

METRICS = tuple(Metric(count, whitened) for whitened in (False, True) for count in (10, 20, 40, 80))
"""The metrics that are tried. A factor may be visible in few of them; stability shows in which."""

LEAST = 0.7
"""Least agreement of two versions of a candidate: half of the variance of its ranks is reproducible."""

MOST_COORDINATES, MOST_COMPONENTS = 6, 10
FEW_FACTORS = 0.6
"""If coordinates predict this share of the images' variance, there is no search for attributes: images of a
few factors, such as renders of one object, have peaked components without a meaning of their own."""

FITTED = 10_000
"""Largest number of images that coordinates are computed on; others get the mean of their neighbours."""

_PART = 4_000  # images in each part for coordinates
_SAME = 0.8  # agreement above which candidates of two metrics are the same
_NEW = 0.6  # least share of a candidate that accepted ones do not predict
_NONE = (0, 0.0)
_BASELINES = 16  # principal components that a candidate is compared with
_SPREADING = Metric(40, whitened=False)  # in which images that were not fitted get their values
_NULL_DEVIATIONS = 3.5  # of the null's agreements: the 99th percentile of the largest of some 50

Images = UInt8[np.ndarray, "_ h w c"]
Kind = Literal["coordinate", "circle", "component"]
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Candidate:
    """A continuous factor found in real images, before the generator is trained.

    Attributes:
        name: as the code is named, such as "coordinate1".
        kind: "coordinate", "circle" or "component".
        source: how it was found, such as "plain 40, whitened 20".
        values: float32 [N], uniform ranks on [-1, 1]; of a circle, half turns in [-1, 1).
        stability: agreement, on a third part of the images, of versions from two disjoint parts, 0..1.
        threshold: the agreement that it had to exceed.
        explained_by: agreement with the best of the first principal components, 0..1, and its number from 1.
    """

    name: str
    kind: Kind
    source: str
    values: Float[np.ndarray, " n"]
    stability: float
    threshold: float
    explained_by: tuple[int, float]

    @property
    def coordinate(self) -> Coordinate:
        """The values as a coordinate."""
        return Coordinate(self.values, circle=self.kind == "circle")


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


def find(
    images: Images, *, seed: int = 0, metrics: Sequence[Metric] = METRICS, progress: Progress = lambda _: None
) -> list[Candidate]:
    """Return the continuous candidates of a set of images: coordinates and circles first, then components.

    Args:
        images: uint8, 0..255; exact duplicates are left out of the search and get the value of the first
            copy.
        seed: of the split into parts and of the permuted images.
        metrics: the distances of images in which coordinates are searched for.
        progress: called with a message when a part begins.
    """
    unique, inverse = unique_images(images)
    distinct = images[unique]
    if len(distinct) < 3 * 100:
        return []
    progress("slow coordinates of the neighbourhood graph")
    coordinates = coordinate_candidates(distinct, seed=seed, metrics=metrics)
    scores = PrincipalComponents(distinct).scores(distinct).values
    components: list[Candidate] = []
    if predicted_variance([c.coordinate for c in coordinates], scores) < FEW_FACTORS:
        progress("independent components")
        components = component_candidates(distinct, coordinates, seed=seed)
    return [
        replace(
            candidate,
            values=candidate.values[inverse],
            explained_by=explained_by(candidate.coordinate, scores[:, :_BASELINES]),
        )
        for candidate in coordinates + components
    ]


def predicted_variance(known: Sequence[Coordinate], scores: Float[np.ndarray, "n k"]) -> float:
    """Return the share of the variance of points that a local regression on coordinates predicts, 0..1."""
    if not known:
        return 0.0
    variances = scores.var(0)
    return float(1 - (local_residuals(known, scores) ** 2 * variances).sum() / max(variances.sum(), 1e-12))


def unique_images(images: Images) -> tuple[Int64[np.ndarray, " u"], Int64[np.ndarray, " n"]]:
    """Return the first index of each distinct image, ascending, and for each image its place among these."""
    import hashlib

    first: dict[bytes, int] = {}
    twins = [first.setdefault(hashlib.sha256(image.tobytes()).digest(), i) for i, image in enumerate(images)]
    unique = np.array(sorted(first.values()), dtype=np.int64)
    return unique, np.searchsorted(unique, twins)


def permuted_images(images: Images, rng: np.random.Generator) -> Images:
    """Permute each pixel and channel independently across images: a null without any common factor."""
    flat = rng.permuted(images.reshape(len(images), -1), axis=0)
    return np.ascontiguousarray(flat.reshape(images.shape))


# --- coordinates -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Stable:
    """A coordinate of one metric, with its agreement and the mean of both versions on the third part."""

    metric: Metric
    stability: float
    on_third: Coordinate


@dataclass(frozen=True)
class _Version:
    """A coordinate of all images in one metric, and its stability."""

    metric: Metric
    coordinate: Coordinate
    stability: float


def coordinate_candidates(
    images: Images, *, seed: int = 0, metrics: Sequence[Metric] = METRICS
) -> list[Candidate]:
    """Return the slow coordinates that two parts of the images agree on, most stable first.

    The coordinates of all metrics are pooled: versions of the same factor in several metrics are averaged,
    which needs no choice of a metric and cancels their errors.

    Args:
        images: uint8, without duplicates.
        seed: of the split into parts and of the permuted images.
        metrics: the distances of images to search in.
    """
    parts = Parts.of(len(images), seed, 1 / 3, _PART)
    of_parts = [images[rows] for rows in (parts.first, parts.second, parts.third)]
    null = permuted_images(np.concatenate(of_parts), np.random.default_rng(seed + 1))
    cuts = np.cumsum([len(part) for part in of_parts])[:-1]
    threshold = _threshold(_stable_coordinates(np.split(null, cuts), metrics))
    stable = [found for found in _stable_coordinates(of_parts, metrics) if found.stability > threshold]
    rows = np.sort(np.random.default_rng(seed).permutation(len(images))[:FITTED])
    components = PrincipalComponents(images[rows])
    fitted, third = components.scores(images[rows]), components.scores(of_parts[2])
    versions = []
    for metric in dict.fromkeys(found.metric for found in stable):
        points = metric.points(fitted)
        near = nearest(points, queries=metric.points(third))
        own = [found.on_third for found in stable if found.metric == metric]
        kept = [c for c in slow_coordinates(points) if _agrees(c.extend(near), own)]
        versions += [_Version(metric, c, _best(c.extend(near), stable)) for c in unmixed(kept)]
    accepted = _pooled(versions, threshold)
    if len(rows) == len(images):
        return accepted
    near = nearest(_SPREADING.points(fitted), queries=_SPREADING.points(components.scores(images)))
    return [replace(c, values=c.coordinate.extend(near).values) for c in accepted]


def _agrees(coordinate: Coordinate, others: Sequence[Coordinate]) -> bool:
    return any(agreement(coordinate, other) > LEAST for other in others)


def _best(coordinate: Coordinate, stable: Sequence[_Stable]) -> float:
    """Return the stability of the stable coordinate that agrees best with another."""
    return max(stable, key=lambda found: agreement(coordinate, found.on_third)).stability


def _stable_coordinates(parts: Sequence[Images], metrics: Sequence[Metric]) -> list[_Stable]:
    """Return the coordinates of the first part, matched one to one with those of the second, on the third."""
    fitted = [PrincipalComponents(part) for part in parts[:2]]
    of_parts = [(c.scores(part), c.scores(parts[2])) for c, part in zip(fitted, parts[:2], strict=True)]
    stable = []
    for metric in metrics:
        versions = []
        for part, third in of_parts:
            points = metric.points(part)
            near = nearest(points, queries=metric.points(third))
            versions.append([coordinate.extend(near) for coordinate in slow_coordinates(points)])
        for first, second, value in matched(*versions):
            stable.append(_Stable(metric, value, mean_coordinate([first, second], [1.0, 1.0])))
    return stable


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


def _pooled(versions: Sequence[_Version], threshold: float) -> list[Candidate]:
    """Return one candidate for each group of versions that agree, without those that earlier ones predict.

    Versions that agree with many others come first: each factor is an average over the metrics that show it.
    """
    accepted: list[Candidate] = []
    left = [version for version in versions if version.stability > threshold]
    while left and len(accepted) < MOST_COORDINATES:
        leader = max(
            left, key=lambda v: sum(w.stability * agreement(v.coordinate, w.coordinate) ** 2 for w in left)
        )
        group = [v for v in left if agreement(leader.coordinate, v.coordinate) > _SAME or v is leader]
        left = [version for version in left if not any(version is member for member in group)]
        mean = mean_coordinate(
            [leader.coordinate, *(v.coordinate for v in group)],
            [leader.stability, *(v.stability for v in group)],
        )
        if accepted and unpredicted_share([c.coordinate for c in accepted], mean) < _NEW:
            continue
        kind: Kind = "circle" if mean.circle else "coordinate"
        number = sum(candidate.kind == kind for candidate in accepted) + 1
        source = ", ".join(dict.fromkeys(str(version.metric) for version in group))
        stability = max(version.stability for version in group)
        accepted.append(Candidate(f"{kind}{number}", kind, source, mean.values, stability, threshold, _NONE))
    turned = unmixed([candidate.coordinate for candidate in accepted])
    return [replace(c, values=t.values) for c, t in zip(accepted, turned, strict=True)]


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


# --- components ------------------------------------------------------------------------------------------


def component_candidates(
    images: Images, known: Sequence[Candidate] = (), *, seed: int = 0
) -> list[Candidate]:
    """Return the independent components that two parts agree on and that `known` candidates do not predict.

    Components that follow a single pixel are left out: independent pixels are components of their own.

    Args:
        images: uint8.
        known: candidates that were accepted before.
        seed: of the split into parts.
    """
    parts = Parts.of(len(images), seed, 0.4, FITTED)
    fits = [independent_components(images[rows]) for rows in (parts.first, parts.second)]
    whole = independent_components(images[np.concatenate([parts.first, parts.second])])
    if whole is None or fits[0] is None or fits[1] is None:
        return []
    third = images[parts.third]
    flat = pixels(third)
    first, second = (fit.values(third) for fit in fits if fit is not None)
    on_third = whole.values(third)
    values = whole.values(images)
    accepted: list[Candidate] = []
    explained = [candidate.coordinate for candidate in known]
    for column in whole.order:
        a = int(_correlations(on_third[:, column], first).argmax())
        b = int(_correlations(on_third[:, column], second).argmax())
        stability = float(_correlations(first[:, a], second[:, [b]])[0])
        if stability < LEAST or len(accepted) == MOST_COMPONENTS:
            continue
        if _is_one_pixel(on_third[:, column], flat):
            continue
        coordinate = Coordinate(uniform_ranks(values[:, column]))
        if explained and unpredicted_share(explained, Coordinate(values[:, column])) < _NEW:  # with its tail
            continue
        name = f"component{len(accepted) + 1}"
        source = f"independent component of kurtosis {whole.kurtosis[column]:.1f}"
        accepted.append(Candidate(name, "component", source, coordinate.values, stability, LEAST, _NONE))
    return accepted


def _is_one_pixel(column: Float[np.ndarray, " n"], flat: Float[np.ndarray, "n p"]) -> bool:
    """Return True if a component is correlated with one pixel over twice as much as with the next."""
    changing = flat[:, flat.std(0) > 0]
    standard = (changing - changing.mean(0)) / changing.std(0)
    covariances = np.sort(np.abs(standard.T @ (column - column.mean())))
    return len(covariances) < 2 or bool(covariances[-2] < covariances[-1] / 2)


def _correlations(
    column: Float[np.ndarray, " n"], others: Float[np.ndarray, "n k"]
) -> Float[np.ndarray, " k"]:
    return np.asarray(np.abs(np.corrcoef(column, others.T)[0, 1:]))


def explained_by(coordinate: Coordinate, scores: Float[np.ndarray, "n k"]) -> tuple[int, float]:
    """Return the principal component, counted from 1, that agrees best with a coordinate, and the agreement.

    A circle is compared with the angle in the plane of each two consecutive components.
    """
    if coordinate.circle:
        angles = [np.arctan2(scores[:, j + 1], scores[:, j]) for j in range(scores.shape[1] - 1)]
        baselines = [Coordinate(uniform_ranks(angle), circle=True) for angle in angles]
    else:
        baselines = [Coordinate(uniform_ranks(column)) for column in scores.T]
    values = [agreement(coordinate, baseline) for baseline in baselines]
    best = int(np.argmax(values)) if values else 0
    return best + 1, values[best] if values else 0.0
