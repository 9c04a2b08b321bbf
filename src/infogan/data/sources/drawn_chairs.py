"""Chairs that are put together from parts and drawn here: many kinds, without any download."""

from __future__ import annotations

from infogan.config import DataConfig
from infogan.data.dataset import Found
from infogan.data.source import About, source
from infogan.data.sources.chairs import COUNT, drawn

STYLES = 1_000
"""Different chairs."""

_SEED = 0
"""Of the styles. Part of every published number: never change it."""


@source(
    "drawn-chairs",
    about=About(
        images=f"{COUNT:,} of {STYLES:,} chairs; those of the last tenth of the chairs are test images",
        form="gray on white, drawn at any size, 64x64 by default",
        licence="that of infogan",
        origin="drawn from infogan's own parts",
        sha256="of what was drawn, in its manifest",
    ),
    held_out=None,
    takes_path=False,
    draws=True,
)
def drawn_chairs(config: DataConfig) -> Found:
    """Chairs put together from parts, with exactly known azimuth, elevation, width and style.

    Factors: azimuth on the whole circle, 0 where the chair faces the camera; elevation 20 or 30 degrees;
    width as a factor on the chair's own. Labels are styles. Test images show chairs that are not trained on.
    """
    from infogan.scenes.chair_scene import CLOSED, procedural  # late: it needs torch

    return drawn(procedural(_SEED), STYLES, config, CLOSED)
