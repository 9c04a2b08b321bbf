"""Codes against true variables: what a perfect, a mixed and a meaningless code get, and the matching."""

from __future__ import annotations

import numpy as np
import pytest

from infogan.data import Dataset, Factor, Split, Truth
from infogan.evaluation import evaluate
from infogan.evaluation.baselines import component_codes
from infogan.evaluation.true_factors import (
    circular,
    circular_by_object,
    match,
    measure,
    spearman,
    spearman_interval,
)
from infogan.model import InfoGAN
from tests.evaluation.conftest import draw_images

DRAW = np.random.Generator(np.random.Philox(key=3))
UNIFORM = DRAW.uniform(-1, 1, 2_000)
TURN = UNIFORM * np.pi


@pytest.mark.parametrize("sense", [1, -1])
@pytest.mark.parametrize("zero", [0.0, 1.0, 3.0])
def test_a_code_that_turns_with_the_angle_is_perfect_at_any_zero_and_sense(sense: int, zero: float) -> None:
    assert circular(UNIFORM, sense * TURN + zero) == pytest.approx(1)


def test_a_code_of_half_the_circle_or_of_no_meaning_is_not() -> None:
    assert circular(np.abs(UNIFORM) * 2 - 1, TURN) < 0.7  # left and right are one to it
    assert circular(DRAW.permutation(UNIFORM), TURN) < 0.1
    assert circular(np.zeros(2_000), TURN) < 0.1


def test_each_object_may_have_a_zero_of_its_own() -> None:
    objects = np.arange(2_000) % 50
    turned = TURN + objects * 2.399  # spread over the circle
    assert circular(UNIFORM, turned) < 0.2
    assert circular_by_object(UNIFORM, turned, objects) == pytest.approx(np.ones(50))
    assert len(circular_by_object(UNIFORM[:5], turned[:5], objects[:5])) == 0


def test_spearman_sees_order_alone() -> None:
    assert spearman(UNIFORM, np.exp(-3 * UNIFORM)) == pytest.approx(1)
    assert spearman(UNIFORM, np.ones(2_000)) == 0
    assert spearman(UNIFORM, UNIFORM**2) < 0.1


def test_the_interval_of_a_rank_correlation_holds_the_truth_as_often_as_it_says() -> None:
    truth, held = 6 / np.pi * np.arcsin(0.7 / 2), 0
    for _ in range(200):
        x, noise = DRAW.normal(size=(2, 300))
        found = spearman(x, 0.7 * x + np.sqrt(0.51) * noise)
        low, high = spearman_interval(found, 300)
        held += low <= truth <= high
    assert 180 <= held <= 199


def test_no_two_factors_get_one_code() -> None:
    codes = {"a": UNIFORM, "b": UNIFORM + 0.8 * DRAW.normal(size=2_000)}
    factors = {"first": Factor(UNIFORM), "second": Factor(UNIFORM**3), "third": Factor(TURN, 2 * np.pi)}
    found = match(codes, factors)
    assert sorted(found.values()) == ["a", "b"]
    assert len(found) == 2


def test_an_angle_is_measured_on_the_circle_and_a_number_by_its_order() -> None:
    angle, size = Factor(UNIFORM * 180, 360.0), Factor(UNIFORM**2)
    found = measure(UNIFORM, angle, np.zeros(2_000, np.int64), DRAW)
    assert found["circular"] == pytest.approx(1)
    assert found["circular_by_object"] == pytest.approx(1)
    low, high = found["circular_interval"]
    assert low <= found["circular"] <= high <= 1
    assert measure(UNIFORM**2 * 3, size, None, DRAW)["spearman"] == pytest.approx(1)
    assert "circular_by_object" not in measure(UNIFORM**2 * 3, angle, None, DRAW)


def test_components_are_spread_evenly_by_training_images() -> None:
    images = DRAW.integers(0, 256, (300, 8, 8, 1), dtype=np.uint8)
    train, test = component_codes(images, images[:50], 3)
    assert list(train) == ["component1", "component2", "component3"]
    for name, values in train.items():
        assert np.sort(values) == pytest.approx(np.arange(300) / 150 - 1)
        # Sums of 50 and of 300 rows are rounded differently: an image may fall on its neighbour's other side.
        assert np.abs(test[name] - values[:50]).max() < 1.5 / 150


def split(count: int, key: int) -> Split:
    draw = np.random.Generator(np.random.Philox(key=key))
    categories, style = draw.integers(4, size=count), draw.uniform(-1, 1, count)
    truth = Truth(factors={"level": Factor(np.exp(style)), "other": Factor(draw.random(count))})
    return Split(draw_images(categories, style, draw.random((count, 8, 8, 1))), truth=truth)


def test_a_code_is_told_from_what_it_is_not(drawn_model: InfoGAN) -> None:
    found = evaluate(
        drawn_model, Dataset("drawn", split(400, 1), split(200, 2)), samples=100, only=("true factors",)
    )
    assert list(found["factors"]) == ["level"]  # one code, one factor
    assert found["factors"]["level"]["code"] == "style"
    assert found["factors"]["level"]["spearman"] > 0.99
    for baseline in ("untrained", "pca"):
        assert len(found["baselines"][baseline]["factors"]) == 1
