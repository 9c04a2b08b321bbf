"""Charts: curves where their numbers are, marks that can be read, a legend that covers nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest
from PIL import Image

from infogan.errors import UsageError
from infogan.report.plots import line_plot, nice_ticks

BLUE, ORANGE, GREY = (0, 114, 178), (213, 94, 0), (85, 85, 85)


def plot(series: dict, **options: object) -> Image.Image:
    return line_plot(series, **{"x_label": "iterations", "y_label": "nats", "title": "A title", **options})


def near(image: Image.Image, colour: tuple[int, int, int]) -> np.ndarray:
    return np.abs(np.asarray(image).astype(int) - colour).sum(axis=-1) < 100


def axes_box(image: Image.Image) -> tuple[int, int, int, int]:
    """Left, top, right, bottom: the longest dark lines down and across are the axes."""
    dark = np.asarray(image).max(axis=-1) < 110
    left, bottom = int(dark.sum(axis=0).argmax()), int(dark.sum(axis=1).argmax())
    down, across = np.nonzero(dark[:, left])[0], np.nonzero(dark[bottom])[0]
    return left, int(down.min()), int(across.max()), bottom


def inside(image: Image.Image) -> Image.Image:
    left, top, right, bottom = axes_box(image)
    return image.crop((left + 2, top, right + 1, bottom - 1))


def height_at(
    image: Image.Image, colour: tuple[int, int, int], share: float, y_range: tuple[float, float]
) -> float:
    """The y that a curve shows at a share of the axis."""
    left, top, right, bottom = axes_box(image)
    rows = np.nonzero(near(image, colour)[top:bottom, round(left + share * (right - left))])[0]
    return y_range[1] - rows.mean() / (bottom - top) * (y_range[1] - y_range[0])


def test_a_curve_passes_through_its_points() -> None:
    limits = (0.0, 2.5)
    image = plot({"a": ([0, 500, 1000], [0.5, 2.0, 1.0]), "b": ([0, 1000], [1.5, 0.1])}, y_range=limits)
    assert image.size == (760, 460) and image.mode == "RGB"
    for share, blue, orange in [(0.25, 1.25, 1.15), (0.75, 1.5, 0.45), (0.9, 1.2, 0.24)]:
        assert height_at(image, BLUE, share, limits) == pytest.approx(blue, abs=0.03)
        assert height_at(image, ORANGE, share, limits) == pytest.approx(orange, abs=0.03)


def test_what_lies_outside_the_range_is_cut_off_at_the_axes() -> None:
    image = plot({"a": ([0, 1, 2], [-5, 0.5, 5])}, y_range=(0, 1))
    left, top, right, bottom = axes_box(image)
    blue = near(image, BLUE)
    blue[: top - 10] = False  # the legend
    down, across = np.nonzero(blue)
    assert top - 2 <= down.min() and down.max() <= bottom + 2
    assert left - 2 <= across.min() and across.max() <= right + 2
    assert down.min() < top + 5 and down.max() > bottom - 5, "and not before them"


def test_a_level_is_dashed_at_its_height() -> None:
    image = plot({"a": ([0, 10], [0.2, 0.2])}, y_range=(0, 1), horizontal_lines={"H(c)": 0.75})
    left, top, right, bottom = axes_box(image)
    middle = round(bottom - 0.75 * (bottom - top))
    row = near(image, GREY)[middle - 1 : middle + 2, left + 5 : right].any(axis=0)
    assert 0.4 < row.mean() < 0.75, "dashes, and gaps between them"
    assert np.count_nonzero(np.diff(row.astype(int)) == 1) > 20


def test_readings_are_open_circles_in_the_colour_of_their_series() -> None:
    image = plot(
        {"a": ([0, 100], [0.1, 0.1]), "b": ([0, 100], [0.9, 0.9])},
        y_range=(0, 1),
        markers={"paper a": ([50], [0.5]), "paper b": ([25], [0.5])},
    )
    left, top, right, bottom = axes_box(image)
    for share, colour in [(0.5, BLUE), (0.25, ORANGE)]:
        x, y = round(left + share * (right - left)), round((top + bottom) / 2)
        patch = image.crop((x - 7, y - 7, x + 8, y + 8))
        assert near(patch, colour).sum() > 20
        assert image.getpixel((x, y)) == (255, 255, 255)


def test_a_reading_outside_the_range_is_not_drawn() -> None:
    series = {"a": ([0, 100], [0.1, 0.1])}
    shown = plot(series, y_range=(0, 1), markers={"paper": ([50], [1.1])})
    empty = plot(series, y_range=(0, 1), markers={"paper": ([50], [-0.1])})
    assert shown.tobytes() == empty.tobytes()


def test_a_nan_breaks_the_line() -> None:
    broken = inside(plot({"a": ([0, 1, 2, 3, 4], [0.5, 0.5, math.nan, 0.5, 0.5])}, y_range=(0, 1)))
    drawn = near(broken, BLUE).any(axis=0)
    assert drawn[: round(0.24 * len(drawn))].all() and drawn[round(0.76 * len(drawn)) : -1].all()
    assert not drawn[round(0.3 * len(drawn)) : round(0.7 * len(drawn))].any()


def test_a_single_point_can_be_seen() -> None:
    assert near(inside(plot({"a": ([3], [5.0])})), BLUE).sum() > 30


def test_everything_fits_when_no_range_is_given() -> None:
    image = plot(
        {"a": ([0, 10], [-3.2, 1])}, horizontal_lines={"level": 7.3}, markers={"paper": ([5], [-8.1])}
    )
    limits = (-10.0, 10.0)  # whole marks of the axis around -8.1 and 7.3
    assert height_at(image, GREY, 0.005, limits) == pytest.approx(7.3, abs=0.15)
    assert height_at(image, BLUE, 0.25, limits) == pytest.approx(-2.15, abs=0.15)
    assert height_at(image, BLUE, 0.5, limits) < -4, "curve and circle"


@pytest.mark.parametrize("count", [1, 3, 9])
def test_the_legend_has_every_label_above_the_axes(count: int) -> None:
    labels = [f"a rather long label of series {number}" for number in range(count)]
    image = plot({label: ([0, 1], [0, 1]) for label in labels}, title="")
    top = axes_box(image)[1]
    without = plot({"": ([0, 1], [0, 1])}, title="")
    lines = math.ceil(count / 3)
    assert axes_box(without)[1] + (lines - 1) * 20 <= top <= axes_box(without)[1] + (lines - 1) * 22
    ink = np.asarray(image)[: top - 4].max(axis=-1) < 140
    assert not ink[:, -10:].any() and not ink[:4].any(), "nothing cut at the side"


def test_long_title_and_labels_are_not_cut() -> None:
    long = "a label of many words that goes on and on " * 3
    image = plot({"a": ([0, 1e6], [1e-5, 2e-5])}, title=long, x_label=long, y_label=long)
    drawn = (np.asarray(image) < 200).any(axis=-1)
    down, across = np.nonzero(drawn)
    assert min(down.min(), across.min(), image.height - 1 - down.max(), image.width - 1 - across.max()) >= 6


@pytest.mark.parametrize(
    ("low", "high", "texts"),
    [
        (0, 2.5, ["0.0", "0.5", "1.0", "1.5", "2.0", "2.5"]),
        (0, 935, ["0", "200", "400", "600", "800"]),
        (-2, 2, ["-2", "-1", "0", "1", "2"]),
        (0, 7, ["0", "1", "2", "3", "4", "5", "6", "7"]),
        (0, 0.001, ["0.0000", "0.0002", "0.0004", "0.0006", "0.0008", "0.0010"]),
        (0, 12000, ["0", "2,000", "4,000", "6,000", "8,000", "10,000", "12,000"]),
        (0, 2e8, ["0", "5e+07", "1e+08", "1.5e+08", "2e+08"]),
    ],
)
def test_nice_ticks(low: float, high: float, texts: list[str]) -> None:
    assert [text for _, text in nice_ticks(low, high)] == texts


def test_nice_ticks_are_few_and_inside_for_any_range() -> None:
    random = np.random.default_rng(0)
    for low, width in zip(random.normal(0, 100, 300), 10 ** random.uniform(-4, 8, 300), strict=True):
        ticks = [value for value, _ in nice_ticks(low, low + width)]
        assert 2 <= len(ticks) <= 8
        assert low - 1e-6 * width <= ticks[0] and ticks[-1] <= low + width * (1 + 1e-6)


@pytest.mark.parametrize(
    ("series", "options"),
    [
        ({}, {}),
        ({"a": ([], [])}, {}),
        ({"a": ([0, 1], [math.nan, math.inf])}, {}),
        ({"a": ([0, 1], [1])}, {}),
        ({"a": ([0, 1], [0, 1])}, {"markers": {"b": ([0], [])}}),
        ({"a": ([0, 1], [0, 1])}, {"y_range": (1, 1)}),
        ({"a": ([0, 1], [0, 1])}, {"y_range": (0, math.nan)}),
        ({"a": ([0, 1], [0, 1])}, {"size": (60, 40)}),
    ],
)
def test_what_cannot_be_drawn_is_refused(series: dict, options: dict) -> None:
    with pytest.raises(UsageError):
        plot(series, **options)
