"""CelebA as it is given out: aligned pictures in a zip file or folder, text files beside them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from jaxtyping import Bool, Int64

from infogan.config import DataConfig
from infogan.data.dataset import Found, Stream, Truth
from infogan.data.decoding import Item, picture_stream
from infogan.data.download import cache_folder
from infogan.data.source import About, source
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
_TEST_SHARE = 6  # without a partition every sixth image is a test image, and these are the last ones
_NUMBERED = re.compile(r"\d{6}\.jpg")
_BY_HAND = (
    f"download {_PICTURES}.zip, {_ATTRIBUTE_FILES[0]} and {_PARTITION_FILES[0]} by hand from "
    "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html into one folder, and name it: --data FOLDER"
)


@source(
    "celeba",
    about=About(
        images="202,599: 162,770 to train on, 19,962 to test; or as many as there are",
        form="178x218 RGB JPEG; the central 148x148, at 32x32",
        licence="for non-commercial research",
        origin="Liu et al. 2015; img_align_celeba.zip and text files, downloaded by hand",
    ),
    held_out=None,
    crop=CROP,
    place=lambda: cache_folder() / "celeba",
    beside=(*_ATTRIBUTE_FILES, *_PARTITION_FILES),
)
def celeba(config: DataConfig) -> Found:
    """CelebA: aligned faces of celebrities with 40 attributes, the central 148x148 at 32x32 RGB.

    `config.path` names the folder with img_align_celeba.zip, or with the folder img_align_celeba of
    000001.jpg and so on, and with the text files; or the zip file itself; or the folder of pictures itself,
    with the text files in it or in the folder around it. Without it they are looked for in the cache, under
    celeba. The zip file is read as it is, never unpacked; where there are both, it is what is read.

    Images come in the order of their numbers. Attributes, bool by their true names, are those of
    list_attr_celeba.txt or .csv, where there is one. Where there is a list_eval_partition.txt or .csv,
    partition 0 is trained on and partition 2 is the test split; partition 1, meant for validation, is left
    out of both. Without it the last sixth of the images is the test split. Liu et al. 2015, for
    non-commercial research.

    Raises:
        DataError: pictures are missing, or over 1 % of them are unreadable; a text file is malformed, or
            lacks an image; or a split has no images.
    """
    files = _locate(cache_folder() / "celeba" if config.path is None else Path(config.path).expanduser())
    items, skipped = list_pictures(files.pictures)
    items = _in_order(items, files.pictures)
    names = [PurePosixPath(item.name).name for item in items]
    rows = _split_rows(files, names)
    truth = (
        Truth() if files.attributes is None else Truth(attributes=read_attributes(files.attributes, names))
    )
    size, channels, crop = config.size or SIZE, config.channels or CHANNELS, config.crop or CROP

    def stream(chosen: Int64[np.ndarray, " m"]) -> Stream:
        return picture_stream([items[row] for row in chosen], size, channels, crop, truth.take(chosen))

    train, test = map(stream, rows)
    return Found(train, test, tuple(one for one in skipped if _is_numbered(one.path)))


# --- which files there are -------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Files:
    """Where everything lies: a folder or zip file of pictures, and text files where there are some."""

    pictures: Path
    attributes: Path | None
    partition: Path | None


def _locate(path: Path) -> _Files:
    archive, folder = path / f"{_PICTURES}.zip", path / _PICTURES
    if path.is_file() and path.suffix.lower() == ".zip":
        pictures, beside = path, [path.parent]
    elif archive.is_file() or folder.is_dir():
        pictures, beside = (archive if archive.is_file() else folder), [path, folder]
    elif path.is_dir():
        pictures, beside = path, [path, path.parent]
    else:
        what = "is not there" if not path.exists() else "is neither a folder nor a .zip file"
        raise DataError(
            f"{path} {what}", f"a folder with {_PICTURES}.zip or the folder {_PICTURES}", _BY_HAND
        )
    return _Files(pictures, _first(beside, _ATTRIBUTE_FILES), _first(beside, _PARTITION_FILES))


def _first(folders: Sequence[Path], names: Sequence[str]) -> Path | None:
    candidates = (folder / name for folder in folders for name in names)
    return next((path for path in candidates if path.is_file()), None)


def _is_numbered(name: str) -> bool:
    return _NUMBERED.fullmatch(PurePosixPath(name).name) is not None


def _in_order(items: Sequence[Item], where: Path) -> list[Item]:
    """The numbered pictures by their numbers."""
    numbered = {PurePosixPath(item.name).name: item for item in items if _is_numbered(item.name)}
    count = sum(_is_numbered(item.name) for item in items)
    if count != len(numbered) or count < 2:
        twice = f", of only {len(numbered)} different names" if count != len(numbered) else ""
        raise DataError(
            f"{where} has {count} pictures named like 000001.jpg{twice}", "at least 2, each once", _BY_HAND
        )
    return [numbered[name] for name in sorted(numbered)]


# --- what the text files say -----------------------------------------------------------------------------


def read_attributes(path: Path, names: Sequence[str]) -> dict[str, Bool[np.ndarray, " n"]]:
    """What each image has or has not, by the 40 names in their order.

    Args:
        path: list_attr_celeba.txt, with a line that counts, a line of names, then rows; or a .csv file, with
            a header, then rows. A row is the image's name and 40 values, 1 or -1. names: of the images, such
            as 000001.jpg.

    Raises:
        DataError: the file is not of that form, or lacks an image.
    """
    lines = _lines(path)
    if path.suffix == ".csv":
        titles, first, promised = _cells(lines[0], ",")[1:], 1, None
    else:
        titles, first, promised = lines[1].split() if len(lines) > 1 else [], 2, lines[0].strip()
    if len(titles) != ATTRIBUTES or len(set(titles)) != ATTRIBUTES:
        raise _malformed(
            path, first, f"{len(set(titles))} different names", f"{ATTRIBUTES} names of attributes"
        )
    rows = _read_rows(path, lines, first, ATTRIBUTES, {"1": 1, "-1": 0})
    if promised is not None and promised != str(len(rows)):
        raise _malformed(path, 1, f"{promised!r} before {len(rows)} rows", "the number of rows below")
    table = np.array([rows[name] for name in _known(names, rows, path)], np.bool_)
    return {title: np.ascontiguousarray(table[:, index]) for index, title in enumerate(titles)}


def read_partition(path: Path, names: Sequence[str]) -> Int64[np.ndarray, " n"]:
    """For each image 0 (to train on), 1 (for validation) or 2 (to test).

    Args:
        path: list_eval_partition.txt, rows of an image's name and its partition; or a .csv file, with a
        header. names: of the images, such as 000001.jpg.

    Raises:
        DataError: the file is not of that form, or lacks an image.
    """
    first = 1 if path.suffix == ".csv" else 0
    rows = _read_rows(
        path, _lines(path), first, 1, {str(part): part for part in (_TRAIN, _VALIDATION, _TEST)}
    )
    return np.array([rows[name][0] for name in _known(names, rows, path)], np.int64)


def _split_rows(
    files: _Files, names: Sequence[str]
) -> tuple[Int64[np.ndarray, " m"], Int64[np.ndarray, " k"]]:
    """The images to train on, and those to test on."""
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


def _read_rows(
    path: Path, lines: Sequence[str], first: int, width: int, meaning: Mapping[str, int]
) -> dict[str, tuple[int, ...]]:
    """The values of each row by its first cell.

    Args:
        path: of the file, for errors.
        lines: of the whole file.
        first: the line, counted from 0, of the first row.
        width: how many values a row has.
        meaning: of each text that may be a value.
    """
    rows: dict[str, tuple[int, ...]] = {}
    for number, (name, *values) in _cells_of(lines, first, "," if path.suffix == ".csv" else None):
        if len(values) != width:
            raise _malformed(path, number, f"{len(values)} values behind {name!r}", f"{width} in each row")
        if name in rows:
            raise _malformed(path, number, f"{name!r} a second time", "each image once")
        try:
            rows[name] = tuple([meaning[value] for value in values])
        except KeyError as error:
            found = f"the value {error.args[0]!r} behind {name!r}"
            raise _malformed(path, number, found, f"one of {', '.join(meaning)}") from None
    return rows


def _cells_of(lines: Sequence[str], first: int, separator: str | None) -> Iterator[tuple[int, list[str]]]:
    """The number of each line that is not empty, counted from 1, and its cells."""
    for number, line in enumerate(lines[first:], start=first + 1):
        if line.strip():
            yield number, _cells(line, separator)


def _cells(line: str, separator: str | None) -> list[str]:
    return [cell.strip() for cell in line.split(separator)] if separator else line.split()


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").split("\n") if path.stat().st_size else [""]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read {path}: {error}", "a text file", _BY_HAND) from None


def _known(names: Sequence[str], rows: Mapping[str, object], path: Path) -> Sequence[str]:
    missing = [name for name in names if name not in rows]
    if missing:
        raise DataError(
            f"{path} has no row for {len(missing)} of {len(names)} images, {missing[0]} the first",
            "a row for each image; it may have more rows than there are images",
            f"the {path.name} that belongs to these images; or {_BY_HAND}",
        )
    return names


def _malformed(path: Path, line: int, found: str, expected: str) -> DataError:
    return DataError(f"{path}, line {line}: {found}", expected, f"another copy of {path.name}; or {_BY_HAND}")
