"""The values of a set of images that become black and white, as text: LOW:HIGH, or percentiles."""

from __future__ import annotations

import math
from typing import NamedTuple

_RANGE = "LOW:HIGH such as 0:4095, or percentiles such as p0.1:p99.9"


class ValueRange(NamedTuple):
    """The values that become 0 and 255.

    Attributes:
        low: becomes 0; lower values, too.
        high: becomes 255; higher values, too.
        percentiles: True if both are percentiles of the values of all images, 0 to 100.
    """

    low: float
    high: float
    percentiles: bool = False

    def __str__(self) -> str:
        sign = "p" if self.percentiles else ""
        return f"{sign}{self.low:.9g}:{sign}{self.high:.9g}"

    @classmethod
    def spanning(cls, low: float, high: float) -> ValueRange:
        """Return the range of two values in the numbers that its text states; they may be equal."""
        return cls.parse(str(cls(low, high if high > low else low + 1)))

    @classmethod
    def parse(cls, text: str) -> ValueRange:
        """Return the range that a text states: "0:4095", "-1000:3000" or "p0.1:p99.9".

        Raises:
            ValueError: the text has another form, or LOW is not below HIGH.
        """
        parts = [part.strip() for part in text.split(":")]
        percentiles = len(parts) == 2 and all(part.startswith("p") for part in parts)
        try:
            low, high = (float(part.removeprefix("p") if percentiles else part) for part in parts)
        except ValueError:
            raise ValueError(_RANGE) from None
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise ValueError(f"{_RANGE}, LOW below HIGH")
        if percentiles and not 0 <= low < high <= 100:
            raise ValueError("percentiles from p0 to p100")
        return cls(low, high, percentiles)


def parse_colour(text: str) -> tuple[int, int, int]:
    """Return red, green and blue, 0 to 255, of "white", "black", "grey" or "R,G,B".

    Raises:
        ValueError: the text is none of these.
    """
    named = {"white": 255, "black": 0, "grey": 128, "gray": 128}
    if text in named:
        return (named[text],) * 3
    try:
        red, green, blue = (int(part) for part in text.split(","))
    except ValueError:
        raise ValueError("white, black, grey, or R,G,B such as 255,0,0") from None
    if not all(0 <= part <= 255 for part in (red, green, blue)):
        raise ValueError("red, green and blue from 0 to 255")
    return red, green, blue
