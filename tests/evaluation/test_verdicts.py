"""Verdicts on generators in which a fault was planted, in graded strengths, and on healthy ones.

Thresholds were fixed while looking at seeds 0 to 9; the tests use twenty others.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from infogan.data import Dataset, Split
from infogan.evaluation import evaluate
from infogan.evaluation.metric import METRICS
from infogan.evaluation.subject import Subject
from infogan.evaluation.verdicts import (
    ALIKE,
    DEAD,
    INVISIBLE,
    LOST,
    OVERLAP,
    SAME,
    Figures,
    corrupted,
    verdict,
)
from infogan.model import InfoGAN
from tests.evaluation.conftest import tiny_config

SIZE, NAMES = 16, ("a", "b", "c")
SEEDS = range(10, 30)


def chance(key: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key))


def fields(seed: int, count: int) -> np.ndarray:
    """Smooth patterns, orthogonal, of mean square 1: [count, 256]."""
    rough = chance(seed).standard_normal((count, SIZE, SIZE))
    near = sum(np.roll(rough, (i, j), (1, 2)) for i in (-1, 0, 1) for j in (-1, 0, 1))
    return np.linalg.qr(np.asarray(near).reshape(count, -1).T)[0].T * SIZE


class Planted(InfoGAN):
    """Each code moves a pattern of its own, unless a fault says otherwise; Q reads patterns back exactly.

    Args:
        fault: "none", "ignored", "low bits", "twice" or "shared": of codes a, or a and b.
        rest: how much of the healthy pattern of the faulty code is left, as a share; of "twice", how far the
            two readings are apart.
    """

    def __init__(self, seed: int, fault: str, rest: float = 0.0) -> None:
        super().__init__(tiny_config("a:u b:u c:u", size=SIZE))
        self.fault, self.rest, self.seed = fault, rest, seed
        self.patterns = fields(seed, 3 + 6)  # six of noise
        self.order = chance(seed + 1_000).permutation(SIZE * SIZE)

    def generate(self, noise: Any, codes: Any, *, weights: Any = None) -> np.ndarray:
        levels = np.stack([codes[name][:, 0].numpy() for name in NAMES], 1)
        return self.draw_images(levels, noise[:, :6].numpy())

    def draw_images(self, levels: np.ndarray, noise: np.ndarray) -> np.ndarray:
        moved = levels.copy()
        if self.fault in ("ignored", "low bits"):
            moved[:, 0] *= self.rest
        elif self.fault == "twice":
            moved[:, 0], moved[:, 1] = (levels[:, 0] + levels[:, 1]) / 2, 0
        elif self.fault == "shared":
            # One number of two digits: a is the first, b the second, in a quarter of the range each.
            cell = np.floor((levels[:, 0] + 1) * 2).clip(0, 3)
            moved[:, 0] = (cell + (levels[:, 1] + 1) / 2) / 2 - 1
            moved[:, 1] *= self.rest
        flat = 128 + 25 * moved @ self.patterns[:3] + 15 * noise @ self.patterns[3:]
        images = flat.round().clip(0, 255).astype(np.uint8)
        if self.fault == "low bits":
            ones = ((levels[:, :1] + 1) / 2 * SIZE * SIZE) > self.order  # as many as the code says
            images = (images & 254) | ones.astype(np.uint8)
        return images.reshape(-1, SIZE, SIZE, 1)

    def recognise(self, images: np.ndarray, *, domain: Any = "real", augmented: bool = False) -> torch.Tensor:
        flat = images.reshape(len(images), -1).astype(np.float64)
        read = (flat - 128) @ self.patterns[:3].T / (25 * SIZE * SIZE)
        if self.fault == "low bits":
            read[:, 0] = (flat % 2).mean(1) * 2 - 1
        elif self.fault == "twice":
            read[:, 1] = read[:, 0] + self.rest * chance(len(images)).standard_normal(len(images))
        elif self.fault == "shared":
            whole = (read[:, 0] + 1) * 2
            cell = np.floor(whole).clip(0, 3)
            read[:, 0], read[:, 1] = (cell + 0.5) / 2 - 1, (whole - cell) * 2 - 1
        raw = np.stack([read, np.full_like(read, -2.0)], 2).reshape(len(read), -1)
        return torch.from_numpy(raw.astype(np.float32))


def judged(model: Planted) -> dict[str, dict[str, Any]]:
    draw = chance(model.seed + 2_000)
    healthy = Planted(model.seed, "none")
    real = healthy.draw_images(draw.uniform(-1, 1, (300, 3)), draw.uniform(-1, 1, (300, 6)))
    dataset = Dataset("planted", Split(real), Split(real))
    found: dict[str, dict[str, Any]] = METRICS["verdicts"](
        Subject(model, dataset, "raw", samples=300, seed=1)
    )["codes"]
    return found


def words(model: Planted) -> list[str]:
    found = judged(model)
    return [found[name]["verdict"] for name in NAMES]


@pytest.mark.parametrize("seed", SEEDS)
def test_healthy_codes_are_used(seed: int) -> None:
    found = judged(Planted(seed, "none"))
    for name in NAMES:
        assert found[name]["verdict"] == "used", found[name]
        assert found[name]["monotonicity"] > 0.95
        low, high = found[name]["effect_interval"]
        assert 0.1 < low < found[name]["effect"] < high < 0.6


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("rest", [0.0, 0.005])
def test_an_ignored_code_is_dead(seed: int, rest: float) -> None:
    assert words(Planted(seed, "ignored", rest)) == ["dead", "used", "used"]


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("rest", [0.0, 0.03])
def test_a_code_in_the_lowest_bits_is_hidden(seed: int, rest: float) -> None:
    found = judged(Planted(seed, "low bits", rest))
    assert [found[name]["verdict"] for name in NAMES] == ["hidden", "used", "used"]
    assert found["a"]["told"] > 0.95  # a bound alone would call it the best of the three
    assert found["a"]["survival"]["rounding"] < 0.1


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("rest", [0.0, 0.1])
def test_a_code_that_says_what_another_says_is_a_duplicate(seed: int, rest: float) -> None:
    found = judged(Planted(seed, "twice", rest))
    assert [found[name]["verdict"] for name in NAMES] == ["duplicate", "duplicate", "used"]
    assert (found["a"]["of"], found["b"]["of"]) == ("b", "a")


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("rest", [0.0, 0.1])
def test_two_codes_of_one_factor_are_entangled(seed: int, rest: float) -> None:
    found = judged(Planted(seed, "shared", rest))
    assert [found[name]["verdict"] for name in NAMES] == ["entangled", "entangled", "used"]
    assert (found["a"]["of"], found["b"]["of"]) == ("b", "a")


@pytest.mark.parametrize(
    ("below", "above", "words"),
    [
        ({"recovered": DEAD - 0.01}, {"recovered": DEAD + 0.01}, ("dead", "used")),
        ({"effect": INVISIBLE - 1e-3}, {"effect": INVISIBLE + 1e-3}, ("hidden", "used")),
        ({"effect": 0.0, "survival": {"blur": LOST - 0.01}}, {"effect": 0.0, "survival": {"blur": LOST}},
         ("hidden", "used")),
        ({"overlap": {"b": OVERLAP - 0.01}}, {"overlap": {"b": OVERLAP}}, ("used", "entangled")),
        ({"agreement": {"b": ALIKE - 0.01}}, {"agreement": {"b": ALIKE}}, ("used", "entangled")),
        ({"agreement": {"b": SAME - 0.01}}, {"agreement": {"b": SAME}}, ("entangled", "duplicate")),
    ],
)  # fmt: skip
def test_each_threshold_parts_two_verdicts(
    below: dict[str, Any], above: dict[str, Any], words: tuple[str, str]
) -> None:
    healthy: dict[str, Any] = {
        "recovered": 0.9,
        "effect": 0.2,
        "survival": {"blur": 0.9},
        "overlap": {},
        "agreement": {},
    }
    if "effect" in below and "survival" not in below:
        healthy["survival"] = {"blur": 0.1}
    assert tuple(verdict(Figures(**healthy | change))[0] for change in (below, above)) == words


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_a_fading_code_is_dead_when_rounding_hides_most_of_it(seed: int) -> None:
    """Graded: the code's pattern weaker and weaker among noise that Q cannot part from it."""
    found = [judged(Planted(seed, "ignored", rest))["a"] for rest in (1.0, 0.5, 0.1, 0.05, 0.0)]
    told = [one["told"] for one in found]
    assert told == sorted(told, reverse=True) and found[0]["verdict"] == "used"
    assert found[-1]["verdict"] == "dead"
    for one in found:
        assert (one["verdict"] == "dead") == (one["told"] < DEAD)


def test_a_small_code_that_survives_is_not_hidden_and_a_large_one_never() -> None:
    bare: dict[str, Any] = {"overlap": {}, "agreement": {}}
    lasting, lost = {"blur": 0.9, "noise": 0.8}, {"blur": 0.9, "noise": 0.1}
    assert verdict(Figures(0.9, 0.001, lasting, **bare)) == ("used", None)
    assert verdict(Figures(0.9, 0.2, lost, **bare)) == ("used", None)
    assert verdict(Figures(0.9, 0.001, lost, **bare)) == ("hidden", None)
    assert verdict(Figures(0.1, 0.001, lost, **bare)) == ("dead", None)


def test_spoilt_pictures_are_hardly_changed_to_the_eye() -> None:
    flat = np.repeat(np.arange(5, 256, 8, dtype=np.uint8)[None, :, None, None], 32, 2).repeat(2, 0)
    for how, worse in corrupted(flat, chance(0)).items():
        assert worse.shape == flat.shape and worse.dtype == np.uint8, how
        difference = np.abs(worse.astype(float) - flat)
        assert 0 < difference.mean() < 8, how


def test_evaluate_gives_every_code_a_verdict(drawn_model: InfoGAN, drawn_dataset: Dataset) -> None:
    found = evaluate(drawn_model, drawn_dataset, samples=200, only=("verdicts", "mutual information"))
    assert {name: code["verdict"] for name, code in found["codes"].items()} == {
        "digit": "used",
        "style": "used",
    }
    assert found["codes"]["digit"]["certainty"] > 0.99
    assert "monotonicity" not in found["codes"]["digit"]
    alone = evaluate(drawn_model, None, samples=200, only=("verdicts",))
    assert {code["verdict"] for code in alone["codes"].values()} == {"used"}
