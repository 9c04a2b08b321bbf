"""Nearest neighbours and neighbourhood graphs of points: components of pixels, or learned features."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int64, UInt8

from infogan.data.neighbour_index import INDEXED, Search, nearest_by_index
from infogan.data.pixel_neighbours import pixels

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

NEIGHBOURS = 10
"""Number of nearest neighbours that a graph connects each point with."""

MOST_COMPONENTS = 80
"""Largest number of principal components that a metric uses."""

_CHUNK = 4_096
_MOST_BYTES = 2**28  # of the pixels that principal components are fitted to
_TREE_DIMENSIONS = 8  # up to which a tree is faster than all distances


@dataclass(frozen=True)
class Metric:
    """A Euclidean distance of images, over their first principal components.

    Attributes:
        components: number of principal components, 1 to 80.
        whitened: every component has unit variance, so that weak ones count as much as strong ones.
    """

    components: int
    whitened: bool

    def __str__(self) -> str:
        return f"{'whitened' if self.whitened else 'plain'} {self.components}"

    def points(self, scores: Scores) -> Float[np.ndarray, "n d"]:
        """Return the points whose Euclidean distance is this metric."""
        points = scores.values[:, : self.components]
        return points / scores.std[: self.components] if self.whitened else points


@dataclass(frozen=True)
class Scores:
    """Scores of images on the principal components of other images.

    Attributes:
        values: float32 [N, components].
        std: standard deviation of each component over the images that the components were fitted to.
    """

    values: Float[np.ndarray, "n components"]
    std: Float[np.ndarray, " components"]


class PrincipalComponents:
    """Principal components of the pixels of images (scikit-learn's randomized solver).

    Args:
        images: uint8, 0..255, that the components are fitted to. If their pixels in float32, after `pixels`,
            take more than 256 MB, an evenly spaced subset is used.
        components: their number; reduced to the rank that the images allow.
    """

    def __init__(self, images: UInt8[np.ndarray, "n h w c"], components: int = MOST_COMPONENTS) -> None:
        from sklearn.decomposition import PCA  # lazy: slow to import

        x = pixels(images[_evenly_spaced(images)])
        count = min(components, len(x) - 1, x.shape[1])
        self._pca = PCA(count, svd_solver="randomized", iterated_power=3, random_state=0)
        with np.errstate(invalid="ignore"):  # a total variance of 0, if all images are equal
            self._pca.fit(x)
        self._std = np.sqrt(np.maximum(self._pca.explained_variance_, 1e-12)).astype(np.float32)

    def scores(self, images: UInt8[np.ndarray, "n h w c"]) -> Scores:
        """Return the scores of images of the same size."""
        starts = range(0, len(images), _CHUNK)
        parts = [self._pca.transform(pixels(images[start : start + _CHUNK])) for start in starts]
        return Scores(np.concatenate(parts).astype(np.float32), self._std)


def _evenly_spaced(images: UInt8[np.ndarray, "n h w c"]) -> slice:
    """Return the images that components are fitted to: as many as fit into a fixed amount of memory."""
    bytes_of_one = 4 * pixels(images[:1]).shape[1]
    return slice(None, None, math.ceil(len(images) * bytes_of_one / _MOST_BYTES) or None)


@dataclass(frozen=True)
class Neighbours:
    """The nearest points of each query, nearest first.

    Attributes:
        indices: int64 [M, count], of the points.
        distances: float64 [M, count], Euclidean.
    """

    indices: Int64[np.ndarray, "m count"]
    distances: Float[np.ndarray, "m count"]

    def __len__(self) -> int:
        return len(self.indices)


def nearest(
    points: Float[np.ndarray, "n d"],
    count: int = NEIGHBOURS,
    queries: Float[np.ndarray, "m d"] | None = None,
    *,
    search: Search = "exact",
) -> Neighbours:
    """Return the nearest points of each query by Euclidean distance.

    The time of an exact search grows with the product of the numbers of points and queries.

    Args:
        points: the points to search.
        count: 1 or more; reduced to the number of points that there are.
        queries: other points; None: the points themselves, each without itself.
        search: "exact"; or "index", which finds most neighbours of more than 50,000 points among themselves,
            see `nearest_by_index`.

    Raises:
        UsageError: the index is needed, and faiss is not installed.
    """
    from scipy.spatial import KDTree  # lazy: slow to import
    from sklearn.neighbors import NearestNeighbors

    if search == "index" and queries is None and len(points) > INDEXED:
        found, squares = nearest_by_index(np.ascontiguousarray(points, np.float32), count)
        return Neighbours(found, np.sqrt(np.maximum(squares, 0)).astype(np.float64))
    if queries is not None and points.shape[1] <= _TREE_DIMENSIONS:
        # Several times faster than scikit-learn's tree for the many small searches of local regressions.
        ranks = np.arange(1, min(count, len(points)) + 1)
        distances, indices = KDTree(points).query(queries, ranks)
        return Neighbours(np.asarray(indices, np.int64), np.asarray(distances, np.float64))
    most = len(points) - (queries is None)
    # Without queries, kneighbors excludes each point from its own neighbours, even among equal points.
    algorithm = "kd_tree" if points.shape[1] <= _TREE_DIMENSIONS else "brute"  # both are exact
    exact = NearestNeighbors(n_neighbors=min(count, most), algorithm=algorithm).fit(points)
    distances, indices = exact.kneighbors(queries)
    return Neighbours(indices.astype(np.int64), distances.astype(np.float64))


def graph(
    indices: Int64[np.ndarray, "n count"], weights: Float[np.ndarray, "n count"] | None = None
) -> csr_matrix:
    """Return the symmetric graph in which two points are connected if one is a neighbour of the other.

    Args:
        indices: the neighbours of each point.
        weights: symmetric weights of the connections; None: 1.

    Returns:
        A sparse float64 matrix [N, N].
    """
    from scipy.sparse import csr_matrix  # lazy: slow to import

    n, count = indices.shape
    starts = np.arange(0, n * count + 1, count)
    values = np.ones(n * count) if weights is None else weights.ravel()
    directed = csr_matrix((values, indices.ravel(), starts), shape=(n, n))
    return directed.maximum(directed.T).tocsr()


def intrinsic_dimension(distances: Float[np.ndarray, "n count"]) -> float:
    """Return the maximum-likelihood dimension of points (Levina and Bickel 2004).

    Args:
        distances: to the nearest neighbours of each point, nearest first.
    """
    least = np.finfo(np.float32).tiny
    logarithms = np.log(np.maximum(distances[:, -1:], least) / np.maximum(distances[:, :-1], least))
    # The mean of the inverse dimensions is the pooled estimate of MacKay and Ghahramani.
    return float(1 / max(logarithms.mean(), 1e-6))
