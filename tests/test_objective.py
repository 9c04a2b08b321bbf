"""The objective: losses by their definition, and a bound that is right where the information is known."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from scipy import integrate, stats
from torch import Tensor, nn

from infogan import objective, streams
from infogan.config import Categorical, Gaussian, LatentsConfig, Normal, TruncatedGaussian, Uniform
from infogan.latents import Codes, Latents

# --- losses ----------------------------------------------------------------------------------------------


def random(name: str = "test", seed: int = 0) -> torch.Generator:
    return streams.generator(seed, name)


def test_losses_are_those_of_equation_1() -> None:
    real, fake = torch.randn(64, generator=random()) * 4, torch.randn(48, generator=random("fake")) * 4
    d_real, d_fake = real.double().sigmoid(), fake.double().sigmoid()
    value = d_real.log().mean() + (1 - d_fake).log().mean()  # V(D, G)
    assert objective.discriminator_loss(real, fake).item() == pytest.approx(-value.item(), rel=1e-6)
    assert objective.generator_loss(fake).item() == pytest.approx(-d_fake.log().mean().item(), rel=1e-6)


def test_a_discriminator_that_guesses_pays_two_bits() -> None:
    zeros = torch.zeros(4)
    assert objective.discriminator_loss(zeros, zeros).item() == pytest.approx(2 * math.log(2))
    assert objective.generator_loss(zeros).item() == pytest.approx(math.log(2))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("sign", [1, -1])
def test_huge_logits_cost_what_they_say(dtype: torch.dtype, sign: int) -> None:
    logits = torch.full((2,), sign * 16_384.0, dtype=dtype, requires_grad=True)
    wrong, right = (logits, -logits) if sign > 0 else (-logits, logits)
    assert objective.discriminator_loss(right, wrong).item() == 2 * 16_384
    assert objective.generator_loss(right).item() == 16_384
    assert objective.discriminator_loss(wrong, right).item() == 0
    objective.discriminator_loss(right, wrong).backward()
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


def test_a_generator_whose_fakes_are_all_found_out_still_learns() -> None:
    logits = torch.full((4,), -1_000.0, requires_grad=True)
    objective.generator_loss(logits).backward()
    assert torch.equal(logits.grad, torch.full((4,), -0.25))


def test_losses_of_half_precision_logits_are_summed_in_float32() -> None:
    logits = torch.linspace(-3, 3, 4_001).bfloat16()
    exact = -logits.double().sigmoid().log().mean().item()
    assert objective.generator_loss(logits).item() == pytest.approx(exact, rel=1e-5)


# --- the weighted sum ------------------------------------------------------------------------------------


def test_each_bound_counts_by_its_own_weight() -> None:
    bounds = {
        name: torch.tensor(value, requires_grad=True) for name, value in (("a", 2.0), ("b", -0.5), ("c", 9.0))
    }
    # In another order than the bounds: weights go by name.
    total = objective.weighted_information(bounds, {"c": 0.0, "b": 10.0, "a": 0.1})
    assert total.item() == pytest.approx(0.1 * 2 + 10 * -0.5)
    total.backward()
    assert [bound.grad.item() for bound in bounds.values()] == pytest.approx([0.1, 10, 0])


def test_every_code_has_a_bound_of_its_own() -> None:
    latents = Latents(LatentsConfig(codes={"a": Categorical(4), "b": Categorical(4)}))
    codes = latents.sample_codes(64, random())
    known, unknown = (codes["a"] - 0.5) * 100, torch.zeros(64, 4)
    bounds = objective.mutual_information_bound(latents, torch.cat([known, unknown], 1), codes)
    assert bounds["a"].item() == pytest.approx(math.log(4), abs=1e-6)
    assert bounds["b"].item() == pytest.approx(0, abs=1e-6)


# --- the bound against known information -----------------------------------------------------------------


def bound_and_error(latents: Latents, raw: Tensor, codes: Codes) -> tuple[float, float]:
    """L_I of the only code and its standard error."""
    ((name, bound),) = objective.mutual_information_bound(latents, raw, codes).items()
    log_probs = latents.posteriors(raw)[name].log_prob(codes[name])
    return bound.item(), log_probs.std().item() / math.sqrt(len(log_probs))


def fit(recognise: nn.Module, latents: Latents, draw: Callable[[int, int], tuple[Tensor, Codes]]) -> None:
    """Ascends the bound on fresh samples, as Q does in training."""
    optimizer = torch.optim.Adam(recognise.parameters(), lr=0.05)
    for step in range(300):
        optimizer.param_groups[0]["lr"] = 0.05 * (1 - step / 300)
        x, codes = draw(2_048, step)
        (bound,) = objective.mutual_information_bound(latents, recognise(x), codes).values()
        optimizer.zero_grad()
        (-bound).backward()
        optimizer.step()


def symmetric_channel(latents: Latents, error: float) -> Callable[[int, int], tuple[Tensor, Codes]]:
    """What comes out is the category, or with probability `error` one of the others."""

    def draw(count: int, seed: int) -> tuple[Tensor, Codes]:
        draws = random("channel", seed)
        codes = latents.sample_codes(count, draws)
        size = codes["a"].shape[1]
        moved = torch.rand(count, generator=draws) < error
        by = torch.where(moved, torch.randint(1, size, (count,), generator=draws), 0)
        return (codes["a"].argmax(1) + by) % size, codes

    return draw


def symmetric_information(size: int, error: float) -> float:
    entropy_of_error = -(error * math.log(error) + (1 - error) * math.log(1 - error))
    return math.log(size) - entropy_of_error - error * math.log(size - 1)


@pytest.mark.parametrize(("size", "error"), [(2, 0.1), (10, 0.05), (10, 0.4), (5, 0.8)])
def test_on_a_symmetric_channel_the_bound_is_tight_and_never_above(size: int, error: float) -> None:
    latents = Latents(LatentsConfig(codes={"a": Categorical(size)}))
    draw, information = symmetric_channel(latents, error), symmetric_information(size, error)
    table = nn.Embedding(size, size)
    nn.init.zeros_(table.weight)  # knows nothing, and independent of the global random state
    fit(table, latents, draw)
    x, codes = draw(100_000, 10_000)
    bound, standard_error = bound_and_error(latents, table(x), codes)
    assert bound <= information + 3 * standard_error
    assert bound >= information - 0.02


def test_a_mismatched_reader_gives_less_by_its_divergence() -> None:
    size, error, believed = 5, 0.2, 0.5
    latents = Latents(LatentsConfig(codes={"a": Categorical(size)}))
    # Every event of the channel in its exact proportion: of 20 times, 16 right and 1 for each other value.
    code = torch.arange(size).repeat_interleave(20)
    x = (code + torch.tensor([0] * 16 + [1, 2, 3, 4]).repeat(size)) % size
    codes = {"a": nn.functional.one_hot(code, size).float()}

    def reads(error: float) -> float:
        table = torch.full((size, size), math.log(error / (size - 1))).fill_diagonal_(math.log(1 - error))
        return bound_and_error(latents, table[x], codes)[0]

    information = symmetric_information(size, error)
    divergence = error * math.log(error / believed) + (1 - error) * math.log((1 - error) / (1 - believed))
    assert reads(error) == pytest.approx(information, abs=1e-5)
    assert reads(believed) == pytest.approx(information - divergence, abs=1e-5)


class Line(nn.Module):
    """The posterior of a number: its mean on a line, one std for all."""

    def __init__(self) -> None:
        super().__init__()
        self.slope, self.offset, self.log_std = (nn.Parameter(torch.zeros(())) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.slope * x + self.offset, self.log_std.expand_as(x)], 1)


def noisy(latents: Latents, noise: float) -> Callable[[int, int], tuple[Tensor, Codes]]:
    def draw(count: int, seed: int) -> tuple[Tensor, Codes]:
        draws = random("noisy", seed)
        codes = latents.sample_codes(count, draws)
        return codes["a"] + noise * torch.randn(count, 1, generator=draws), codes

    return draw


@pytest.mark.parametrize("noise", [0.3, 1.0])
def test_on_a_linear_gaussian_channel_the_bound_is_the_analytic_value(noise: float) -> None:
    latents = Latents(LatentsConfig(codes={"a": Normal()}))
    draw, line = noisy(latents, noise), Line()
    fit(line, latents, draw)
    x, codes = draw(300_000, 10_000)
    bound, _ = bound_and_error(latents, line(x), codes)
    assert bound == pytest.approx(0.5 * math.log(1 + 1 / noise**2), abs=0.01)
    assert line.slope.item() == pytest.approx(1 / (1 + noise**2), abs=0.02)
    assert line.log_std.exp().item() == pytest.approx(noise / math.sqrt(1 + noise**2), abs=0.02)


def test_the_truncated_posterior_is_tight_where_no_gaussian_can_be() -> None:
    """A uniform code under Gaussian noise: its posterior is a Gaussian cut to the code's range."""
    noise = 0.5
    truncated, gaussian = (
        Latents(LatentsConfig(codes={"a": Uniform(posterior=family)}))
        for family in (TruncatedGaussian(), Gaussian())
    )
    x, codes = noisy(truncated, noise)(300_000, 0)

    def density(at: float) -> float:
        return float(stats.norm.cdf((at + 1) / noise) - stats.norm.cdf((at - 1) / noise)) / 2

    entropy = integrate.quad(lambda at: -density(at) * math.log(density(at)), -5, 5)[0]
    information = entropy - stats.norm(scale=noise).entropy()

    raw = torch.cat([x, torch.full_like(x, math.log(noise))], 1)
    bound, standard_error = bound_and_error(truncated, raw, codes)
    assert bound == pytest.approx(information, abs=3 * standard_error)

    # No Gaussian does better than the one with the true posterior's mean and std for every single x.
    true = truncated.posteriors(raw)["a"]
    best, standard_error = bound_and_error(gaussian, torch.cat([true.mean, true.std.log()], 1), codes)
    assert best < information - 0.05 - 3 * standard_error
