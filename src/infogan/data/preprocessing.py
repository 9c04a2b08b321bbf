"""One form for all images: 8 bits, square, one size, one number of channels.

The rule, the same for files and arrays, in this order:

1. EXIF orientation is applied; of an animation the first frame is taken.
2. The largest central square is cut out; with `crop`, the central square of so many pixels, where the image
   has them.
3. Gray images of 16 bits (modes I;16 and I) are divided by 257, those of floats (mode F) lie in [0, 1] and
   are multiplied by 255; anything else in these modes is refused. Nothing is stretched to the range.
4. Where the result has no alpha channel, transparent pixels are laid on white. Colour becomes gray by
   ITU-R 601-2 luma; gray becomes colour by repetition; an image without transparency is opaque.
5. Lanczos resampling with antialiasing brings it to the size.
"""

from __future__ import annotations

import logging
from collections.abc import Collection

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps

log = logging.getLogger(__name__)

MODES = {1: "L", 3: "RGB", 4: "RGBA"}
"""Pillow's mode for each number of channels."""

VERSION = 1
"""Of the rule: another one makes other images, and what was prepared by the one before is made anew."""

SMALLEST, LARGEST = 8, 256
"""Sides, in pixels, that the networks can be built for."""

DEFAULT_SIZE = 64
"""Side, in pixels, where neither the configuration nor the images tell one."""


def fit(
    image: Image.Image, size: int, channels: int, crop: int | None = None
) -> UInt8[np.ndarray, "{size} {size} {channels}"]:
    """An image in the form that the module's rule gives it.

    Args:
        image: of any mode and size. It may be changed in place.
        size: height and width of the result in pixels.
        channels: 1, 3 or 4.
        crop: side of the central square that is looked at; None: the largest.

    Raises:
        ValueError: the image's values have no documented meaning. Decoding may raise almost anything.
    """
    ImageOps.exif_transpose(image, in_place=True)
    side = min(*image.size, crop or max(image.size))
    left, top = (image.width - side) // 2, (image.height - side) // 2
    square = _to_mode(image.crop((left, top, left + side, top + side)), MODES[channels])
    if side != size:
        square = square.resize((size, size), Image.Resampling.LANCZOS)
    return np.asarray(square, dtype=np.uint8).reshape(size, size, channels)


def bring(
    images: UInt8[np.ndarray, "n h w c"], size: int, channels: int | None, crop: int | None = None
) -> UInt8[np.ndarray, "n size size channels"]:
    """Images of one shape in another; unchanged, and not copied, where they have it already.

    Args:
        images: 0..255.
        size: height and width in pixels.
        channels: 1, 3 or 4; None: those that `images` have.
        crop: as of `fit`.
    """
    channels = images.shape[3] if channels is None else channels
    if images.shape[1:] == (size, size, channels) and (crop is None or crop >= size):
        return images
    result = np.empty((len(images), size, size, channels), np.uint8)
    for index, image in enumerate(images):
        result[index] = bring_one(image, size, channels, crop)
    return result


def bring_one(
    image: UInt8[np.ndarray, "h w c"], size: int, channels: int, crop: int | None = None
) -> UInt8[np.ndarray, "size size channels"]:
    """`bring` of one image."""
    if image.shape == (size, size, channels) and (crop is None or crop >= size):
        return image
    return fit(Image.fromarray(image[..., 0] if image.shape[2] == 1 else image), size, channels, crop)


def common_size(sizes: Collection[tuple[int, int]]) -> int:
    """The side for images whose size nobody named.

    It is their own where all are equal squares of 8 to 256 pixels, else 64.

    Args:
        sizes: every (width, height) that occurs.
    """
    width, height = next(iter(sizes))
    if len(set(sizes)) == 1 and width == height and SMALLEST <= width <= LARGEST:
        return width
    log.warning(
        "the images are no equal squares of %d to %d pixels: each is cut to its central square and brought "
        "to %d x %d (--size N for another)",
        SMALLEST,
        LARGEST,
        DEFAULT_SIZE,
        DEFAULT_SIZE,
    )
    return DEFAULT_SIZE


def is_gray(image: Image.Image) -> bool:
    """Whether an image's mode holds gray values only. Palettes count as colour."""
    return image.mode in ("1", "L", "LA", "La", "F") or image.mode.startswith("I")


def _to_mode(image: Image.Image, mode: str) -> Image.Image:
    if image.mode == "F" or image.mode.startswith("I"):
        image = _to_8_bits(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        if mode == "RGBA":
            return image
        # Pillow alone would drop the alpha channel and show whatever colour lies under clear pixels.
        ground = Image.new("RGBA", image.size, "white")
        ground.alpha_composite(image)
        image = ground.convert("RGB")
    elif image.mode not in ("1", "L", "RGB"):
        image = image.convert("RGB")
    return image if image.mode == mode else image.convert(mode)


def _to_8_bits(image: Image.Image) -> Image.Image:
    """Pillow alone would clip these modes at 255, which turns most 16-bit images white."""
    values = np.asarray(image)
    highest = 1.0 if image.mode == "F" else 65_535
    low, high = values.min(), values.max()
    if not (low >= 0 and high <= highest):  # written so that NaN is refused as well
        raise ValueError(f"mode {image.mode} with values from {low} to {high}, not from 0 to {highest}")
    return Image.fromarray(np.rint(values * (255 / highest)).astype(np.uint8))
