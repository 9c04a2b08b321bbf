"""Heads that are drawn here, from a small model that is part of infogan: faces without any download."""

from __future__ import annotations

from infogan.config import DataConfig
from infogan.data.dataset import Found
from infogan.data.source import About, source
from infogan.data.sources.faces import COUNT, drawn


@source(
    "heads",
    about=About(
        images=f"{COUNT:,}, of which a tenth is held out; --set data.count=N for another number",
        form="gray, drawn at any size, 32x32 by default",
        licence="that of infogan",
        origin="drawn from infogan's own procedural head",
        sha256="of what was drawn, in its manifest",
    ),
    takes_path=False,
    draws=True,
)
def heads(config: DataConfig) -> Found:
    """Heads from a procedural model, with exactly known azimuth, elevation, light and width; gray.

    Each image shows another identity, so that those held out were never trained on. Factors: azimuth from -60
    to 60, elevation from -20 to 20, light_azimuth from -80 to 80, light_elevation from 0 to 30 degrees, and
    width, of the face over its height.
    """
    from infogan.scenes.head import head_model  # late: whoever lists the sources has no need of torch

    return drawn(head_model(), config)
