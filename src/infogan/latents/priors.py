"""Priors: P(c) of a code, how it is sampled, and how its posterior is computed from raw outputs."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from functools import cache
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from infogan.config import Bernoulli, Categorical, Continuous, Gaussian, Normal, Periodic, Uniform
from infogan.latents.posteriors import (
    BernoulliPosterior,
    GaussianPosterior,
    Posterior,
    SoftmaxPosterior,
    TruncatedGaussianPosterior,
    VonMisesPosterior,
    concentration,
    wrap,
)


class Prior(nn.Module, ABC):
    """P(c) of one code: its samples, its entropy and its posterior.

    A new sort of code is a dataclass in `config.codes` and a subclass here that names it.
    """

    of: ClassVar[dict[type, type[Prior]]] = {}

    def __init__(self, code: Any) -> None:
        super().__init__()
        self.code = code

    def __init_subclass__(cls, *, code: type | None = None) -> None:
        if code is not None:
            Prior.of[code] = cls

    @property
    def discrete(self) -> bool:
        """True if the code has finitely many values, so that H(c) is a ceiling of the information."""
        return not isinstance(self.code, Continuous)

    @property
    def width(self) -> int:
        """The number of columns of a value of this code."""
        return int(self.code.dim)

    @property
    def input_width(self) -> int:
        """The number of inputs of the generator for this code."""
        return self.width

    @property
    def period(self) -> float | None:
        """The period of an angle; None for all other codes."""
        return None

    @property
    def posterior_width(self) -> int:
        """The number of raw outputs of the recognition head for this code."""
        return self.width

    @property
    @abstractmethod
    def entropy(self) -> float:
        """H(c) in nats, exact; the ceiling of the mutual information for discrete codes only."""

    @abstractmethod
    def sample(self, count: int, generator: torch.Generator) -> Float[Tensor, "count width"]:
        """Return `count` independent samples, on the generator's device."""

    @property
    def has_fixed_std(self) -> bool:
        """True if the posterior is a Gaussian whose std is configured and not predicted."""
        return False

    @property
    def centre(self) -> float:
        """The value that is 0 after `standardise`."""
        return 0.0

    @property
    def unit(self) -> float:
        """The distance from the centre that is 1 after `standardise`."""
        return 1.0

    def standardise(self, values: Float[Tensor, "n width"]) -> Float[Tensor, "n inputs"]:
        """Return values as the generator's input, with the code's range scaled to [-1, 1]."""
        return (values - self.centre) / self.unit

    def unstandardise(self, inputs: Float[Tensor, "n inputs"]) -> Float[Tensor, "n width"]:
        """Return the inverse of `standardise`."""
        return inputs * self.unit + self.centre

    @abstractmethod
    def posterior(self, raw: Float[Tensor, "n outputs"]) -> Posterior:
        """Return Q(c|x), from the head's raw outputs [N, posterior_width]."""

    @abstractmethod
    def traversal(self) -> Float[Tensor, "steps width"]:
        """Return the values of a traversal of this code, along its first dimension."""


class CategoricalPrior(Prior, code=Categorical):
    """Cat(K = size), one-hot; with equal probabilities unless the code has its own."""

    code: Categorical

    @property
    def width(self) -> int:
        return self.code.dim * self.code.size

    @property
    def entropy(self) -> float:
        if self.code.probabilities is not None:
            return -self.code.dim * sum(p * math.log(p) for p in self.code.probabilities)
        return self.code.dim * math.log(self.code.size)

    def sample(self, count: int, generator: torch.Generator) -> Float[Tensor, "count width"]:
        shape = (count, self.code.dim)
        if self.code.probabilities is not None:
            weights = _weights(self.code.probabilities, generator.device).expand(self.code.dim, -1)
            index = torch.multinomial(weights, count, replacement=True, generator=generator)
            return one_hot(index.t(), self.code.size).flatten(1)
        index = torch.randint(self.code.size, shape, generator=generator, device=generator.device)
        return one_hot(index, self.code.size).flatten(1)

    def posterior(self, raw: Float[Tensor, "n outputs"]) -> SoftmaxPosterior:
        return SoftmaxPosterior(raw, self.code.size)

    def traversal(self) -> Float[Tensor, "steps width"]:
        values = torch.zeros(self.code.size, self.code.dim, self.code.size)
        values[:, 1:, 0] = 1
        values[:, 0] = torch.eye(self.code.size)
        return values.flatten(1)


class _LinePrior(Prior):
    """The base of uniform and normal codes: a Gaussian posterior with a learned or a fixed std."""

    code: Uniform | Normal

    @property
    def has_fixed_std(self) -> bool:
        family = self.code.posterior
        return isinstance(family, Gaussian) and family.std != "learned"

    @property
    def posterior_width(self) -> int:
        return self.code.dim * (1 if self.has_fixed_std else 2)

    def _location_and_scale(self, raw: Tensor) -> tuple[Tensor, Tensor]:
        family, raw = self.code.posterior, raw.float()
        if isinstance(family, Gaussian) and not isinstance(family.std, str):
            location, scale = raw, torch.full_like(raw, family.std)
        else:
            location, log_scale = raw.chunk(2, dim=1)
            scale = log_scale.clamp(math.log(family.std_min), math.log(family.std_max)).exp()
        if isinstance(family, Gaussian) and family.reach is not None:
            location = family.reach * (location / family.reach).tanh()
        return self.unstandardise(location), scale * self.unit

    def posterior(self, raw: Float[Tensor, "n outputs"]) -> Posterior:
        return GaussianPosterior(*self._location_and_scale(raw))

    def _line(self, low: float, high: float, steps: int = 9) -> Float[Tensor, "steps width"]:
        values = torch.zeros(steps, self.code.dim)
        values[:, 0] = torch.linspace(low, high, steps)
        return values


class UniformPrior(_LinePrior, code=Uniform):
    """Unif(low, high)."""

    code: Uniform

    @property
    def entropy(self) -> float:
        return self.code.dim * math.log(self.code.high - self.code.low)

    @property
    def centre(self) -> float:
        return (self.code.low + self.code.high) / 2

    @property
    def unit(self) -> float:
        return (self.code.high - self.code.low) / 2

    def sample(self, count: int, generator: torch.Generator) -> Float[Tensor, "count width"]:
        values = torch.rand(count, self.code.dim, generator=generator, device=generator.device)
        return values * (self.code.high - self.code.low) + self.code.low

    def posterior(self, raw: Float[Tensor, "n outputs"]) -> Posterior:
        if isinstance(self.code.posterior, Gaussian):
            return super().posterior(raw)
        location, scale = self._location_and_scale(raw)
        return TruncatedGaussianPosterior(location, scale, self.code.low, self.code.high)

    def traversal(self) -> Float[Tensor, "steps width"]:
        """Return twice the trained range, as in Figure 2: -2 to 2 for Unif(-1, 1)."""
        values = self._line(self.centre - 2 * self.unit, self.centre + 2 * self.unit)
        values[:, 1:] = self.centre
        return values


class NormalPrior(_LinePrior, code=Normal):
    """N(0, 1)."""

    code: Normal

    @property
    def entropy(self) -> float:
        return self.code.dim * 0.5 * math.log(2 * math.pi * math.e)

    def sample(self, count: int, generator: torch.Generator) -> Float[Tensor, "count width"]:
        return torch.randn(count, self.code.dim, generator=generator, device=generator.device)

    def traversal(self) -> Float[Tensor, "steps width"]:
        return self._line(-2, 2)


class PeriodicPrior(Prior, code=Periodic):
    """Unif on the circle, in half turns from -1 to 1.

    The generator's input is the cosine and sine of an angle, so that -1 and 1 give the same image.
    """

    code: Periodic

    @property
    def input_width(self) -> int:
        return 2 * self.code.dim

    @property
    def period(self) -> float:
        return self.code.high - self.code.low

    @property
    def posterior_width(self) -> int:
        return 2 * self.code.dim

    @property
    def entropy(self) -> float:
        return self.code.dim * math.log(self.period)

    def sample(self, count: int, generator: torch.Generator) -> Float[Tensor, "count width"]:
        values = torch.rand(count, self.code.dim, generator=generator, device=generator.device)
        return values * self.period + self.code.low

    def standardise(self, values: Float[Tensor, "n width"]) -> Float[Tensor, "n inputs"]:
        """Return cosines of all dimensions, then sines; wrapped, as sin(pi) and sin(-pi) round apart."""
        angle = math.pi * wrap(values)
        return torch.cat([angle.cos(), angle.sin()], dim=1)

    def unstandardise(self, inputs: Float[Tensor, "n inputs"]) -> Float[Tensor, "n width"]:
        """Return the inverse of `standardise`, up to rounding and whole turns."""
        cosine, sine = inputs.chunk(2, dim=1)
        return wrap(torch.atan2(sine, cosine) / math.pi)

    def posterior(self, raw: Float[Tensor, "n outputs"]) -> VonMisesPosterior:
        return VonMisesPosterior(raw, concentration(self.code.posterior.std_min))

    def traversal(self) -> Float[Tensor, "steps width"]:
        """Return one full turn in eight steps without its end, which is the same as its start."""
        steps = 8
        values = torch.zeros(steps, self.code.dim)
        values[:, 0] = self.code.low + self.period * torch.arange(steps) / steps
        return values


class BernoulliPrior(Prior, code=Bernoulli):
    """1 with the code's probability, and else 0."""

    code: Bernoulli

    @property
    def entropy(self) -> float:
        p = self.code.probability
        return -self.code.dim * (p * math.log(p) + (1 - p) * math.log1p(-p))

    def sample(self, count: int, generator: torch.Generator) -> Float[Tensor, "count width"]:
        values = torch.rand(count, self.code.dim, generator=generator, device=generator.device)
        return (values < self.code.probability).float()

    def posterior(self, raw: Float[Tensor, "n outputs"]) -> BernoulliPosterior:
        return BernoulliPosterior(raw)

    def traversal(self) -> Float[Tensor, "steps width"]:
        values = torch.zeros(2, self.code.dim)
        values[1, 0] = 1
        return values


def one_hot(index: Int64[Tensor, "*any"], size: int) -> Float[Tensor, "*any size"]:
    """Return float one-hot vectors; unlike torch's function it never reads a value on the host."""
    zeros = torch.zeros(*index.shape, size, device=index.device)
    return zeros.scatter_(-1, index[..., None], 1.0)


@cache
def _weights(probabilities: tuple[float, ...], device: torch.device) -> Float[Tensor, " k"]:
    """Return the probabilities as a tensor that stays on the device."""
    return torch.tensor(probabilities, device=device)
