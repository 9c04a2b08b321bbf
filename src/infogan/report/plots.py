"""Line charts, such as Figure 1 of the paper: curves, dashed levels and single readings.

Drawn three times as large and reduced, so that lines are smooth. The colours are those of Okabe and Ito, which
people of every kind of colour vision can tell apart.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from infogan.errors import UsageError
from infogan.report.pictures import INK, PAPER, font, plain, rotated_text, text_width, wrapped

Curve = tuple[Sequence[float], Sequence[float]]
Colour = tuple[int, int, int]

PALETTE: tuple[Colour, ...] = (
    (0, 114, 178),
    (213, 94, 0),
    (0, 158, 115),
    (204, 121, 167),
    (230, 159, 0),
    (86, 180, 233),
)
_LEVEL: Colour = (85, 85, 85)
_GRID: Colour = (228, 228, 228)

_FINE = 3  # pixels drawn a pixel shown; all sizes below are of the drawn ones
_TEXT = 14 * _FINE
_TITLE = 17 * _FINE
_LINE = 2 * _FINE
_MARGIN = 14 * _FINE
_RADIUS = 4 * _FINE
_SWATCH = 26 * _FINE
_SPACE = 8 * _FINE


def line_plot(
    series: Mapping[str, Curve],
    *,
    x_label: str,
    y_label: str,
    title: str,
    y_range: tuple[float, float] | None = None,
    horizontal_lines: Mapping[str, float] | None = None,
    markers: Mapping[str, Curve] | None = None,
    size: tuple[int, int] = (760, 460),
) -> Image.Image:
    """A line chart with its legend between the title and the axes, where it covers nothing.

    Args:
        series: xs and ys by label. A y that is not finite breaks the line, so that several runs can share one
            label and colour: join their points with a NaN between. From the seventh on colours come again.
        x_label: below the axis, with the unit.
        y_label: beside the axis, with the unit.
        title: above, on as many lines as it takes.
        y_range: lowest and highest y; what lies outside is cut off. All points, levels and readings fit when
            left out.
        horizontal_lines: dashed levels, by label.
        markers: single readings as open circles, by label; the first in the colour of the first series, and so on.
        size: width and height in pixels.

    Raises:
        UsageError: no point to draw, xs and ys of different length, or an empty `y_range`.
    """
    levels, readings = dict(horizontal_lines or {}), dict(markers or {})
    x_limits, y_limits = _limits(series, levels, readings, y_range)
    paper = Image.new("RGB", (size[0] * _FINE, size[1] * _FINE), PAPER)
    top = _draw_heading(paper, title, _legend(series, levels, readings))
    y_ticks, x_ticks = nice_ticks(*y_limits), nice_ticks(*x_limits)
    label_width = max(text_width(text, _TEXT) for _, text in y_ticks)
    axes = _Axes(
        left=round(_MARGIN + _TEXT * 1.3 + _SPACE + label_width + _SPACE),
        top=top,
        right=paper.width - _MARGIN - round(text_width(x_ticks[-1][1], _TEXT) / 2),
        bottom=paper.height - _MARGIN - round(2.6 * _TEXT) - 2 * _SPACE,
        x_limits=x_limits,
        y_limits=y_limits,
    )
    if axes.right - axes.left < 10 * _TEXT or axes.bottom - axes.top < 5 * _TEXT:
        raise UsageError(f"a chart of {size[0]}x{size[1]} pixels", "room for the text", "a larger size")
    _draw_axes(paper, axes, x_ticks, y_ticks, (plain(x_label), plain(y_label)))
    _draw_lines(paper, axes, series, levels)
    _draw_markers(paper, axes, readings)
    return paper.resize(size, Image.Resampling.LANCZOS)


def nice_ticks(low: float, high: float, most: int = 8) -> list[tuple[float, str]]:
    """Where to mark an axis, and the texts: multiples of 1, 2 or 5 times a power of ten, at most `most`."""
    rough = (high - low) / (most - 1)
    power = 10.0 ** math.floor(math.log10(rough))
    # The last factor catches what rounding makes of 10.
    step = power * next(factor for factor in (1, 2, 5, 10, 20) if factor * power >= rough * (1 - 1e-9))
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    large = max(abs(low), abs(high)) >= 1e7
    return [
        (number * step, f"{number * step:g}" if large or decimals > 5 else f"{number * step:,.{decimals}f}")
        for number in range(first, last + 1)
    ]


@dataclass(frozen=True)
class _Axes:
    """The box that the curves are drawn in, in drawn pixels, and the numbers at its sides."""

    left: int
    top: int
    right: int
    bottom: int
    x_limits: tuple[float, float]
    y_limits: tuple[float, float]

    def x(self, value: float) -> float:
        low, high = self.x_limits
        return self.left + (value - low) / (high - low) * (self.right - self.left)

    def y(self, value: float) -> float:
        low, high = self.y_limits
        return self.bottom - (value - low) / (high - low) * (self.bottom - self.top)


def _limits(
    series: Mapping[str, Curve],
    levels: Mapping[str, float],
    readings: Mapping[str, Curve],
    y_range: tuple[float, float] | None,
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Lowest and highest x, and y; y reaches to a mark of the axis on both sides unless `y_range` is given."""
    for label, (xs, ys) in [*series.items(), *readings.items()]:
        if len(xs) != len(ys):
            raise UsageError(f"{label!r}: {len(xs)} xs and {len(ys)} ys", "as many ys as xs", "cutting the longer")
    points = [point for curve in [*series.values(), *readings.values()] for run in _runs(curve) for point in run]
    if not points:
        raise UsageError("a chart without a point", "at least one finite point", "looking at what was measured")
    x_limits = _widened(min(x for x, _ in points), max(x for x, _ in points))
    if y_range is not None:
        if not y_range[0] < y_range[1]:
            raise UsageError(f"y_range {y_range}", "the lower number first", "(0, 2.5)")
        return x_limits, y_range
    ys = [y for _, y in points] + [level for level in levels.values() if math.isfinite(level)]
    low, high = _widened(min(ys), max(ys))
    marks = [value for value, _ in nice_ticks(low, high)]
    step = marks[1] - marks[0] if len(marks) > 1 else high - low
    return x_limits, (math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step)


def _widened(low: float, high: float) -> tuple[float, float]:
    """The same limits, or around a single value so much that an axis can be drawn."""
    around = max(abs(low), 1.0) * 0.5
    return (low, high) if high - low > 1e-9 * around else (low - around, high + around)


def _runs(curve: Curve) -> list[list[tuple[float, float]]]:
    """A curve's points, parted where one is not finite."""
    runs: list[list[tuple[float, float]]] = [[]]
    for x, y in zip(*curve, strict=True):
        if math.isfinite(x) and math.isfinite(y):
            runs[-1].append((float(x), float(y)))
        else:
            runs.append([])
    return [run for run in runs if run]


# --- drawing -------------------------------------------------------------------------------------------

_Swatch = Callable[[ImageDraw.ImageDraw, float, float], None]  # draws at the left end x, around the height y


def _legend(
    series: Iterable[str], levels: Iterable[str], readings: Iterable[str]
) -> list[tuple[str, _Swatch]]:
    """Labels, and what draws the sample of each at a place."""

    def line(colour: Colour) -> _Swatch:
        return lambda draw, x, y: draw.line([(x, y), (x + _SWATCH, y)], colour, _LINE)

    def dashes() -> _Swatch:
        return lambda draw, x, y: _dashed(draw, x, x + _SWATCH, y)

    def circle(colour: Colour) -> _Swatch:
        return lambda draw, x, y: _circle(draw, x + _SWATCH / 2, y, colour)

    return [
        *((plain(label), line(_colour(number))) for number, label in enumerate(series)),
        *((plain(label), dashes()) for label in levels),
        *((plain(label), circle(_colour(number))) for number, label in enumerate(readings)),
    ]


def _draw_heading(paper: Image.Image, title: str, legend: Sequence[tuple[str, _Swatch]]) -> int:
    """Title and legend, in as many lines as they take; where the axes may begin."""
    draw, y, width = ImageDraw.Draw(paper), float(_MARGIN), paper.width - 2 * _MARGIN
    for line in wrapped(plain(title), _TITLE, width):
        draw.text((_MARGIN, y + _TITLE), line, INK, font(_TITLE), anchor="ls")
        y += _TITLE * 1.3
    x = float(_MARGIN)
    y += _SPACE
    for label, swatch in legend:
        needed = _SWATCH + _SPACE + text_width(label, _TEXT)
        if x > _MARGIN and x + needed > paper.width - _MARGIN:
            x, y = float(_MARGIN), y + _TEXT * 1.5
        swatch(draw, x, y + _TEXT / 2)
        draw.text((x + _SWATCH + _SPACE, y + _TEXT * 0.85), label, INK, font(_TEXT), anchor="ls")
        x += needed + 3 * _SPACE
    return round(y + _TEXT * 1.5 + _SPACE)


def _draw_axes(
    paper: Image.Image,
    axes: _Axes,
    x_ticks: Sequence[tuple[float, str]],
    y_ticks: Sequence[tuple[float, str]],
    labels: tuple[str, str],
) -> None:
    """Grid, axes, marks with their numbers, and both labels."""
    draw = ImageDraw.Draw(paper)
    for value, text in x_ticks:
        x = axes.x(value)
        draw.line([(x, axes.top), (x, axes.bottom)], _GRID, _FINE)
        draw.text((x, axes.bottom + _SPACE + _TEXT * 0.8), text, INK, font(_TEXT), anchor="ms")
    for value, text in y_ticks:
        y = axes.y(value)
        draw.line([(axes.left, y), (axes.right, y)], _GRID, _FINE)
        draw.text((axes.left - _SPACE, y + _TEXT * 0.35), text, INK, font(_TEXT), anchor="rs")
    draw.line([(axes.left, axes.top), (axes.left, axes.bottom), (axes.right, axes.bottom)], INK, _FINE)
    x_label, y_label = labels
    middle = (axes.left + axes.right) / 2
    draw.text((middle, paper.height - _MARGIN - _TEXT * 0.3), x_label, INK, font(_TEXT), anchor="ms")
    side = rotated_text(y_label, _TEXT)
    paper.paste(side, (_MARGIN, round((axes.top + axes.bottom - side.height) / 2)))


def _draw_lines(
    paper: Image.Image, axes: _Axes, series: Mapping[str, Curve], levels: Mapping[str, float]
) -> None:
    """Levels and curves, cut off at the box (and half a line around it: a curve along its side stays whole)."""
    layer = paper.copy()
    draw = ImageDraw.Draw(layer)
    for level in levels.values():
        if axes.y_limits[0] <= level <= axes.y_limits[1]:
            _dashed(draw, axes.left, axes.right, axes.y(level))
    for number, curve in enumerate(series.values()):
        for run in _runs(curve):
            points = [(axes.x(x), axes.y(y)) for x, y in run]
            if len(points) == 1:
                _circle(draw, *points[0], _colour(number), filled=True)
            draw.line(points, _colour(number), _LINE, joint="curve")
    box = (axes.left - _LINE // 2, axes.top - _LINE // 2, axes.right + _LINE // 2, axes.bottom + _LINE // 2)
    paper.paste(layer.crop(box), box[:2])


def _draw_markers(paper: Image.Image, axes: _Axes, readings: Mapping[str, Curve]) -> None:
    """Open circles, whole also on the box's side; none for a reading outside."""
    draw = ImageDraw.Draw(paper)
    low, high = axes.y_limits
    for number, curve in enumerate(readings.values()):
        for x, y in (point for run in _runs(curve) for point in run):
            if low <= y <= high:
                _circle(draw, axes.x(x), axes.y(y), _colour(number))


def _colour(number: int) -> Colour:
    return PALETTE[number % len(PALETTE)]


def _dashed(draw: ImageDraw.ImageDraw, left: float, right: float, y: float) -> None:
    dash, gap = 7 * _FINE, 5 * _FINE
    while left < right:
        draw.line([(left, y), (min(left + dash, right), y)], _LEVEL, _LINE)
        left += dash + gap


def _circle(draw: ImageDraw.ImageDraw, x: float, y: float, colour: Colour, *, filled: bool = False) -> None:
    # White inside: a reading stays readable on top of a curve.
    box = (x - _RADIUS, y - _RADIUS, x + _RADIUS, y + _RADIUS)
    draw.ellipse(box, fill=colour if filled else PAPER, outline=colour, width=_LINE)
