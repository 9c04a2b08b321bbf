"""Pictures of faces whose factors are known exactly: where they look, where the light is, whose face it is.

    model = head_model()
    factors = draw_factors(model, 1000, seed=0)
    for images in draw(model, factors, size=32):          # uint8 [up to 16, 32, 32, 1]
        ...

Every factor of image i is a function of (seed, i) alone, and so is its picture, to the last bit: any image
can be drawn by itself, and more images leave the first as they are.

Signs: with a positive azimuth the nose points to the right of the picture; a positive elevation shows the
head from above; light of a positive azimuth comes from the right, of a positive elevation from above,
whichever way the head is turned.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, Float64, Int64, UInt8
from scipy.special import ndtri

from infogan.errors import ConfigError
from infogan.scenes.morphable import MorphableModel
from infogan.scenes.rasterizer import Look, direction, render_batch, rotation, turned

AMBIENT = 0.12
_ALBEDO = 0.82
_DISTANCE = 5.7
"""Of the camera, in halves of the picture: a field of view of 20 degrees, 73 cm from the head."""

_MOST_WEIGHT = 3.0
_CHUNK = 16
_BLOCK = 4
"""Numbers that Philox makes at once; an image's numbers begin with a block."""

_ANGLES = ("azimuth", "elevation", "light_azimuth", "light_elevation")

_VIEWS, _IDENTITIES = 0, 1
"""Second halves of Philox's keys: one stream each."""


@dataclass(frozen=True)
class Ranges:
    """What the factors are drawn from.

    Attributes:
        azimuth, elevation, light_azimuth, light_elevation: uniformly between these, in degrees; two equal
            ends hold one still.
        identities: how many people there are, who take turns: image i shows number i % identities. None: each
            image shows another.

    Raises:
        ConfigError: a range is empty, not finite or reaches further than 180 degrees; or there is nobody.
    """

    azimuth: tuple[float, float] = (-60.0, 60.0)
    elevation: tuple[float, float] = (-20.0, 20.0)
    light_azimuth: tuple[float, float] = (-80.0, 80.0)
    light_elevation: tuple[float, float] = (0.0, 30.0)
    identities: int | None = None

    def __post_init__(self) -> None:
        for name in _ANGLES:
            low, high = getattr(self, name)
            if not -180 <= low <= high <= 180:
                raise ConfigError(
                    f"{name} = {low} to {high}",
                    "two angles from -180 to 180 degrees, the smaller one first",
                    f"{name} = {getattr(type(self), name)}, as by default",
                )
        if self.identities is not None and self.identities < 1:
            raise ConfigError(
                f"identities = {self.identities}",
                "1 or more",
                "identities = 1 for one face, or none for another in each image",
            )


@dataclass(frozen=True)
class FaceFactors:
    """The factors of N images.

    Attributes:
        azimuth, elevation, light_azimuth, light_elevation: degrees.
        width: of the face over its height; a property of the identity.
        identity: whose face, 0..identities-1.
        weights: of the model's modes, at most 3 away from 0.
    """

    azimuth: Float64[np.ndarray, " n"]
    elevation: Float64[np.ndarray, " n"]
    light_azimuth: Float64[np.ndarray, " n"]
    light_elevation: Float64[np.ndarray, " n"]
    width: Float64[np.ndarray, " n"]
    identity: Int64[np.ndarray, " n"]
    weights: Float32[np.ndarray, "n k"]

    def __len__(self) -> int:
        return len(self.azimuth)

    def columns(self) -> dict[str, Float64[np.ndarray, " n"]]:
        """The factors that are one number an image, by their names; the identity isn't one."""
        return {name: getattr(self, name) for name in (*_ANGLES, "width")}


def draw_factors(
    model: MorphableModel,
    count: int,
    seed: int,
    ranges: Ranges | None = None,
    *,
    first: int = 0,
) -> FaceFactors:
    """The factors of images `first` to `first + count - 1`.

    Angles are uniform within their ranges, weights of identities N(0, 1), those beyond 3 set to 3.

    Args:
        model: whose identities; it gives their widths.
        count: 0 or more.
        seed: 0 or more, below 2**64.
        ranges: see `Ranges`; None: its defaults.
        first: index of the first image.

    Raises:
        ConfigError: count, seed or first is out of range.
    """
    _check(count, seed, first)
    ranges = ranges or Ranges()
    uniform = _uniform(seed, _VIEWS, first, count, _BLOCK)
    angles = {}
    for name, share in zip(_ANGLES, uniform.T, strict=True):
        low, high = getattr(ranges, name)
        angles[name] = low + (high - low) * share
    identity = np.arange(first, first + count, dtype=np.int64)
    if ranges.identities is not None:
        identity %= ranges.identities
    people, shown = np.unique(identity, return_inverse=True)
    weights = _weights(people, seed, len(model.modes))
    return FaceFactors(
        **angles, width=model.widths(weights)[shown], identity=identity, weights=weights[shown]
    )


def draw(model: MorphableModel, factors: FaceFactors, size: int) -> Iterator[UInt8[np.ndarray, "n s s 1"]]:
    """The pictures, up to 16 at a time: gray on black, lit from one side, without cast shadows.

    Args:
        model: the one that the factors were drawn for.
        factors: see `draw_factors`.
        size: pixels along each side.
    """
    for start in range(0, len(factors), _CHUNK):
        chosen = range(start, min(start + _CHUNK, len(factors)))
        poses = [rotation(factors.azimuth[i], factors.elevation[i]) for i in chosen]
        lights = [direction(factors.light_azimuth[i], factors.light_elevation[i]) for i in chosen]
        look = Look(light=torch.stack(lights), ambient=AMBIENT, distance=_DISTANCE)
        shapes = turned(model.shapes(factors.weights[chosen.start : chosen.stop]), torch.stack(poses))
        images = render_batch(shapes, model.triangles, size=size, look=look)
        yield (images * (255 * _ALBEDO)).round().byte().unsqueeze(-1).numpy()


def _weights(people: Int64[np.ndarray, " p"], seed: int, modes: int) -> Float32[np.ndarray, "p k"]:
    """The weights of these people, given as increasing numbers."""
    if not len(people):
        return np.empty((0, modes), np.float32)
    numbers = -(-modes // _BLOCK) * _BLOCK
    first = int(people[0])
    uniform = _uniform(seed, _IDENTITIES, first, int(people[-1]) + 1 - first, numbers)
    normal: Float64[np.ndarray, "p k"] = ndtri(uniform[people - first, :modes])
    return normal.clip(-_MOST_WEIGHT, _MOST_WEIGHT).astype(np.float32)


def _uniform(seed: int, stream: int, first: int, count: int, numbers: int) -> Float64[np.ndarray, "n m"]:
    """Numbers strictly between 0 and 1 for each of `count` images; `numbers` is a multiple of 4.

    From Philox's raw numbers: numpy promises that those stay.
    """
    philox = np.random.Philox(key=np.array([seed, stream], np.uint64))
    raw = philox.advance(first * numbers // _BLOCK).random_raw(count * numbers)
    shares: Float64[np.ndarray, "n m"] = ((raw >> np.uint64(11)) + 0.5).reshape(count, numbers) * 2.0**-53
    return shares


def _check(count: int, seed: int, first: int) -> None:
    wrong = {
        "count": (count, count >= 0, "0 or more"),
        "seed": (seed, 0 <= seed < 2**64, "0 or more, below 2**64"),
        "first": (first, first >= 0, "0 or more"),
    }
    for name, (value, right, expected) in wrong.items():
        if not right:
            raise ConfigError(f"{name} = {value}", expected, f"{name} = 1")
