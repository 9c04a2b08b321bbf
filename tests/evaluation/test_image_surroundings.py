"""Context: where in the picture a category's change lies, with pictures painted to know it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from infogan.evaluation import evaluate
from infogan.evaluation.image_surroundings import middle, outside, report
from infogan.model import InfoGAN
from tests.evaluation.conftest import tiny_config

DRAW = np.random.Generator(np.random.Philox(key=13))


def test_the_strip_is_half_the_picture() -> None:
    for width in (8, 28, 32, 64):
        assert middle(width).stop - middle(width).start == width / 2
    assert middle(9) == slice(2, 7)  # odd widths keep it in the middle


def test_change_is_counted_where_it_is() -> None:
    first = DRAW.integers(0, 256, (30, 8, 8, 3), dtype=np.uint8)
    second = first.copy()
    second[:, :, 2:6] = DRAW.integers(0, 256, (30, 8, 4, 3), dtype=np.uint8)
    part, whole = outside(first, second)
    assert part == pytest.approx(0)
    assert whole == pytest.approx(np.square(first / 255 - second / 255).sum((1, 2, 3)))
    edge = first.copy()
    edge[:, :, 0] ^= 255
    assert report(first, edge)["outside"] == pytest.approx(1)  # type: ignore[index]
    assert report(first, first) is None


def test_a_change_all_over_has_the_areas_share() -> None:
    first, second = DRAW.integers(0, 256, (2, 400, 8, 8, 1), dtype=np.uint8)
    found = report(first, second)
    assert found is not None and found["area"] == 0.5
    low, high = found["outside_interval"]
    assert low <= 0.5 <= high < low + 0.05


class SidesInfoGAN(InfoGAN):
    """One code paints the left side, one the middle; the third nothing. Noise is everywhere."""

    def generate(self, noise: Any, codes: Any, *, weights: Any = None) -> np.ndarray:
        images = np.broadcast_to(
            np.abs(noise[:, :1].numpy())[:, None, None] * 90, (len(noise), 8, 8, 1)
        ).copy()
        for name, columns in (("side", slice(0, 2)), ("centre", slice(3, 5))):
            images[:, :, columns] += 40 * codes[name].argmax(1).numpy()[:, None, None, None]
        return images.astype(np.uint8)


def test_codes_beside_and_in_the_middle_are_told_apart() -> None:
    model = SidesInfoGAN(tiny_config("side:4 centre:4 idle:3 style:u"))
    found = evaluate(model, None, samples=200, only=("context",))["context"]
    assert set(found) == {"side", "centre"}  # an idle code changes nothing, a continuous one is none of them
    assert found["side"]["outside"] == pytest.approx(1)
    assert found["centre"]["outside"] == 0
    # Always another category: 40 (i - j), never 0. Of 4 categories the mean of (i - j)^2 over i != j is 10/3.
    assert found["side"]["change"] == pytest.approx((40 / 255) ** 2 * 16 * 10 / 3, rel=0.15)
