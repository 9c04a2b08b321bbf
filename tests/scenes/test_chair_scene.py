"""Pictures of chairs: factors that are exact, found again in the pictures, and the same in any chunks."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from infogan.scenes import chair_scene
from infogan.scenes.chair_parts import WIDTHS
from infogan.scenes.chair_scene import (
    CLOSED,
    ELEVATIONS,
    FACTORS,
    framed,
    procedural,
    render_chairs,
    sample_factors,
)
from infogan.scenes.rasterizer import Mesh

# A board that stands on the floor: 1 wide, 1 high, flat; and the same with a pin that points to the front.
BOARD = Mesh(
    torch.tensor([[-0.5, 0, 0], [0.5, 0, 0], [0.5, 1, 0], [-0.5, 1, 0.0]]),
    torch.tensor([[0, 1, 2], [0, 2, 3]]),
)
PIN = Mesh(
    torch.cat([BOARD.vertices, torch.tensor([[0, 0.45, 0.05], [0, 0.55, 0.05], [0, 0.5, 0.6]])]),
    torch.cat([BOARD.triangles, torch.tensor([[4, 5, 6]])]),
)


def known(count: int, **values: float | list[float]) -> dict[str, np.ndarray]:
    """Factors of so many images: those given, or else the front at width 1 of style 0."""
    plain = {"azimuth": 0.0, "elevation": 0.0, "width": 1.0, "style": 0.0} | values
    return {name: np.broadcast_to(np.asarray(value, float), count).copy() for name, value in plain.items()}


def images_of(shape: object, wanted: dict[str, np.ndarray], **options: object) -> np.ndarray:
    return np.concatenate(list(render_chairs(shape, wanted, **options)))[:, :, :, 0]  # type: ignore[arg-type]


# --- factors ---------------------------------------------------------------------------------------------


def test_factors_are_in_their_ranges_and_spread_over_them() -> None:
    drawn = sample_factors(7, 4000, seed=0)
    assert tuple(drawn) == FACTORS
    assert all(values.dtype == np.float64 and values.shape == (4000,) for values in drawn.values())
    assert set(drawn["elevation"]) == set(ELEVATIONS)
    assert set(drawn["style"]) == set(range(7))
    for name, (low, high) in {"azimuth": (0, 360), "width": WIDTHS}.items():
        counts = np.histogram(drawn[name], 8, (low, high))[0]
        assert counts.sum() == 4000
        assert counts.min() > 400
    together = np.corrcoef(list(drawn.values()))
    assert np.abs(together - np.eye(4)).max() < 0.06


def test_an_images_factors_follow_from_seed_and_index() -> None:
    many, few, other = (sample_factors(1000, count, seed) for count, seed in ((50, 5), (20, 5), (50, 6)))
    for name in FACTORS:
        np.testing.assert_array_equal(many[name][:20], few[name])
        assert not np.array_equal(many[name], other[name])


# --- pictures --------------------------------------------------------------------------------------------


def test_images_are_gray_on_white_and_of_the_size_asked() -> None:
    wanted = sample_factors(5, 10, seed=0)
    (images,) = render_chairs(procedural(0), wanted, size=48, look=CLOSED)
    assert images.shape == (10, 48, 48, 1)
    assert images.dtype == np.uint8
    for image in images:
        assert image.max() == 255
        covered = (image < 250).mean()
        assert 0.04 < covered < 0.6
        assert image[image < 250].std() > 15  # its sides are told apart by their shades


def test_images_are_the_same_in_any_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = sample_factors(3, 11, seed=1)
    whole = images_of(procedural(0), wanted, size=32)
    monkeypatch.setattr(chair_scene, "_CHUNK", 4)
    chunks = list(render_chairs(procedural(0), wanted, size=32))
    assert [len(chunk) for chunk in chunks] == [4, 4, 3]
    np.testing.assert_array_equal(np.concatenate(chunks)[:, :, :, 0], whole)
    one = {name: values[7:8] for name, values in wanted.items()}
    np.testing.assert_array_equal(images_of(procedural(0), one, size=32)[0], whole[7])


def test_closed_chairs_look_nearly_the_same_without_the_backs_of_their_triangles() -> None:
    wanted = sample_factors(3, 6, seed=2)
    both = images_of(procedural(0), wanted).astype(int)
    fronts = images_of(procedural(0), wanted, look=CLOSED).astype(int)
    assert (np.abs(both - fronts) > 8).mean() < 0.002


def test_nothing_is_cut_off_at_any_azimuth() -> None:
    """The outermost pixels are white, at the greatest width; and the chair does fill the frame."""
    turns = np.arange(0, 360, 45.0)
    for style in (3, 9, 10, 12, 14):
        wanted = known(8, azimuth=turns, elevation=30, width=WIDTHS[1], style=style)  # type: ignore[arg-type]
        images = images_of(procedural(0), wanted, size=64, look=CLOSED)
        edge = np.ones((64, 64), bool)
        edge[1:-1, 1:-1] = False
        assert (images[:, edge] == 255).all()
        covered = images < 250
        extent = max(np.ptp(np.nonzero(covered.any(axis))[1]) for axis in (1, 2))
        assert extent > 48


def test_azimuth_0_faces_the_camera_and_90_the_right() -> None:
    """The board is seen at 0 and 180 degrees; the pin points to the right at 90, to the left at 270."""
    front, right, rear, left = images_of([PIN].__getitem__, known(4, azimuth=[0, 90, 180, 270])) < 250
    np.testing.assert_array_equal(front, rear)
    assert front.sum() > 4 * right.sum() > 0
    np.testing.assert_array_equal(right, left[:, ::-1])
    wide = np.nonzero(right.any(0))[0]
    assert right[:, wide[1]].sum() > right[:, wide[-2]].sum()  # the pin's thick end is on the left


def test_chairs_turn_to_the_right_and_their_front_differs_from_their_rear() -> None:
    for style in range(0, 30, 3):
        front, right, rear, left = images_of(
            procedural(0), known(4, azimuth=[0, 90, 180, 270], elevation=20, style=style), look=CLOSED
        ).astype(float)
        assert np.abs(front - rear).mean() > 2
        assert ((front < 250) != (front[:, ::-1] < 250)).mean() < 0.04  # nearly symmetric
        # The back, what is highest, lies on the left when the front is on the right.
        for side, image in ((-1, right), (1, left)):
            rows, columns = np.nonzero(image < 250)
            high = columns[rows < rows.min() + 0.2 * np.ptp(rows)].mean()
            assert (high - (columns.min() + columns.max()) / 2) * side > 0


def test_elevation_shows_the_chair_from_above() -> None:
    """A plate on the floor gets higher in the picture by the sine of the elevation."""
    plate = Mesh(BOARD.vertices[:, [0, 2, 1]], BOARD.triangles)
    images = images_of([plate].__getitem__, known(3, elevation=[0, 20, 30]), size=128)
    heights = (images < 250).any(2).sum(1)
    assert heights[0] <= 1
    assert heights[2] / heights[1] == pytest.approx(np.sin(np.radians(30)) / np.sin(np.radians(20)), rel=0.08)


def test_width_widens_the_front_in_proportion_and_nothing_else() -> None:
    for style in (0, 1):
        images = images_of(procedural(0), known(3, width=[0.6, 1.0, 1.4], style=style), size=128, look=CLOSED)
        wide, high = ((images < 250).any(axis).sum(1) for axis in (1, 2))
        np.testing.assert_allclose(wide / wide[1], [0.6, 1.0, 1.4], atol=2.5 / wide[1])
        assert np.ptp(high) == 0


def test_meshes_of_any_place_and_size_are_framed() -> None:
    far = Mesh(BOARD.vertices * 1000 + 7000, BOARD.triangles)
    vertices = framed(far).vertices
    np.testing.assert_allclose(vertices, framed(BOARD).vertices, atol=1e-3)
    reach = (vertices * torch.tensor([WIDTHS[1], 1, 1])).norm(dim=1).max()
    assert 0.95 < reach < 1
