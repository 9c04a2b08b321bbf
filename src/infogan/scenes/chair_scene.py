"""Pictures of chairs with known factors: azimuth, elevation, width and style.

    factors = sample_factors(styles=60, count=1000, seed=0)
    for images in render_chairs(procedural(seed=0), factors): ...

Gray chairs on white, lit from the upper left of the camera, in an orthographic camera that points at the
middle of the chair. All images of a chair have one scale, at any azimuth and width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float, UInt8

from infogan.scenes.chair_parts import WIDTHS, chair
from infogan.scenes.chair_styles import style
from infogan.scenes.rasterizer import Look, Mesh, direction, render_batch, rotate, rotation

ELEVATIONS = (20.0, 30.0)
"""Elevations of the camera, in degrees: those of Aubry et al."""

FACTORS = ("azimuth", "elevation", "width", "style")
"""The factors, in the order in which they are sampled."""

LOOK = Look(direction(-30, 40), ambient=0.4, smooth=False, two_sided=True, background=1.0, supersampling=2)
"""Of any mesh; two-sided, because the triangles of downloaded models may face either way."""

CLOSED = replace(LOOK, two_sided=False)
"""Of closed meshes whose triangles face outward, such as procedural ones: the same picture in less time."""

_GRAY = 0.78  # albedo: the brightest surface is still distinct from the background
_FILLED = 0.96  # share of the frame that the widest chair may fill
_BATCH, _CHUNK = 16, 1024  # images of one style, and images in total, that are rendered together
_STREAM = 0x6368616972730000  # of these factors: other uses of a seed have other streams


def procedural(seed: int) -> Callable[[int], Mesh]:
    """Return the function from a style's index to its procedural chair at width 1."""
    return lambda index: chair(style(seed, index))


def sample_factors(styles: int, count: int, seed: int) -> dict[str, Float[np.ndarray, " count"]]:
    """Sample the factors of `count` images; those of an image are a function of its index and the seed.

    Args:
        styles: number of different chairs, 1 or more.
        count: number of images.
        seed: 0 to 2 ** 64 - 1.

    Returns:
        float64 [count] for each of `FACTORS`: azimuth uniform on [0, 360) degrees, 0 where the chair faces
        the camera, 90 where its front is on the right; elevation in degrees; width uniform on `WIDTHS`; style
        an integer, 0 to `styles` - 1.
    """
    (low, high), elevations = WIDTHS, np.asarray(ELEVATIONS)
    stream = np.random.Generator(np.random.Philox(key=np.array([seed, _STREAM], dtype=np.uint64)))
    azimuth, elevation, width, chosen = stream.random((count, len(FACTORS))).T
    return {
        "azimuth": azimuth * 360,
        "elevation": elevations[(elevation * len(elevations)).astype(np.int64)],
        "width": low + width * (high - low),
        "style": np.floor(chosen * styles),
    }


def render_chairs(
    shape: Callable[[int], Mesh],
    factors: Mapping[str, Float[np.ndarray, " n"]],
    size: int = 64,
    look: Look = LOOK,
) -> Iterator[UInt8[np.ndarray, "m {size} {size} 1"]]:
    """Render the images of the given factors, in their order, up to 1,024 at a time.

    Args:
        shape: returns the chair of a style: `procedural(seed)`, or `meshes.__getitem__` of a list of them.
        factors: as in `sample_factors`; any azimuths and elevations, widths within `WIDTHS`.
        size: of the images, in pixels.
        look: `CLOSED` is faster where all meshes are closed and their triangles face outward.

    Yields:
        uint8 [m, size, size, 1], white where there is no chair.
    """

    @lru_cache(maxsize=1024)
    def framed_shape(index: int) -> Mesh:
        return framed(shape(index))

    for start in range(0, len(factors["style"]), _CHUNK):
        chunk = {name: values[start : start + _CHUNK] for name, values in factors.items()}
        images = np.empty((len(chunk["style"]), size, size, 1), np.uint8)
        for index in np.unique(chunk["style"]):  # images of one style are rendered together
            mesh, rows = framed_shape(int(index)), np.flatnonzero(chunk["style"] == index)
            for batch in np.array_split(rows, -(-len(rows) // _BATCH)):
                widths = torch.from_numpy(chunk["width"][batch]).float()
                stretch = torch.stack([widths, torch.ones_like(widths), torch.ones_like(widths)], 1)
                angles = zip(chunk["azimuth"][batch], chunk["elevation"][batch], strict=True)
                turns = torch.stack([rotation(azimuth, elevation) for azimuth, elevation in angles])
                poses = rotate(mesh.vertices * stretch[:, None], turns)
                gray = render_batch(poses, mesh.triangles, size=size, look=look, albedo=mesh.albedo)
                images[batch, :, :, 0] = (gray * 255).round().to(torch.uint8).numpy()
        yield images


def framed(mesh: Mesh) -> Mesh:
    """Centre and scale a chair so that it stays in the frame at any pose and any width within `WIDTHS`.

    The centre of the smallest ball around the widest chair moves to the origin, about which it turns. A mesh
    without albedo becomes gray.
    """
    widest = torch.tensor([WIDTHS[1], 1.0, 1.0], dtype=torch.float64)
    points = mesh.vertices.double() * widest
    centre = (points.amin(0) + points.amax(0)) / 2
    for step in range(2, 66):  # of the smallest ball, by the iteration of Badoiu and Clarkson
        centre = centre + (points[(points - centre).square().sum(1).argmax()] - centre) / step
    scale = _FILLED / (points - centre).norm(dim=1).max()
    vertices = ((mesh.vertices - centre / widest) * scale).float()
    albedo = torch.full((len(mesh.triangles),), _GRAY) if mesh.albedo is None else mesh.albedo
    return Mesh(vertices, mesh.triangles, albedo)
