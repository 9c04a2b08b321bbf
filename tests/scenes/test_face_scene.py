"""Faces with known factors: a function of seed and index alone, and signs as they are documented."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
import torch

from infogan.scenes import face_scene
from infogan.scenes.face_scene import RANGES, FaceFactors, render_faces, sample_factors
from infogan.scenes.morphable import MorphableModel, outward


def _model() -> MorphableModel:
    """A ball with a nose, and seven modes."""
    rings = 12
    polar, around = torch.meshgrid(
        torch.linspace(0, np.pi, rings + 1), torch.linspace(0, 2 * np.pi, 25)[:-1], indexing="ij"
    )
    ball = torch.stack([polar.sin() * around.sin(), polar.cos(), polar.sin() * around.cos()], -1)
    ball = ball.flatten(0, 1) * 0.6
    ball[ball[:, 2].argmax(), 2] = 1.1
    row, column = (
        grid.flatten() for grid in torch.meshgrid(torch.arange(rings), torch.arange(24), indexing="ij")
    )
    first, second = row * 24 + column, row * 24 + (column + 1) % 24
    corners = torch.cat(
        [torch.stack([first, first + 24, second], 1), torch.stack([second, first + 24, second + 24], 1)]
    )
    modes = torch.zeros(7, len(ball), 3)
    modes[0, :, 0] = ball[:, 0] * 0.1
    return MorphableModel("ball", ball, modes, outward(ball, corners), torch.arange(len(ball)))


MODEL = _model()


def part(factors: FaceFactors, chosen: slice) -> FaceFactors:
    return FaceFactors(**{field.name: getattr(factors, field.name)[chosen] for field in fields(factors)})


def same(one: FaceFactors, other: FaceFactors) -> bool:
    return all(np.array_equal(getattr(one, f.name), getattr(other, f.name)) for f in fields(one))


def view(azimuth: float = 0, elevation: float = 0, light: float = 0, above: float = 0) -> np.ndarray:
    one = np.ones(1)
    angles = (azimuth * one, elevation * one, light * one, above * one)
    factors = FaceFactors(*angles, one, np.zeros((1, 7), np.float32))
    return next(render_faces(MODEL, factors, 32))[0, ..., 0].astype(float)


def test_factors_are_a_function_of_seed_and_index() -> None:
    whole = sample_factors(MODEL, 50, 7)
    assert same(part(whole, slice(20)), sample_factors(MODEL, 20, 7))
    other = sample_factors(MODEL, 50, 8)
    assert not np.intersect1d(whole.azimuth, other.azimuth).size
    assert not np.intersect1d(whole.weights, other.weights).size
    assert len(np.unique(np.concatenate(list(whole.columns().values())[:4]))) == 200


def test_these_numbers_stay_as_they_are() -> None:
    """Published pictures depend on them."""
    factors = sample_factors(MODEL, 2, 0)
    assert factors.azimuth == pytest.approx([-58.6143894856402, 0.28555251282064376], abs=1e-12)
    assert factors.weights[1, :3] == pytest.approx([0.1651721, 1.5383928, 0.7518507], abs=1e-6)


def test_factors_fill_their_ranges_evenly() -> None:
    factors = sample_factors(MODEL, 4000, 1)
    for name, (low, high) in RANGES.items():
        share = (getattr(factors, name) - low) / (high - low)
        assert share.min() >= 0
        assert share.max() <= 1
        assert np.histogram(share, 5, (0, 1))[0] == pytest.approx(800, abs=110)
    angles = np.stack(list(factors.columns().values()))
    assert np.abs(np.corrcoef(angles) - np.eye(5)).max() < 0.06
    assert factors.weights.mean(0) == pytest.approx(0, abs=0.07)
    assert factors.weights.std(0) == pytest.approx(1, abs=0.05)
    assert np.abs(factors.weights).max() == 3


def test_the_width_is_that_of_the_identity() -> None:
    factors = sample_factors(MODEL, 200, 3)
    assert factors.width == pytest.approx(1 + 0.1 * factors.weights[:, 0].astype(float), rel=1e-5)


def test_pictures_do_not_depend_on_their_company() -> None:
    factors = sample_factors(MODEL, 37, 4)
    chunks = list(render_faces(MODEL, factors, 24))
    assert [chunk.shape for chunk in chunks] == [(16, 24, 24, 1), (16, 24, 24, 1), (5, 24, 24, 1)]
    images = np.concatenate(chunks)
    assert images.dtype == np.uint8
    for i in (0, 9, 36):
        assert np.array_equal(next(render_faces(MODEL, part(factors, slice(i, i + 1)), 24))[0], images[i])
    assert list(render_faces(MODEL, sample_factors(MODEL, 0, 4), 24)) == []


def test_the_nose_points_right_with_a_positive_azimuth() -> None:
    columns = np.arange(32) - 15.5
    right, left = (view(azimuth=a) > 0 for a in (60, -60))
    assert (right * columns).sum() > 50 > -50 > (left * columns).sum()


def test_the_head_is_seen_from_above_with_a_positive_elevation() -> None:
    """From above, the nose points down."""
    rows = np.arange(32)[:, None] - 15.5
    above, below = (view(elevation=e) > 0 for e in (50, -50))
    assert (above * rows).sum() > 50 > -50 > (below * rows).sum()


@pytest.mark.parametrize("azimuth", [-60, 0, 60])
def test_light_comes_from_its_side_however_the_head_is_turned(azimuth: float) -> None:
    right, left = view(azimuth, light=70), view(azimuth, light=-70)
    assert right[:, 16:].mean() > 1.5 * right[:, :16].mean()
    assert left[:, :16].mean() > 1.5 * left[:, 16:].mean()
    high = view(azimuth, above=60)
    assert high[:16].mean() > 1.5 * high[16:].mean()


def test_the_background_is_black_and_shadows_are_not() -> None:
    image = view(light=80)
    assert image[0, 0] == 0
    assert image[16, 10] == round(255 * 0.82 * face_scene.AMBIENT)
    assert 180 < image.max() <= 209
