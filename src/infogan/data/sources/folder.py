"""Your own images: a folder or archive of files, a table, or one file with an array."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

import numpy as np

from infogan.config import DataConfig
from infogan.config.value_range import ValueRange
from infogan.data import archives, splits, value_ranges
from infogan.data.arrays import SUFFIXES as ARRAY_SUFFIXES
from infogan.data.arrays import array_range, read_array
from infogan.data.contents import Contents, list_contents
from infogan.data.dataset import Found, Stream
from infogan.data.decoding import (
    Item,
    all_frames,
    check_share,
    first_of,
    picture_stream,
    read_form,
)
from infogan.data.image_survey import Survey
from infogan.data.layout import Layout, read_layout
from infogan.data.preprocessing import Conversion, Form, common_size, usual_size
from infogan.data.signatures import HEAD, FileType, counted, identify
from infogan.data.source import About, path_of, source
from infogan.errors import DataError
from infogan.file_listing import Skipped, walk

SUFFIXES = (*ARRAY_SUFFIXES, *archives.SUFFIXES, ".parquet")
"""Usual extensions of files that contain many images."""

EXTENSIONS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif")
"""Extensions of image files in named data sets, in small or capital letters."""

_EXPECTED = "a folder with images in it, or an archive, a Parquet table, or a .npy or .npz file of images"


@source(
    "folder",
    about=About(
        images="as many as there are; a tenth is held out",
        form="any size and mode; see data.size and data.crop",
        licence="the owner's",
        origin="a folder, a zip or tar file, a Parquet table, or an array in a .npy or .npz file",
        people=None,
    ),
    split_version=splits.BY_CONTENT,
    settings=(
        "fit",
        "range",
        "background",
        "frames",
        "exclude",
        "allow_unreadable",
        "follow_links",
        "split_by",
    ),
    version=3,
)
def folder(config: DataConfig) -> Found:
    """Your own images: a folder, a zip or tar file, a Parquet table, or a .npy or .npz file with an array.

    A folder is searched recursively, in sorted order; hidden files are left out. What a file is depends on
    its first bytes, not on its name: `infogan.data.signatures` lists the types. Archives, tables and .npy
    files inside a folder are read, too. `infogan.data.preprocessing` documents how each image becomes a
    square, `infogan.data.layout` which folders are splits, and which are classes, for evaluation only;
    `infogan.data.arrays` documents which arrays are read.

    The default size is that of at least 95 % of the images if they are squares of 8 to 256 pixels, else 64.
    By default the images are gray if every file has a gray mode, else RGB.

    Unreadable files are skipped, with a reason each.

    Raises:
        ConfigError: there is no path.
        DataError: the path or the images are missing, fewer than 2 images were found, or over 1 % of them
            (`config.allow_unreadable`) are unreadable.
    """
    path = path_of(config, expected=_EXPECTED)
    if not path.exists():
        raise _no_images(path, "is not there")
    if path.is_dir():
        return read_pictures(path, config)
    file_type = _type_of(path)
    if _is_array(path, file_type):
        chosen = None if config.range is None else ValueRange.parse(config.range)
        if chosen is not None and chosen.percentiles:
            chosen = array_range(path, chosen)
        images = read_array(path, chosen)
        survey = Survey(path, Contents(), Layout(truth=images.truth), (), Form(0, 1, config.crop))
        return Found(images, survey=survey, value_range=chosen)
    if file_type.reading in ("archive", "table"):
        return read_pictures(path, config)
    if file_type.reading == "image":
        raise _no_images(path, "is 1 image")
    raise _no_images(path, f"is {file_type.reason}")


def _no_images(path: Path, problem: str) -> DataError:
    return DataError(
        f"{path} {problem}{'' if 'image' in problem else ': 0 images'}",
        _EXPECTED,
        "the path of your images as data",
        command="--data FOLDER, with the path of your images",
    )


def check_path(path: Path) -> None:
    """Check that a path holds images, by the first bytes of a file.

    Raises:
        DataError: it is a file of another type.
    """
    if path.is_dir():
        return
    file_type = _type_of(path)
    if not _is_array(path, file_type) and file_type.reading not in ("archive", "table"):
        raise _no_images(path, "is 1 image" if file_type.reading == "image" else f"is {file_type.reason}")


def _type_of(path: Path) -> FileType:
    try:
        with path.open("rb") as file:
            return identify(file.read(HEAD), path.name)
    except OSError as error:
        raise _no_images(path, f"cannot be read: {error.strerror}") from None


def _is_array(path: Path, file_type: FileType) -> bool:
    """Return True for a .npy file, and for a zip file of arrays."""
    return file_type.reading == "array" or path.suffix.lower() in ARRAY_SUFFIXES


def _contents(path: Path, config: DataConfig) -> Contents:
    return list_contents(path, config.exclude or (), follow_links=bool(config.follow_links))


def read_pictures(path: Path, config: DataConfig) -> Found:
    """Find the images below a folder, in an archive or in a table, in the sorted order of their paths.

    Args:
        path: the folder or file.
        config: its settings for preprocessing, files and split are used. With split version 1, images are
            found by their extensions, and folders named train or test are classes, as in earlier releases.

    Raises:
        DataError: see `folder`.
    """
    by_name = config.split_version == splits.BY_NUMBER
    contents = Contents(*list_pictures(path)) if by_name else _contents(path, config)
    skipped = contents.unreadable
    _check_count(path, contents, 2)
    total = len(contents.items) + len(skipped)
    items = contents.items
    size: int | None = config.size
    channels: int | None = config.channels
    if config.frames == "all":
        items = all_frames(items, skipped)
    if size is None or channels is None:
        choose = common_size if by_name else usual_size
        items, size, channels = read_form(items, size, channels, skipped, choose)
    if len(items) < 2:
        check_share(str(path), total, skipped)
    contents.items = items
    _check_count(path, contents, 2)
    chosen = None if config.range is None else ValueRange.parse(config.range)
    if chosen is not None and chosen.percentiles:
        chosen = value_ranges.measure(items, chosen)
        config = config.model_copy(update={"range": str(chosen)})
    layout = read_layout([item.place or item.name for item in items], split_folders=not by_name)
    form = Form(size, channels, config.crop, Conversion.of(config))
    names = tuple(item.name for item in items)
    survey = Survey(path, contents, layout, names, form, all_frames=config.frames == "all")
    is_test = np.zeros(len(items), np.bool_) if layout.test is None else layout.test

    def stream(rows: np.ndarray) -> Stream:
        return picture_stream([items[row] for row in rows], form, layout.truth.take(rows), survey)

    test = None if layout.test is None else stream(np.flatnonzero(is_test))
    return Found(stream(np.flatnonzero(~is_test)), test, tuple(skipped), survey, chosen)


def list_pictures(path: Path) -> tuple[list[Item], list[Skipped]]:
    """List all pictures of a named data set by their extensions, in sorted order, and those that cannot be
    opened."""
    skipped: list[Skipped] = []
    if not path.is_dir():
        return archives.members(path, is_picture, skipped), skipped
    return [Item(name, path / name) for name in picture_names(path, skipped)], skipped


def picture_names(path: Path, skipped: list[Skipped]) -> list[str]:
    """List the paths of all pictures below a folder, relative to it, in the order of their parts.

    Args:
        path: the folder.
        skipped: receives the files and folders that cannot be read, with reasons.
    """
    found = (str(file.relative_to(path)) for file in walk(path, skipped) if is_picture(file.name))
    # The lowest character in place of the separator: a folder's files stay together.
    return sorted(found, key=lambda name: name.replace(os.sep, "\0"))


def is_picture(name: str) -> bool:
    """Return True if a name is that of an image. "._name.jpg" is metadata that macOS writes."""
    last = PurePosixPath(name).name
    return last.lower().endswith(EXTENSIONS) and not last.startswith(".")


def _check_count(path: Path, contents: Contents, fewest: int) -> None:
    count, others = len(contents.items), contents.others
    if count >= fewest:
        return
    lying = f"; there are {counted([file.file_type for file in others])}" if others else ""
    reasons = [f"{file.file_type}: {file.reason}" for file in others if file.reason != "no image"]
    advice = next(iter([*reasons, *(file.reason for file in contents.unreadable if ":" in file.reason)]), "")
    raise DataError(
        f"{path} and the folders in it have {count} image{'' if count == 1 else 's'}{lying}"
        + first_of(contents.unreadable),
        f"at least {fewest} images, {_EXPECTED}",
        advice or "the path of your images as data",
        command=advice or "--data FOLDER, with the path of your images",
    )
