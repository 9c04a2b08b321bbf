"""Chairs with known factors: rendered from parts or meshes, pictures in an array, or Aubry's renders."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool

from infogan.config import DataConfig
from infogan.data.arrays import read_array
from infogan.data.dataset import Factor, Found, Split, Stream, Truth
from infogan.data.source import SOURCES, About, path_of, source
from infogan.errors import DataError

if TYPE_CHECKING:
    from infogan.scenes.rasterizer import Look, Mesh

COUNT = 20_000
"""Default number of rendered images."""

SIZE = 64
"""Default size of the images, in pixels (appendix C.5)."""

STYLES = 1_000
"""Number of different procedural chairs."""

TEST_SHARE = 0.1
"""Share of the chairs, the last ones, whose images are test images."""

_SEED = 0
"""Of the factors and styles. Part of every published number: never change it."""

_PERIODS = {"azimuth": 360.0}
_CHAIR_NAMES = ("object", "style")
"""Names of the array that says which chair an image shows."""


@source(
    "chairs",
    about=About(
        images=f"{COUNT:,} rendered ones, or those at data.path; a tenth of the chairs are test images",
        form="gray on white, 64x64 by default",
        licence="that of the images or meshes",
        origin="data.path of rendered_chairs.tar, of meshes or of an array; else infogan's own chairs",
    ),
    held_out=None,
    accepts=("aubry-chairs", "chair-meshes", "drawn-chairs"),
    renders=True,
)
def chairs(config: DataConfig) -> Found:
    """Chairs: Aubry's renders, or rendered from meshes, or pictures in an array file, or infogan's own.

    `config.path` names rendered_chairs.tar or its folder, a folder of .obj or .off files, or an .npz file of
    pictures with the arrays `azimuth`, in degrees, and `object`. Without a path the source is `drawn-chairs`.
    No chair is in both splits.

    Raises:
        DataError: the path is none of these, or has only one chair.
    """
    if config.path is None:
        return SOURCES["drawn-chairs"].read(config)
    path = path_of(config)
    if path.suffix.lower() == ".npz":
        return _from_array(path)
    return SOURCES["chair-meshes" if path.is_dir() and _has_meshes(path) else "aubry-chairs"].read(config)


@source(
    "drawn-chairs",
    about=About(
        images=f"{COUNT:,} of {STYLES:,} chairs; those of the last tenth of the chairs are test images",
        form="gray on white, rendered at any size, 64x64 by default",
        licence="that of infogan",
        origin="rendered from infogan's own parts",
    ),
    held_out=None,
    takes_path=False,
    renders=True,
)
def drawn_chairs(config: DataConfig) -> Found:
    """Chairs assembled from parts, with exactly known azimuth, elevation, width and style.

    Factors: azimuth on the whole circle, 0 where the chair faces the camera; elevation 20 or 30 degrees;
    width as a multiple of the chair's own. Labels are styles. No chair is in both splits.
    """
    from infogan.scenes.chair_scene import CLOSED, procedural  # lazy: torch is slow to import

    return _rendered(procedural(_SEED), STYLES, config, CLOSED)


@source(
    "chair-meshes",
    about=About(
        images=f"{COUNT:,}; those of the last tenth of the chairs, by name, are test images",
        form="gray on white, rendered at any size, 64x64 by default",
        licence="the owner's",
        origin="a folder of .obj or .off files, y up, the front towards +z",
    ),
    held_out=None,
    renders=True,
)
def chair_meshes(config: DataConfig) -> Found:
    """Chairs rendered from a folder of .obj or .off files, with exactly known azimuth, elevation and width.

    Factors and splits as in `drawn-chairs`; a mesh turns about the vertical axis of its file.

    Raises:
        ConfigError: there is no path.
        DataError: there are fewer than two meshes, or one is damaged.
    """
    from infogan.scenes.chair_scene import LOOK  # lazy: torch is slow to import
    from infogan.scenes.meshes import mesh_files, read_mesh

    meshes = [
        read_mesh(file) for file in mesh_files(path_of(config, expected="a folder of .obj or .off files"))
    ]
    return _rendered(meshes.__getitem__, len(meshes), config, LOOK)


def _has_meshes(path: Path) -> bool:
    from infogan.scenes.meshes import SUFFIXES  # lazy: torch is slow to import

    return any(file.suffix.lower() in SUFFIXES for file in path.iterdir())


def _rendered(shape: Callable[[int], Mesh], styles: int, config: DataConfig, look: Look) -> Found:
    """Return pictures of chairs with their factors; `shape` returns the mesh of each of the `styles`."""
    from infogan.scenes.chair_scene import render_chairs, sample_factors  # lazy: torch is slow to import

    count, size = config.count or COUNT, config.size or SIZE
    factors = sample_factors(styles, count, _SEED)
    is_test = _test_rows(factors["style"])

    def part(rows: Bool[np.ndarray, " n"]) -> Stream:
        columns = {name: values[rows] for name, values in factors.items()}
        truth = Truth(columns["style"].astype(np.int64), factors=_factors(columns, leave_out=("style",)))
        images = lambda: chain.from_iterable(render_chairs(shape, columns, size, look))  # noqa: E731
        return Stream(int(rows.sum()), (size, size, 1), images, truth)

    return Found(part(~is_test), part(is_test))


def _from_array(path: Path) -> Found:
    """Return the pictures of an .npz file, labelled by the chair that each shows."""
    images = read_array(path)
    columns = {name: factor.values for name, factor in images.truth.factors.items()}
    chair = next((columns[name] for name in _CHAIR_NAMES if name in columns), None)
    if chair is None:
        raise DataError(
            f"{path} does not say which chair an image shows",
            f"an array {' or '.join(map(repr, _CHAIR_NAMES))} with a number for each image",
            "data.source = 'folder', to train on the pictures as they are",
        )
    truth = Truth(chair.astype(np.int64), factors=_factors(columns, leave_out=_CHAIR_NAMES))
    labelled, is_test = Split(images.images, truth=truth), _test_rows(chair)
    return Found(labelled.take(np.flatnonzero(~is_test)), labelled.take(np.flatnonzero(is_test)))


def _factors(columns: dict[str, np.ndarray], leave_out: tuple[str, ...]) -> dict[str, Factor]:
    return {
        name: Factor(values, _PERIODS.get(name)) for name, values in columns.items() if name not in leave_out
    }


def _test_rows(chair: np.ndarray) -> Bool[np.ndarray, " n"]:
    """Return True for the images of the last tenth of the chairs, at least one."""
    chairs = np.unique(chair)
    if len(chairs) < 2:
        raise DataError(
            f"there are images of {len(chairs)} chair",
            "at least 2 chairs, one of them for the test split",
            "more meshes, or data.count=N for more images",
        )
    return np.isin(chair, chairs[-max(1, round(TEST_SHARE * len(chairs))) :])
