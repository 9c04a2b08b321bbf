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
from infogan.representation.coordinate_search import FITTED, LEAST, METRICS, Found, Parts, stable_coordinates
from infogan.representation.neighbours import Metric, PrincipalComponents
from infogan.representation.slow_coordinates import (
    NEW,
    Coordinate,
    agreement,
    local_residuals,
    uniform_ranks,
    unpredicted_share,
)

MOST_COMPONENTS = 10
"""Largest number of components."""

FEW_FACTORS = 0.6
"""If coordinates predict this share of the images' variance, there is no search for attributes: images of a
few factors, such as renders of one object, have peaked components without a meaning of their own."""

_SIMILAR = 0.5  # correlation from which a component is a variant of an accepted one
_NONE = (0, 0.0)
_BASELINES = 16  # principal components that a candidate is compared with

Images = UInt8[np.ndarray, "_ h w c"]
Kind = Literal["coordinate", "circle", "component", "within"]
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Candidate:
    """A continuous factor found in real images, before the generator is trained.

    Attributes:
        name: as the code is named, such as "coordinate1".
        kind: "coordinate", "circle" or "component"; "within": a coordinate within categories.
        source: how it was found, such as "plain 40, whitened 20".
        values: float32 [N], uniform ranks on [-1, 1]; of a circle, half turns in [-1, 1).
        stability: agreement, on a third part of the images, of versions from two disjoint parts, 0..1; of a
            coordinate within categories, see `Shared`.
        threshold: the stability that it had to exceed.
        explained_by: the principal component, counted from 1, that agrees best, and the agreement, 0..1.
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
    found = stable_coordinates(distinct, seed=seed, metrics=metrics)
    coordinates = numbered([_candidate(one) for one in found])
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


def _candidate(found: Found) -> Candidate:
    """Return a coordinate or circle as a candidate that has the name of its kind."""
    kind: Kind = "circle" if found.coordinate.circle else "coordinate"
    source = ", ".join(map(str, found.metrics))
    return Candidate(kind, kind, source, found.coordinate.values, found.stability, found.threshold, _NONE)


def numbered(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return the candidates named by their kind and its number from 1."""
    counts: dict[str, int] = {}
    renamed = []
    for candidate in candidates:
        counts[candidate.kind] = counts.get(candidate.kind, 0) + 1
        renamed.append(replace(candidate, name=f"{candidate.kind}{counts[candidate.kind]}"))
    return renamed


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
    third = images[parts.third]
    of_parts: list[Float[np.ndarray, "n k"]] = []
    for rows in (parts.first, parts.second, np.concatenate([parts.first, parts.second])):
        fit = independent_components(images[rows])
        if fit is None:
            return []
        of_parts.append(fit.values(third))
    assert fit is not None  # the last one, of both parts
    values, (first, second, on_third) = fit.values(images), of_parts
    nearest = [_correlations(on_third, part).argmax(1) for part in (first, second)]
    stability = np.diagonal(_correlations(first[:, nearest[0]], second[:, nearest[1]]))
    among = _correlations(values, values)
    flat = pixels(third)
    with_pixels = np.sort(_correlations(on_third, flat[:, flat.std(0) > 0]), 1)
    accepted: list[Candidate] = []
    kept: list[int] = []
    explained = [candidate.coordinate for candidate in known]
    for column in map(int, fit.order):
        if len(accepted) == MOST_COMPONENTS:
            break
        if stability[column] < LEAST or (kept and among[column, kept].max() > _SIMILAR):
            continue
        if _is_one_pixel(with_pixels[column]):
            continue
        coordinate = Coordinate(uniform_ranks(values[:, column]))
        if explained and unpredicted_share(explained, Coordinate(values[:, column])) < NEW:  # with its tail
            continue
        name = f"component{len(accepted) + 1}"
        source = f"independent component of kurtosis {fit.kurtosis[column]:.1f}"
        agreed = float(stability[column])
        accepted.append(Candidate(name, "component", source, coordinate.values, agreed, LEAST, _NONE))
        kept.append(column)
    return accepted


def _is_one_pixel(correlations: Float[np.ndarray, " p"]) -> bool:
    """Return True if a component is correlated with one pixel over twice as much as with the next.

    Args:
        correlations: of the component with the changing pixels, ascending.
    """
    return len(correlations) < 2 or bool(correlations[-2] < correlations[-1] / 2)


def _correlations(
    first: Float[np.ndarray, "n j"], second: Float[np.ndarray, "n k"]
) -> Float[np.ndarray, "j k"]:
    """Return |correlation| of each column of the first with each of the second."""
    parts = [(values - values.mean(0)) / np.maximum(values.std(0), 1e-12) for values in (first, second)]
    return np.asarray(np.abs(parts[0].T @ parts[1]) / len(first))


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
