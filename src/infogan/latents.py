"""What the generator reads: noise and named codes; their priors, entropies and posteriors.

A code's prior P(c) and the family of its posterior Q(c|x) are two things: a uniform code may be read by a
Gaussian (the paper) or by a Gaussian truncated to its support. A periodic code, an angle, is read by a von
Mises. All information is in nats.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from infogan.config import (
    Bernoulli,
    Categorical,
    Continuous,
    Gaussian,
    LatentsConfig,
    Normal,
    Periodic,
    Uniform,
)

Place = tuple[str, int]
"""A code and which of its dimensions."""

Codes = dict[str, Tensor]
"""Values of every code by name, float [N, width]: categories one-hot, the others as they are."""


# --- posteriors: Q(c|x), from the raw outputs of the recognition head ------------------------------------


class Posterior(ABC):
    """Q(c|x) of one code for a batch of images."""

    @abstractmethod
    def log_prob(self, values: Float[Tensor, "n width"]) -> Float[Tensor, " n"]:
        """log Q(c|x) in nats, summed over the code's dimensions."""

    @property
    @abstractmethod
    def mean(self) -> Float[Tensor, "n width"]:
        """The expected value of the code: probabilities for categories and for Bernoulli codes."""

    @property
    def std(self) -> Float[Tensor, "n width"] | None:
        """Standard deviation of a continuous code, in the code's own units; None for discrete codes."""
        return None


class SoftmaxPosterior(Posterior):
    """Categories: a softmax over each dimension's raw outputs (appendix C)."""

    def __init__(self, raw: Float[Tensor, "n width"], size: int) -> None:
        # log_softmax of raw outputs, once: a softmax before a cross-entropy could not fall below 1.46.
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
    """A Gaussian cut to [low, high] and renormalised: all of its mass lies where the prior's lies."""

    def __init__(
        self, location: Float[Tensor, "n width"], scale: Float[Tensor, "n width"], low: float, high: float
    ) -> None:
        # Far outside the support all that follows are small differences of large numbers: float32 loses them.
        self.location, self.scale = location.double(), scale.double()
        self.alpha, self.beta = (low - self.location) / self.scale, (high - self.location) / self.scale
        self.log_mass = _log_normal_mass(self.alpha, self.beta)

    def log_prob(self, values: Float[Tensor, "n width"]) -> Float[Tensor, " n"]:
        density = _log_normal_density((values - self.location) / self.scale)
        return (density - self.scale.log() - self.log_mass).sum(1).float()

    def _densities(self) -> tuple[Tensor, Tensor]:
        """Standard normal density at both cuts, over the mass between them."""
        at = [(_log_normal_density(cut) - self.log_mass).exp() for cut in (self.alpha, self.beta)]
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

    Mardia and Jupp 2000, section 3.5.4. It is given by its natural parameters, kappa times the direction of
    the mean, as a softmax is by logits: log q is concave in them and smooth at the zero vector, where it is
    the prior. The direction of a vector, with a concentration of its own, would have infinite slopes there.

    Args:
        natural: cosine parts of all dimensions, then sine parts. The length of such a pair is kappa.
        most: kappa's limit, above 0; a longer pair keeps its direction.
    """

    def __init__(self, natural: Float[Tensor, "n parts"], most: float) -> None:
        # Where kappa is large, kappa cos - log I0 is a small difference of large numbers: float32 loses it.
        cosine, sine = natural.double().chunk(2, dim=1)
        kept = most / _length(cosine, sine).clamp_min(most)
        self.cosine, self.sine = cosine * kept, sine * kept
        self.kappa = _length(self.cosine, self.sine)

    def log_prob(self, values: Float[Tensor, "n width"]) -> Float[Tensor, " n"]:
        angle = math.pi * values.double()
        along = self.cosine * angle.cos() + self.sine * angle.sin()
        # i0e(kappa) = exp(-kappa) I0(kappa), which no kappa overflows.
        log_i0: Tensor = torch.special.i0e(self.kappa).log() + self.kappa
        return (along - log_i0 - math.log(2)).sum(1).float()

    @property
    def mean(self) -> Float[Tensor, "n width"]:
        """The mean direction, in half turns from -1 to 1; 0 where there is none, at a kappa of 0."""
        angle: Tensor = torch.atan2(self.sine, self.cosine)
        return wrap((angle / math.pi).float())

    @property
    def std(self) -> Float[Tensor, "n width"]:
        """The circular standard deviation, sqrt(-2 ln A(kappa)) / pi half turns, as `std_min` limits it.

        It has no largest value: without any concentration it is infinite. The least resultant keeps it
        below 4, so that its mean over images is a number.
        """
        resultant = _resultant(self.kappa).clamp_min(1e-30)
        return ((-2 * resultant.log()).sqrt() / math.pi).float()


class BernoulliPosterior(Posterior):
    """Independent yes-or-no codes from logits."""

    def __init__(self, logits: Float[Tensor, "n width"]) -> None:
        self.logits = logits.float()

    def log_prob(self, values: Float[Tensor, "n width"]) -> Float[Tensor, " n"]:
        return -F.binary_cross_entropy_with_logits(self.logits, values, reduction="none").sum(1)

    @property
    def mean(self) -> Float[Tensor, "n width"]:
        return self.logits.sigmoid()


def wrap(half_turns: Tensor) -> Tensor:
    """The same angles from -1 up to, but not including, 1. What lies there already is left as it is."""
    turned: Tensor = half_turns - 2 * ((half_turns + 1) / 2).floor()
    return turned


def _length(cosine: Tensor, sine: Tensor) -> Tensor:
    """sqrt(cosine^2 + sine^2), with a gradient of 0 at 0, where hypot's has none."""
    length: Tensor = torch.linalg.vector_norm(torch.stack([cosine, sine]), dim=0)
    return length


def _resultant(kappa: Tensor) -> Tensor:
    """A(kappa) = I1(kappa) / I0(kappa) = E cos(error) of a von Mises, from 0 to 1."""
    resultant: Tensor = torch.special.i1e(kappa) / torch.special.i0e(kappa)
    return resultant


@cache
def concentration(std: float) -> float:
    """The kappa whose circular standard deviation is `std` half turns: A(kappa) = exp(-(pi std)^2 / 2).

    Args:
        std: from 1e-4, a kappa of 1e7, to 1, one of 0.014.
    """
    wanted = math.exp(-((math.pi * std) ** 2) / 2)
    low, high = -10.0, 25.0  # of ln kappa; A rises with it
    for _ in range(60):
        middle = (low + high) / 2
        kappa = torch.tensor(math.exp(middle), dtype=torch.float64)
        low, high = (middle, high) if float(_resultant(kappa)) < wanted else (low, middle)
    return math.exp(low)


def _log_normal_density(x: Tensor) -> Tensor:
    return -0.5 * x.square() - 0.5 * math.log(2 * math.pi)


def _log_normal_mass(low: Tensor, high: Tensor) -> Tensor:
    """log(Phi(high) - Phi(low)), exact in both tails."""
    # In the upper tail both Phi round to 1: use the mirror image, whose values are small and exact.
    mirror = low > 0
    low, high = torch.where(mirror, -high, low), torch.where(mirror, -low, high)
    log_high: Tensor = torch.special.log_ndtr(high)
    return log_high + torch.log(-torch.expm1(torch.special.log_ndtr(low) - log_high))


LEAST_EQUAL = 0.05
"""Least part of equal shares in a learned prior. Many categories keep the entropy high while one dies out."""


def with_entropy(shares: Float[Tensor, " k"], floor: float, least: float = 0.0) -> Float[Tensor, " k"]:
    """The same shares mixed with equal ones, as little as brings their entropy up to a floor.

    Args:
        shares: sum to 1.
        floor: in units of the entropy of equal shares, ln K.
        least: part of equal shares in the mixture that is there in any case.
    """
    equal = torch.full_like(shares, 1 / len(shares))

    def enough(part: float) -> bool:
        mixed = torch.lerp(shares, equal, part)
        return float(torch.special.entr(mixed).sum()) >= floor * math.log(len(shares))

    if enough(least):
        return torch.lerp(shares, equal, least)
    low, high = least, 1.0
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return torch.lerp(shares, equal, high)


# --- priors: P(c) ----------------------------------------------------------------------------------------


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
    """Cat(K = size, p = 1/size), one-hot; or with shares p that are learned, and kept with the weights.

    Attributes:
        shares: how often each category is drawn, [dim, size], where that is learned; None: all equally often.
    """

    code: Categorical
    shares: Tensor | None

    def __init__(self, code: Categorical) -> None:
        super().__init__(code)
        # Kept with the weights where it is learned, and else no part of them.
        self.register_buffer("shares", torch.empty(code.dim, code.size) if code.prior == "learned" else None)
        self.reset()

    def reset(self) -> None:
        """Equal shares."""
        if self.shares is not None:
            self.shares.fill_(1 / self.code.size)

    @torch.no_grad()
    def follow(self, dimension: int, usage: Float[Tensor, " size"], rate: float) -> None:
        """Moves the shares of a dimension towards how often each category is read from real images.

        Args:
            dimension: of the code.
            usage: sums to 1.
            rate: how far, from 0 to 1.
        """
        assert self.shares is not None
        target = with_entropy(usage.to(self.shares.device), self.code.entropy_floor, LEAST_EQUAL)
        self.shares[dimension].lerp_(target, rate)

    @property
    def width(self) -> int:
        return self.code.dim * self.code.size

    @property
    def entropy(self) -> float:
        if self.shares is not None:
            return float(torch.special.entr(self.shares).sum())
        return self.code.dim * math.log(self.code.size)

    def sample(self, count: int, generator: torch.Generator) -> Float[Tensor, "count width"]:
        shape = (count, self.code.dim)
        if self.shares is not None:
            shares = self.shares.to(generator.device)
            drawn = torch.multinomial(shares, count, replacement=True, generator=generator)
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


# --- all latents together --------------------------------------------------------------------------------


class Latents(nn.Module):
    """The generator's input: noise and the named codes, in the order of the configuration (section 4)."""

    def __init__(self, config: LatentsConfig) -> None:
        super().__init__()
        self.noise, self.noise_prior = config.noise, config.noise_prior
        self.priors: dict[str, Prior] = {
            name: Prior.of[type(code)](code) for name, code in config.codes.items()
        }
        for name, prior in self.priors.items():
            self.add_module(f"prior_{name}", prior)  # a code may be called as something of a module's

    @property
    def learned_priors(self) -> dict[str, CategoricalPrior]:
        """The categorical codes whose prior is learned."""
        return {name: prior for name, prior in self.categorical.items() if prior.shares is not None}

    @property
    def width(self) -> int:
        """Inputs of the generator: noise and codes."""
        return self.noise + sum(prior.input_width for prior in self.priors.values())

    @property
    def posterior_width(self) -> int:
        """Raw outputs of the recognition head, all codes together."""
        return sum(prior.posterior_width for prior in self.priors.values())

    @property
    def categorical(self) -> dict[str, CategoricalPrior]:
        """The categorical codes."""
        return {name: prior for name, prior in self.priors.items() if isinstance(prior, CategoricalPrior)}

    @property
    def categorical_places(self) -> list[Place]:
        """Every dimension of every categorical code."""
        return [(name, index) for name, prior in self.categorical.items() for index in range(prior.code.dim)]

    def place_name(self, place: Place) -> str:
        """The code's name, with the dimension behind it where the code has several: shape[1]."""
        name, index = place
        return name if self.priors[name].code.dim == 1 else f"{name}[{index}]"

    def category_probabilities(self, raw: Float[Tensor, "n outputs"]) -> dict[Place, Float[Tensor, "n k"]]:
        """Q's probabilities of the categories of each dimension of each categorical code."""
        posteriors = self.posteriors(raw)
        return {
            (name, index): posteriors[name].mean.unflatten(1, (self.categorical[name].code.dim, -1))[:, index]
            for name, index in self.categorical_places
        }

    @property
    def subcode_width(self) -> int:
        """Raw outputs of two sub-codes for each category of each categorical code."""
        return 2 * sum(prior.width for prior in self.categorical.values())

    @property
    def entropies(self) -> dict[str, float]:
        """H(c_i) of each code in nats."""
        return {name: prior.entropy for name, prior in self.priors.items()}

    def sample_noise(self, count: int, generator: torch.Generator) -> Float[Tensor, "count noise"]:
        """Noise: Unif(-1, 1) as in the authors' code, or standard normal."""
        shape = (count, self.noise)
        if self.noise_prior == "normal":
            return torch.randn(shape, generator=generator, device=generator.device)
        return torch.rand(shape, generator=generator, device=generator.device) * 2 - 1

    def sample_codes(self, count: int, generator: torch.Generator) -> Codes:
        """Every code, drawn from its prior."""
        return {name: prior.sample(count, generator) for name, prior in self.priors.items()}

    @property
    def dimensions(self) -> list[tuple[str, slice]]:
        """Every single code: its name and the columns of its values, one for each dimension."""
        return [
            (name, slice(start, start + prior.width // prior.code.dim))
            for name, prior in self.priors.items()
            for start in range(0, prior.width, prior.width // prior.code.dim)
        ]

    def sample_pairs(
        self, count: int, generator: torch.Generator
    ) -> tuple[Float[Tensor, "count width"], Float[Tensor, "count width"], Int64[Tensor, " count"]]:
        """Two latents that share their noise and one single code, and which of `dimensions` that is.

        All other codes of the two are drawn apart (Lin et al. 2020, section 3, with a gap of 0).
        """
        noise = self.sample_noise(count, generator)
        first, second = self.sample_codes(count, generator), self.sample_codes(count, generator)
        places = self.dimensions
        shape, device = (count,), generator.device
        shared = torch.randint(len(places), shape, generator=generator, device=device)
        for number, (name, columns) in enumerate(places):
            same = shared == number
            second[name][same, columns] = first[name][same, columns]
        return self.join(noise, first), self.join(noise, second), shared

    def join(self, noise: Float[Tensor, "n noise"], codes: Mapping[str, Tensor]) -> Float[Tensor, "n width"]:
        """One row a picture: noise first, then the codes, standardised."""
        standard = (prior.standardise(codes[name]) for name, prior in self.priors.items())
        return torch.cat([noise, *standard], dim=1)

    def split(self, latents: Float[Tensor, "n width"]) -> tuple[Float[Tensor, "n noise"], Codes]:
        """The inverse of `join`; angles up to rounding."""
        widths = [self.noise, *(prior.input_width for prior in self.priors.values())]
        noise, *codes = latents.split(widths, dim=1)
        priors = zip(self.priors.items(), codes, strict=True)
        return noise, {name: prior.unstandardise(inputs) for (name, prior), inputs in priors}

    def posteriors(self, raw: Float[Tensor, "n outputs"]) -> dict[str, Posterior]:
        """Q(c_i|x) of every code from the recognition head's raw outputs."""
        parts = raw.split([prior.posterior_width for prior in self.priors.values()], dim=1)
        return {
            name: prior.posterior(part)
            for (name, prior), part in zip(self.priors.items(), parts, strict=True)
        }
