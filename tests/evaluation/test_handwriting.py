"""Codes against slant, width and thickness: rank correlations within categories, and their matching."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from infogan.config import Config
from infogan.data import Dataset, Split
from infogan.evaluation import handwriting
from infogan.evaluation.handwriting import Measured, match_factors, score_factors, within_categories
from infogan.evaluation.metric import METRICS
from infogan.evaluation.subject import Subject
from infogan.latents import Latents
from infogan.model import InfoGAN


def normal_pairs(count: int, correlation: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    x, noise = np.random.default_rng(seed).normal(size=(2, count))
    return x, correlation * x + np.sqrt(1 - correlation**2) * noise


def test_a_code_that_orders_each_category_either_way_is_perfect() -> None:
    values, _ = normal_pairs(300, 0)
    categories = np.arange(300) % 3
    factor = np.exp(values) * np.array([1, -1, 1])[categories]
    found = within_categories(values, factor, categories)
    assert found.correlations == pytest.approx([1, 1, 1])
    assert found.mean == pytest.approx(1)
    assert found.interval == pytest.approx([1, 1])


def test_differences_between_categories_do_not_count() -> None:
    values, factor = normal_pairs(4_000, 0)
    categories = np.arange(4_000) % 4
    found = within_categories(values + 10 * categories, factor + 10 * categories, categories)
    assert found.mean < 3 * found.chance < 0.1


def test_a_known_correlation_and_the_coverage_of_its_interval() -> None:
    truth, held = 6 / np.pi * np.arcsin(0.7 / 2), 0
    for repeat in range(200):
        values, factor = normal_pairs(300, 0.7, repeat)
        low, high = within_categories(values, factor, np.arange(300) % 3).interval
        held += low <= truth <= high
    assert 180 <= held <= 199
    found = within_categories(*normal_pairs(30_000, 0.7), np.zeros(30_000, dtype=np.int64))
    assert found.mean == pytest.approx(truth, abs=0.01)


def test_the_chance_of_a_code_without_meaning() -> None:
    found = [within_categories(*normal_pairs(500, 0, seed), np.arange(500) % 10) for seed in range(40)]
    assert np.mean([one.mean for one in found]) == pytest.approx(found[0].chance, rel=0.1)


def test_small_categories_and_unmeasured_images_are_left_out_and_a_constant_code_orders_nothing() -> None:
    values, _ = normal_pairs(60, 0)
    categories = np.repeat([0, 1, 7], [30, 19, 11])
    factor = np.where(np.arange(60) < 5, np.nan, values)
    found = within_categories(values, factor, categories)
    assert found.counts.tolist() == [25]
    assert found.mean == pytest.approx(1)
    assert within_categories(np.zeros(60), values, categories).mean == 0
    assert len(within_categories(values[:5], values[:5], categories[:5]).counts) == 0


def measured(codes: dict[tuple[str, int], np.ndarray], factors: dict[str, np.ndarray]) -> Measured:
    return Measured(codes, factors, np.arange(len(next(iter(factors.values())))) % 2)


def test_the_matching_is_one_to_one_by_the_best_sum() -> None:
    slant, mixed = normal_pairs(2_000, 0.8)
    width = np.random.default_rng(9).normal(size=2_000)
    # Both codes agree best with the slant; one of them has to take the width.
    codes = {("a", 0): slant, ("b", 1): slant + 0.3 * width}
    assert match_factors(measured(codes, {"slant": slant, "width": width})) == {
        "slant": ("a", 0), "width": ("b", 1)
    }  # fmt: skip
    assert match_factors(measured({("b", 1): mixed}, {"width": width, "slant": slant})) == {"slant": ("b", 1)}


def test_the_score_is_on_images_that_did_not_choose(config_of: Callable[..., Config]) -> None:
    latents = Latents(config_of("digit:4 a:u").latents)
    values, chance = normal_pairs(400, 0)
    scored = {
        "generated": measured({("a", 0): values}, {"slant": values}),
        "real": measured({("a", 0): values}, {"slant": chance}),
    }
    found = score_factors({"slant": ("a", 0)}, scored, latents)["slant"]
    assert found["code"] == "a"
    assert found["spearman_generated"] == pytest.approx(1)
    assert found["spearman_real"] < 0.2
    few = measured({("a", 0): values[:5]}, {"slant": values[:5]})
    assert score_factors({"slant": ("a", 0)}, {"real": few}, latents) == {"slant": {"code": "a"}}


def bars(slants: np.ndarray, thicknesses: np.ndarray) -> np.ndarray:
    """uint8 [N, 16, 16, 1]: a soft bar each."""
    y, x = np.meshgrid(np.arange(16) - 7.5, np.arange(16) - 7.5, indexing="ij")
    distance = np.abs(x + slants[:, None, None] * y)
    levels = np.clip(thicknesses[:, None, None] / 2 - distance + 0.5, 0, 1) * (np.abs(y) < 6)
    return np.round(levels * 255).astype(np.uint8)[..., None]


class BarInfoGAN(InfoGAN):
    """`b` is slant and `a` is thickness, drawn, and read from the brightness of two corners."""

    def generate(self, noise: Any, codes: Any, *, weights: Any = None) -> np.ndarray:
        a, b = codes["a"][:, 0].numpy(), codes["b"][:, 0].numpy()
        return bars(0.5 * b, 3 + a)

    def recognise(self, images: np.ndarray, *, domain: Any = "real") -> torch.Tensor:
        found = handwriting.measure(images)
        raw = np.zeros((len(images), 4 + 4))
        raw[:, 4], raw[:, 6] = found["thickness"] - 3, found["slant"]
        return torch.from_numpy(raw.astype(np.float32))


@pytest.fixture
def bar_dataset() -> Dataset:
    draw = np.random.default_rng(0)
    splits = [Split(bars(draw.uniform(-0.5, 0.5, n), draw.uniform(2, 4, n))) for n in (300, 200)]
    return Dataset("bars", *splits, handwriting=True)


def test_a_model_whose_codes_are_slant_and_thickness(
    config_of: Callable[..., Config], bar_dataset: Dataset
) -> None:
    model = BarInfoGAN(config_of("digit:4 a:u b:u", size=16))
    found = METRICS["handwriting"](Subject(model, bar_dataset, "raw", samples=400))
    assert {name: entry["code"] for name, entry in found["factors"].items()} == {
        "slant": "b", "thickness": "a"
    }  # fmt: skip
    for entry in found["factors"].values():
        assert entry["spearman_generated"] > 0.95
        assert entry["spearman_real"] > 0.95
    assert set(found["baselines"]["untrained"]["factors"]["slant"]) == {
        "code", "spearman_real", "spearman_real_interval", "spearman_real_chance"
    }  # fmt: skip


def test_other_images_and_models_without_a_continuous_code_have_no_factors(
    config_of: Callable[..., Config], bar_dataset: Dataset
) -> None:
    model = BarInfoGAN(config_of("digit:4 a:u b:u", size=16))
    assert METRICS["handwriting"](Subject(model, replace(bar_dataset, handwriting=False), "raw")) == {}
    assert METRICS["handwriting"](Subject(model, None, "raw")) == {}
    without = InfoGAN(config_of("digit:4", size=16))
    assert METRICS["handwriting"](Subject(without, bar_dataset, "raw")) == {}
    colour = [Split(np.repeat(split.images, 3, axis=3)) for split in (bar_dataset.train, bar_dataset.test)]
    in_colour = Dataset("bars", *colour, handwriting=True)
    assert METRICS["handwriting"](Subject(model, in_colour, "raw")) == {}
