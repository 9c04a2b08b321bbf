"""Morphable models: a mean shape and modes that change it, read from the files in which they are passed on.

    model = read_ict(Path("ict_face.npz"))
    shapes = model.shapes(weights)                        # float32 [N, V, 3], one identity each

A shape is the mean plus the modes, each times a weight; weights of people are distributed as N(0, 1). The
unit is half the height of the picture, and the origin is its middle: what a model is centred on and scaled by
belongs to its reader.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from infogan.errors import DataError

_ROWS = 16
"""Shapes made by one product. Always as many: products of other sizes round differently."""

_ICT_CENTRE = (0.0, 1.27, 1.02)
_ICT_HALF = 12.86
"""Centimetres: the head from a little above the crown down to the neck."""

_MARGIN = 1.06
"""Half the picture over half the height of a model of which nothing is to be cut off."""

_MOST = 4_000_000
"""More vertices or triangles than this are no face."""

_Fail = Callable[[str], NoReturn]
_Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class MorphableModel:
    """A mean head and what changes it.

    Attributes:
        name: for messages.
        mean: float32 [V, 3]; y up, +z towards the camera, in halves of the picture's height.
        modes: float32 [K, V, 3], scaled so that weights are N(0, 1).
        triangles: int64 [T, 3], counter-clockwise seen from outside.
        face: int64 [F], the vertices of the face area, of which `widths` is measured.
    """

    name: str
    mean: Float[Tensor, "v 3"]
    modes: Float[Tensor, "k v 3"]
    triangles: Int64[Tensor, "t 3"]
    face: Int64[Tensor, " f"]

    def shapes(self, weights: Float[np.ndarray, "n k"]) -> Float[Tensor, "n v 3"]:
        """The shape of each identity, float32.

        A shape doesn't depend on what else is asked for in one call, to the last bit.
        """
        flat = self.modes.flatten(1)
        parts = [self.mean + part.unflatten(1, (-1, 3)) for part in _products(weights, flat)]
        return torch.cat(parts) if parts else self.mean.new_empty(0, *self.mean.shape)

    def widths(self, weights: Float[np.ndarray, "n k"]) -> Float64[np.ndarray, " n"]:
        """How wide each face is for its height: the ratio of the sides of the box around its face area."""
        mean = self.mean[self.face, :2]
        flat = self.modes[:, self.face, :2].flatten(1)
        found = [np.empty(0)]
        for part in _products(weights, flat):
            points = mean + part.unflatten(1, (-1, 2))
            extent = (points.amax(1) - points.amin(1)).double()
            found.append((extent[:, 0] / extent[:, 1]).numpy())
        return np.concatenate(found)


def _products(
    weights: Float[np.ndarray, "n k"], modes: Float[Tensor, "k m"]
) -> Iterator[Float[Tensor, "r m"]]:
    """weights @ modes, 16 rows at a time."""
    for start in range(0, len(weights), _ROWS):
        rows = torch.from_numpy(np.ascontiguousarray(weights[start : start + _ROWS], np.float32))
        filled = torch.zeros(_ROWS, len(modes))
        filled[: len(rows)] = rows
        yield (filled @ modes)[: len(rows)]


def read_ict(path: Path) -> MorphableModel:
    """ICT-FaceKit's light morphable model (USC, MIT licence), as arrays in an npz file.

    Read are `mean` [V, 3] in centimetres, y up and +z front; `identity` [K, V, 3]; `faces` [T, 3], indices
    from 0; and `face_part` [T], where 0 is the face. What else the file holds is left alone.

    Raises:
        DataError: the file is unreadable or not of that form.
    """

    def fail(what: str) -> NoReturn:
        raise DataError(
            f"{path}: {what}",
            "an .npz file of ICT-FaceKit: mean [V, 3], identity [K, V, 3], faces [T, 3], face_part [T]",
            "another copy of the file; without a path the built-in head is drawn",
        )

    found = _read_npz(path, ("mean", "identity", "faces", "face_part"), fail)
    mean, identity, faces, part = found.values()
    _floats("mean", mean, (-1, 3), fail)
    _floats("identity", identity, (-1, len(mean), 3), fail)
    triangles = _indices("faces", faces, len(mean), fail)
    if part.shape != (len(faces),) or part.dtype.kind not in "iu" or not (part == 0).any():
        fail(f"face_part is {part.dtype} {list(part.shape)}, or marks no triangle by 0")
    points = (mean.astype(np.float32) - np.array(_ICT_CENTRE, np.float32)) / np.float32(_ICT_HALF)
    modes = identity.astype(np.float32) / np.float32(_ICT_HALF)
    return _model("ICT-FaceKit", points, modes, triangles, np.unique(triangles[part == 0]))


def read_basel_2009(path: Path) -> MorphableModel:
    """The Basel Face Model 2009, `01_MorphableModel.mat`, which each user asks for in Basel.

    Read are `shapeMU` [3 V, 1] in micrometres, `shapePC` [3 V, K], `shapeEV` [K, 1], which are standard
    deviations, and `tl` [T, 3], indices from 1: a shape is shapeMU + shapePC @ (weights * shapeEV). The whole
    of it is the face area. The texture isn't used.

    Raises:
        DataError: the file is unreadable or not of that form.
    """

    def fail(what: str) -> NoReturn:
        raise DataError(
            f"{path}: {what}",
            "01_MorphableModel.mat of 2009: shapeMU [3 V, 1], shapePC [3 V, K], shapeEV [K, 1], tl [T, 3]",
            "the file from faces.dmi.unibas.ch/bfm; without a path the built-in head is drawn",
        )

    found = _read_mat(path, ("shapeMU", "shapePC", "shapeEV", "tl"), fail)
    mean, modes, deviations, corners = found.values()
    _floats("shapeMU", mean, (-1, 1), fail)
    if len(mean) % 3:
        fail(f"shapeMU has {len(mean)} rows, which is no multiple of 3")
    _floats("shapePC", modes, (len(mean), -1), fail)
    _floats("shapeEV", deviations, (modes.shape[1], 1), fail)
    if (deviations <= 0).any():
        fail("shapeEV has standard deviations of 0 or less")
    triangles = _indices("tl", corners, len(mean) // 3, fail, first=1)
    points = mean.astype(np.float32).reshape(-1, 3)
    low, high = points.min(0), points.max(0)
    half = np.float32(_MARGIN / 2) * (high[1] - low[1])
    scaled = (modes * (deviations.T / half)).astype(np.float32).T.reshape(modes.shape[1], -1, 3)
    everything = np.arange(len(points))
    return _model("Basel 2009", (points - (low + high) / 2) / half, scaled, triangles, everything)


def _model(name: str, mean: _Array, modes: _Array, triangles: _Array, face: _Array) -> MorphableModel:
    arrays = [torch.from_numpy(np.ascontiguousarray(array)) for array in (mean, modes, triangles, face)]
    points, changes, corners, chosen = arrays
    return MorphableModel(name, points, changes, outward(points, corners), chosen.long())


def outward(mean: Float[Tensor, "v 3"], triangles: Int64[Tensor, "t 3"]) -> Int64[Tensor, "t 3"]:
    """The triangles with their fronts outside: all turned over, if the surface holds a negative volume.

    Also right for a surface with a hole, such as a mask or a neck that was cut: it is closed by its middle.
    """
    a, b, c = (mean.double() - mean.double().mean(0))[triangles].unbind(1)
    volume = (a * torch.linalg.cross(b, c)).sum()
    return triangles if volume >= 0 else triangles.flip(1).contiguous()


def _read_npz(path: Path, names: tuple[str, ...], fail: _Fail) -> dict[str, _Array]:
    try:
        with path.open("rb") as file:  # opened here, because numpy leaves a damaged file open
            stored = np.load(file, allow_pickle=False)
            if not isinstance(stored, np.lib.npyio.NpzFile):
                fail("a single array")
            missing = [name for name in names if name not in stored.files]
            if missing:
                fail(f"no array {missing[0]!r}; it has {', '.join(stored.files[:9]) or 'none'}")
            return {name: stored[name] for name in names}
    except DataError:
        raise
    # Damaged zip files and arrays, and pickled ones, raise a dozen kinds.
    except Exception as error:
        fail(f"unreadable: {error}")


def _read_mat(path: Path, names: tuple[str, ...], fail: _Fail) -> dict[str, _Array]:
    from scipy.io import loadmat  # late: it takes a while

    try:
        stored = loadmat(path, variable_names=names)
    except Exception as error:  # scipy raises a dozen kinds on what isn't a .mat file
        fail(f"unreadable: {error}")
    missing = [name for name in names if not isinstance(stored.get(name), np.ndarray)]
    if missing:
        fail(f"no array {missing[0]!r}")
    return {name: stored[name] for name in names}


def _floats(name: str, array: _Array, shape: tuple[int, ...], fail: _Fail) -> None:
    """Refuses what isn't finite floats of that shape; -1 stands for any length from 1."""
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
    """Triangles with indices from 0; refuses others, and indices of no vertex."""
    if array.ndim != 2 or array.shape[1] != 3 or not 0 < len(array) <= _MOST:
        fail(f"{name} has the shape {list(array.shape)}, not [T, 3]")
    whole = array.dtype.kind in "iu" or (array.dtype.kind == "f" and bool((array == np.rint(array)).all()))
    if not whole:
        fail(f"{name} is {array.dtype} and not of whole numbers")
    least, most = int(array.min()), int(array.max())
    if least < first or most >= first + count:
        fail(f"{name} has indices from {least} to {most}, for {count} vertices counted from {first}")
    return array.astype(np.int64) - first
