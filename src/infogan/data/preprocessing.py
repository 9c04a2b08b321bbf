"""Preprocess images: 8 bits, square, the same size, and the same number of channels.

Files and arrays are preprocessed in the same way, in this order:

1. EXIF orientation is applied.
2. The largest central square is cropped; with `crop`, the central square of that side, if the image is large
   enough. A `Conversion` may pad or stretch the image to a square instead.
3. 16-bit gray images (modes I;16 and I) are divided by 257; float images (mode F) are multiplied by 255 and
   must lie in [0, 1]. A `Conversion` may set the values that become 0 and 255: the same for all images.
   Values are never stretched image by image.
4. Where the result has no alpha channel, transparent pixels are composited on the background. Colour becomes
   gray by ITU-R 601-2 luma; gray becomes colour by repetition; an image without transparency is opaque.
5. The square is resized by Lanczos resampling with antialiasing.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps

from infogan.config import DataConfig
from infogan.config.value_range import ValueRange, parse_colour
from infogan.errors import DataError

log = logging.getLogger(__name__)

MODES = {1: "L", 3: "RGB", 4: "RGBA"}
"""Pillow's mode for each number of channels."""

VERSION = 1
"""Version of these steps; images that were prepared with another version are prepared again."""

SMALLEST, LARGEST = 8, 256
"""Image sizes, in pixels, that the networks support."""

USUAL = 0.95
"""Share of images that must have the same size for it to be that of all."""

DEFAULT_SIZE = 64
"""Image size, in pixels, if neither the configuration nor the images determine it."""


def percentiles_unmeasured(text: str) -> DataError:
    """Return the error for percentiles of images that are neither files at a path nor an array."""
    return DataError(
        f"data.range = {text!r}: percentiles are measured of files and arrays only",
        "LOW:HIGH",
        "data.range = '0:255'",
    )


@dataclass(frozen=True)
class Conversion:
    """Rules that convert images of any size and type into squares of 8 bits.

    Attributes:
        fit: crop the centre, pad with the background, or stretch.
        background: red, green and blue behind transparent pixels and around padded images.
        low: value that becomes 0; None: that of the image's type.
        high: value that becomes 255.
    """

    fit: Literal["crop", "pad", "stretch"] = "crop"
    background: tuple[int, int, int] = (255, 255, 255)
    low: float | None = None
    high: float | None = None

    @classmethod
    def of(cls, config: DataConfig) -> Conversion:
        """Return the rules that a configuration sets. A range in percentiles must be measured first."""
        chosen = None if config.range is None else ValueRange.parse(config.range)
        if chosen is not None and chosen.percentiles:
            raise percentiles_unmeasured(str(chosen))
        return cls(
            config.fit or "crop",
            parse_colour(config.background or "white"),
            None if chosen is None else chosen.low,
            None if chosen is None else chosen.high,
        )

    @property
    def in_8_bits(self) -> Conversion:
        """The rules for images whose values have been scaled to 0..255 already."""
        return replace(self, low=None, high=None)


SCALED = "infogan-scaled"
"""Key in the `info` of images whose values have been scaled to 0..255: the array of these values."""

NO_WHITE = "infogan-no-white"
"""Key in the `info` of images of integers whose type has no value of white: they need a range."""

PLAIN = Conversion()
"""The default rules."""


@dataclass(frozen=True)
class Form:
    """Form of preprocessed images.

    Attributes:
        size: height and width in pixels.
        channels: 1, 3 or 4.
        crop: side of the central square that is used; None: the largest.
        rules: the other rules.
    """

    size: int
    channels: int
    crop: int | None = None
    rules: Conversion = PLAIN

    @classmethod
    def of(cls, config: DataConfig, size: int, channels: int) -> Form:
        """Return the form of this size with the crop and the rules of a configuration."""
        return cls(size, channels, config.crop, Conversion.of(config))


def fit(
    image: Image.Image, size: int, channels: int, crop: int | None = None, rules: Conversion = PLAIN
) -> UInt8[np.ndarray, "{size} {size} {channels}"]:
    """Preprocess one image.

    Args:
        image: an image of any mode and size; it may be modified in place.
        size: height and width of the result in pixels.
        channels: 1, 3 or 4.
        crop: side of the central square that is used; None: the largest.
        rules: the other rules.

    Raises:
        ValueError: the values are out of range. Decoding a damaged file may raise almost any exception.
    """
    ImageOps.exif_transpose(image, in_place=True)
    rules = rules.in_8_bits if SCALED in image.info else rules
    longest = min(image.size) if rules.fit == "crop" else max(image.size)
    width, height = (min(side, longest, crop or longest) for side in image.size)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    part = _to_mode(image.crop((left, top, left + width, top + height)), MODES[channels], rules)
    if rules.fit == "pad" and width != height:
        part = _padded(part, rules)
    if part.size != (size, size):
        part = part.resize((size, size), Image.Resampling.LANCZOS)
    return np.asarray(part, dtype=np.uint8).reshape(size, size, channels)


def _padded(image: Image.Image, rules: Conversion) -> Image.Image:
    """Return the image in the middle of a square of the background."""
    side = max(image.size)
    square = Image.new("RGB", (side, side), rules.background).convert(image.mode)
    square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    return square


def preprocess(
    images: UInt8[np.ndarray, "n h w c"],
    size: int,
    channels: int | None,
    crop: int | None = None,
    rules: Conversion = PLAIN,
) -> UInt8[np.ndarray, "n size size channels"]:
    """Preprocess an array of images; it is returned without a copy if it has the right shape already.

    Args:
        images: 0..255.
        size: height and width in pixels.
        channels: 1, 3 or 4; None: those that `images` have.
        crop: as in `fit`.
        rules: as in `fit`.
    """
    channels = images.shape[3] if channels is None else channels
    if _fits(images.shape[1:], size, channels, crop, rules):
        return images
    result = np.empty((len(images), size, size, channels), np.uint8)
    for index, image in enumerate(images):
        result[index] = preprocess_one(image, size, channels, crop, rules)
    return result


def preprocess_one(
    image: UInt8[np.ndarray, "h w c"],
    size: int,
    channels: int,
    crop: int | None = None,
    rules: Conversion = PLAIN,
) -> UInt8[np.ndarray, "size size channels"]:
    """Preprocess one image of an array; see `preprocess`."""
    if _fits(image.shape, size, channels, crop, rules):
        return image
    return fit(Image.fromarray(image[..., 0] if image.shape[2] == 1 else image), size, channels, crop, rules)


def _fits(shape: tuple[int, ...], size: int, channels: int, crop: int | None, rules: Conversion) -> bool:
    """Return True if an image of that shape is not changed."""
    return shape == (size, size, channels) and (crop is None or crop >= size) and rules.low is None


def common_size(sizes: Collection[tuple[int, int]]) -> int:
    """Return the image size if none is configured, for named data sets.

    It is that of the images if all are equal squares of 8 to 256 pixels, else 64.

    Args:
        sizes: the set of all (width, height).
    """
    width, height = next(iter(sizes))
    if len(set(sizes)) == 1 and _is_possible(width, height):
        return width
    _warn_of_sizes()
    return DEFAULT_SIZE


def usual_size(counts: Mapping[tuple[int, int], int]) -> int:
    """Return the image size if none is configured, for a user's own images.

    It is the size of at least 95 % of the images, if they are squares of 8 to 256 pixels, else 64.

    Args:
        counts: number of images by (width, height).
    """
    (width, height), most = max(counts.items(), key=lambda item: item[1])
    total = sum(counts.values())
    if _is_possible(width, height) and most >= USUAL * total:
        if most < total:
            log.warning(
                "%d of %d images are not of %d x %d and are resized", total - most, total, width, height
            )
        return width
    _warn_of_sizes()
    return DEFAULT_SIZE


def _is_possible(width: int, height: int) -> bool:
    return width == height and SMALLEST <= width <= LARGEST


def _warn_of_sizes() -> None:
    log.warning(
        "the images are not equal squares of %d to %d pixels: each becomes a square and is resized to "
        "%d x %d (data.size sets another size)",
        *(SMALLEST, LARGEST, DEFAULT_SIZE, DEFAULT_SIZE),
    )


def is_gray(image: Image.Image) -> bool:
    """Return True if the image's mode holds gray values only. Palettes count as colour."""
    return image.mode in ("1", "L", "LA", "La", "F") or image.mode.startswith("I")


def _to_mode(image: Image.Image, mode: str, rules: Conversion) -> Image.Image:
    if image.mode == "F" or image.mode.startswith("I"):
        image = _to_8_bits(image, rules)
    elif rules.low is not None and rules.high is not None:
        image = _scaled(image, rules.low, rules.high)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        if mode == "RGBA":
            return image
        # Pillow would drop the alpha channel and reveal the colour of transparent pixels.
        background = Image.new("RGBA", image.size, (*rules.background, 255))
        background.alpha_composite(image)
        image = background.convert("RGB")
    elif image.mode not in ("1", "L", "RGB"):
        image = image.convert("RGB")
    return image if image.mode == mode else image.convert(mode)


def _to_8_bits(image: Image.Image, rules: Conversion) -> Image.Image:
    """Scale to 0..255. Pillow would clip at 255, which turns most 16-bit images white."""
    values = np.asarray(image)
    if NO_WHITE in image.info and rules.low is None:
        raise ValueError(f"{values.dtype} with values from {values.min()} to {values.max()}: set data.range")
    return Image.fromarray(scale(values, 1.0 if image.mode == "F" else 65_535.0, rules))


def scale(values: np.ndarray, white: float, rules: Conversion) -> UInt8[np.ndarray, " *shape"]:
    """Scale values from a range to 0..255.

    Args:
        values: numbers of any type.
        white: value that becomes 255 where the rules set none; the values must then lie between 0 and it.
        rules: their range, outside of which values are clipped.

    Raises:
        ValueError: values are out of range, or not a number.
    """
    low, high = float(values.min()), float(values.max())
    if rules.low is None or rules.high is None:
        if not (low >= 0 and high <= white):  # written so that NaN is refused as well
            raise ValueError(
                f"{values.dtype} with values from {low:g} to {high:g}, not 0 to {white:g}: set data.range"
            )
        result: UInt8[np.ndarray, " *shape"] = np.rint(values * (255 / white)).astype(np.uint8)
        return result
    if not np.isfinite(low + high):
        raise ValueError("values that are not finite numbers")
    scaled = (values.astype(np.float64) - rules.low) * (255 / (rules.high - rules.low))
    clipped: UInt8[np.ndarray, " *shape"] = np.rint(scaled.clip(0, 255)).astype(np.uint8)
    return clipped


def _scaled(image: Image.Image, low: float, high: float) -> Image.Image:
    """Scale the colours of an image of 8 bits, and leave its alpha channel."""
    if image.mode == "P" or image.has_transparency_data:
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    elif image.mode not in ("L", "RGB"):
        image = image.convert("L" if image.mode == "1" else "RGB")
    table = np.rint(((np.arange(256) - low) * (255 / (high - low))).clip(0, 255)).astype(int).tolist()
    tables = table * min(3, len(image.getbands()))
    return image.point(tables + (list(range(256)) if image.mode == "RGBA" else []))
