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
from infogan.data.preprocessing import bring_one
from infogan.data.source import About, source
from infogan.errors import DataError

NAME = "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz"
SIZE = 64

FACTORS: Mapping[str, tuple[int, float | None]] = {
    "shape": (1, None),
    "scale": (2, None),
    "orientation": (3, 2 * math.pi),
    "x": (4, None),
    "y": (5, None),
}
"""Each factor's column of `latents_values`, and its period. Column 0 is the colour: always white."""

_IMAGES, _VALUES, _CLASSES = "imgs", "latents_values", "latents_classes"
_COLUMNS = 6
_EXPECTED = (
    f"{_IMAGES}, uint8 [N, {SIZE}, {SIZE}] of 0 and 1, {_VALUES}, float64 [N, {_COLUMNS}], "
    f"and {_CLASSES}, int64 [N, {_COLUMNS}]"
)
_BY_HAND = (
    f"download {NAME} by hand from https://github.com/google-deepmind/dsprites-dataset "
    "and name it, or the folder that it is in: --data FILE"
)


@source(
    "dsprites",
    about=About(
        images="737,280, of which a tenth is held out; or as many as the file holds",
        form="64x64, black and white",
        licence="Apache-2.0",
        origin=f"Matthey et al. 2017; {NAME}, downloaded by hand",
    ),
    place=lambda: cache_folder() / "dsprites",
)
def dsprites(config: DataConfig) -> Found:
    """dSprites: 737,280 white shapes on black, 64x64, of 5 known factors.

    `config.path` names dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz, another .npz file of the same form
    with any number of images, or a folder with the file of that name. Without it the file is looked for in
    the cache, under dsprites. The images, 0 and 1, become 0 and 255. They are never all in memory; the file's
    pickled `metadata` is never read.

    Factors: shape (1 square, 2 ellipse, 3 heart), scale (0.5 to 1), orientation (radians, a period of 2 pi;
    the file has the same angle as 0 and as 2 pi), x and y (0 to 1). Matthey, Higgins, Hassabis and Lerchner
    2017, Apache-2.0.

    Raises:
        DataError: the file is missing, damaged or of another form.
    """
    path = _locate(cache_folder() / "dsprites" if config.path is None else Path(config.path).expanduser())
    with _reading(path), zipfile.ZipFile(path) as archive:
        headers = read_headers(archive, path)
        _check(headers, path)
        count = headers[_IMAGES].shape[0]
        truth = Truth(factors=_factors(read_member(archive, _VALUES), path))
    size, channels = config.size or SIZE, config.channels or 1

    def make() -> Iterator[UInt8[np.ndarray, "size size channels"]]:
        return (bring_one(image, size, channels, config.crop) for image in read_images(path, count))

    return Found(Stream(count, (size, size, channels), make, truth))


def read_images(path: Path, count: int) -> Iterator[UInt8[np.ndarray, "64 64 1"]]:
    """The images of the file one after the other, 0 and 255.

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


def _locate(path: Path) -> Path:
    if path.is_dir():
        path = path / NAME
    if not path.is_file():
        raise DataError(f"{path} is not there", f"{NAME}, or a folder with it", _BY_HAND)
    return path


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Tells of a damaged file as users read it."""
    try:
        yield
    except UNREADABLE as error:
        reason = str(error) or type(error).__name__
        raise DataError(
            f"cannot read {path}: {reason}", f"a whole .npz file with {_EXPECTED}", _BY_HAND
        ) from None


def _check(headers: Mapping[str, Header], path: Path) -> None:
    """Looks at what the arrays say of themselves, before any of them is unpacked."""
    count = next(iter(headers[_IMAGES].shape), 0) if _IMAGES in headers else 0
    wanted = {
        _IMAGES: ("uint8", (count, SIZE, SIZE)),
        _VALUES: ("float64", (count, _COLUMNS)),
        _CLASSES: ("int64", (count, _COLUMNS)),
    }
    for name, (kind, shape) in wanted.items():
        header = headers.get(name)
        if header is None:
            found = f"has no array {name!r}, only {', '.join(headers) or 'nothing'}"
        elif header.dtype != kind or header.shape != shape or not 0 < header.nbytes <= MOST_BYTES:
            found = f"has {name!r} as {header}"
        elif name == _IMAGES and header.fortran_order:
            found = f"has {name!r} in Fortran's order, in which no image lies in one piece"
        else:
            continue
        raise DataError(f"{path} {found}", _EXPECTED, _BY_HAND)


def _factors(values: Float64[np.ndarray, "n 6"], path: Path) -> dict[str, Factor]:
    wrong = np.flatnonzero(~np.isfinite(values).all(1))
    if len(wrong):
        raise DataError(
            f"{path}: {_VALUES!r} is not finite in row {wrong[0]}", "a number in each cell", _BY_HAND
        )
    return {
        name: Factor(np.ascontiguousarray(values[:, column]), period)
        for name, (column, period) in FACTORS.items()
    }
