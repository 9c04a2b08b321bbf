"""What is learned from images becomes codes and their values; no label has a part in it."""

from __future__ import annotations

import inspect
from dataclasses import replace

import numpy as np
import pytest
import torch

from infogan.config import Categorical, Periodic, Uniform
from infogan.data import Dataset, Split
from infogan.representation.candidates import Candidate
from infogan.representation.category_search import Categories, Stability
from infogan.representation.gaps import explained_by_categories
from infogan.representation.learning import CATEGORY, Learned, codes_of, learn
from infogan.representation.neighbours import Metric
from infogan.representation.slow_coordinates import Coordinate, uniform_ranks

COUNT = 300


def candidate(name: str, kind: str, values: np.ndarray) -> Candidate:
    return Candidate(
        name=name,
        kind=kind,  # type: ignore[arg-type]  # a string is easier to read here
        source="plain 10",
        values=values.astype(np.float32),
        stability=0.9,
        threshold=0.7,
        explained_by=(2, 0.8),
    )


def categories(labels: np.ndarray) -> Categories:
    chosen = Stability("communities", 3, 0.9, 1.0, 0.01, 1.0)
    return Categories(
        labels=labels,
        probabilities=(0.9 * np.eye(3)[labels] + 0.1 / 3).astype(np.float32),
        none=labels < 0,
        chosen=chosen,
        threshold=0.1,
        curve=(chosen, replace(chosen, categories=2)),
        tree=np.array([[0.0, 1.0, 0.4, 2.0], [2.0, 3.0, 0.2, 3.0]], dtype=np.float32),
    )


@pytest.fixture
def learned() -> Learned:
    """Three categories of unequal size, a line and a circle."""
    rng = np.random.default_rng(0)
    line, angle = rng.uniform(-1, 1, (2, COUNT))
    labels = np.digitize(rng.random(COUNT), [0.2, 0.5]).astype(np.int64)
    found = (candidate("coordinate1", "coordinate", line), candidate("circle1", "circle", angle))
    return Learned(categories(labels), found, COUNT)


def clustered_images(count: int = 240) -> tuple[np.ndarray, np.ndarray]:
    """Return noisy images 8x8 of one of three patterns, uint8, and which pattern each one has."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, count)
    patterns = rng.integers(40, 200, (3, 8, 8, 1))
    images = (patterns[labels] + rng.normal(0, 12, (count, 8, 8, 1))).clip(0, 255).astype(np.uint8)
    return images, labels


def test_known_candidates_of_one_name_become_two_codes() -> None:
    images, _ = clustered_images()
    line, other = np.random.default_rng(0).uniform(-1, 1, (2, len(images)))
    known = [candidate("coordinate1", "coordinate", line), candidate("coordinate1", "coordinate", other)]
    learned = learn(images, candidates=known, categories=0)
    assert list(learned.anchors()) == ["coordinate1", "coordinate2"]
    assert np.array_equal(learned.candidates[1].values, known[1].values)


# --- codes and their values ------------------------------------------------------------------------------


def test_each_code_has_an_anchor_of_its_width_for_every_image(learned: Learned) -> None:
    codes, anchors = learned.codes(), learned.anchors()
    assert list(codes) == list(anchors) == [CATEGORY, "coordinate1", "circle1"]
    assert [type(code) for code in codes.values()] == [Categorical, Uniform, Periodic]
    assert [tuple(anchor.shape) for anchor in anchors.values()] == [(COUNT, 3), (COUNT, 1), (COUNT, 1)]
    assert codes_of(anchors, learned.facts()) == codes


def test_categories_are_as_frequent_as_in_the_images(learned: Learned) -> None:
    code = learned.codes()[CATEGORY]
    assert isinstance(code, Categorical)
    assert code.probabilities is not None
    assert sum(code.probabilities) == pytest.approx(1)
    assert code.probabilities == pytest.approx(learned.anchors()[CATEGORY].mean(0).tolist(), abs=1e-6)
    assert code.probabilities[0] < code.probabilities[1] < code.probabilities[2]
    assert torch.allclose(learned.anchors()[CATEGORY].sum(1), torch.ones(COUNT))


def test_a_category_that_no_image_has_keeps_a_small_probability(learned: Learned) -> None:
    anchors = learned.anchors() | {CATEGORY: torch.tensor([[1.0, 0.0]]).expand(COUNT, 2)}
    code = codes_of(anchors, learned.facts())[CATEGORY]
    assert isinstance(code, Categorical)
    assert code.probabilities == pytest.approx([0.999, 0.001], abs=1e-5)


def test_nothing_learned_has_no_codes() -> None:
    nothing = Learned(None, (), 10)
    assert nothing.empty
    assert nothing.codes() == nothing.anchors() == {}
    assert nothing.dependence() == 0


def test_dependence_is_that_of_the_two_most_dependent_codes(learned: Learned) -> None:
    assert not learned.empty
    assert learned.dependence() < 0.1
    twin = replace(learned.candidates[0], name="coordinate2")
    assert replace(learned, candidates=(*learned.candidates, twin)).dependence() > 1


# --- files -----------------------------------------------------------------------------------------------


def test_files_restore_the_same_result_byte_for_byte(learned: Learned) -> None:
    files = learned.files()
    restored = Learned.from_files(files)
    assert restored.files() == files
    assert restored.facts() == learned.facts()
    assert restored.codes() == learned.codes()
    assert all(torch.equal(restored.anchors()[name], anchor) for name, anchor in learned.anchors().items())


@pytest.mark.parametrize("dropped", ["categories", "candidates", "both"])
def test_files_restore_a_result_without_some_parts(learned: Learned, dropped: str) -> None:
    part = Learned(
        categories=learned.categories if dropped == "candidates" else None,
        candidates=learned.candidates if dropped == "categories" else (),
        images=COUNT,
    )
    restored = Learned.from_files(part.files())
    assert restored.files() == part.files()
    assert (restored.categories is None) == (part.categories is None)
    assert restored.empty == (dropped == "both")


# --- learning --------------------------------------------------------------------------------------------


def test_categories_of_clustered_images_are_found() -> None:
    from sklearn.metrics import adjusted_rand_score

    images, labels = clustered_images()
    found = learn(images, categories=3, candidates=()).categories
    assert found is not None
    assert adjusted_rand_score(labels, found.labels) > 0.95


def test_a_coordinate_that_categories_predict_is_dropped() -> None:
    images, labels = clustered_images()
    noise = np.random.default_rng(1).uniform(-1, 1, len(images))
    known = [
        candidate("coordinate1", "coordinate", uniform_ranks(labels + 0.1 * noise)),
        candidate("coordinate2", "coordinate", uniform_ranks(noise)),
    ]
    with_categories = learn(images, categories=3, candidates=known)
    assert [c.name for c in with_categories.candidates] == ["coordinate1"]  # numbered again
    assert np.array_equal(with_categories.candidates[0].values, known[1].values)
    assert [c.name for c in with_categories.categorical] == ["coordinate1"]
    restored = Learned.from_files(with_categories.files())
    assert np.array_equal(restored.categorical[0].values, known[0].values)
    assert len(learn(images, categories=0, candidates=known).candidates) == 2


def on_a_circle(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return images 12x12 of a blob that goes around the middle, and its angle."""
    angle = np.random.default_rng(1).uniform(0, 2 * np.pi, count)
    rows, columns = np.mgrid[:12, :12]
    x, y = (5.5 + 3.5 * part(angle)[:, None, None] for part in (np.cos, np.sin))
    distance = (columns - x) ** 2 + (rows - y) ** 2
    return (255 * np.exp(-distance / 4)).astype(np.uint8)[..., None], angle


def test_slices_of_a_circle_are_no_categories() -> None:
    images, angle = on_a_circle(600)
    circle = candidate("circle1", "circle", ((angle / np.pi + 1) % 2 - 1))
    learned = learn(images, candidates=(circle,))
    assert learned.categories is None
    assert [c.name for c in learned.candidates] == ["circle1"]


def test_a_number_of_categories_that_the_user_gives_is_kept_and_so_is_the_line() -> None:
    images, angle = on_a_circle(300)
    circle = candidate("circle1", "circle", ((angle / np.pi + 1) % 2 - 1))
    learned = learn(images, candidates=(circle,), categories=5)
    assert learned.categories is not None and learned.categories.probabilities.shape[1] == 5
    assert [c.name for c in learned.candidates] == ["circle1"]
    noise = np.random.default_rng(0).integers(256, size=(150, 8, 8, 1), dtype=np.uint8)
    of_noise = learn(noise, candidates=(), categories=4).categories
    assert of_noise is not None and of_noise.probabilities.shape[1] == 4


def test_the_share_that_categories_explain_is_1_for_their_means_and_0_for_noise(learned: Learned) -> None:
    found = learned.categories
    assert found is not None
    means = Coordinate(np.array([-0.7, 0.0, 0.6], dtype=np.float32)[found.labels])
    assert explained_by_categories(means, found.labels) == pytest.approx(1)
    assert explained_by_categories(Coordinate(means.values, circle=True), found.labels) == pytest.approx(1)
    assert explained_by_categories(learned.candidates[0].coordinate, found.labels) < 0.05


@pytest.mark.parametrize("count", [1, 119])
def test_nothing_is_learned_from_fewer_than_120_different_images(count: int) -> None:
    images = clustered_images()[0][np.arange(240) % count]
    result = learn(images)
    assert result.empty
    assert result.images == 240


@pytest.mark.slow
@pytest.mark.parametrize("space", ["pixels and features", "features"])
def test_categories_are_searched_by_what_shows_them(space: str) -> None:
    """Pixels of clusters with features of noise, and the reverse."""
    from sklearn.metrics import adjusted_rand_score

    rng = np.random.default_rng(0)
    images, labels = clustered_images(300)
    features = rng.standard_normal((len(images), 8))
    if space == "features":
        images = rng.integers(0, 256, images.shape, dtype=np.uint8)
        features[:, :3] += np.eye(3)[labels] * 9
    found = learn(images, features=features.astype(np.float32), categories=3, candidates=()).categories
    assert found is not None and found.space == space
    assert adjusted_rand_score(labels, found.labels) > 0.9


# --- no label enters -------------------------------------------------------------------------------------


def test_learning_takes_images_and_no_labels() -> None:
    positional = [p for p in inspect.signature(learn).parameters.values() if p.kind is not p.KEYWORD_ONLY]
    assert [p.name for p in positional] == ["images"]
    assert not any("label" in name or "class" in name for name in inspect.signature(learn).parameters)


def test_permuted_labels_of_a_data_set_give_the_same_bytes() -> None:
    images, labels = clustered_images()
    permuted = np.random.default_rng(5).permutation(labels)

    def dataset(given: np.ndarray) -> Dataset:
        split = Split(images, given)
        return Dataset("folder", split, split)

    results = [
        learn(data.train.images, categories=3, metrics=(Metric(10, whitened=False),))
        for data in (dataset(labels), dataset(permuted))
    ]
    assert results[0].files() == results[1].files()
    assert not results[0].empty
