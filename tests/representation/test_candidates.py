"""Candidates of images whose factors are known, and of images without any."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from infogan.representation.candidates import (
    Candidate,
    component_candidates,
    explained_by,
    find,
    predicted_variance,
    unique_images,
)
from infogan.representation.coordinate_search import permuted_images
from infogan.representation.neighbours import Metric
from infogan.representation.slow_coordinates import Coordinate, agreement, uniform_ranks

METRICS = (Metric(10, whitened=False), Metric(20, whitened=True))
_GRID = np.arange(12)


def blobs(x: np.ndarray, y: np.ndarray, seed: int = 0) -> np.ndarray:
    """Return noisy images 12x12 of one bright blob around the given pixels."""
    square = (_GRID - x[:, None, None]) ** 2 + (_GRID[:, None] - y[:, None, None]) ** 2
    images = 220 * np.exp(-square / 4.5) + np.random.default_rng(seed).uniform(0, 10, square.shape)
    return images.clip(0, 255).astype(np.uint8)[..., None]


def uniform(width: int, count: int = 900) -> np.ndarray:
    return np.random.default_rng(1).uniform(-1, 1, (width, count)).astype(np.float32)


def digits() -> np.ndarray:
    from sklearn.datasets import load_digits

    return (load_digits().images * 15.9).astype(np.uint8)[..., None]


def white_noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (900, 12, 12, 1), dtype=np.uint8)


def permuted_digits(seed: int) -> np.ndarray:
    return permuted_images(digits(), np.random.default_rng(seed))


@pytest.fixture(scope="module")
def moving() -> tuple[list[Candidate], np.ndarray, np.ndarray]:
    """Candidates of images in which a blob moves along x and, less far, along y; the last 100 are copies."""
    factors = uniform(2)
    images = blobs(5.5 + 4 * factors[0], 5.5 + 3 * factors[1])
    repeated = np.concatenate([np.arange(900), np.arange(100)])
    return find(images[repeated], metrics=METRICS), *factors[:, repeated]


# --- factors that are there ------------------------------------------------------------------------------


def test_the_two_factors_of_a_moving_blob_are_found(
    moving: tuple[list[Candidate], np.ndarray, np.ndarray],
) -> None:
    found, *factors = moving
    assert [(c.name, c.kind) for c in found] == [("coordinate1", "coordinate"), ("coordinate2", "coordinate")]
    table = np.array([[agreement(c.coordinate, Coordinate(factor)) for factor in factors] for c in found])
    assert sorted(table.argmax(1)) == [0, 1]
    assert table.max(1).min() > 0.9
    assert table.min(1).max() < 0.15


def test_candidates_exceed_their_threshold_and_name_their_metrics(
    moving: tuple[list[Candidate], np.ndarray, np.ndarray],
) -> None:
    for candidate in moving[0]:
        assert 0.7 <= candidate.threshold < candidate.stability <= 1
        assert "plain 10" in candidate.source


def test_exact_duplicates_have_the_value_of_their_twin(
    moving: tuple[list[Candidate], np.ndarray, np.ndarray],
) -> None:
    for candidate in moving[0]:
        assert len(candidate.values) == 1_000
        assert np.array_equal(candidate.values[900:], candidate.values[:100])


def test_a_candidate_names_the_principal_component_that_explains_it_best(
    moving: tuple[list[Candidate], np.ndarray, np.ndarray],
) -> None:
    for candidate in moving[0]:
        number, share = candidate.explained_by
        assert number in {1, 2}
        assert 0.8 < share < 1


def test_the_same_images_and_seed_give_the_same_bytes() -> None:
    x, y = uniform(2, 600)
    images = blobs(5.5 + 4 * x, 5.5 + 3 * y)
    first, second = (find(images, seed=3, metrics=METRICS[:1]) for _ in range(2))
    assert first
    assert [c.values.tobytes() for c in first] == [c.values.tobytes() for c in second]


def test_a_blob_on_a_ring_gives_one_circle() -> None:
    angle = uniform(1)[0]
    images = blobs(5.5 + 4 * np.cos(np.pi * angle), 5.5 + 4 * np.sin(np.pi * angle))
    (found,) = find(images, metrics=METRICS)
    assert (found.name, found.kind) == ("circle1", "circle")
    assert agreement(found.coordinate, Coordinate(angle, circle=True)) > 0.95


# --- nothing to find -------------------------------------------------------------------------------------


@pytest.mark.parametrize("images", [white_noise, permuted_digits])
def test_nothing_is_found_in_images_without_common_factors(images: Callable[[int], np.ndarray]) -> None:
    assert find(images(0)) == []


@pytest.mark.slow
@pytest.mark.parametrize("images", [white_noise, permuted_digits])
def test_nothing_is_found_with_another_seed(images: Callable[[int], np.ndarray]) -> None:
    """tests/long has ten of ten."""
    assert find(images(1), seed=1) == []


def test_fewer_than_300_different_images_have_no_candidates() -> None:
    x, y = uniform(2, 299)
    images = blobs(5.5 + 4 * x, 5.5 + 3 * y)
    assert find(images[np.arange(900) % 299], metrics=METRICS) == []


def test_equal_images_have_no_candidates() -> None:
    assert find(np.full((400, 8, 8, 1), 7, dtype=np.uint8)) == []


def test_independent_pixels_are_no_components_of_small_images() -> None:
    images = np.zeros((600, 8, 8, 1), dtype=np.uint8)
    images[:, 2:4, 2:6, 0] = np.random.default_rng(0).integers(0, 256, (600, 2, 4))
    assert component_candidates(images) == []


def test_rare_attributes_are_components_and_known_ones_are_left_out() -> None:
    rng = np.random.default_rng(0)
    attributes = rng.laplace(size=(1_500, 40))
    patterns = rng.normal(0, 4, (40, 8 * 8))
    images = (120 + attributes @ patterns).clip(0, 255).astype(np.uint8).reshape(-1, 8, 8, 1)
    found = component_candidates(images)
    assert [c.name for c in found] == [f"component{i + 1}" for i in range(10)]
    ranks = uniform_ranks(attributes)
    table = np.abs(np.corrcoef(np.stack([c.values for c in found]), ranks.T)[:10, 10:])
    assert table.max(1).min() > 0.85
    assert len(set(table.argmax(1))) == 10
    others = component_candidates(images, found[:1])
    assert all(agreement(found[0].coordinate, c.coordinate) < 0.3 for c in others)


def test_images_of_two_changing_pixels_are_no_error() -> None:
    images = np.zeros((400, 8, 8, 1), dtype=np.uint8)
    images[:, 3, 3, 0], images[:, 5, 6, 0] = np.divmod(np.arange(400), 20)
    assert all(np.isfinite(c.values).all() for c in find(images, metrics=METRICS))


@pytest.mark.parametrize("shape", [(16, 16, 1), (8, 8, 4)])
def test_other_sizes_and_channels_are_no_error(shape: tuple[int, int, int]) -> None:
    images = np.random.default_rng(0).integers(0, 256, (300, *shape), dtype=np.uint8)
    assert find(images, metrics=METRICS[:1]) == []


# --- its parts -------------------------------------------------------------------------------------------


def test_distinct_images_are_kept_in_their_order() -> None:
    images = np.array([3, 1, 3, 2, 1], dtype=np.uint8).reshape(5, 1, 1, 1)
    unique, inverse = unique_images(images)
    assert unique.tolist() == [0, 1, 3]
    assert np.array_equal(images[unique][inverse], images)


def test_the_explaining_component_counts_from_one_and_circles_take_two() -> None:
    x, y, angle = uniform(3)
    ring = np.stack([x, np.cos(np.pi * angle), np.sin(np.pi * angle)], 1)
    assert explained_by(Coordinate(y), np.stack([x, -y], 1)) == (2, pytest.approx(1, abs=1e-4))
    assert explained_by(Coordinate(angle, circle=True), ring) == (2, pytest.approx(1, abs=0.01))


def test_coordinates_predict_the_variance_of_their_functions_only() -> None:
    x, y = uniform(2)
    known = [Coordinate(x)]
    assert predicted_variance([], x[:, None]) == 0
    assert predicted_variance(known, np.stack([x, x**2, np.zeros_like(x)], 1)) > 0.95
    assert predicted_variance(known, y[:, None]) < 0.1
