"""Nearest neighbours of images by their pixels."""

from __future__ import annotations

from typing import Literal

import numpy as np
from jaxtyping import Float, Int64, UInt8

from infogan.errors import UsageError

Search = Literal["exact", "index"]
"""How neighbours are found: "exact" compares all pairs; "index" compares few of them above 50,000 images."""

COMPONENTS = 50
"""Number of principal components to compare. On MNIST, 50 are as good as all pixels and ten times faster."""

_SIDE = 32
"""Larger images are reduced to this size, since the similarity depends on coarse structure."""

_FITTED = 10_000
"""Number of images that the components are fitted on, evenly spaced."""

INDEXED = 50_000
"""Number of images above which an index is worth its training; up to it the search is exact in seconds."""

_CHUNK = 4_096
_POINTS_PER_LIST = 64  # from which faiss learns the centre of a list of its index
_PROBED = 16  # lists that are compared with each image


def nearest(
    images: UInt8[np.ndarray, "n h w c"], count: int, search: Search = "exact"
) -> Int64[np.ndarray, "n count"]:
    """Return the indices of the `count` nearest other images of each image, nearest first.

    The distance is Euclidean, over the first 50 principal components of the pixels. The 60,000 images of
    MNIST take half a minute on one core. The time of an exact search grows with the square of the number of
    images, that of an index a little faster than the number.

    Args:
        images: 0..255.
        count: 1 or more; reduced to the number of other images.
        search: "exact"; or "index", which finds most neighbours among more than `INDEXED` images by an
            inverted file of faiss (Johnson et al. 2019), with a fixed seed and one thread.

    Raises:
        UsageError: the index is needed, and faiss is not installed.
    """
    from sklearn.neighbors import NearestNeighbors  # lazy: slow to import

    points, most = _points(images), min(count, len(images) - 1)
    if search == "index" and len(images) > INDEXED:
        return _nearest_by_index(points, most)
    # Without an argument, kneighbors excludes each point from its own neighbours, even among equal images.
    exact = NearestNeighbors(n_neighbors=most, algorithm="brute").fit(points)
    indices: Int64[np.ndarray, "n count"] = exact.kneighbors(return_distance=False).astype(np.int64)
    return indices


def _points(images: UInt8[np.ndarray, "n h w c"]) -> Float[np.ndarray, "n components"]:
    """Return the scores of all images on the principal components of some of them."""
    from sklearn.decomposition import PCA

    chosen = np.linspace(0, len(images) - 1, min(_FITTED, len(images)), dtype=np.int64)
    # In chunks: large images are small only after `pixels`.
    x = np.concatenate(
        [pixels(images[part]) for part in np.split(chosen, range(_CHUNK, len(chosen), _CHUNK))]
    )
    with np.errstate(invalid="ignore"):  # a total variance of 0, if all images are equal
        components = PCA(min(COMPONENTS, *x.shape), random_state=0).fit(x)
    starts = range(0, len(images), _CHUNK)
    parts = [components.transform(pixels(images[start : start + _CHUNK])) for start in starts]
    points: Float[np.ndarray, "n components"] = np.concatenate(parts).astype(np.float32)
    return points


def _nearest_by_index(points: Float[np.ndarray, "n d"], count: int) -> Int64[np.ndarray, "n count"]:
    """Return the nearest other points among those in the same and the neighbouring lists of an index."""
    try:
        import faiss
    except ImportError:
        raise UsageError(
            f"objective.neighbour_search = 'index' for {len(points):,} images: faiss is not installed",
            "the package faiss-cpu",
            "pip install 'infogan[index]', or objective.neighbour_search='exact'",
            command="pip install 'infogan[index]', or --set neighbour_search=exact",
        ) from None
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)  # the result does not depend on the machine's cores
    try:
        index = faiss.IndexIVFFlat(
            faiss.IndexFlatL2(points.shape[1]), points.shape[1], round(4 * len(points) ** 0.5)
        )
        index.cp.max_points_per_centroid = _POINTS_PER_LIST
        index.nprobe = _PROBED
        index.train(points)
        index.add(points)
        starts = range(0, len(points), _CHUNK)
        parts = [index.search(points[start : start + _CHUNK], count + 1)[1] for start in starts]
    finally:
        faiss.omp_set_num_threads(threads)
    return _others(np.concatenate(parts))


def _others(found: Int64[np.ndarray, "n more"]) -> Int64[np.ndarray, "n count"]:
    """Remove each point from its own neighbours; if it is not among them, the last one."""
    found = np.where(found < 0, found[:, :1], found)  # fewer were found than were requested
    own = found == np.arange(len(found))[:, None]
    own[np.flatnonzero(~own.any(1)), -1] = True
    own &= own.cumsum(1) == 1
    others: Int64[np.ndarray, "n count"] = found[~own].reshape(len(found), -1)
    return others


def pixels(images: UInt8[np.ndarray, "n h w c"]) -> Float[np.ndarray, "n pixels"]:
    """Return float32 pixels in [0, 1]; images of more than 32x32 are averaged down to it."""
    import torch  # lazy: slow to import
    import torch.nn.functional as F

    x = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float() / 255
    if max(x.shape[2:]) > _SIDE:
        x = F.adaptive_avg_pool2d(x, (min(x.shape[2], _SIDE), min(x.shape[3], _SIDE)))
    flat: Float[np.ndarray, "n pixels"] = x.flatten(1).numpy()
    return flat
