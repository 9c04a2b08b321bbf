"""Probes: labels are drawn evenly, lines read what is there, and the network learns from labels alone."""

from __future__ import annotations

import numpy as np
import pytest

from infogan.data import Dataset, Factor, Split, Truth
from infogan.evaluation import evaluate, probes
from infogan.evaluation.metric import METRICS
from infogan.evaluation.probes import Task, draws, line, network
from infogan.evaluation.subject import Subject
from infogan.model import InfoGAN
from tests.evaluation.conftest import drawn_split


def chance(key: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key))


def test_ten_labels_are_drawn_ten_times_and_evenly_over_classes() -> None:
    classes = np.repeat(np.arange(5), [1_000, 500, 300, 150, 50])
    found: dict[str, list[np.ndarray]] = {}
    for name, chosen in draws(Task(classes, classes, True), seed=0):
        found.setdefault(name, []).append(chosen)
    assert {name: len(drawn) for name, drawn in found.items()} == {"10": 10, "100": 3, "1000": 3, "all": 3}
    for name, each in (("10", 2), ("100", 20)):
        for chosen in found[name]:
            assert len(set(chosen)) == int(name) and set(np.bincount(classes[chosen])) == {each}
    assert np.bincount(classes[found["1000"][0]])[4] == 50  # a rare class is seen whole
    assert set(found["10"][0]) != set(found["10"][1])
    again = [chosen for _, chosen in draws(Task(classes, classes, True), seed=0)]
    assert (again[0] == found["10"][0]).all()


def test_a_line_reads_what_is_there_and_nothing_else() -> None:
    draw = chance(1)
    classes = draw.integers(3, size=600)
    told = np.eye(3)[classes] + 0.1 * draw.normal(size=(600, 3))
    task = Task(classes[:400], classes[400:], True)
    every = np.arange(400)
    assert line(told[:400], told[400:], task, every) > 0.99
    assert line(draw.normal(size=(400, 3)), draw.normal(size=(200, 3)), task, every) < 0.45
    numbers = Task(told[:400, 0], told[400:, 0], False)
    assert line(told[:400] * 1e3 + 5, told[400:] * 1e3 + 5, numbers, every) > 0.99
    assert line(draw.normal(size=(400, 3)), draw.normal(size=(200, 3)), numbers, every) < 0.1
    assert line(told[:400], told[400:], task, np.flatnonzero(task.train == 1)[:3]) == pytest.approx(
        (task.test == 1).mean()
    )


def test_the_network_learns_classes_and_numbers_from_labels_alone(
    tiny_model: InfoGAN, drawn_dataset: Dataset
) -> None:
    train, test = drawn_dataset.train, drawn_dataset.test
    assert train.labels is not None and test.labels is not None
    before = {name: value.clone() for name, value in tiny_model.state_dict().items()}
    task = Task(train.labels, test.labels, True)
    assert network(tiny_model, train.images, test.images, task, 0) > 0.9
    level = [images[:, 7].mean((1, 2)) for images in (train.images, test.images)]
    assert network(tiny_model, train.images, test.images, Task(*level, False), 0) > 0.8
    for name, value in tiny_model.state_dict().items():
        assert (value == before[name]).all(), name  # the judged model is left as it is


def test_probes_are_for_the_full_evaluation_alone(
    drawn_model: InfoGAN, drawn_dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probes, "STEPS", (5, 5))
    monkeypatch.setattr(probes, "DRAWS", {10: 2})
    monkeypatch.setattr(probes, "OTHER_DRAWS", 1)
    assert "probe" not in evaluate(drawn_model, drawn_dataset, samples=50, only=("probes",))
    found = evaluate(drawn_model, drawn_dataset, samples=50, only=("probes",), full=True)["probe"]
    assert list(found) == ["10", "100", "all"]
    assert set(found["10"]) == {"codes", "features", "untrained", "pca", "supervised"}
    assert len(found["10"]["codes"]) == 2 and min(found["all"]["codes"]) > 0.99
    style = drawn_split(300, 5)
    truth = Truth(factors={"level": Factor(style.images[:, 7].mean((1, 2)))})
    factors = Dataset("factors", Split(style.images, truth=truth), Split(style.images, truth=truth))
    shown = METRICS["probes"](Subject(drawn_model, factors, "raw", full=True))
    assert min(shown["probe_factors"]["level"]["all"]["codes"]) > 0.99
