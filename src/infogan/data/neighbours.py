"""Nearest neighbours among images: which other images an image may stand for, by looks alone."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int64, UInt8

COMPONENTS = 50
"""Principal components that images are compared by: on MNIST as good as all pixels, and ten times faster."""

_SIDE = 32
"""Larger images are made as small first: what neighbours have in common is coarse."""

_FITTED = 10_000
"""Images that the components are found on, spread evenly over all of them."""

_CHUNK = 4_096


def nearest(images: UInt8[np.ndarray, "n h w c"], count: int) -> Int64[np.ndarray, "n count"]:
    """The `count` images that look most like each image, the most alike first; no image is its own.

    By Euclidean distance of the first 50 principal components of the pixels. On the 60,000 images of MNIST
    half a minute on one core; it grows with the square of their number.

    Args:
        images: 0..255.
        count: 1 or more; where there are fewer other images, all of them are given.
    """
    from sklearn.decomposition import PCA  # late: scikit-learn takes a second or two
    from sklearn.neighbors import NearestNeighbors

    chosen = np.linspace(0, len(images) - 1, min(_FITTED, len(images)), dtype=np.int64)
    pixels = _pixels(images[chosen])
    with np.errstate(invalid="ignore"):  # shares of a variance of 0, where all images are alike
        components = PCA(min(COMPONENTS, *pixels.shape), random_state=0).fit(pixels)
    starts = range(0, len(images), _CHUNK)
    parts = [components.transform(_pixels(images[start : start + _CHUNK])) for start in starts]
    points = np.concatenate(parts).astype(np.float32)
    # Asked without points it leaves each one out of its own neighbours, among equal images, too.
    search = NearestNeighbors(n_neighbors=min(count, len(images) - 1), algorithm="brute").fit(points)
    found: Int64[np.ndarray, "n count"] = search.kneighbors(return_distance=False).astype(np.int64)
    return found


def _pixels(images: UInt8[np.ndarray, "n h w c"]) -> Float[np.ndarray, "n pixels"]:
    """float32 in [0, 1], of at most 32x32 pixels."""
    import torch  # late: whoever lists the sources has no need of it
    import torch.nn.functional as F

    shown = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float() / 255
    if max(shown.shape[2:]) > _SIDE:
        shown = F.adaptive_avg_pool2d(shown, (min(shown.shape[2], _SIDE), min(shown.shape[3], _SIDE)))
    return shown.flatten(1).numpy()
