"""Decode untrusted pictures: a table of types, limits, repairs, a reason for each refusal."""

from __future__ import annotations

import io
import os
import stat
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Protocol

import numpy as np
from jaxtyping import UInt8
from PIL import Image, UnidentifiedImageError

from infogan.data.arrays import picture_from_npy
from infogan.data.dataset import Stream, Truth
from infogan.data.preprocessing import DEFAULT_SIZE, Conversion, Form, common_size, fit, is_gray
from infogan.data.signatures import HEAD, FileType, identify
from infogan.errors import DataError, InfoGANError
from infogan.file_listing import Skipped

MOST_PIXELS = 50_000_000
"""Larger images are refused by their header: such a file of a few kB can decompress to many GB. JPEG images
are decoded at a half, a quarter or an eighth of their size instead, if this is small enough."""

MOST_UNREADABLE = 0.01
"""Share of files that may be unreadable before the whole source is refused."""

_LISTED = 5  # unreadable files that a message lists
_END_MARKS = {"JPEG": b"\xff\xd9", "PNG": b"\x00\x00\x00\x00IEND\xaeB`\x82"}
_FILLER = bytes(range(1, 255)) * 64
_SUBFILE, _SUBFOLDERS, _DNG = 254, 330, 50_706  # tags of TIFF files


@dataclass(frozen=True, slots=True)
class Item:
    """A picture that is not decoded yet.

    Attributes:
        name: its path below the folder or archive that it comes from.
        content: its path, or a function that returns its bytes.
        place: the path by which `infogan.data.layout` finds its split and class; "": its name.
        frame: index of the frame or page of the file, or of the image in an array.
        file_type: if it is known already.
    """

    name: str
    content: Path | Callable[[], bytes]
    place: str = ""
    frame: int = 0
    file_type: FileType | None = None


class Observer(Protocol):
    """Sees each picture, as it is opened and as it is preprocessed."""

    def opened(self, item: Item, image: Image.Image) -> None:
        """Look at a picture before it is preprocessed."""

    def fitted(self, item: Item, image: UInt8[np.ndarray, "h w c"], repair: str) -> None:
        """Look at a preprocessed picture; `repair` states how the file was repaired, or is empty."""


@contextmanager
def opened(item: Item, ending: bytes = b"", rules: Conversion | None = None) -> Iterator[Image.Image]:
    """Open an image and check its header; its pixels are decoded on use.

    Args:
        item: the picture.
        ending: bytes that are appended to the file.
        rules: range of the values of arrays that Pillow cannot hold; None: only their size is looked at.
    """
    content = item.content
    if isinstance(content, Path):
        if not stat.S_ISREG(content.stat().st_mode):
            raise OSError("not a regular file")  # opening a named pipe would block forever
        with content.open("rb") as file:
            yield from _opened(io.BytesIO(file.read() + ending) if ending else file, item, rules)
    else:
        yield from _opened(io.BytesIO(content() + ending), item, rules)


def _opened(file: IO[bytes], item: Item, rules: Conversion | None) -> Iterator[Image.Image]:
    file_type = item.file_type or identify(file.read(HEAD), item.name)
    file.seek(0)
    if file_type.reading == "array":
        yield picture_from_npy(file, item.frame, rules)
        return
    if file_type.reading != "image":
        raise ValueError(file_type.reason)
    with warnings.catch_warnings(), _quiet(file_type.decoder):
        warnings.simplefilter("ignore")  # about metadata; the size is checked below
        with Image.open(file, formats=(file_type.decoder,)) as image:
            _check_header(image)
            if item.frame:
                image.seek(item.frame)
            yield image


def _check_header(image: Image.Image) -> None:
    width, height = image.size
    if width * height > MOST_PIXELS and image.format in ("JPEG", "MPO"):
        image.draft(None, (width // 8, height // 8))
    if image.width * image.height > MOST_PIXELS:
        raise ValueError(f"{width} x {height} is over {MOST_PIXELS} pixels")
    tags = getattr(image, "tag_v2", {})
    if _DNG in tags or (tags.get(_SUBFILE) == 1 and _SUBFOLDERS in tags):
        raise ValueError("a camera raw file with a thumbnail: develop it to TIFF or PNG")


@contextmanager
def _quiet(decoder: str) -> Iterator[None]:
    """Keep the messages that libtiff writes to the terminal by itself off it."""
    if decoder != "TIFF":
        yield
        return
    try:
        if sys.stderr is not None:
            sys.stderr.flush()
        terminal = os.dup(2)
    except OSError:  # closed by the shell: 2>&-
        yield
        return
    with tempfile.TemporaryFile() as chatter:
        os.dup2(chatter.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)


def decode(item: Item, form: Form, observer: Observer | None = None) -> UInt8[np.ndarray, "h w c"]:
    """Decode a picture and preprocess it. Damaged files raise almost any exception.

    A file of which only the end mark is missing is repaired.
    """
    if not isinstance(item.content, Path):
        content = item.content()
        item = replace(item, content=lambda: content)  # read once, opened twice
    repair = ""
    try:
        image = _decode(item, form, observer)
    except Exception:
        ending = _missing_end(item)
        if not ending:
            raise
        image = _decode(item, form, observer, ending)
        if not np.array_equal(image, _decode(item, form, None, _other_end(ending))):
            raise
        repair = "its end mark was missing"
    if observer is not None:
        observer.fitted(item, image, repair)
    return image


def _decode(
    item: Item, form: Form, observer: Observer | None, ending: bytes = b""
) -> UInt8[np.ndarray, "h w c"]:
    with opened(replace(item, frame=0), ending) as image:
        if image.format == "PNG":
            # Verify the checksums, which decoding ignores; the image cannot be used afterwards.
            image.verify()
        elif not item.frame and image.format is not None:
            return _fit(item, image, form, observer)
    with opened(item, ending, form.rules) as image:
        return _fit(item, image, form, observer)


def _fit(item: Item, image: Image.Image, form: Form, observer: Observer | None) -> UInt8[np.ndarray, "h w c"]:
    if observer is not None:
        observer.opened(item, image)
    return fit(image, form.size, form.channels, form.crop, form.rules)


def _missing_end(item: Item) -> bytes:
    """Return the part of the end mark that a JPEG or PNG file lacks; empty if it lacks none."""
    content = item.content.read_bytes() if isinstance(item.content, Path) else item.content()
    mark = _END_MARKS.get(identify(content[:HEAD], item.name).decoder, b"")
    if mark in content[-4 * len(mark) :]:
        return b""
    present = next(length for length in range(len(mark), -1, -1) if content.endswith(mark[:length]))
    return mark[present:]


def _other_end(ending: bytes) -> bytes:
    """Return another end. The decoder reads its filler as pixels if any pixel of the file is missing."""
    return ending if ending != _END_MARKS["JPEG"] else _FILLER + ending


def decoded(
    items: Sequence[Item], form: Form, observer: Observer | None = None
) -> Iterator[UInt8[np.ndarray, "h w c"] | Skipped]:
    """Yield each picture, or the reason why it cannot be read."""
    for item in items:
        skipped: list[Skipped] = []
        image = None
        with skipping(item.name, skipped):
            image = decode(item, form, observer)
        yield skipped[0] if image is None else image


def picture_stream(
    items: Sequence[Item], form: Form, truth: Truth, observer: Observer | None = None
) -> Stream:
    """Return pictures as a stream, decoded on demand; `truth` is that of all of them."""
    names = tuple(item.name for item in items)
    shape = (form.size, form.size, form.channels)
    return Stream(len(items), shape, lambda: decoded(items, form, observer), truth, names)


def read_form(
    items: Sequence[Item],
    size: int | None,
    channels: int | None,
    skipped: list[Skipped],
    choose: Callable[[Mapping[tuple[int, int], int]], int] = common_size,
) -> tuple[list[Item], int, int]:
    """Determine the default size and channels from the headers of the pictures.

    Returns:
        the pictures with valid headers, the others being added to `skipped`; size and channels, where they
        are None that of `choose` by the number of pictures of each (width, height), and 1 if all pictures
        have a gray mode, else 3.
    """
    readable: list[Item] = []
    sizes: Counter[tuple[int, int]] = Counter()
    gray = True
    for item in items:
        with skipping(item.name, skipped), opened(item) as image:
            sizes[image.size] += 1
            gray = gray and is_gray(image)
            readable.append(item)
    if readable:
        size = size or choose(sizes)
    return readable, size or DEFAULT_SIZE, channels or (1 if gray else 3)


def all_frames(items: Sequence[Item], skipped: list[Skipped]) -> list[Item]:
    """Return one item for each frame of an animation, and each page of a TIFF file."""
    frames: list[Item] = []
    for item in items:
        with skipping(item.name, skipped), opened(item) as image:
            count = getattr(image, "n_frames", 1) if image.format != "MPO" else 1
            for frame in range(count):
                name = f"{item.name}#{frame + 1}" if count > 1 else item.name
                place = item.place or item.name
                frames.append(replace(item, name=name, place=place, frame=item.frame or frame))
    return frames


@contextmanager
def skipping(name: str, skipped: list[Skipped]) -> Iterator[None]:
    """Record a picture that cannot be read, with the reason, instead of raising."""
    try:
        yield
    # Decoders of damaged files raise almost anything (struct.error, IndexError, SyntaxError, ...), and
    # Pillow's DecompressionBombError is not an OSError.
    except Exception as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        if isinstance(error, InfoGANError):
            reason = error.happened
        if isinstance(error, UnidentifiedImageError):  # whose own text repeats the path
            reason = "damaged, or of a variant that is not read"
        skipped.append(Skipped(name, reason))


def check_share(where: str, total: int, skipped: Sequence[Skipped], allowed: float = MOST_UNREADABLE) -> None:
    """Check that few of the `total` pictures in `where` were skipped.

    Args:
        where: the path, for the message.
        total: number of pictures, including the skipped ones.
        skipped: those that were skipped.
        allowed: largest number (1 or more) or share (below 1) of them.

    Raises:
        DataError: more were skipped; the message lists the first of them.
    """
    if len(skipped) > most_skipped(total, allowed):
        limit = f"at most {allowed:.3g}" if allowed >= 1 else f"at most {allowed:.3g} of all"
        raise DataError(
            f"{where}: {len(skipped)} of {total} files cannot be read" + first_of(skipped),
            f"{limit.replace('0.01 of all', '1%')} unreadable files",
            "data.allow_unreadable=N, to leave out up to N files; or copy them again from their source",
            command="--allow-unreadable N, to leave out up to N (infogan data audit PATH counts all of them)",
        )


def most_skipped(total: int, allowed: float) -> float:
    """Return the largest number of pictures that may be skipped: `allowed`, or this share of the total."""
    return allowed if allowed >= 1 else allowed * total


def first_of(skipped: Sequence[Skipped]) -> str:
    """Return the first 5 files and reasons as lines; repr keeps unusual names on one line and printable."""
    lines = [f"\n    {file.path!r}: {file.reason}" for file in skipped[:_LISTED]]
    return "".join(lines) + (f"\n    and {len(skipped) - _LISTED} more" if len(skipped) > _LISTED else "")
