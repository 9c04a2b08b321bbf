"""Brightness: of one code that is, one that is not, and chosen on images that are not scored."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from infogan.data import Dataset
from infogan.evaluation import evaluate
from infogan.evaluation.brightness import brightness, choose, score
from infogan.model import InfoGAN
from tests.evaluation.conftest import DrawnInfoGAN, tiny_config

DRAW = np.random.Generator(np.random.Philox(key=12))


def test_brightness_is_a_mean_over_colours_without_alpha() -> None:
    images = DRAW.integers(0, 256, (5, 4, 4, 3), dtype=np.uint8)
    assert brightness(images) == pytest.approx(images.reshape(5, -1).mean(1) / 255)
    clear = np.concatenate([images, np.zeros((5, 4, 4, 1), np.uint8)], axis=3)
    assert brightness(clear) == pytest.approx(brightness(images))
    assert brightness(np.full((1, 4, 4, 1), 255, np.uint8))[0] == 1


def test_the_code_is_the_best_of_all_parts_together() -> None:
    light = DRAW.random(500)
    drawn = ({"a": light, "b": light + 0.3 * DRAW.normal(size=500)}, light)
    read = ({"a": DRAW.random(500), "b": -light}, light)
    assert choose([drawn]) == "a"
    assert choose([drawn, read]) == "b"  # whatever the sense


def test_a_score_is_of_the_chosen_code_alone() -> None:
    light = DRAW.random(500)
    parts = {"generated": ({"a": light**3, "b": -light}, light), "real": ({"a": DRAW.random(500)}, light)}
    found = score("a", parts)
    assert found["spearman_generated"] == pytest.approx(1)
    assert found["spearman_real"] < 0.2
    low, high = found["spearman_real_interval"]
    assert low <= found["spearman_real"] <= high


class TwoStyles(DrawnInfoGAN):
    """The style is the last row's level, which is what differs in brightness; the other does nothing."""

    def recognise(self, images: np.ndarray, *, domain: Any = "real", augmented: bool = False) -> torch.Tensor:
        raw = super().recognise(images)
        none = torch.from_numpy(images[:, 0, 0].astype(np.float32) % 7)
        return torch.cat([raw, none, torch.full_like(none, -20)], 1)


def test_light_is_told_from_what_it_is_not(drawn_dataset: Dataset) -> None:
    model = TwoStyles(tiny_config("digit:4 style:u other:u"))
    found = evaluate(model, drawn_dataset, samples=400, only=("brightness",))
    assert found["brightness"]["code"] == "style"
    assert found["brightness"]["spearman_generated"] > 0.9
    assert found["brightness"]["spearman_real"] > 0.9
    assert set(found["baselines"]) == {"untrained", "pca"}
    # The columns of the categories vary more than the row of the style: two components don't reach it.
    assert found["baselines"]["pca"]["brightness"]["spearman_real"] < 0.5
    alone = evaluate(model, None, samples=400, only=("brightness",))
    assert set(alone["brightness"]) == {"code", "spearman_generated", "spearman_generated_interval"}


def test_a_model_without_continuous_codes_has_no_such_figure() -> None:
    assert "brightness" not in evaluate(InfoGAN(tiny_config("a:4")), None, samples=50, only=("brightness",))
