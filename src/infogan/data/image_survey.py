"""Collect facts about a user's images while they are decoded, so that no file is read twice for the audit."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from infogan.data.arrays import white_of
from infogan.data.contents import Contents, FileVerdict
from infogan.data.decoding import Item
from infogan.data.layout import Layout
from infogan.data.preprocessing import SCALED, Form, fit, is_gray
from infogan.data.signatures import of_extension
from infogan.file_listing import Skipped

COMPARED = 100_000
"""Number of images that are compared in pairs."""

_SIDE = 16  # of the reduced images that are compared


@dataclass(frozen=True, slots=True)
class Seen:
    """Facts about a file before its image is preprocessed.

    Attributes:
        size: width and height.
        gray: True if its mode holds gray values only.
        white: value of white: 1, 255 or 65,535.
        low: lowest value.
        high: highest value.
        transparent: True if a pixel is transparent.
        misnamed: True if its extension is that of another format.
        several: True if the file has several frames or pages.
    """

    size: tuple[int, int]
    gray: bool
    white: float
    low: float
    high: float
    transparent: bool = False
    misnamed: bool = False
    several: bool = False


@dataclass(frozen=True, slots=True)
class Fitted:
    """Facts about a preprocessed image.

    Attributes:
        digest: SHA-256 of its pixels.
        spread: difference of its highest and lowest value, the largest of all channels.
        small: the image in 16x16 gray values, as bytes; None after `COMPARED` images.
    """

    digest: bytes
    spread: int
    small: bytes | None


@dataclass
class Survey:
    """Facts about all images at a path.

    Attributes:
        path: of the images.
        contents: what lies there.
        layout: split and classes.
        names: of the images, in the order of the layout.
        form: of the preprocessed images.
        seen: facts about each file, by its name.
        fitted: facts about each preprocessed image, by its name.
        repaired: how a file was repaired, by its name.
        all_frames: True if each frame of a file is an image.
    """

    path: Path
    contents: Contents
    layout: Layout
    names: tuple[str, ...]
    form: Form
    seen: dict[str, Seen] = field(default_factory=dict)
    fitted_images: dict[str, Fitted] = field(default_factory=dict)
    repaired: dict[str, str] = field(default_factory=dict)
    all_frames: bool = False
    _last: Seen | None = None

    def opened(self, item: Item, image: Image.Image) -> None:
        """Look at an image before it is preprocessed."""
        self._last = look_at(image, item.name)

    def fitted(self, item: Item, image: UInt8[np.ndarray, "h w c"], repair: str) -> None:
        """Look at a preprocessed image."""
        self.add(item.name, self._last, image)
        if repair:
            self.repaired[item.name] = repair

    def add(self, name: str, seen: Seen | None, image: UInt8[np.ndarray, "h w c"]) -> None:
        """Add the facts about an image."""
        if seen is not None:
            self.seen[name] = seen
        spread = _spread(image)
        small = None
        if len(self.fitted_images) < COMPARED:
            gray = image[..., 0] if image.shape[2] == 1 else image
            small = fit(Image.fromarray(gray), _SIDE, 1).tobytes()
        digest = hashlib.sha256(image.tobytes()).digest()
        self.fitted_images[name] = Fitted(digest, spread, small)

    def add_array(self, index: int, raw: UInt8[np.ndarray, "h w c"], image: UInt8[np.ndarray, ...]) -> None:
        """Add the facts about an image of an array of 8 bits."""
        height, width, channels = raw.shape
        colours = np.asarray(raw)[..., :3]  # numpy's views of memory maps are slow
        seen = Seen(
            (width, height),
            channels == 1,
            255,
            float(colours.min()),
            float(colours.max()),
            bool(channels == 4 and raw[..., 3].min() < 255),
        )
        self.add(str(index), seen, image)

    def verdicts(self, unreadable: list[Skipped]) -> list[FileVerdict]:
        """Return one verdict for each file.

        Args:
            unreadable: all images that could not be read.
        """
        kept = [
            FileVerdict(
                name, "repaired" if name in self.repaired else "kept", "", self.repaired.get(name, "")
            )
            for name in self.fitted_images
        ]
        left_out = [FileVerdict(file.path, "left out", "", file.reason) for file in unreadable]
        return [*kept, *left_out, *self.contents.excluded, *self.contents.others]


def _spread(image: UInt8[np.ndarray, "h w c"]) -> int:
    """Return the difference of the highest and lowest value, the largest of all channels."""
    rows = image.reshape(len(image), -1)  # reduced first, since numpy is slow at rows of three values
    high, low = (
        reduce(reduce(rows, 0).reshape(-1, image.shape[2]), 0)
        for reduce in (np.maximum.reduce, np.minimum.reduce)
    )
    return int((high - low).max())


def look_at(image: Image.Image, name: str) -> Seen:
    """Return the facts about an image that has been opened."""
    white = 65_535.0 if image.mode.startswith("I") else 1.0 if image.mode == "F" else 255.0
    several = image.format != "MPO" and bool(getattr(image, "is_animated", False))
    usual = of_extension(name)
    misnamed = usual is not None and image.format not in (None, "MPO", usual.decoder, "DIB")
    transparent = image.has_transparency_data
    size = image.size
    if SCALED in image.info:
        values = image.info[SCALED]
        low, high, white = float(values.min()), float(values.max()), white_of(values.dtype)
    else:
        low, high = _extremes(image)
    if transparent:
        transparent = bool(np.asarray(image.convert("RGBA").getchannel("A")).min() < 255)
    return Seen(size, is_gray(image), white, low, high, transparent, misnamed, several)


def _extremes(image: Image.Image) -> tuple[float, float]:
    """Return the lowest and highest value of an image; alpha channels do not count."""
    if image.mode in ("P", "PA"):  # whose values are indices
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    extrema = np.array(image.getextrema(), np.float64).reshape(-1, 2)
    colours = [row for row, band in enumerate(image.getbands()) if band not in ("A", "a")]
    return float(extrema[colours, 0].min()), float(extrema[colours, 1].max())
