"""Rendered faces: of the Basel and ICT face models, or of infogan's own head model."""

from __future__ import annotations

import zipfile
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from infogan.config import DataConfig
from infogan.data.dataset import Factor, Found, Stream, Truth
from infogan.data.source import SOURCES, About, path_of, source

if TYPE_CHECKING:
    from infogan.scenes.morphable import MorphableModel

COUNT = 20_000
"""Default number of rendered images."""

SIZE = 32
"""Default size of the images, in pixels (appendix C.4)."""

_SEED = 0
"""Of the factors. Part of every published number: never change it."""

_IMAGES = f"{COUNT:,}, of which a tenth is held out; data.count=N for another number"
_FORM = "gray, rendered at any size, 32x32 by default"


@source(
    "faces",
    about=About(
        images=f"{COUNT:,} rendered ones, or those of a file; a tenth is held out",
        form="gray, 32x32 by default",
        licence="that of the model or file",
        origin="data.path with a face model or an array of pictures; without it infogan's own heads",
        people=None,
    ),
    accepts=("basel-faces", "folder", "heads", "ict-faces"),
    renders=True,
)
def faces(config: DataConfig) -> Found:
    """Faces: rendered from a face model at data.path, or pictures in an array file, or infogan's own heads.

    `config.path` names the Basel Face Model 2009 (.mat), the ICT face model (.npz with `mean` and
    `identity`), or what the source `folder` reads, such as an .npz of pictures and their factors. Without a
    path the source is `heads`.

    Raises:
        DataError: the file is missing, or none of these.
    """
    if config.path is None:
        name = "heads"
    elif path_of(config).suffix.lower() == ".mat":
        name = "basel-faces"
    else:
        name = "ict-faces" if _is_ict(path_of(config)) else "folder"
    return SOURCES[name].read(config)


@source(
    "heads",
    about=About(_IMAGES, _FORM, "that of infogan", "rendered from infogan's own procedural head"),
    takes_path=False,
    renders=True,
)
def heads(config: DataConfig) -> Found:
    """Heads from a procedural model, with exactly known azimuth, elevation, light and width; gray.

    Each image shows another identity, so that those held out are not trained on. Factors: azimuth from -60 to
    60, elevation from -20 to 20, light_azimuth from -80 to 80, light_elevation from 0 to 30 degrees, and
    width, the ratio of the width of the face to its height.
    """
    from infogan.scenes.head import head_model  # lazy: torch is slow to import

    return _rendered(head_model(), config)


@source(
    "basel-faces",
    about=About(
        _IMAGES,
        _FORM,
        "for research, one licence a person; you provide the file 01_MorphableModel.mat",
        "Paysan et al. 2009, University of Basel",
        people=None,
    ),
    renders=True,
)
def basel_faces(config: DataConfig) -> Found:
    """Faces from the Basel Face Model 2009, with exactly known azimuth, elevation, light and width; gray.

    `config.path` names 01_MorphableModel.mat. Factors as in `heads`; each image shows another identity. The
    paper's own pictures, as prepared by Kulkarni et al., were never published.

    Raises:
        ConfigError: there is no path.
        DataError: the file is missing or has other contents.
    """
    from infogan.scenes.morphable import read_basel_2009  # lazy: torch is slow to import

    return _rendered(read_basel_2009(path_of(config, expected="01_MorphableModel.mat")), config)


@source(
    "ict-faces",
    about=About(
        _IMAGES,
        _FORM,
        "MIT",
        "ICT-FaceKit (USC ICT), its light model as one .npz: mean, identity, faces, face_part",
        people=None,
    ),
    renders=True,
)
def ict_faces(config: DataConfig) -> Found:
    """Faces from the ICT face model, with exactly known azimuth, elevation, light and width; gray.

    `config.path` names the model's .npz file. Factors as in `heads`; each image shows another identity.

    Raises:
        ConfigError: there is no path.
        DataError: the file is missing or has other contents.
    """
    from infogan.scenes.morphable import read_ict  # lazy: torch is slow to import

    return _rendered(read_ict(path_of(config, expected="the .npz file of the ICT face model")), config)


def _rendered(model: MorphableModel, config: DataConfig) -> Found:
    """Return pictures of a model's faces, each of another identity, with their factors."""
    from infogan.scenes.face_scene import render_faces, sample_factors  # lazy: torch is slow to import

    count, size = config.count or COUNT, config.size or SIZE
    factors = sample_factors(model, count, _SEED)
    truth = Truth(factors={name: Factor(values) for name, values in factors.columns().items()})
    images = lambda: chain.from_iterable(render_faces(model, factors, size))  # noqa: E731
    return Found(Stream(count, (size, size, 1), images, truth))


def _is_ict(path: Path) -> bool:
    """Return True if the file is an .npz of a morphable model, not of pictures."""
    if path.suffix.lower() != ".npz" or not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return {"mean.npy", "identity.npy"} <= set(archive.namelist())
