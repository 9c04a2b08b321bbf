"""Pictures of faces with known factors: pose, light and identity.

    model = head_model()
    factors = sample_factors(model, 1000, seed=0)
    for images in render_faces(model, factors, size=32):          # uint8 [up to 16, 32, 32, 1]
        ...

The factors of image i are a function of (seed, i), and the picture of its factors, to the last bit: a larger
number of images does not change the first ones.

Signs: with a positive azimuth the nose points to the right of the picture; a positive elevation shows the
head from above; light of a positive azimuth comes from the right, of a positive elevation from above,
whichever way the head is turned.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, Float64, UInt8
from scipy.special import ndtri

from infogan.scenes.morphable import MorphableModel
from infogan.scenes.rasterizer import Look, direction, render_batch, rotate, rotation

RANGES = {
    "azimuth": (-60.0, 60.0),
    "elevation": (-20.0, 20.0),
    "light_azimuth": (-80.0, 80.0),
    "light_elevation": (0.0, 30.0),
}
"""Ranges of the angles, in degrees, in the order in which they are sampled."""

AMBIENT = 0.12
_ALBEDO = 0.82
_DISTANCE = 5.7
"""Of the camera, in halves of the picture: a field of view of 20 degrees, 73 cm from the head."""

_MOST_WEIGHT = 3.0
_CHUNK = 16
_BLOCK = 4
"""Size of a block of Philox; the numbers of an image start with a new block."""

_VIEWS, _IDENTITIES = 0, 1
"""Second halves of Philox's keys: one stream each."""


@dataclass(frozen=True)
class FaceFactors:
    """The factors of N images.

    Attributes:
        azimuth, elevation, light_azimuth, light_elevation: degrees.
        width: ratio of the width of the face to its height; a property of the identity.
        weights: of the model's modes, within -3..3: the identity.
    """

    azimuth: Float64[np.ndarray, " n"]
    elevation: Float64[np.ndarray, " n"]
    light_azimuth: Float64[np.ndarray, " n"]
    light_elevation: Float64[np.ndarray, " n"]
    width: Float64[np.ndarray, " n"]
    weights: Float32[np.ndarray, "n k"]

    def columns(self) -> dict[str, Float64[np.ndarray, " n"]]:
        """Return the scalar factors by name."""
        return {name: getattr(self, name) for name in (*RANGES, "width")}


def sample_factors(model: MorphableModel, count: int, seed: int) -> FaceFactors:
    """Sample the factors of `count` images, each of another identity.

    Angles are uniform within `RANGES`; weights of identities are N(0, 1), clipped to -3..3.

    Args:
        model: of the identities; their widths depend on it.
        count: 0 or more.
        seed: 0 or more, below 2**64.
    """
    views = _uniform(seed, _VIEWS, count, len(RANGES))
    angles = {
        name: low + (high - low) * values
        for (name, (low, high)), values in zip(RANGES.items(), views.T, strict=True)
    }
    modes = len(model.modes)
    normal: Float64[np.ndarray, "n k"] = ndtri(_uniform(seed, _IDENTITIES, count, modes)[:, :modes])
    weights = normal.clip(-_MOST_WEIGHT, _MOST_WEIGHT).astype(np.float32)
    return FaceFactors(**angles, width=model.widths(weights), weights=weights)


def render_faces(
    model: MorphableModel, factors: FaceFactors, size: int
) -> Iterator[UInt8[np.ndarray, "n s s 1"]]:
    """Render the pictures, up to 16 at a time: gray on black, one light, no cast shadows.

    Args:
        model: the one that the factors were sampled for.
        factors: see `sample_factors`.
        size: pixels along each side.
    """
    for start in range(0, len(factors.azimuth), _CHUNK):
        rows = range(start, min(start + _CHUNK, len(factors.azimuth)))
        poses = [rotation(factors.azimuth[i], factors.elevation[i]) for i in rows]
        lights = [direction(factors.light_azimuth[i], factors.light_elevation[i]) for i in rows]
        look = Look(light=torch.stack(lights), ambient=AMBIENT, distance=_DISTANCE)
        shapes = rotate(model.shapes(factors.weights[rows.start : rows.stop]), torch.stack(poses))
        images = render_batch(shapes, model.triangles, size=size, look=look)
        yield (images * (255 * _ALBEDO)).round().byte().unsqueeze(-1).numpy()


def _uniform(seed: int, stream: int, count: int, numbers: int) -> Float64[np.ndarray, "n m"]:
    """Return numbers strictly between 0 and 1 for each of `count` images, rounded up to a multiple of 4.

    From Philox's raw numbers, which numpy guarantees to be stable.
    """
    numbers = -(-numbers // _BLOCK) * _BLOCK
    raw = np.random.Philox(key=np.array([seed, stream], np.uint64)).random_raw(count * numbers)
    return np.asarray(((raw >> np.uint64(11)) + 0.5).reshape(count, numbers) * 2.0**-53)
