"""Slant, width and thickness of handwriting, the factors that the paper's continuous codes find on MNIST.

They are measured on the pixels of white strokes on black, and compared within categories only, because they
differ between classes: a seven has another slant than a one.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, UInt8

FACTORS = ("slant", "width", "thickness")

_BACKGROUND = 0.1
"""Share of white up to which a pixel is background: faint pixels far away would dominate the moments."""

_CHUNK = 1_000


def measure(images: UInt8[np.ndarray, "n h w 1"]) -> dict[str, Float[np.ndarray, " n"]]:
    """Measure slant, width and thickness of the strokes in each image.

    Args:
        images: white on black.

    Returns:
        `slant`: columns to the right for each row upward, -mu11 / mu02 of the ink's central second moments.
        `width`: in pixels, of the box that has the spread of the ink without its slant,
        sqrt(12 (mu20 - mu11^2 / mu02)): sqrt(w^2 - 1) for a solid box of w columns.
        `thickness`: in pixels, 2 area / perimeter, area the sum of the ink and perimeter that of its
        gradient's length: t l / (t + l) for a bar of t by l pixels, which is nearly t for a long stroke, and
        independent of the ink's brightness.
        All are nan if there is no ink; slant and width also if all ink is in one row.
    """
    parts = [_measure(images[start : start + _CHUNK]) for start in range(0, max(len(images), 1), _CHUNK)]
    return {name: np.concatenate([part[name] for part in parts]) for name in FACTORS}


def _measure(images: UInt8[np.ndarray, "n h w 1"]) -> dict[str, Float[np.ndarray, " n"]]:
    levels = images[..., 0] / 255.0
    ink = np.where(levels > _BACKGROUND, levels, 0.0)
    area = ink.sum((1, 2))
    rows, columns = np.arange(ink.shape[1]), np.arange(ink.shape[2])
    by_row, by_column = ink.sum(2), ink.sum(1)
    y, x = (_ratio(by_row @ rows, area), _ratio(by_column @ columns, area))
    down, across = rows - y[:, None], columns - x[:, None]
    mu02 = _ratio((by_row * down**2).sum(1), area)
    mu20 = _ratio((by_column * across**2).sum(1), area)
    mu11 = _ratio(np.einsum("nij,ni,nj->n", ink, down, across), area)
    lean = _ratio(mu11, mu02)
    spread = np.maximum(mu20 - lean * mu11, 0.0)  # below 0 through rounding only
    return {"slant": -lean, "width": np.sqrt(12 * spread), "thickness": _ratio(2 * area, _perimeter(ink))}


def _perimeter(ink: Float[np.ndarray, "n h w"]) -> Float[np.ndarray, " n"]:
    """Return the sum of the gradient's length between pixels: the length of all edges of the strokes."""
    padded = np.pad(ink, ((0, 0), (1, 1), (1, 1)))
    down, across = np.diff(padded, axis=1), np.diff(padded, axis=2)
    down = (down[:, :, 1:] + down[:, :, :-1]) / 2
    across = (across[:, 1:] + across[:, :-1]) / 2
    return np.asarray(np.hypot(down, across).sum((1, 2)))


def _ratio(
    numerators: Float[np.ndarray, " n"], denominators: Float[np.ndarray, " n"]
) -> Float[np.ndarray, " n"]:
    """Return the ratios, nan if the denominator is 0."""
    none = np.full(len(denominators), np.nan)
    return np.asarray(np.divide(numerators, denominators, out=none, where=denominators > 0))
