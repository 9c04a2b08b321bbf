"""Morphable models: a mean shape and modes of variation, read from the published files.

    model = read_ict(Path("ict_face.npz"))
    shapes = model.shapes(weights)                        # float32 [N, V, 3], one identity each

A shape is the mean plus the weighted sum of the modes; weights are distributed as N(0, 1). The unit is half
the height of the picture, and the origin is its middle: each reader centres and scales its model.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from infogan import matlab
from infogan.errors import DataError

_ROWS = 16
"""Shapes per matrix product. Always the same number, because products of other sizes round differently."""

_ICT_CENTRE = (0.0, 1.27, 1.02)
_ICT_HALF = 12.86
"""Centimetres: the head from a little above the crown down to the neck."""

_MARGIN = 1.06
"""Half the picture in units of half the height of a model, so that nothing is cut off."""

_MOST_VALUES = 1 << 28  # of one array: 53,490 vertices and 199 modes are 32 million
_MOST = 4_000_000
"""Limit for the number of vertices or triangles."""

_Fail = Callable[[str], NoReturn]
_Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class MorphableModel:
    """A mean head and its modes of variation.

    Attributes:
        name: for messages.
        mean: float32 [V, 3]; y up, +z towards the camera, in halves of the picture's height.
        modes: float32 [K, V, 3], scaled so that weights are N(0, 1).
        triangles: int64 [T, 3], counter-clockwise seen from outside.
        face: int64 [F], indices of the vertices of the face area, for `widths`.
    """

    name: str
    mean: Float[Tensor, "v 3"]
    modes: Float[Tensor, "k v 3"]
    triangles: Int64[Tensor, "t 3"]
    face: Int64[Tensor, " f"]

    def shapes(self, weights: Float[np.ndarray, "n k"]) -> Float[Tensor, "n v 3"]:
        """Return the shape of each identity, float32; the same, to the last bit, in any batch."""
        flat = self.modes.flatten(1)
        parts = [self.mean + part.unflatten(1, (-1, 3)) for part in _products(weights, flat)]
        return torch.cat(parts) if parts else self.mean.new_empty(0, *self.mean.shape)

    def widths(self, weights: Float[np.ndarray, "n k"]) -> Float64[np.ndarray, " n"]:
        """Return the ratio of width to height of the bounding box of each face area."""
        mean = self.mean[self.face, :2]
        flat = self.modes[:, self.face, :2].flatten(1)
        widths = [np.empty(0)]
        for part in _products(weights, flat):
            points = mean + part.unflatten(1, (-1, 2))
            extent = (points.amax(1) - points.amin(1)).double()
            widths.append((extent[:, 0] / extent[:, 1]).numpy())
        return np.concatenate(widths)


def _products(
    weights: Float[np.ndarray, "n k"], modes: Float[Tensor, "k m"]
) -> Iterator[Float[Tensor, "r m"]]:
    """Yield weights @ modes, 16 rows at a time."""
    for start in range(0, len(weights), _ROWS):
        rows = torch.from_numpy(np.ascontiguousarray(weights[start : start + _ROWS], np.float32))
        filled = torch.zeros(_ROWS, len(modes))
        filled[: len(rows)] = rows
        yield (filled @ modes)[: len(rows)]


def read_ict(path: Path) -> MorphableModel:
    """Read ICT-FaceKit's light morphable model (USC, MIT licence) from an npz file.

    Its arrays are `mean` [V, 3] in centimetres, y up and +z front; `identity` [K, V, 3]; `faces` [T, 3],
    indices from 0; and `face_part` [T], where 0 is the face. Other arrays are ignored.

    Raises:
        DataError: the file is unreadable or not of that form.
    """

    def fail(what: str) -> NoReturn:
        raise DataError(
            f"{path}: {what}",
            "an .npz file of ICT-FaceKit: mean [V, 3], identity [K, V, 3], faces [T, 3], face_part [T]",
            "another copy of the file; without a path the built-in head is used",
        )

    mean, identity, faces, part = _read(path, ("mean", "identity", "faces", "face_part"), fail)
    _floats("mean", mean, (-1, 3), fail)
    _floats("identity", identity, (-1, len(mean), 3), fail)
    triangles = _indices("faces", faces, len(mean), fail)
    if part.shape != (len(faces),) or part.dtype.kind not in "iu" or not (part == 0).any():
        fail(f"face_part is {part.dtype} {list(part.shape)}, or marks no triangle by 0")
    points = (mean.astype(np.float32) - np.array(_ICT_CENTRE, np.float32)) / np.float32(_ICT_HALF)
    modes = identity.astype(np.float32) / np.float32(_ICT_HALF)
    return _model("ICT-FaceKit", points, modes, triangles, np.unique(triangles[part == 0]))


def read_basel_2009(path: Path) -> MorphableModel:
    """Read the Basel Face Model 2009, `01_MorphableModel.mat`, which each user requests in Basel.

    Its arrays are `shapeMU` [3 V, 1] in micrometres, `shapePC` [3 V, K], `shapeEV` [K, 1], which are standard
    deviations, and `tl` [T, 3], indices from 1: a shape is shapeMU + shapePC @ (weights * shapeEV). All
    vertices are the face area. The texture is not used.

    Raises:
        DataError: the file is unreadable or not of that form.
    """

    def fail(what: str) -> NoReturn:
        raise DataError(
            f"{path}: {what}",
            "01_MorphableModel.mat of 2009: shapeMU [3 V, 1], shapePC [3 V, K], shapeEV [K, 1], tl [T, 3]",
            "the file from faces.dmi.unibas.ch/bfm; without a path the built-in head is used",
        )

    mean, modes, deviations, corners = _read(path, ("shapeMU", "shapePC", "shapeEV", "tl"), fail, mat=True)
    _floats("shapeMU", mean, (-1, 1), fail)
    if len(mean) % 3:
        fail(f"shapeMU has {len(mean)} rows, which is not a multiple of 3")
    _floats("shapePC", modes, (len(mean), -1), fail)
    _floats("shapeEV", deviations, (modes.shape[1], 1), fail)
    if (deviations <= 0).any():
        fail("shapeEV has standard deviations of 0 or less")
    triangles = _indices("tl", corners, len(mean) // 3, fail, first=1)
    points = mean.astype(np.float32).reshape(-1, 3)
    low, high = points.min(0), points.max(0)
    half = np.float32(_MARGIN / 2) * (high[1] - low[1])
    scaled = (modes * (deviations.T / half)).astype(np.float32).T.reshape(modes.shape[1], -1, 3)
    face = np.arange(len(points))
    return _model("Basel 2009", (points - (low + high) / 2) / half, scaled, triangles, face)


def _model(name: str, mean: _Array, modes: _Array, triangles: _Array, face: _Array) -> MorphableModel:
    arrays = [torch.from_numpy(np.ascontiguousarray(array)) for array in (mean, modes, triangles, face)]
    points, changes, corners, chosen = arrays
    return MorphableModel(name, points, changes, outward(points, corners), chosen.long())


def outward(mean: Float[Tensor, "v 3"], triangles: Int64[Tensor, "t 3"]) -> Int64[Tensor, "t 3"]:
    """Return the triangles with their fronts outside: all reversed, if the enclosed volume is negative.

    A surface with a hole, such as a mask or a neck that was cut, is closed by its centroid.
    """
    a, b, c = (mean.double() - mean.double().mean(0))[triangles].unbind(1)
    volume = (a * torch.linalg.cross(b, c)).sum()
    return triangles if volume >= 0 else triangles.flip(1).contiguous()


def _read(path: Path, names: tuple[str, ...], fail: _Fail, *, mat: bool = False) -> list[_Array]:
    """Return these arrays of a .npz or .mat file."""
    try:
        if mat:
            arrays = matlab.list_arrays(path)
            if any(math.prod(arrays[name].shape) > _MOST_VALUES for name in names if name in arrays):
                fail(f"an array of over {_MOST_VALUES:,} values")
            stored = {name: matlab.read_array(path, arrays[name]) for name in names if name in arrays}
        else:
            with path.open("rb") as file:  # numpy does not close a damaged file that it opened
                loaded = np.load(file, allow_pickle=False)
                if not isinstance(loaded, np.lib.npyio.NpzFile):
                    fail("a single array")
                stored = {name: loaded[name] for name in names if name in loaded.files}
    except DataError:
        raise
    except Exception as error:  # damaged files raise a dozen types of exceptions
        fail(f"unreadable: {error}")
    missing = [name for name in names if not isinstance(stored.get(name), np.ndarray)]
    if missing:
        fail(f"no array {missing[0]!r}")
    return [stored[name] for name in names]


def _floats(name: str, array: _Array, shape: tuple[int, ...], fail: _Fail) -> None:
    """Check that an array holds finite floats in that shape; -1 stands for any length from 1."""
    fits = array.ndim == len(shape) and all(
        have == want or (want == -1 and 0 < have <= _MOST)
        for have, want in zip(array.shape, shape, strict=True)
    )
    if array.dtype.kind != "f" or not fits:
        wanted = ", ".join("any" if size == -1 else str(size) for size in shape)
        fail(f"{name} is {array.dtype} {list(array.shape)}, not floats [{wanted}]")
    if not np.isfinite(array).all():
        fail(f"{name} has numbers that are not finite")


def _indices(name: str, array: _Array, count: int, fail: _Fail, first: int = 0) -> Int64[np.ndarray, "t 3"]:
    """Check triangles of `count` vertices numbered from `first`, and return them with indices from 0."""
    if array.ndim != 2 or array.shape[1] != 3 or not 0 < len(array) <= _MOST:
        fail(f"{name} has the shape {list(array.shape)}, not [T, 3]")
    whole = array.dtype.kind in "iu" or (array.dtype.kind == "f" and bool((array == np.rint(array)).all()))
    if not whole:
        fail(f"{name} is {array.dtype} and not of whole numbers")
    least, most = int(array.min()), int(array.max())
    if least < first or most >= first + count:
        fail(f"{name} has indices from {least} to {most}, for {count} vertices counted from {first}")
    return array.astype(np.int64) - first
