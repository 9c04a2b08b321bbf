"""Distinguish categories from slices: there are gaps between categories along a coordinate, but not between
slices.

A coordinate that takes one range of values in each category may be a line that was cut into slices, or a row
of clusters in an eigenvector. In the neighbour graph, clusters have few edges across a boundary;
slices have as many there as everywhere else.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int64

from infogan.representation.neighbours import nearest
from infogan.representation.slow_coordinates import Coordinate

GAP = 0.25
"""There are gaps if fewer edges cross the boundaries of categories, relative to the median along the
coordinate."""

SLICES = 0.8
"""Categories are slices if the adjusted mutual information with their prediction by lines is at least this
share of that with their prediction by all points. Digits have .63, slices of a circle .97 and of faces
.88."""

EVEN = 0.7
"""Points that are less evenly spread on lines are clusters, not a continuum.

This is the distance of a point to the nearest one, relative to uniform points, for two lines. Hands and faces
have .81 and .80, pictures of seven kinds .50. Lines of a rank correlation above .9 also have less.
"""

_BINS = 200
_MOST = 3_000  # images that categories are predicted for
_FOLDS, _NEIGHBOURS = 5, 10


def has_gaps(
    coordinate: Coordinate, labels: Int64[np.ndarray, " n"], neighbours: Int64[np.ndarray, "n k"]
) -> bool:
    """Return True if few edges of the neighbour graph cross the boundaries of categories on a coordinate.

    Args:
        coordinate: of the images, spread evenly over [-1, 1].
        labels: category of each image, one range of the coordinate each.
        neighbours: indices of the nearest neighbours of each image.
    """
    profile = crossing_edges(coordinate, neighbours)
    typical = float(np.median(profile))
    if typical == 0:
        return True
    at = [profile[_around(int(place), coordinate.circle)].min() for place in _boundaries(coordinate, labels)]
    return bool(at) and float(np.median(at)) < GAP * typical


def crossing_edges(
    coordinate: Coordinate, neighbours: Int64[np.ndarray, "n k"]
) -> Float[np.ndarray, " bins"]:
    """Return the number of edges that cross each of 200 places, evenly spaced over [-1, 1].

    An edge of a circle crosses the places of its shorter arc.
    """
    bins = _bins(coordinate)
    ends = np.sort(np.stack([np.repeat(bins, neighbours.shape[1]), bins[neighbours].ravel()]), axis=0)
    around = coordinate.circle & (ends[1] - ends[0] > _BINS // 2)
    low, high = ends[:, ~around]
    steps = np.bincount(low, minlength=_BINS) - np.bincount(high, minlength=_BINS)
    low, high = ends[:, around]  # these cross from the higher bin to the end, and from the start to the lower
    steps += np.bincount(high, minlength=_BINS) - np.bincount(low, minlength=_BINS)
    return np.asarray(np.cumsum(steps) + around.sum(), np.float64)


def are_slices(
    coordinates: Sequence[Coordinate], labels: Int64[np.ndarray, " n"], points: Float[np.ndarray, "n f"]
) -> bool:
    """Return True if coordinates predict categories nearly as well as points do: these divide a continuum.

    Two lines also predict clusters that they lay out in a plane. Their points are then clumped, and only
    single lines count.

    Args:
        coordinates: lines and circles, without those that have gaps.
        labels: category of each image.
        points: in which the categories were found.
    """
    rows = np.random.default_rng(0).permutation(len(labels))[:_MOST]
    chosen = [[coordinate] for coordinate in coordinates]
    if len(coordinates) > 1 and _evenness(coordinates) >= EVEN:
        chosen.append(list(coordinates))
    by_points = _predictability(points[rows], labels[rows]) if chosen else 0.0
    by_lines = (
        _predictability(np.concatenate([line.columns[rows] for line in lines], 1), labels[rows])
        for lines in chosen
    )
    return by_points > 0 and any(share > SLICES * by_points for share in by_lines)


def _evenness(coordinates: Sequence[Coordinate]) -> float:
    """Return the mean distance to the nearest point relative to uniform points (Clark & Evans 1954).

    The ratio grows towards 1 with the number of lines; its power for two lines hardly does.
    """
    values = np.unique(np.stack([coordinate.values for coordinate in coordinates], 1), axis=0)
    rng = np.random.default_rng(0)
    values = values[rng.permutation(len(values))[:_MOST]].astype(np.float64)
    of_points, of_uniform = (
        nearest(points, 1).distances.mean() for points in (values, rng.uniform(-1, 1, values.shape))
    )
    return float((of_points / of_uniform) ** (values.shape[1] / 2))


def _predictability(points: Float[np.ndarray, "n f"], labels: Int64[np.ndarray, " n"]) -> float:
    """Return the adjusted mutual information of labels with their prediction from the nearest points."""
    from sklearn.metrics import adjusted_mutual_info_score  # lazy: slow to import
    from sklearn.model_selection import cross_val_predict
    from sklearn.neighbors import KNeighborsClassifier

    fold = np.arange(len(labels)) % _FOLDS
    folds = [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(_FOLDS)]
    predicted = cross_val_predict(KNeighborsClassifier(_NEIGHBOURS), points, labels, cv=folds)
    return float(adjusted_mutual_info_score(labels, predicted))


def explained_by_categories(coordinate: Coordinate, labels: Int64[np.ndarray, " n"]) -> float:
    """Return the share of a coordinate's variance between categories, R^2 from 0 to 1."""
    columns = coordinate.columns
    counts = np.maximum(np.bincount(labels), 1)
    means = np.stack([np.bincount(labels, column, len(counts)) / counts for column in columns.T], 1)
    return float(1 - ((columns - means[labels]) ** 2).sum() / ((columns - columns.mean(0)) ** 2).sum())


def _boundaries(coordinate: Coordinate, labels: Int64[np.ndarray, " n"]) -> Int64[np.ndarray, " b"]:
    """Return the bins where the most frequent category is another one than in the bin before."""
    table = np.zeros((_BINS, int(labels.max()) + 1))
    np.add.at(table, (_bins(coordinate), labels), 1)
    filled = np.flatnonzero(table.any(1))
    most = table[filled].argmax(1)
    before = np.roll(most, 1) if coordinate.circle else np.concatenate([most[:1], most[:-1]])
    return np.asarray(filled[most != before])


def _around(place: int, circle: bool) -> Int64[np.ndarray, " b"]:
    """Return the bins near a boundary."""
    near = np.arange(place - 2, place + 2)
    return near % _BINS if circle else near.clip(0, _BINS - 1)


def _bins(coordinate: Coordinate) -> Int64[np.ndarray, " n"]:
    return np.clip(((coordinate.values + 1) / 2 * _BINS).astype(np.int64), 0, _BINS - 1)
