"""The built-in head: a procedural morphable model, for users without the file of another model.

Skull, face, nose, lips and neck are one surface around smoothly joined solids, found along rays from the
middle of the head; each ear is a separate surface. Modes displace the points near a centre. Lengths are in
centimetres; `head_model` converts them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from jaxtyping import Float64, Int64

from infogan.scenes.morphable import MorphableModel, outward

_Points = Float64[np.ndarray, "n 3"]
_Distances = Float64[np.ndarray, " n"]
_Triangles = Int64[np.ndarray, "t 3"]
_Triple = tuple[float, float, float]

_COLUMNS, _ROWS = 96, 84
_SPINE = ((0.0, -1.0, -1.0), (0.0, -21.0, -4.2))
_RINGS = (0.0, 0.22, 0.72, 0.8, 1.0)
_TILTS = (0.0, 58.0, 122.0, 140.0, 100.0)
"""Angles of the rays from the vertical, in degrees, at the shares in `_RINGS`: most rings cross the face."""

_NECK_ENDS = -24.0
_PICTURE_MIDDLE = (0.0, -1.0, 0.5)
_PICTURE_HALF = 13.4


@dataclass(frozen=True)
class _Solid:
    """An ellipsoid that is joined to the head or cut out of it, on both sides if it is not in the middle.

    Attributes:
        centre, radii: cm; x to the head's left, which is right in the picture.
        soft: cm over which the edge is rounded.
        cut: True: it is cut out.
    """

    centre: _Triple
    radii: _Triple
    soft: float
    cut: bool = False


_SOLIDS = (
    _Solid((0, 3.2, -1.0), (7.5, 8.8, 9.5), 2.0),  # skull
    _Solid((0, -2.2, 2.0), (6.4, 8.6, 6.9), 2.5),  # face
    _Solid((0, -6.4, 3.2), (5.3, 4.2, 5.5), 1.5),  # jaw
    _Solid((0, -9.3, 7.0), (2.2, 1.5, 1.9), 1.8),  # chin
    _Solid((4.3, -2.2, 4.9), (2.3, 2.0, 3.0), 2.4),  # cheekbones
    _Solid((0, -6.2, 6.6), (3.2, 3.0, 2.2), 2.0),  # around the mouth
    _Solid((2.2, 2.7, 7.1), (2.6, 0.9, 1.5), 1.8),  # brow
    _Solid((3.2, 0.45, 9.3), (1.75, 1.15, 2.4), 0.9, cut=True),  # eye sockets
    _Solid((3.1, 0.4, 6.55), (1.4, 1.2, 1.4), 0.15),  # eyes
    _Solid((3.2, 1.15, 6.7), (1.65, 0.55, 1.45), 0.2),  # upper lids
    _Solid((3.2, -0.45, 6.6), (1.5, 0.45, 1.35), 0.3),  # lower lids
    _Solid((0, 0.8, 7.9), (0.75, 2.4, 1.0), 1.2),  # bridge of the nose
    _Solid((0, -1.5, 8.7), (0.85, 2.2, 1.1), 1.0),
    _Solid((0, -3.2, 9.7), (1.0, 0.95, 1.2), 1.2),  # tip
    _Solid((1.2, -3.5, 8.5), (0.75, 0.75, 1.1), 0.6),  # wings
    _Solid((0.45, -5.95, 8.3), (1.9, 0.5, 1.0), 0.3),  # upper lip
    _Solid((0, -7.0, 8.3), (2.0, 0.6, 1.0), 0.3),  # lower lip
    _Solid((0, -6.42, 9.5), (2.6, 0.2, 0.75), 0.35, cut=True),  # between the lips
    _Solid((0, -8.1, 9.7), (2.4, 0.5, 1.0), 0.8, cut=True),  # above the chin
)


@dataclass(frozen=True)
class _Pull:
    """A displacement of the points around a centre, which decreases as a Gaussian of the distance.

    Attributes:
        centre, reach: cm; the centre, and the standard deviations of the Gaussian.
        move: displacement at the centre, in cm, for a weight of 1.
        mirrored: True: the other side moves symmetrically.
    """

    centre: _Triple
    reach: _Triple
    move: _Triple
    mirrored: bool = False


_PULLS: dict[str, _Pull] = {
    "nose length": _Pull((0, -2.6, 10.5), (1.4, 1.9, 1.8), (0, -0.2, 0.5)),
    "nose width": _Pull((1.3, -3.0, 9.4), (0.7, 1.2, 1.2), (0.28, 0, 0), True),
    "nose bridge": _Pull((0, 0.2, 9.2), (1.0, 1.5, 1.5), (0, 0, 0.4)),
    "jaw width": _Pull((5.0, -6.5, 2.5), (2.6, 3.0, 4.0), (0.6, 0, 0), True),
    "chin": _Pull((0, -9.5, 8.0), (2.4, 2.0, 2.6), (0, -0.35, 0.6)),
    "cheekbones": _Pull((5.0, -2.0, 5.5), (1.8, 2.0, 2.5), (0.4, 0, 0.35), True),
    "cheeks": _Pull((4.2, -5.5, 5.5), (1.9, 2.2, 2.5), (0.5, 0, 0.35), True),
    "brow": _Pull((2.4, 2.7, 8.5), (2.6, 1.0, 2.0), (0, -0.1, 0.4), True),
    "eye depth": _Pull((3.1, 0.6, 8.0), (1.5, 1.0, 2.0), (0, 0, -0.4), True),
    "eye distance": _Pull((3.1, 0.6, 8.0), (1.5, 1.3, 2.0), (0.25, 0, 0), True),
    "forehead": _Pull((0, 6.5, 7.5), (5.0, 2.6, 4.0), (0, 0, 0.7)),
    "crown": _Pull((0, 11.0, -1.0), (6.5, 3.5, 7.0), (0, 0.8, 0)),
    "back of the head": _Pull((0, 3.0, -9.5), (6.0, 5.0, 4.0), (0, 0, -0.7)),
    "lips": _Pull((0, -6.2, 9.2), (1.8, 1.1, 1.4), (0, 0, 0.35)),
    "mouth width": _Pull((2.0, -6.2, 8.5), (1.0, 1.0, 1.6), (0.3, 0, 0), True),
    "ears": _Pull((8.8, 0.2, -1.0), (1.2, 2.6, 2.2), (0.5, 0, -0.1), True),
    "neck": _Pull((6.0, -15.0, -2.0), (3.5, 5.0, 6.0), (0.6, 0, 0), True),
}
"""One mode each, after the stretches; weights of 3 still give faces."""

_STRETCHES: dict[str, _Triple] = {"width": (0.055, 0.0, 0.0), "length": (0.0, 0.045, 0.0)}
"""Modes that scale the whole head: displacement of a point as a share of its coordinates."""


@cache
def head_model() -> MorphableModel:
    """Return the built-in head: 17,376 triangles and 19 modes; the unit is half the picture's height.

    Takes about a second, once per process.
    """
    ear, ear_triangles = _ear()
    parts = [_skin(), (ear, ear_triangles), (ear * [-1.0, 1.0, 1.0], ear_triangles)]
    points = np.concatenate([part for part, _ in parts])
    starts = np.cumsum([0] + [len(part) for part, _ in parts])
    triangles = [
        outward(torch.from_numpy(part), torch.from_numpy(corners)) + int(start)
        for (part, corners), start in zip(parts, starts, strict=False)
    ]
    modes = [points * share for share in _STRETCHES.values()]
    modes += [_displacement(points, pull) for pull in _PULLS.values()]
    _, y, z = parts[0][0].T
    face = (z > 0) & (y < 8) & (y > -11.5) & (z > -7 - y)  # before the ears, from the chin to the hairline
    return MorphableModel(
        "built-in head",
        torch.from_numpy((points - _PICTURE_MIDDLE) / _PICTURE_HALF).float(),
        torch.from_numpy(np.stack(modes) / _PICTURE_HALF).float(),
        torch.cat(triangles),
        torch.from_numpy(np.flatnonzero(face)),
    )


def _displacement(points: _Points, pull: _Pull) -> _Points:
    """Return the displacement of each point for a weight of 1."""
    total = np.zeros_like(points)
    for side in (1.0, -1.0) if pull.mirrored else (1.0,):
        flip = np.array([side, 1.0, 1.0])
        away = (points - flip * pull.centre) / pull.reach
        total += np.exp(-0.5 * (away**2).sum(1))[:, None] * (flip * pull.move)
    return total


def _skin() -> tuple[_Points, _Triangles]:
    """Return the surface of skull, face and neck, as rings of rays from a spine.

    The rays of the head start at one point; those of the neck start further and further down, because from
    above they would be nearly tangential to it.
    """
    around = np.linspace(-np.pi, np.pi, _COLUMNS, endpoint=False)
    around = around - 0.45 * np.sin(around)  # closer together in front, where the face is
    ring = np.arange(1, _ROWS + 1) / _ROWS
    down = np.interp(ring, _RINGS, _TILTS)
    sunk = np.interp(ring, (_RINGS[-2], 1.0), (0.0, 1.0))
    a, d = (grid.ravel() for grid in np.meshgrid(around, np.radians(down)))
    rays = np.stack([np.sin(a) * np.sin(d), np.cos(d), np.cos(a) * np.sin(d)], 1)
    top, bottom = np.array(_SPINE)
    starts = np.repeat(top + (bottom - top) * sunk[:, None], _COLUMNS, 0)
    starts = np.concatenate([starts, [top, bottom]])
    rays = np.concatenate([rays, [[0.0, 1.0, 0.0], [0.0, -1.0, 0.0]]])
    return starts + rays * _reach(starts, rays)[:, None], _sphere_triangles(_ROWS, _COLUMNS)


def _sphere_triangles(rows: int, columns: int) -> _Triangles:
    """Return the triangles of a grid of rings, followed by its first and last pole."""
    row, column = (
        grid.ravel() for grid in np.meshgrid(np.arange(rows - 1), np.arange(columns), indexing="ij")
    )
    after = (column + 1) % columns
    a, b = row * columns + column, row * columns + after
    c, d = a + columns, b + columns
    ring, following = np.arange(columns), (np.arange(columns) + 1) % columns
    last = (rows - 1) * columns
    pole = np.full(columns, rows * columns)
    return np.concatenate(
        [
            np.stack([a, c, b], 1),
            np.stack([b, c, d], 1),
            np.stack([pole, ring, following], 1),
            np.stack([pole + 1, last + following, last + ring], 1),
        ]
    )


def _reach(starts: _Points, rays: _Points) -> _Distances:
    """Return the distance to the surface along each ray, which starts inside, by bisection."""
    steps = np.linspace(1.0, 25.0, 49)
    outside = np.stack([_distance(starts + rays * step) >= 0 for step in steps])
    high = steps[outside.argmax(0)]
    low = high - (steps[1] - steps[0])
    for _ in range(16):
        middle = (low + high) / 2
        within = _distance(starts + rays * middle[:, None]) < 0
        low, high = np.where(within, middle, low), np.where(within, high, middle)
    return np.asarray((low + high) / 2)


def _distance(points: _Points) -> _Distances:
    """Return the approximate signed distance of each point from the head; negative inside."""
    folded = points.copy()
    folded[:, 0] = np.abs(folded[:, 0])  # the head is symmetric
    total = _neck(folded)
    for solid in _SOLIDS:
        part = _ellipsoid(folded, solid)
        total = -_join(-total, part, solid.soft) if solid.cut else _join(total, part, solid.soft)
    return np.asarray(np.maximum(total, _NECK_ENDS - points[:, 1]))


def _neck(points: _Points) -> _Distances:
    """Return the distance from the neck: a cone that leans forward, wider below."""
    x, y, z = points.T
    t = np.clip((-4.0 - y) / 16.0, 0, 1)
    middle = -2.0 - 2.2 * t
    radius = 5.1 + 2.6 * t**3
    return np.asarray(np.maximum(np.hypot(x, z - middle) - radius, y + 2.0))


def _ellipsoid(points: _Points, solid: _Solid) -> _Distances:
    """Return the approximate distance from its surface: exact on it, and along its axes."""
    away = points - solid.centre
    scaled = away / solid.radii
    length = np.sqrt((scaled**2).sum(1)) + 1e-9
    slope = np.sqrt(((scaled / solid.radii) ** 2).sum(1)) + 1e-9
    return np.asarray(length * (length - 1) / slope)


def _join(a: _Distances, b: _Distances, soft: float) -> _Distances:
    """Return the distance from the union of two solids, whose edge is rounded over `soft` cm."""
    near = np.maximum(soft - np.abs(a - b), 0) / soft
    return np.asarray(np.minimum(a, b) - near**2 * soft / 4)


def _ear() -> tuple[_Points, _Triangles]:
    """Return the ear on the side of positive x: a shell with a rim and a bowl, as a closed surface."""
    columns, rows = 24, 13
    around = np.linspace(0, 2 * np.pi, columns, endpoint=False)
    turn = np.linspace(0, np.pi, rows + 2)[1:-1]
    a, t = (grid.ravel() for grid in np.meshgrid(around, turn))
    out = np.concatenate([np.sin(t), [0.0, 0.0]])
    a, t = np.concatenate([a, [0.0, 0.0]]), np.concatenate([t, [0.0, np.pi]])
    rim = 0.45 * np.exp(-(((out - 0.85) / 0.16) ** 2)) - 0.3 * np.exp(-((out / 0.6) ** 2))
    rim = rim * (1 - 0.7 * np.clip(-np.cos(a) - 0.55, 0, 1) / 0.45)  # the lobe is flat
    height = np.where(t < np.pi / 2, 0.25 + rim, -0.25) * np.where(out > 0.97, 0.6, 1.0)
    up = 3.2 * out * np.cos(a)
    back = (1.65 + 0.5 * np.cos(a - 0.5)) * out * np.sin(a)
    tilt, flare = math.radians(12), math.radians(28)
    up, back = up * math.cos(tilt) - back * math.sin(tilt), up * math.sin(tilt) + back * math.cos(tilt)
    x = 7.3 + (back + 1.2) * math.sin(flare) + height * math.cos(flare)
    z = -0.9 - back * math.cos(flare) + height * math.sin(flare)
    return np.stack([x, up - 0.5, z], 1), _sphere_triangles(rows, columns)
