"""Codes: entropies, draws, and posteriors held against other people's implementations."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor
from torch.distributions import Bernoulli as TorchBernoulli
from torch.distributions import Normal as TorchNormal
from torch.distributions import OneHotCategorical

from infogan import streams
from infogan.config import (
    Bernoulli,
    Categorical,
    Gaussian,
    LatentsConfig,
    Normal,
    Periodic,
    TruncatedGaussian,
    Uniform,
)
from infogan.latents import (
    CategoricalPrior,
    GaussianPosterior,
    Latents,
    NormalPrior,
    PeriodicPrior,
    Prior,
    TruncatedGaussianPosterior,
    UniformPrior,
)

EVERY_KIND = {
    "digit": Categorical(10),
    "pair": Categorical(3, dim=2),
    "rotation": Uniform(),
    "place": Uniform(2.0, 5.0, dim=2, posterior=TruncatedGaussian()),
    "fixed": Uniform(posterior=Gaussian(std=1.0)),
    "tilt": Normal(dim=2),
    "turn": Periodic(dim=2),
    "flip": Bernoulli(dim=3, probability=0.3),
}


def latents_of(codes: dict[str, Any], noise: int = 4) -> Latents:
    return Latents(LatentsConfig(noise=noise, codes=codes))


def prior_of(code: Any) -> Prior:
    return Prior.of[type(code)](code)


def numbers(*shape: int, seed: int = 0, scale: float = 1.0) -> Tensor:
    return torch.randn(shape, generator=streams.generator(seed, "test")) * scale


# --- priors ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "entropy"),
    [
        (Categorical(10), 2.302585093),
        (Categorical(20), 2.995732274),
        (Categorical(10, dim=4), 9.210340372),
        (Uniform(), 0.693147181),
        (Uniform(2.0, 5.0), 1.098612289),
        (Uniform(0.0, 0.5, dim=2), -1.386294361),  # a differential entropy may lie below 0
        (Normal(), 1.418938533),
        (Normal(dim=3), 4.256815599),
        (Periodic(), 0.693147181),
        (Periodic(dim=3), 2.079441542),
        (Bernoulli(), 0.693147181),
        (Bernoulli(dim=2, probability=0.1), 0.650165947),
    ],
)
def test_entropies_are_exact(code: Any, entropy: float) -> None:
    assert prior_of(code).entropy == pytest.approx(entropy, abs=1e-9)


def test_which_entropies_are_ceilings() -> None:
    discrete = {name for name, prior in latents_of(EVERY_KIND).priors.items() if prior.discrete}
    assert discrete == {"digit", "pair", "flip"}


@pytest.mark.parametrize(("size", "dim"), [(2, 1), (10, 1), (3, 2)])
def test_categories_are_drawn_one_hot_and_equally_often(size: int, dim: int) -> None:
    drawn = prior_of(Categorical(size, dim=dim)).sample(20_000, streams.generator(0, "test"))
    ones = drawn.unflatten(1, (dim, size))
    assert torch.all((ones == 0) | (ones == 1))
    assert torch.all(ones.sum(2) == 1)
    for counts in ones.sum(0):
        assert stats.chisquare(counts.numpy()).pvalue > 1e-3


def test_the_dimensions_of_a_category_are_drawn_apart() -> None:
    drawn = prior_of(Categorical(3, dim=2)).sample(20_000, streams.generator(0, "test"))
    table = drawn[:, :3].T @ drawn[:, 3:]  # how often each pair of values stands together
    assert stats.chi2_contingency(table.numpy()).pvalue > 1e-3


@pytest.mark.parametrize(
    ("code", "law"),
    [
        (Uniform(dim=2), stats.uniform(-1, 2)),
        (Uniform(2.0, 5.0, dim=2), stats.uniform(2, 3)),
        (Normal(dim=2), stats.norm()),
        (Periodic(dim=2), stats.uniform(-1, 2)),
    ],
)
def test_continuous_codes_follow_their_law(code: Any, law: Any) -> None:
    drawn = prior_of(code).sample(20_000, streams.generator(0, "test"))
    for column in drawn.T:
        assert stats.kstest(column.numpy(), law.cdf).pvalue > 1e-3
    assert abs(torch.corrcoef(drawn.T)[0, 1]) < 0.03


def test_bernoulli_codes_are_one_with_their_probability() -> None:
    drawn = prior_of(Bernoulli(dim=2, probability=0.3)).sample(20_000, streams.generator(0, "test"))
    assert torch.all((drawn == 0) | (drawn == 1))
    for ones in drawn.sum(0):
        assert stats.binomtest(int(ones), 20_000, 0.3).pvalue > 1e-3


@pytest.mark.parametrize(("prior", "law"), [("uniform", stats.uniform(-1, 2)), ("normal", stats.norm())])
def test_noise_follows_its_law(prior: str, law: Any) -> None:
    config = LatentsConfig(noise=2, noise_prior=prior, codes={"a": Categorical(2)})
    noise = Latents(config).sample_noise(20_000, streams.generator(0, "test"))
    assert stats.kstest(noise.flatten().numpy(), law.cdf).pvalue > 1e-3
    assert abs(torch.corrcoef(noise.T)[0, 1]) < 0.03


def test_draws_come_from_the_generator_alone() -> None:
    latents = latents_of(EVERY_KIND)
    state = torch.random.get_rng_state()
    first = latents.sample_codes(8, streams.generator(0, "test"))
    again = latents.sample_codes(8, streams.generator(0, "test"))
    other = latents.sample_codes(8, streams.generator(1, "test"))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not any(torch.equal(first[name], other[name]) for name in first)
    assert torch.equal(torch.random.get_rng_state(), state)


# --- posteriors of discrete codes ------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1.0, 50.0])
def test_a_category_is_read_as_torch_reads_it(scale: float) -> None:
    prior = prior_of(Categorical(4, dim=3))
    raw, values = numbers(16, 12, scale=scale), prior.sample(16, streams.generator(1, "test"))
    posterior = prior.posterior(raw)
    reference = OneHotCategorical(logits=raw.unflatten(1, (3, 4)))
    torch.testing.assert_close(
        posterior.log_prob(values), reference.log_prob(values.unflatten(1, (3, 4))).sum(1)
    )
    torch.testing.assert_close(posterior.mean.unflatten(1, (3, 4)), reference.probs)
    assert posterior.std is None


def test_bernoulli_codes_are_read_as_torch_reads_them() -> None:
    prior = prior_of(Bernoulli(dim=3))
    raw, values = numbers(16, 3, scale=5.0), prior.sample(16, streams.generator(1, "test"))
    posterior, reference = prior.posterior(raw), TorchBernoulli(logits=raw)
    torch.testing.assert_close(posterior.log_prob(values), reference.log_prob(values).sum(1))
    torch.testing.assert_close(posterior.mean, reference.probs)


@pytest.mark.parametrize("code", [Categorical(4), Bernoulli(dim=4)])
def test_a_certain_and_wrong_answer_is_finite(code: Any) -> None:
    raw = torch.full((1, 4), -1e4).index_fill(1, torch.tensor([0]), 1e4).requires_grad_()
    log_prob = prior_of(code).posterior(raw).log_prob(torch.tensor([[0.0, 1.0, 0.0, 0.0]]))
    log_prob.sum().backward()
    assert log_prob.item() < -1e4
    assert math.isfinite(log_prob.item())
    assert raw.grad is not None
    assert torch.isfinite(raw.grad).all()


# --- posteriors of continuous codes ----------------------------------------------------------------------


@pytest.mark.parametrize("code", [Uniform(dim=3), Normal(dim=3)])
def test_the_gaussian_is_torch_s_with_std_the_exponential_of_the_output(code: Any) -> None:
    raw, values = numbers(16, 6), numbers(16, 3, seed=1)
    posterior = prior_of(code).posterior(raw)
    mean, std = raw[:, :3], raw[:, 3:].exp().clamp(0.1, 2.0)
    torch.testing.assert_close(posterior.log_prob(values), TorchNormal(mean, std).log_prob(values).sum(1))
    torch.testing.assert_close(posterior.mean, mean)
    torch.testing.assert_close(posterior.std, std)


@pytest.mark.parametrize(
    "family", [Gaussian(std_min=0.2, std_max=1.5), TruncatedGaussian(std_min=0.2, std_max=1.5)]
)
def test_a_learned_std_stays_between_its_limits(family: Any) -> None:
    raw = torch.tensor([[0.0, -1e4], [0.0, math.log(0.5)], [0.0, 1e4]])
    posterior = prior_of(Uniform(posterior=family)).posterior(raw)
    scale = posterior.scale if isinstance(posterior, TruncatedGaussianPosterior) else posterior.std
    torch.testing.assert_close(scale.float(), torch.tensor([[0.2], [0.5], [1.5]]))


def test_a_fixed_std_needs_no_outputs_and_is_that_number() -> None:
    prior = prior_of(Uniform(dim=2, posterior=Gaussian(std=0.7)))
    assert prior.posterior_width == 2
    posterior = prior.posterior(numbers(5, 2))
    torch.testing.assert_close(posterior.std, torch.full((5, 2), 0.7))


def truncated(
    location: float, scale: float, dtype: torch.dtype = torch.float64
) -> TruncatedGaussianPosterior:
    return TruncatedGaussianPosterior(
        torch.tensor([[location]], dtype=dtype), torch.tensor([[scale]], dtype=dtype), -1.0, 1.0
    )


def scipy_truncated(location: float, scale: float) -> Any:
    return stats.truncnorm((-1 - location) / scale, (1 - location) / scale, location, scale)


INSIDE = [(0.0, 0.01), (0.3, 0.5), (0.5, 10.0), (-1.0, 0.1), (0.99, 0.01), (1.5, 0.5), (-2.0, 0.4)]
OUTSIDE = [(5.0, 0.1), (-5.0, 0.1), (5.0, 0.01), (-5.0, 0.01), (20.0, 0.1)]


@pytest.mark.parametrize(("location", "scale"), INSIDE + OUTSIDE)
@pytest.mark.parametrize("value", [-1.0, -0.2, 0.9, 1.0])
def test_the_truncated_gaussian_has_scipy_s_density(location: float, scale: float, value: float) -> None:
    found = truncated(location, scale).log_prob(torch.tensor([[value]], dtype=torch.float64)).item()
    assert found == pytest.approx(scipy_truncated(location, scale).logpdf(value), rel=1e-6)


@pytest.mark.parametrize(("location", "scale"), INSIDE + OUTSIDE)
def test_the_truncated_gaussian_has_scipy_s_mean_and_std(location: float, scale: float) -> None:
    posterior, reference = truncated(location, scale), scipy_truncated(location, scale)
    assert posterior.mean.item() == pytest.approx(reference.mean(), abs=1e-6)
    assert posterior.std.item() == pytest.approx(reference.std(), rel=1e-4, abs=1e-5)  # scipy errs there, too


@pytest.mark.parametrize("mirrored", [False, True])
def test_the_truncated_gaussian_has_no_mass_outside(mirrored: bool) -> None:
    line = torch.linspace(-1, 1, 20_001, dtype=torch.float64)[:, None]
    location = torch.full_like(line, 0.8 if mirrored else -0.8)
    density = TruncatedGaussianPosterior(location, torch.full_like(line, 0.5), -1, 1).log_prob(line).exp()
    assert torch.trapezoid(density, line[:, 0]).item() == pytest.approx(1, abs=1e-6)


def read_by_the_head(location: float, log_scale: float) -> TruncatedGaussianPosterior:
    """As in training: float32 outputs of a head, with the limits of the configuration."""
    posterior = prior_of(Uniform(posterior=TruncatedGaussian())).posterior(
        torch.tensor([[location, log_scale]])
    )
    assert isinstance(posterior, TruncatedGaussianPosterior)
    return posterior


@pytest.mark.parametrize(("location", "scale"), INSIDE + OUTSIDE)
def test_the_head_s_float32_outputs_lose_nothing(location: float, scale: float) -> None:
    posterior, reference = read_by_the_head(location, math.log(scale)), scipy_truncated(location, scale)
    log_prob = posterior.log_prob(torch.tensor([[0.9]])).item()
    assert log_prob == pytest.approx(reference.logpdf(0.9), rel=1e-5, abs=1e-3)
    assert posterior.mean.item() == pytest.approx(reference.mean(), abs=1e-3)
    assert posterior.std.item() == pytest.approx(reference.std(), rel=0.01, abs=1e-5)


def gradient_at(location: float, scale: float, dtype: torch.dtype) -> float:
    where = torch.tensor([[location]], dtype=dtype, requires_grad=True)
    posterior = TruncatedGaussianPosterior(where, torch.tensor([[scale]], dtype=dtype), -1.0, 1.0)
    posterior.log_prob(torch.tensor([[0.9]], dtype=dtype)).sum().backward()
    assert where.grad is not None
    return where.grad.item()


@pytest.mark.parametrize(
    ("location", "scale"),
    [
        *INSIDE,
        (5.0, 0.01),
        (-5.0, 0.01),
        (20.0, 0.1),
    ],
)
def test_the_gradient_of_float32_outputs_is_that_of_float64(location: float, scale: float) -> None:
    exact = gradient_at(location, scale, torch.float64)
    assert gradient_at(location, scale, torch.float32) == pytest.approx(exact, rel=2e-3, abs=1e-4)


@pytest.mark.parametrize("location", [0.0, 1.0, -1.0, 3.0, -3.0, 30.0, -300.0, 1e4])
@pytest.mark.parametrize("log_scale", [-1e4, -3.0, 0.0, 1e4])
@pytest.mark.parametrize("value", [-1.0, 0.5, 1.0])
def test_the_truncated_gaussian_never_loses_its_gradient(
    location: float, log_scale: float, value: float
) -> None:
    raw = torch.tensor([[location, log_scale]], requires_grad=True)
    log_prob = (
        prior_of(Uniform(posterior=TruncatedGaussian())).posterior(raw).log_prob(torch.tensor([[value]]))
    )
    log_prob.sum().backward()
    assert math.isfinite(log_prob.item())
    assert raw.grad is not None
    assert torch.isfinite(raw.grad).all()


def test_a_truncated_gaussian_too_wide_to_matter_is_the_prior() -> None:
    prior = prior_of(Uniform(posterior=TruncatedGaussian(std_max=100.0)))
    values = torch.linspace(-1, 1, 201)[:, None]
    bound = prior.posterior(torch.tensor([[0.0, 9.0]]).expand(201, 2)).log_prob(values).mean() + prior.entropy
    assert bound.item() == pytest.approx(0, abs=1e-4)


def gaussian_bound(residual: float, std: float) -> float:
    """L_I of a Unif(-1, 1) code whose Gaussian posterior misses by `residual`, above and below in turn."""
    codes = torch.linspace(-1, 1, 2_000, dtype=torch.float64)[:, None]
    miss = torch.where(torch.arange(2_000)[:, None] % 2 == 0, residual, -residual)
    posterior = GaussianPosterior(codes + miss, torch.full_like(codes, std))
    return float(posterior.log_prob(codes).mean()) + prior_of(Uniform()).entropy


@pytest.mark.parametrize(("std", "nats"), [(0.1, 1.58), (0.2, 0.88), (0.3, 0.48)])
def test_a_uniform_code_read_with_a_std_is_worth_the_known_nats(std: float, nats: float) -> None:
    assert gaussian_bound(std, std) == pytest.approx(nats, abs=0.005)
    # It is the best std for that residual: any other gives less.
    assert gaussian_bound(std, std * 1.2) < gaussian_bound(std, std)
    assert gaussian_bound(std, std / 1.2) < gaussian_bound(std, std)


def test_a_gaussian_that_knows_nothing_lies_below_zero() -> None:
    codes = torch.linspace(-1, 1, 20_001, dtype=torch.float64)[:, None]
    posterior = GaussianPosterior(torch.zeros_like(codes), torch.full_like(codes, 1 / math.sqrt(3)))
    bound = float(posterior.log_prob(codes).mean()) + prior_of(Uniform()).entropy
    assert bound == pytest.approx(-0.18, abs=0.005)


def test_a_fixed_std_of_one_hides_all_information() -> None:
    assert gaussian_bound(0.0, 1.0) == pytest.approx(-0.226, abs=5e-4)
    assert gaussian_bound(0.1, 1.0) < gaussian_bound(0.0, 1.0)


# --- all latents together --------------------------------------------------------------------------------

some_code = (
    st.builds(Categorical, st.integers(2, 6), dim=st.integers(1, 3))
    | st.builds(Uniform, dim=st.integers(1, 3), posterior=st.sampled_from([Gaussian(), TruncatedGaussian()]))
    | st.builds(Normal, dim=st.integers(1, 3), posterior=st.sampled_from([Gaussian(), Gaussian(std=1.0)]))
    | st.builds(Periodic, dim=st.integers(1, 3))
    | st.builds(Bernoulli, dim=st.integers(1, 3))
)
some_codes = st.lists(some_code, min_size=1, max_size=5).map(
    lambda codes: {f"c{i}": c for i, c in enumerate(codes)}
)


@settings(max_examples=50, deadline=None)
@given(codes=some_codes, noise=st.integers(0, 5), count=st.integers(1, 3))
def test_split_is_the_inverse_of_join(codes: dict[str, Any], noise: int, count: int) -> None:
    latents, draw = latents_of(codes, noise), streams.generator(0, "test")
    given_noise, given_codes = latents.sample_noise(count, draw), latents.sample_codes(count, draw)
    joined = latents.join(given_noise, given_codes)
    assert joined.shape == (count, latents.width)
    back_noise, back = latents.split(joined)
    assert torch.equal(back_noise, given_noise)
    assert list(back) == list(codes)
    for name, code in codes.items():
        if isinstance(code, Periodic):  # an angle comes back from its cosine and sine
            torch.testing.assert_close(back[name], given_codes[name], rtol=0, atol=1e-6)
        else:
            assert torch.equal(back[name], given_codes[name])


@settings(max_examples=30, deadline=None)
@given(codes=some_codes)
def test_each_code_is_read_from_outputs_of_its_own(codes: dict[str, Any]) -> None:
    latents = latents_of(codes)
    values = latents.sample_codes(3, streams.generator(0, "test"))
    raw = numbers(3, latents.posterior_width, scale=0.1).requires_grad_()  # stds within their limits
    used = torch.zeros(latents.posterior_width)
    for name, posterior in latents.posteriors(raw).items():
        log_prob = posterior.log_prob(values[name])
        assert log_prob.shape == (3,)
        (gradient,) = torch.autograd.grad(log_prob.sum(), raw, retain_graph=True)
        used += (gradient != 0).any(0)
    assert torch.equal(used, torch.ones_like(used))


def test_the_order_in_which_codes_are_given_does_not_matter() -> None:
    latents, draw = latents_of(EVERY_KIND), streams.generator(0, "test")
    noise, codes = latents.sample_noise(3, draw), latents.sample_codes(3, draw)
    backwards = dict(reversed(codes.items()))
    assert torch.equal(latents.join(noise, codes), latents.join(noise, backwards))


def test_noise_comes_first_then_the_codes_in_their_order() -> None:
    latents = latents_of({"b": Categorical(2), "a": Bernoulli(dim=1)}, noise=1)
    joined = latents.join(
        torch.tensor([[7.0]]), {"a": torch.tensor([[5.0]]), "b": torch.tensor([[3.0, 4.0]])}
    )
    assert joined.tolist() == [[7, 3, 4, 5]]


def test_a_batch_of_one_keeps_its_axis() -> None:
    latents = latents_of(EVERY_KIND)
    values = latents.sample_codes(1, streams.generator(0, "test"))
    for name, posterior in latents.posteriors(numbers(1, latents.posterior_width)).items():
        width = latents.priors[name].width
        assert values[name].shape == (1, width)
        assert posterior.log_prob(values[name]).shape == (1,)
        assert posterior.mean.shape == (1, width)


def test_outputs_in_half_precision_are_read_in_float32() -> None:
    latents = latents_of(EVERY_KIND)
    values = latents.sample_codes(4, streams.generator(0, "test"))
    for name, posterior in latents.posteriors(numbers(4, latents.posterior_width).bfloat16()).items():
        assert posterior.log_prob(values[name]).dtype == torch.float32
        assert posterior.mean.dtype == torch.float32


# --- traversals ------------------------------------------------------------------------------------------


def test_a_traversal_shows_every_category_once() -> None:
    assert torch.equal(prior_of(Categorical(4)).traversal(), torch.eye(4))
    line = prior_of(Categorical(3, dim=2)).traversal()
    assert torch.equal(line[:, :3], torch.eye(3))
    assert torch.equal(line[:, 3:], torch.tensor([[1.0, 0, 0]]).expand(3, 3))  # the other one is one-hot too


@pytest.mark.parametrize(
    ("code", "ends"), [(Uniform(), (-2, 2)), (Uniform(2.0, 5.0), (0.5, 6.5)), (Normal(), (-2, 2))]
)
def test_a_traversal_of_a_continuous_code_goes_as_far_as_figure_2(
    code: Any, ends: tuple[float, float]
) -> None:
    line = prior_of(code).traversal()[:, 0]
    assert (line[0].item(), line[-1].item()) == ends
    assert torch.all(line.diff() > 0)


def test_a_traversal_moves_the_first_dimension_alone() -> None:
    line = prior_of(Uniform(2.0, 5.0, dim=3)).traversal()
    assert torch.all(line[:, 1:] == 3.5)  # the middle of the range, not 0, which lies outside it
    assert torch.equal(prior_of(Bernoulli(dim=2)).traversal(), torch.tensor([[0.0, 0], [1, 0]]))


def test_every_kind_of_code_has_its_prior() -> None:
    assert Prior.of[Categorical] is CategoricalPrior
    assert Prior.of[Uniform] is UniformPrior
    assert Prior.of[Normal] is NormalPrior
    assert Prior.of[Periodic] is PeriodicPrior
    assert set(Prior.of) == {Categorical, Uniform, Normal, Periodic, Bernoulli}


def test_the_mean_of_a_limited_gaussian_approaches_its_reach() -> None:
    code = Uniform(0.0, 4.0, posterior=Gaussian(std=0.577, reach=1.5))
    prior = Latents(LatentsConfig(noise=0, codes={"style": code})).priors["style"]
    raw = torch.tensor([[0.0], [0.1], [1e4], [-1e4]])
    assert prior.posterior(raw).mean[:, 0].tolist() == pytest.approx([2.0, 2.2, 5.0, -1.0], abs=0.01)
    assert prior.posterior(raw).log_prob(torch.full((4, 1), 2.0)).min() > -5
