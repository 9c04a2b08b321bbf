"""Nearest neighbours of images by their pixels."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int64, UInt8

from infogan.data.neighbour_index import INDEXED, Search, nearest_by_index

COMPONENTS = 50
"""Number of principal components to compare. On MNIST, 50 are as good as all pixels and ten times faster."""

_SIDE = 32
"""Larger images are reduced to this size, since the similarity depends on coarse structure."""

_FITTED = 10_000
"""Number of images that the components are fitted on, evenly spaced."""

_CHUNK = 4_096


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
        search: "exact"; or "index", which finds most neighbours among more than 50,000 images, see
            `nearest_by_index`.

    Raises:
        UsageError: the index is needed, and faiss is not installed.
    """
    from sklearn.neighbors import NearestNeighbors  # lazy: slow to import

    points, most = _points(images), min(count, len(images) - 1)
    if search == "index" and len(images) > INDEXED:
        return nearest_by_index(points, most)[0]
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


def pixels(images: UInt8[np.ndarray, "n h w c"]) -> Float[np.ndarray, "n pixels"]:
    """Return float32 pixels in [0, 1]; images of more than 32x32 are averaged down to it."""
    if max(images.shape[1:3]) <= _SIDE:
        return _small(images)
    # In chunks: in float32, large images take much memory until they are averaged.
    starts = range(0, max(len(images), 1), _CHUNK)
    return np.concatenate([_small(images[start : start + _CHUNK]) for start in starts])


def _small(images: UInt8[np.ndarray, "n h w c"]) -> Float[np.ndarray, "n pixels"]:
    """Return what `pixels` returns, of all images at once."""
    import torch  # lazy: slow to import
    import torch.nn.functional as F

    x = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float() / 255
    if max(x.shape[2:]) > _SIDE:
        x = F.adaptive_avg_pool2d(x, (min(x.shape[2], _SIDE), min(x.shape[3], _SIDE)))
    flat: Float[np.ndarray, "n pixels"] = x.flatten(1).numpy()
    return flat
