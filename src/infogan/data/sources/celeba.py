"""CelebA as published: aligned pictures in a zip file or folder, and text files in the same folder."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from jaxtyping import Bool, Int64

from infogan.config import DataConfig
from infogan.data.dataset import Found, Stream, Truth
from infogan.data.decoding import Item, picture_stream
from infogan.data.download import cache_folder
from infogan.data.source import About, path_of, source
from infogan.data.sources.folder import list_pictures
from infogan.errors import DataError

SIZE, CHANNELS = 32, 3
"""As in the paper's experiment."""

CROP = 148
"""Side of the central square of the 178x218 pixels: face and hair."""

ATTRIBUTES = 40

_PICTURES = "img_align_celeba"
_ATTRIBUTE_FILES = ("list_attr_celeba.txt", "list_attr_celeba.csv")
_PARTITION_FILES = ("list_eval_partition.txt", "list_eval_partition.csv")
_TRAIN, _VALIDATION, _TEST = 0, 1, 2
_TEST_SHARE = 6  # without a partition the last sixth of the images is the test split
_NUMBERED = re.compile(r"\d{6}\.jpg")
_BY_HAND = (
    f"download {_PICTURES}.zip, {_ATTRIBUTE_FILES[0]} and {_PARTITION_FILES[0]} by hand from "
    "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html into one folder, and set data.path to it"
)


@source(
    "celeba",
    about=About(
        images="202,599: 162,770 for training, 19,962 for testing; or as many as there are",
        form="178x218 RGB JPEG; the central 148x148, at 32x32",
        licence="for non-commercial research",
        origin="Liu et al. 2015; img_align_celeba.zip and text files, downloaded by hand",
        people=True,
    ),
    held_out=None,
    crop=CROP,
    default_path=lambda: cache_folder() / "celeba",
    sidecars=(*_ATTRIBUTE_FILES, *_PARTITION_FILES),
)
def celeba(config: DataConfig) -> Found:
    """CelebA: aligned faces of celebrities with 40 attributes, the central 148x148 at 32x32 RGB.

    `config.path` names the folder with img_align_celeba.zip, or with the folder img_align_celeba of
    000001.jpg and so on, and with the text files; or the zip file itself; or the folder of pictures itself,
    with the text files in it or in its parent. Without it they are read from the folder celeba of the cache.
    The zip file is not unpacked, and is preferred to the folder.

    Images are in the order of their numbers. Attributes, bool by their original names, are those of
    list_attr_celeba.txt or .csv, if it exists. With list_eval_partition.txt or .csv, partition 0 is the
    training and partition 2 the test split; partition 1, meant for validation, is not used. Without it the
    last sixth of the images is the test split.

    Raises:
        DataError: pictures are missing, or over 1 % of them are unreadable; a text file is malformed, or
            lacks an image; or a split has no images.
    """
    files = _locate(path_of(config))
    pictures, skipped = list_pictures(files.pictures)
    items = _in_order(pictures, files.pictures)
    names = [PurePosixPath(item.name).name for item in items]
    rows = _split_rows(files, names)
    attributes = {} if files.attributes is None else read_attributes(files.attributes, names)
    truth = Truth(attributes=attributes)
    size, channels, crop = config.size or SIZE, config.channels or CHANNELS, config.crop or CROP

    def stream(chosen: Int64[np.ndarray, " m"]) -> Stream:
        return picture_stream([items[row] for row in chosen], size, channels, crop, truth.take(chosen))

    train, test = map(stream, rows)
    return Found(train, test, tuple(file for file in skipped if _is_numbered(file.path)))


# --- the files -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Files:
    """Paths of the folder or zip file of pictures, and of the text files that exist."""

    pictures: Path
    attributes: Path | None
    partition: Path | None


def _locate(path: Path) -> _Files:
    archive, folder = path / f"{_PICTURES}.zip", path / _PICTURES
    if path.is_file() and path.suffix.lower() == ".zip":
        pictures, text_folders = path, [path.parent]
    elif archive.is_file() or folder.is_dir():
        pictures, text_folders = (archive if archive.is_file() else folder), [path, folder]
    elif path.is_dir():
        pictures, text_folders = path, [path, path.parent]
    else:
        problem = "is not there" if not path.exists() else "is neither a folder nor a .zip file"
        expected = f"a folder with {_PICTURES}.zip or the folder {_PICTURES}"
        raise DataError(f"{path} {problem}", expected, _BY_HAND)

    def first(names: Sequence[str]) -> Path | None:
        candidates = (folder / name for folder in text_folders for name in names)
        return next((candidate for candidate in candidates if candidate.is_file()), None)

    return _Files(pictures, first(_ATTRIBUTE_FILES), first(_PARTITION_FILES))


def _is_numbered(name: str) -> bool:
    return _NUMBERED.fullmatch(PurePosixPath(name).name) is not None


def _in_order(items: Sequence[Item], where: Path) -> list[Item]:
    """Return the numbered pictures in the order of their numbers."""
    numbered = [item for item in items if _is_numbered(item.name)]
    by_name = {PurePosixPath(item.name).name: item for item in numbered}
    if len(numbered) != len(by_name) or len(numbered) < 2:
        twice = f", of only {len(by_name)} different names" if len(numbered) != len(by_name) else ""
        raise DataError(
            f"{where} has {len(numbered)} pictures named like 000001.jpg{twice}",
            "at least 2, each once",
            _BY_HAND,
        )
    return [by_name[name] for name in sorted(by_name)]


# --- the text files --------------------------------------------------------------------------------------


def read_attributes(path: Path, names: Sequence[str]) -> dict[str, Bool[np.ndarray, " n"]]:
    """Read the 40 attributes of each image.

    Args:
        path: list_attr_celeba.txt, with a line that counts, a line of names, then rows; or a .csv file, with
            a header, then rows. A row is the image's name and 40 values, 1 or -1.
        names: of the images, such as 000001.jpg.

    Raises:
        DataError: the file is not of that form, or lacks an image.
    """
    lines = _lines(path)
    is_csv = path.suffix == ".csv"
    first = 1 if is_csv else 2
    titles = lines[first - 1][1:] if is_csv else next(iter(lines[1:2]), [])
    if len(titles) != ATTRIBUTES or len(set(titles)) != ATTRIBUTES:
        expected = f"{ATTRIBUTES} names of attributes"
        raise _malformed(path, first, f"{len(set(titles))} different names", expected)
    rows = _read_rows(path, lines, first, ATTRIBUTES, {"1": 1, "-1": 0})
    if not is_csv and lines[0] != [str(len(rows))]:
        expected = "the number of rows below"
        raise _malformed(path, 1, f"{' '.join(lines[0])!r} before {len(rows)} rows", expected)
    table = np.array(_select(rows, names, path), np.bool_)
    return {title: np.ascontiguousarray(table[:, index]) for index, title in enumerate(titles)}


def read_partition(path: Path, names: Sequence[str]) -> Int64[np.ndarray, " n"]:
    """Read the partition of each image: 0 (training), 1 (validation) or 2 (test).

    Args:
        path: list_eval_partition.txt, rows of an image's name and its partition; or a .csv file, with a
            header.
        names: of the images, such as 000001.jpg.

    Raises:
        DataError: the file is not of that form, or lacks an image.
    """
    meaning = {str(part): part for part in (_TRAIN, _VALIDATION, _TEST)}
    rows = _read_rows(path, _lines(path), 1 if path.suffix == ".csv" else 0, 1, meaning)
    return np.array(_select(rows, names, path), np.int64)[:, 0]


def _split_rows(
    files: _Files, names: Sequence[str]
) -> tuple[Int64[np.ndarray, " m"], Int64[np.ndarray, " k"]]:
    """Return the indices of the training images, and those of the test images."""
    if files.partition is None:
        test = max(1, len(names) // _TEST_SHARE)
        return np.arange(len(names) - test), np.arange(len(names) - test, len(names))
    parts = read_partition(files.partition, names)
    train_rows, test_rows = np.flatnonzero(parts == _TRAIN), np.flatnonzero(parts == _TEST)
    if not len(train_rows) or not len(test_rows):
        raise DataError(
            f"{files.partition}: of the {len(names)} images in {files.pictures}, {len(train_rows)} are in "
            f"partition {_TRAIN} (to train on) and {len(test_rows)} in partition {_TEST} (to test)",
            "at least 1 in each",
            f"another name for {files.partition.name}: without it the last sixth of the images is tested on",
        )
    return train_rows, test_rows


def _lines(path: Path) -> list[list[str]]:
    """Return the cells of each line; of an empty one none."""
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read {path}: {error}", "a text file", _BY_HAND) from None
    separator = "," if path.suffix == ".csv" else None
    return [[cell.strip() for cell in line.split(separator)] if line.strip() else [] for line in lines]


def _read_rows(
    path: Path, lines: Sequence[Sequence[str]], first: int, width: int, meaning: Mapping[str, int]
) -> dict[str, tuple[int, ...]]:
    """Return the values of each row by its first cell.

    Args:
        path: of the file, for errors.
        lines: of the whole file.
        first: index of the first row.
        width: number of values in a row.
        meaning: of each text that may be a value.
    """
    rows: dict[str, tuple[int, ...]] = {}
    for number, (name, *values) in ((n, line) for n, line in enumerate(lines, 1) if n > first and line):
        if len(values) != width:
            raise _malformed(path, number, f"{len(values)} values behind {name!r}", f"{width} in each row")
        if name in rows:
            raise _malformed(path, number, f"{name!r} a second time", "each image once")
        try:
            rows[name] = tuple([meaning[value] for value in values])
        except KeyError as error:
            problem = f"the value {error.args[0]!r} behind {name!r}"
            raise _malformed(path, number, problem, f"one of {', '.join(meaning)}") from None
    return rows


def _select(rows: Mapping[str, tuple[int, ...]], names: Sequence[str], path: Path) -> list[tuple[int, ...]]:
    """Return the rows of these images."""
    missing = [name for name in names if name not in rows]
    if missing:
        raise DataError(
            f"{path} has no row for {len(missing)} of {len(names)} images, {missing[0]} the first",
            "a row for each image; it may have more rows than there are images",
            f"the {path.name} that belongs to these images; or {_BY_HAND}",
        )
    return [rows[name] for name in names]


def _malformed(path: Path, line: int, problem: str, expected: str) -> DataError:
    return DataError(
        f"{path}, line {line}: {problem}", expected, f"another copy of {path.name}; or {_BY_HAND}"
    )
