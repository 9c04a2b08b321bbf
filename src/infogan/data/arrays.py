"""Images from one array in a .npy or .npz file. Pickled objects are never read."""

from __future__ import annotations

import logging
import lzma
import math
import os
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from jaxtyping import Float64, Int64, UInt8
from numpy.lib import format as npy
from PIL import Image

from infogan.config.value_range import ValueRange
from infogan.data.dataset import Factor, Split, Truth
from infogan.data.preprocessing import NO_WHITE, SCALED, Conversion, scale
from infogan.errors import DataError

log = logging.getLogger(__name__)

SUFFIXES = (".npy", ".npz")
IMAGE_NAMES = ("images", "imgs", "x", "X", "x_train")
"""Names of the array of images in a .npz file, in order of preference."""

CHANNELS = (1, 3, 4)
"""Possible numbers of channels."""

LABEL_NAMES = ("labels", "y", "y_train")

MOST_BYTES = 1 << 34
"""Limit for one array, uncompressed. A zip file can announce, and contain, far more than its own length."""

MOST_RATIO = 200
"""Limit for the compression ratio of large members of archives. A zip bomb has about 1,000."""

_SMALL = 256 << 20  # bytes of an array of any ratio
_MOST_ARRAYS = 1_000
_CHUNK = 1_024
_MOST_SAMPLED = 20_000_000  # values by which percentiles are measured
_FORM = "numbers, [N, H, W] or [N, H, W, C] with 1, 3 or 4 channels"
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
        return numeric and self.has_shape_of_images()

    def can_be_scaled(self) -> bool:
        """Return True if the array holds images of any numbers, which may need a range."""
        return self.dtype.kind in "buif" and self.has_shape_of_images()

    def has_shape_of_images(self) -> bool:
        """Return True if the shape is that of a set of images."""
        # [H, W, 3] is one RGB picture, not H gray pictures that are 3 pixels wide.
        gray = len(self.shape) == 3 and self.shape[2] > 4
        return gray or (len(self.shape) == 4 and self.shape[3] in CHANNELS)

    def __str__(self) -> str:
        objects = " (pickled objects, which are never read)" if self.dtype.hasobject else ""
        return f"{self.dtype} {list(self.shape)}{objects}"


def read_array(path: Path, chosen: ValueRange | None = None) -> Split:
    """Read images, uint8 [N, H, W, C], and their ground truth from a .npy or .npz file.

    In a .npz file the images are the array named images, imgs, x, X or x_train, or else the only array that
    can be images. Labels are whole numbers, texts or one-hot rows under labels, y or y_train, one for each
    image. Of the other arrays of
    shape [N], those of numbers are factors and those of booleans attributes, by their names; all other arrays
    are ignored. Floats from 0 to 1 and integers of 16 bits without sign are scaled to 0..255; other values
    need a range.

    Args:
        path: of the file.
        chosen: the values that become 0 and 255, or their percentiles; None: those of the array's type.

    Raises:
        DataError: the file is unreadable, has no such array or several, or values out of range.
    """
    images, truth, where = _read_raw(path)
    if chosen is not None and chosen.percentiles:
        chosen = array_range(path, chosen)
    images = _to_uint8(images, where, chosen)
    return Split(images[..., None] if images.ndim == 3 else images, truth=truth)


def array_range(path: Path, chosen: ValueRange) -> ValueRange:
    """Return the values at two percentiles of all values of the images in a .npy or .npz file."""
    images, _, _ = _read_raw(path)
    step = max(1, images.size // _MOST_SAMPLED)
    low, high = np.nanpercentile(images.reshape(-1)[::step], [chosen.low, chosen.high])
    return ValueRange.spanning(float(low), float(high))


def _read_raw(path: Path) -> tuple[np.ndarray, Truth, str]:
    """Return the images as they are stored, their ground truth, and where they are, for messages."""
    truth = Truth()
    where = str(path)
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                headers = read_headers(archive, path)
                name = _choose(headers, path)
                others = [one for one in headers if one != name and headers[one].holds_images()]
                if others:
                    log.warning("%s: the images are %s; not read: %s", path, name, ", ".join(others))
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
    return images, truth, where


def pictures_in(header: Header) -> int:
    """Return the number of pictures in an array that lies in a folder; 0 if it holds none.

    [H, W], [H, W, C] and [C, H, W] are one picture, with 1, 3 or 4 channels; [N, H, W] and [N, H, W, C] are
    N pictures.
    """
    shape = header.shape
    if header.dtype.kind not in "buif" or 0 in shape or header.nbytes > MOST_BYTES:
        return 0
    if len(shape) == 2:
        return int(min(shape) > 1)
    if len(shape) == 3:
        return 1 if shape[2] in CHANNELS or shape[0] in CHANNELS else shape[0]
    return shape[0] if len(shape) == 4 and shape[3] in CHANNELS else 0


def picture_from_npy(file: IO[bytes], index: int, rules: Conversion | None) -> Image.Image:
    """Return one picture of a .npy file in a folder, by `pictures_in`.

    Values of several channels that are not of 8 bits are scaled by the rules; all others are scaled later.
    Without rules, only the size and the mode of the picture can be used, and `info[SCALED]`.

    Raises:
        ValueError: the array holds no picture of that index, or values out of range.
    """
    header = read_header(file, file.seek(0, 2), start=0)
    if not pictures_in(header):
        raise ValueError(f"an array of {header}, which is not an image")
    array = _load(file, header)
    if pictures_in(header) > 1:
        array = array[index]
    elif array.ndim == 3 and array.shape[2] not in CHANNELS:
        array = array.transpose(1, 2, 0)
    array = array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array
    return _as_picture(np.ascontiguousarray(array), rules)


def _load(file: IO[bytes], header: Header) -> np.ndarray:
    """Return the array of an open .npy file, as a memory map where possible."""
    name = getattr(file, "name", None)
    if isinstance(name, str | os.PathLike):
        mapped: np.ndarray = np.load(name, mmap_mode="r", allow_pickle=False)
        return mapped
    file.seek(0)
    array: np.ndarray = npy.read_array(file, allow_pickle=False)
    return array


def _as_picture(array: np.ndarray, rules: Conversion | None) -> Image.Image:
    if array.dtype == np.bool_:
        array = array.astype(np.uint8) * np.uint8(255)
    if array.dtype == np.uint8:
        return Image.fromarray(array)
    if array.ndim == 3:
        check_white(array, rules)
        own = rules or Conversion(low=float(array.min()), high=float(array.max()) + 1)
        picture = Image.fromarray(scale(array, white_of(array.dtype), own))
        picture.info[SCALED] = array
        return picture
    if array.dtype == np.uint16:
        return Image.fromarray(array)
    if array.dtype.kind == "f":
        return Image.fromarray(array.astype(np.float32))
    picture = Image.fromarray(array.astype(np.int32))
    picture.info[NO_WHITE] = True
    return picture


def check_white(values: np.ndarray, rules: Conversion | None) -> None:
    """Check that a type has a value of white, or a range is set.

    Raises:
        ValueError: they are integers of another type than 8 or 16 bits without sign.
    """
    without = values.dtype.kind in "iu" and values.dtype not in (np.uint8, np.uint16)
    if without and rules is not None and rules.low is None:
        raise ValueError(f"{values.dtype} with values from {values.min()} to {values.max()}: set data.range")


def white_of(dtype: np.dtype[Any]) -> float:
    """Return the value of white of a type, where no range is set: 1 for floats."""
    return 1.0 if dtype.kind == "f" else 255.0 if dtype.itemsize == 1 else 65_535.0


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


def read_header(stream: IO[bytes], size: int, start: int | None = None) -> Header:
    """Read the header of an array that fills a file, or member of a zip file, of `size` bytes.

    Args:
        stream: the file or member.
        size: its bytes.
        start: where to begin to read; None: where the stream is.
    """
    if start is not None:
        stream.seek(start)
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
    """Read an array of a .npz file. Damaged files and bombs raise one of `UNREADABLE`."""
    info = archive.getinfo(f"{name}.npy")
    if info.file_size > max(_SMALL, MOST_RATIO * info.compress_size):
        packed = f"{info.file_size:,} bytes, packed into {info.compress_size:,}"
        raise ValueError(f"{name} has {packed}: over {MOST_RATIO} times as many, as in a decompression bomb")
    with archive.open(f"{name}.npy") as stream:
        array: np.ndarray = npy.read_array(stream, allow_pickle=False)
    return array


def _choose(headers: Mapping[str, Header], path: Path) -> str:
    """Return the name of the array that holds the images."""
    possible = [name for name, header in headers.items() if header.holds_images()]
    possible = possible or [name for name, header in headers.items() if header.can_be_scaled()]
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
    if not header.can_be_scaled() or header.nbytes > MOST_BYTES:
        channels_first = len(header.shape) == 4 and header.shape[1] in (1, 3, 4)
        advice = "images.transpose(0, 2, 3, 1), which puts the channels last" if channels_first else _ADVICE
        raise DataError(f"{where} is {header}", f"{_FORM}, of at most {MOST_BYTES} bytes", advice)


def _read_truth(
    archive: zipfile.ZipFile, headers: Mapping[str, Header], images: str, count: int, path: Path
) -> Truth:
    """Read the arrays that have one value for each of the `count` images."""
    found = next((name for name in LABEL_NAMES if name in headers and name != images), None)
    labels: Int64[np.ndarray, " n"] | None = None
    classes: tuple[str, ...] = ()
    if found is not None and headers[found].dtype.kind != "O":
        labels, classes = _labels(archive, headers[found], f"{path}, array {found!r}", count)
    kinds = {
        name: header.dtype.kind
        for name, header in headers.items()
        if header.shape == (count,)
        and name != images
        and (name != found or _is_fractional(archive, found, headers))
    }

    def names(letters: str) -> list[str]:
        return [name for name, kind in kinds.items() if kind in letters]

    return Truth(
        labels,
        classes,
        factors={
            name: Factor(_finite(read_member(archive, name).astype(np.float64), name, path))
            for name in names("iuf")
        },
        attributes={name: read_member(archive, name) for name in names("b")},
    )


def _is_fractional(archive: zipfile.ZipFile, name: str, headers: Mapping[str, Header]) -> bool:
    """Return True for floats that are not whole numbers: they are a factor, not labels."""
    if headers[name].dtype.kind != "f":
        return False
    values = read_member(archive, name)
    return not bool((values == np.floor(values)).all())


def _labels(
    archive: zipfile.ZipFile, header: Header, where: str, count: int
) -> tuple[Int64[np.ndarray, " n"] | None, tuple[str, ...]]:
    """Return labels and names of classes: of whole numbers [N] or [N, 1], texts, or one-hot rows [N, K]."""
    shape, kind = header.shape, header.dtype.kind
    rows = len(shape) in (1, 2) and shape[0] == count
    if not rows or kind not in "iufUS":
        log.warning("%s is %s: it is not used as labels of %d images", where, header, count)
        return None, ()
    values = read_member(archive, where.rpartition("array ")[2].strip("'"))
    if values.ndim == 2 and values.shape[1] > 1:
        if kind in "US" or not ((values == 1).sum(1) == 1).all() or not np.isin(values, (0, 1)).all():
            log.warning("%s is %s and not one-hot: it is not used as labels", where, header)
            return None, ()
        values = values.argmax(1)
    values = values.reshape(-1)
    if kind in "US":
        names, numbers = np.unique(values.astype(str), return_inverse=True)
        return numbers.astype(np.int64).reshape(-1), tuple(names.tolist())
    if kind == "f" and not (values == np.floor(values)).all():
        return None, ()  # a factor
    if values.min() < 0:
        log.warning("%s is not used as labels: %d values are negative", where, int((values < 0).sum()))
        return None, ()
    return values.astype(np.int64), ()


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


def _to_uint8(images: np.ndarray, where: str, chosen: ValueRange | None) -> UInt8[np.ndarray, " n *hwc"]:
    if images.size == 0:
        raise DataError(f"{where} is {list(images.shape)}: 0 images", "at least 2 images", _ADVICE)
    if images.dtype == np.uint8 and chosen is None:
        return images
    if images.dtype == np.bool_:
        images, chosen = images.view(np.uint8), ValueRange(0, 1)
    white = white_of(images.dtype)
    rules = Conversion() if chosen is None else Conversion(low=chosen.low, high=chosen.high)
    result = np.empty(images.shape, np.uint8)
    try:
        check_white(images, rules)
        for start in range(0, len(images), _CHUNK):  # in chunks: float64 is 8 times as large
            result[start : start + _CHUNK] = scale(images[start : start + _CHUNK], white, rules)
    except ValueError:
        low, high = images.min(), images.max()
        text = str(ValueRange.spanning(float(low), float(high))) if np.isfinite(low + high) else "LOW:HIGH"
        raise DataError(
            f"{where} is {images.dtype} with values from {low} to {high}",
            f"values from 0 to {white:g}, without NaN; or a range",
            f"data.range = '{text}', which become black and white",
            command=f"--range={text}, which become black and white",
        ) from None
    return result
