"""Slant, width and thickness of drawn bars."""

import numpy as np
import pytest

from infogan import data
from infogan.config import DataConfig
from infogan.evaluation.strokes import FACTORS, measure

FINE = 8
"""Parts of a pixel's side in which bars are drawn."""


def bar(*, slant: float = 0.0, width: float = 3.0, height: float = 20.0, level: int = 255) -> np.ndarray:
    """uint8 [1, 28, 28, 1]: a bar of that width and height, sheared to the right as it goes up."""
    place = (np.arange(28 * FINE) + 0.5) / FINE - 14
    y, x = np.meshgrid(place, place, indexing="ij")
    inside = (np.abs(y) <= height / 2) & (np.abs(x + slant * y) <= width / 2)
    levels = inside.reshape(28, FINE, 28, FINE).mean((1, 3))
    return np.round(levels * level).astype(np.uint8)[None, ..., None]


@pytest.mark.parametrize("slant", [-0.6, -0.3, 0.0, 0.3, 0.6])
def test_a_bar_has_its_slant_and_its_width_whatever_its_slant(slant: float) -> None:
    found = measure(bar(slant=slant, width=8))
    assert found["slant"].item() == pytest.approx(slant, abs=0.02)
    assert found["width"].item() == pytest.approx(8, abs=0.15)


@pytest.mark.parametrize("width", [1, 2, 4, 8, 14])
def test_a_solid_box_has_its_known_width(width: int) -> None:
    images = np.zeros((1, 28, 28, 1), np.uint8)
    images[0, 4:24, 5 : 5 + width] = 255
    assert measure(images)["width"].item() == pytest.approx(np.sqrt(width**2 - 1))


@pytest.mark.parametrize("slant", [0.0, 0.5])
@pytest.mark.parametrize("thickness", [2.0, 3.0, 4.5, 6.0])
def test_a_bar_has_its_thickness(thickness: float, slant: float) -> None:
    along = np.hypot(1, slant)  # a sheared bar is longer, and thinner across
    t, length = thickness / along, 20 * along
    found = measure(bar(slant=slant, width=thickness))["thickness"].item()
    assert found == pytest.approx(t * length / (t + length), rel=0.1)


def test_a_ring_has_its_thickness() -> None:
    place = (np.arange(28 * FINE) + 0.5) / FINE - 14
    radius = np.hypot(*np.meshgrid(place, place))
    levels = ((radius > 7) & (radius < 10)).reshape(28, FINE, 28, FINE).mean((1, 3))
    image = np.round(levels * 255).astype(np.uint8)[None, ..., None]
    found = measure(image)
    assert found["thickness"].item() == pytest.approx(3, rel=0.05)
    assert found["slant"].item() == pytest.approx(0, abs=1e-3)


def test_faint_ink_measures_as_white_does_and_faint_background_not_at_all() -> None:
    white, faint = (measure(bar(slant=0.3, level=level)) for level in (255, 150))
    noisy = bar(slant=0.3)
    noisy[noisy == 0] = 20
    for name in FACTORS:
        assert faint[name].item() == pytest.approx(white[name].item(), rel=0.02)
        assert measure(noisy)[name].item() == pytest.approx(white[name].item(), rel=0.02)


def test_the_place_of_a_stroke_and_its_company_do_not_matter() -> None:
    one = bar(slant=0.2, height=12)
    both = measure(np.concatenate([one, np.roll(one, (4, -5), axis=(1, 2)), bar(width=6)]))
    for name in FACTORS:
        assert both[name][:2] == pytest.approx([measure(one)[name].item()] * 2)


def test_images_without_ink_have_no_measures() -> None:
    images = np.zeros((3, 28, 28, 1), np.uint8)
    images[1, 10, 5:15] = 255
    images[2, 5:15, 10] = 255
    found = measure(images)
    assert np.isnan([found[name][0] for name in FACTORS]).all()
    assert np.isnan([found["slant"][1], found["width"][1]]).all()
    assert np.isfinite([found[name][2] for name in FACTORS]).all()
    assert all(len(values) == 0 for values in measure(images[:0]).values())


def test_real_digits_vary_and_all_are_measured() -> None:
    digits = data.load(DataConfig(source="digits"))
    found = measure(digits.test.images)
    assert all(np.isfinite(values).all() for values in found.values())
    means = [found["width"][digits.test.labels == digit].mean() for digit in (0, 1)]
    assert means[0] > means[1] + 0.5  # a nought is wider than a one
