"""Choose the test images: in what order images are stored, and where the test split begins.

Images of a source without test images are stored in an order in which every test split is a slice: the last
images, whatever their number. There are two versions of that order.

1. A fixed permutation of the number of images. Published results on named data sets depend on it. One more
   image changes the whole split.
2. By a key of each image: a number from 0 to 1, computed from its pixels after preprocessing. It depends
   neither on names nor on the order of files, so one more image moves at most one other across the boundary,
   and identical images lie on one side. A run records the boundary as `data.split_at`: when images are added
   or removed later, none that it was trained on becomes a test image.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Float64, Int64, UInt8

log = logging.getLogger(__name__)

BY_NUMBER, BY_CONTENT = 1, 2
"""The versions of the split."""

_SHUFFLE_KEY = 20160612
"""Key of the permutation of version 1. Part of every published number: never change it."""

_SAMPLED = 200  # keys that a run keeps


def shuffle(count: int) -> Int64[np.ndarray, " count"]:
    """Return the fixed permutation of `count` images of version 1.

    Sorts Philox's raw numbers, which numpy guarantees to be stable; it does not guarantee `permutation`.
    """
    return np.argsort(np.random.Philox(key=_SHUFFLE_KEY).random_raw(count), kind="stable")


def content_keys(images: Iterable[UInt8[np.ndarray, "h w c"] | bytes]) -> Float64[np.ndarray, " n"]:
    """Return the key of each image: the first 53 bits of the SHA-256 of its bytes, as a number from 0 to 1.

    Args:
        images: after preprocessing, so that copies in other lossless formats have the same key.
    """
    digests = b"".join(
        hashlib.sha256(image if isinstance(image, bytes) else image.tobytes()).digest()[:8]
        for image in images
    )
    return (np.frombuffer(digests, ">u8") >> np.uint64(11)).astype(np.float64) / 2.0**53


def group_keys(keys: Float64[np.ndarray, " n"], groups: Sequence[str]) -> Float64[np.ndarray, " n"]:
    """Return one key for all images of a group, computed from its name.

    Groups that contain identical images are one, so that no image lies on both sides of the split.

    Args:
        keys: from `content_keys`.
        groups: name of the group of each image.
    """
    parent = {name: name for name in groups}

    def root(name: str) -> str:
        while parent[name] != name:
            parent[name] = name = parent[parent[name]]
        return name

    first: dict[float, str] = {}
    for key, name in zip(keys.tolist(), groups, strict=True):
        one, other = sorted((root(name), root(first.setdefault(key, name))))
        parent[other] = one
    names, rows = np.unique([root(name) for name in groups], return_inverse=True)
    return content_keys(name.encode("utf-8", "surrogateescape") for name in names.tolist())[rows]


def sample(images: UInt8[np.ndarray, "n h w c"]) -> Float64[np.ndarray, " m"]:
    """Return the keys of the first 200 training images, by which a run recognises its images.

    Args:
        images: in the order of their keys.
    """
    return content_keys(images[:_SAMPLED])


def by_key(keys: Float64[np.ndarray, " n"]) -> Int64[np.ndarray, " n"]:
    """Return the order of version 2; identical images stay in the order of their paths."""
    return np.argsort(keys, kind="stable")


def boundary(keys: Float64[np.ndarray, " n"], held_out: int) -> int:
    """Return the index of the first test image of version 2.

    About `held_out` images come after it: the nearest number that does not separate identical images. If all
    images are identical they are separated, with a warning.

    Args:
        keys: in ascending order.
        held_out: 1 to n - 1.
    """
    wanted = len(keys) - held_out
    steps = np.flatnonzero(np.diff(keys)) + 1  # where the image differs from the one before
    if len(steps):
        return int(steps[np.argmin(np.abs(steps - wanted))])
    log.warning("all %d images are identical: test images are copies of training images", len(keys))
    return wanted
