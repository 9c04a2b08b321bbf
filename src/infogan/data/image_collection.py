"""All images at a path, in the form that a model needs, read in batches.

Memory does not grow with the number of images, except for the list of their names. Archives also keep the
position of each image, and arrays of floats and in .npz files are read as a whole.
"""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from jaxtyping import Int64, UInt8
from PIL import Image

from infogan.config import DataConfig
from infogan.config.value_range import ValueRange
from infogan.data import prepared
from infogan.data.arrays import SUFFIXES as ARRAY_SUFFIXES
from infogan.data.arrays import read_array
from infogan.data.contents import list_contents
from infogan.data.decoding import Item, all_frames, decoded, first_of
from infogan.data.preprocessing import Form, preprocess
from infogan.data.signatures import HEAD, identify
from infogan.errors import DataError
from infogan.file_listing import Skipped

_PIXELS = 1 << 24
"""Number of pixels of a batch, of all its channels: 16 MB."""


@dataclass(frozen=True)
class Batch:
    """Some images of a collection.

    Attributes:
        indices: of the images, in the order of the collection.
        images: the preprocessed images, uint8.
    """

    indices: Int64[np.ndarray, " n"]
    images: UInt8[np.ndarray, "n h w c"]


class ImageCollection(ABC):
    """Images with a name each, read on demand.

    Attributes:
        where: the path, for messages.
        form: the form of the images of a batch.
        skipped: files that cannot be opened; those that cannot be decoded are added while they are read.
    """

    def __init__(self, where: str, form: Form, skipped: list[Skipped]) -> None:
        self.where, self.form, self.skipped = where, form, skipped

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of images, before any of them is decoded."""

    @abstractmethod
    def name(self, index: int) -> str:
        """Return the path of an image below that of the collection, or its index in an array."""

    def file(self, index: int) -> Path | None:
        """Return the file that holds this image alone; None for an image in an archive or array."""
        return None

    @abstractmethod
    def content(self, index: int) -> tuple[str, bytes]:
        """Return an image as it is stored: the name and the bytes of an image file.

        Raises:
            OSError: it cannot be read.
        """

    def batches(self, indices: Int64[np.ndarray, " n"] | None = None) -> Iterator[Batch]:
        """Yield images in batches of a constant number of pixels; unreadable ones are left out.

        Args:
            indices: the images to read; None: all.
        """
        chosen = np.arange(len(self)) if indices is None else indices
        per_batch = max(1, _PIXELS // (self.form.size**2 * self.form.channels))
        for start in range(0, len(chosen), min(per_batch, 1_024)):
            batch = self._read(chosen[start : start + min(per_batch, 1_024)])
            if len(batch.indices):
                yield batch

    def nothing_readable(self) -> DataError:
        """Return the error for a collection of which no image could be read."""
        return DataError(
            f"{self.where}: none of {len(self)} images can be read{first_of(self.skipped)}",
            "at least one intact image",
            "the path of your images",
        )

    @abstractmethod
    def _read(self, indices: Int64[np.ndarray, " n"]) -> Batch: ...


class _Pictures(ImageCollection):
    """Image files in a folder or an archive."""

    def __init__(self, where: str, items: Sequence[Item], form: Form, skipped: list[Skipped]) -> None:
        super().__init__(where, form, skipped)
        self._items = items
        self._unreadable: set[int] = set()

    def __len__(self) -> int:
        return len(self._items)

    def name(self, index: int) -> str:
        return self._items[index].name

    def file(self, index: int) -> Path | None:
        content = self._items[index].content
        return content if isinstance(content, Path) else None

    def content(self, index: int) -> tuple[str, bytes]:
        item = self._items[index]
        read = item.content.read_bytes if isinstance(item.content, Path) else item.content
        return PurePosixPath(item.name).name, read()

    def _read(self, indices: Int64[np.ndarray, " n"]) -> Batch:
        form, kept, images = self.form, [], []
        items = [self._items[index] for index in indices]
        for index, image in zip(indices.tolist(), decoded(items, form), strict=True):
            if not isinstance(image, Skipped):
                kept.append(index)
                images.append(image)
            elif index not in self._unreadable:  # an image may be read twice
                self._unreadable.add(index)
                self.skipped.append(image)
        shape = (len(images), form.size, form.size, form.channels)
        return Batch(np.array(kept, np.int64), np.array(images, np.uint8).reshape(shape))


class _Rows(ImageCollection):
    """Images of an array."""

    def __init__(
        self, where: str, images: UInt8[np.ndarray, "n h w c"], form: Form, names: Sequence[str] | None = None
    ) -> None:
        super().__init__(where, form, [])
        self._images, self._names = images, names

    def __len__(self) -> int:
        return len(self._images)

    def name(self, index: int) -> str:
        return str(index) if self._names is None else self._names[index]

    def content(self, index: int) -> tuple[str, bytes]:
        image = self._images[index]
        file = io.BytesIO()
        Image.fromarray(image[..., 0] if image.shape[2] == 1 else image).save(file, format="PNG")
        return f"{PurePosixPath(self.name(index)).stem}.png", file.getvalue()

    def _read(self, indices: Int64[np.ndarray, " n"]) -> Batch:
        form = self.form
        return Batch(
            indices, preprocess(self._images[indices], form.size, form.channels, form.crop, form.rules)
        )


def open_collection(path: Path, form: Form, like: DataConfig | None = None) -> ImageCollection:
    """List the images at a path without decoding them.

    Args:
        path: an image file, a folder or archive of them, a .npy or .npz file, or a folder of preprocessed
            images.
        form: the form of the images of a batch.
        like: configuration of the training images, whose range, frames and patterns are used.

    Raises:
        DataError: the path does not exist, or there is no image.
        StorageError: preprocessed images are damaged.
    """
    path = path.expanduser()
    if path.is_dir() and prepared.is_prepared(path):
        images, names = prepared.read(path).named()
        return _Rows(str(path), images, Form(form.size, form.channels), names)
    if path.is_file() and path.suffix.lower() in ARRAY_SUFFIXES:
        chosen = None if like is None or like.range is None else ValueRange.parse(like.range)
        form = Form(form.size, form.channels, form.crop, form.rules.in_8_bits)
        return _Rows(str(path), read_array(path, chosen).images, form)
    items, skipped = _listed(path, like)
    if not len(items):
        reason = f"has no images{first_of(skipped)}" if path.exists() else "does not exist"
        raise DataError(
            f"{path} {reason}",
            "an image, a folder or archive of images, or a .npy or .npz file",
            "the path of your images",
        )
    return _Pictures(str(path), items, form, skipped)


def of_array(
    images: UInt8[np.ndarray, "n h w c"], form: Form, names: Sequence[str] | None = None
) -> ImageCollection:
    """Return images in memory as a collection; by default, their names are their indices."""
    return _Rows("the array", images, form, names)


def _listed(path: Path, like: DataConfig | None) -> tuple[Sequence[Item], list[Skipped]]:
    if not path.exists():
        return [], []
    if path.is_file():
        with path.open("rb") as file:
            reading = identify(file.read(HEAD), path.name).reading
        if reading not in ("archive", "table"):
            return [Item(path.name, path)], []
    contents = (
        list_contents(path)
        if like is None
        else list_contents(path, like.exclude or (), follow_links=bool(like.follow_links))
    )
    if like is not None and like.frames == "all":
        return all_frames(contents.items, contents.unreadable), contents.unreadable
    return contents.items, contents.unreadable
