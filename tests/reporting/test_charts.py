"""Line charts as SVG."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from infogan.reporting.charts import chart_file, line_chart


def test_a_chart_plots_the_finite_points_of_any_curve() -> None:
    chart = line_chart(
        {"a": ([0, 10, 20], [1.0, float("nan"), 3.0]), "b": ([0], [2.0])}, x_label="s", y_label="y"
    )
    lines = re.findall(r'points="([^"]*)"', chart)
    assert [len(line.split()) for line in lines] == [2, 1]
    (x0, y0), (x1, y1) = (map(float, point.split(",")) for point in lines[0].split())
    assert x0 < x1 and y0 > y1  # up is up
    assert line_chart({"a": ([], [])}, x_label="s", y_label="y") == ""
    flat = line_chart({"a": ([0, 1], [5.0, 5.0])}, x_label="s", y_label="y")
    assert "nan" not in flat and "inf" not in flat
    many = line_chart({"a": (list(range(10_001)), [0.0] * 10_001)}, x_label="s", y_label="y")
    points = re.findall(r'points="([^"]*)"', many)[0].split()
    assert len(points) < 500 and points[-1].startswith("628")  # the last step is shown


def test_curves_beyond_the_seventh_are_dashed() -> None:
    chart = line_chart({f"c{i}": ([0, 1], [0, i]) for i in range(9)}, x_label="s", y_label="y")
    styles = re.findall(r'polyline class="([^"]*)"', chart)
    assert len(set(styles)) == 9 and styles[7] == "line-0 dashed"


def test_a_chart_file_is_an_svg_document_with_curves_levels_markers_and_a_legend() -> None:
    text = chart_file(
        {"a <b>": ([0, 100], [0.1, 2.2]), "c": ([0, 100], [1.0, 1.1])},
        title="Title",
        x_label="step",
        y_label="nats",
        levels={"entropy": 2.3},
        markers={"reading": ([50], [1.5])},
    )
    root = ElementTree.fromstring(text)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert text.count("<polyline") == 3 and 'class="line-0 dashed"' in text
    assert text.count("<circle") == 2  # the marker and its key in the legend
    words = [entry.text for entry in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"Title", "step", "nats", "a <b>", "c", "entropy", "reading", "2.5"} <= set(words)


def test_a_chart_file_needs_a_point() -> None:
    with pytest.raises(ValueError, match="without a finite point"):
        chart_file({}, title="Title", x_label="step", y_label="nats")
