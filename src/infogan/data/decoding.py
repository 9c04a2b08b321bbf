"""Pictures decoded without trust: known formats, sizes that a header may say, a reason for each refusal."""

from __future__ import annotations

import io
import stat
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, UnidentifiedImageError

from infogan.data.dataset import Stream, Truth
from infogan.data.preprocessing import fit, is_gray
from infogan.errors import DataError
from infogan.file_listing import Skipped

EXTENSIONS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif")
"""What is taken for an image, in small or capital letters. The contents decide how it is read."""

MOST_PIXELS = 50_000_000
"""Larger images are refused from their header: such a file of a few kB can unpack to many GB."""

MOST_UNREADABLE = 0.01
"""Share of files that may be unreadable before all of them are refused."""

_SHOWN = 5  # unreadable files that a message names
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF")  # and no other of Pillow's many decoders


@dataclass(frozen=True)
class Item:
    """A picture that is not decoded yet.

    Attributes:
        name: its path below the folder or archive that it comes from.
        content: its path, or its bytes when they are asked for.
    """

    name: str
    content: Path | Callable[[], bytes]


@contextmanager
def opened(item: Item) -> Iterator[Image.Image]:
    """An image whose header has been read and found sane; its pixels are decoded on use."""
    content = item.content
    if isinstance(content, Path) and not stat.S_ISREG(content.stat().st_mode):
        raise OSError("not a regular file")  # opening a named pipe would wait for ever
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd metadata; the size is checked below
        file = content if isinstance(content, Path) else io.BytesIO(content())
        with Image.open(file, formats=_FORMATS) as image:
            if image.width * image.height > MOST_PIXELS:
                raise ValueError(f"{image.width} x {image.height} is over {MOST_PIXELS} pixels")
            yield image


def decode(
    item: Item, size: int, channels: int, crop: int | None = None
) -> UInt8[np.ndarray, "{size} {size} {channels}"]:
    """A picture in the form that `form.fit` gives it. Decoders of damaged files raise almost anything."""
    if not isinstance(item.content, Path):
        content = item.content()
        item = Item(item.name, lambda: content)  # which is opened twice
    with opened(item) as image:
        if image.format != "PNG":
            return fit(image, size, channels, crop)
        # Checksums, which decoding alone leaves unread; the image cannot be used afterwards.
        image.verify()
    with opened(item) as image:
        return fit(image, size, channels, crop)


def decoded(
    items: Sequence[Item], size: int, channels: int, crop: int | None = None
) -> Iterator[UInt8[np.ndarray, "{size} {size} {channels}"] | Skipped]:
    """Each picture in turn, or why it cannot be read."""
    for item in items:
        failed: list[Skipped] = []
        image = None
        with skipping(item.name, failed):
            image = decode(item, size, channels, crop)
        yield failed[0] if image is None else image


def picture_stream(items: Sequence[Item], size: int, channels: int, crop: int | None, truth: Truth) -> Stream:
    """Pictures as a source hands them over, decoded when they are asked for; `truth` is of all of them."""
    return Stream(
        len(items),
        (size, size, channels),
        lambda: decoded(items, size, channels, crop),
        truth,
        tuple(item.name for item in items),
    )


@dataclass(frozen=True)
class Headers:
    """What the headers of many pictures say.

    Attributes:
        readable: the pictures whose headers are sane.
        sizes: every (width, height) that occurs.
        gray: whether all of them are gray by their mode.
    """

    readable: list[Item]
    sizes: set[tuple[int, int]]
    gray: bool


def read_headers(items: Sequence[Item], skipped: list[Skipped]) -> Headers:
    """Looks at the header of every picture; those without a sane one are added to `skipped`."""
    readable: list[Item] = []
    sizes: set[tuple[int, int]] = set()
    gray = True
    for item in items:
        with skipping(item.name, skipped), opened(item) as image:
            sizes.add(image.size)
            gray = gray and is_gray(image)
            readable.append(item)
    return Headers(readable, sizes, gray)


@contextmanager
def skipping(name: str, skipped: list[Skipped]) -> Iterator[None]:
    """Notes a picture that cannot be read, with the reason, and goes on."""
    try:
        yield
    # Decoders of damaged files raise almost anything (struct.error, IndexError, SyntaxError, ...), and
    # Pillow's DecompressionBombError is no OSError.
    except Exception as error:
        skipped.append(Skipped(name, _reason(error)))


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):  # whose own text repeats the path
        return f"no image of the formats {', '.join(_FORMATS)}"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def check_share(where: str, total: int, skipped: Sequence[Skipped]) -> None:
    """Raises DataError if over 1 % of the pictures cannot be read.

    Args:
        where: what they lie in, for the message.
        total: how many there are.
        skipped: those of them that cannot be read.
    """
    if len(skipped) > MOST_UNREADABLE * total:
        raise DataError(
            f"{where}: {len(skipped)} of {total} files cannot be read" + first_of(skipped),
            f"at most {MOST_UNREADABLE:.0%} unreadable files",
            "remove these files, or copy them anew from where they came",
        )


def first_of(skipped: Sequence[Skipped]) -> str:
    """The first 5 files and reasons as lines; repr keeps odd names on one line and printable."""
    lines = [f"\n    {file.path!r}: {file.reason}" for file in skipped[:_SHOWN]]
    return "".join(lines) + (f"\n    and {len(skipped) - _SHOWN} more" if len(skipped) > _SHOWN else "")
