from __future__ import annotations

import pytest
import torch

from infogan.export.posterior_moments import moments
from infogan.latents import GaussianPosterior, SoftmaxPosterior, TruncatedGaussianPosterior, VonMisesPosterior


@pytest.mark.parametrize("scale", [0.02, 0.1, 1.0, 10.0])
def test_a_truncated_gaussian_has_the_exact_moments_inside_and_far_outside_its_range(scale: float) -> None:
    location = torch.tensor([[-3.0, -1.0, -0.98, 0.0, 0.4, 1.0, 1.02, 5.0]])
    posterior = TruncatedGaussianPosterior(location, torch.full_like(location, scale), -1.0, 1.0)
    mean, std = moments(posterior)
    assert std is not None and mean.dtype == std.dtype == torch.float32
    torch.testing.assert_close(mean, posterior.mean, atol=1e-5, rtol=0)
    torch.testing.assert_close(std, posterior.std, atol=1e-5, rtol=1e-3)


def test_the_std_far_outside_the_range_is_that_of_the_tail() -> None:
    """The tail is exponential with the decay length scale^2 / distance; the formula in float64 fails here."""
    location, scale = torch.tensor([[101.0]]), torch.tensor([[0.01]])
    std = moments(TruncatedGaussianPosterior(location, scale, -1.0, 1.0))[1]
    torch.testing.assert_close(std, scale.square() / 100, atol=0, rtol=1e-3)


def test_a_range_of_large_numbers_keeps_its_precision() -> None:
    location = torch.tensor([[900.0, 1000.0, 1500.0, 2500.0]])
    posterior = TruncatedGaussianPosterior(location, torch.full_like(location, 50.0), 1000.0, 2000.0)
    mean, std = moments(posterior)
    assert std is not None
    torch.testing.assert_close(mean, posterior.mean, atol=5e-3, rtol=0)
    torch.testing.assert_close(std, posterior.std, atol=5e-3, rtol=0)


def test_an_angle_has_the_exact_circular_std_at_every_concentration() -> None:
    kappa = torch.tensor([1e-4, 1e-2, 0.05, 0.099, 0.101, 1.0, 5.0, 24.0, 26.0, 100.0, 1e4, 1e6])
    natural = torch.cat([kappa[None] * torch.tensor(0.6), kappa[None] * torch.tensor(-0.8)], dim=1)
    posterior = VonMisesPosterior(natural, most=1e7)
    mean, std = moments(posterior)
    assert std is not None
    torch.testing.assert_close(mean, posterior.mean)
    torch.testing.assert_close(std, posterior.std, atol=2e-5, rtol=1e-4)


def test_an_angle_without_any_information_has_a_finite_std() -> None:
    posterior = VonMisesPosterior(torch.zeros(2, 2), most=10.0)
    torch.testing.assert_close(moments(posterior)[1], posterior.std, atol=1e-3, rtol=0)


def test_other_posteriors_keep_their_own_moments() -> None:
    gaussian = GaussianPosterior(torch.tensor([[0.3]]), torch.tensor([[0.2]]))
    assert moments(gaussian) == (gaussian.mean, gaussian.std)
    assert moments(SoftmaxPosterior(torch.zeros(1, 4), 4))[1] is None
