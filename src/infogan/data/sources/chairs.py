"""Chairs of whatever kind is at hand: Aubry's renders, a folder of meshes, pictures, or infogan's own."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool

from infogan.config import DataConfig
from infogan.data.dataset import Factor, Found, Split, Stream, Truth
from infogan.data.source import SOURCES, About, source
from infogan.errors import DataError

if TYPE_CHECKING:
    from infogan.scenes.rasterizer import Look, Mesh

COUNT = 20_000
"""Images that are drawn where nobody says how many."""

SIZE = 64
"""Of the images, in pixels, where nobody says (appendix C.5)."""

TESTED = 0.1
"""Share of the chairs, the last ones, whose images are test images."""

_SEED = 0
"""Of the factors. Part of every published number: never change it."""

_PERIODS = {"azimuth": 360.0}
_OBJECTS = ("object", "style")
"""Names under which an array file says which chair an image shows."""


@source(
    "chairs",
    about=About(
        images=f"{COUNT:,} drawn ones, or those of --data; those of a tenth of the chairs are test images",
        form="gray on white, 64x64 by default",
        licence="that of the images or meshes",
        origin="--data with rendered_chairs.tar, a folder of meshes or an array; else infogan's own chairs",
        sha256="of what was drawn, in its manifest",
    ),
    held_out=None,
    accepts=("aubry-chairs", "chair-meshes", "drawn-chairs"),
    draws=True,
)
def chairs(config: DataConfig) -> Found:
    """Chairs: Aubry's renders, or drawn from meshes, or pictures in an array file, or infogan's own.

    `config.path` names rendered_chairs.tar or its folder, a folder of .obj or .off files, or an .npz file of
    pictures with `azimuth` in degrees and `object` beside them. Without a path the source is `drawn-chairs`.
    Test images show chairs that no training image shows.

    Raises:
        DataError: the path is none of these, or has no more than one chair.
    """
    if config.path is None:
        return SOURCES["drawn-chairs"].read(config)
    path = Path(config.path).expanduser()
    if path.suffix.lower() == ".npz":
        return _from_array(path)
    if path.is_dir() and _has_meshes(path):
        return SOURCES["chair-meshes"].read(config)
    return SOURCES["aubry-chairs"].read(config)


def _has_meshes(path: Path) -> bool:
    from infogan.scenes.meshes import SUFFIXES  # late: it needs torch

    return any(file.suffix.lower() in SUFFIXES for file in path.iterdir())


def drawn(shape: Callable[[int], Mesh], styles: int, config: DataConfig, look: Look) -> Found:
    """Pictures of chairs with the factors that they were drawn from.

    Args:
        shape: gives the chair of each style.
        styles: how many there are.
        config: its count and size.
        look: how they are drawn.
    """
    from infogan.scenes.chair_scene import Ranges, draw, factors  # late: it needs torch

    count, size = config.count or COUNT, config.size or SIZE
    columns = factors(Ranges(styles), count, _SEED)
    tested = _tested(columns["style"])

    def part(chosen: Bool[np.ndarray, " n"]) -> Stream:
        some = {name: values[chosen] for name, values in columns.items()}
        truth = Truth(
            some["style"].astype(np.int64),
            factors={
                name: Factor(values, _PERIODS.get(name)) for name, values in some.items() if name != "style"
            },
        )
        images = lambda: chain.from_iterable(draw(shape, some, size=size, look=look))  # noqa: E731
        return Stream(int(chosen.sum()), (size, size, 1), images, truth)

    return Found(part(~tested), part(tested))


def _from_array(path: Path) -> Found:
    """Pictures of an .npz file; which chair each shows becomes its label."""
    from infogan.data.arrays import read_array

    every = read_array(path)
    factors = {
        name: Factor(factor.values, _PERIODS.get(name))
        for name, factor in every.truth.factors.items()
        if name not in _OBJECTS
    }
    shown = next((every.truth.factors[name] for name in _OBJECTS if name in every.truth.factors), None)
    if shown is None:
        raise DataError(
            f"{path} does not say which chair an image shows",
            f"an array {' or '.join(map(repr, _OBJECTS))} with a number for each image",
            "--set data.source=folder, to train on the pictures as they are",
        )
    labels = shown.values.astype(np.int64)
    split = Split(every.images, truth=Truth(labels, factors=factors))
    tested = _tested(labels)
    return Found(split.take(np.flatnonzero(~tested)), split.take(np.flatnonzero(tested)))


def _tested(shown: np.ndarray) -> Bool[np.ndarray, " n"]:
    """Which images are test images: those of the last tenth of the chairs, and of one at least."""
    known = np.unique(shown)
    if len(known) < 2:
        raise DataError(
            f"there are images of {len(known)} chair",
            "at least 2 chairs, one of them to test on",
            "more meshes, or --set data.count=N for more images",
        )
    return np.isin(shown, known[-max(1, round(TESTED * len(known))) :])
