"""Slant, width and thickness of handwriting: what the paper's continuous codes on MNIST are said to find.

Measured on pixels alone, white strokes on black. Where they stand in no relation to a code they still vary:
a seven is slanted otherwise than a one, so they are compared within categories only.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, UInt8

FACTORS = ("slant", "width", "thickness")

_BACKGROUND = 0.1
"""Share of white up to which a pixel is background: moments would weigh the faintest far pixel heavily."""

_CHUNK = 1_000


def measure(images: UInt8[np.ndarray, "n h w 1"]) -> dict[str, Float[np.ndarray, " n"]]:
    """Slant, width and thickness of the strokes in each image.

    Args:
        images: white on black.

    Returns:
        `slant`: columns to the right for each row upward, -mu11 / mu02 of the ink's central second moments.
        `width`: in pixels, of the box that spreads as the ink does when its slant is taken away,
        sqrt(12 (mu20 - mu11^2 / mu02)): sqrt(w^2 - 1) for a solid box of w columns.
        `thickness`: in pixels, 2 area / perimeter, area the sum of the ink and perimeter that of its
        gradient's length: t l / (t + l) for a bar of t by l pixels, which is nearly t for a long stroke, and
        the same for faint ink as for white.
        All are nan where there is no ink; slant and width also where the ink lies in a single row.
    """
    parts = [_measure(images[start : start + _CHUNK]) for start in range(0, max(len(images), 1), _CHUNK)]
    return {name: np.concatenate([part[name] for part in parts]) for name in FACTORS}


def _measure(images: UInt8[np.ndarray, "n h w 1"]) -> dict[str, Float[np.ndarray, " n"]]:
    levels = images[..., 0] / 255.0
    ink = np.where(levels > _BACKGROUND, levels, 0.0)
    area = ink.sum((1, 2))
    rows, columns = np.arange(ink.shape[1]), np.arange(ink.shape[2])
    by_row, by_column = ink.sum(2), ink.sum(1)
    y, x = (_divided(by_row @ rows, area), _divided(by_column @ columns, area))
    down, across = rows - y[:, None], columns - x[:, None]
    mu02 = _divided((by_row * down**2).sum(1), area)
    mu20 = _divided((by_column * across**2).sum(1), area)
    mu11 = _divided(np.einsum("nij,ni,nj->n", ink, down, across), area)
    lean = _divided(mu11, mu02)
    spread = np.maximum(mu20 - lean * mu11, 0.0)  # below 0 by rounding alone
    return {
        "slant": -lean,
        "width": np.sqrt(12 * spread),
        "thickness": _divided(2 * area, _perimeter(ink)),
    }


def _perimeter(ink: Float[np.ndarray, "n h w"]) -> Float[np.ndarray, " n"]:
    """The sum of the gradient's length, between pixels: the length of all edges between black and white."""
    padded = np.pad(ink, ((0, 0), (1, 1), (1, 1)))
    down, across = np.diff(padded, axis=1), np.diff(padded, axis=2)
    down = (down[:, :, 1:] + down[:, :, :-1]) / 2
    across = (across[:, 1:] + across[:, :-1]) / 2
    return np.asarray(np.hypot(down, across).sum((1, 2)))


def _divided(above: Float[np.ndarray, " n"], below: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """The quotient, and nan where it has none."""
    return np.asarray(np.divide(above, below, out=np.full(len(below), np.nan), where=below > 0))
