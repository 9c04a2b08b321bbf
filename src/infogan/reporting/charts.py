"""Line charts as SVG: inside the HTML report, with its colours, or as separate files."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

Curve = tuple[Sequence[float], Sequence[float]]
"""The x values and the y values, of equal length."""

_WIDTH, _HEIGHT = 640, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 12, 30
_HEADER, _LEGEND_LINE = 46, 20  # pixels of a chart file above the axes, and for each label below them
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b38600", "#56b4e9", "#444444")
"""report.html has the same colours as --line-0 to --line-6, in a light and a dark version."""
_MAX_POINTS = 400

_FILE_STYLE = """
text { fill: #5b6570; font: 12px sans-serif; } .title { fill: #1b1f24; font-size: 15px; }
.grid { stroke: #dfe3e8; } polyline, .key { fill: none; stroke-width: 1.8; }
.dashed { stroke-dasharray: 6 4; } circle { fill: #fff; stroke-width: 1.8; }
""" + "".join(f".line-{n} {{ stroke: {colour}; }}\n" for n, colour in enumerate(_COLOURS))


@dataclass(frozen=True)
class _Series:
    """One labelled set of points, with the CSS classes for its colour and dashes."""

    label: str
    style: str
    points: list[tuple[float, float]]
    markers: bool = False


def line_chart(curves: Mapping[str, Curve], *, x_label: str, y_label: str) -> str:
    """Return an SVG chart with a caption above and a legend below in HTML, for a page that styles them.

    Args:
        curves: by label; points that are not finite are left out.
        x_label: the quantity of the horizontal axis and its unit.
        y_label: the quantity of the vertical axis and its unit.

    Returns:
        Escaped markup; "" if there is no finite point.
    """
    series = list(_series(curves))
    if not series:
        return ""
    keys = "".join(f'<span><i class="{one.style}"></i>{escape(one.label)}</span>' for one in series)
    return (
        f'<p class="legend">{escape(y_label)}, by {escape(x_label)}</p>'
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(y_label)}">'
        f"{''.join(_plotted(series))}</svg>"
        f'<p class="legend">{keys}</p>'
    )


def chart_file(  # noqa: PLR0913 - the parts of a chart
    curves: Mapping[str, Curve],
    *,
    title: str,
    x_label: str,
    y_label: str,
    levels: Mapping[str, float] | None = None,
    markers: Mapping[str, Curve] | None = None,
) -> str:
    """Return a complete SVG document with title, axes and legend, on white.

    The first curve, level and marker series share a colour, as do the second ones and so on.

    Args:
        curves: drawn as solid lines, by label.
        title: the line at the top.
        x_label: the quantity of the horizontal axis and its unit.
        y_label: the quantity of the vertical axis and its unit.
        levels: heights of dashed horizontal lines, by label.
        markers: drawn as circles, by label.

    Raises:
        ValueError: no curve has a finite point.
    """
    series = list(_series(curves))
    if not series:
        raise ValueError("a chart without a finite point")
    xs = [x for one in series for x, _ in one.points]
    for number, (label, level) in enumerate((levels or {}).items()):
        ends = [(min(xs), level), (max(xs), level)]
        series.append(_Series(label, f"line-{number % len(_COLOURS)} dashed", ends))
    series += _series(markers or {}, markers=True)
    height = _HEADER + _HEIGHT + _LEGEND_LINE * (len(series) + 1)
    below = _HEIGHT + 8
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        f'width="{_WIDTH}" height="{height}" role="img" aria-label="{escape(title)}">',
        f"<style>{_FILE_STYLE}</style>",
        f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>',
        f'<text class="title" x="{_LEFT}" y="20">{escape(title)}</text>',
        f'<text x="{_LEFT}" y="{_HEADER - 4}">{escape(y_label)}</text>',
        f'<g transform="translate(0 {_HEADER})">',
        *_plotted(series),
        f'<text x="{_WIDTH - _RIGHT}" y="{below}" text-anchor="end">{escape(x_label)}</text>',
    ]
    for number, one in enumerate(series):
        y = below + _LEGEND_LINE * (number + 1)
        key = (
            f'<circle class="{one.style}" cx="{_LEFT + 14}" cy="{y - 4}" r="4"/>'
            if one.markers
            else f'<line class="key {one.style}" x1="{_LEFT}" x2="{_LEFT + 28}" y1="{y - 4}" y2="{y - 4}"/>'
        )
        lines.append(f'{key}<text x="{_LEFT + 38}" y="{y}">{escape(one.label)}</text>')
    return "\n".join([*lines, "</g>", "</svg>", ""])


def _series(curves: Mapping[str, Curve], *, markers: bool = False) -> Iterator[_Series]:
    """Yield the curves that have a finite point; beyond the last colour, colours come again with dashes."""
    points = {label: _finite(curve) for label, curve in curves.items()}
    for number, label in enumerate(label for label in points if points[label]):
        dashes = " dashed" if number >= len(_COLOURS) else ""
        yield _Series(label, f"line-{number % len(_COLOURS)}{dashes}", points[label], markers)


def _plotted(series: Sequence[_Series]) -> Iterator[str]:
    """Yield grid, tick labels and series as SVG elements in a box of `_WIDTH` by `_HEIGHT`."""
    x_low, x_high = _range([x for one in series for x, _ in one.points])
    y_ticks = _ticks(*_range([y for one in series for _, y in one.points]), around=True)
    y_low, y_high = y_ticks[0], y_ticks[-1]

    def position(x: float, y: float) -> tuple[float, float]:
        across, up = (x - x_low) / (x_high - x_low), (y - y_low) / (y_high - y_low)
        return (
            _LEFT + across * (_WIDTH - _LEFT - _RIGHT),
            _HEIGHT - _BOTTOM - up * (_HEIGHT - _TOP - _BOTTOM),
        )

    for tick in y_ticks:
        _, y = position(x_low, tick)
        yield f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>'
    for tick in _ticks(x_low, x_high):
        x, _ = position(tick, y_low)
        yield f'<text x="{x:.1f}" y="{_HEIGHT - 12}" text-anchor="middle">{tick:,g}</text>'
    for one in series:
        places = [position(*point) for point in one.points]
        if one.markers:
            yield from (f'<circle class="{one.style}" cx="{x:.1f}" cy="{y:.1f}" r="4"/>' for x, y in places)
        else:
            line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
            yield f'<polyline class="{one.style}" points="{line}"/>'


def _finite(curve: Curve) -> list[tuple[float, float]]:
    """Return the finite points, thinned to about `_MAX_POINTS`; the last one is kept."""
    pairs = zip(*curve, strict=True)
    points = [(float(x), float(y)) for x, y in pairs if math.isfinite(x) and math.isfinite(y)]
    stride = math.ceil(len(points) / _MAX_POINTS) or 1
    return points[::stride] + (points[-1:] if (len(points) - 1) % stride else [])


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _ticks(low: float, high: float, *, around: bool = False) -> list[float]:
    """Return about five round numbers in a range; with `around`, one on each side of it as well."""
    rough = (high - low) / 6
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough)
    down, up = (math.floor, math.ceil) if around else (math.ceil, math.floor)
    return [round(number * step, 12) for number in range(down(low / step), up(high / step) + 1)]
