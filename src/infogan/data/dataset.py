"""Data sets: images in two splits, with labels, factors and attributes for evaluation."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
from jaxtyping import Bool, Float64, Int64, UInt8

from infogan.config.value_range import ValueRange
from infogan.errors import DataError
from infogan.file_listing import Skipped

if TYPE_CHECKING:
    from infogan.data.image_survey import Survey


@dataclass(frozen=True, eq=False)
class Factor:
    """A true variable of each image, such as an azimuth.

    Attributes:
        values: float64 [N], in the unit that the source documents.
        period: value of a full turn in this unit, if the variable is circular; None: the variable is linear.
    """

    values: Float64[np.ndarray, " n"]
    period: float | None = None


@dataclass(frozen=True, eq=False)
class Truth:
    """Ground truth of each image, used for evaluation only.

    Attributes:
        labels: the class of each image, int64 [N], or None.
        classes: names of the classes, in the order of their numbers; empty if they have no names.
        factors: true variables by name.
        attributes: binary properties by name, bool [N].
    """

    labels: Int64[np.ndarray, " n"] | None = None
    classes: tuple[str, ...] = ()
    factors: Mapping[str, Factor] = field(default_factory=dict)
    attributes: Mapping[str, Bool[np.ndarray, " n"]] = field(default_factory=dict)

    def check(self, count: int) -> None:
        """Check types and lengths of all columns.

        Raises:
            DataError: a column has another type, or does not have one value for each of `count` images.
        """
        columns: dict[str, tuple[np.ndarray, type]] = {}
        if self.labels is not None:
            columns["labels"] = self.labels, np.int64
        for name, factor in self.factors.items():
            columns[f"values of the factor {name}"] = factor.values, np.float64
        for name, values in self.attributes.items():
            columns[f"values of the attribute {name}"] = values, np.bool_
        for name, (values, dtype) in columns.items():
            if values.dtype != dtype or values.shape != (count,):
                expected = np.dtype(dtype).name
                raise DataError(
                    f"{name} are {values.dtype} {list(values.shape)} for {count} images",
                    f"{expected} [{count}], one for each image",
                    f"{name.split()[0]}.astype(numpy.{expected}), or none at all: training needs none",
                )

    def take(self, rows: Int64[np.ndarray, " m"] | slice) -> Truth:
        """Return the ground truth of some of the images, in the order of `rows`."""
        return replace(
            self,
            labels=None if self.labels is None else self.labels[rows],
            factors={name: Factor(it.values[rows], it.period) for name, it in self.factors.items()},
            attributes={name: values[rows] for name, values in self.attributes.items()},
        )


@dataclass(frozen=True, eq=False)
class Split:
    """Some images of a data set.

    Attributes:
        images: uint8 [N, H, W, C], 0..255, C one of 1 (gray), 3 (RGB) and 4 (RGBA); often a memory map.
        labels: int64 [N], or None; the same as `truth.labels`.
        truth: the ground truth of the images.

    Raises:
        DataError: the arrays are not of that form, or there are more or fewer labels than images.
    """

    images: UInt8[np.ndarray, "n h w c"]
    labels: Int64[np.ndarray, " n"] | None = None
    truth: Truth = field(default_factory=Truth)
    _nearest: dict[tuple[int, str], Int64[np.ndarray, "n count"]] = field(
        default_factory=dict, init=False, repr=False
    )

    def __post_init__(self) -> None:
        images = self.images
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] not in (1, 3, 4):
            raise DataError(
                f"images are {images.dtype} {list(images.shape)}",
                "uint8 [N, H, W, C], with 1, 3 or 4 channels as the last axis",
                "images[..., None] for gray images, images.transpose(0, 2, 3, 1) for channels first",
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
        """Return some of the images; with a slice, they are not copied."""
        return Split(self.images[rows], truth=self.truth.take(rows))

    def nearest(
        self, count: int, search: Literal["exact", "index"] = "exact"
    ) -> Int64[np.ndarray, "n count"]:
        """Return `pixel_neighbours.nearest` of these images, computed once for all seeds of a run."""
        if (count, search) not in self._nearest:
            from infogan.data import pixel_neighbours  # lazy: scikit-learn and torch are slow to import

            self._nearest[count, search] = pixel_neighbours.nearest(self.images, count, search)
        return self._nearest[count, search]


@dataclass(frozen=True, eq=False)
class Stream:
    """Images that are decoded or rendered one at a time, so that they are never all in memory.

    Attributes:
        count: number of images, including those that turn out to be unreadable.
        shape: height, width and channels of each.
        make: iterates over the images in order: each as uint8 [H, W, C], or the reason why it was skipped.
        truth: ground truth of all `count`.
        names: of all `count`, if they come from files: paths below the source's own.
    """

    count: int
    shape: tuple[int, int, int]
    make: Callable[[], Iterator[UInt8[np.ndarray, "h w c"] | Skipped]]
    truth: Truth = field(default_factory=Truth)
    names: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Found:
    """The images that a source returns, before they are preprocessed.

    Attributes:
        train: all images, or the training images if the source has its own test images.
        test: the source's own test images; None: `load` holds out some of `train`.
        skipped: files that could not be opened.
        survey: collects facts about a user's images while they are decoded; None: nothing is collected.
        value_range: the values that became 0 and 255, where a range is set.
        revision: the commit that was downloaded, for a data set of the Hugging Face Hub.
    """

    train: Split | Stream
    test: Split | Stream | None = None
    skipped: tuple[Skipped, ...] = ()
    survey: Survey | None = None
    value_range: ValueRange | None = None
    revision: str | None = None


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images ready for training and evaluation.

    Attributes:
        name: of the source.
        train: images for training.
        test: images for evaluation; none of them is used for training.
        skipped: files of the source that could not be read, with reasons.
        handwriting: True if the images are white strokes on black, so that slant, width and thickness can be
            measured.
        split: "test", or "validation" where `test` holds training images that were split off.
        crop: side of the central square of each picture that was used, in its pixels; None: the largest.
        split_version: how test images were chosen, as in `infogan.data.splits`.
        split_at: key of the first test image, where the split is by content.
        value_range: the values that became 0 and 255, where a range is set.
        audit: lines about a user's own images.
        problem: why training on them is pointless, or None.
        known_fingerprint: the fingerprint, if it need not be computed.
        revision: the commit, for a data set of the Hugging Face Hub.
    """

    name: str
    train: Split
    test: Split
    skipped: tuple[Skipped, ...] = ()
    handwriting: bool = False
    split: str = "test"
    crop: int | None = None
    split_version: int = 1
    split_at: float | None = None
    value_range: str | None = None
    audit: tuple[str, ...] = ()
    problem: DataError | None = None
    known_fingerprint: str | None = None
    revision: str | None = None

    @cached_property
    def fingerprint(self) -> str:
        """sha256, in hex, over the shapes and bytes of all images, in their order."""
        if self.known_fingerprint is not None:
            return self.known_fingerprint
        digest = hashlib.sha256()
        for split in (self.train, self.test):
            digest.update(repr(split.images.shape).encode())
            digest.update(np.ascontiguousarray(split.images).data)
        return digest.hexdigest()
