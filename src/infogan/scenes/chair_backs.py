"""Backs of chairs: one function of the style for each name in `chair_styles.BACKS`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from infogan.scenes.chair_styles import SEAT_WIDTH, Style, back_point
from infogan.scenes.solids import UP, Solid, both_sides, sheet, tube

_LOWEST = -0.1
"""Lower end of the posts, as a share of the back's height: inside the seat, so that they touch it."""


def back(style: Style) -> list[Solid]:
    """Return all parts of a chair's back; of a stool only the rim behind the seat."""
    return _BACKS[style.back](style)


def crest(style: Style, s: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Return the height of the upper edge above t = 1 at each s, as a share of the back's height."""
    shapes = {
        "flat": np.zeros_like(s),
        "arched": 0.16 * (1 - s**2) - 0.06,
        "wavy": 0.06 * np.cos(2 * np.pi * s),
        "dipped": -0.10 * (1 - s**2),
    }
    return shapes[style.crest]


def _slats(style: Style) -> list[Solid]:
    """Build flat slats, or more and thinner round spindles."""
    slats = style.back == "slats"
    at = np.linspace(-1, 1, style.count + (2 if slats else 4))[1:-1]
    half = (0.55 * style.rear[0] / (style.count + 1), 0.007) if slats else (0.008, 0.008)
    low, rails = _lower_rail(style)
    upright = [_upright(style, s, (low, 0.92 if slats else 0.95), half, 4 if slats else 5) for s in at]
    return [*_posts(style), _top_rail(style, 0.14 if slats else 0.12), *rails, *upright]


def _panel(style: Style) -> list[Solid]:
    thick = 0.045 if style.cushion else 0.012
    return [*_posts(style), _plate(style, (-1.04, 1.04), (style.open, 1.0), thick)]


def _ladder(style: Style) -> list[Solid]:
    count = min(style.count, 5)
    step = (1 - style.open) / count
    levels = 1 - step * np.arange(count)
    rungs = [_plate(style, (-1, 1), (t - 0.55 * step, t), 0.009) for t in levels]
    return [*_posts(style), *rungs]


def _rail(style: Style) -> list[Solid]:
    return [*_posts(style), _plate(style, (-1.08, 1.08), (0.5, 1.0), 0.02 if style.cushion else 0.011)]


def _splat(style: Style) -> list[Solid]:
    t = np.linspace(0.0, 0.95, 9)
    wide = 0.26 + 0.13 * np.sin(2 * np.pi * t * (1 + style.open)) + 0.1 * t  # the outline of a vase
    s = wide[:, None] * np.linspace(-1, 1, 3)
    vase = sheet(*(back_point(style, s, t[:, None], ahead) for ahead in (0.008, -0.008)))
    return [*_posts(style), _top_rail(style, 0.13), vase]


def _hoop(style: Style) -> list[Solid]:
    angle = np.linspace(0, np.pi, 13)
    flat = 0.75  # squarer than an ellipse
    s, t = np.cos(angle), np.sin(angle) ** flat
    s = np.sign(s) * np.abs(s) ** flat
    ring = back_point(style, s, np.where(t > 0, t, _LOWEST))
    hoop = tube(ring, (0, 0, 1), (style.bar * 0.8, style.bar * 0.8), sides=style.sides)
    at = np.linspace(-1, 1, style.count + 3)[1:-1]
    upper = np.interp(at, s[::-1], t[::-1])
    upright = [_upright(style, a, (_LOWEST, b), (0.008, 0.008), 5) for a, b in zip(at, upper, strict=True)]
    return [hoop, *upright]


def _medallion(style: Style) -> list[Solid]:
    angle = 2 * np.pi * np.arange(16) / 16
    s, t = 1.05 * np.cos(angle), 0.62 + 0.42 * np.sin(angle)
    frame = tube(back_point(style, s, t), (0, 0, 1), (style.bar, style.bar), closed=True)
    if style.count < 6:
        middle = np.linspace(0.24, 1.0, 7)
        wide = np.sqrt(np.maximum(0.02, 1 - ((middle - 0.62) / 0.42) ** 2))
        grid = wide[:, None] * np.linspace(-1, 1, 5)
        inside = [sheet(*(back_point(style, grid, middle[:, None], a) for a in (0.018, -0.008)))]
    else:
        at = np.array([-0.6, -0.3, 0.0, 0.3, 0.6])
        reach = 0.42 * np.sqrt(1 - (at / 1.05) ** 2)
        ends = zip(at, 0.62 - reach, 0.62 + reach, strict=True)
        inside = [_upright(style, a, (low, high), (0.012, 0.006), 4) for a, low, high in ends]
    feet = [_upright(style, 0.75, (_LOWEST, 0.34), (style.bar, style.bar), style.sides)]
    return [frame, *inside, *both_sides(feet)]


def _cross(style: Style) -> list[Solid]:
    run = np.linspace(-1, 1, 6)
    low = max(0.1, style.open)
    bar = tube(back_point(style, run, low + (0.92 - low) * (run + 1) / 2), (0, 0, 1), (0.008, 0.016), sides=4)
    rails = [_top_rail(style, 0.14), _plate(style, (-1, 1), (low - 0.08, low), 0.009)]
    return [*_posts(style), *rails, *both_sides([bar])]


def _lattice(style: Style) -> list[Solid]:
    low = style.open
    at = np.linspace(-1, 1, 5)[1:-1]
    upright = [_upright(style, s, (low, 0.95), (0.011, 0.006), 4) for s in at]
    levels = low + (0.9 - low) * np.array([0.0, 0.33, 0.66])
    across = [_plate(style, (-1, 1), (t, t + 0.04), 0.007) for t in levels]
    return [*_posts(style), _top_rail(style, 0.1), *upright, *across]


def _barrel(style: Style) -> list[Solid]:
    """Build a curved wall around the seat, highest at the rear; solid, or a rail on spindles."""
    angle = np.radians(np.linspace(-25, 205, 17))
    foot = (
        np.stack([np.cos(angle) * SEAT_WIDTH / 2, np.zeros(17), -np.sin(angle) * style.depth / 2], 1) * 0.97
    )
    lean = 1 + np.sin(style.rake) + 0.15
    fall = 1 - 0.35 * np.clip(1 - np.sin(angle), 0, 1) * (0.4 + style.open)
    rim = foot * [lean, 0, lean] + np.stack([0 * fall, style.back_height * fall, 0 * fall], 1)
    foot, rim = foot + style.height * UP, rim + style.top * UP
    inward = np.stack([-np.cos(angle), np.zeros(17), np.sin(angle)], 1) * 0.03
    if style.square or style.cushion:
        grid = np.stack([foot - style.thickness / 2 * UP, rim], 1)
        return [sheet(grid + inward[:, None], grid)]
    rail = tube(rim, (0, 1, 0), (0.022, 0.016), sides=4)
    upright = [tube([a, b], (1, 0, 0.3), (0.009, 0.009), sides=5) for a, b in zip(foot, rim, strict=True)]
    return [rail, *upright[:: 2 if style.count < 6 else 1]]


def _none(style: Style) -> list[Solid]:
    """Build the rim behind a stool's seat, which distinguishes its front from its rear."""
    angle = np.radians(np.linspace(25, 155, 11))
    foot = np.stack([np.cos(angle) * SEAT_WIDTH / 2, np.zeros(11), -np.sin(angle) * style.depth / 2], 1)
    levels = np.array([style.height - 0.01, style.top + 0.07])
    grid = foot[:, None] * 0.98 + np.stack([0 * levels, levels, 0 * levels], 1)
    return [sheet(grid * [0.93, 1, 0.93], grid)]


def _posts(style: Style) -> list[Solid]:
    """Build the two posts at the back's sides, thinner towards their upper ends."""
    t = np.array([_LOWEST, 0.4, 1.0])
    thick = style.bar * np.array([1.0, 0.95, 0.75])
    return both_sides([tube(back_point(style, 1.0, t), (1, 0, 0), (thick, thick), sides=style.sides)])


def _upright(
    style: Style, s: float, span: tuple[float, float], half: tuple[float, float], sides: int
) -> Solid:
    """Build a slat or spindle in the back's surface, bent where the surface is."""
    t = np.linspace(*span, 2 if style.bow == 0 else 4)
    return tube(back_point(style, s, t), (1, 0, 0), half, sides=sides)


def _top_rail(style: Style, share: float) -> Solid:
    """Build the bar on the posts' upper ends, as high as a share of the back."""
    return _plate(style, (-1.06, 1.06), (1 - share, 1.0), 0.013)


def _lower_rail(style: Style) -> tuple[float, list[Solid]]:
    """Return the lower end of the slats, on the seat or on a rail above it, and the rail."""
    if style.open < 0.15:
        return _LOWEST, []
    low = 0.5 * style.open
    return low, [_plate(style, (-1, 1), (low - 0.06, low), 0.011)]


def _plate(style: Style, s: tuple[float, float], t: tuple[float, float], half_thickness: float) -> Solid:
    """Build a plate in the back's surface; one that reaches up to 1 follows the crest."""
    plain = style.bow == 0 and (t[1] < 1 or style.crest == "flat")
    across = np.linspace(*s, 2 if plain else 17 if style.crest == "wavy" else 9)
    rise = crest(style, across) if t[1] >= 1 else np.zeros_like(across)
    up = np.stack([np.full_like(across, t[0]), t[1] + rise], 1)
    return sheet(*(back_point(style, across[:, None], up, a) for a in (half_thickness, -half_thickness)))


_BACKS: dict[str, Callable[[Style], list[Solid]]] = {
    "slats": _slats,
    "spindles": _slats,
    "panel": _panel,
    "ladder": _ladder,
    "rail": _rail,
    "splat": _splat,
    "hoop": _hoop,
    "barrel": _barrel,
    "medallion": _medallion,
    "cross": _cross,
    "lattice": _lattice,
    "none": _none,
}
