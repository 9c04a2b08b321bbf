"""Your own images: a folder or archive of files, or one file with an array."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from jaxtyping import UInt8

from infogan.config import DataConfig
from infogan.data import archives, prepared, splits
from infogan.data.arrays import SUFFIXES as ARRAY_SUFFIXES
from infogan.data.arrays import read_array
from infogan.data.dataset import Found
from infogan.data.decoding import (
    EXTENSIONS,
    Item,
    check_share,
    decode,
    decoded,
    first_of,
    picture_stream,
    read_form,
    skipping,
)
from infogan.data.layout import read_layout
from infogan.data.preprocessing import preprocess
from infogan.data.source import About, path_of, source
from infogan.errors import DataError
from infogan.file_listing import Skipped, walk

SUFFIXES = (*ARRAY_SUFFIXES, *archives.SUFFIXES)
"""Of files that contain many images."""

_IN_MEMORY = 2**28  # bytes of decoded images


@source(
    "folder",
    about=About(
        images="as many as there are; a tenth is held out",
        form="any size and mode; see data.size and data.crop",
        licence="the owner's",
        origin="a folder, a zip or tar file, or an array in a .npy or .npz file",
    ),
    split_version=splits.BY_CONTENT,
)
def folder(config: DataConfig) -> Found:
    """Your own images: a folder, a zip or tar file of image files, or a .npy or .npz file with an array.

    A folder is searched recursively, in sorted order; hidden files are left out. Files: png, jpg, jpeg, webp,
    bmp, tif, tiff, gif; `infogan.data.preprocessing` documents how each becomes a square.
    `infogan.data.layout` documents which folders are splits, and which are classes, for evaluation only;
    `infogan.data.arrays` documents which arrays are read.

    The default size is that of the images if all are equal squares of 8 to 256 pixels, else 64. By default
    the images are gray if every file has a gray mode, else RGB.

    Unreadable files are skipped, with a reason each.

    Raises:
        ConfigError: there is no path.
        DataError: the path or the images are missing, fewer than 2 images were found, or over 1 % of them are
            unreadable.
    """
    path = path_of(config, expected="a folder or archive of images, or a .npy or .npz file")
    if path.is_dir() or (archives.is_archive(path) and path.is_file()):
        by_content = config.split_version != splits.BY_NUMBER
        return read_pictures(path, config.size, config.channels, config.crop, split_folders=by_content)
    if path.is_file() and path.suffix.lower() in ARRAY_SUFFIXES:
        return Found(read_array(path))
    problem = "is not there" if not path.exists() else f"is neither a folder nor one of {' '.join(SUFFIXES)}"
    raise DataError(
        f"{config.path} {problem}: 0 images",
        f"a folder with {' '.join(EXTENSIONS)} files in it, or a {', '.join(SUFFIXES)} file",
        "the path of your images as data",
        command="--data FOLDER, with the path of your images",
    )


def read_images(
    path: Path, size: int, channels: int, crop: int | None = None
) -> tuple[UInt8[np.ndarray, "n h w c"], list[str]]:
    """Read all images at a path in the form that a model needs, and the name of each.

    Args:
        path: an image file, a folder or archive of them, or a .npy or .npz file.
        size: height and width in pixels.
        channels: 1, 3 or 4.
        crop: side of the central square of each picture that is used, as in training; None: the largest.

    Returns:
        images; and their paths below the given one, or their indices in the array.

    Raises:
        DataError: the path does not exist, a file is not an image, or over 1 % of them cannot be read.
    """
    path = path.expanduser()
    if path.is_dir() and prepared.is_prepared(path):
        images, names = prepared.read(path).named()
        return preprocess(images, size, channels), names
    if path.is_dir() or (archives.is_archive(path) and path.is_file()):
        return _read_all(path, size, channels, crop)
    if path.is_file() and path.suffix.lower() in ARRAY_SUFFIXES:
        images = preprocess(read_array(path).images, size, channels, crop)
        return images, [str(index) for index in range(len(images))]
    skipped: list[Skipped] = []
    if path.is_file():
        with skipping(str(path), skipped):
            return decode(Item(str(path), path), size, channels, crop)[None], [str(path)]
    raise DataError(
        f"{path} cannot be read: {skipped[0].reason}" if skipped else f"{path} does not exist",
        f"an image ({' '.join(EXTENSIONS)}), a folder or archive of images, or a .npy or .npz file",
        "infogan encode RUN FOLDER",
    )


def _read_all(
    path: Path, size: int, channels: int, crop: int | None
) -> tuple[UInt8[np.ndarray, "n h w c"], list[str]]:
    items, skipped = list_pictures(path)
    _check_count(path, len(items), 1, skipped)
    images, names = _empty((len(items), size, size, channels)), list[str]()
    for item, image in zip(items, decoded(items, size, channels, crop), strict=True):
        if isinstance(image, Skipped):
            skipped.append(image)
        else:
            images[len(names)] = image
            names.append(item.name)
    check_share(str(path), len(names) + len(skipped), skipped)
    return images[: len(names)], names


def _empty(shape: tuple[int, int, int, int]) -> UInt8[np.ndarray, "n h w c"]:
    """Return an array for images: in a temporary file if they would fill the memory."""
    if math.prod(shape) <= _IN_MEMORY:
        return np.empty(shape, np.uint8)
    with tempfile.TemporaryFile() as file:  # it lives as long as the array
        return np.memmap(file, np.uint8, "w+", shape=shape)


def read_pictures(
    path: Path,
    size: int | None,
    channels: int | None,
    crop: int | None = None,
    *,
    split_folders: bool = False,
) -> Found:
    """Find the images below a folder or in an archive, in the sorted order of their paths.

    Args:
        path: the folder or archive.
        size: height and width in pixels; None: see `folder`.
        channels: 1, 3 or 4; None: see `folder`.
        crop: side of the central square that is used; None: the largest.
        split_folders: if True, folders named train, test and so on are the split, as in `read_layout`.

    Raises:
        DataError: see `folder`.
    """
    items, skipped = list_pictures(path)
    _check_count(path, len(items), 2, skipped)
    total = len(items) + len(skipped)
    if size is None or channels is None:
        items, size, channels = read_form(items, size, channels, skipped)
        if len(items) < 2:
            check_share(str(path), total, skipped)
        _check_count(path, len(items), 2, skipped)
    layout = read_layout([item.name for item in items], split_folders=split_folders)
    is_test = np.zeros(len(items), np.bool_) if layout.test is None else layout.test
    train, test = (
        picture_stream([items[row] for row in rows], size, channels, crop, layout.truth.take(rows))
        for rows in (np.flatnonzero(~is_test), np.flatnonzero(is_test))
    )
    return Found(train, None if layout.test is None else test, tuple(skipped))


def list_pictures(path: Path) -> tuple[list[Item], list[Skipped]]:
    """List all pictures below a folder or in an archive in sorted order, and those that cannot be opened."""
    skipped: list[Skipped] = []
    if not path.is_dir():
        return archives.members(path, is_picture, skipped), skipped
    files = [file for file in walk(path, skipped) if is_picture(file.name)]
    files.sort(key=lambda file: file.relative_to(path).parts)
    return [Item(str(file.relative_to(path)), file) for file in files], skipped


def is_picture(name: str) -> bool:
    """Return True if a name is that of an image. "._name.jpg" is metadata that macOS writes."""
    last = PurePosixPath(name).name
    return last.lower().endswith(EXTENSIONS) and not last.startswith(".")


def _check_count(path: Path, count: int, fewest: int, skipped: Sequence[Skipped]) -> None:
    if count >= fewest:
        return
    raise DataError(
        f"{path} and the folders in it have {count} image{'' if count == 1 else 's'}" + first_of(skipped),
        f"at least {fewest} of {' '.join(EXTENSIONS)} files",
        "the path of your images as data",
        command="--data FOLDER, with the path of your images",
    )
