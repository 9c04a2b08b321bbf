"""Posteriors Q(c|x) of a code, from the raw outputs of the recognition head."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from functools import cache

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


class Posterior(ABC):
    """Q(c|x) of one code for a batch of images."""

    @abstractmethod
    def log_prob(self, values: Float[Tensor, "n width"]) -> Float[Tensor, " n"]:
        """Return log Q(c|x) in nats, summed over the code's dimensions."""

    @property
    @abstractmethod
    def mean(self) -> Float[Tensor, "n width"]:
        """The expected value of the code: probabilities for categories and for Bernoulli codes."""

    @property
    def std(self) -> Float[Tensor, "n width"] | None:
        """Standard deviation of a continuous code, in the code's own units; None for discrete codes."""
        return None


class SoftmaxPosterior(Posterior):
    """Categorical: a softmax over each dimension's raw outputs (appendix C)."""

    def __init__(self, raw: Float[Tensor, "n width"], size: int) -> None:
        # log_softmax is applied once: with another softmax before it the loss cannot fall below 1.46.
        self.log_probabilities = F.log_softmax(raw.float().unflatten(1, (-1, size)), dim=-1)

    def log_prob(self, values: Float[Tensor, "n width"]) -> Float[Tensor, " n"]:
        return (self.log_probabilities.flatten(1) * values).sum(1)

    @property
    def mean(self) -> Float[Tensor, "n width"]:
        return self.log_probabilities.exp().flatten(1)


class GaussianPosterior(Posterior):
    """A diagonal Gaussian (appendix C)."""

    def __init__(self, mean: Float[Tensor, "n width"], std: Float[Tensor, "n width"]) -> None:
        self._mean, self._std = mean, std

    def log_prob(self, values: Float[Tensor, "n width"]) -> Float[Tensor, " n"]:
        standard = (values - self._mean) / self._std
        return (-0.5 * standard.square() - self._std.log() - 0.5 * math.log(2 * math.pi)).sum(1)

    @property
    def mean(self) -> Float[Tensor, "n width"]:
        return self._mean

    @property
    def std(self) -> Float[Tensor, "n width"]:
        return self._std


class TruncatedGaussianPosterior(Posterior):
    """A Gaussian truncated to the support [low, high] of the prior."""

    def __init__(
        self, location: Float[Tensor, "n width"], scale: Float[Tensor, "n width"], low: float, high: float
    ) -> None:
        # Far outside the support, float32 loses the small differences of large numbers below.
        self.location, self.scale = location.double(), scale.double()
        self.low, self.high = low, high
        self.alpha, self.beta = (low - self.location) / self.scale, (high - self.location) / self.scale
        self.log_mass = _log_normal_mass(self.alpha, self.beta)

    def log_prob(self, values: Float[Tensor, "n width"]) -> Float[Tensor, " n"]:
        density = _log_normal_density((values - self.location) / self.scale)
        return (density - self.scale.log() - self.log_mass).sum(1).float()

    def _densities(self) -> tuple[Tensor, Tensor]:
        """Return the standard normal density at both limits, divided by the mass between them."""
        at = [(_log_normal_density(limit) - self.log_mass).exp() for limit in (self.alpha, self.beta)]
        return at[0], at[1]

    @property
    def mean(self) -> Float[Tensor, "n width"]:
        at_low, at_high = self._densities()
        return (self.location + self.scale * (at_low - at_high)).float()

    @property
    def std(self) -> Float[Tensor, "n width"]:
        at_low, at_high = self._densities()
        variance = 1 + self.alpha * at_low - self.beta * at_high - (at_low - at_high).square()
        return (self.scale * variance.clamp_min(0).sqrt()).float()


class VonMisesPosterior(Posterior):
    """A von Mises on the circle, q(c) = exp(kappa cos(pi (c - mean))) / (2 I0(kappa)), c in half turns.

    Mardia and Jupp 2000, section 3.5.4. It has natural parameters, kappa times the direction of the mean, as
    are the logits of a softmax: log q is concave in them, and smooth at the zero vector, where it is the
    prior. A direction with a separate concentration would have infinite gradients there.

    Args:
        natural: cosine parts of all dimensions, then sine parts. The length of a pair is kappa.
        most: the largest kappa, above 0; a longer pair is shortened.
    """

    def __init__(self, natural: Float[Tensor, "n parts"], most: float) -> None:
        # For a large kappa, float32 loses the small difference kappa cos - log I0 of large numbers.
        cosine, sine = natural.double().chunk(2, dim=1)
        scale = most / _length(cosine, sine).clamp_min(most)
        self.cosine, self.sine = cosine * scale, sine * scale
        self.kappa = _length(self.cosine, self.sine)

    def log_prob(self, values: Float[Tensor, "n width"]) -> Float[Tensor, " n"]:
        angle = math.pi * values.double()
        along = self.cosine * angle.cos() + self.sine * angle.sin()
        # i0e(kappa) = exp(-kappa) I0(kappa), which does not overflow.
        log_i0: Tensor = torch.special.i0e(self.kappa).log() + self.kappa
        return (along - log_i0 - math.log(2)).sum(1).float()

    @property
    def mean(self) -> Float[Tensor, "n width"]:
        """The mean direction, in half turns from -1 to 1; 0 at a kappa of 0."""
        angle: Tensor = torch.atan2(self.sine, self.cosine)
        return wrap((angle / math.pi).float())

    @property
    def std(self) -> Float[Tensor, "n width"]:
        """The circular standard deviation, sqrt(-2 ln A(kappa)) / pi half turns, as `std_min` limits it.

        It is infinite at a kappa of 0. The resultant is clamped to keep it below 4, so that its mean over
        images is finite.
        """
        resultant = _resultant(self.kappa).clamp_min(1e-30)
        return ((-2 * resultant.log()).sqrt() / math.pi).float()


class BernoulliPosterior(Posterior):
    """Independent binary codes, from logits."""

    def __init__(self, logits: Float[Tensor, "n width"]) -> None:
        self.logits = logits.float()

    def log_prob(self, values: Float[Tensor, "n width"]) -> Float[Tensor, " n"]:
        return -F.binary_cross_entropy_with_logits(self.logits, values, reduction="none").sum(1)

    @property
    def mean(self) -> Float[Tensor, "n width"]:
        return self.logits.sigmoid()


def wrap(half_turns: Tensor) -> Tensor:
    """Return the angles in [-1, 1); those in this range already are unchanged."""
    turned: Tensor = half_turns - 2 * ((half_turns + 1) / 2).floor()
    return turned


def _length(cosine: Tensor, sine: Tensor) -> Tensor:
    """Return sqrt(cosine^2 + sine^2), with a gradient of 0 at 0, where that of hypot is nan."""
    length: Tensor = torch.linalg.vector_norm(torch.stack([cosine, sine]), dim=0)
    return length


def _resultant(kappa: Tensor) -> Tensor:
    """Return A(kappa) = I1(kappa) / I0(kappa), the mean cosine of the error, from 0 to 1."""
    resultant: Tensor = torch.special.i1e(kappa) / torch.special.i0e(kappa)
    return resultant


@cache
def concentration(std: float) -> float:
    """Return the kappa of a circular standard deviation in half turns: A(kappa) = exp(-(pi std)^2 / 2).

    Args:
        std: from 1e-4, a kappa of 1e7, to 1, one of 0.014.
    """
    target = math.exp(-((math.pi * std) ** 2) / 2)
    low, high = -10.0, 25.0  # of ln kappa; A increases with it
    for _ in range(60):
        middle = (low + high) / 2
        kappa = torch.tensor(math.exp(middle), dtype=torch.float64)
        low, high = (middle, high) if float(_resultant(kappa)) < target else (low, middle)
    return math.exp(low)


def _log_normal_density(x: Tensor) -> Tensor:
    return -0.5 * x.square() - 0.5 * math.log(2 * math.pi)


def _log_normal_mass(low: Tensor, high: Tensor) -> Tensor:
    """Return log(Phi(high) - Phi(low)), exact in both tails."""
    # In the upper tail both Phi round to 1; those of the mirror image are small and exact.
    mirror = low > 0
    low, high = torch.where(mirror, -high, low), torch.where(mirror, -low, high)
    log_high: Tensor = torch.special.log_ndtr(high)
    return log_high + torch.log(-torch.expm1(torch.special.log_ndtr(low) - log_high))
