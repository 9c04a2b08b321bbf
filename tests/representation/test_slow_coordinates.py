"""Slow coordinates of points whose factors are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse.linalg import ArpackNoConvergence

from infogan.representation.candidates import unique_images
from infogan.representation.neighbours import nearest
from infogan.representation.slow_coordinates import (
    Coordinate,
    agreement,
    dependence,
    dependence_on_categories,
    eigenvectors,
    is_circle,
    slow_coordinates,
    uniform_ranks,
    unmixed,
    unpredicted_share,
)

COUNT = 2_000


def uniform(width: int, count: int = COUNT, seed: int = 1) -> np.ndarray:
    """Return independent factors in [-1, 1], float32 [width, count]."""
    values = np.random.default_rng(seed).uniform(-1, 1, (width, count))
    return values.astype(np.float32)


def points(*columns: np.ndarray) -> np.ndarray:
    """Return points with the given columns and a little noise, float32 [N, columns]."""
    clean = np.stack(columns, 1)
    noise = 0.01 * np.random.default_rng(2).standard_normal(clean.shape)
    return (clean + noise).astype(np.float32)


def ring(angle: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.cos(np.pi * angle), np.sin(np.pi * angle)


def table(found: list[Coordinate], *factors: np.ndarray) -> np.ndarray:
    """Return the agreement of each coordinate with each factor on a line."""
    return np.array([[agreement(c, Coordinate(factor)) for factor in factors] for c in found])


def matches_one_to_one(found: list[Coordinate], *factors: np.ndarray) -> bool:
    """Return whether each factor has one coordinate (above .95) that says nothing about the others."""
    if len(found) != len(factors):
        return False
    values = table(found, *factors)
    others = values[values < values.max(1, keepdims=True)]
    return sorted(values.argmax(1)) == list(range(len(factors))) and bool(
        values.max(1).min() > 0.95 and others.max() < 0.15
    )


# --- known shapes ----------------------------------------------------------------------------------------


def test_a_rectangle_has_its_long_and_its_short_side_in_this_order() -> None:
    x, y = uniform(2)
    # Not 3 times as long: the third harmonic of x would have the rate of y.
    found = slow_coordinates(points(2.5 * x, y))
    assert matches_one_to_one(found, x, y)
    assert table(found, x, y).argmax(1).tolist() == [0, 1]


def test_the_density_of_the_sample_does_not_matter() -> None:
    x, y = uniform(2)
    x = np.sign(x) * x**2  # many points in the middle
    assert matches_one_to_one(slow_coordinates(points(2.5 * x, y)), x, y)


def test_a_square_has_its_two_sides() -> None:
    x, y = uniform(2)
    assert matches_one_to_one(slow_coordinates(points(x, y)), x, y)


def test_a_rotated_square_has_its_two_sides_and_not_its_diagonals() -> None:
    x, y = uniform(2)
    assert matches_one_to_one(slow_coordinates(points(x + y, x - y)), x, y)


def test_a_circle_has_one_coordinate_its_angle() -> None:
    angle = uniform(1)[0]
    (found,) = slow_coordinates(points(*ring(angle)))
    assert found.circle
    assert agreement(found, Coordinate(angle, circle=True)) > 0.95


def test_a_cylinder_has_its_angle_and_its_height() -> None:
    angle, height = uniform(2)
    circle, line = slow_coordinates(points(*ring(angle), 1.5 * height))
    assert (circle.circle, line.circle) == (True, False)
    assert agreement(circle, Coordinate(angle, circle=True)) > 0.95
    assert agreement(line, Coordinate(height)) > 0.95


def test_that_two_components_are_apart_is_no_coordinate() -> None:
    """Coordinates come from the larger component; the other gets the values of the nearest points in it."""
    x, y = uniform(2)
    second = np.arange(COUNT) % 5 < 2
    found = slow_coordinates(points(2.5 * x + 20 * second, y))
    larger = table([Coordinate(c.values[~second]) for c in found], x[~second], y[~second])
    assert larger.max(0).tolist() == pytest.approx([1, 1], abs=0.06)
    # Each value occurs in the larger component: none is an indicator with a value of its own.
    for coordinate in found:
        inside, outside = coordinate.values[~second], coordinate.values[second]
        assert inside.min() <= outside.min()
        assert outside.max() <= inside.max()


def test_three_far_outliers_change_nothing() -> None:
    x, y = uniform(2)
    far = np.array([[60, 60], [-80, 10], [5, -90]], dtype=np.float32)
    before = slow_coordinates(points(2.5 * x, y))
    after = slow_coordinates(np.concatenate([points(2.5 * x, y), far]))
    assert [len(c.values) for c in after] == [COUNT + 3] * len(before)
    for old, new in zip(before, after, strict=True):
        assert agreement(old, Coordinate(new.values[:COUNT])) > 0.99


def test_copies_of_one_point_change_nothing_once_they_are_removed() -> None:
    x, y = uniform(2)
    copied = np.concatenate([points(2.5 * x, y), np.tile(points(2.5 * x, y)[:1], (2_000, 1))])
    unique, inverse = unique_images(np.ascontiguousarray(copied).view(np.uint8).reshape(-1, 1, 8, 1))
    assert unique.tolist() == list(range(COUNT))
    assert (inverse[COUNT:] == 0).all()
    assert matches_one_to_one(slow_coordinates(copied[unique]), x, y)


def test_the_same_points_give_the_same_bytes() -> None:
    x, y = uniform(2)
    square = points(x, y)  # equal rates: order and signs are open
    first, second = (b"".join(c.values.tobytes() for c in slow_coordinates(square)) for _ in range(2))
    assert first == second


def test_the_largest_entry_of_each_eigenvector_is_positive() -> None:
    rates, vectors = eigenvectors(nearest(points(*uniform(2))), count=5)
    assert np.all(np.diff(rates) >= 0)
    assert np.all(vectors.max(0) >= -vectors.min(0))


@pytest.mark.parametrize("count", [1, 59, 60, 61])
def test_few_points_have_no_coordinates_or_some_and_never_an_error(count: int) -> None:
    found = slow_coordinates(points(*uniform(3, count)))
    assert all(np.isfinite(c.values).all() for c in found)
    assert count >= 60 or not found


def test_equal_points_are_no_error() -> None:
    assert all(np.isfinite(c.values).all() for c in slow_coordinates(np.zeros((200, 3), dtype=np.float32)))


def test_eigenvectors_that_do_not_converge_are_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ArpackNoConvergence("no convergence", np.zeros(0), np.zeros((0, 0)))

    monkeypatch.setattr("scipy.sparse.linalg.eigsh", fail)
    assert slow_coordinates(points(*uniform(2, 200))) == []


# --- redundancy ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dimensions", [1, 4, 6])
def test_noise_is_not_predicted_in_any_number_of_known_dimensions(dimensions: int) -> None:
    *known, noise = (Coordinate(column) for column in uniform(dimensions + 1))
    assert unpredicted_share(known, noise) > 0.9


@pytest.mark.parametrize("dimensions", [1, 2, 4])
def test_functions_of_known_coordinates_are_predicted(dimensions: int) -> None:
    known = uniform(dimensions)
    mean = Coordinate(uniform_ranks(known.sum(0) + known[0] ** 3))
    assert unpredicted_share([Coordinate(column) for column in known], mean) < 0.25


def test_a_harmonic_and_a_product_are_functions_of_what_they_come_from() -> None:
    x, y = uniform(2)
    known = [Coordinate(x), Coordinate(y)]
    assert unpredicted_share(known, Coordinate(uniform_ranks(np.cos(2 * np.pi * x)))) < 0.25
    assert unpredicted_share(known, Coordinate(uniform_ranks(x * y))) < 0.25


def test_a_circle_is_predicted_by_itself_and_not_by_noise() -> None:
    angle, noise = uniform(2)
    circle = Coordinate(angle, circle=True)
    shifted = Coordinate(((angle + 2.5) % 2 - 1).astype(np.float32), circle=True)
    assert unpredicted_share([circle], shifted) < 0.05
    assert unpredicted_share([Coordinate(noise)], circle) > 0.9


# --- dependence, circles, mixtures -----------------------------------------------------------------------


def test_independent_coordinates_have_dependence_0_and_equal_ones_more_than_1() -> None:
    x, y = uniform(2)
    nats = dependence(uniform_ranks(np.stack([x, y, x], 1)))
    assert nats[0, 1] == pytest.approx(0, abs=0.01)
    assert nats[0, 2] > 1
    assert np.array_equal(nats, nats.T)


def test_a_coordinate_depends_on_its_own_intervals_and_not_on_random_labels() -> None:
    x = uniform(1)[0]
    halves = (x > 0).astype(np.int64)
    assert dependence_on_categories(Coordinate(x), halves) == pytest.approx(np.log(2), abs=0.05)
    assert dependence_on_categories(Coordinate(x), np.random.default_rng(0).permutation(halves)) < 0.01


def test_a_ring_is_a_circle_and_a_square_or_an_arc_is_none() -> None:
    x, y = uniform(2)
    assert is_circle(np.stack(ring(x), 1))
    assert not is_circle(np.stack([x, y], 1))
    assert not is_circle(np.stack(ring(x / 2), 1))
    assert not is_circle(np.stack(ring(x), 1) * (np.arange(COUNT) % 20 > 0)[:, None])  # 5 % in its centre


def test_mixed_coordinates_are_rotated_back_and_independent_ones_are_left() -> None:
    x, y = uniform(2)
    mixed = [Coordinate(uniform_ranks(x + 0.4 * y)), Coordinate(uniform_ranks(y - 0.4 * x))]
    assert not matches_one_to_one(mixed, x, y)
    assert matches_one_to_one(unmixed(mixed), x, y)
    clean = [Coordinate(uniform_ranks(x)), Coordinate(uniform_ranks(y))]
    assert unmixed(clean) == clean


def test_coordinates_stay_where_independent_component_analysis_overflows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The iterations did on scikit-learn's digits, with scores multiplied by 15.9."""
    from sklearn.decomposition import FastICA

    def diverge(self: object, values: np.ndarray) -> np.ndarray:
        return np.asarray((values + 1e200) ** 3)

    monkeypatch.setattr(FastICA, "fit_transform", diverge)
    x, y = np.random.default_rng(0).uniform(-1, 1, (2, 500))
    mixed = [Coordinate(uniform_ranks(x + y)), Coordinate(uniform_ranks(x - y))]
    assert unmixed(mixed) == mixed


def test_a_coordinate_extends_to_other_points() -> None:
    x, y = uniform(2)
    fitted, others = points(2.5 * x, y)[:1_800], points(2.5 * x, y)[1_800:]
    near = nearest(fitted, queries=others)
    found = [coordinate.extend(near) for coordinate in slow_coordinates(fitted)]
    assert table(found, x[1_800:], y[1_800:]).max(0).min() > 0.95


def test_a_circle_extends_across_its_start() -> None:
    angle = uniform(1)[0]
    near = nearest(points(*ring(angle)), queries=np.array([[-1, 0], [0, 1]], dtype=np.float32))
    extended = Coordinate(angle, circle=True).extend(near)
    assert extended.circle
    assert abs(extended.values[0]) > 0.98  # the mean of -.99 and .99 would be 0
    assert extended.values[1] == pytest.approx(0.5, abs=0.02)


def test_agreement_is_1_for_any_sign_sense_and_start_and_0_between_a_line_and_a_circle() -> None:
    x = uniform(1)[0]
    assert agreement(Coordinate(x), Coordinate(-x)) == pytest.approx(1)
    turned = Coordinate(((-x + 1.7) % 2 - 1).astype(np.float32), circle=True)
    assert agreement(Coordinate(x, circle=True), turned) == pytest.approx(1)
    assert agreement(Coordinate(x), turned) == 0
    assert agreement(Coordinate(x), Coordinate(np.zeros_like(x))) == 0
