"""Images that Python code holds: arrays, paths, pictures, PyTorch and Hugging Face data sets.

| given | images | labels, for evaluation only |
|---|---|---|
| array, tensor or list of arrays | uint8 [N, H, W] or [N, H, W, C]; a tensor may be [N, C, H, W] | |
| list, array or pandas column of paths | image files, as those of a folder | |
| list of PIL images | any mode and size | |
| PyTorch data set, with a length | items: an image, or a tuple that begins with one | the second item |
| Hugging Face data set | the column of images, as in `infogan.data.sources.hub` | the column `label` |

An image of a PyTorch data set is a PIL image, an array [H, W] or [H, W, C], or a tensor [C, H, W]: uint8, or
floats from 0 to 1. Each item is read once, into memory, after it has been resized.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64, UInt8
from PIL import Image

from infogan.config import DataConfig
from infogan.data.dataset import Found, Split, Truth
from infogan.data.decoding import Item, check_share, first_of, picture_stream, read_form
from infogan.data.in_memory import CHANNELS, as_images, as_labels
from infogan.data.preprocessing import LARGEST, SMALLEST, Conversion, Form, common_size, fit, is_gray
from infogan.data.progress_bar import progress_bar
from infogan.errors import DataError
from infogan.file_listing import Skipped

_EXPECTED = (
    "an array or a list of arrays, uint8 [N, H, W] or [N, H, W, C]; a list or a column of paths; a list of "
    "PIL images; a PyTorch data set with a length; or a Hugging Face data set"
)


def as_found(images: Any, config: DataConfig, labels: Any = None) -> Found:
    """Return images of any form in the table above, before they are split.

    Args:
        images: the images.
        config: its size, channels and crop are used.
        labels: class of each image, [N], if the images do not have it themselves.

    Raises:
        DataError: the images have another form, a file cannot be read, or there is not one label per image.
    """
    truth = Truth(as_labels(labels))
    if hasattr(images, "select_columns") or _is_split(images):
        return _with_labels(_hugging_face(images, config), truth)
    if (
        hasattr(images, "to_numpy") and not hasattr(images, "columns") and not hasattr(images, "detach")
    ):  # a column of pandas, polars or arrow
        images = list(images.to_numpy())
    if hasattr(images, "columns"):
        raise DataError("the images are a data frame", "a column of paths", "frame['path']")
    first = _first(images)
    if isinstance(first, str | os.PathLike):
        return _paths(list(images), config, truth)
    if isinstance(images, np.ndarray) or hasattr(images, "detach"):
        return Found(Split(as_images(images), truth=truth))
    if isinstance(images, list | tuple) and not isinstance(first, Image.Image | tuple):
        return Found(Split(as_images(images), truth=truth))
    return Found(_items(images, config, truth))


def _is_split(images: Any) -> bool:
    """Return True for a mapping from names of splits to Hugging Face data sets."""
    return isinstance(images, Mapping) and all(hasattr(part, "select_columns") for part in images.values())


def _first(images: Any) -> Any:
    """Return the first of the images, whatever their form."""
    if not hasattr(images, "__len__") or not hasattr(images, "__getitem__") or isinstance(images, Mapping):
        raise DataError(
            f"the images are of the type {type(images).__name__}",
            _EXPECTED,
            "list(images), for an iterator; loader.dataset, for a PyTorch DataLoader",
        )
    if not len(images):
        raise DataError("there are no images", "at least 2 images", "another list or array of images")
    return images[0]


def _with_labels(found: Found, truth: Truth) -> Found:
    if truth.labels is None:
        return found
    raise DataError(
        "labels are given for a Hugging Face data set, which has columns of its own",
        "labels of an array or a list",
        "data.rename_column('my_column', 'label'), to use it as the labels",
    )


# --- Hugging Face ----------------------------------------------------------------------------------------


def _hugging_face(images: Any, config: DataConfig) -> Found:
    from infogan.data.sources import hub  # lazy: it is needed for these alone

    return hub.found(images if isinstance(images, Mapping) else {"train": images}, "the data set", config)


# --- paths -----------------------------------------------------------------------------------------------


def _paths(paths: Sequence[Any], config: DataConfig, truth: Truth) -> Found:
    """Return the files at some paths as a stream, which decodes them one at a time."""
    for row, path in enumerate(paths):
        if not isinstance(path, str | os.PathLike):
            raise DataError(
                f"the path of image {row} is {path!r}",
                "a string or a pathlib.Path for each image",
                "frame['path'].dropna(), for a column with missing values",
            )
    truth.check(len(paths))
    items = [Item(os.fspath(path), Path(path).expanduser()) for path in paths]
    skipped: list[Skipped] = []
    readable = items
    size: int | None = config.size
    channels: int | None = config.channels
    if size is None or channels is None:
        readable, size, channels = read_form(items, size, channels, skipped)
    check_share("the list of paths", len(items), skipped)
    if len(readable) < 2:
        raise DataError(
            f"{len(readable)} of {len(items)} files can be read{first_of(skipped)}",
            "at least 2 image files",
            "paths that are absolute, or relative to the current folder",
        )
    kept = {id(item) for item in readable}
    rows = np.array([row for row, item in enumerate(items) if id(item) in kept], np.int64)
    stream = picture_stream(
        readable, Form(size, channels, config.crop, Conversion.of(config)), truth.take(rows)
    )
    return Found(stream, skipped=tuple(skipped))


# --- PyTorch data sets and lists of PIL images ------------------------------------------------------------


def _items(images: Any, config: DataConfig, truth: Truth) -> Split:
    """Read all items of a PyTorch data set, or a list of PIL images."""
    pictures: list[UInt8[np.ndarray, "h w c"]] = []
    labels: list[Any] = []
    form = _Form(config)
    with progress_bar("reading images", len(images)) as bar:
        for row in range(len(images)):
            image, label = _parts(images[row])
            picture = _as_picture(image, row)
            pictures.append(form.fitted(picture))
            form.settle(pictures)
            labels.append(label)
            bar.update()
    if truth.labels is None:
        truth = _truth(labels, getattr(images, "classes", ()))
    return Split(form.stacked(pictures), truth=truth)


class _Form:
    """The size and channels of images that are read one after the other.

    Without `data.size`, images keep their size as long as they are equal squares. When the first other one
    comes, those before it are resized.
    """

    def __init__(self, config: DataConfig) -> None:
        self.size, self.channels, self.crop = config.size, config.channels, config.crop
        self._sizes: set[tuple[int, int]] = set()

    def fitted(self, picture: Image.Image) -> UInt8[np.ndarray, "h w c"]:
        channels = self.channels or (1 if is_gray(picture) else 3)
        if self.size is not None:
            return fit(picture, self.size, channels, self.crop)
        self._sizes.add(picture.size)
        width, height = picture.size
        if len(self._sizes) > 1 or width != height or not SMALLEST <= width <= LARGEST:
            self.size = common_size(self._sizes)  # with a warning
            return fit(picture, self.size, channels, self.crop)
        return fit(picture, width, channels, self.crop)

    def settle(self, pictures: list[UInt8[np.ndarray, "h w c"]]) -> None:
        """Resize the images that were read before the size was known."""
        if self.size is None or pictures[0].shape[0] == self.size:
            return
        for row, picture in enumerate(pictures):
            squeezed = picture[..., 0] if picture.shape[2] == 1 else picture
            pictures[row] = fit(Image.fromarray(squeezed), self.size, picture.shape[2])

    def stacked(self, pictures: Sequence[UInt8[np.ndarray, "h w c"]]) -> UInt8[np.ndarray, "n h w c"]:
        """Return all images with the channels that the richest of them has."""
        channels = max(picture.shape[2] for picture in pictures)
        shape = (*pictures[0].shape[:2], channels)
        return np.stack([np.broadcast_to(picture, shape) for picture in pictures])


def _parts(item: Any) -> tuple[Any, Any]:
    """Return the image of an item, and its label or None."""
    if isinstance(item, tuple | list) and item:
        return item[0], item[1] if len(item) > 1 else None
    return item, None


def _as_picture(image: Any, row: int) -> Image.Image:
    """Return an image of a data set as a PIL image."""
    if isinstance(image, Image.Image):
        return image.copy()  # `fit` may modify it
    array = np.asarray(image.detach().cpu().numpy() if hasattr(image, "detach") else image)
    if hasattr(image, "detach") and array.ndim == 3 and array.shape[0] in CHANNELS:
        array = array.transpose(1, 2, 0)
    if array.dtype.kind == "f":
        array = _from_floats(array, row)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.dtype != np.uint8 or not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))):
        raise DataError(
            f"image {row} is of the type {type(image).__name__}: {array.dtype} {list(array.shape)}",
            "a PIL image, an array [H, W] or [H, W, C], or a tensor [C, H, W]",
            "a transform that returns such an image; none is needed",
        )
    return Image.fromarray(np.ascontiguousarray(array))


def _from_floats(array: np.ndarray, row: int) -> np.ndarray:
    if array.size and not (array.min() >= 0 and array.max() <= 1):  # written so that NaN is refused as well
        raise DataError(
            f"image {row} of the data set has values from {array.min():.3g} to {array.max():.3g}",
            "uint8, or floats from 0 to 1",
            "a transform without Normalize, such as transforms.ToTensor(), or no transform",
        )
    scaled: np.ndarray = np.rint(array * 255).astype(np.uint8)
    return scaled


def _truth(labels: Sequence[Any], classes: Any) -> Truth:
    """Return the labels, if all of them are whole numbers."""
    numbers = list(_whole(labels))
    if len(numbers) < len(labels):
        return Truth()
    column: Int64[np.ndarray, " n"] = np.array(numbers, np.int64)
    named = isinstance(classes, list | tuple) and all(isinstance(name, str) for name in classes)
    fits = named and column.min() >= 0 and column.max() < len(classes)
    return Truth(column, tuple(classes) if fits else ())


def _whole(labels: Sequence[Any]) -> Iterator[int]:
    for label in labels:
        value = label.item() if hasattr(label, "item") and np.ndim(label) == 0 else label
        if not isinstance(value, int) or isinstance(value, bool):
            return
        yield value
