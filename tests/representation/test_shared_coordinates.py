"""Coordinates that categories share: a slant is found in each of several shapes, with one sign."""

from __future__ import annotations

import numpy as np
import pytest
import safetensors.numpy

from infogan.representation import learning
from infogan.representation import shared_coordinates as module
from infogan.representation.category_search import Categories, Stability
from infogan.representation.gaps import explained_by_categories
from infogan.representation.learning import Learned
from infogan.representation.shared_coordinates import Shared, ranks_within, shared_coordinates
from infogan.representation.slow_coordinates import Coordinate, uniform_ranks
from tests.representation.test_learning import candidate

SIDE = 16
BARS = ("down", "down left", "down right", "across down")
COUNTS = (250, 200, 200, 40)
"""The last shape has too few images for coordinates of its own."""


def shapes(counts: tuple[int, ...] = COUNTS) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return images of four slanted shapes, uint8, the shape of each, and its slant, uniform on [-1, 1]."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(len(counts)), counts)
    slants = rng.uniform(-1, 1, len(labels))
    rows, columns = (axis - (SIDE - 1) / 2 for axis in np.mgrid[:SIDE, :SIDE].astype(float))
    x = columns + 0.7 * slants[:, None, None] * rows
    bars = {
        "down": np.exp(-(x**2) / 3),
        "left": np.exp(-((rows + 6) ** 2) / 3) * (columns < 0),
        "right": np.exp(-((rows - 6) ** 2) / 3) * (columns > 0),
        "across": np.exp(-(rows**2) / 3) * (abs(columns) < 6),
    }
    drawn = np.stack(
        [np.broadcast_to(sum(bars[bar] for bar in names.split()), x.shape) for names in BARS[: len(counts)]]
    )
    images = drawn[labels, np.arange(len(labels))] * 150 + rng.normal(0, 8, x.shape) + 30
    return images.clip(0, 255).astype(np.uint8)[..., None], labels, slants


def within(values: np.ndarray, factor: np.ndarray, labels: np.ndarray) -> list[float]:
    """Return the signed rank correlation in each category."""
    ranks = [ranks_within(column, labels) for column in (values, factor)]
    return [float(np.corrcoef(*(r[labels == c] for r in ranks))[0, 1]) for c in np.unique(labels)]


@pytest.fixture(scope="module")
def found() -> list[Shared]:
    images, labels, _ = shapes()
    return shared_coordinates(images, labels)


def test_a_slant_is_found_with_one_sign_in_all_shapes_even_in_a_rare_one(found: list[Shared]) -> None:
    _, labels, slants = shapes()
    correlations = np.array(within(found[0].coordinate.values, slants, labels))
    assert (np.abs(correlations) > 0.95).all()
    assert len(set(np.sign(correlations))) == 1
    assert found[0].stability > max(found[0].threshold, 0.9)


def test_a_shared_coordinate_says_nothing_of_the_category(found: list[Shared]) -> None:
    _, labels, _ = shapes()
    coordinate = found[0].coordinate
    assert explained_by_categories(coordinate, labels) < 0.02
    for category in range(len(COUNTS)):
        own = coordinate.values[labels == category]
        assert own == pytest.approx(uniform_ranks(own), abs=1e-5)


def test_the_result_is_a_function_of_the_images_and_the_seed(found: list[Shared]) -> None:
    images, labels, _ = shapes()
    again = shared_coordinates(images, labels)
    assert [one.coordinate.values.tolist() for one in again] == [
        one.coordinate.values.tolist() for one in found
    ]


def test_images_without_a_common_factor_share_no_coordinate() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 200)
    patterns = rng.integers(40, 200, (3, SIDE, SIDE, 1))
    noise = rng.normal(0, 20, (600, SIDE, SIDE, 1))
    images = (patterns[labels] + noise).clip(0, 255).astype(np.uint8)
    assert shared_coordinates(images, labels) == []


def test_factors_of_one_category_each_are_not_shared() -> None:
    """Each category is lit along a direction of its own."""
    rng = np.random.default_rng(0)
    labels, light = np.repeat([0, 1, 2], 200), rng.uniform(-1, 1, 600)
    directions = np.linalg.qr(rng.standard_normal((SIDE**2, 3)))[0].T * 16
    x = 128 + 40 * light[:, None] * directions[labels] + rng.normal(0, 5, (600, SIDE**2))
    assert shared_coordinates(x.clip(0, 255).astype(np.uint8).reshape(600, SIDE, SIDE, 1), labels) == []


@pytest.mark.parametrize("counts", [(300,), (250, 40), (90, 90, 90)])
def test_one_category_of_enough_images_shares_nothing(counts: tuple[int, ...]) -> None:
    images, labels, _ = shapes(counts)
    assert shared_coordinates(images, labels) == []


def test_equal_images_share_nothing() -> None:
    images, labels, _ = shapes()
    assert shared_coordinates(np.full_like(images, 90), labels) == []


def test_a_known_line_is_matched_although_it_follows_the_categories(monkeypatch: pytest.MonkeyPatch) -> None:
    images, labels, slants = shapes()
    monkeypatch.setattr(module, "METRICS", ())  # no category has coordinates of its own
    assert shared_coordinates(images, labels) == []
    line = Coordinate(uniform_ranks(slants + 2 * labels))
    (found,) = shared_coordinates(images, labels, [line])
    assert abs(np.mean(within(found.coordinate.values, slants, labels))) > 0.95


def test_a_line_that_is_constant_in_a_category_does_not_disable_it() -> None:
    images, labels, _ = shapes()
    line = Coordinate(np.where(labels == 0, 0.0, np.linspace(-1, 1, len(labels))).astype(np.float32))
    first = shared_coordinates(images, labels, [line])[0]
    assert first.stability > 0.9


# --- together with what was found before -------------------------------------------------------------------


def given(labels: np.ndarray) -> Categories:
    count = int(labels.max()) + 1
    chosen = Stability("communities", count, 0.9, 1.0, 0.01, 1.0)
    probabilities = np.eye(count, dtype=np.float32)[labels]
    tree = np.zeros((count - 1, 4), np.float32)
    return Categories(labels, probabilities, labels < 0, chosen, 0.1, (chosen,), tree)


@pytest.fixture(scope="module")
def before() -> Learned:
    """A line that follows the categories, the slant, a line within them, and a circle that follows them."""
    _, labels, slants = shapes()
    rng = np.random.default_rng(1)
    slant = slants + 0.05 * rng.standard_normal(len(labels))
    angle = np.linspace(-1, 1, len(labels), endpoint=False)
    found = (
        candidate("coordinate1", "coordinate", uniform_ranks(slants + 2 * labels)),
        candidate("coordinate2", "coordinate", uniform_ranks(slant)),
        candidate("circle1", "circle", angle),
        candidate("component1", "component", uniform_ranks(rng.standard_normal(len(labels)))),
    )
    return Learned(given(labels), found, len(labels), (candidate("coordinate1", "coordinate", slant),))


def test_candidates_that_follow_the_categories_make_room_for_shared_ones(before: Learned) -> None:
    images, labels, slants = shapes()
    messages: list[str] = []
    found = learning.with_shared(before, images, progress=messages.append)
    assert [one.name for one in found.candidates] == ["within1", "component1"]
    assert "circle1, coordinate1, coordinate2" in messages[-1]
    assert abs(np.mean(within(found.candidates[0].values, slants, labels))) > 0.95
    assert found.dependence() < 0.1 < before.dependence()
    restored = Learned.from_files(found.files())
    assert restored.facts() == found.facts()
    for one, other in zip(found.categorical, restored.categorical, strict=True):  # two have one name
        assert np.array_equal(one.values, other.values)


def test_a_line_is_kept_if_the_given_number_of_categories_are_slices_of_it(before: Learned) -> None:
    images, _, _ = shapes()
    found = learning.with_shared(before, images, fixed=True)
    names = [one.name for one in found.candidates]
    assert "within1" not in names  # it is the line, within its slices
    assert names[:2] == ["coordinate1", "coordinate2"]
    assert np.array_equal(found.candidates[0].values, before.candidates[0].values)


def test_results_of_earlier_versions_are_read(before: Learned) -> None:
    files = before.files()
    arrays = safetensors.numpy.load(files["arrays.safetensors"])
    names = {f"values.{n}": f"values.{one.name}" for n, one in enumerate(before.candidates)}
    names |= {f"categorical.{n}": f"categorical.{one.name}" for n, one in enumerate(before.categorical)}
    old = {names.get(key, key): value for key, value in arrays.items()}
    restored = Learned.from_files({**files, "arrays.safetensors": safetensors.numpy.save(old)})
    assert np.array_equal(restored.candidates[1].values, before.candidates[1].values)


def test_copies_of_an_image_have_the_same_value() -> None:
    images, labels, _ = shapes()
    twice, rows = np.concatenate([images, images[::5]]), np.arange(0, len(images), 5)
    both = np.concatenate([labels, labels[::5]])
    found = learning.with_shared(Learned(given(both), (), len(twice)), twice)
    values = found.candidates[0].values
    assert values.shape == (len(twice),)
    assert np.array_equal(values[len(images) :], values[rows])
