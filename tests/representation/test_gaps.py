"""Edges that cross the boundaries of categories distinguish these from slices of a line."""

from __future__ import annotations

import numpy as np
import pytest

from infogan.representation.gaps import are_slices, crossing_edges, has_gaps
from infogan.representation.neighbours import nearest
from infogan.representation.slow_coordinates import Coordinate, uniform_ranks

COUNT = 900


def strip(x: np.ndarray) -> np.ndarray:
    """Return points of a strip: a long coordinate and a short one."""
    short = np.random.default_rng(1).uniform(0, 0.3, len(x))
    return np.stack([x, short], 1).astype(np.float32)


def test_slices_of_a_strip_have_no_gaps_and_clusters_have_them() -> None:
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 3, COUNT)
    labels = x.astype(np.int64)
    line = Coordinate(uniform_ranks(x))
    assert not has_gaps(line, labels, nearest(strip(x)).indices)
    apart = labels + 0.6 * (x - labels)  # 0.4 without points between two clusters
    assert has_gaps(Coordinate(uniform_ranks(apart)), labels, nearest(strip(apart)).indices)


def test_slices_of_a_circle_have_no_gaps_across_its_start() -> None:
    angle = np.random.default_rng(0).uniform(-1, 1, COUNT)
    points = np.stack([np.cos(np.pi * angle), np.sin(np.pi * angle)], 1).astype(np.float32)
    circle = Coordinate(uniform_ranks(angle), circle=True)
    indices = nearest(points).indices
    labels = ((angle + 1) / 2 * 4).astype(np.int64)
    assert not has_gaps(circle, labels, indices)
    profile = crossing_edges(circle, indices)
    assert profile[0] == pytest.approx(np.median(profile), rel=0.6) and profile[-1] > 0


def test_each_edge_crosses_the_places_between_its_ends() -> None:
    line = Coordinate(np.array([-0.995, -0.985, 0.995], np.float32))  # bins 0, 1 and 199
    edges = crossing_edges(line, np.array([[1], [0], [1]]))
    assert edges[0] == 2 and set(edges[1:199]) == {1.0} and edges[199] == 0
    circle = crossing_edges(Coordinate(line.values, circle=True), np.array([[1], [0], [1]]))
    assert circle[0] == 3 and circle[199] == 1 and not circle[1:199].any()


def test_categories_beyond_the_lines_are_no_slices() -> None:
    rng = np.random.default_rng(0)
    x, side = rng.uniform(0, 3, COUNT), rng.integers(0, 2, COUNT)
    points = np.column_stack([x, 2.0 * side])
    line = [Coordinate(uniform_ranks(x))]
    assert are_slices(line, x.astype(np.int64), points)
    assert not are_slices(line, side.astype(np.int64), points)
    assert not are_slices([], x.astype(np.int64), points)


def test_clusters_that_two_lines_lay_out_are_no_slices() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 12, COUNT)
    apart = rng.uniform(0, 3, (12, 2))[labels] + rng.normal(0, 0.08, (COUNT, 2))
    lines = [Coordinate(uniform_ranks(line)) for line in apart.T]
    assert not are_slices(lines, labels, apart)
    others = [Coordinate(uniform_ranks(rng.standard_normal(COUNT))) for _ in range(2)]
    assert not are_slices([*lines, *others], labels, apart)
    plane = rng.uniform(0, 3, (COUNT, 2))
    cells = plane.astype(np.int64) @ [3, 1]
    lines = [Coordinate(uniform_ranks(line)) for line in plane.T]
    assert are_slices(lines, cells, plane)
    assert not are_slices(lines[:1], cells, plane)
