"""Street View House Numbers from the MATLAB files: in a folder, in the cache, or downloaded."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import numpy as np
from jaxtyping import Int64, UInt8

from infogan import matlab
from infogan.config import DataConfig
from infogan.data.dataset import Found, Split, Stream, Truth
from infogan.data.download import Mirrors, RemoteFile, cache_folder, fetch
from infogan.data.preprocessing import preprocess_one
from infogan.data.source import About, path_of, source
from infogan.errors import DataError

MIRRORS = Mirrors(("http://ufldl.stanford.edu/housenumbers/",))
_TRAIN = "435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8"
_TEST = "cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b"
_EXTRA = "a133a4beb38a00fcdda90c9489e0c04f900b660ce8a316a5e854838379a71eb3"
TRAIN = RemoteFile("train_32x32.mat", _TRAIN, 182_040_794)
TEST = RemoteFile("test_32x32.mat", _TEST, 64_275_384)
EXTRA = RemoteFile("extra_32x32.mat", _EXTRA, 1_329_278_602)

CLASSES = tuple(map(str, range(10)))
"""The digits; in the files 10 stands for 0."""

MOST_IMAGES = 1_000_000
"""Limit for one file; the largest, extra_32x32.mat, holds 531,131."""

_FORM = "X, uint8 [32, 32, 3, N], and y, uint8 [N, 1] with values from 1 to 10"
_BY_HAND = (
    f"download {TRAIN.name} and {TEST.name} ({EXTRA.name}, too, for svhn-extra) by hand from "
    f"{MIRRORS.urls[0]} into one folder, and set data.path to it"
)
_HDF5_SIGNATURES = (b"MATLAB 7.3", b"\x89HDF")


def _cache() -> Path:
    return cache_folder() / "svhn"


def _about(images: str, files: str, checksum: RemoteFile) -> About:
    return About(
        images=images,
        form="32x32 RGB, 0..255",
        licence="for non-commercial use",
        origin=f"Netzer et al. 2011; {files} MATLAB files, downloaded once",
        sha256=f"{checksum.sha256} ({checksum.name})",
    )


@source("svhn", about=_about("73,257 + 26,032", "two", TRAIN), held_out=None, default_path=_cache)
def svhn(config: DataConfig) -> Found:
    """SVHN: 73,257 training and 26,032 test house digits, 32x32 RGB, downloaded once.

    `config.path` names a folder with train_32x32.mat and test_32x32.mat (MATLAB 5: `X`, uint8 [32, 32, 3, N],
    and `y`, uint8 [N, 1], 1 to 10, where 10 stands for 0). Without it they are read from the cache, and
    downloaded if they are missing. Labels are the digits.

    Raises:
        DataError: files are missing, damaged or of another form, or could not be downloaded.
        StorageError: the cache cannot be written.
    """
    train, test = _locate(config, TRAIN, TEST)
    return Found(read_mat(train), read_mat(test))


@source("svhn-extra", about=_about("604,388 + 26,032", "three", EXTRA), held_out=None, default_path=_cache)
def svhn_extra(config: DataConfig) -> Found:
    """SVHN with its 531,131 extra images: 604,388 for training, the same 26,032 test images; 1.6 GB of files.

    As `svhn`, with extra_32x32.mat in the same folder; the training images are those of train_32x32.mat, then
    the extra ones. Preparing them, once, takes 2 GB of memory.

    Raises:
        DataError: as in `svhn`.
        StorageError: the cache cannot be written.
    """
    train, extra, test = _locate(config, TRAIN, EXTRA, TEST)
    parts, size = [read_mat(train), read_mat(extra)], config.size or 32
    labels = np.concatenate([part.truth.labels for part in parts if part.truth.labels is not None])

    # A stream, because one array of both would copy 2 GB.
    images = lambda: (  # noqa: E731
        preprocess_one(image, size, 3, config.crop) for image in chain(*(part.images for part in parts))
    )
    return Found(Stream(len(labels), (size, size, 3), images, Truth(labels, CLASSES)), read_mat(test))


def read_mat(path: Path) -> Split:
    """Read images, uint8 [N, 32, 32, 3], and labels, int64 [N] of 0..9, from one of SVHN's files.

    Raises:
        DataError: the file is missing, damaged, of another format, or has other contents.
    """
    try:
        _check_format(path)
        arrays = matlab.list_arrays(path)
        _check_header(path, {name: (array.shape, array.kind) for name, array in arrays.items()})
        images, labels = (matlab.read_array(path, arrays[name]) for name in ("X", "y"))
    except (OSError, ValueError, MemoryError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise DataError(f"cannot read {path}: {reason}", f"a MATLAB 5 file with {_FORM}", _BY_HAND) from None
    # In MATLAB's order the pixels of an image are contiguous, and nothing is copied here.
    return Split(np.transpose(images, (3, 0, 1, 2)), truth=Truth(_digits(labels, path), CLASSES))


def _locate(config: DataConfig, *files: RemoteFile) -> list[Path]:
    """Return the path of each file, in `data.path` or else in the cache, to which it is downloaded."""
    folder = path_of(config)
    if config.path is None:
        for file in files:
            fetch(file, MIRRORS, folder, _BY_HAND)
    missing = [file.name for file in files if not (folder / file.name).is_file()]
    if missing:
        problem = f"lacks {', '.join(missing)}" if folder.is_dir() else "is not a folder"
        raise DataError(
            f"{folder} {problem}",
            f"a folder with {', '.join(file.name for file in files)}",
            f"no data.path to download SVHN; or {_BY_HAND}",
        )
    return [folder / file.name for file in files]


def _check_format(path: Path) -> None:
    with path.open("rb") as file:
        start = file.read(len(matlab.SIGNATURE))
    if start.startswith(_HDF5_SIGNATURES):
        raise DataError(
            f"{path} is a MATLAB 7.3 file (HDF5)",
            f"a MATLAB 5 file, as SVHN's own are, with {_FORM}",
            f"save('{path.name}', 'X', 'y', '-v7') in MATLAB; or {_BY_HAND}",
        )
    if start != matlab.SIGNATURE:
        raise DataError(
            f"{path} is not a MATLAB file: it begins with {start.decode('latin-1')!r}",
            f"a file that begins with {matlab.SIGNATURE.decode()!r}, and holds {_FORM}",
            _BY_HAND,
        )


def _check_header(path: Path, arrays: dict[str, tuple[tuple[int, ...], str]]) -> None:
    """Check the types and shapes that the file announces, before anything is decompressed."""
    missing = [name for name in ("X", "y") if name not in arrays]
    count = 0 if missing else arrays["y"][0][0]
    for name, expected in {"X": (32, 32, 3, count), "y": (count, 1)}.items():
        shape, kind = arrays.get(name, ((), ""))
        if missing:
            problem = f"has no {' and no '.join(missing)}, only {', '.join(arrays) or 'nothing'}"
        elif len(shape) != len(expected) or kind != "uint8" or not 0 < count <= MOST_IMAGES:
            problem = f"has {name} as {kind} {list(shape)}"
        elif shape != expected:
            problem = f"has {name} as {list(shape)} for {count} labels in y"
        else:
            continue
        raise DataError(f"{path} {problem}", f"{_FORM}, N at most {MOST_IMAGES:,}", _BY_HAND)


def _digits(values: UInt8[np.ndarray, "n 1"], path: Path) -> Int64[np.ndarray, " n"]:
    wrong = np.flatnonzero((values < 1) | (values > 10))
    if len(wrong):
        raise DataError(
            f"{path}: y is {values[wrong[0], 0]} in row {wrong[0]}",
            "1 to 10, where 10 stands for the digit 0",
            _BY_HAND,
        )
    return values[:, 0].astype(np.int64) % 10
