"""IDX, the format of MNIST and its relatives: a big-endian header, then bytes. Plain or gzipped."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np
from jaxtyping import UInt8

from infogan.errors import DataError

_MAGIC = 0x800
"""Magic number of unsigned bytes, to which the number of dimensions is added."""

_CHUNK = 1 << 20
_MOST_BYTES = 1 << 32
_ADVICE = "another copy of the file; without data.path, MNIST is downloaded"


def read_idx(path: Path, dimensions: int) -> UInt8[np.ndarray, " ..."]:
    """Read the array in an IDX file of unsigned bytes, gzipped or not; its name does not matter.

    Args:
        path: of the file.
        dimensions: 3 for images (magic 0x803), 1 for labels (magic 0x801).

    Raises:
        DataError: the file is unreadable, of another kind, or longer or shorter than its header announces.
    """
    try:
        with path.open("rb") as file:
            gzipped = file.read(2) == b"\x1f\x8b"
        with gzip.open(path) if gzipped else path.open("rb") as stream:
            return parse_idx(stream, dimensions, str(path))  # type: ignore[arg-type]
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"cannot read {path}: {error}", "an IDX file, plain or gzipped", _ADVICE) from None


def parse_idx(stream: BinaryIO, dimensions: int, name: str) -> UInt8[np.ndarray, " ..."]:
    """Read the array in an IDX stream; `name` is that of the file, for messages.

    Raises:
        DataError: see `read_idx`.
    """
    header = stream.read(4 + 4 * dimensions)
    magic = int.from_bytes(header[:4], "big")
    if len(header) < 4 + 4 * dimensions or magic != _MAGIC + dimensions:
        raise DataError(
            f"{name} begins with {header[:4].hex() or 'nothing'}, in {len(header)} bytes of header",
            f"an IDX file: magic number {_MAGIC + dimensions:08x}, then {dimensions} sizes of 4 bytes",
            _ADVICE,
        )
    shape = tuple(int.from_bytes(header[at : at + 4], "big") for at in range(4, len(header), 4))
    size = math.prod(shape)
    if not 0 < size <= _MOST_BYTES:
        raise DataError(f"{name}: its header says {list(shape)}", f"1 to {_MOST_BYTES} bytes", _ADVICE)
    body = bytearray()
    # In chunks: a false header must not allocate more memory than the file has bytes.
    while len(body) <= size and (chunk := stream.read(min(_CHUNK, size + 1 - len(body)))):
        body += chunk
    if len(body) != size:
        available = f"only {len(body)}" if len(body) < size else "more"
        raise DataError(
            f"{name}: its header says {list(shape)}, which is {size} bytes, and {available} follow",
            "a whole file",
            _ADVICE,
        )
    return np.frombuffer(body, np.uint8).reshape(shape)
