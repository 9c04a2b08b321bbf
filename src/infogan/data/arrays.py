"""Images from one array in a .npy or .npz file. Pickled objects are never read."""

from __future__ import annotations

import lzma
import math
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from jaxtyping import Float64, UInt8
from numpy.lib import format as npy

from infogan.data.dataset import Factor, Split, Truth
from infogan.errors import DataError

SUFFIXES = (".npy", ".npz")
IMAGE_NAMES = ("images", "imgs", "x", "X", "x_train")
"""Names of the array of images in a .npz file, in order of preference."""

LABEL_NAMES = ("labels", "y", "y_train")

MOST_BYTES = 1 << 34
"""Limit for one array, uncompressed. A zip file can announce, and contain, far more than its own length."""

_MOST_ARRAYS = 1_000
_CHUNK = 1_024
_FORM = "uint8, or floats from 0 to 1, [N, H, W] or [N, H, W, C] with 1, 3 or 4 channels"
_ADVICE = "numpy.save('images.npy', images), then data.path = images.npy"
UNREADABLE = (
    OSError,
    EOFError,
    ValueError,
    LookupError,  # zipfile's, for a member without a name; and a KeyError
    OverflowError,
    MemoryError,
    RuntimeError,  # an encrypted member, or a compression that this Python lacks
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
)
"""Exceptions raised for damaged arrays and archives."""


@dataclass(frozen=True)
class Header:
    """Shape and type of an array, read without its values."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran_order: bool = False

    @property
    def nbytes(self) -> int:
        """Number of bytes of the values."""
        return math.prod(self.shape) * self.dtype.itemsize

    def holds_images(self) -> bool:
        """Return True if type and shape are those of a set of images."""
        numeric = self.dtype == np.uint8 or self.dtype.kind == "f"
        # [H, W, 3] is one RGB picture, not H gray pictures that are 3 pixels wide.
        gray = len(self.shape) == 3 and self.shape[2] > 4
        return numeric and (gray or (len(self.shape) == 4 and self.shape[3] in (1, 3, 4)))

    def __str__(self) -> str:
        objects = " (pickled objects, which are never read)" if self.dtype.hasobject else ""
        return f"{self.dtype} {list(self.shape)}{objects}"


def read_array(path: Path) -> Split:
    """Read images, uint8 [N, H, W, C], and their ground truth from a .npy or .npz file.

    In a .npz file the images are the array named images, imgs, x, X or x_train, or else the only array that
    can be images. Labels are integers under labels, y or y_train, one for each image. Of the other arrays of
    shape [N], those of numbers are factors and those of booleans attributes, by their names; all other arrays
    are ignored. Floats from 0 to 1 are scaled to 0..255.

    Raises:
        DataError: the file is unreadable, has no such array or several, or values out of range.
    """
    truth = Truth()
    where = str(path)
    try:
        if path.suffix.lower() == ".npz":
            with zipfile.ZipFile(path) as archive:
                headers = read_headers(archive, path)
                name = _choose(headers, path)
                where = f"{path}, array {name!r}"
                _check_header(headers[name], where)
                images = read_member(archive, name)
                truth = _read_truth(archive, headers, name, len(images), path)
        else:
            with path.open("rb") as file:
                _check_header(read_header(file, path.stat().st_size), where)
            images = np.load(path, mmap_mode="r", allow_pickle=False)
    except UNREADABLE as error:
        reason = str(error) or type(error).__name__
        raise DataError(f"cannot read {path}: {reason}", f"an array of images: {_FORM}", _ADVICE) from None
    images = _to_uint8(images, where)
    return Split(images[..., None] if images.ndim == 3 else images, truth=truth)


def read_headers(archive: zipfile.ZipFile, path: Path) -> dict[str, Header]:
    """Read the header of each array of a .npz file, by its name.

    Raises:
        DataError: there are over 1,000. Damaged files raise one of `UNREADABLE`.
    """
    members = [info for info in archive.infolist() if info.filename.endswith(".npy")]
    if len(members) > _MOST_ARRAYS:
        raise DataError(f"{path} holds {len(members)} arrays", f"at most {_MOST_ARRAYS}", _ADVICE)
    headers = {}
    for info in members:
        with archive.open(info) as stream:
            headers[info.filename.removesuffix(".npy")] = read_header(stream, info.file_size)
    return headers


def read_header(stream: IO[bytes], size: int) -> Header:
    """Read the header of an array that fills a file, or member of a zip file, of `size` bytes."""
    version = npy.read_magic(stream)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"an array of the .npy format {version}")
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    try:
        shape, fortran_order, dtype = read(stream)
    except (SyntaxError, TypeError, tokenize.TokenError) as error:  # of the Python text that a header is
        raise ValueError(f"its header is damaged: {error}") from None
    header = Header(shape, dtype, fortran_order)
    # A pickle may have any length.
    if not dtype.hasobject and stream.tell() + header.nbytes != size:
        raise ValueError(f"the header promises {header}, in a file of {size} bytes")
    return header


def read_member(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """Read an array of a .npz file. Damaged files raise one of `UNREADABLE`."""
    with archive.open(f"{name}.npy") as stream:
        array: np.ndarray = npy.read_array(stream, allow_pickle=False)
    return array


def _choose(headers: Mapping[str, Header], path: Path) -> str:
    """Return the name of the array that holds the images."""
    possible = [name for name, header in headers.items() if header.holds_images()]
    for name in IMAGE_NAMES:
        if name in headers:
            return name
    if len(possible) == 1:
        return possible[0]
    listed = ", ".join(f"{name}: {header}" for name, header in list(headers.items())[:10]) or "none"
    raise DataError(
        f"{path}: {len(possible)} of its arrays can be images ({listed})",
        f"exactly one, or one named {', '.join(IMAGE_NAMES)}: {_FORM}",
        _ADVICE,
    )


def _check_header(header: Header, where: str) -> None:
    if not header.holds_images() or header.nbytes > MOST_BYTES:
        channels_first = len(header.shape) == 4 and header.shape[1] in (1, 3, 4)
        advice = "images.transpose(0, 2, 3, 1), which puts the channels last" if channels_first else _ADVICE
        raise DataError(f"{where} is {header}", f"{_FORM}, of at most {MOST_BYTES} bytes", advice)


def _read_truth(
    archive: zipfile.ZipFile, headers: Mapping[str, Header], images: str, count: int, path: Path
) -> Truth:
    """Read the arrays that have one value for each of the `count` images."""
    kinds = {
        name: header.dtype.kind
        for name, header in headers.items()
        if header.shape == (count,) and name != images
    }
    labels = next((name for name in LABEL_NAMES if kinds.get(name, "") in ("i", "u")), None)

    def names(letters: str) -> list[str]:
        return [name for name, kind in kinds.items() if kind in letters and name != labels]

    return Truth(
        None if labels is None else read_member(archive, labels).astype(np.int64),
        factors={
            name: Factor(_finite(read_member(archive, name).astype(np.float64), name, path))
            for name in names("iuf")
        },
        attributes={name: read_member(archive, name) for name in names("b")},
    )


def _finite(values: Float64[np.ndarray, " n"], name: str, path: Path) -> Float64[np.ndarray, " n"]:
    wrong = np.flatnonzero(~np.isfinite(values))
    if len(wrong):
        raise DataError(
            f"{path}, array {name!r}: {len(wrong)} of {len(values)} values are not finite, that of image "
            f"{wrong[0]} the first",
            "a finite number for each image, since an array of shape [N] next to the images is a factor",
            f"numpy.savez without {name!r}: training needs no factor",
        )
    return values


def _to_uint8(images: np.ndarray, where: str) -> UInt8[np.ndarray, " n *hwc"]:
    if images.size == 0:
        raise DataError(f"{where} is {list(images.shape)}: 0 images", "at least 2 images", _ADVICE)
    low, high = images.min(), images.max()
    if images.dtype == np.uint8:
        if high == 1:  # on a scale of 0..255 both values would be black
            raise DataError(
                f"{where} has no values but 0 and 1", "0 to 255", "numpy.save(PATH, images * 255)"
            )
        return images
    if not (low >= 0 and high <= 1):  # written so that NaN is refused as well
        raise DataError(
            f"{where} is {images.dtype} with values from {low} to {high}",
            "floats from 0 to 1, without NaN",
            "numpy.save(PATH, (images - low) / (high - low))",
        )
    result = np.empty(images.shape, np.uint8)
    for start in range(0, len(images), _CHUNK):  # in chunks: float64 is 8 times as large
        chunk = images[start : start + _CHUNK].astype(np.float64)
        result[start : start + _CHUNK] = np.rint(chunk * 255)
    return result
