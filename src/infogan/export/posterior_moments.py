"""Mean and std of posteriors in float32 and elementary functions, for networks that run outside torch.

ONNX has no Bessel functions and few functions in float64. Every integral here is over an interval that holds
all but exp(-50) of the mass, measured from the mode, so that nothing overflows and no large numbers cancel.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from infogan.latents import Posterior, TruncatedGaussianPosterior, VonMisesPosterior, wrap

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(32)
_LOG_MASS = 50.0  # the density at the end of the interval is exp(-50) of that at the mode
_SMALL_KAPPA = 0.1  # below it, the series of A(kappa) is exact in float32


def moments(
    posterior: Posterior,
) -> tuple[Float[Tensor, "n width"], Float[Tensor, "n width"] | None]:
    """Return mean and std of a posterior as float32; the std of discrete codes is None."""
    if isinstance(posterior, TruncatedGaussianPosterior):
        return _truncated(posterior)
    if isinstance(posterior, VonMisesPosterior):
        cosine, sine = posterior.cosine.float(), posterior.sine.float()
        return wrap(torch.atan2(sine, cosine) / math.pi), _circular_std(posterior.kappa.float())
    return posterior.mean, posterior.std


def _quadrature(like: Tensor) -> tuple[Tensor, Tensor]:
    """Return nodes on [0, 1] and weights of the Gauss-Legendre rule, as float32 on the device of `like`."""
    nodes = torch.tensor((_NODES + 1) / 2, dtype=torch.float32, device=like.device)
    return nodes, torch.tensor(_WEIGHTS / 2, dtype=torch.float32, device=like.device)


def _truncated(posterior: TruncatedGaussianPosterior) -> tuple[Tensor, Tensor]:
    """Return mean and std of a truncated Gaussian, by integration on both sides of its mode."""
    location, scale = posterior.location.float(), posterior.scale.float()
    mode = location.clamp(posterior.low, posterior.high)
    offset = mode - location
    sides = [
        _side(direction * offset, scale, direction * (limit - mode), direction)
        for direction, limit in ((-1.0, posterior.low), (1.0, posterior.high))
    ]
    mass, first, second = (sum(parts[1:], parts[0]) for parts in zip(*sides, strict=True))
    mean = first / mass
    variance = (second / mass - mean.square()).clamp_min(0)
    return mode + mean, variance.sqrt()


def _side(offset: Tensor, scale: Tensor, room: Tensor, direction: float) -> tuple[Tensor, Tensor, Tensor]:
    """Return mass, first and second moment around the mode of one side of a truncated Gaussian.

    Args:
        offset: of the mode from the location, in the direction of this side; 0 or more where the side has
            any room.
        scale: of the Gaussian.
        room: length of this side, 0 or more.
        direction: 1 or -1.
    """
    ahead = offset.clamp_min(0)
    # The log density falls by reach (reach + 2 ahead) / (2 scale^2), which is _LOG_MASS here.
    square = 2 * _LOG_MASS * scale.square()
    reach = torch.minimum(room, square / (ahead + (ahead.square() + square).sqrt()))
    nodes, weights = _quadrature(offset)
    distance = reach[..., None] * nodes
    density = (-distance * (distance + 2 * ahead[..., None]) / (2 * scale[..., None].square())).exp()
    part = density * weights * reach[..., None]
    return part.sum(-1), direction * (part * distance).sum(-1), (part * distance.square()).sum(-1)


def _circular_std(kappa: Tensor) -> Tensor:
    """Return sqrt(-2 ln A(kappa)) / pi, in half turns, where A is the mean cosine of the error."""
    nodes, weights = _quadrature(kappa)
    end = 2 * torch.asin((_LOG_MASS / 2 / kappa.clamp_min(1e-6)).sqrt().clamp_max(1))
    # 1 - cos(angle) = 2 sin^2(angle / 2), without the cancellation of the left side.
    loss = 2 * (nodes * end[..., None] / 2).sin().square()
    density = weights * (-kappa[..., None] * loss).exp()
    missing = (density * loss).sum(-1) / density.sum(-1)  # 1 - A
    # -ln(1 - x) = 2 atanh(x / (2 - x)), exact for small x.
    by_integral = 2 * torch.atanh((missing / (2 - missing)).clamp_max(1 - 1e-6))
    half = kappa / 2
    series = half * (1 - half.square() / 2 + half.pow(4) / 3)
    by_series = -series.clamp_min(1e-30).log()
    minus_log = torch.where(kappa < _SMALL_KAPPA, by_series, by_integral)
    return (2 * minus_log).sqrt() / math.pi
