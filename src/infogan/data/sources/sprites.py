"""Sprites on the factor grid of dSprites, drawn here: no download, and every factor known exactly."""

from __future__ import annotations

from itertools import chain

import numpy as np
from jaxtyping import Int64

from infogan.config import DataConfig
from infogan.data.dataset import Factor, Found, Stream, Truth
from infogan.data.prepared import shuffle
from infogan.data.source import About, source
from infogan.errors import DataError

_PERIODS = {"orientation": 2 * np.pi}
_AT_ONCE = 4_096


@source(
    "sprites",
    about=About(
        images="737,280, the whole grid (3 GB on the disk, twice that while they are drawn), a tenth of them "
        "held out; --set data.count=N for as many of them",
        form="64x64 gray, 0 or 255",
        licence="that of infogan",
        origin="drawn here on the factor grid of dSprites (Matthey et al. 2017); no copies of its images",
        sha256="of what was drawn, in its manifest",
    ),
    takes_path=False,
    draws=True,
)
def sprites(config: DataConfig) -> Found:
    """White sprites on black on the grid of dSprites: shape, scale, orientation, x and y known exactly.

    With `config.count` so many images of the grid, spread over it by chance, the same ones always. Call them
    sprites on the dSprites grid, not dSprites.

    Raises:
        DataError: more images are asked for than the grid has.
    """
    from infogan.scenes.sprite_scene import COUNT, SIZE, draw, factors

    if config.count is not None and config.count > COUNT:
        raise DataError(
            f"data.count = {config.count}: the grid has {COUNT:,} images",
            f"at most {COUNT:,}",
            "no data.count, for all of them",
        )
    chosen: Int64[np.ndarray, " n"] = np.arange(COUNT)
    if config.count is not None:
        chosen = np.sort(shuffle(COUNT)[: config.count])
    known = {name: Factor(values, _PERIODS.get(name)) for name, values in factors(chosen).items()}
    parts = [chosen[start : start + _AT_ONCE] for start in range(0, len(chosen), _AT_ONCE)]
    return Found(
        Stream(
            len(chosen), (SIZE, SIZE, 1), lambda: chain.from_iterable(map(draw, parts)), Truth(factors=known)
        )
    )
