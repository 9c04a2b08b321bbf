"""What a data set is: images in two splits, and what is known of them, which only measurements look at."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float64, Int64, UInt8

from infogan.errors import DataError
from infogan.file_listing import Skipped


@dataclass(frozen=True, eq=False)
class Factor:
    """A true variable of each image, such as an azimuth.

    Attributes:
        values: float64 [N], in the unit that the source says.
        period: where the variable lies on a circle, what a full turn is in that unit; None: on a line.
    """

    values: Float64[np.ndarray, " n"]
    period: float | None = None


@dataclass(frozen=True, eq=False)
class Truth:
    """What is known of each image beside its pixels. Only for measuring: training never reads it.

    Attributes:
        labels: the class of each image, int64 [N], or None.
        classes: names of the classes, in the order of their numbers; empty where they have none.
        factors: true variables by name.
        attributes: what an image has or has not, bool [N] by name.

    Raises:
        DataError: the columns are of other types, or not equally long.
    """

    labels: Int64[np.ndarray, " n"] | None = None
    classes: tuple[str, ...] = ()
    factors: Mapping[str, Factor] = field(default_factory=dict)
    attributes: Mapping[str, Bool[np.ndarray, " n"]] = field(default_factory=dict)

    def check(self, count: int) -> None:
        """Raises DataError unless every column fits `count` images."""
        columns: list[tuple[str, np.ndarray, type]] = []
        if self.labels is not None:
            columns.append(("labels", self.labels, np.int64))
        columns += [
            (f"values of the factor {name}", one.values, np.float64) for name, one in self.factors.items()
        ]
        columns += [
            (f"values of the attribute {name}", one, np.bool_) for name, one in self.attributes.items()
        ]
        for name, values, wanted in columns:
            if values.dtype != wanted or values.shape != (count,):
                kind = np.dtype(wanted).name
                raise DataError(
                    f"{name} are {values.dtype} {list(values.shape)} for {count} images",
                    f"{kind} [{count}], one for each image",
                    f"{name.split()[0]}.astype(numpy.{kind}), or none at all: training needs none",
                )

    def take(self, rows: Int64[np.ndarray, " m"] | slice) -> Truth:
        """The same of some images, in the order of `rows`."""
        return replace(
            self,
            labels=None if self.labels is None else self.labels[rows],
            factors={name: Factor(one.values[rows], one.period) for name, one in self.factors.items()},
            attributes={name: one[rows] for name, one in self.attributes.items()},
        )


@dataclass(frozen=True, eq=False)
class Split:
    """Some images of a data set.

    Attributes:
        images: uint8 [N, H, W, C], 0..255, C one of 1 (gray), 3 (RGB) and 4 (RGBA); often a memory map.
        labels: int64 [N], or None; the same as `truth.labels`.
        truth: all that is known of them.

    Raises:
        DataError: the arrays are not of that form, or there are more or fewer labels than images.
    """

    images: UInt8[np.ndarray, "n h w c"]
    labels: Int64[np.ndarray, " n"] | None = None
    truth: Truth = field(default_factory=Truth)
    _nearest: dict[int, Int64[np.ndarray, "n count"]] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        images = self.images
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
        if self.labels is None:
            object.__setattr__(self, "labels", self.truth.labels)
        else:
            object.__setattr__(self, "truth", replace(self.truth, labels=self.labels))
        self.truth.check(len(images))

    def take(self, rows: Int64[np.ndarray, " m"] | slice) -> Split:
        """Some of the images; a slice copies none of them."""
        return Split(self.images[rows], truth=self.truth.take(rows))

    def nearest(self, count: int) -> Int64[np.ndarray, "n count"]:
        """What `neighbours.nearest` gives for these images, found once: every seed of a run asks for it."""
        if count not in self._nearest:
            from infogan.data import neighbours  # late: few ask for it

            self._nearest[count] = neighbours.nearest(self.images, count)
        return self._nearest[count]


@dataclass(frozen=True, eq=False)
class Stream:
    """Images that are decoded or drawn one after the other, so that never all of them are in memory.

    Attributes:
        count: how many there are, with those that turn out to be unreadable.
        shape: height, width and channels of each.
        make: goes through them, in order: each as uint8 [H, W, C], or why it had to be left out.
        truth: of all `count`.
        names: of all `count`, where they come from files: paths below the source's own.
    """

    count: int
    shape: tuple[int, int, int]
    make: Callable[[], Iterator[UInt8[np.ndarray, "h w c"] | Skipped]]
    truth: Truth = field(default_factory=Truth)
    names: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Found:
    """What a source hands over, before it is brought to one form.

    Attributes:
        train: all images, or the training images where the source has its own test images.
        test: the source's own test images; None: `load` holds some of `train` out.
        skipped: files that could not even be looked at.
    """

    train: Split | Stream
    test: Split | Stream | None = None
    skipped: tuple[Skipped, ...] = ()


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
        crop: side of the central square of each picture that was used, in its pixels; None: the largest.
    """

    name: str
    train: Split
    test: Split
    skipped: tuple[Skipped, ...] = ()
    handwriting: bool = False
    split: str = "test"
    crop: int | None = None

    @cached_property
    def fingerprint(self) -> str:
        """sha256, in hex, over the shapes and bytes of all images, in their order."""
        digest = hashlib.sha256()
        for split in (self.train, self.test):
            digest.update(repr(split.images.shape).encode())
            digest.update(np.ascontiguousarray(split.images).data)
        return digest.hexdigest()
