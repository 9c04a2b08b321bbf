"""The built-in head: symmetric, closed, and different for different identities."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import label
from scipy.spatial import cKDTree

from infogan.scenes.face_scene import FaceFactors, render_faces
from infogan.scenes.head import head_model

MODEL = head_model()


def silhouettes(views: list[tuple[float, float]], weights: np.ndarray) -> np.ndarray:
    """Where there is a head, bool [N, 64, 64]."""
    azimuth, elevation = np.array(views, np.float64).T
    none = np.zeros(len(views))
    factors = FaceFactors(azimuth, elevation, none, none, none, weights.astype(np.float32))
    return np.concatenate([images[..., 0] for images in render_faces(MODEL, factors, 64)]) > 0


def test_every_edge_belongs_to_two_triangles_in_opposite_directions() -> None:
    """So the surface is closed, and every triangle's front is on the same side."""
    edges = torch.cat([MODEL.triangles[:, [0, 1]], MODEL.triangles[:, [1, 2]], MODEL.triangles[:, [2, 0]]])
    ways = edges[:, 0] * len(MODEL.mean) + edges[:, 1]
    back = edges[:, 1] * len(MODEL.mean) + edges[:, 0]
    assert len(ways.unique()) == len(ways)
    assert torch.equal(ways.sort().values, back.sort().values)


def test_the_mean_is_symmetric_and_so_is_every_mode() -> None:
    mirror = torch.tensor([-1.0, 1.0, 1.0])
    distance, partner = cKDTree((MODEL.mean * mirror).numpy()).query(MODEL.mean.numpy())
    assert distance.max() < 1e-4
    for mode in MODEL.modes:
        assert (mode - (mode * mirror)[partner]).abs().max() < 1e-4


@pytest.mark.parametrize("azimuth", [-60, -20, 0, 45, 60, 180])
def test_a_silhouette_is_one_piece_without_holes(azimuth: float) -> None:
    generator = np.random.Generator(np.random.Philox(5))
    weights = generator.normal(size=(4, len(MODEL.modes))).clip(-3, 3)
    weights[0] = 0
    for shown in silhouettes([(azimuth, e) for e in (-20, -5, 10, 20)], weights):
        assert 0.25 < shown.mean() < 0.65
        assert label(shown)[1] == 1
        # Seen from every edge but the lower one, which the neck reaches, all that is dark is connected.
        assert label(~np.pad(shown, ((1, 0), (1, 1))))[1] == 1
        assert shown[-1].any()


def test_the_nose_is_the_foremost_point_and_in_the_middle() -> None:
    x, y, z = MODEL.mean[MODEL.mean[:, 2].argmax()].tolist()
    assert abs(x) < 0.05
    assert -0.3 < y < 0
    assert z > 0.72


def test_every_mode_changes_the_picture_and_the_first_two_the_width() -> None:
    count = len(MODEL.modes)
    weights = np.concatenate([np.zeros((1, count)), 2 * np.eye(count)]).astype(np.float32)
    none = np.zeros(count + 1)
    factors = FaceFactors(none + 40, none, none - 20, none, none, weights)
    images = np.concatenate(list(render_faces(MODEL, factors, 64))).astype(float)
    assert (np.abs(images[1:] - images[0]).mean((1, 2, 3)) > 0.3).all()
    widths = MODEL.widths(weights)
    assert widths[1] > widths[0] * 1.08
    assert widths[2] < widths[0] * 0.95
    assert 0.6 < widths[0] < 0.9
