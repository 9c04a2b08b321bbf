"""An index of points that finds most of the nearest neighbours without comparing all pairs."""

from __future__ import annotations

from typing import Literal

import numpy as np
from jaxtyping import Float, Int64

from infogan.errors import UsageError

Search = Literal["exact", "index"]
"""How neighbours are found: "exact" compares all pairs; "index" compares few of them above 50,000 points."""

INDEXED = 50_000
"""Number of points above which an index is worth its training; up to it the search is exact in seconds."""

_CHUNK = 4_096
_POINTS_PER_LIST = 64  # from which faiss learns the centre of a list of its index
_PROBED = 16  # lists that are compared with each point


def nearest_by_index(
    points: Float[np.ndarray, "n d"], count: int
) -> tuple[Int64[np.ndarray, "n count"], Float[np.ndarray, "n count"]]:
    """Return most of the nearest other points of each point, nearest first, and their squared distances.

    This is an inverted file of faiss (Johnson et al. 2019): points are compared with those in the same and in
    the neighbouring lists. The seed is fixed and one thread is used, so that the result does not depend on
    the machine's cores. The time grows a little faster than the number of points.

    Args:
        points: float32.
        count: less than the number of points.

    Raises:
        UsageError: faiss is not installed.
    """
    try:
        import faiss  # lazy: an extra
    except ImportError:
        raise UsageError(
            f"objective.neighbour_search = 'index' for {len(points):,} images: faiss is not installed",
            "the package faiss-cpu",
            "pip install 'infogan[index]', or objective.neighbour_search='exact'",
            command="pip install 'infogan[index]', or --set neighbour_search=exact",
        ) from None
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        index = faiss.IndexIVFFlat(
            faiss.IndexFlatL2(points.shape[1]), points.shape[1], round(4 * len(points) ** 0.5)
        )
        index.cp.max_points_per_centroid = _POINTS_PER_LIST
        index.nprobe = _PROBED
        index.train(points)
        index.add(points)
        starts = range(0, len(points), _CHUNK)
        parts = [index.search(points[start : start + _CHUNK], count + 1) for start in starts]
        distances, indices = (np.concatenate(column) for column in zip(*parts, strict=True))
        missing = np.flatnonzero((indices < 0).any(1))  # the lists near them hold too few points
        if len(missing):
            index.nprobe = index.nlist
            distances[missing], indices[missing] = index.search(points[missing], count + 1)
    finally:
        faiss.omp_set_num_threads(threads)
    return _others(indices, distances)


def _others(
    found: Int64[np.ndarray, "n more"], distances: Float[np.ndarray, "n more"]
) -> tuple[Int64[np.ndarray, "n count"], Float[np.ndarray, "n count"]]:
    """Remove each point from its own neighbours; if it is not among them, the last one."""
    own = found == np.arange(len(found))[:, None]
    own[np.flatnonzero(~own.any(1)), -1] = True
    own &= own.cumsum(1) == 1
    return found[~own].reshape(len(found), -1), distances[~own].reshape(len(found), -1)
