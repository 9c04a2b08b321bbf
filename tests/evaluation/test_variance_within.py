"""Variance within categories, against variances that are known, and the intervals of means and ratios."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from infogan.config import Config
from infogan.evaluation.resampling import mean_interval, ratio_interval
from infogan.evaluation.subject import Subject
from infogan.evaluation.variance_within import generated_variances, of_pairs, report, within_groups
from infogan.model import InfoGAN

LEVEL = 1 / 12
"""The variance of a pixel that is uniform from black to white."""


class PaintedInfoGAN(InfoGAN):
    """Each noise sets one pixel, the style another row of them, the category half of the picture."""

    noisy = True

    def generate(self, noise: Any, codes: Any, *, weights: Any = None) -> np.ndarray:
        levels = np.zeros((len(noise), 8, 8, 1))
        levels[:, 4:, :, 0] = codes["digit"].argmax(1).numpy()[:, None, None] / 3
        levels[:, 1, :, 0] = (codes["style"].numpy() + 1) / 2
        if self.noisy:
            levels[:, 0, :6, 0] = (noise.numpy() + 1) / 2
        return np.round(levels * 255).astype(np.uint8)


def test_the_variance_within_groups_is_numpys_weighted_by_size() -> None:
    draw = np.random.default_rng(0)
    images = draw.integers(256, size=(700, 3, 3, 2), dtype=np.uint8)
    groups = np.where(np.arange(700) < 600, 0, draw.integers(1, 9, size=700))
    images[groups == 0] //= 4
    several = [g for g in np.unique(groups) if (groups == g).sum() > 1]
    variances = [(images[groups == g] / 255).var(axis=0, ddof=1).sum() for g in several]
    sizes = [(groups == g).sum() for g in several]
    assert within_groups(images, groups).mean() == pytest.approx(np.average(variances, weights=sizes))


def test_differences_between_groups_do_not_count() -> None:
    groups = np.arange(300) % 3
    images = np.broadcast_to(groups[:, None, None, None] * 100, (300, 4, 4, 1)).astype(np.uint8)
    assert within_groups(images, groups).max() == pytest.approx(0)
    assert within_groups(images, np.zeros(300, dtype=np.int64)).mean() > 1


def test_small_groups_are_unbiased_and_lone_images_left_out() -> None:
    draw = np.random.default_rng(1)
    images = (draw.integers(2, size=(4_001, 8, 8, 1)) * 255).astype(np.uint8)
    parts = within_groups(images, np.arange(4_001) // 2)
    assert len(parts) == 4_000
    assert parts.mean() == pytest.approx(64 / 4, rel=0.01)
    assert len(within_groups(images[:50], np.arange(50))) == 0


def test_half_the_squared_distance_of_pairs_is_the_variance() -> None:
    draw = np.random.default_rng(2)
    first, second = (draw.integers(2, size=(2, 3_000, 8, 8, 1)) * 255).astype(np.uint8)
    assert of_pairs(first, second).mean() == pytest.approx(64 / 4, rel=0.01)
    assert of_pairs(first, first).max() == 0


def test_each_source_of_variance_has_its_known_part(config_of: Callable[..., Config]) -> None:
    found = report(None, generated_variances(Subject(PaintedInfoGAN(config_of())), pairs=6_000))
    assert found["noise"] == pytest.approx(6 * LEVEL, rel=0.03)
    assert found["codes"]["style"] == pytest.approx(8 * LEVEL, rel=0.05)
    assert found["generated"] == pytest.approx(14 * LEVEL, rel=0.05)  # and nothing of the category's
    assert found["noise_share"] == pytest.approx(6 / 14, rel=0.06)
    for name, truth in (("noise", 6 * LEVEL), ("generated", 14 * LEVEL), ("noise_share", 6 / 14)):
        low, high = found[f"{name}_interval"]
        assert low < found[name] < high < low + 0.1 and low - 0.02 < truth < high + 0.02
    assert "real" not in found


def test_a_generator_that_ignores_its_noise(config_of: Callable[..., Config]) -> None:
    model = PaintedInfoGAN(config_of())
    model.noisy = False
    found = report(np.array([3.0, 5.0]), generated_variances(Subject(model), pairs=300))
    assert (found["noise"], found["noise_share"], found["noise_interval"]) == (0, 0, [0, 0])
    assert found["generated"] > 0.4
    assert found["real"] == 4.0


def test_what_cannot_be_measured_is_left_out(config_of: Callable[..., Config]) -> None:
    drawn = generated_variances(Subject(InfoGAN(config_of("digit:4"))), pairs=20)
    assert set(drawn) == {"generated", "noise"}
    assert set(report(np.zeros(0), {"generated": np.zeros(4), "noise": np.zeros(4)})) == {
        "generated", "generated_interval", "noise", "noise_interval",
    }  # fmt: skip


def test_variances_are_a_function_of_the_seed(tiny_model: InfoGAN) -> None:
    once, again, other = (
        generated_variances(Subject(tiny_model, seed=s), pairs=20)["noise"] for s in (3, 3, 4)
    )
    assert (once == again).all() and (once != other).any()


def test_intervals_of_means_and_ratios_hold_the_truth_about_95_times_in_100() -> None:
    draw, means, ratios = np.random.default_rng(3), 0, 0
    for _ in range(300):
        below = draw.exponential(2.0, size=200)
        above = below * 0.5 + draw.exponential(1.0, size=200)
        low, high = mean_interval(below)
        means += low <= 2.0 <= high
        low, high = ratio_interval(above, below)
        ratios += low <= 1.0 <= high
    assert 270 <= means <= 297 and 270 <= ratios <= 297
