"""Priors: P(c) of a code, how it is sampled, and how its posterior is computed from raw outputs."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
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
    """P(c) of one code: how it is drawn, how uncertain it is, and how its posterior reads raw outputs.

    A new kind of code is a dataclass in config.py and a subclass here that names it.
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
        """Whether the code takes one of finitely many values, so that H(c) is a ceiling."""
        return not isinstance(self.code, Continuous)

    @property
    def width(self) -> int:
        """Numbers that a value of this code has."""
        return int(self.code.dim)

    @property
    def input_width(self) -> int:
        """Numbers that the generator reads for this code."""
        return self.width

    @property
    def period(self) -> float | None:
        """The distance after which values repeat themselves; None for codes on a line and categories."""
        return None

    @property
    def posterior_width(self) -> int:
        """Raw outputs of the recognition head for this code."""
        return self.width

    @property
    @abstractmethod
    def entropy(self) -> float:
        """H(c) in nats, exact; the ceiling of the mutual information for discrete codes only."""

    @abstractmethod
    def sample(self, count: int, generator: torch.Generator) -> Float[Tensor, "count width"]:
        """`count` independent draws, on the generator's device."""

    @property
    def has_fixed_std(self) -> bool:
        """Whether the code's posterior is a Gaussian whose std is a setting and not an answer of Q."""
        return False

    @property
    def centre(self) -> float:
        """The value that the networks see as 0."""
        return 0.0

    @property
    def unit(self) -> float:
        """The distance from the centre that the networks see as 1."""
        return 1.0

    def standardise(self, values: Float[Tensor, "n width"]) -> Float[Tensor, "n inputs"]:
        """Values as the generator reads them: whatever the code's range, as if it were [-1, 1]."""
        return (values - self.centre) / self.unit

    def unstandardise(self, inputs: Float[Tensor, "n inputs"]) -> Float[Tensor, "n width"]:
        """The inverse of `standardise`."""
        return inputs * self.unit + self.centre

    @abstractmethod
    def posterior(self, raw: Float[Tensor, "n outputs"]) -> Posterior:
        """Q(c|x) from the head's raw outputs, [N, posterior_width]."""

    @abstractmethod
    def traversal(self) -> Float[Tensor, "steps width"]:
        """The values that a traversal of this code shows (its first dimension, where it has several)."""


class CategoricalPrior(Prior, code=Categorical):
    """Cat(K = size), one-hot; all categories equally probable unless the code says otherwise."""

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
            weights = torch.tensor(self.code.probabilities, device=generator.device).expand(self.code.dim, -1)
            drawn = torch.multinomial(weights, count, replacement=True, generator=generator)
            return F.one_hot(drawn.t(), self.code.size).flatten(1).float()
        index = torch.randint(self.code.size, shape, generator=generator, device=generator.device)
        return F.one_hot(index, self.code.size).flatten(1).float()

    def posterior(self, raw: Float[Tensor, "n outputs"]) -> SoftmaxPosterior:
        return SoftmaxPosterior(raw, self.code.size)

    def traversal(self) -> Float[Tensor, "steps width"]:
        values = torch.zeros(self.code.size, self.code.dim, self.code.size)
        values[:, 1:, 0] = 1
        values[:, 0] = torch.eye(self.code.size)
        return values.flatten(1)


class _LinePrior(Prior):
    """What uniform and normal codes share: a Gaussian reading with a learned or a fixed std."""

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
        """Twice the trained range, as the paper shows it: -2 to 2 for Unif(-1, 1) (Figure 2)."""
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

    The generator reads an angle as its cosine and sine, so that -1 and 1 are one input and one picture.
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
        """Cosines of all dimensions, then sines. Wrapped first: sin(pi) and sin(-pi) round differently."""
        angle = math.pi * wrap(values)
        return torch.cat([angle.cos(), angle.sin()], dim=1)

    def unstandardise(self, inputs: Float[Tensor, "n inputs"]) -> Float[Tensor, "n width"]:
        """The inverse of `standardise`, up to rounding and whole turns."""
        cosine, sine = inputs.chunk(2, dim=1)
        return wrap(torch.atan2(sine, cosine) / math.pi)

    def posterior(self, raw: Float[Tensor, "n outputs"]) -> VonMisesPosterior:
        return VonMisesPosterior(raw, concentration(self.code.posterior.std_min))

    def traversal(self) -> Float[Tensor, "steps width"]:
        """One full turn in eight steps without its end, so that the last picture leads on to the first."""
        steps = 8
        values = torch.zeros(steps, self.code.dim)
        values[:, 0] = self.code.low + self.period * torch.arange(steps) / steps
        return values


class BernoulliPrior(Prior, code=Bernoulli):
    """1 with the code's probability, else 0."""

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
