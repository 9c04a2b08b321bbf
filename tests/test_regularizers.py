"""Terms beyond the paper, by their definitions."""

from __future__ import annotations

import math

import pytest
import torch

from infogan import regularizers, streams
from infogan.config import Categorical, Gaussian, LatentsConfig, Periodic, Uniform
from infogan.latents import Latents


def test_categories_that_both_views_share_keep_their_entropy() -> None:
    codes = torch.eye(10).repeat(7, 1)
    assert regularizers.real_information(codes, codes).item() == pytest.approx(math.log(10), abs=1e-5)


def test_independent_categories_have_no_information() -> None:
    first, second = torch.eye(10).repeat_interleave(10, 0), torch.eye(10).repeat(10, 1)
    assert regularizers.real_information(first, second).item() == pytest.approx(0, abs=1e-5)
    uniform = torch.full((64, 10), 0.1)
    assert regularizers.real_information(uniform, uniform).item() == pytest.approx(0, abs=1e-5)


def test_information_of_a_joint_table_is_that_of_its_definition() -> None:
    first, second = (torch.rand(50, 6, generator=streams.generator(0, part)).softmax(1) for part in "ab")
    joint = regularizers.joint_table(first, second).double()
    assert joint.sum().item() == pytest.approx(1, abs=1e-6)
    assert torch.equal(joint, joint.t())
    outer = joint.sum(0)[:, None] * joint.sum(1)[None]
    exact = (joint * (joint / outer).log()).sum().item()
    assert regularizers.table_information(joint).item() == pytest.approx(exact, abs=1e-9)
    marginal = -(joint.sum(0) * joint.sum(0).log()).sum().item()
    weighted = regularizers.table_information(joint, 2.0).item()
    assert weighted - exact == pytest.approx(2 * marginal, abs=1e-9)


def test_an_unused_category_costs_information_and_has_a_finite_gradient() -> None:
    logits = torch.zeros(8, 3)
    logits[:, 2] = -1e4
    logits.requires_grad_()
    value = regularizers.real_information(logits.softmax(1), logits.softmax(1), 2.0)
    value.backward()
    assert torch.isfinite(logits.grad).all()


def test_subcodes_divide_their_category_and_leave_it_alone() -> None:
    categories = torch.rand(5, 3, generator=streams.generator(0, "test")).softmax(1).requires_grad_()
    subcodes = torch.rand(5, 3, 2, generator=streams.generator(0, "sub")).softmax(-1).requires_grad_()
    fine = regularizers.subcode_probabilities(categories, subcodes)
    assert torch.allclose(fine.unflatten(1, (3, 2)).sum(-1), categories)
    fine.square().sum().backward()
    assert categories.grad is None
    assert subcodes.grad is not None


def test_mode_seeking_falls_as_the_images_of_two_noises_move_apart() -> None:
    noises = torch.zeros(4, 8), torch.ones(4, 8)
    black = torch.zeros(4, 1, 8, 8)
    near, far = (regularizers.mode_seeking(noises, (black, black + step)).item() for step in (0.04, 0.49))
    assert near == pytest.approx(20, rel=1e-5)
    assert far == pytest.approx(2, rel=1e-5)
    alike = regularizers.mode_seeking(noises, (black, black)).item()
    assert alike == pytest.approx(100, rel=1e-5)  # finite, while G ignores all noise


def test_the_loss_is_the_cross_entropy_of_the_shared_code() -> None:
    shared = torch.tensor([0, 2, 1])
    assert regularizers.contrastive_loss(torch.zeros(3, 5), shared).item() == pytest.approx(1.609438)
    certain = 30.0 * torch.nn.functional.one_hot(shared, 5).float()
    assert regularizers.contrastive_loss(certain, shared).item() == pytest.approx(0.0, abs=1e-6)


def test_the_loss_of_anchors_is_the_mean_over_codes_of_their_negative_log_probability() -> None:
    codes = {"kind": Categorical(4), "style": Uniform(posterior=Gaussian(std=0.5)), "angle": Periodic()}
    latents = Latents(LatentsConfig(noise=0, codes=codes))
    raw = torch.zeros(3, latents.posterior_width)
    raw[:, 4] = 0.25
    posteriors = latents.posteriors(raw)
    anchors = {"kind": torch.tensor([[0.5, 0.5, 0.0, 0.0]] * 3), "style": torch.full((3, 1), 0.75)}
    gaussian = 0.5 + math.log(0.5) + 0.5 * math.log(2 * math.pi)  # one std away
    loss = regularizers.anchor_loss(posteriors, anchors)
    assert loss.item() == pytest.approx((math.log(4) + gaussian) / 2, abs=1e-5)
    circle = regularizers.anchor_loss(posteriors, {"angle": torch.full((3, 1), -0.5)})
    assert circle.item() == pytest.approx(math.log(2), abs=1e-5)  # uniform on the circle
