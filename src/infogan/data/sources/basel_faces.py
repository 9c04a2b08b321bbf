"""Faces drawn from the Basel Face Model 2009, the model behind the paper's faces."""

from __future__ import annotations

from pathlib import Path

from infogan.config import DataConfig
from infogan.data.dataset import Found
from infogan.data.source import About, source
from infogan.data.sources.faces import COUNT, drawn, need


@source(
    "basel-faces",
    about=About(
        images=f"{COUNT:,}, of which a tenth is held out; --set data.count=N for another number",
        form="gray, drawn at any size, 32x32 by default",
        licence="for research, one licence a person; you bring the file 01_MorphableModel.mat",
        origin="Paysan et al. 2009, University of Basel",
        sha256="of what was drawn, in its manifest",
    ),
    draws=True,
)
def basel_faces(config: DataConfig) -> Found:
    """Faces from the Basel Face Model 2009, with exactly known azimuth, elevation, light and width; gray.

    `config.path` names 01_MorphableModel.mat. Factors as of `heads`; each image shows another identity. The
    paper's own pictures, as prepared by Kulkarni et al., were never published.

    Raises:
        ConfigError: there is no path.
        DataError: the file is missing or holds something else.
    """
    from infogan.scenes.morphable import read_basel_2009  # late: it needs torch

    return drawn(read_basel_2009(Path(need(config, "01_MorphableModel.mat"))), config)
