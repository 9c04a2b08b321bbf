"""Faces of whatever kind is at hand: a face model's, those of a file of pictures, or infogan's own heads."""

from __future__ import annotations

import zipfile
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from infogan.config import DataConfig
from infogan.data.dataset import Factor, Found, Stream, Truth
from infogan.data.source import SOURCES, About, source
from infogan.errors import ConfigError

if TYPE_CHECKING:
    from infogan.scenes.morphable import MorphableModel

COUNT = 20_000
"""Images that are drawn where nobody says how many."""

SIZE = 32
"""Of the images, in pixels, where nobody says (appendix C.4)."""

_SEED = 0
"""Of the factors. Part of every published number: never change it."""


@source(
    "faces",
    about=About(
        images=f"{COUNT:,} drawn ones, or those of a file; a tenth is held out",
        form="gray, 32x32 by default",
        licence="that of the model or file",
        origin="--data with a face model or an array of pictures; without it infogan's own heads",
        sha256="of what was drawn, in its manifest",
    ),
    accepts=("basel-faces", "folder", "heads", "ict-faces"),
    draws=True,
)
def faces(config: DataConfig) -> Found:
    """Faces: drawn from a face model in --data, or pictures in an array file, or infogan's own heads.

    `config.path` names the Basel Face Model 2009 (.mat), the ICT face model (.npz with `mean` and
    `identity`), or what the source `folder` reads, such as an .npz of pictures with their factors beside
    them. Without a path the source is `heads`.

    Raises:
        DataError: the file is missing, or none of these.
    """
    if config.path is None:
        return SOURCES["heads"].read(config)
    path = Path(config.path).expanduser()
    if path.suffix.lower() == ".mat":
        return SOURCES["basel-faces"].read(config)
    return SOURCES["ict-faces" if _is_ict(path) else "folder"].read(config)


def drawn(model: MorphableModel, config: DataConfig) -> Found:
    """Pictures of a model's faces, each of another identity, with the factors that they were drawn from."""
    from infogan.scenes.face_scene import draw, draw_factors  # late: it needs torch

    count, size = config.count or COUNT, config.size or SIZE
    factors = draw_factors(model, count, _SEED)
    truth = Truth(factors={name: Factor(values) for name, values in factors.columns().items()})
    return Found(
        Stream(count, (size, size, 1), lambda: chain.from_iterable(draw(model, factors, size)), truth)
    )


def need(config: DataConfig, what: str) -> str:
    """The path of a configuration whose source cannot do without one.

    Raises:
        ConfigError: there is none.
    """
    if config.path is None:
        raise ConfigError(
            f"data.path is not set: the source {config.source!r} has no images of its own",
            what,
            "--data FILE; infogan data list says where to get it",
        )
    return str(Path(config.path).expanduser())


def _is_ict(path: Path) -> bool:
    """Whether a file is an .npz of a morphable model, not of pictures."""
    if path.suffix.lower() != ".npz" or not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return {"mean.npy", "identity.npy"} <= set(archive.namelist())
