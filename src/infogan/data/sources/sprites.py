"""Sprites on the factor grid of dSprites, rendered here: no download, and every factor known exactly."""

from __future__ import annotations

from itertools import chain

import numpy as np
from jaxtyping import Int64

from infogan.config import DataConfig
from infogan.data.dataset import Factor, Found, Stream, Truth
from infogan.data.source import About, source
from infogan.data.splits import shuffle
from infogan.errors import DataError

_PERIODS = {"orientation": 2 * np.pi}
_CHUNK = 4_096


@source(
    "sprites",
    about=About(
        images="737,280, the whole grid (3 GB on the disk, twice that while they are rendered), a tenth held "
        "out; data.count=N for a subset",
        form="64x64 gray, 0 or 255",
        licence="that of infogan",
        origin="rendered here on the factor grid of dSprites (Matthey et al. 2017); no copies of its images",
    ),
    takes_path=False,
    renders=True,
)
def sprites(config: DataConfig) -> Found:
    """White sprites on black on the grid of dSprites: shape, scale, orientation, x and y known exactly.

    `config.count` selects a fixed random subset of the grid. Cite the data set as "sprites on the dSprites
    grid", not as dSprites.

    Raises:
        DataError: `count` is larger than the grid.
    """
    from infogan.scenes.sprite_scene import COUNT, SIZE, factors, render_sprites

    if config.count is not None and config.count > COUNT:
        raise DataError(
            f"data.count = {config.count}: the grid has {COUNT:,} images",
            f"at most {COUNT:,}",
            "no data.count",
        )
    rows: Int64[np.ndarray, " n"] = np.arange(COUNT)
    if config.count is not None:
        rows = np.sort(shuffle(COUNT)[: config.count])
    truth = Truth(
        factors={name: Factor(values, _PERIODS.get(name)) for name, values in factors(rows).items()}
    )
    chunks = [rows[start : start + _CHUNK] for start in range(0, len(rows), _CHUNK)]
    images = lambda: chain.from_iterable(map(render_sprites, chunks))  # noqa: E731
    return Found(Stream(len(rows), (SIZE, SIZE, 1), images, truth))
