"""The noise of an image."""

from __future__ import annotations

import pytest

from infogan.explorer.inversion import invert
from infogan.model import InfoGAN


@pytest.mark.slow
def test_a_generated_image_is_found_again(model: InfoGAN) -> None:
    noise, codes = model.draw(1, seed=5)
    image = model.generate(noise, codes)[0]
    found = invert(model, image, codes)
    unrelated, _ = model.draw(1, seed=6)
    difference = (model.generate(unrelated, codes)[0] / 255.0 - image / 255.0) ** 2
    assert found.error < 0.5 * float(difference.mean() ** 0.5)
    assert abs(found.noise).max() <= 1


def test_the_optimisation_ends_in_time(model: InfoGAN) -> None:
    noise, codes = model.draw(1, seed=5)
    assert invert(model, model.generate(noise, codes)[0], codes, seconds=0).steps == 0
