"""The contrastive encoder: deterministic, resumable at any step, features independent of other images."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor

from infogan import streams
from infogan.networks.normalization import BatchNorm
from infogan.representation.contrastive import (
    ContrastiveSettings,
    ContrastiveTraining,
    Encoder,
    State,
    contrastive_loss,
    train_encoder,
)
from infogan.representation.views import Views

SETTINGS = ContrastiveSettings(steps=4, seed=3, batch_size=8)


def pictures(count: int = 40, size: int = 16, channels: int = 3) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (count, size, size, channels), dtype=np.uint8)


def same(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_the_encoder_is_a_function_of_images_and_settings() -> None:
    images = pictures()
    first, second = train_encoder(images, SETTINGS), train_encoder(images, SETTINGS)
    assert same(first.state_dict(), second.state_dict())
    other = train_encoder(images, ContrastiveSettings(steps=4, seed=4, batch_size=8))
    assert not same(first.state_dict(), other.state_dict())


def test_the_global_random_state_is_neither_used_nor_changed() -> None:
    before = torch.random.get_rng_state()
    train_encoder(pictures(), SETTINGS)
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize("stop", [0, 1, 3])
def test_a_resumed_training_gives_the_same_encoder_bit_for_bit(stop: int) -> None:
    images = pictures()
    training = ContrastiveTraining(images, SETTINGS)
    for _ in range(stop):
        training.train_step()
    stored = safetensors.torch.load(safetensors.torch.save(contiguous(training.state())))
    resumed = train_encoder(images, SETTINGS, state=stored)
    assert same(resumed.state_dict(), train_encoder(images, SETTINGS).state_dict())


def contiguous(state: State) -> State:
    return {name: value.contiguous() for name, value in state.items()}


def test_a_state_does_not_change_with_later_steps() -> None:
    training = ContrastiveTraining(pictures(), SETTINGS)
    training.train_step()
    state = training.state()
    before = copy.deepcopy(state)
    training.train_step()
    assert same(state, before)


def test_progress_is_reported_after_each_step_and_may_end_the_training() -> None:
    steps: list[int] = []

    def stop_at_two(training: ContrastiveTraining, loss: float) -> None:
        assert loss > 0
        steps.append(training.step)
        if training.step == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_encoder(pictures(), SETTINGS, after_step=stop_at_two)
    assert steps == [1, 2]


def test_features_lie_on_the_unit_sphere_and_do_not_depend_on_other_images() -> None:
    images = pictures(70)
    encoder = train_encoder(images, SETTINGS)
    features = encoder.features(images)
    assert features.shape == (70, 256)
    assert features.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, atol=1e-5)
    assert np.array_equal(encoder.features(images[60:63]), features[60:63])


def test_images_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"this encoder reads \[N, 16, 16, 3\]"):
        Encoder(3, 16).features(pictures(size=8))


def test_generated_images_have_the_statistics_of_real_ones() -> None:
    encoder = train_encoder(pictures(), SETTINGS)
    for part in encoder.modules():
        if isinstance(part, BatchNorm):
            assert torch.equal(part.get_buffer("fake_mean"), part.get_buffer("real_mean"))
            assert torch.equal(part.get_buffer("fake_var"), part.get_buffer("real_var"))
            assert part.get_buffer("real_mean").abs().max() > 0


@pytest.mark.parametrize(("size", "channels"), [(8, 1), (28, 1), (64, 3), (16, 4)])
def test_any_size_and_number_of_channels(size: int, channels: int) -> None:
    images = pictures(12, size, channels)
    features = train_encoder(images, ContrastiveSettings(steps=1, batch_size=8)).features(images)
    assert np.isfinite(features).all()


def test_fewer_images_than_a_batch() -> None:
    images = pictures(5)
    assert train_encoder(images, ContrastiveSettings(steps=2)).features(images).shape == (5, 256)


def test_bfloat16_gives_nearly_the_same_loss() -> None:
    full = ContrastiveTraining(pictures(), SETTINGS).train_step()
    half = ContrastiveTraining(
        pictures(), ContrastiveSettings(steps=4, seed=3, batch_size=8, bfloat16=True)
    ).train_step()
    assert half == pytest.approx(full, abs=0.05)


def test_views_of_one_image_become_similar() -> None:
    """Sixteen patterns: after 60 steps the encoder finds an image by its other view."""
    rng = np.random.default_rng(1)
    coarse = rng.integers(0, 256, (16, 4, 4, 3), dtype=np.uint8)
    images = coarse.repeat(4, 1).repeat(4, 2)
    losses: list[float] = []
    settings = ContrastiveSettings(steps=60, batch_size=16, views=Views(crop=0.8))
    train_encoder(images, settings, after_step=lambda _, loss: losses.append(loss))
    assert np.mean(losses[:5]) > 2.0
    assert np.mean(losses[-5:]) < 1.0


def test_the_loss_of_equal_projections_is_that_of_guessing() -> None:
    loss = contrastive_loss(torch.ones(8, 5), torch.arange(4), 0.2)
    assert loss.item() == pytest.approx(np.log(7))


def test_an_image_that_occurs_twice_is_no_negative_of_itself() -> None:
    rng = streams.generator(0, "test")
    directions = torch.randn(3, 5, generator=rng)
    twice = directions[[0, 0, 1, 2]]
    loss = contrastive_loss(torch.cat([twice, twice]), torch.tensor([0, 0, 1, 2]), 0.05)
    assert loss.item() < contrastive_loss(torch.cat([twice, twice]), torch.arange(4), 0.05).item() - 0.3
