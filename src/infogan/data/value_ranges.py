"""Measure percentiles of the values of all images, so that one range holds for all of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from infogan.config.value_range import ValueRange
from infogan.data.decoding import Item, opened, skipping
from infogan.data.preprocessing import SCALED
from infogan.file_listing import Skipped

_MOST, _FEWEST = 20_000_000, 256  # values that are kept of all images, and of each


def measure(items: Sequence[Item], chosen: ValueRange) -> ValueRange:
    """Return the values at two percentiles of all pictures.

    Evenly spaced pixels of each picture are used. Alpha channels are not.

    Args:
        items: the pictures; those that cannot be read are ignored.
        chosen: percentiles.
    """
    share = max(_FEWEST, _MOST // max(1, len(items)))
    parts: list[np.ndarray] = []
    skipped: list[Skipped] = []
    for item in items:
        with skipping(item.name, skipped), opened(item) as image:
            plain = image.mode != "P" and not image.has_transparency_data
            values = np.asarray(image if plain else image.convert("RGB"))
            values = image.info.get(SCALED, values).reshape(-1)
            parts.append(values[:: max(1, len(values) // share)].astype(np.float32))
    if not parts:
        return ValueRange(0, 255)
    low, high = np.nanpercentile(np.concatenate(parts), [chosen.low, chosen.high])
    return ValueRange.spanning(float(low), float(high))
