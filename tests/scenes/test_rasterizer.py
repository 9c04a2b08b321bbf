"""The rasteriser against shapes whose pictures are known: spheres, overlapping and tiny triangles."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from infogan.scenes.rasterizer import Look, Mesh, direction, render, render_batch, rotate, rotation

FRONT = torch.tensor([0.0, 0.0, 1.0])
WHITE = Look(light=FRONT, ambient=1.0)
"""Every surface shows its albedo."""


def sphere(radius: float, rings: int = 60) -> Mesh:
    """Of latitudes and longitudes, fronts outside."""
    polar = torch.linspace(0, math.pi, rings + 1)
    around = torch.linspace(0, 2 * math.pi, 2 * rings + 1)[:-1]
    p, a = torch.meshgrid(polar, around, indexing="ij")
    points = torch.stack([p.sin() * a.sin(), p.cos(), p.sin() * a.cos()], -1).flatten(0, 1) * radius
    row, column = torch.meshgrid(torch.arange(rings), torch.arange(2 * rings), indexing="ij")
    after = (column + 1) % (2 * rings)
    first, second = row * 2 * rings + column, row * 2 * rings + after
    below, beside = first + 2 * rings, second + 2 * rings
    corners = torch.stack([first, below, second, second, below, beside], -1)
    return Mesh(points, corners.reshape(-1, 3))


def triangle(*corners: tuple[float, float, float]) -> Mesh:
    return Mesh(torch.tensor(corners), torch.arange(len(corners)).view(-1, 3))


def centres(size: int) -> tuple[Tensor, Tensor]:
    """x and y of the pixels' middles; the first row is the top."""
    steps = (torch.arange(size) + 0.5) * 2 / size - 1
    return steps.expand(size, size), -steps[:, None].expand(size, size)


@pytest.mark.parametrize("angles", [(0, 0), (50, 0), (-50, 30), (0, 60)])
def test_a_sphere_is_shaded_by_lamberts_law(angles: tuple[int, int]) -> None:
    light = direction(*angles)
    image = render(sphere(0.8), size=64, look=Look(light=light, ambient=0.2))
    x, y = centres(64)
    x, y = x / 0.8, y / 0.8
    within = x**2 + y**2 < 0.9
    z = (1 - x**2 - y**2).clamp_min(0).sqrt()
    expected = 0.2 + 0.8 * (x * light[0] + y * light[1] + z * light[2]).clamp_min(0)
    assert (image - expected)[within].abs().max() < 0.02
    assert image[x**2 + y**2 > 1.1].max() == 0


def test_a_sphere_has_no_holes_where_triangles_are_smaller_than_samples() -> None:
    image = render(sphere(0.8, rings=150), size=16, look=WHITE)
    x, y = centres(16)
    assert (image[x**2 + y**2 < 0.6**2] == 1).all()


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
@pytest.mark.parametrize("depths", [(0.5, -0.5), (0.5, 0.2), (-0.2, -0.5), (0.0, -0.1)])
def test_the_nearer_triangle_hides_the_other(order: list[int], depths: tuple[float, float]) -> None:
    corners = [(-1.0, -1.0), (1.0, -1.0), (0.0, 1.0)]
    near, far = [(x / 2, y / 2, depths[0]) for x, y in corners], [(x, y, depths[1]) for x, y in corners]
    pair = [near, far]
    mesh = triangle(*pair[order[0]], *pair[order[1]])
    albedo = torch.tensor([0.9, 0.4])[order]
    image = render(Mesh(mesh.vertices, mesh.triangles, albedo), size=32, look=WHITE)
    assert image[16, 16] == pytest.approx(0.9)
    assert image[30, 16] == pytest.approx(0.4)
    assert image[1, 1] == 0


def test_triangles_that_cross_are_each_seen_where_they_are_nearer() -> None:
    left_near = [(-1.0, -1.0, 1.0), (1.0, -1.0, -1.0), (1.0, 1.0, -1.0), (-1.0, -1.0, 1.0), (1.0, 1.0, -1.0)]
    right_near = [(x, y, -z) for x, y, z in left_near]
    rest = (-1.0, 1.0)
    mesh = triangle(*left_near, (*rest, 1.0), *right_near, (*rest, -1.0))
    albedo = torch.tensor([0.9, 0.9, 0.3, 0.3])
    image = render(Mesh(mesh.vertices, mesh.triangles, albedo), size=16, look=WHITE)
    assert torch.allclose(image[:, :8], torch.tensor(0.9))
    assert torch.allclose(image[:, 8:], torch.tensor(0.3))


def test_backs_are_drawn_only_when_asked_for_and_are_lit_as_fronts() -> None:
    corners = [(-1.0, -1.0, 0.0), (1.0, -1.0, 0.0), (0.0, 1.0, 0.0)]
    front, back = triangle(*corners), triangle(*corners[::-1])
    look = Look(light=direction(60, 0), background=0.3)
    both = Look(light=direction(60, 0), background=0.3, two_sided=True)
    shown = render(front, size=16, look=look)
    assert shown[12, 8] == pytest.approx(0.12 + 0.88 * 0.5, abs=1e-5)
    assert (render(back, size=16, look=look) == 0.3).all()
    assert torch.equal(render(back, size=16, look=both), shown)


def test_flat_shading_gives_each_triangle_one_value() -> None:
    mesh = sphere(0.9, rings=6)
    look = Look(light=direction(30, 20), smooth=False, supersampling=1)
    values = render(mesh, size=64, look=look).unique()
    assert 10 < len(values) < len(mesh.triangles)
    smooth = render(mesh, size=64, look=Look(light=direction(30, 20), supersampling=1))
    assert len(smooth.unique()) > 10 * len(values)


def test_the_first_row_is_the_top_and_the_first_column_the_left() -> None:
    image = render(triangle((-0.9, 0.1, 0), (-0.1, 0.1, 0), (-0.9, 0.9, 0)), size=8, look=WHITE)
    assert image[:4, :4].sum() > 4
    assert image[4:].sum() == image[:, 4:].sum() == 0


def test_edges_are_smoothed_by_samples() -> None:
    """A wall that ends in the middle of a pixel covers one of its two columns of samples."""
    wall = triangle((-1, -1, 0), (0.0625, -1, 0), (0.0625, 1, 0), (-1, -1, 0), (0.0625, 1, 0), (-1, 1, 0))
    image = render(wall, size=8, look=WHITE)
    assert (image[:, :4] == 1).all()
    assert (image[:, 4] == 0.5).all()
    assert (image[:, 5:] == 0).all()


def test_what_reaches_beyond_the_picture_is_cut_off() -> None:
    huge = triangle((-50, -50, 0), (50, -50, 0), (0, 80, 0))
    assert (render(huge, size=8, look=WHITE) == 1).all()
    assert (render(Mesh(huge.vertices + 100, huge.triangles), size=8, look=WHITE) == 0).all()


def test_triangles_seen_edge_on_draw_nothing() -> None:
    look, row = Look(light=FRONT, two_sided=True), 1 / 16  # where a row of samples lies
    assert render(triangle((-1, row, -1), (1, row, -1), (0, row, 1)), size=8, look=look).sum() == 0
    assert render(triangle((row, row, 0), (row, row, 0), (row, row, 0)), size=8, look=look).sum() == 0


def test_signs_of_rotations() -> None:
    """The front goes right with the azimuth; what is on top comes forward with the elevation."""
    nose, crown = torch.tensor([0.0, 0.0, 1.0]), torch.tensor([0.0, 1.0, 0.0])
    right = rotation(30, 0) @ nose
    assert right.tolist() == pytest.approx([0.5, 0, math.sqrt(0.75)], abs=1e-6)
    assert (rotation(30, 0) @ crown).tolist() == pytest.approx([0, 1, 0], abs=1e-6)
    assert (rotation(0, 30) @ crown).tolist() == pytest.approx([0, math.sqrt(0.75), 0.5], abs=1e-6)
    assert (rotation(0, 30) @ nose)[1] == pytest.approx(-0.5, abs=1e-6)
    both = rotation(40, 30) @ nose
    assert torch.allclose(both, rotation(0, 30) @ (rotation(40, 0) @ nose), atol=1e-6)
    points = torch.eye(3)[None]
    assert torch.allclose(rotate(points, rotation(40, 30)[None])[0], points[0] @ rotation(40, 30).T)


def test_signs_of_lights() -> None:
    ball = sphere(0.9, rings=20)
    right = render(ball, size=16, look=Look(light=direction(60, 0)))
    assert right[:, 8:].sum() > 1.5 * right[:, :8].sum()
    above = render(ball, size=16, look=Look(light=direction(0, 60)))
    assert above[:8].sum() > 1.5 * above[8:].sum()
    assert float(direction(70, 20).norm()) == pytest.approx(1)


def test_an_image_does_not_depend_on_its_batch() -> None:
    ball = sphere(0.8, rings=20)
    stretch = torch.linspace(0.5, 1.1, 5)[:, None, None]
    shapes = rotate(ball.vertices * stretch, torch.stack([rotation(20 * i, 9 * i) for i in range(5)]))
    lights = torch.stack([direction(15 * i, 10) for i in range(5)])
    images = render_batch(shapes, ball.triangles, size=20, look=Look(light=lights, distance=4.0))
    for i in range(5):
        look = Look(light=lights[i], distance=4.0)
        assert torch.equal(render(Mesh(shapes[i], ball.triangles), size=20, look=look), images[i])


def test_perspective_makes_near_things_larger_and_keeps_their_shading() -> None:
    near = triangle((-0.4, -0.4, 0.8), (0.4, -0.4, 0.8), (0, 0.4, 0.8))
    far = Mesh(near.vertices * torch.tensor([1.0, 1.0, -1.0]), near.triangles)
    look = Look(light=FRONT, distance=4.0)
    larger, smaller = render(near, size=200, look=look), render(far, size=200, look=look)
    assert float(larger.sum() / smaller.sum()) == pytest.approx((4.8 / 3.2) ** 2, rel=0.03)
    # A slope that is off the middle: its normal is (-sin, 0, cos) of 30 degrees wherever it is.
    slope = [(x, y, 0.2 + (x - 0.3) * math.tan(math.radians(30))) for x, y in ((0, 0), (0.6, 0), (0.3, 0.6))]
    for smooth in (True, False):
        seen = Look(light=direction(-30, 0), distance=3.0, smooth=smooth, ambient=0, supersampling=1)
        image = render(triangle(*slope), size=64, look=seen)
        assert image[image > 0].min() > 0.9999
        tilted = Look(light=direction(30, 0), distance=3.0, smooth=smooth, ambient=0, supersampling=1)
        image = render(triangle(*slope), size=64, look=tilted)
        assert image[image > 0].tolist() == pytest.approx([0.5] * int((image > 0).sum()), abs=1e-4)
