"""Chairs from parts: seat, cushion, legs and arms here, backs in `chair_backs`.

    mesh = chair(style(seed=0, index=12))

Parts are closed solids that overlap.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from infogan.scenes.chair_backs import back
from infogan.scenes.chair_styles import FOUR_LEGS, SEAT_WIDTH, Style, back_point, outline
from infogan.scenes.rasterizer import Mesh
from infogan.scenes.solids import AHEAD, UP, Solid, both_sides, joined, loft, slab, tube

WIDTHS = (0.6, 1.4)
"""Smallest and largest width of the seat in units of `SEAT_WIDTH`; a width scales x of every point."""

_TURNED = (1.0, 1.0, 0.55, 0.55, 1.25, 0.8, 1.2, 0.6, 0.5, 0.85, 0.6)
"""Radii of a turned leg from the seat to the floor."""

_CABRIOLE = (0.0, 0.55, 1.0, 0.75, 0.15, -0.25, -0.1, 0.35)
"""Outward bend of a cabriole leg, from the seat to the floor."""


def chair(style: Style) -> Mesh:
    """Return the mesh of a chair in metres: its front at +z, its feet on y = 0, its middle at x = 0."""
    return joined([*_seat(style), *_LEGS[style.legs](style), *back(style), *_ARMS[style.arms](style)])


# --- seats -----------------------------------------------------------------------------------------------


def _seat(style: Style) -> list[Solid]:
    edge = outline(style)
    low, high = style.height - style.thickness, style.height
    bevel = min(0.012, style.thickness / 3)
    seat = slab(edge, [(low, 0.94), (low + bevel, 1.0), (high - bevel, 1.0), (high, 0.96)])
    if not style.cushion:
        return [seat]
    rise = style.cushion
    pad = [(high - 0.005, 0.88), (high + 0.2 * rise, 0.98), (high + 0.6 * rise, 0.98), (high + rise, 0.86)]
    return [seat, slab(edge, pad)]


# --- legs ------------------------------------------------------------------------------------------------


def _four(style: Style) -> list[Solid]:
    """Build four legs, and the stretchers between them."""
    lean = math.tan(style.splay) if style.legs == "splayed" else 0.0
    profile = {
        "tapered": np.array([1.15, 0.55]),
        "splayed": np.array([1.1, 0.65]),
        "turned": np.array(_TURNED) * 1.25,
        "cabriole": np.array([1.7, 1.6, 1.3, 1.0, 0.8, 0.7, 0.75, 1.1]),
    }.get(style.legs, np.ones(2))
    sides = 7 if style.legs in {"turned", "cabriole"} else style.sides
    half = (profile * style.bar, profile * style.bar)
    paths = [_leg_path(style, corner, lean, len(profile)) for corner in (style.front, style.rear)]
    right = [tube(path, (0, 0, 1), half, sides=sides) for path in paths]
    return [*both_sides(right), *_stretchers(style, lean)]


def _leg_path(
    style: Style, corner: tuple[float, float], lean: float, count: int
) -> Float[np.ndarray, "count 3"]:
    x, z = corner
    down = np.linspace(0, 1, count)
    top = style.height - 0.3 * style.thickness
    out = lean * top * down
    if style.legs == "cabriole":
        out = out + 0.035 * np.array(_CABRIOLE)
    start = 0.78 if lean else 1.0  # splayed legs start further inside
    return np.stack([x * start + out, top * (1 - down), z * start + math.copysign(1.0, z) * out], axis=1)


def _stretchers(style: Style, lean: float) -> list[Solid]:
    if style.stretchers == "none" or style.legs == "cabriole":
        return []
    share = 0.68  # of the way down
    paths = [_leg_path(style, corner, lean, 2) for corner in (style.front, style.rear)]
    front, rear = (path[0] + share * (path[1] - path[0]) for path in paths)
    half = (0.6 * style.bar, 0.6 * style.bar)
    flip = np.array([-1.0, 1.0, 1.0])
    middle = (front + rear) / 2
    side = both_sides([tube([front, rear], (1, 0, 0), half, sides=style.sides)])
    cross = {"box": [front + 0.05 * UP, rear + 0.05 * UP], "H": [middle], "front": [front]}[style.stretchers]
    bars = [tube([end, end * flip], (0, 1, 0), half, sides=style.sides) for end in cross]
    return bars if style.stretchers == "front" else [*side, *bars]


def _crossed(style: Style) -> list[Solid]:
    """Build legs that cross on each side, with bars between the sides."""
    x = 0.86 * SEAT_WIDTH / 2
    top, z = style.height - 0.4 * style.thickness, 0.48 * style.depth
    half = (0.8 * style.bar, 1.1 * style.bar)
    down = np.linspace(0, 1, 6)  # short pieces: the cost of rendering grows with bounding boxes
    legs = [
        tube(
            np.stack([np.full(6, x - shift), top * (1 - down), end * (0.9 - 1.9 * down)], 1),
            (1, 0, 0),
            half,
            sides=style.sides,
        )
        for shift, end in ((0.0, z), (1.7 * style.bar, -z))
    ]
    bars = [
        tube([(-x, y, end), (x, y, end)], (0, 1, 0), (0.7 * style.bar, 0.7 * style.bar), sides=style.sides)
        for y, end in ((0.12 * top, 0.72 * z), (0.12 * top, -0.72 * z))
    ]
    return [*both_sides(legs), *bars]


def _sled(style: Style) -> list[Solid]:
    """Build a frame at each side whose lower bar is on the floor."""
    x, z = style.front[0], 0.9 * style.depth / 2
    top, r = style.height - 0.5 * style.thickness, style.bar
    bend = 0.03
    path = [
        (x, top, z), (x, bend, z), (x, r, z - bend), (x, r, -z + bend), (x, bend, -z), (x, top, -z),
    ]  # fmt: skip
    frame = tube(path, (1, 0, 0), (0.8 * r, 0.8 * r), sides=style.sides)
    bar = tube([(-x, top - 0.01, z), (x, top - 0.01, z)], (0, 1, 0), (0.7 * r, 0.7 * r), sides=style.sides)
    return [*both_sides([frame]), bar]


def _cantilever(style: Style) -> list[Solid]:
    """Build one bent tube: under the seat, down at the front, along the floor to the rear."""
    x, z = 0.88 * SEAT_WIDTH / 2, 0.96 * style.depth / 2
    top, r = style.height - 0.5 * style.thickness, 0.85 * style.bar
    bend = 0.05
    path = [
        (x, top, -z), (x, top, z - bend), (x, top - bend, z), (x, bend, z), (x, r, z - bend), (x, r, -z),
    ]  # fmt: skip
    side = tube(path, (1, 0, 0), (r, r), sides=style.sides)
    return [*both_sides([side]), tube([(-x, r, -z), (x, r, -z)], (0, 1, 0), (r, r), sides=style.sides)]


def _pedestal(style: Style) -> list[Solid]:
    """Build a column on a round foot."""
    top, foot = style.height - 0.5 * style.thickness, 0.42 * style.depth
    neck = style.bar * (1.0 + 1.5 * style.open)
    radii = [foot, foot, 0.55 * foot, neck * 1.3, neck, neck * 1.2, neck * 3]
    heights = [0, 0.015, 0.03, 0.09, 0.4 * top, 0.8 * top, top]
    circle = 2 * np.pi * np.arange(14) / 14
    rings = [
        np.stack([r * np.cos(circle), np.full(14, y), r * np.sin(circle)], 1)
        for r, y in zip(radii, heights, strict=True)
    ]
    return [loft(np.stack(rings))]


def _star(style: Style) -> list[Solid]:
    """Build a column on five arms with castors, or on four without."""
    top, count = style.height - 0.5 * style.thickness, 5 if style.count > 3 else 4
    column = tube([(0, 0.07, 0), (0, top, 0)], (1, 0, 0), ([0.03, 0.022], [0.03, 0.022]), sides=8)
    parts = [column]
    for k in range(count):
        angle = math.pi / 2 + 2 * math.pi * (k + 0.5 * (count == 4)) / count
        outward = np.array([math.cos(angle), 0.0, math.sin(angle)])
        end = outward * 0.52 * style.depth
        arm = [0.11 * UP, end + 0.065 * UP]
        parts.append(tube(arm, (0, 1, 0), ([0.022, 0.012], [0.028, 0.018]), sides=4))
        wheel = (0.018, 0.02) if count == 5 else (0.012, 0.012)
        parts.append(tube([end + 0.075 * UP, end], (1, 0, 0.5), wheel, sides=6))
    return parts


def _plinth(style: Style) -> list[Solid]:
    """Build a block under an upholstered chair, on the floor or on short feet."""
    feet = 0.09 if style.count > 4 else 0.0
    block = slab(outline(style), [(feet, 0.93), (style.height - 0.3 * style.thickness, 0.97)])
    if not feet:
        return [block]
    r = style.bar
    right = [
        tube([(x, feet + 0.01, z), (x, 0, z)], (0, 0, 1), ([1.3 * r, 0.8 * r], [1.3 * r, 0.8 * r]), sides=6)
        for x, z in (0.85 * np.array([style.front, style.rear]))
    ]
    return [block, *both_sides(right)]


_LEGS: dict[str, Callable[[Style], list[Solid]]] = {
    **dict.fromkeys(FOUR_LEGS, _four),
    "crossed": _crossed,
    "sled": _sled,
    "cantilever": _cantilever,
    "pedestal": _pedestal,
    "star": _star,
    "plinth": _plinth,
}


# --- arms ------------------------------------------------------------------------------------------------


def _arm_ends(style: Style) -> tuple[Float[np.ndarray, 3], Float[np.ndarray, 3]]:
    """Return the rear end of the right arm at the back, and the point above the seat's front corner."""
    rear = back_point(style, 1.0, min(0.9, style.arm_height / style.back_height))
    front = np.array([SEAT_WIDTH / 2, style.top + style.arm_height, 0.75 * style.front[1]])
    return rear, front


def _straight_arms(style: Style) -> list[Solid]:
    """Build a flat arm on a post at the seat's front."""
    rear, front = _arm_ends(style)
    arm = tube([rear, front + 0.05 * AHEAD], (1, 0, 0), ([style.bar, 0.028], [0.011, 0.011]), sides=4)
    foot = np.array([0.96 * SEAT_WIDTH / 2, style.height - style.thickness, front[2]])
    r = 0.75 * style.bar
    return both_sides([arm, tube([foot, front], (0, 0, 1), (r, r), sides=style.sides)])


def _sloped_arms(style: Style) -> list[Solid]:
    """Build a curved arm that falls towards the front, on a leaning post."""
    rear, front = _arm_ends(style)
    t = np.linspace(0, 1, 7)[:, None]
    out = np.sin(np.pi * t) * [0.025, 0, 0]
    path = rear + (front - 0.05 * UP - rear) * t + out + np.sin(2 * np.pi * t) * [0, -0.018, 0]
    r = 0.8 * style.bar
    arm = tube(path, (1, 0, 0), (1.2 * r, 0.9 * r), sides=6)
    foot = np.array([0.95 * SEAT_WIDTH / 2, style.height - 0.5 * style.thickness, 0.2 * front[2]])
    return both_sides([arm, tube([foot, path[5]], (1, 0, 0), (0.8 * r, 0.8 * r), sides=6)])


def _loop_arms(style: Style) -> list[Solid]:
    """Build one bent bar: from the back to the front and down to the seat."""
    rear, front = _arm_ends(style)
    front = front + 0.04 * AHEAD
    foot = np.array([front[0], style.height - 0.5 * style.thickness, front[2]])
    bend = 0.05
    path = [rear, front - bend * AHEAD, front - bend * UP, foot]
    r = 0.8 * style.bar
    return both_sides([tube(path, (1, 0, 0), (1.2 * r, r), sides=style.sides)])


def _panel_arms(style: Style) -> list[Solid]:
    """Build upholstered walls at the sides, down to the floor on a block."""
    low = 0.09 * (style.count > 4) if style.legs == "plinth" else style.height - style.thickness
    high = style.top + style.arm_height
    thick = 0.045 if style.legs == "plinth" else 0.016
    x = SEAT_WIDTH / 2 + 0.6 * thick
    z = np.array([-style.depth / 2 - 0.02, style.depth / 2])
    levels = np.array([low, high - 0.5 * thick, high])
    across = np.array([thick, thick, 0.5 * thick])
    rings = [
        [(x - w, y, z[0]), (x + w, y, z[0]), (x + w, y, z[1]), (x - w, y, z[1])]
        for y, w in zip(levels, across, strict=True)
    ]
    return both_sides([loft(np.array(rings))])


_ARMS: dict[str, Callable[[Style], list[Solid]]] = {
    "none": lambda style: [],
    "straight": _straight_arms,
    "sloped": _sloped_arms,
    "loop": _loop_arms,
    "panels": _panel_arms,
}
