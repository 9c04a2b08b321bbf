"""Chairs drawn from a folder of meshes."""

from __future__ import annotations

from pathlib import Path

from infogan.config import DataConfig
from infogan.data.dataset import Found
from infogan.data.source import About, source
from infogan.data.sources.chairs import COUNT, drawn
from infogan.data.sources.faces import need


@source(
    "chair-meshes",
    about=About(
        images=f"{COUNT:,}; those of the last tenth of the chairs, by name, are test images",
        form="gray on white, drawn at any size, 64x64 by default",
        licence="the owner's",
        origin="a folder of .obj or .off files, y up, the front towards +z",
        sha256="of what was drawn, in its manifest",
    ),
    held_out=None,
    draws=True,
)
def chair_meshes(config: DataConfig) -> Found:
    """Chairs drawn from a folder of .obj or .off files, with exactly known azimuth, elevation and width.

    Factors and split as of `drawn-chairs`; a mesh is turned about its upright axis as it stands in its file.

    Raises:
        ConfigError: there is no path.
        DataError: there are fewer than two meshes, or one is damaged.
    """
    from infogan.scenes.chair_scene import LOOK  # late: it needs torch
    from infogan.scenes.meshes import mesh_files, read_mesh

    meshes = [read_mesh(file) for file in mesh_files(Path(need(config, "a folder of .obj or .off files")))]
    return drawn(meshes.__getitem__, len(meshes), config, LOOK)
