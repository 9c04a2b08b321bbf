"""Improved precision and recall against sets whose figures are known, and an independent way to count."""

import numpy as np
import pytest
import torch

from infogan.data import Dataset, Split
from infogan.evaluation.classifier import Classifier
from infogan.evaluation.metric import METRICS
from infogan.evaluation.precision_recall import precision_recall
from infogan.evaluation.subject import Subject
from infogan.model import InfoGAN


def cloud(count: int, centre: float = 0.0, spread: float = 1.0, seed: int = 0) -> np.ndarray:
    return centre + spread * np.random.default_rng(seed).normal(size=(count, 8))


def pair(real: np.ndarray, fake: np.ndarray) -> tuple[float, float]:
    found = precision_recall(real, fake)
    return found["precision"], found["recall"]


def test_the_same_images_are_perfect_and_others_far_away_are_nothing() -> None:
    assert pair(cloud(700), cloud(700)) == (1, 1)
    assert pair(cloud(200), cloud(200, centre=50, seed=1)) == (0, 0)
    assert precision_recall(cloud(200), cloud(200))["recall_interval"] == [1, 1]


def test_a_missed_half_is_lost_recall_and_a_strange_half_lost_precision() -> None:
    both = np.concatenate([cloud(300), cloud(300, centre=50, seed=1)])
    assert pair(both, both[:300]) == (1, 0.5)
    assert pair(both[:300], both) == (0.5, 1)


def test_collapse_onto_one_real_image() -> None:
    real = cloud(300)
    precision, recall = pair(real, np.repeat(real[7:8], 300, axis=0))
    assert (precision, recall) == (1, 1 / 300)


def test_fakes_that_vary_too_little_are_precise_and_cover_little() -> None:
    precision, recall = pair(cloud(500), cloud(500, spread=0.5, seed=1))
    assert precision > 0.95 and recall < 0.5


def test_the_figures_are_those_of_a_plain_count() -> None:
    real, fake = cloud(60), cloud(80, centre=0.5, seed=1)

    def covered(balls: np.ndarray, asked: np.ndarray) -> float:
        radii = [np.sort(np.linalg.norm(balls - ball, axis=1))[3] for ball in balls]
        hits = [any(np.linalg.norm(x - b) <= r for b, r in zip(balls, radii, strict=True)) for x in asked]
        return float(np.mean(hits))

    assert pair(real, fake) == (covered(real, fake), covered(fake, real))
    assert 0 < covered(real, fake) < 1


def test_intervals_hold_the_figure_and_stay_within_the_range() -> None:
    found = precision_recall(cloud(400), cloud(400, centre=0.4, seed=1))
    for name in ("precision", "recall"):
        low, high = found[f"{name}_interval"]
        assert 0 <= low < found[name] < high <= 1
        assert high - low == pytest.approx(3.92 * np.sqrt(found[name] * (1 - found[name]) / 399), rel=0.01)


def test_the_features_are_what_the_classifier_decides_by() -> None:
    model = Classifier(8, 1, np.array([3, 5, 9]), seed=0).eval()
    images = np.random.default_rng(0).integers(256, size=(700, 8, 8, 1), dtype=np.uint8)
    features = model.features(images)
    assert features.shape == (700, 128) and features.min() == 0
    with torch.no_grad():
        best = model.layers[-1](torch.from_numpy(features)).argmax(1).numpy()
    assert (np.array([3, 5, 9])[best] == model.predict(images)).all()
    assert model.features(images[:0]).shape == (0, 128)


def test_a_model_that_draws_as_the_data_is_near_the_reference(
    drawn_model: InfoGAN, tiny_model: InfoGAN, drawn_dataset: Dataset, short_classifier: None
) -> None:
    found = METRICS["precision and recall"](Subject(drawn_model, drawn_dataset, "raw"))
    reference = found["baselines"]["real"]["fidelity"]
    assert reference["precision"] > 0.7 and reference["recall"] > 0.7
    assert found["fidelity"]["recall"] > 0.5
    assert "150 images" in found["fidelity"]["features"]
    untrained = METRICS["precision and recall"](Subject(tiny_model, drawn_dataset, "raw"))
    assert untrained["fidelity"]["recall"] < 0.1


def test_no_labels_or_hardly_any_image_no_figure(
    drawn_model: InfoGAN, unlabelled_dataset: Dataset, drawn_dataset: Dataset
) -> None:
    assert METRICS["precision and recall"](Subject(drawn_model, unlabelled_dataset, "raw")) == {}
    few = Split(drawn_dataset.test.images[:3], drawn_dataset.test.labels[:3])
    assert (
        METRICS["precision and recall"](Subject(drawn_model, Dataset("few", drawn_dataset.train, few), "raw"))
        == {}
    )
