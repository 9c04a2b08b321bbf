"""Nearest neighbours of images by their pixels."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int64, UInt8

COMPONENTS = 50
"""Number of principal components to compare. On MNIST, 50 are as good as all pixels and ten times faster."""

_SIDE = 32
"""Larger images are reduced to this size, since the similarity depends on coarse structure."""

_FITTED = 10_000
"""Number of images that the components are fitted on, evenly spaced."""

_CHUNK = 4_096


def nearest(images: UInt8[np.ndarray, "n h w c"], count: int) -> Int64[np.ndarray, "n count"]:
    """Return the indices of the `count` nearest other images of each image, nearest first.

    The distance is Euclidean, over the first 50 principal components of the pixels. The 60,000 images of
    MNIST take half a minute on one core; the time grows with the square of their number.

    Args:
        images: 0..255.
        count: 1 or more; reduced to the number of other images.
    """
    from sklearn.decomposition import PCA  # late: slow to import
    from sklearn.neighbors import NearestNeighbors

    chosen = np.linspace(0, len(images) - 1, min(_FITTED, len(images)), dtype=np.int64)
    x = pixels(images[chosen])
    with np.errstate(invalid="ignore"):  # a total variance of 0, if all images are equal
        components = PCA(min(COMPONENTS, *x.shape), random_state=0).fit(x)
    starts = range(0, len(images), _CHUNK)
    parts = [components.transform(pixels(images[start : start + _CHUNK])) for start in starts]
    points = np.concatenate(parts).astype(np.float32)
    # Without an argument, kneighbors excludes each point from its own neighbours, even among equal images.
    search = NearestNeighbors(n_neighbors=min(count, len(images) - 1), algorithm="brute").fit(points)
    indices: Int64[np.ndarray, "n count"] = search.kneighbors(return_distance=False).astype(np.int64)
    return indices


def pixels(images: UInt8[np.ndarray, "n h w c"]) -> Float[np.ndarray, "n pixels"]:
    """Return float32 pixels in [0, 1]; images of more than 32x32 are averaged down to it."""
    import torch  # late: slow to import
    import torch.nn.functional as F

    x = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float() / 255
    if max(x.shape[2:]) > _SIDE:
        x = F.adaptive_avg_pool2d(x, (min(x.shape[2], _SIDE), min(x.shape[3], _SIDE)))
    flat: Float[np.ndarray, "n pixels"] = x.flatten(1).numpy()
    return flat
