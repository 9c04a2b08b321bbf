"""MNIST from its four original files: in a folder, in the cache, or from a mirror."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from infogan.config import DataConfig
from infogan.data.dataset import Found, Split
from infogan.data.download import Mirrors, RemoteFile, cache_folder, fetch
from infogan.data.idx import parse_idx, read_idx
from infogan.data.source import About, path_of, source
from infogan.errors import DataError

MIRRORS = Mirrors(
    ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/")
)
_TRAIN_IMAGES = "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"
_TRAIN_LABELS = "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"
_TEST_IMAGES = "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"
_TEST_LABELS = "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"
FILES = (
    RemoteFile("train-images-idx3-ubyte.gz", _TRAIN_IMAGES, 47_040_016),
    RemoteFile("train-labels-idx1-ubyte.gz", _TRAIN_LABELS, 60_008),
    RemoteFile("t10k-images-idx3-ubyte.gz", _TEST_IMAGES, 7_840_016),
    RemoteFile("t10k-labels-idx1-ubyte.gz", _TEST_LABELS, 10_008),
)
"""Training images and labels, then test images and labels."""

_DIMENSIONS = (3, 1, 3, 1)
_BY_HAND = (
    f"download {', '.join(file.name for file in FILES)} by hand into one folder, for example from "
    f"{MIRRORS.urls[-1]}, and set data.path to it; or train without any download: "
    "infogan train digits"
)


@source(
    "mnist",
    about=About(
        images="60,000 + 10,000",
        form="28x28 gray, 0..255",
        licence="CC BY-SA 3.0",
        origin="LeCun, Cortes and Burges; four IDX files, downloaded once",
        sha256=f"{FILES[0].sha256} (training images, decompressed)",
    ),
    held_out=None,
    default_path=lambda: cache_folder() / "mnist",
    handwriting=True,
)
def mnist(config: DataConfig) -> Found:
    """MNIST: 60,000 training and 10,000 test digits, 28x28 gray, downloaded once.

    `config.path` names a folder with the four IDX files of MNIST or of other handwriting (KMNIST), gzipped or
    not, under the original names or with a dot (train-images.idx3-ubyte). Without it they are read from the
    cache, and downloaded if they are missing.

    Raises:
        DataError: files are missing, damaged or do not match, or no mirror provided them.
        StorageError: the cache cannot be written.
    """
    if config.path is None:
        return read_cached(path_of(config), FILES, MIRRORS)
    return read_files(path_of(config), "MNIST", "no data.path to download MNIST")


def read_cached(folder: Path, files: tuple[RemoteFile, ...], mirrors: Mirrors) -> Found:
    """Read the same from a folder of the cache, after downloading what is missing; `files` as in `FILES`."""
    arrays = [
        parse_idx(io.BytesIO(fetch(file, mirrors, folder, _BY_HAND)), dimensions, file.name)
        for file, dimensions in zip(files, _DIMENSIONS, strict=True)
    ]
    return Found(_split(*arrays[:2]), _split(*arrays[2:]))


def read_files(folder: Path, title: str, alternative: str) -> Found:
    """Read images, uint8 [N, H, W, 1], and labels, int64 [N] of 0..255, from four IDX files in a folder.

    Args:
        folder: with the files, under MNIST's names.
        title: of the data set, for messages.
        alternative: what a user can do instead, for messages.

    Raises:
        DataError: the folder or a file is missing or damaged, or labels and images differ in number.
    """
    paths = {file.unpacked_name: _locate(folder, file.unpacked_name) for file in FILES}
    missing = [name for name, path in paths.items() if path is None]
    if missing:
        problem = f"lacks {', '.join(missing)}" if folder.is_dir() else "is not a folder"
        raise DataError(
            f"{folder} {problem}",
            f"the four files of {title}, with or without .gz",
            f"a folder with those files as data.path, or {alternative}",
        )
    found = [path for path in paths.values() if path is not None]
    arrays = [read_idx(path, dimensions) for path, dimensions in zip(found, _DIMENSIONS, strict=True)]
    for first in (0, 2):
        images, labels = arrays[first : first + 2]
        if len(images) != len(labels):
            raise DataError(
                f"{found[first]} holds {len(images)} images, {found[first + 1]} holds {len(labels)} labels",
                "one label for each image",
                f"another copy of both files, or {alternative}",
            )
    return Found(_split(*arrays[:2]), _split(*arrays[2:]))


def _locate(folder: Path, name: str) -> Path | None:
    """Return the path of a file under one of the names that are in use, or None."""
    dotted = name.replace("-idx", ".idx")
    candidates = [folder / (base + end) for base in (name, dotted) for end in ("", ".gz")]
    return next((path for path in candidates if path.is_file()), None)


def _split(images: np.ndarray, labels: np.ndarray) -> Split:
    return Split(images[..., None], labels.astype(np.int64))
