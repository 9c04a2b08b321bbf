"""White sprites on black with five known factors: the grid of dSprites, drawn anew.

    images = draw(numpy.arange(1000))         # uint8 [1000, 64, 64, 1]
    values = factors(numpy.arange(1000))      # {"shape": ..., "scale": ..., ...}

The 737,280 images lie in dSprites' order: shape changes slowest, then scale, orientation and x, and y
fastest. They are no copies of dSprites' images: its sprites have other outlines and sizes. Like there, the
last orientation is the first one again, so that these images are there twice. Moreover a square looks the
same after a quarter turn and an ellipse after half a turn; no whole number of steps is such a turn, but few
pixels may tell the nearest from it.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from jaxtyping import Bool, Float, Int64, UInt8

from infogan.errors import DataError

SIZE = 64
"""Side of the images in pixels."""

SHAPES = ("square", "ellipse", "heart")

GRID = {"shape": 3, "scale": 6, "orientation": 40, "x": 32, "y": 32}
"""How many values each factor has; the last one changes fastest."""

COUNT = 737_280
"""Images of the whole grid."""

VALUES: dict[str, Float[np.ndarray, " n"]] = {
    "shape": np.arange(3.0),
    "scale": np.linspace(0.5, 1.0, 6),
    "orientation": np.linspace(0.0, 2 * np.pi, 40),
    "x": np.linspace(0.0, 1.0, 32),
    "y": np.linspace(0.0, 1.0, 32),
}
"""The values of each factor, float64: the shape's number in `SHAPES`; the size as a share of the largest;
radians, counter-clockwise as seen; and the place of the sprite's centre, from the left and from the top. A
step of x or y is one pixel: 0 is 16.5 pixels from the image's edge, 1 is 47.5."""

_BOX = 33  # pixels: no sprite reaches out of such a square around its centre, so none is cut by the border
_SAMPLES = 5  # a pixel along each axis; it is white where half of them lie in the sprite
_SQUARE = 10.9  # half a side, in pixels at scale 1
_ELLIPSE = (15.5, 9.5)  # half axes
_HEART = 12.0  # half the way from the notch to the tip


def classes(indices: Int64[np.ndarray, " n"]) -> Int64[np.ndarray, "n 5"]:
    """Which value each factor has in each image, counted from 0, in `GRID`'s order.

    Raises:
        DataError: an index that is none of an image.
    """
    _check(np.asarray(indices), "index", COUNT)
    columns: Int64[np.ndarray, "n 5"] = np.stack(np.unravel_index(indices, tuple(GRID.values())), axis=1)
    return columns


def indices(classes: Int64[np.ndarray, "n 5"]) -> Int64[np.ndarray, " n"]:
    """The images in which the factors have these values: the inverse of `classes`.

    Raises:
        DataError: a value that a factor doesn't have.
    """
    columns = np.asarray(classes).T
    for column, (name, count) in zip(columns, GRID.items(), strict=True):
        _check(column, name, count)
    found: Int64[np.ndarray, " n"] = np.ravel_multi_index(tuple(columns), tuple(GRID.values()))
    return found


def factors(indices: Int64[np.ndarray, " n"]) -> dict[str, Float[np.ndarray, " n"]]:
    """The value of each factor in each image, float64; see `VALUES`.

    Raises:
        DataError: an index that is none of an image.
    """
    columns = classes(indices).T
    return {name: VALUES[name][column] for name, column in zip(GRID, columns, strict=True)}


def draw(indices: Int64[np.ndarray, " n"]) -> UInt8[np.ndarray, "n 64 64 1"]:
    """The images, 0 for black and 255 for white.

    Raises:
        DataError: an index that is none of an image.
    """
    shape, scale, orientation, x, y = classes(indices).T
    sprites = _sprites()
    images = np.zeros((len(shape), SIZE, SIZE), np.uint8)
    for image, left, top, chosen in zip(
        images, x, y, zip(shape, scale, orientation, strict=True), strict=True
    ):
        image[top : top + _BOX, left : left + _BOX] = sprites[chosen]
    return images[..., None]


@cache
def _sprites() -> UInt8[np.ndarray, "3 6 40 {_BOX} {_BOX}"]:
    """Every sprite in the middle of its box: a step of x or y moves it by whole pixels."""
    drawn = np.zeros((*list(GRID.values())[:3], _BOX, _BOX), np.uint8)
    for number, name in enumerate(SHAPES):
        for step, scale in enumerate(VALUES["scale"]):
            for turn, angle in enumerate(VALUES["orientation"][:-1]):
                drawn[number, step, turn] = _sprite(name, scale, angle)
    drawn[:, :, -1] = drawn[:, :, 0]  # a whole turn, without the rounding of its sine
    drawn.flags.writeable = False
    return drawn


def _sprite(shape: str, scale: float, angle: float) -> UInt8[np.ndarray, "{_BOX} {_BOX}"]:
    side = _BOX * _SAMPLES
    place = (np.arange(side) + 0.5) / _SAMPLES - _BOX / 2
    x, y = place / scale, -place[:, None] / scale  # y up
    along, up = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    inside = _inside(shape, along, up)
    share = inside.reshape(_BOX, _SAMPLES, _BOX, _SAMPLES).mean((1, 3))
    return np.where(share >= 0.5, 255, 0).astype(np.uint8)


def _inside(shape: str, x: Float[np.ndarray, "h w"], y: Float[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """Whether points lie in the upright shape of scale 1, in pixels from its centre; y up."""
    inside: Bool[np.ndarray, "h w"]
    if shape == "square":
        inside = np.maximum(np.abs(x), np.abs(y)) <= _SQUARE
    elif shape == "ellipse":
        inside = (x / _ELLIPSE[0]) ** 2 + (y / _ELLIPSE[1]) ** 2 <= 1
    else:
        # The sextic (x^2 + y^2 - 1)^3 = x^2 y^3, moved so that its centre of mass is in the middle.
        u, v = x / _HEART, y / _HEART + 0.2935
        inside = (u * u + v * v - 1) ** 3 <= u * u * v**3
    return inside


def _check(values: Int64[np.ndarray, " n"], name: str, count: int) -> None:
    wrong = values[(values < 0) | (values >= count)]
    if len(wrong):
        raise DataError(
            f"sprites: the {name} {wrong[0]} of {count}", f"0 to {count - 1}", f"numpy.arange({count})"
        )
