"""Stable coordinates of images: parts, versions, and a factor that is found only mixed with another."""

from __future__ import annotations

import numpy as np
import pytest

from infogan.representation import coordinate_search
from infogan.representation.coordinate_search import (
    Parts,
    left_by,
    matched,
    mean_coordinate,
    neighbours_along,
    permuted_images,
    stable_coordinates,
)
from infogan.representation.neighbours import Metric
from infogan.representation.slow_coordinates import Coordinate, agreement, uniform_ranks


def uniform(width: int, count: int = 900) -> np.ndarray:
    return np.random.default_rng(1).uniform(-1, 1, (width, count)).astype(np.float32)


def test_parts_are_disjoint_and_a_function_of_the_seed() -> None:
    parts = Parts.of(100, 0, 0.4, 1_000)
    rows = np.concatenate([parts.first, parts.second, parts.third])
    assert sorted(rows) == list(range(100))
    assert (len(parts.first), len(parts.second)) == (40, 40)
    assert np.array_equal(parts.first, Parts.of(100, 0, 0.4, 1_000).first)
    assert len(Parts.of(100, 0, 0.4, 10).third) == 10


def test_permuted_images_keep_the_values_of_each_pixel() -> None:
    images = np.random.default_rng(0).integers(0, 256, (50, 4, 4, 1), dtype=np.uint8)
    permuted = permuted_images(images, np.random.default_rng(0))
    assert not np.array_equal(permuted, images)
    assert np.array_equal(np.sort(permuted, axis=0), np.sort(images, axis=0))


def test_versions_are_matched_one_to_one() -> None:
    a, b, c = (Coordinate(column) for column in uniform(3))
    pairs = matched([a, b], [c, Coordinate(-b.values), a])
    assert [(first, value) for first, _, value in pairs] == [
        (a, pytest.approx(1)),
        (b, pytest.approx(1)),
    ]
    assert matched([a], []) == []


def test_the_mean_of_versions_ignores_sign_sense_and_start() -> None:
    x, noise = uniform(2)
    line = mean_coordinate([Coordinate(x), Coordinate(-x)], [1.0, 3.0])
    assert line.values == pytest.approx(uniform_ranks(x), abs=1e-6)
    angle = Coordinate(x, circle=True)
    turned = Coordinate(((-x + 0.05 * noise + 2) % 2 - 1).astype(np.float32), circle=True)
    assert agreement(mean_coordinate([angle, turned], [1.0, 1.0]), angle) > 0.99


def test_what_known_coordinates_leave_is_the_other_factor_of_a_mixture() -> None:
    x, y, z = uniform(3, 3_000)
    around = neighbours_along([Coordinate(x), Coordinate(z, circle=True)])
    mixed, harmonic = Coordinate((1.5 * x + y).astype(np.float32)), Coordinate(np.cos(np.pi * x))
    left = left_by(around, [mixed, harmonic, Coordinate(z, circle=True)])
    assert len(left) == 1  # neither the harmonic nor the circle
    assert agreement(mixed, Coordinate(y)) < 0.7 < 0.95 < agreement(left[0], Coordinate(y))


def test_few_images_have_few_neighbours_along_known_coordinates() -> None:
    x, y = uniform(2, 100)
    around = neighbours_along([Coordinate(x)])
    assert around.shape == (100, 5)
    left = left_by(around, [Coordinate((1.5 * x + y).astype(np.float32)), Coordinate(np.cos(np.pi * x))])
    assert len(left) == 1
    assert agreement(left[0], Coordinate(y)) > 0.8


def test_what_is_independent_of_known_coordinates_stays_as_it_is() -> None:
    x, y, z = uniform(3, 3_000)
    line, circle = Coordinate(y), Coordinate(z, circle=True)
    assert left_by(neighbours_along([Coordinate(x)]), [line, circle]) == [line, circle]


def test_a_constant_version_is_left_out() -> None:
    x = uniform(1)[0]
    assert left_by(neighbours_along([Coordinate(x)]), [Coordinate(np.zeros_like(x))]) == []


@pytest.mark.slow
def test_a_weak_factor_is_found_in_a_later_round(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bar that moves far along x, and little along y; the search of one round finds x alone."""
    x, y = uniform(2, 1_500)
    grid = np.arange(16)
    along = np.exp(-((grid - 7.5 - 6 * x[:, None, None]) ** 2) / 8)
    across = np.exp(-((grid[:, None] - 7.5 - 1.5 * y[:, None, None]) ** 2) / 12)
    noise = np.random.default_rng(0).uniform(0, 10, (1_500, 16, 16))
    images = (220 * along * across + noise).clip(0, 255).astype(np.uint8)[..., None]
    metrics = (Metric(10, whitened=False), Metric(10, whitened=True), Metric(20, whitened=True))
    monkeypatch.setattr(coordinate_search, "FITTED", 1_000)  # others get the mean of their neighbours
    found = [one.coordinate for one in stable_coordinates(images, metrics=metrics)]
    assert [max(agreement(c, Coordinate(factor)) for c in found) > 0.9 for factor in (x, y)] == [True, True]
    monkeypatch.setattr(coordinate_search, "MOST", 1)
    (first,) = stable_coordinates(images, metrics=metrics)
    assert agreement(first.coordinate, Coordinate(x)) > 0.9
    assert len(first.coordinate.values) == 1_500
