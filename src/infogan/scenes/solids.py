"""Closed solids from a few parameters: tubes, slabs and sheets, whose triangles face outward.

Points are float64 in numpy; x right, y up, z to the front. `joined` returns a mesh for the rasteriser.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64

from infogan.scenes.rasterizer import Mesh

Numbers = float | Sequence[float] | Float[np.ndarray, " n"]
"""One number, or one for each point of a path."""

UP, AHEAD = np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.0, 1.0])


@dataclass(frozen=True)
class Solid:
    """A closed surface.

    Attributes:
        vertices: float64 [V, 3].
        triangles: int64 [T, 3], counter-clockwise seen from outside.
    """

    vertices: Float[np.ndarray, "v 3"]
    triangles: Int64[np.ndarray, "t 3"]


def loft(rings: Float[np.ndarray, "n k 3"], *, closed: bool = False, thin: bool = False) -> Solid:
    """Connect rings of points, each to the next.

    Args:
        rings: 2 rings or more of 3 points or more, in either direction.
        closed: True: the last ring is connected to the first; False: both ends are capped.
        thin: False: the end rings are convex; True: they may be bent, but point j is near point k - 1 - j.
    """
    n, k, _ = rings.shape
    index = np.arange(n * k).reshape(n, k)
    here, there = (index, np.roll(index, -1, 0)) if closed else (index[:-1], index[1:])
    a, b, c, d = here, np.roll(here, -1, 1), np.roll(there, -1, 1), there
    sides = [np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)]
    caps = [] if closed else [(_strip if thin else _cap)(ring) for ring in (index[0][::-1], index[-1])]
    vertices, triangles = rings.reshape(-1, 3), np.concatenate([*sides, *caps])
    corners = vertices[triangles]
    volume = np.einsum("ti,ti->", corners[:, 0], np.cross(corners[:, 1], corners[:, 2]))
    return Solid(vertices, triangles if volume > 0 else triangles[:, ::-1])  # facing outward


def tube(
    path: Sequence[Sequence[float] | Float[np.ndarray, 3]] | Float[np.ndarray, "n 3"],
    across: Sequence[float],
    half: tuple[Numbers, Numbers],
    *,
    sides: int = 6,
    closed: bool = False,
) -> Solid:
    """Return a bar or tube along a path.

    Args:
        path: 2 points or more, no two neighbours equal.
        across: a direction that the path never takes; its component normal to the path is the first axis of
            the cross-section.
        half: half the size of the cross-section along its first and second axis; a number, or one per point.
        sides: of the cross-section: 4 for a rectangle, more for an ellipse.
        closed: True: the path is a loop, whose first point is not repeated.
    """
    points = np.asarray(path, dtype=np.float64)
    along = np.roll(points, -1, 0) - np.roll(points, 1, 0) if closed else np.gradient(points, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    first = np.asarray(across, dtype=np.float64) - along * (along @ np.asarray(across))[:, None]
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    second = np.cross(along, first)
    turn = 2 * np.pi * (np.arange(sides) + 0.5) / sides
    stretch = np.sqrt(2) if sides == 4 else 1.0  # the corners of a rectangle
    u, v = (np.broadcast_to(np.asarray(size, dtype=np.float64), len(points)) * stretch for size in half)
    rings = (
        points[:, None]
        + first[:, None] * (u[:, None] * np.cos(turn))[..., None]
        + second[:, None] * (v[:, None] * np.sin(turn))[..., None]
    )
    return loft(rings, closed=closed)


def slab(outline: Float[np.ndarray, "k 2"], levels: Sequence[tuple[float, float]]) -> Solid:
    """Return a horizontal plate.

    Args:
        outline: x and z of a convex outline around 0.
        levels: heights, each with the scale of the outline there: two for a plain plate, more for rounded
            edges.
    """
    rings = [np.stack([outline[:, 0] * s, np.full(len(outline), y), outline[:, 1] * s], 1) for y, s in levels]
    return loft(np.stack(rings))


def sheet(front: Float[np.ndarray, "n m 3"], behind: Float[np.ndarray, "n m 3"]) -> Solid:
    """Return a bent plate between two grids of points that are close to each other."""
    return loft(np.concatenate([front, behind[:, ::-1]], axis=1), thin=True)


def mirrored(solid: Solid) -> Solid:
    """Return the mirror image in the plane x = 0."""
    return Solid(solid.vertices * [-1.0, 1.0, 1.0], solid.triangles[:, ::-1])


def both_sides(solids: Sequence[Solid]) -> list[Solid]:
    """Return the solids and their mirror images."""
    return [*solids, *map(mirrored, solids)]


def joined(solids: Sequence[Solid]) -> Mesh:
    """Return all solids as one mesh."""
    starts = np.cumsum([0, *(len(solid.vertices) for solid in solids)])
    vertices = np.concatenate([solid.vertices for solid in solids])
    triangles = np.concatenate(
        [solid.triangles + start for solid, start in zip(solids, starts, strict=False)]
    )
    return Mesh(torch.from_numpy(vertices).float(), torch.from_numpy(triangles))


def _cap(ring: Int64[np.ndarray, " k"]) -> Int64[np.ndarray, "t 3"]:
    """Triangulate a convex ring in wide triangles: the cost of rendering grows with their bounding boxes."""
    faces, spans = [], [(0, len(ring) // 2), (len(ring) // 2, len(ring))]
    while spans:
        first, last = spans.pop()
        if last - first > 1:
            middle = (first + last) // 2
            faces.append((first, middle, last % len(ring)))
            spans += [(first, middle), (middle, last)]
    return np.asarray(ring[np.array(faces)])


def _strip(ring: Int64[np.ndarray, " k"]) -> Int64[np.ndarray, "t 3"]:
    """Triangulate a ring by a strip between its two halves."""
    k = len(ring)
    faces = []
    for j in range((k - 1) // 2):
        far = k - 1 - j
        faces.append((j, j + 1, far))
        if far - 1 > j + 1:
            faces.append((j + 1, far - 1, far))
    return np.asarray(ring[np.array(faces)])
