"""Procedural chairs: closed, all of one seat width, different from each other, with a front."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from infogan.scenes import chair_styles
from infogan.scenes.chair_parts import chair
from infogan.scenes.chair_styles import SEAT_WIDTH, outline, style
from infogan.scenes.solids import loft, sheet, slab, tube

STYLES = [style(0, index) for index in range(60)]


def volume(vertices: np.ndarray, triangles: np.ndarray) -> float:
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    return float(np.einsum("ti,ti->", a, np.cross(b, c)) / 6)


def is_closed(triangles: np.ndarray) -> bool:
    """Whether each edge is there once in each sense."""
    edges = [
        (a, b) for k in range(3) for a, b in zip(triangles[:, k], triangles[:, (k + 1) % 3], strict=True)
    ]
    return len(set(edges)) == len(edges) and {(b, a) for a, b in edges} == set(edges)


def test_solids_are_closed_turned_outward_and_as_large_as_asked() -> None:
    """A box of 2 x 4 x 6 by each way of making one, and a ring."""
    box = [(1, -2, 3), (-1, -2, 3), (-1, -2, -3), (1, -2, -3)]
    ring = np.stack([np.add(box, [0, y, 0]) for y in (0.0, 4.0)])
    grid = np.array([[(-1, -2), (-1, 2)], [(1, -2), (1, 2)]], dtype=float)
    front, behind = (np.concatenate([grid, np.full((2, 2, 1), z)], 2) for z in (3.0, -3.0))
    boxes = [
        loft(ring),
        loft(ring[:, ::-1]),
        tube([(0, -2, 0), (0, 0, 0), (0, 2, 0)], (1, 0, 0), (1.0, 3.0), sides=4),
        slab(ring[0][:, [0, 2]], [(-2, 1), (2, 1)]),
        sheet(front, behind),
    ]
    for solid in boxes:
        assert is_closed(solid.triangles)
        assert volume(solid.vertices, solid.triangles) == pytest.approx(48)
        np.testing.assert_allclose(solid.vertices.max(0), [1, 2, 3])
    turn = 2 * np.pi * np.arange(64) / 64
    circle = np.stack([np.cos(turn), np.sin(turn), 0 * turn], 1)
    torus = tube(circle, (0, 0, 1), (0.2, 0.2), sides=32, closed=True)
    assert is_closed(torus.triangles)
    assert volume(torus.vertices, torus.triangles) == pytest.approx(2 * np.pi**2 * 0.2**2, rel=0.02)


def test_a_style_is_a_function_of_seed_and_index() -> None:
    assert style(0, 7) == STYLES[7]
    assert style(1, 7) != STYLES[7]
    mesh, again = chair(style(3, 2**40)), chair(style(3, 2**40))
    assert torch.equal(mesh.vertices, again.vertices)
    assert torch.equal(mesh.triangles, again.triangles)


@pytest.mark.parametrize("part", ["seat", "legs", "back", "arms", "stretchers", "crest"])
def test_every_kind_of_part_is_drawn(part: str) -> None:
    drawn = {getattr(style(0, index), part) for index in range(400)}
    assert drawn == set(getattr(chair_styles, {"crest": "CRESTS"}.get(part, f"{part.rstrip('s')}s".upper())))


def test_styles_are_different_chairs() -> None:
    kinds = {(s.seat, s.legs, s.back, s.arms, s.crest) for s in STYLES}
    assert len(kinds) > 50
    assert len({chair(s).vertices.numpy().tobytes() for s in STYLES}) == len(STYLES)


def test_chairs_stand_on_the_floor_and_are_symmetric_and_turned_outward() -> None:
    for s in STYLES:
        mesh = chair(s)
        vertices, triangles = mesh.vertices.numpy(), mesh.triangles.numpy()
        low, high = vertices.min(0), vertices.max(0)
        assert abs(low[1]) < 0.03, s
        assert s.height <= high[1] < 1.7, s
        assert -low[0] == pytest.approx(high[0], abs=1e-5), s
        assert np.isfinite(vertices).all()
        assert is_closed(triangles), s
        assert volume(vertices, triangles) > 0.001, s


def test_the_back_is_behind_and_the_front_is_free() -> None:
    """Above the seat there is more behind the middle than in front of it."""
    for s in STYLES:
        vertices = chair(s).vertices.numpy()
        above = vertices[vertices[:, 1] > s.top + 0.05]
        assert above[:, 2].mean() < -0.03, s
        assert above[:, 2].min() < -0.2 * s.depth, s


def test_the_seat_of_every_style_has_the_same_width() -> None:
    for s in STYLES:
        assert np.ptp(outline(s)[:, 0]) == pytest.approx(SEAT_WIDTH)
        assert np.ptp(outline(s)[:, 1]) == pytest.approx(s.depth)


@pytest.mark.slow
@pytest.mark.parametrize("legs", chair_styles.LEGS)
@pytest.mark.parametrize("back", chair_styles.BACKS)
def test_any_legs_go_with_any_back(legs: str, back: str) -> None:
    """Also those that no style has: nothing is degenerate."""
    for s in (STYLES[3], STYLES[4]):
        mesh = chair(replace(s, legs=legs, back=back))
        assert torch.isfinite(mesh.vertices).all()
        assert is_closed(mesh.triangles.numpy())
