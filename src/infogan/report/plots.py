"""Line charts, such as Figure 1 of the paper: curves, dashed levels and single readings.

Drawn three times as large and reduced, so that lines are smooth. The colours are those of Okabe and Ito,
which people of every kind of colour vision can tell apart.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from PIL import Image, ImageDraw

from infogan.errors import UsageError
from infogan.report.pictures import INK, PAPER, draw_text, plain, rotated_text, text_width, wrapped

Curve = tuple[Sequence[float], Sequence[float]]
Points = list[tuple[float, float]]
Colour = tuple[int, int, int]

_PALETTE = (
    (0, 114, 178),
    (213, 94, 0),
    (0, 158, 115),
    (204, 121, 167),
    (230, 159, 0),
    (86, 180, 233),
    (0, 0, 0),
)
_LEVEL = (85, 85, 85)
_GRID = (228, 228, 228)

_FINE = 3  # pixels drawn a pixel shown; all sizes below are of the drawn ones
_TEXT, _TITLE = 14 * _FINE, 17 * _FINE
_LINE = 2 * _FINE
_DASH, _PAUSE = 7 * _FINE, 5 * _FINE
_SWATCH = 3 * _DASH + 2 * _PAUSE
_RADIUS = 5 * _FINE
_MARGIN, _SPACE = 14 * _FINE, 8 * _FINE


def line_plot(  # noqa: PLR0913 - what a chart is made of
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
        series: xs and ys by label. A point that is not finite breaks the line, so that several runs can share
            one label and colour: join their points with a NaN between. After seven, colours come again.
        x_label: below the axis, with the unit.
        y_label: beside the axis, with the unit.
        title: above, on as many lines as it takes.
        y_range: lowest and highest y; what lies outside is cut off. Everything fits when left out.
        horizontal_lines: dashed levels, by label.
        markers: single readings as open circles, by label; the first in the first series' colour, and so on.
        size: width and height in pixels.

    Raises:
        UsageError: no point to draw, xs and ys of different length, an empty `y_range`, or a size too small.
    """
    levels, readings = dict(horizontal_lines or {}), dict(markers or {})
    lines = [_runs(label, curve) for label, curve in series.items()]
    circles = [list(chain(*_runs(label, curve))) for label, curve in readings.items()]
    x_limits, y_limits = _limits([*chain(*lines), *circles], levels.values(), y_range)
    paper = Image.new("RGB", (size[0] * _FINE, size[1] * _FINE), PAPER)
    top = _draw_heading(paper, title, (series, levels, readings))
    axes = _draw_axes(paper, top, (x_limits, y_limits), (plain(x_label), plain(y_label)))
    _draw_lines(paper, axes, lines, levels.values())
    draw = ImageDraw.Draw(paper)
    for number, points in enumerate(circles):
        for x, y in points:
            if y_limits[0] <= y <= y_limits[1]:
                _circle(draw, axes.x(x), axes.y(y), _colour(number), PAPER)
    return paper.resize(size, Image.Resampling.LANCZOS)


def nice_ticks(low: float, high: float, most: int = 8) -> list[tuple[float, str]]:
    """Where to mark an axis, and the texts: multiples of 1, 2 or 5 times a power of ten, at most `most`."""
    rough = (high - low) / (most - 1)
    power = 10.0 ** math.floor(math.log10(rough))
    # The last factor catches what rounding makes of 10.
    step = power * next(factor for factor in (1, 2, 5, 10, 20) if factor * power >= rough * (1 - 1e-9))
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    form = "g" if decimals > 5 or max(abs(low), abs(high)) >= 1e7 else f",.{decimals}f"
    numbers = range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)
    return [(number * step, format(number * step, form)) for number in numbers]


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


def _runs(label: str, curve: Curve) -> list[Points]:
    """A curve's points, parted where one is not finite."""
    xs, ys = curve
    if len(xs) != len(ys):
        raise UsageError(
            f"{label!r}: {len(xs)} xs and {len(ys)} ys", "as many ys as xs", "cutting the longer"
        )
    runs: list[Points] = [[]]
    for x, y in zip(xs, ys, strict=True):
        if math.isfinite(x) and math.isfinite(y):
            runs[-1].append((float(x), float(y)))
        else:
            runs.append([])
    return [run for run in runs if run]


def _limits(
    runs: Iterable[Points], levels: Iterable[float], y_range: tuple[float, float] | None
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Lowest and highest x, and y; y goes on to the next mark of its axis unless `y_range` is given."""
    points = list(chain(*runs))
    if not points:
        raise UsageError("a chart without a point", "at least one finite point", "a longer run")
    x_limits = _widened([x for x, _ in points])
    if y_range is not None:
        if not -math.inf < y_range[0] < y_range[1] < math.inf:
            raise UsageError(f"y_range {y_range}", "two numbers, the lower first", "(0, 2.5)")
        return x_limits, y_range
    low, high = _widened([y for _, y in points] + [level for level in levels if math.isfinite(level)])
    marks = nice_ticks(low, high)
    step = marks[1][0] - marks[0][0]
    return x_limits, (math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step)


def _widened(values: Sequence[float]) -> tuple[float, float]:
    """Lowest and highest, or around a single value so much that an axis can be drawn."""
    low, high = min(values), max(values)
    around = max(abs(low), abs(high)) or 1.0
    return (low, high) if high - low > 1e-6 * around else (low - around / 2, high + around / 2)


# --- drawing -------------------------------------------------------------------------------------------


def _draw_heading(paper: Image.Image, title: str, labels: tuple[Iterable[str], ...]) -> int:
    """Title and legend (of series, levels and readings), in as many lines as they take; where they end."""
    draw, x, y = ImageDraw.Draw(paper), float(_MARGIN), float(_MARGIN)
    for line in wrapped(plain(title), _TITLE, paper.width - 2 * _MARGIN):
        draw_text(paper, x, y + _TITLE, line, _TITLE)
        y += _TITLE * 1.3
    y += _SPACE
    for kind, kind_labels in enumerate(labels):
        for number, label in enumerate(map(plain, kind_labels)):
            width = _SWATCH + _SPACE + text_width(label, _TEXT)
            if x > _MARGIN and x + width > paper.width - _MARGIN:
                x, y = float(_MARGIN), y + _TEXT * 1.5
            middle = y + _TEXT / 2
            if kind == 0:
                draw.line([(x, middle), (x + _SWATCH, middle)], _colour(number), _LINE)
            elif kind == 1:
                _dashes(draw, x, x + _SWATCH, middle)
            else:
                _circle(draw, x + _SWATCH / 2, middle, _colour(number), PAPER)
            draw_text(paper, x + _SWATCH + _SPACE, y + _TEXT * 0.85, label, _TEXT)
            x += width + 3 * _SPACE
    return round(y + _TEXT * 1.5 + _SPACE)


def _draw_axes(
    paper: Image.Image,
    top: int,
    limits: tuple[tuple[float, float], tuple[float, float]],
    labels: tuple[str, str],
) -> _Axes:
    """Grid, axes, marks with their numbers, and both labels, below `top`."""
    x_ticks, y_ticks = nice_ticks(*limits[0]), nice_ticks(*limits[1])
    below = wrapped(labels[0], _TEXT, 0.7 * paper.width)
    bottom = _crisp(paper.height - _MARGIN - (1 + len(below)) * 1.3 * _TEXT - 2 * _SPACE)
    beside = [rotated_text(line, _TEXT) for line in wrapped(labels[1], _TEXT, bottom - top)]
    numbers = max(text_width(text, _TEXT) for _, text in y_ticks) if y_ticks else 0
    left = _crisp(_MARGIN + sum(line.width for line in beside) + numbers + 2 * _SPACE)
    right = paper.width - _MARGIN - 2 * _TEXT  # half of the last number may stand out
    if right - left < 10 * _TEXT or bottom - top < 5 * _TEXT:
        raise UsageError("a chart too small for its text", "room for curves", "a larger size")
    axes = _Axes(left, top, right, bottom, *limits)
    draw = ImageDraw.Draw(paper)
    for x, text in ((_crisp(axes.x(value)), text) for value, text in x_ticks):
        draw.line([(x, top), (x, bottom)], _GRID, _FINE)
        draw_text(paper, x, bottom + _SPACE + _TEXT * 0.8, text, _TEXT, align=0.5)
    for y, text in ((_crisp(axes.y(value)), text) for value, text in y_ticks):
        draw.line([(left, y), (right, y)], _GRID, _FINE)
        draw_text(paper, left - _SPACE, y + _TEXT * 0.35, text, _TEXT, align=1)
    draw.line([(left, top), (left, bottom), (right, bottom)], INK, _FINE)
    for number, line in enumerate(reversed(below)):
        foot = paper.height - _MARGIN - (number * 1.3 + 0.3) * _TEXT
        draw_text(paper, (left + right) / 2, foot, line, _TEXT, align=0.5)
    for number, image in enumerate(beside):
        paper.paste(image, (_MARGIN + number * image.width, (top + bottom - image.height) // 2))
    return axes


def _draw_lines(
    paper: Image.Image, axes: _Axes, lines: Sequence[list[Points]], levels: Iterable[float]
) -> None:
    """Levels and curves, cut off at the box and half a line around it: a curve along a side stays whole."""
    layer = paper.copy()
    draw = ImageDraw.Draw(layer)
    for level in levels:
        if axes.y_limits[0] <= level <= axes.y_limits[1]:
            _dashes(draw, axes.left, axes.right, axes.y(level))
    for number, runs in enumerate(lines):
        for run in runs:
            points = [(axes.x(x), axes.y(y)) for x, y in run]
            draw.line(points, _colour(number), _LINE, joint="curve")
            if len(points) == 1:  # no line to see
                _circle(draw, *points[0], _colour(number), _colour(number))
    half = _LINE // 2
    box = (axes.left - half, axes.top - half, axes.right + half, axes.bottom + half)
    paper.paste(layer.crop(box), box[:2])


def _crisp(place: float) -> int:
    """The nearest place where a line one shown pixel wide covers just one, and isn't smeared over two."""
    return round((place - _FINE // 2) / _FINE) * _FINE + _FINE // 2


def _colour(number: int) -> Colour:
    return _PALETTE[number % len(_PALETTE)]


def _dashes(draw: ImageDraw.ImageDraw, left: float, right: float, y: float) -> None:
    upper = round((y - _LINE / 2) / _FINE) * _FINE  # whole shown pixels: sharp
    while left < right:
        draw.rectangle((left, upper, min(left + _DASH, right), upper + _LINE - 1), _LEVEL)
        left += _DASH + _PAUSE


def _circle(draw: ImageDraw.ImageDraw, x: float, y: float, colour: Colour, inside: Colour) -> None:
    draw.ellipse(
        (x - _RADIUS, y - _RADIUS, x + _RADIUS, y + _RADIUS), fill=inside, outline=colour, width=_LINE
    )
