"""Audit images before anything is spent on them: sizes, ranges, blank images, duplicates, layout, damage.

for line in audit(Path("my_images")).lines():
    print(line)
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32, UInt8
from PIL import Image

from infogan.config import DataConfig
from infogan.data import archives, prepared
from infogan.data.arrays import read_array
from infogan.data.decoding import EXTENSIONS, Item, opened, skipping
from infogan.data.layout import Layout, read_layout
from infogan.data.preprocessing import DEFAULT_SIZE, LARGEST, SMALLEST, fit, is_gray
from infogan.data.sources.folder import list_pictures
from infogan.errors import DataError
from infogan.file_listing import Skipped, walk

NEAR_BLANK = 8
"""Largest difference between the pixels of an image, of 255, at which it counts as near-blank."""

_SIDE = 16  # of the reduced images that are compared
_HASH_BITS, _DIFFERENCE = 6, 4.0  # largest distance of near duplicates: in hashes, and in mean gray levels
_COMPARED = 20_000  # images that are searched for near duplicates
_CHUNK = 512


@dataclass(frozen=True)
class Audit:
    """What is known of a set of images before training.

    Attributes:
        path: of the images.
        images: number of readable images.
        sizes: number of images by (width, height).
        size: height and width to which they are resized.
        share_kept: mean share of an image's pixels inside the square that is cropped.
        channels: 1, 3 or 4.
        ranges: lowest and highest value, by the value of white (1, 255 or 65,535).
        blank: images whose pixels are all equal, after transparency has been removed.
        near_blank: other images whose pixels differ by at most `NEAR_BLANK`.
        duplicates: images that are exact copies of an earlier one.
        near_duplicates: images that closely resemble another one, without exact copies; None: too many
            images to compare.
        leaked: test images that are exact copies of a training image, where folders are the split.
        transparent: images with transparent pixels.
        misnamed: files whose extension is that of another format.
        left_out: number of image files that cannot be read, by the reason.
        other_files: number of other files, by their extension.
        layout: split and classes.
    """

    path: Path
    images: int
    sizes: dict[tuple[int, int], int]
    size: int
    share_kept: float
    channels: int
    ranges: dict[int, tuple[float, float]]
    blank: int
    near_blank: int
    duplicates: int
    near_duplicates: int | None
    leaked: int
    transparent: int
    misnamed: int
    left_out: dict[str, int]
    other_files: dict[str, int]
    layout: Layout

    def lines(self) -> list[str]:
        """Return five to ten lines of text, with the flags that change what is stated."""
        return [line for line in self._lines() if line]

    def _lines(self) -> Iterator[str]:
        yield f"{self.path}: {self.images:,} images"
        sizes = [f"{width}x{height}" for width, height in sorted(self.sizes)]
        several = f"{len(sizes)} sizes from {sizes[0]} to {sizes[-1]}" if len(sizes) > 1 else sizes[0]
        yield (
            f"size: {several}; each becomes {self.size}x{self.size}, {self.share_kept:.0%} of its pixels "
            "are kept (--size N, --crop N)"
        )
        colour = {1: "gray", 3: "RGB", 4: "RGBA"}[self.channels]
        yield f"channels: {self.channels} ({colour}; --set data.channels=N)"
        for white, (low, high) in sorted(self.ranges.items()):
            dark = "; nearly black: no pixel is above 5 % of white" if high <= white / 20 else ""
            yield f"range: {low:g} to {high:g} of {white:,}{dark}"
        if self.transparent:
            yield (
                f"transparency: {self.transparent:,} images, placed on white (--set data.channels=4 keeps it)"
            )
        if self.blank or self.near_blank:
            everything = "; all images are blank" if self.blank == self.images else ""
            yield f"blank: {self.blank:,} images, and {self.near_blank:,} near-blank{everything}"
        near = "too many images to compare" if self.near_duplicates is None else f"{self.near_duplicates:,}"
        leaked = f"; {self.leaked:,} test images are training images" if self.leaked else ""
        yield f"duplicates: {self.duplicates:,} exact copies; near duplicates: {near}{leaked}"
        yield self._layout_line()
        names = [f"{count:,} {reason}" for reason, count in self.left_out.items()]
        if names:
            yield f"left out: {sum(self.left_out.values()):,} files: {'; '.join(names[:3])}"
        yield self._other_files_line()

    def _layout_line(self) -> str:
        classes, strays = len(self.layout.truth.classes), len(self.layout.strays)
        parts = [f"{classes} classes by folders, for evaluation only" if classes else "no classes"]
        if strays:
            parts[0] += f", because {strays:,} images lie outside of the folders of classes"
        if self.layout.test is None:
            parts.append("a tenth is held out by content (--set data.held_out=N)")
        else:
            test = int(self.layout.test.sum())
            parts.append(f"folders are the split: {self.images - test:,} training and {test:,} test images")
        return f"layout: {'; '.join(parts)}"

    def _other_files_line(self) -> str:
        parts = [f"{count:,} {suffix}" for suffix, count in self.other_files.items()]
        texts = (
            [f"{sum(self.other_files.values()):,} are no images ({', '.join(parts[:4])})"] if parts else []
        )
        if self.misnamed:
            texts.append(f"{self.misnamed:,} have the extension of another format and are read by content")
        return f"files: {'; '.join(texts)}" if texts else ""


@dataclass(frozen=True)
class _Seen:
    """Facts about one image; `small` is [16, 16, 3]."""

    size: tuple[int, int]
    gray: bool
    white: int
    low: float
    high: float
    spread: float
    transparent: bool
    misnamed: bool
    digest: bytes
    small: UInt8[np.ndarray, "16 16 3"]


def audit_lines(config: DataConfig) -> list[str]:
    """Return the lines of the audit of a user's own images; none if they are prepared already.

    Raises:
        DataError: as in `audit`.
    """
    path = Path(str(config.path)).expanduser()
    if prepared.is_prepared(path):
        return []
    return audit(path, size=config.size, channels=config.channels, crop=config.crop).lines()


def audit(
    path: Path, *, size: int | None = None, channels: int | None = None, crop: int | None = None
) -> Audit:
    """Decode all images at a path once, and return what they are.

    Args:
        path: a folder or archive of images, or a .npy or .npz file.
        size: height and width to which images are resized; None: as `infogan.data.sources.folder` chooses.
        channels: 1, 3 or 4; None: 1 if every image has a gray mode, else 3.
        crop: side of the central square that is used; None: the largest.

    Raises:
        DataError: there is nothing at the path, or no readable image.
    """
    path = path.expanduser()
    skipped: list[Skipped] = []
    names, seen = _read(path, skipped)
    if not seen:
        raise DataError(
            f"{path}: {len(skipped)} image files, of which none can be read"
            if path.exists()
            else f"{path} is not there",
            "a folder or archive of images, or a .npy or .npz file",
            "infogan data audit PATH, with the path of your images",
        )
    sizes = Counter(image.size for image in seen)
    layout = read_layout(names)
    whites = {image.white for image in seen}
    copies = _copies([image.digest for image in seen])
    spread = np.array([image.spread for image in seen])
    near = None
    if len(seen) <= _COMPARED:
        distinct = [image.small for image, copy, varied in zip(seen, copies, spread, strict=True)
                    if not copy and varied > NEAR_BLANK]  # fmt: skip
        near = _near_duplicates(np.stack(distinct)) if len(distinct) > 1 else 0
    return Audit(
        path=path,
        images=len(seen),
        sizes=dict(sizes),
        size=size or _common_size(sizes),
        share_kept=float(np.mean([_share(image.size, crop) for image in seen])),
        channels=channels or (1 if all(image.gray for image in seen) else 3),
        ranges={
            white: (min(image.low for image in seen if image.white == white),
                    max(image.high for image in seen if image.white == white))
            for white in whites
        },
        blank=int((spread == 0).sum()),
        near_blank=int(((spread > 0) & (spread <= NEAR_BLANK)).sum()),
        duplicates=int(copies.sum()),
        near_duplicates=near,
        leaked=_leaked([image.digest for image in seen], layout),
        transparent=sum(image.transparent for image in seen),
        misnamed=sum(image.misnamed for image in seen),
        left_out=dict(Counter(file.reason for file in skipped).most_common()),
        other_files=_other_files(path),
        layout=layout,
    )  # fmt: skip


def _read(path: Path, skipped: list[Skipped]) -> tuple[list[str], list[_Seen]]:
    """Return name and facts of each readable image."""
    names, seen = [], []
    if path.is_dir() or (path.is_file() and archives.is_archive(path)):
        items, unlisted = list_pictures(path)
        skipped += unlisted
        for item in items:
            with skipping(item.name, skipped):
                seen.append(_look_at_file(item))
                names.append(item.name)
    elif path.is_file():
        for image in read_array(path).images:
            seen.append(_look_at(Image.fromarray(image.squeeze(-1) if image.shape[2] == 1 else image)))
            names.append(f"{len(names)}.png")
    return names, seen


def _look_at_file(item: Item) -> _Seen:
    with opened(item) as image:
        suffix = Path(item.name).suffix.lower()
        registered = Image.registered_extensions().get(suffix, image.format)
        return _look_at(image, misnamed=registered != image.format)


def _look_at(image: Image.Image, *, misnamed: bool = False) -> _Seen:
    mode, gray, transparent = image.mode, is_gray(image), image.has_transparency_data
    extrema = np.array(image.getextrema(), np.float64).reshape(-1, 2)  # lowest and highest of each band
    white = 65_535 if mode.startswith("I") else 1 if mode == "F" else 255
    spread = 255 / white * float(np.ptp(extrema, axis=1).max())
    digest = hashlib.sha256(f"{mode} {image.size}".encode() + image.tobytes()).digest()
    small = fit(image.copy(), _SIDE, 3)
    if transparent or mode == "P":  # extrema of a palette are indices
        spread = float(np.ptp(small.reshape(-1, 3), axis=0).max())
    if transparent:
        transparent = bool(np.asarray(image.convert("RGBA"))[..., 3].min() < 255)
    low, high = float(extrema[:, 0].min()), float(extrema[:, 1].max())
    return _Seen(image.size, gray, white, low, high, spread, transparent, misnamed, digest, small)


def _common_size(sizes: Counter[tuple[int, int]]) -> int:
    """Return the size that `preprocessing.common_size` chooses, without its warning."""
    width, height = next(iter(sizes))
    own = len(sizes) == 1 and width == height and SMALLEST <= width <= LARGEST
    return width if own else DEFAULT_SIZE


def _share(size: tuple[int, int], crop: int | None) -> float:
    """Return the share of an image's pixels inside the square that is cropped."""
    side = min(*size, crop or max(size))
    return side * side / (size[0] * size[1])


def _copies(digests: Sequence[bytes]) -> Bool[np.ndarray, " n"]:
    """Return True for each image that has the digest of an earlier one."""
    known: set[bytes] = set()
    result = []
    for digest in digests:
        result.append(digest in known)
        known.add(digest)
    return np.array(result, np.bool_)


def _leaked(digests: Sequence[bytes], layout: Layout) -> int:
    """Return the number of test images that are copies of training images, where folders are the split."""
    if layout.test is None:
        return 0
    pairs = list(zip(digests, layout.test, strict=True))
    train = {digest for digest, is_test in pairs if not is_test}
    return sum(digest in train for digest, is_test in pairs if is_test)


def _near_duplicates(images: UInt8[np.ndarray, "n 16 16 3"]) -> int:
    """Return the number of images that closely resemble another one.

    Their difference hashes (the signs of horizontal differences of 8x8 gray means) differ in at most 6 of 64
    bits, and their pixels by at most 4 levels of 255 on average.
    """
    flat = images.reshape(len(images), -1).astype(np.int16)
    hashes = _difference_hashes(images.mean(3, dtype=np.float32))
    near = np.zeros(len(images), np.bool_)
    for start in range(0, len(images), _CHUNK):
        distance = np.bitwise_count(hashes[start : start + _CHUNK, None] ^ hashes[None])
        first, second = np.nonzero(distance <= _HASH_BITS)
        first, second = first[first + start < second] + start, second[first + start < second]
        for part in range(0, len(first), 100_000):
            one, other = first[part : part + 100_000], second[part : part + 100_000]
            alike = np.abs(flat[one] - flat[other]).mean(1) <= _DIFFERENCE
            near[one[alike]] = near[other[alike]] = True
    return int(near.sum())


def _difference_hashes(gray: Float32[np.ndarray, "n 16 16"]) -> np.ndarray:
    """Return 64 bits for each image: if its brightness rises to the right, in 8 rows of 8 places."""
    rows = gray.reshape(len(gray), 8, 2, 16).mean(2)
    rises = np.diff(rows[..., ::2], axis=2, append=rows[..., -1:]) > 0
    packed: np.ndarray = np.packbits(rises.reshape(len(gray), 64), axis=1)
    return packed.view(np.uint64)[:, 0]


def _other_files(path: Path) -> dict[str, int]:
    """Return the number of files in a folder that have no extension of images, by their extension."""
    if not path.is_dir():
        return {}
    suffixes = (file.suffix.lower() or "without extension" for file in walk(path, []))
    return dict(Counter(suffix for suffix in suffixes if suffix not in EXTENSIONS).most_common())
