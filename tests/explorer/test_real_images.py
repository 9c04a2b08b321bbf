"""Real images by their codes."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from infogan.explorer import Images, real_images
from infogan.explorer.gallery import Gallery
from infogan.explorer.latent_rows import Control, controls
from infogan.explorer.real_images import RealImages, open_images
from infogan.model import InfoGAN


@pytest.fixture
def found(gallery: Gallery) -> RealImages:
    return gallery.images


def control(model: InfoGAN, code: str) -> Control:
    return next(one for one in controls(model.latents) if one.code == code)


def test_every_image_is_of_its_most_probable_category(model: InfoGAN, found: RealImages) -> None:
    expected = model.encode(found.images.pixels)["digit"].argmax(1)
    digit = control(model, "digit")
    for category in range(6):
        ids, _ = found.category(digit, category, "random")
        assert sorted(ids) == np.flatnonzero(expected == category).tolist()


def test_typical_images_are_the_most_certain_and_doubtful_ones_the_least(
    model: InfoGAN, found: RealImages
) -> None:
    digit = control(model, "digit")
    category = int(np.bincount(found.values(digit).astype(int)).argmax())
    typical, certainty = found.category(digit, category, "typical")
    doubtful, _ = found.category(digit, category, "doubtful")
    assert (np.diff(certainty) <= 1e-6).all() and len(typical) > 5
    assert typical.tolist() == doubtful.tolist()[::-1]


def test_another_seed_gives_other_random_images(model: InfoGAN, found: RealImages) -> None:
    digit = control(model, "digit")
    category = int(np.bincount(found.values(digit).astype(int)).argmax())
    first, again, other = (found.category(digit, category, "random", seed=seed)[0] for seed in (0, 0, 1))
    assert first.tolist() == again.tolist() != other.tolist()


def test_images_are_ordered_along_a_continuous_code(model: InfoGAN, found: RealImages) -> None:
    slant = control(model, "slant")
    ids, values, total = found.along(slant, 20)
    assert len(ids) == 20 and total == found.count
    assert (np.diff(values) >= 0).all()
    assert (values[0], values[-1]) == (found.values(slant).min(), found.values(slant).max())


def test_they_can_be_of_one_category_only(model: InfoGAN, found: RealImages) -> None:
    digit = control(model, "digit")
    ids, _, total = found.along(control(model, "slant"), 10, (digit, 2))
    assert total == (found.values(digit) == 2).sum()
    assert (found.values(digit)[ids] == 2).all()


def test_an_image_of_the_data_is_nearest_to_itself(found: RealImages) -> None:
    ids, distances = found.nearest(found.images.pixels[17:18], 3, generated=False)
    assert ids[0] == 17 and distances[0] < 1e-2
    assert (np.diff(distances) >= 0).all()


def test_codes_are_computed_once(
    model: InfoGAN, images: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = open_images(model, images, tmp_path, lambda _done, _message: None)
    monkeypatch.setattr(real_images, "_compute", lambda *_: pytest.fail("computed again"))
    again = open_images(model, images, tmp_path, lambda _done, _message: None)
    assert torch.equal(first.recognised.raw, again.recognised.raw)
    assert torch.equal(first.recognised.positions, again.recognised.positions)


@pytest.mark.parametrize("change", ["model", "images", "damage"])
def test_they_are_computed_again_for_another_model_or_other_images(
    model: InfoGAN, images: Images, tmp_path: Path, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(real_images, "place", lambda features: np.zeros((len(features), 2), np.float32))
    open_images(model, images, tmp_path, lambda _done, _message: None)
    if change == "model":
        other = InfoGAN(model.config)
        other.load_state_dict(model.state_dict())
        with torch.no_grad():
            next(other.recognition.parameters()).add_(0.01)
        model = other
    elif change == "images":
        images = replace(images, fingerprint="another")
    else:
        (tmp_path / "explorer" / "codes.safetensors").write_bytes(b"damaged")
    messages: list[str] = []
    open_images(model, images, tmp_path, lambda _done, message: messages.append(message))
    assert messages


def test_a_run_that_cannot_be_written_is_explored_all_the_same(
    model: InfoGAN, images: Images, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.rmtree(tmp_path)
    tmp_path.write_text("a file")
    assert open_images(model, images, tmp_path, lambda _done, _message: None).count == 300
    assert "not stored" in caplog.text
