"""dSprites from its .npz file, whose images are read one after the other out of the compressed array."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from jaxtyping import Float64, UInt8

from infogan.config import DataConfig
from infogan.data.arrays import MOST_BYTES, UNREADABLE, Header, read_header, read_headers, read_member
from infogan.data.dataset import Factor, Found, Stream, Truth
from infogan.data.download import cache_folder
from infogan.data.preprocessing import preprocess_one
from infogan.data.source import About, path_of, source
from infogan.errors import DataError

NAME = "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz"
SIZE = 64

FACTORS = ("shape", "scale", "orientation", "x", "y")
"""Names of the columns 1 to 5 of `latents_values`. Column 0 is the colour, which is always white."""

_PERIODS = {"orientation": 2 * math.pi}
_IMAGES, _VALUES, _CLASSES = "imgs", "latents_values", "latents_classes"
_COLUMNS = 6
_EXPECTED = (
    f"{_IMAGES}, uint8 [N, {SIZE}, {SIZE}] of 0 and 1, {_VALUES}, float64 [N, {_COLUMNS}], "
    f"and {_CLASSES}, int64 [N, {_COLUMNS}]"
)
_BY_HAND = (
    f"download {NAME} by hand from https://github.com/google-deepmind/dsprites-dataset "
    "and set data.path to it, or to its folder"
)


@source(
    "dsprites",
    about=About(
        images="737,280, of which a tenth is held out; or as many as the file holds",
        form="64x64, black and white",
        licence="Apache-2.0",
        origin=f"Matthey et al. 2017; {NAME}, downloaded by hand",
    ),
    default_path=lambda: cache_folder() / "dsprites",
)
def dsprites(config: DataConfig) -> Found:
    """dSprites: 737,280 white shapes on black, 64x64, of 5 known factors.

    `config.path` names dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz, another .npz file of the same form
    with any number of images, or a folder with the file of that name. Without it the file is read from the
    folder dsprites of the cache. The images, 0 and 1, become 0 and 255. They are never all in memory; the
    file's pickled `metadata` is never read.

    Factors: shape (1 square, 2 ellipse, 3 heart), scale (0.5 to 1), orientation (radians, a period of 2 pi;
    the file has the same angle as 0 and as 2 pi), x and y (0 to 1).

    Raises:
        DataError: the file is missing, damaged or of another form.
    """
    path = path_of(config)
    path = path / NAME if path.is_dir() else path
    if not path.is_file():
        raise DataError(f"{path} is not there", f"{NAME}, or a folder with it", _BY_HAND)
    with _reading(path), zipfile.ZipFile(path) as archive:
        headers = read_headers(archive, path)
        _check(headers, path)
        count = headers[_IMAGES].shape[0]
        truth = Truth(factors=_factors(read_member(archive, _VALUES), path))
    size, channels = config.size or SIZE, config.channels or 1

    def images() -> Iterator[UInt8[np.ndarray, "size size channels"]]:
        return (preprocess_one(image, size, channels, config.crop) for image in read_images(path, count))

    return Found(Stream(count, (size, size, channels), images, truth))


def read_images(path: Path, count: int) -> Iterator[UInt8[np.ndarray, "64 64 1"]]:
    """Yield the images of the file one after the other, with values 0 and 255.

    Raises:
        DataError: the file is damaged, or has other values than 0 and 1.
    """
    with _reading(path), zipfile.ZipFile(path) as archive, archive.open(f"{_IMAGES}.npy") as stream:
        read_header(stream, archive.getinfo(f"{_IMAGES}.npy").file_size)
        for row in range(count):
            content = stream.read(SIZE * SIZE)
            if len(content) < SIZE * SIZE:
                raise EOFError(f"it ends in image {row} of {count}")
            image = np.frombuffer(content, np.uint8).reshape(SIZE, SIZE, 1)
            if image.max() > 1:
                raise DataError(f"{path}: image {row} has the value {image.max()}", "0 and 1 alone", _BY_HAND)
            yield image * np.uint8(255)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn the exceptions of damaged files into a DataError."""
    try:
        yield
    except UNREADABLE as error:
        reason = str(error) or type(error).__name__
        raise DataError(f"cannot read {path}: {reason}", f"an .npz file with {_EXPECTED}", _BY_HAND) from None


def _check(headers: Mapping[str, Header], path: Path) -> None:
    """Check the types and shapes that the file announces, before anything is decompressed."""
    count = next(iter(headers[_IMAGES].shape), 0) if _IMAGES in headers else 0
    expected = {
        _IMAGES: ("uint8", (count, SIZE, SIZE)),
        _VALUES: ("float64", (count, _COLUMNS)),
        _CLASSES: ("int64", (count, _COLUMNS)),
    }
    for name, (dtype, shape) in expected.items():
        header = headers.get(name)
        if header is None:
            problem = f"has no array {name!r}, only {', '.join(headers) or 'nothing'}"
        elif header.dtype != dtype or header.shape != shape or not 0 < header.nbytes <= MOST_BYTES:
            problem = f"has {name!r} as {header}"
        elif name == _IMAGES and header.fortran_order:
            problem = f"has {name!r} in Fortran order, in which the pixels of an image are not contiguous"
        else:
            continue
        raise DataError(f"{path} {problem}", _EXPECTED, _BY_HAND)


def _factors(values: Float64[np.ndarray, "n 6"], path: Path) -> dict[str, Factor]:
    wrong = np.flatnonzero(~np.isfinite(values).all(1))
    if len(wrong):
        raise DataError(f"{path}: {_VALUES!r} is not finite in row {wrong[0]}", "finite numbers", _BY_HAND)
    return {
        name: Factor(np.ascontiguousarray(values[:, column]), _PERIODS.get(name))
        for column, name in enumerate(FACTORS, start=1)
    }
