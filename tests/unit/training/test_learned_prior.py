"""A prior over categories that follows how often they are read from real images, with a floor."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from infogan import objective, streams
from infogan.config import AugmentationConfig, Categorical, Config, LatentsConfig, ObjectiveConfig, Uniform
from infogan.latents import Latents, with_entropy
from infogan.model import InfoGAN
from infogan.training.repair import split_merge
from infogan.training.trainer import Trainer

IMAGES = torch.randint(0, 256, (40, 8, 8, 1), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def learned(**code: Any) -> Categorical:
    return Categorical(4, prior="learned", **code)


def configured(config: Config, code: Categorical) -> Config:
    return config.model_copy(update={"latents": LatentsConfig(noise=4, codes={"type": code, "u": Uniform()})})


def make(config: Config, **objective_settings: Any) -> Trainer:
    changed = config.model_copy(
        update={
            "objective": ObjectiveConfig(**objective_settings),
            "augmentation": AugmentationConfig(shift=0.1),
            "training": config.training.model_copy(update={"batch_size": 8}),
        }
    )
    return Trainer(InfoGAN(changed), IMAGES, device=torch.device("cpu"), precision="float32")


def entropy(shares: Tensor) -> float:
    return float(torch.special.entr(shares).sum())


# --- shares ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shares", [[1.0, 0.0, 0.0, 0.0], [0.9, 0.1, 0.0, 0.0], [0.4, 0.3, 0.2, 0.1]])
def test_shares_are_mixed_with_equal_ones_just_to_the_floor(shares: list[float]) -> None:
    given = torch.tensor(shares)
    found = with_entropy(given, 0.7)
    assert float(found.sum()) == pytest.approx(1)
    assert entropy(found) == pytest.approx(max(0.7 * math.log(4), entropy(given)), abs=1e-4)
    assert bool((found.diff() <= 0).all())  # their order is kept
    assert torch.allclose(with_entropy(given, 1.0), torch.full((4,), 0.25), atol=2e-3)


def test_categories_are_drawn_as_often_as_their_shares_say() -> None:
    latents = Latents(LatentsConfig(noise=0, codes={"type": learned(dim=2, entropy_floor=0.1)}))
    prior = latents.learned_priors["type"]
    assert prior.entropy == pytest.approx(2 * math.log(4))
    prior.follow(1, torch.tensor([0.7, 0.1, 0.1, 0.1]), 1.0)
    drawn = latents.sample_codes(20_000, streams.generator(0, "test"))["type"].unflatten(1, (2, 4))
    assert torch.equal(drawn.sum(2), torch.ones(20_000, 2))
    np.testing.assert_allclose(
        drawn.mean(0).numpy(), [[0.25] * 4, [0.6775, 0.1075, 0.1075, 0.1075]], atol=0.015
    )
    exact = math.log(4) - 0.6775 * math.log(0.6775) - 0.3225 * math.log(0.1075)  # a twentieth of equal shares
    assert prior.entropy == pytest.approx(exact)


def test_the_bound_s_constant_is_the_entropy_of_the_shares() -> None:
    latents = Latents(LatentsConfig(codes={"type": learned(entropy_floor=0.0)}))
    prior = latents.learned_priors["type"]
    prior.follow(0, torch.tensor([0.7, 0.1, 0.1, 0.1]), 1.0)
    codes = latents.sample_codes(4_000, streams.generator(0, "test"))
    assert prior.shares is not None
    knows_nothing = prior.shares[0].log().expand(4_000, 4).contiguous()
    bound = objective.mutual_information_bound(latents, knows_nothing, codes)["type"]
    assert bound.item() == pytest.approx(0.0, abs=0.03)


# --- in training -----------------------------------------------------------------------------------------


def test_shares_follow_real_images_from_their_step_on(
    tiny_config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make(configured(tiny_config, learned(learned_from=2, entropy_floor=0.2)), marginal_weight=1.0)
    place, prior = ("type", 0), made.model.latents.learned_priors["type"]
    usage = torch.tensor([0.85, 0.05, 0.05, 0.05])
    monkeypatch.setattr(made.real, "observe", lambda raw: made.real.usage.update({place: usage}))
    for _ in range(2):
        made.advance()
    assert prior.shares is not None and torch.equal(prior.shares, torch.full((1, 4), 0.25))
    made.advance()
    assert prior.shares[0, 0] > 0.25
    for _ in range(3):
        made.advance()
    assert 0.27 < float(prior.shares[0, 0]) < 0.85
    assert float(prior.shares.sum()) == pytest.approx(1)


def test_a_learned_prior_is_kept_with_the_weights_and_goes_on_exactly(
    tiny_config: Config, tmp_path: Path
) -> None:
    config = configured(tiny_config, learned(learned_from=0))
    first = make(config, real_information_weight=1.0)
    for _ in range(3):
        first.advance()
    state = {name: value.clone() for name, value in first.model.state_dict().items()}
    kept = (state, {k: v.clone() for k, v in first.optimizer_tensors().items()}, first.state())
    second = make(config, real_information_weight=1.0)
    second.restore(*kept)
    for trainer in (first, second):
        trainer.advance()
    ours, theirs = first.model.state_dict(), second.model.state_dict()
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())
    first.model.save_pretrained(tmp_path / "model")
    again = InfoGAN.from_pretrained(tmp_path / "model").latents.learned_priors["type"].shares
    mine = first.model.latents.learned_priors["type"].shares
    assert mine is not None and again is not None and torch.equal(mine, again)
    assert not torch.equal(again, torch.full((1, 4), 0.25))


def test_equal_shares_are_no_part_of_a_model(tiny_config: Config) -> None:
    """Models of before fit: nothing is added to their tensors."""
    assert not any("latents" in name for name in InfoGAN(tiny_config).state_dict())


@pytest.mark.parametrize(("prior", "weighs"), [("learned", False), ("uniform", True)])
def test_nothing_draws_categories_to_equal_shares_where_shares_are_learned(
    prior: str, weighs: bool, tiny_config: Config
) -> None:
    """Categories that were once made equal stay so: shares that follow equal usage are equal."""
    config = configured(tiny_config, Categorical(4, prior=prior))
    raw = torch.zeros(16, InfoGAN(config).latents.posterior_width)
    raw[:, 0] = 3.0  # every image in the first category
    values = [
        make(config, real_information_weight=1.0, marginal_weight=weight).real.information(raw, None)
        for weight in (1.0, 2.0)
    ]
    same = values[0]["real_information"] == values[1]["real_information"]
    assert bool(same) is not weighs


def test_no_share_dies_out_though_many_keep_the_entropy_high() -> None:
    latents = Latents(LatentsConfig(codes={"type": Categorical(10, prior="learned")}))
    prior = latents.learned_priors["type"]
    prior.follow(0, torch.tensor([1 / 6] * 6 + [0.0] * 4), 1.0)
    assert prior.shares is not None and float(prior.shares.min()) == pytest.approx(0.005)


@pytest.mark.parametrize("remedy", ["merge", "divide"])
def test_shares_move_with_their_categories(tiny_config: Config, remedy: str) -> None:
    made = make(
        configured(tiny_config, learned(entropy_floor=0.0)), real_information_weight=1.0, subcode_weight=1.0
    )
    made.advance()
    prior, model, place = made.model.latents.learned_priors["type"], made.model, ("type", 0)
    assert prior.shares is not None
    prior.shares.copy_(torch.tensor([[0.1, 0.2, 0.3, 0.4]]))
    draw = streams.generator(0, "test")
    if remedy == "merge":
        found = split_merge.Diagnosis(twins=(0, 1), loss=0.0, double=3, gain=1.0)
        split_merge.operate(model, made.optimizers, place, found, draw)
        wanted = [0.3, 0.2, 0.3, 0.2]
    else:
        split_merge.make_alike(model, made.optimizers, place, (0, 3), draw)
        wanted = [0.25, 0.2, 0.3, 0.25]
    assert prior.shares[0].tolist() == pytest.approx(wanted)
    assert model.state_dict()["latents.prior_type.shares"][0].tolist() == pytest.approx(wanted)
