"""Decode untrusted pictures: a fixed list of formats, a limit on the size, a reason for each refusal."""

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
from infogan.data.preprocessing import DEFAULT_SIZE, common_size, fit, is_gray
from infogan.errors import DataError
from infogan.file_listing import Skipped

EXTENSIONS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif")
"""Extensions of image files, in small or capital letters. The format is detected from the contents."""

MOST_PIXELS = 50_000_000
"""Larger images are refused by their header: such a file of a few kB can decompress to many GB."""

MOST_UNREADABLE = 0.01
"""Share of files that may be unreadable before the whole source is refused."""

_LISTED = 5  # unreadable files that a message lists
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF")  # the only decoders of Pillow that are used


@dataclass(frozen=True)
class Item:
    """A picture that is not decoded yet.

    Attributes:
        name: its path below the folder or archive that it comes from.
        content: its path, or a function that returns its bytes.
    """

    name: str
    content: Path | Callable[[], bytes]


@contextmanager
def opened(item: Item) -> Iterator[Image.Image]:
    """Open an image and check its header; its pixels are decoded on use."""
    content = item.content
    if isinstance(content, Path) and not stat.S_ISREG(content.stat().st_mode):
        raise OSError("not a regular file")  # opening a named pipe would block forever
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about metadata; the size is checked below
        file = content if isinstance(content, Path) else io.BytesIO(content())
        with Image.open(file, formats=_FORMATS) as image:
            if image.width * image.height > MOST_PIXELS:
                raise ValueError(f"{image.width} x {image.height} is over {MOST_PIXELS} pixels")
            yield image


def decode(
    item: Item, size: int, channels: int, crop: int | None = None
) -> UInt8[np.ndarray, "{size} {size} {channels}"]:
    """Decode a picture and preprocess it by `preprocessing.fit`. Damaged files raise almost any exception."""
    if not isinstance(item.content, Path):
        content = item.content()
        item = Item(item.name, lambda: content)  # read once, opened twice
    with opened(item) as image:
        if image.format != "PNG":
            return fit(image, size, channels, crop)
        # Verify the checksums, which decoding ignores; the image cannot be used afterwards.
        image.verify()
    with opened(item) as image:
        return fit(image, size, channels, crop)


def decoded(
    items: Sequence[Item], size: int, channels: int, crop: int | None = None
) -> Iterator[UInt8[np.ndarray, "{size} {size} {channels}"] | Skipped]:
    """Yield each picture, or the reason why it cannot be read."""
    for item in items:
        skipped: list[Skipped] = []
        image = None
        with skipping(item.name, skipped):
            image = decode(item, size, channels, crop)
        yield skipped[0] if image is None else image


def picture_stream(items: Sequence[Item], size: int, channels: int, crop: int | None, truth: Truth) -> Stream:
    """Return pictures as a stream, decoded on demand; `truth` is that of all of them."""
    names = tuple(item.name for item in items)
    return Stream(
        len(items), (size, size, channels), lambda: decoded(items, size, channels, crop), truth, names
    )


def read_form(
    items: Sequence[Item], size: int | None, channels: int | None, skipped: list[Skipped]
) -> tuple[list[Item], int, int]:
    """Determine the default size and channels from the headers of the pictures.

    Returns:
        the pictures with valid headers, the others being added to `skipped`; size and channels, where they
        are None that of `common_size`, and 1 if all pictures have a gray mode, else 3.
    """
    readable: list[Item] = []
    sizes: set[tuple[int, int]] = set()
    gray = True
    for item in items:
        with skipping(item.name, skipped), opened(item) as image:
            sizes.add(image.size)
            gray = gray and is_gray(image)
            readable.append(item)
    if readable:
        size = size or common_size(sizes)
    return readable, size or DEFAULT_SIZE, channels or (1 if gray else 3)


@contextmanager
def skipping(name: str, skipped: list[Skipped]) -> Iterator[None]:
    """Record a picture that cannot be read, with the reason, instead of raising."""
    try:
        yield
    # Decoders of damaged files raise almost anything (struct.error, IndexError, SyntaxError, ...), and
    # Pillow's DecompressionBombError is no OSError.
    except Exception as error:
        if isinstance(error, UnidentifiedImageError):  # whose own text repeats the path
            reason = f"no image of the formats {', '.join(_FORMATS)}"
        else:
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        skipped.append(Skipped(name, reason))


def check_share(where: str, total: int, skipped: Sequence[Skipped]) -> None:
    """Check that at most 1 % of the `total` pictures in `where` were skipped.

    Raises:
        DataError: more were skipped; the message lists the first of them.
    """
    if len(skipped) > MOST_UNREADABLE * total:
        raise DataError(
            f"{where}: {len(skipped)} of {total} files cannot be read" + first_of(skipped),
            f"at most {MOST_UNREADABLE:.0%} unreadable files",
            "remove these files, or copy them again from their source",
        )


def first_of(skipped: Sequence[Skipped]) -> str:
    """Return the first 5 files and reasons as lines; repr keeps unusual names on one line and printable."""
    lines = [f"\n    {file.path!r}: {file.reason}" for file in skipped[:_LISTED]]
    return "".join(lines) + (f"\n    and {len(skipped) - _LISTED} more" if len(skipped) > _LISTED else "")
