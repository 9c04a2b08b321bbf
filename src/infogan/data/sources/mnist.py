"""MNIST from its four original files: in a folder, in the cache, or from a mirror."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from infogan.config import DataConfig
from infogan.data.dataset import Found, Split
from infogan.data.download import Mirrors, RemoteFile, cache_folder, fetch
from infogan.data.idx import parse_idx, read_idx
from infogan.data.source import About, source
from infogan.errors import DataError

MIRRORS = Mirrors(
    (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    )
)
FILES = (
    RemoteFile(
        "train-images-idx3-ubyte.gz",
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        47_040_016,
    ),
    RemoteFile(
        "train-labels-idx1-ubyte.gz",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        60_008,
    ),
    RemoteFile(
        "t10k-images-idx3-ubyte.gz",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        7_840_016,
    ),
    RemoteFile(
        "t10k-labels-idx1-ubyte.gz",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        10_008,
    ),
)
"""Training images and labels, then test images and labels."""

_BY_HAND = (
    f"download {', '.join(file.name for file in FILES)} by hand into one folder, for example from "
    f"{MIRRORS.urls[-1]}, and name it: infogan train mnist --data FOLDER; or train without any download: "
    "infogan train digits"
)

_WITHOUT_PATH = "no --data to download MNIST"


@source(
    "mnist",
    about=About(
        images="60,000 + 10,000",
        form="28x28 gray, 0..255",
        licence="CC BY-SA 3.0",
        origin="LeCun, Cortes and Burges; four IDX files, downloaded once",
        sha256=f"{FILES[0].sha256} (training images, unpacked)",
    ),
    held_out=None,
    place=lambda: cache_folder() / "mnist",
    handwriting=True,
)
def mnist(config: DataConfig) -> Found:
    """MNIST: 60,000 training and 10,000 test digits, 28x28 gray, downloaded once.

    `config.path` names a folder with the four IDX files of MNIST or of other handwriting (KMNIST), gzipped or
    not, under the original names or with a dot (train-images.idx3-ubyte). Without it they are read from the
    cache, and downloaded where they are not there. LeCun, Cortes and Burges, CC BY-SA 3.0.

    Raises:
        DataError: files are missing, damaged or do not belong together, or no mirror gave them.
        StorageError: the cache cannot be written.
    """
    if config.path is not None:
        return read_files(Path(config.path).expanduser(), "MNIST", _WITHOUT_PATH)
    return read_cached(cache_folder() / "mnist", FILES, MIRRORS)


def read_files(folder: Path, called: str, otherwise: str) -> Found:
    """Images, uint8 [N, H, W, 1], and labels, int64 [N] of 0..255, from four IDX files in a folder.

    Args:
        folder: with the files, under MNIST's names.
        called: what people call the set.
        otherwise: what else they could type, for errors.

    Raises:
        DataError: the folder or a file is missing, or a file is damaged.
    """
    paths = [_locate(folder, file.unpacked_name) for file in FILES]
    missing = [file.unpacked_name for file, path in zip(FILES, paths, strict=True) if path is None]
    if missing:
        what = f"lacks {', '.join(missing)}" if folder.is_dir() else "is not a folder"
        raise DataError(
            f"{folder} {what}",
            f"the four files of {called}, with or without .gz",
            f"--data FOLDER with those files, or {otherwise}",
        )
    train_images, train_labels, test_images, test_labels = (path for path in paths if path is not None)
    return Found(
        _read_pair(train_images, train_labels, otherwise), _read_pair(test_images, test_labels, otherwise)
    )


def read_cached(folder: Path, files: tuple[RemoteFile, ...], mirrors: Mirrors) -> Found:
    """The same from a cache folder that `fetch` fills; `files` in the order of `FILES`."""
    arrays = [
        parse_idx(io.BytesIO(fetch(file, mirrors, folder, _BY_HAND)), dimensions, file.name)
        for file, dimensions in zip(files, (3, 1, 3, 1), strict=True)
    ]
    return Found(_split(*arrays[:2]), _split(*arrays[2:]))


def _locate(folder: Path, name: str) -> Path | None:
    """The file of that name, or of one of the names under which it is also passed on."""
    dotted = name.replace("-idx", ".idx")
    candidates = [folder / (base + end) for base in (name, dotted) for end in ("", ".gz")]
    return next((path for path in candidates if path.is_file()), None)


def _read_pair(images_path: Path, labels_path: Path, otherwise: str) -> Split:
    images, labels = read_idx(images_path, 3), read_idx(labels_path, 1)
    if len(images) != len(labels):
        raise DataError(
            f"{images_path} holds {len(images)} images, {labels_path} holds {len(labels)} labels",
            "one label for each image",
            f"another copy of both files, or {otherwise}",
        )
    return _split(images, labels)


def _split(images: np.ndarray, labels: np.ndarray) -> Split:
    return Split(images[..., None], labels.astype(np.int64))
