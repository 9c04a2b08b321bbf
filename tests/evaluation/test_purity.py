"""The independent classifier, and the purity of generated images in its eyes."""

import time

import numpy as np
import pytest
import torch

from infogan import data
from infogan.config import DataConfig
from infogan.evaluation.classifier import Classifier, train_classifier
from infogan.evaluation.clustering import UNMATCHED
from infogan.evaluation.purity import generate_category, purity
from infogan.evaluation.resampling import numpy_generator
from infogan.evaluation.subject import Subject
from infogan.model import InfoGAN

MATCHING = [1, 2, 0, 3]


def classes(rows: list[int], count: int = 50) -> np.ndarray:
    return np.repeat(np.array(rows)[:, None], count, axis=1)


def figures(predicted: np.ndarray, matching: list[int] | None = None) -> dict:
    return purity(predicted, matching or MATCHING, numpy_generator(0, "test"))


def test_images_of_their_class_are_pure() -> None:
    found = figures(classes(MATCHING))
    assert found["generated_purity"] == 1.0
    assert found["generated_purity_per_category"] == {"0": 1.0, "1": 1.0, "2": 1.0, "3": 1.0}


def test_a_generator_that_ignores_its_code_is_at_chance() -> None:
    assert figures(classes([2, 2, 2, 2]))["generated_purity"] == 0.25


def test_images_of_other_classes_are_not_pure_under_the_given_matching() -> None:
    assert figures(classes([2, 0, 1, 3]))["generated_purity"] == 0.25
    assert figures(classes([2, 0, 1, 0]))["generated_purity"] == 0.0


def test_categories_without_a_class_are_left_out() -> None:
    found = figures(classes([1, 2, 3]), [1, UNMATCHED, 0])
    assert found["generated_purity_per_category"] == {"0": 1.0, "2": 0.0}
    assert found["generated_purity"] == 0.5


def test_the_interval_of_purity_holds_the_truth_about_95_times_in_100() -> None:
    draw, held = np.random.default_rng(0), 0
    for repeat in range(200):
        right = draw.random((4, 100)) < np.array([[0.9], [0.8], [0.95], [0.5]])
        predicted = np.where(right, classes(MATCHING, 100), 9)
        low, high = purity(predicted, MATCHING, numpy_generator(repeat, "test"))["generated_purity_interval"]
        held += low <= (0.9 + 0.8 + 0.95 + 0.5) / 4 <= high
    assert 180 <= held <= 198


def test_a_category_is_drawn_with_every_other_latent_free(drawn_model: InfoGAN) -> None:
    images = generate_category(Subject(drawn_model), ("digit", 0), 3, 30)
    read = drawn_model.latents.posteriors(drawn_model.recognise(images))
    assert (read["digit"].mean.argmax(1) == 3).all()
    assert len(read["style"].mean.unique()) > 20


def test_the_classifier_learns_real_digits_in_seconds_and_leaves_global_chance_alone() -> None:
    digits = data.load(DataConfig(source="digits"))
    before, start = torch.random.get_rng_state(), time.process_time()
    model = train_classifier(digits.train.images, digits.train.labels)
    assert time.process_time() - start < 20
    assert (model.predict(digits.test.images) == digits.test.labels).mean() > 0.95
    assert torch.equal(before, torch.random.get_rng_state())


def test_the_classifier_cannot_learn_labels_without_meaning_and_is_a_function_of_its_seed(
    short_classifier: None,
) -> None:
    digits, draw = data.load(DataConfig(source="digits")), np.random.default_rng(0)
    shuffled = draw.permutation(digits.train.labels)[:300] + 40
    once, again, other = (
        train_classifier(digits.train.images[:300], shuffled, seed=seed).predict(digits.test.images)
        for seed in (0, 0, 1)
    )
    assert (once == digits.test.labels + 40).mean() < 0.25
    assert (once == again).all()
    assert (once != other).any()
    assert set(once) <= set(range(40, 50))


@pytest.mark.parametrize(("size", "channels"), [(8, 1), (28, 1), (32, 3), (64, 4), (256, 1)])
def test_the_classifier_takes_images_of_any_size(size: int, channels: int) -> None:
    model = Classifier(size, channels, np.array([3, 5]), seed=0).eval()
    images = np.zeros((2, size, size, channels), dtype=np.uint8)
    assert set(model.predict(images)) <= {3, 5}
    assert model.predict(images[:0]).shape == (0,)
    assert sum(weights.numel() for weights in model.parameters()) < 3_000_000
