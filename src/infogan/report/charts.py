"""Line charts as SVG inside a page: they scale with it and take its colours, light or dark."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

Curve = tuple[Sequence[float], Sequence[float]]

_WIDTH, _HEIGHT = 640, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 12, 30
_COLOURS = 7  # that the page's style names --line-0 and so on
_MOST_POINTS = 400


def line_chart(series: Mapping[str, Curve], *, x_label: str, y_label: str) -> str:
    """An SVG of curves with axes, and a legend below it in HTML.

    Args:
        series: xs and ys by label, in the same units; points that are not finite are left out.
        x_label: of the axis, with its unit.
        y_label: of the axis, with its unit.

    Returns:
        Markup, escaped; "" where there is no point to draw.
    """
    points = {label: _finite(curve) for label, curve in series.items()}
    points = {label: found for label, found in points.items() if found}
    if not points:
        return ""
    every = [point for found in points.values() for point in found]
    x_range, y_range = (_range([point[axis] for point in every]) for axis in (0, 1))

    def place(x: float, y: float) -> tuple[float, float]:
        across = (x - x_range[0]) / (x_range[1] - x_range[0])
        up = (y - y_range[0]) / (y_range[1] - y_range[0])
        return (
            _LEFT + across * (_WIDTH - _LEFT - _RIGHT),
            _HEIGHT - _BOTTOM - up * (_HEIGHT - _TOP - _BOTTOM),
        )

    parts = [f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(y_label)}">']
    for tick in _ticks(*y_range):
        _, y = place(x_range[0], tick)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>')
    for tick in _ticks(*x_range):
        x, _ = place(tick, y_range[0])
        parts.append(f'<text x="{x:.1f}" y="{_HEIGHT - 12}" text-anchor="middle">{tick:,g}</text>')
    for number, found in enumerate(points.values()):
        line = " ".join("{:.1f},{:.1f}".format(*place(*point)) for point in found)
        parts.append(f'<polyline class="{_style(number)}" points="{line}"/>')
    parts.append("</svg>")
    keys = "".join(
        f'<span><i class="{_style(number)}"></i>{escape(label)}</span>' for number, label in enumerate(points)
    )
    return f'{"".join(parts)}<p class="legend">{keys}<span>{escape(y_label)}, by {escape(x_label)}</span></p>'


def _style(number: int) -> str:
    """Names of the page's style: a colour, and dashes where colours come again."""
    return f"line-{number % _COLOURS}" + (" again" if number >= _COLOURS else "")


def _finite(curve: Curve) -> list[tuple[float, float]]:
    pairs = zip(*curve, strict=True)
    points = [(float(x), float(y)) for x, y in pairs if math.isfinite(x) and math.isfinite(y)]
    stride = math.ceil(len(points) / _MOST_POINTS) or 1
    return points[::stride] + (points[-1:] if (len(points) - 1) % stride else [])


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _ticks(low: float, high: float) -> list[float]:
    """Some four round numbers between two others."""
    rough = (high - low) / 4
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough)
    first = math.ceil(low / step)
    return [round(number * step, 12) for number in range(first, math.floor(high / step) + 1)]
