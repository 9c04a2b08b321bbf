"""What a data set is: images in two splits, and labels that only measurements may look at."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import Int64, UInt8

from infogan.errors import DataError


class Skipped(NamedTuple):
    """A file that was left out, and why."""

    path: str
    reason: str


@dataclass(frozen=True, eq=False)
class Split:
    """Some images of a data set.

    Attributes:
        images: uint8 [N, H, W, C], 0..255, C one of 1 (gray), 3 (RGB) and 4 (RGBA).
        labels: int64 [N], or None. Only for measuring: training never reads them.

    Raises:
        DataError: the arrays are not of that form, or there are more or fewer labels than images.
    """

    images: UInt8[np.ndarray, "n h w c"]
    labels: Int64[np.ndarray, " n"] | None = None
    _nearest: dict[int, Int64[np.ndarray, "n count"]] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        images, labels = self.images, self.labels
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] not in (1, 3, 4):
            raise DataError(
                f"images are {images.dtype} {list(images.shape)}",
                "uint8 [N, H, W, C], with 1, 3 or 4 channels behind",
                "images[..., None] for gray images, images.transpose(0, 2, 3, 1) for channels in front",
            )
        if 0 in images.shape:
            raise DataError(
                f"images are {list(images.shape)}: there are none",
                "at least 1 image of at least 1 pixel",
                "infogan data list, for sources that have images",
            )
        if labels is not None and (labels.dtype != np.int64 or labels.shape != images.shape[:1]):
            raise DataError(
                f"labels are {labels.dtype} {list(labels.shape)} for {len(images)} images",
                f"int64 [{len(images)}], one for each image",
                "labels.astype(numpy.int64), or no labels at all: training needs none",
            )

    def nearest(self, count: int) -> Int64[np.ndarray, "n count"]:
        """What `neighbours.nearest` gives for these images, found once: every seed of a run asks for it."""
        if count not in self._nearest:
            from infogan.data import neighbours  # late: few ask for it

            self._nearest[count] = neighbours.nearest(self.images, count)
        return self._nearest[count]


@dataclass(frozen=True, eq=False)
class Found:
    """What a source hands over, before it is brought to one form.

    Attributes:
        train: all images, or the training images where the source has its own test images.
        test: the source's own test images; None: `load` holds some of `train` out.
        skipped: files that could not be read.
        names: the path of each image of `train`, where they come from files.
    """

    train: Split
    test: Split | None = None
    skipped: tuple[Skipped, ...] = ()
    names: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images ready for training and for measuring.

    Attributes:
        name: of the source.
        train: what is trained on.
        test: what measurements are made on; no image of it is trained on.
        skipped: files of the source that could not be read, with reasons.
        handwriting: whether the images are strokes, white on black, so that slant, width and thickness mean
            something. Only for measuring.
        split: what `test` is: "test", or "validation" where training images stand in for them.
    """

    name: str
    train: Split
    test: Split
    skipped: tuple[Skipped, ...] = ()
    handwriting: bool = False
    split: str = "test"

    @cached_property
    def fingerprint(self) -> str:
        """sha256, in hex, over the shapes and bytes of all images, in their order."""
        digest = hashlib.sha256()
        for split in (self.train, self.test):
            digest.update(repr(split.images.shape).encode())
            digest.update(np.ascontiguousarray(split.images).data)
        return digest.hexdigest()
