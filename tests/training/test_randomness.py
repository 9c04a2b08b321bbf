"""The randomness of a step: a function of seed, stream and step, sampled before the step."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from infogan import streams
from infogan.config import Categorical, Config, LatentsConfig, Periodic, Uniform, override, parse_codes
from infogan.errors import ConfigError
from infogan.latents import Latents
from infogan.training.anchors import Anchors
from infogan.training.randomness import Randomness, RandomnessSampler, codes_batch_size, generator_updates
from infogan.training.step_settings import settings_at
from tests.training.step_builders import CPU, with_training


def sample(config: Config, step: int = 0) -> Randomness:
    sampler = RandomnessSampler(config, Latents(config.latents), (1, 8, 8), CPU)
    return sampler.sample(step, settings_at(config, step))


def tensors(value: Any, name: str = "") -> dict[str, Tensor]:
    """Return all tensors of nested dataclasses and mappings, by their path."""
    if isinstance(value, Tensor):
        return {name: value}
    items = value if isinstance(value, dict) else getattr(value, "__dict__", {})
    return {path: t for key, item in items.items() for path, t in tensors(item, f"{name}/{key}").items()}


@pytest.fixture
def full(tiny_config: Config) -> Config:
    """All kinds of randomness: latents, augmentations of every use, and pairs."""
    return with_training(tiny_config, generator_updates=2).replace(
        objective={"contrastive_weight": 1.0, "real_information_weight": 1.0},
        augmentation={"rotation": 10.0, "code_noise": 0.5},
    )


def test_every_use_has_numbers_of_its_own(full: Config) -> None:
    sampled = sample(full)
    updates = ["discriminator", "generator", "generator-1"]
    assert generator_updates(full) == updates[1:]
    assert list(sampled.latents) == updates
    assert list(sampled.pairs) == ["contrastive", *updates[1:]]
    assert set(sampled.augmentations) == {
        "real-0", "real-1", *(f"{use}/{update}" for use in ("fake", "codes") for update in updates),
    }  # fmt: skip
    uniform = [part.uniform[0] for part in sampled.augmentations.values()]
    assert len(torch.stack(uniform).unique(dim=0)) == len(uniform)
    vectors = [part.vector for part in sampled.latents.values()] + [
        part.first for part in sampled.pairs.values()
    ]
    assert len(torch.cat(vectors).unique(dim=0)) == 6 * 8


def test_it_depends_on_seed_and_step_alone(full: Config) -> None:
    torch.manual_seed(0)
    first = tensors(sample(full, 3))
    torch.manual_seed(1)
    again = tensors(sample(full, 3))
    assert list(first) == list(again)
    assert all(torch.equal(value, again[name]) for name, value in first.items())
    for other in (sample(full, 4), sample(full.replace(training={"seed": 1}), 3)):
        differing = tensors(other)
        assert not any(
            torch.equal(value, differing[name]) for name, value in first.items() if "shared" not in name
        )


def test_generators_that_are_used_again_give_the_numbers_of_new_ones(full: Config) -> None:
    config, latents = full, Latents(full.latents)
    sampler = RandomnessSampler(config, latents, (1, 8, 8), torch.device("cpu"))
    for step in (3, 4, 3):
        again = tensors(sampler.sample(step, settings_at(config, step)))
        assert all(torch.equal(value, again[name]) for name, value in tensors(sample(config, step)).items())


def test_codes_in_the_vector_are_the_codes(full: Config) -> None:
    latents = Latents(full.latents)
    for sampled in sample(full).latents.values():
        codes = latents.split(sampled.vector)[1]
        assert all(torch.equal(codes[name], value) for name, value in sampled.codes.items())


def test_the_recipe_paper_samples_latents_alone(tiny_config: Config) -> None:
    sampled = sample(with_training(tiny_config))
    assert (sampled.augmentations, sampled.pairs, sampled.terms) == ({}, {}, {})


def test_pairs_are_sampled_from_the_start_of_the_contrastive_term_on(tiny_config: Config) -> None:
    config = with_training(tiny_config).replace(objective={"contrastive_weight": [[2, 0.0], [2, 1.0]]})
    assert [bool(sample(config, step).pairs) for step in range(4)] == [False, False, True, True]


def test_for_the_mode_seeking_term_both_halves_of_a_batch_have_the_same_codes(tiny_config: Config) -> None:
    config = with_training(tiny_config).replace(objective={"mode_seeking_weight": 1.0})
    sampled = sample(config).latents
    for update, alike in (("generator", True), ("discriminator", False)):
        style, noise = sampled[update].codes["style"], sampled[update].vector[:, : config.latents.noise]
        assert torch.equal(style[:4], style[4:]) is alike
        assert not torch.equal(noise[:4], noise[4:])


def test_continuous_codes_have_a_third_of_the_batch() -> None:
    assert [codes_batch_size(size) for size in (2, 3, 8, 128)] == [2, 2, 3, 43]


# --- codes from anchors ----------------------------------------------------------------------------------


def test_codes_are_sampled_from_the_joint_distribution_of_the_anchors(tiny_config: Config) -> None:
    """In these anchors the category is the sign of the style; the other codes keep their priors."""
    config = with_training(tiny_config).replace(
        training={"batch_size": 64},
        latents={"codes": parse_codes("digit:2 style:u free:u"), "joint": "empirical"},
    )
    style = torch.tensor([[-0.5], [0.5]]).repeat(20, 1)
    anchors = Anchors({"digit": F.one_hot((style[:, 0] > 0).long(), 2).float(), "style": style})
    latents, settings = Latents(config.latents), settings_at(config, 0)
    sampled = RandomnessSampler(config, latents, (1, 8, 8), CPU, anchors).sample(0, settings).latents
    for update in sampled.values():
        codes = update.codes
        assert torch.equal(codes["digit"].argmax(1), (codes["style"][:, 0] > 0).long())
        assert len(codes["style"].unique()) == 64  # not the same values again
    assert not torch.equal(sampled["discriminator"].codes["style"], sampled["generator"].codes["style"])
    independent = sample(config.replace(latents={"joint": "independent"})).latents
    for name, update in sampled.items():
        assert torch.equal(update.codes["free"], independent[name].codes["free"])


# --- pairs -----------------------------------------------------------------------------------------------


def test_a_pair_shares_its_noise_and_one_code_dimension() -> None:
    codes = {"type": Categorical(50, dim=2), "style": Uniform(dim=2), "angle": Periodic()}
    latents = Latents(LatentsConfig(noise=3, codes=codes))
    first, second, shared = latents.sample_pairs(400, streams.generator(0, "test"))
    (noise, ours), (other_noise, theirs) = latents.split(first), latents.split(second)
    assert torch.equal(noise, other_noise)
    alike = torch.stack(
        [(ours[name][:, columns] == theirs[name][:, columns]).all(1) for name, columns in latents.dimensions],
        dim=1,
    )
    assert alike.shape == (400, 5)
    assert alike.gather(1, shared[:, None]).all()
    alike[torch.arange(400), shared] = False
    assert not alike[:, 2:].any()  # continuous codes never agree, one of 50 categories seldom
    assert alike[:, :2].float().mean() < 0.05
    assert set(shared.tolist()) == set(range(5))


def test_pairs_need_two_code_dimensions(tiny_config: Config) -> None:
    single = tiny_config.model_copy(update={"latents": LatentsConfig(codes={"style": Uniform()})})
    with pytest.raises(ConfigError, match="two codes or more"):
        override(single, {"objective.contrastive_weight": 1})


# --- batches of real images ------------------------------------------------------------------------------


@given(
    seed=st.integers(0, 2**63 - 1),
    batch=st.integers(1, 40),
    count=st.integers(1, 60),
    epochs=st.integers(1, 3),
)
def test_every_epoch_has_every_image_once(seed: int, batch: int, count: int, epochs: int) -> None:
    steps = math.ceil(epochs * count / batch)
    batches = [streams.batch_indices(seed, step, batch, count) for step in range(steps)]
    assert all(len(indices) == batch for indices in batches)  # never partial, also where batch > count
    order = torch.cat(batches)
    for epoch in range(epochs):
        assert sorted(order[epoch * count : (epoch + 1) * count].tolist()) == list(range(count))


def test_epochs_and_seeds_are_shuffled_differently() -> None:
    orders = [streams.batch_indices(seed, step, 100, 100) for seed in (0, 1) for step in (0, 1)]
    assert len(torch.stack(orders).unique(dim=0)) == 4
