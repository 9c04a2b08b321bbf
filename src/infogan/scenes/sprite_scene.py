"""White sprites on black with five known factors, on the factor grid of dSprites.

    images = render_sprites(numpy.arange(1000))         # uint8 [1000, 64, 64, 1]
    values = factors(numpy.arange(1000))      # {"shape": ..., "scale": ..., ...}

The 737,280 images are in dSprites' order: shape changes slowest, then scale, orientation and x, and y
fastest. They are not copies of dSprites' images: its sprites have other outlines and sizes. As in dSprites,
the last orientation equals the first one, so that these images occur twice. Moreover a square is symmetric
under a quarter turn and an ellipse under half a turn; no integer number of steps is such a turn, but the
nearest one differs in few pixels.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from jaxtyping import Bool, Float, Int64, UInt8

from infogan.errors import DataError

SIZE = 64
"""Side of the images in pixels."""

SHAPES = ("square", "ellipse", "heart")

VALUES: dict[str, Float[np.ndarray, " n"]] = {
    "shape": np.arange(3.0),
    "scale": np.linspace(0.5, 1.0, 6),
    "orientation": np.linspace(0.0, 2 * np.pi, 40),
    "x": np.linspace(0.0, 1.0, 32),
    "y": np.linspace(0.0, 1.0, 32),
}
"""The values of each factor, float64; the last factor changes fastest. Shape is an index into `SHAPES`; scale
a share of the largest size; orientation in radians, counter-clockwise in the picture; x and y the position of
the centre, from the left and from the top. A step of x or y is one pixel: 0 is 16.5 pixels from the edge of
the image, 1 is 47.5."""

GRID = {name: len(values) for name, values in VALUES.items()}
"""Number of values of each factor."""

COUNT = 737_280
"""Number of images of the whole grid."""

_BOX = 33  # pixels: side of a square around the centre that holds any sprite, so that none is cut off
_SAMPLES = 5  # per pixel along each axis; a pixel is white if at least half of them are inside the sprite
_SQUARE = 10.9  # half a side, in pixels at scale 1
_ELLIPSE = (15.5, 9.5)  # half axes
_HEART = 12.0  # half the distance from the notch to the tip


def classes(indices: Int64[np.ndarray, " n"]) -> Int64[np.ndarray, "n 5"]:
    """Return the index of the value of each factor, in `GRID`'s order, for these images.

    Raises:
        DataError: an index is outside the grid.
    """
    wrong = indices[(indices < 0) | (indices >= COUNT)]
    if len(wrong):
        raise DataError(
            f"sprites: the index {wrong[0]} of {COUNT}", f"0 to {COUNT - 1}", f"numpy.arange({COUNT})"
        )
    return np.asarray(np.stack(np.unravel_index(indices, tuple(GRID.values())), axis=1))


def factors(indices: Int64[np.ndarray, " n"]) -> dict[str, Float[np.ndarray, " n"]]:
    """Return the value of each factor, float64, for these images; see `VALUES`.

    Raises:
        DataError: an index is outside the grid.
    """
    return {name: VALUES[name][column] for name, column in zip(GRID, classes(indices).T, strict=True)}


def render_sprites(indices: Int64[np.ndarray, " n"]) -> UInt8[np.ndarray, "n 64 64 1"]:
    """Return the images, 0 for black and 255 for white.

    Raises:
        DataError: an index is outside the grid.
    """
    sprites = _sprites()
    images = np.zeros((len(indices), SIZE, SIZE), np.uint8)
    for image, (shape, scale, orientation, x, y) in zip(images, classes(indices), strict=True):
        image[y : y + _BOX, x : x + _BOX] = sprites[shape, scale, orientation]
    return images[..., None]


@cache
def _sprites() -> UInt8[np.ndarray, "3 6 40 {_BOX} {_BOX}"]:
    """Render every sprite in the middle of its box; a step of x or y moves it by one pixel."""
    sprites = np.zeros((*list(GRID.values())[:3], _BOX, _BOX), np.uint8)
    for row, shape in enumerate(SHAPES):
        for step, scale in enumerate(VALUES["scale"]):
            for turn, angle in enumerate(VALUES["orientation"][:-1]):
                sprites[row, step, turn] = _sprite(shape, scale, angle)
    sprites[:, :, -1] = sprites[:, :, 0]  # a full turn, without the rounding error of its sine
    sprites.flags.writeable = False
    return sprites


def _sprite(shape: str, scale: float, angle: float) -> UInt8[np.ndarray, "{_BOX} {_BOX}"]:
    side = _BOX * _SAMPLES
    position = (np.arange(side) + 0.5) / _SAMPLES - _BOX / 2
    x, y = position / scale, -position[:, None] / scale  # y up
    along, up = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    inside = _inside(shape, along, up)
    share = inside.reshape(_BOX, _SAMPLES, _BOX, _SAMPLES).mean((1, 3))
    return np.where(share >= 0.5, 255, 0).astype(np.uint8)


def _inside(shape: str, x: Float[np.ndarray, "h w"], y: Float[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """Return True for points inside the upright shape of scale 1, in pixels from its centre; y up."""
    inside: Bool[np.ndarray, "h w"]
    if shape == "square":
        inside = np.maximum(np.abs(x), np.abs(y)) <= _SQUARE
    elif shape == "ellipse":
        inside = (x / _ELLIPSE[0]) ** 2 + (y / _ELLIPSE[1]) ** 2 <= 1
    else:
        # The sextic (x^2 + y^2 - 1)^3 = x^2 y^3, shifted so that its centre of mass is at 0.
        u, v = x / _HEART, y / _HEART + 0.2935
        inside = (u * u + v * v - 1) ** 3 <= u * u * v**3
    return inside
