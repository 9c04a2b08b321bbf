"""Preprocess images: 8 bits, square, the same size, and the same number of channels.

Files and arrays are preprocessed in the same way, in this order:

1. EXIF orientation is applied; of an animation the first frame is used.
2. The largest central square is cropped; with `crop`, the central square of that side, if the image is large
   enough.
3. 16-bit gray images (modes I;16 and I) are divided by 257; float images (mode F) are multiplied by 255 and
   must lie in [0, 1]. Values are never stretched to the full range.
4. Where the result has no alpha channel, transparent pixels are composited on white. Colour becomes gray by
   ITU-R 601-2 luma; gray becomes colour by repetition; an image without transparency is opaque.
5. The square is resized by Lanczos resampling with antialiasing.
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
"""Version of these steps; images that were prepared with another version are prepared again."""

SMALLEST, LARGEST = 8, 256
"""Image sizes, in pixels, that the networks support."""

DEFAULT_SIZE = 64
"""Image size, in pixels, if neither the configuration nor the images determine it."""


def fit(
    image: Image.Image, size: int, channels: int, crop: int | None = None
) -> UInt8[np.ndarray, "{size} {size} {channels}"]:
    """Preprocess one image.

    Args:
        image: an image of any mode and size; it may be modified in place.
        size: height and width of the result in pixels.
        channels: 1, 3 or 4.
        crop: side of the central square that is used; None: the largest.

    Raises:
        ValueError: the values are out of range. Decoding a damaged file may raise almost any exception.
    """
    ImageOps.exif_transpose(image, in_place=True)
    side = min(*image.size, crop or max(image.size))
    left, top = (image.width - side) // 2, (image.height - side) // 2
    square = _to_mode(image.crop((left, top, left + side, top + side)), MODES[channels])
    if side != size:
        square = square.resize((size, size), Image.Resampling.LANCZOS)
    return np.asarray(square, dtype=np.uint8).reshape(size, size, channels)


def preprocess(
    images: UInt8[np.ndarray, "n h w c"], size: int, channels: int | None, crop: int | None = None
) -> UInt8[np.ndarray, "n size size channels"]:
    """Preprocess an array of images; it is returned without a copy if it has the right shape already.

    Args:
        images: 0..255.
        size: height and width in pixels.
        channels: 1, 3 or 4; None: those that `images` have.
        crop: as in `fit`.
    """
    channels = images.shape[3] if channels is None else channels
    if images.shape[1:] == (size, size, channels) and (crop is None or crop >= size):
        return images
    result = np.empty((len(images), size, size, channels), np.uint8)
    for index, image in enumerate(images):
        result[index] = preprocess_one(image, size, channels, crop)
    return result


def preprocess_one(
    image: UInt8[np.ndarray, "h w c"], size: int, channels: int, crop: int | None = None
) -> UInt8[np.ndarray, "size size channels"]:
    """Preprocess one image of an array; see `preprocess`."""
    if image.shape == (size, size, channels) and (crop is None or crop >= size):
        return image
    return fit(Image.fromarray(image[..., 0] if image.shape[2] == 1 else image), size, channels, crop)


def common_size(sizes: Collection[tuple[int, int]]) -> int:
    """Return the image size if none is configured.

    It is that of the images if all are equal squares of 8 to 256 pixels, else 64.

    Args:
        sizes: the set of all (width, height).
    """
    width, height = next(iter(sizes))
    if len(set(sizes)) == 1 and width == height and SMALLEST <= width <= LARGEST:
        return width
    log.warning(
        "the images are not equal squares of %d to %d pixels: each is cropped to its central square and "
        "resized to %d x %d (data.size sets another size)",
        *(SMALLEST, LARGEST, DEFAULT_SIZE, DEFAULT_SIZE),
    )
    return DEFAULT_SIZE


def is_gray(image: Image.Image) -> bool:
    """Return True if the image's mode holds gray values only. Palettes count as colour."""
    return image.mode in ("1", "L", "LA", "La", "F") or image.mode.startswith("I")


def _to_mode(image: Image.Image, mode: str) -> Image.Image:
    if image.mode == "F" or image.mode.startswith("I"):
        image = _to_8_bits(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        if mode == "RGBA":
            return image
        # Pillow would drop the alpha channel and reveal the colour of transparent pixels.
        background = Image.new("RGBA", image.size, "white")
        background.alpha_composite(image)
        image = background.convert("RGB")
    elif image.mode not in ("1", "L", "RGB"):
        image = image.convert("RGB")
    return image if image.mode == mode else image.convert(mode)


def _to_8_bits(image: Image.Image) -> Image.Image:
    """Scale to 0..255. Pillow would clip at 255, which turns most 16-bit images white."""
    values = np.asarray(image)
    highest = 1.0 if image.mode == "F" else 65_535
    low, high = values.min(), values.max()
    if not (low >= 0 and high <= highest):  # written so that NaN is refused as well
        raise ValueError(f"mode {image.mode} with values from {low} to {high}, not from 0 to {highest}")
    return Image.fromarray(np.rint(values * (255 / highest)).astype(np.uint8))
