"""Numeric arrays in MATLAB 5 files, read by a walk over their elements that checks every type and size.

scipy's reader trusts both: one changed byte can end the process. The format is that of "MAT-File Format",
The MathWorks, chapter 1: a header of 128 bytes, then elements with a tag of 8 bytes, most of them compressed.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

SIGNATURE = b"MATLAB 5.0 MAT-file"

_HEADER, _TAG = 128, 8
_CHUNK = 1 << 20
_MATRIX, _COMPRESSED = 14, 15
_STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_CLASSES = {
    1: "cell", 2: "struct", 3: "object", 4: "char", 5: "sparse", 6: "double", 7: "single", 8: "int8",
    9: "uint8", 10: "int16", 11: "uint16", 12: "int32", 13: "uint32", 14: "int64", 15: "uint64",
}  # fmt: skip
_NUMBERS = {"double": "f8", "single": "f4"} | {kind: kind for kind in _CLASSES.values() if "int" in kind}
_LOGICAL, _COMPLEX = 0x0200, 0x0800
_MOST_DIMENSIONS, _LONGEST_NAME, _MOST_ARRAYS = 32, 63, 10_000


@dataclass(frozen=True)
class Array:
    """An array that a file announces.

    Attributes:
        shape: number of values along each axis.
        kind: "uint8", "double", "cell" and so on.
        at: offset of its element in the file.
    """

    shape: tuple[int, ...]
    kind: str
    at: int


def list_arrays(path: Path) -> dict[str, Array]:
    """Return the arrays of a MATLAB 5 file by name, without their values.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is damaged, or no such file.
    """
    with path.open("rb") as file:
        order = _byte_order(file)
        found: dict[str, Array] = {}
        for at, content in _elements(file, order):
            if len(found) == _MOST_ARRAYS:
                raise ValueError(f"over {_MOST_ARRAYS:,} arrays")
            if (announced := _read_header(content, order)) is not None:
                found[announced[0]] = Array(announced[1], announced[2], at)
    return found


def read_array(path: Path, array: Array) -> np.ndarray:
    """Read the values of a numeric array; its memory order is that of MATLAB, column by column.

    Args:
        path: of the file.
        array: from `list_arrays`. Its size is trusted: check it first.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is damaged, or the array is not one of real numbers.
    """
    with path.open("rb") as file:
        order = _byte_order(file)
        _, content = next(_elements(file, order, array.at), (0, None))
        if content is None:
            raise ValueError("the file has changed")
        announced = _read_header(content, order)
        if announced is None or announced[1:] != (array.shape, array.kind):
            raise ValueError("the file has changed")
        if array.kind not in _NUMBERS:
            raise ValueError(f"the values are {array.kind}, not numbers")
        kind, size, small = _read_tag(content, order)
        if kind not in _STORED:
            raise ValueError(f"values of the unknown type {kind}")
        stored = np.dtype(order + _STORED[kind])
        if size != math.prod(array.shape) * stored.itemsize:
            raise ValueError(f"{size} bytes of values for the shape {list(array.shape)}")
        values = np.frombuffer(small[:size] if small is not None else content.read(size), stored)
        content.finish()
        return values.astype(_NUMBERS[array.kind], copy=False).reshape(array.shape, order="F")


class _Content:
    """The bytes of one element, decompressed if necessary; only the requested ones are in memory."""

    def __init__(self, file: BinaryIO, size: int, compressed: bool) -> None:
        self._file, self._left = file, size
        self._zlib = zlib.decompressobj() if compressed else None
        self._pending = b""

    def read(self, size: int) -> bytearray:
        """Return the next `size` bytes.

        Raises:
            ValueError: the element ends before.
        """
        result = bytearray()
        while len(result) < size:  # in chunks: a false size must not allocate more than there is
            chunk = self._next(min(_CHUNK, size - len(result)))
            if not chunk:
                raise ValueError(f"an element ends {size - len(result)} bytes too early")
            result += chunk
        return result

    def finish(self) -> None:
        """Read a compressed element to its end, which verifies its checksum.

        Raises:
            ValueError: it is longer than it announces, or damaged.
        """
        if self._zlib is None:
            return
        rest = 0
        while not self._zlib.eof:
            chunk = self._next(_TAG)
            rest += len(chunk)
            if rest > _TAG or (not chunk and not self._zlib.eof):
                raise ValueError("a compressed element is longer than it announces, or not complete")

    def _next(self, most: int) -> bytes:
        if self._zlib is None:
            return self._take(most)
        try:
            while not self._zlib.eof:
                data = self._pending or self._take(_CHUNK)
                chunk = self._zlib.decompress(data, most)
                self._pending = self._zlib.unconsumed_tail
                if chunk or not data:
                    return chunk
        except zlib.error as error:
            raise ValueError(str(error)) from None
        return b""

    def _take(self, most: int) -> bytes:
        data = self._file.read(min(most, self._left))
        self._left -= len(data)
        return data


def _byte_order(file: BinaryIO) -> str:
    header = file.read(_HEADER)
    marks = {b"IM": "<", b"MI": ">"}
    if len(header) < _HEADER or not header.startswith(SIGNATURE) or header[126:] not in marks:
        raise ValueError("its header is not that of a MATLAB 5 file")
    return marks[header[126:]]


def _elements(file: BinaryIO, order: str, start: int = _HEADER) -> Iterator[tuple[int, _Content]]:
    """Yield the offset and the content of each matrix; the file is read behind it when the next is taken."""
    end = file.seek(0, 2)
    while start + _TAG <= end:
        file.seek(start)
        tag = file.read(_TAG)
        kind, size = struct.unpack(f"{order}2I", tag)
        if kind not in (_MATRIX, _COMPRESSED):
            raise ValueError(f"an element of the unknown type {kind} at byte {start}")
        if start + _TAG + size > end:
            raise ValueError(f"an element of {size} bytes at byte {start}, in a file of {end}")
        content = _Content(file, size, kind == _COMPRESSED)
        if kind == _COMPRESSED:
            inner, _, _ = _read_tag(content, order)
            if inner != _MATRIX:
                raise ValueError(f"a compressed element of the unknown type {inner}")
        yield start, content
        start += _TAG + size
    if start != end:
        raise ValueError(f"{end - start} bytes after the last element")


def _read_header(content: _Content, order: str) -> tuple[str, tuple[int, ...], str] | None:
    """Return name, shape and kind of a matrix; None for objects, which have another form."""
    flags, _ = struct.unpack(f"{order}2I", _read_part(content, order, 6, _TAG))
    kind = _CLASSES.get(flags & 0xFF)
    if kind is None:
        return None
    if flags & _COMPLEX:
        kind = "complex"
    elif flags & _LOGICAL:
        kind = "logical"
    sizes = _read_part(content, order, 5, 4 * _MOST_DIMENSIONS)
    shape = struct.unpack(f"{order}{len(sizes) // 4}i", sizes)
    if not shape or min(shape) < 0:
        raise ValueError(f"an array of the shape {list(shape)}")
    name = bytes(_read_part(content, order, 1, _LONGEST_NAME)).decode("ascii", "replace")
    return name, shape, kind


def _read_part(content: _Content, order: str, expected: int, most: int) -> bytes:
    """Return a part of a matrix header, of that type and at most that size."""
    kind, size, small = _read_tag(content, order)
    if kind != expected or size > most or size % (4 if expected in (5, 6) else 1):
        raise ValueError(f"a part of type {kind} with {size} bytes, where type {expected} is expected")
    if expected == 6 and size != most:
        raise ValueError(f"{size} bytes of flags")
    if small is not None:
        return small[:size]
    data = content.read(size)
    content.read(-size % _TAG)
    return bytes(data)


def _read_tag(content: _Content, order: str) -> tuple[int, int, bytes | None]:
    """Return type and size of a part, and its bytes if they are in the tag."""
    tag = bytes(content.read(_TAG))
    first, size = struct.unpack(f"{order}2I", tag)
    if first >> 16:
        if first >> 16 > 4:
            raise ValueError(f"{first >> 16} bytes in a part of 4")
        return first & 0xFFFF, first >> 16, tag[4:]
    return first, size, None
