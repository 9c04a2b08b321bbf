"""Faces drawn from the ICT face model, a morphable model of scanned people."""

from __future__ import annotations

from pathlib import Path

from infogan.config import DataConfig
from infogan.data.dataset import Found
from infogan.data.source import About, source
from infogan.data.sources.faces import COUNT, drawn, need


@source(
    "ict-faces",
    about=About(
        images=f"{COUNT:,}, of which a tenth is held out; --set data.count=N for another number",
        form="gray, drawn at any size, 32x32 by default",
        licence="MIT",
        origin="ICT-FaceKit (USC ICT), its light model as one .npz: mean, identity, faces, face_part",
        sha256="of what was drawn, in its manifest",
    ),
    draws=True,
)
def ict_faces(config: DataConfig) -> Found:
    """Faces from the ICT face model, with exactly known azimuth, elevation, light and width; gray.

    `config.path` names the model's .npz file. Factors as of `heads`; each image shows another identity.

    Raises:
        ConfigError: there is no path.
        DataError: the file is missing or holds something else.
    """
    from infogan.scenes.morphable import read_ict  # late: it needs torch

    return drawn(read_ict(Path(need(config, "the .npz file of the ICT face model"))), config)
