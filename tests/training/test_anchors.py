"""Anchors: targets of codes for all training images, and codes that are sampled around them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from infogan import streams
from infogan.config import Bernoulli, Categorical, LatentsConfig, Normal, Periodic, Uniform
from infogan.errors import ConfigError
from infogan.latents import Latents
from infogan.training.anchors import JITTER, Anchors, join, sample_codes

CODES: dict[str, Any] = {
    "type": Categorical(3),
    "style": Uniform(0.0, 4.0),
    "angle": Periodic(),
    "size": Normal(),
    "glasses": Bernoulli(),
}
LATENTS = Latents(LatentsConfig(noise=2, codes=CODES))


def rows(count: int, **values: list[float]) -> dict[str, Tensor]:
    return {name: torch.tensor([value] * count) for name, value in values.items()}


def test_the_targets_of_some_images_are_their_rows() -> None:
    anchors = Anchors({"style": torch.arange(5.0)[:, None]})
    assert anchors.of(torch.tensor([3, 0]))["style"].tolist() == [[3.0], [0.0]]
    assert anchors.images == 5


def test_codes_do_not_depend_on_the_order_of_the_anchors() -> None:
    """A safetensors file with several tensors has another order at each load."""
    targets = rows(50, style=[2.0], size=[1.0])
    drawn = [
        sample_codes(LATENTS, Anchors(some).of(torch.arange(50)), streams.generator(0, "test"))
        for some in (targets, dict(reversed(targets.items())))
    ]
    assert all(torch.equal(drawn[0][name], drawn[1][name]) for name in targets)


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        ({}, "no anchors"),
        ({"pose": torch.zeros(4, 1)}, "'pose': no code"),
        ({"style": torch.zeros(4, 2)}, r"\[4, 2\]"),
        ({"style": torch.zeros(3, 1)}, r"\[3, 1\]"),
        ({"style": torch.zeros(4, 1, dtype=torch.float64)}, "float64"),
        ({"style": torch.full((4, 1), torch.nan)}, "not finite"),
    ],
)
def test_anchors_that_do_not_fit_are_refused(targets: dict[str, Tensor], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Anchors(targets).check(LATENTS, 4)
    Anchors({"style": torch.zeros(4, 1), "type": torch.full((4, 3), 1 / 3)}).check(LATENTS, 4)


def test_codes_are_sampled_around_their_targets() -> None:
    targets = rows(4_000, type=[0.2, 0.0, 0.8], style=[2.0], angle=[0.99], size=[3.0], glasses=[0.25])
    codes = sample_codes(LATENTS, targets, streams.generator(0, "test"))
    assert codes["type"].sum(1).eq(1).all()
    assert codes["type"].mean(0).tolist() == pytest.approx([0.2, 0.0, 0.8], abs=0.03)
    assert codes["glasses"].mean().item() == pytest.approx(0.25, abs=0.03)
    assert codes["style"].std().item() == pytest.approx(2 * JITTER, rel=0.05)  # half of the range is 2
    assert codes["size"].mean().item() == pytest.approx(3.0, abs=0.01)
    assert codes["angle"].abs().max() <= 1
    assert (codes["angle"] < -0.8).float().mean() > 0.3  # wrapped around


def test_values_at_the_end_of_a_range_are_reflected() -> None:
    for end in (0.0, 4.0):
        style = sample_codes(LATENTS, rows(1_000, style=[end]), streams.generator(0, "test"))["style"]
        assert style.min() >= 0 and style.max() <= 4
        assert (style == end).float().mean() < 0.01


def test_a_discriminator_of_pairs_sees_zeros_for_codes_without_anchors() -> None:
    codes = rows(3, type=[0.0, 1.0, 0.0], style=[4.0], angle=[0.5], size=[2.0], glasses=[1.0])
    joined = join(LATENTS, codes, {"type", "angle"})
    torch.testing.assert_close(joined[1], torch.tensor([0.0, 1, 0, 0, 0, 1, 0, 0]))
    anchored = {name: codes[name] for name in ("type", "angle")}
    assert torch.equal(join(LATENTS, anchored, anchored), joined)
