"""Pictures of chairs whose factors are known exactly: azimuth, elevation, width and style.

    known = factors(Ranges(styles=60), count=1000, seed=0)
    for images in draw(procedural(seed=0), known): ...

Gray chairs on white, lit from the upper left of the camera, in an orthographic camera that looks at the
middle of the chair. All images of one chair have one scale, so that it turns and widens without pulsing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from infogan.errors import DataError
from infogan.scenes.chair_parts import WIDTHS, chair
from infogan.scenes.chair_styles import style
from infogan.scenes.rasterizer import Look, Mesh, direction, render_batch, rotation, turned

ELEVATIONS = (20.0, 30.0)
"""Degrees that the camera looks down by: the two heights of Aubry et al."""

FACTORS = ("azimuth", "elevation", "width", "style")
"""What varies, in the order in which it is drawn."""

LOOK = Look(direction(-30, 40), ambient=0.4, smooth=False, two_sided=True, background=1.0, supersampling=2)
"""Of any mesh; two-sided, for the triangles of models from elsewhere face anywhere."""

CLOSED = replace(LOOK, two_sided=False)
"""Of meshes that are closed and turned outward, as procedural ones are: the same picture in less time."""

_GRAY = 0.78  # of light reflected: the brightest surface still stands out from the background
_FILLED = 0.96  # share of the frame that the widest chair may reach
_BATCH = 16
_STREAM = 0x6368616972730000  # of these factors: other uses of a seed draw other numbers


def procedural(seed: int) -> Callable[[int], Mesh]:
    """The procedural chairs of a seed, for `draw`: the one of each style, at width 1."""
    return lambda index: chair(style(seed, index))


@dataclass(frozen=True)
class Ranges:
    """What the factors are drawn from.

    Attributes:
        styles: how many chairs there are.
        elevations: degrees, one of which each image has.
        widths: least and greatest width, within `WIDTHS`; equal ones for chairs that don't vary in it.

    Raises:
        DataError: a width out of `WIDTHS`, or no style or elevation to choose from.
    """

    styles: int
    elevations: Sequence[float] = ELEVATIONS
    widths: tuple[float, float] = WIDTHS

    def __post_init__(self) -> None:
        low, high = self.widths
        if not WIDTHS[0] <= low <= high <= WIDTHS[1]:
            raise DataError(
                f"widths of chairs from {low} to {high}",
                f"the lesser and the greater of two within {WIDTHS}",
                f"widths={WIDTHS}",
            )
        if self.styles < 1 or not len(self.elevations):
            raise DataError(
                f"{self.styles} styles of chairs and {len(self.elevations)} elevations",
                "1 or more of each",
                f"styles=1000, elevations={ELEVATIONS}",
            )


def factors(
    ranges: Ranges, count: int, seed: int, *, first: int = 0
) -> dict[str, Float[np.ndarray, " count"]]:
    """The factors of images `first` to `first + count - 1`: each image's follow from its index and the seed.

    Args:
        ranges: what they are drawn from.
        count: how many images.
        seed: 0 to 2 ** 64 - 1.
        first: index of the first image.

    Returns:
        float64 [count] for each of `FACTORS`: azimuth uniform on [0, 360) degrees, 0 where the chair faces
        the camera, 90 where its front is on the right; elevation in degrees; width uniform; style the whole
        number of a chair, 0 to `styles` - 1.
    """
    (low, high), elevations = ranges.widths, np.asarray(ranges.elevations, dtype=np.float64)
    stream = np.random.Philox(key=np.array([seed, _STREAM], dtype=np.uint64))
    stream.advance(first)  # a step of Philox is four numbers: those of one image
    azimuth, elevation, width, chosen = np.random.Generator(stream).random((count, len(FACTORS))).T
    return {
        "azimuth": azimuth * 360,
        "elevation": elevations[(elevation * len(elevations)).astype(np.int64)],
        "width": low + width * (high - low),
        "style": np.floor(chosen * ranges.styles),
    }


def draw(
    shape: Callable[[int], Mesh],
    factors: Mapping[str, Float[np.ndarray, " n"]],
    *,
    size: int = 64,
    look: Look = LOOK,
    chunk: int = 1024,
) -> Iterator[UInt8[np.ndarray, "m {size} {size} 1"]]:
    """The images that factors describe, in their order; the same bytes in whatever chunks.

    Args:
        shape: gives the chair of a style: `procedural(seed)`, or `meshes.__getitem__` of a list of them.
        factors: as `factors` gives them; any azimuths and elevations, widths within `WIDTHS`.
        size: of the images, in pixels.
        look: `CLOSED` is faster where all meshes are closed and turned outward.
        chunk: images at a time. Those of one style are drawn together, so large chunks are faster.

    Yields:
        uint8 [m, size, size, 1], white where there is no chair; m is `chunk`, or what is left at the end.
    """

    @lru_cache(maxsize=1024)
    def fitted(index: int) -> Mesh:
        return framed(shape(index))

    for start in range(0, len(factors["style"]), chunk):
        part = {name: values[start : start + chunk] for name, values in factors.items()}
        images = np.empty((len(part["style"]), size, size, 1), np.uint8)
        for index in np.unique(part["style"]):
            mesh, places = fitted(int(index)), np.flatnonzero(part["style"] == index)
            for some in np.array_split(places, -(-len(places) // _BATCH)):
                poses = _posed(mesh, {name: values[some] for name, values in part.items()})
                gray = render_batch(poses, mesh.triangles, size=size, look=look, albedo=mesh.albedo)
                images[some, :, :, 0] = (gray * 255).round().to(torch.uint8).numpy()
        yield images


def framed(mesh: Mesh) -> Mesh:
    """A chair in the scale at which no turn cuts it off, at no width within `WIDTHS`; in gray, if not yet.

    The middle of the smallest ball around the widest chair comes to the origin, about which it turns.
    """
    widest = torch.tensor([WIDTHS[1], 1.0, 1.0], dtype=torch.float64)
    points = mesh.vertices.double() * widest
    middle = _middle(points)
    scale = _FILLED / (points - middle).norm(dim=1).max()
    vertices = ((mesh.vertices - middle / widest) * scale).float()
    albedo = torch.full((len(mesh.triangles),), _GRAY) if mesh.albedo is None else mesh.albedo
    return Mesh(vertices, mesh.triangles, albedo)


def _middle(points: Float[Tensor, "v 3"]) -> Float[Tensor, 3]:
    """Near the middle of the smallest ball around points, by Badoiu and Clarkson's steps."""
    middle = (points.amin(0) + points.amax(0)) / 2
    for step in range(2, 66):
        middle = middle + (points[(points - middle).square().sum(1).argmax()] - middle) / step
    return middle


def _posed(mesh: Mesh, factors: Mapping[str, Float[np.ndarray, " b"]]) -> Float[Tensor, "b v 3"]:
    """The chair at each width, then turned: width is along its own axis, not along the picture's."""
    widths = torch.from_numpy(factors["width"]).float()
    stretch = torch.stack([widths, torch.ones_like(widths), torch.ones_like(widths)], 1)
    turns = [rotation(a, e) for a, e in zip(factors["azimuth"], factors["elevation"], strict=True)]
    return turned(mesh.vertices * stretch[:, None], torch.stack(turns))
