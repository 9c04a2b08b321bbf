"""Own images: a folder of files, or one file with an array."""

from __future__ import annotations

import os
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, UnidentifiedImageError

from infogan.config import DataConfig
from infogan.data.arrays import SUFFIXES, read_array
from infogan.data.dataset import Found, Skipped, Split
from infogan.data.form import bring, common_size, fit, is_gray
from infogan.data.registry import source
from infogan.errors import ConfigError, DataError

EXTENSIONS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif")
"""What is taken for an image, in small or capital letters. The contents decide how it is read."""

MOST_PIXELS = 50_000_000
"""Larger images are refused from their header: such a file of a few kB can unpack to many GB."""

MOST_UNREADABLE = 0.01
"""Share of files that may be unreadable before the whole folder is refused."""

_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF")  # and no other of Pillow's many decoders


@source("folder", held_out=0.1)
def folder(config: DataConfig) -> Found:
    """Own images: a folder of image files, or a .npy or .npz file with an array of images.

    A folder is searched with all folders in it, in sorted order; names that begin with a dot are left out.
    Files: png, jpg, jpeg, webp, bmp, tif, tiff, gif. `infogan.data.form` says how each becomes a square.
    `infogan.data.arrays` says which arrays are read.

    Where the configuration names no size, it is the images' own if all are equal squares of 8 to 256 pixels,
    else 64. Where it names no channels, they are gray if every file is gray by its mode, else RGB.

    Unreadable files are skipped, with a reason each.

    Raises:
        ConfigError: there is no path.
        DataError: the path or the images are missing, fewer than 2 images were found, or over 1 % of them are
            unreadable.
    """
    if config.path is None:
        raise ConfigError(
            "data.path is not set: the source 'folder' has no images of its own",
            "a folder of images, or a .npy or .npz file",
            "--data FOLDER",
        )
    path = Path(config.path).expanduser()
    if path.is_dir():
        return read_folder(path, config.size, config.channels)
    if path.is_file() and path.suffix.lower() in SUFFIXES:
        return Found(read_array(path))
    what = "is not there" if not path.exists() else "is neither a folder nor a .npy or .npz file"
    raise DataError(
        f"{config.path} {what}: 0 images",
        f"a folder with {' '.join(EXTENSIONS)} files in it, or a .npy or .npz file",
        "--data FOLDER, with the path of your images",
    )


def read_images(path: Path, size: int, channels: int) -> tuple[UInt8[np.ndarray, "n h w c"], list[str]]:
    """All images at a path in the form that a model reads, and the name of each.

    Args:
        path: an image file, a folder, or a .npy or .npz file.
        size: height and width in pixels.
        channels: 1, 3 or 4.

    Returns:
        images; and their paths as they were found, or their places in the array.

    Raises:
        DataError: nothing is there, a file is no image, or over 1 % of a folder cannot be read.
    """
    path = path.expanduser()
    if path.is_dir():
        found = read_folder(path, size, channels, fewest=1)
        return found.train.images, list(found.names)
    if path.is_file() and path.suffix.lower() in SUFFIXES:
        images = bring(read_array(path).images, size, channels)
        return images, [str(index) for index in range(len(images))]
    skipped: list[Skipped] = []
    if path.is_file():
        with _skipping(path, skipped), _opened(path) as image:
            return fit(image, size, channels)[None], [str(path)]
    raise DataError(
        f"{path} cannot be read: {skipped[0].reason}" if skipped else f"{path} does not exist",
        f"an image ({' '.join(EXTENSIONS)}), a folder of images, or a .npy or .npz file",
        "infogan encode RUN FOLDER",
    )


def read_folder(path: Path, size: int | None, channels: int | None, *, fewest: int = 2) -> Found:
    """The images below a folder, uint8 [N, size, size, channels], in the sorted order of their paths.

    Args:
        path: the folder.
        size: height and width in pixels; None: see `folder`.
        channels: 1, 3 or 4; None: see `folder`.
        fewest: how many images there must be.

    Raises:
        DataError: see `folder`.
    """
    files, skipped = _list_images(path)
    if len(files) < fewest:
        raise _too_few(path, len(files), fewest, skipped)
    total = len(files) + len(skipped)
    kept: list[Path] = []
    sizes: set[tuple[int, int]] = set()
    gray = True
    for file in files:
        with _skipping(file, skipped), _opened(file) as image:
            image.verify()  # the checksums of PNG files, which decoding alone leaves unread
            sizes.add(image.size)
            gray = gray and is_gray(image)
            kept.append(file)
    _check_share(path, total, skipped)
    if size is None:
        size = common_size(sizes)
    if channels is None:
        channels = 1 if gray else 3
    images = np.empty((len(kept), size, size, channels), np.uint8)
    names: list[str] = []
    for file in kept:
        with _skipping(file, skipped), _opened(file) as image:
            images[len(names)] = fit(image, size, channels)
            names.append(str(file))
    _check_share(path, total, skipped)
    if len(names) < fewest:
        raise _too_few(path, len(names), fewest, skipped)
    return Found(Split(images[: len(names)]), skipped=tuple(skipped), names=tuple(names))


def _list_images(path: Path) -> tuple[list[Path], list[Skipped]]:
    """All image files below a folder in sorted order, and what could not be looked at."""
    files: list[Path] = []
    skipped: list[Skipped] = []

    def refuse(error: OSError) -> None:
        skipped.append(Skipped(str(error.filename), str(error.strerror)))

    seen: set[tuple[int, int]] = set()
    for parent, folders, names in os.walk(path, onerror=refuse, followlinks=True):
        # Links may point back up: a folder is entered once, under the first of its names.
        try:
            found = os.stat(parent)
        except OSError as error:  # removed since it was listed
            refuse(error)
            continue
        if (found.st_dev, found.st_ino) in seen:
            folders.clear()
            continue
        seen.add((found.st_dev, found.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in names:
            # macOS leaves a "._name.jpg", which is no image, beside every name.jpg of a foreign disk.
            if name.lower().endswith(EXTENSIONS) and not name.startswith("."):
                files.append(Path(parent, name))
    return sorted(files, key=lambda file: file.relative_to(path).parts), skipped


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """An image whose header has been read and found sane; its pixels are decoded on use."""
    if not stat.S_ISREG(path.stat().st_mode):  # opening a named pipe would wait for ever
        raise OSError("not a regular file")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd metadata; the size is checked below
        with Image.open(path, formats=_FORMATS) as image:
            if image.width * image.height > MOST_PIXELS:
                raise ValueError(f"{image.width} x {image.height} is over {MOST_PIXELS} pixels")
            yield image


@contextmanager
def _skipping(path: Path, skipped: list[Skipped]) -> Iterator[None]:
    """Notes a file that cannot be read, with the reason, and goes on."""
    try:
        yield
    # Decoders of damaged files raise almost anything (struct.error, IndexError, SyntaxError, ...), and
    # Pillow's DecompressionBombError is no OSError.
    except Exception as error:
        skipped.append(Skipped(str(path), _reason(error)))


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):  # whose own text repeats the path
        return f"no image of the formats {', '.join(_FORMATS)}"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _too_few(path: Path, count: int, fewest: int, skipped: list[Skipped]) -> DataError:
    return DataError(
        f"{path} and the folders in it have {count} image{'' if count == 1 else 's'}" + _first(skipped),
        f"at least {fewest} of {' '.join(EXTENSIONS)} files",
        "--data FOLDER, with the path of your images",
    )


def _check_share(path: Path, total: int, skipped: list[Skipped]) -> None:
    if len(skipped) > MOST_UNREADABLE * total:
        raise DataError(
            f"{path}: {len(skipped)} of {total} files cannot be read" + _first(skipped),
            f"at most {MOST_UNREADABLE:.0%} unreadable files",
            "remove these files, or copy them anew from where they came",
        )


def _first(skipped: list[Skipped]) -> str:
    """The first 5 files and reasons as lines; repr keeps odd names on one line and printable."""
    lines = [f"\n    {file.path!r}: {file.reason}" for file in skipped[:5]]
    return "".join(lines) + (f"\n    and {len(skipped) - 5} more" if len(skipped) > 5 else "")
