"""The latent vector (section 4): the noise and all codes, the input of the generator."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from infogan.config import LatentsConfig
from infogan.latents.posteriors import Posterior
from infogan.latents.priors import CategoricalPrior, Prior

CodeDimension = tuple[str, int]
"""The name of a code, and the index of one of its dimensions."""

Codes = dict[str, Tensor]
"""Values of every code by name, float [N, width]; categories are one-hot."""


class Latents(nn.Module):
    """The generator's input: noise and the named codes, in the order of the configuration (section 4)."""

    def __init__(self, config: LatentsConfig) -> None:
        super().__init__()
        self.noise, self.noise_prior = config.noise, config.noise_prior
        self.priors: dict[str, Prior] = {
            name: Prior.of[type(code)](code) for name, code in config.codes.items()
        }
        for name, prior in self.priors.items():
            self.add_module(
                f"prior_{name}", prior
            )  # a prefix, as the name of a code may be an attribute of Module

    @property
    def width(self) -> int:
        """The number of inputs of the generator, noise and codes."""
        return self.noise + sum(prior.input_width for prior in self.priors.values())

    @property
    def posterior_width(self) -> int:
        """The number of raw outputs of the recognition head for all codes."""
        return sum(prior.posterior_width for prior in self.priors.values())

    @property
    def categorical(self) -> dict[str, CategoricalPrior]:
        """The categorical codes."""
        return {name: prior for name, prior in self.priors.items() if isinstance(prior, CategoricalPrior)}

    @property
    def categorical_dimensions(self) -> list[CodeDimension]:
        """Every dimension of every categorical code."""
        return [(name, index) for name, prior in self.categorical.items() for index in range(prior.code.dim)]

    def dimension_name(self, code_dimension: CodeDimension) -> str:
        """Return the code's name, with the index of the dimension if the code has several: shape[1]."""
        name, index = code_dimension
        return name if self.priors[name].code.dim == 1 else f"{name}[{index}]"

    def category_probabilities(
        self, raw: Float[Tensor, "n outputs"]
    ) -> dict[CodeDimension, Float[Tensor, "n k"]]:
        """Return Q's probabilities of the categories, by dimension of a categorical code."""
        posteriors = self.posteriors(raw)
        return {
            (name, index): posteriors[name].mean.unflatten(1, (self.categorical[name].code.dim, -1))[:, index]
            for name, index in self.categorical_dimensions
        }

    @property
    def subcode_width(self) -> int:
        """The number of raw outputs for two sub-codes of each category of each categorical code."""
        return 2 * sum(prior.width for prior in self.categorical.values())

    @property
    def entropies(self) -> dict[str, float]:
        """The entropy H(c_i) of each code in nats."""
        return {name: prior.entropy for name, prior in self.priors.items()}

    def sample_noise(self, count: int, generator: torch.Generator) -> Float[Tensor, "count noise"]:
        """Sample noise, from Unif(-1, 1) as in the authors' code, or from a standard normal distribution."""
        shape = (count, self.noise)
        if self.noise_prior == "normal":
            return torch.randn(shape, generator=generator, device=generator.device)
        return torch.rand(shape, generator=generator, device=generator.device) * 2 - 1

    def sample_codes(self, count: int, generator: torch.Generator) -> Codes:
        """Sample every code from its prior."""
        return {name: prior.sample(count, generator) for name, prior in self.priors.items()}

    @property
    def dimensions(self) -> list[tuple[str, slice]]:
        """Every code dimension, as the code's name and the columns of its values."""
        return [
            (name, slice(start, start + prior.width // prior.code.dim))
            for name, prior in self.priors.items()
            for start in range(0, prior.width, prior.width // prior.code.dim)
        ]

    def sample_pairs(
        self, count: int, generator: torch.Generator
    ) -> tuple[Float[Tensor, "count width"], Float[Tensor, "count width"], Int64[Tensor, " count"]]:
        """Sample pairs of latents that share their noise and one code dimension.

        All other codes are sampled separately (Lin et al. 2020, section 3, with a gap of 0).

        Returns:
            The first and the second latents of each pair, and the index of the shared one of `dimensions`.
        """
        noise = self.sample_noise(count, generator)
        first, second = self.sample_codes(count, generator), self.sample_codes(count, generator)
        dimensions = self.dimensions
        shape, device = (count,), generator.device
        shared = torch.randint(len(dimensions), shape, generator=generator, device=device)
        for number, (name, columns) in enumerate(dimensions):
            same = (shared == number)[:, None]
            second[name][:, columns] = torch.where(same, first[name][:, columns], second[name][:, columns])
        return self.join(noise, first), self.join(noise, second), shared

    def join(self, noise: Float[Tensor, "n noise"], codes: Mapping[str, Tensor]) -> Float[Tensor, "n width"]:
        """Return the latent vectors: the noise, then the standardised codes."""
        standard = (prior.standardise(codes[name]) for name, prior in self.priors.items())
        return torch.cat([noise, *standard], dim=1)

    def split(self, latents: Float[Tensor, "n width"]) -> tuple[Float[Tensor, "n noise"], Codes]:
        """Return noise and codes of latent vectors, the inverse of `join`; angles up to rounding."""
        widths = [self.noise, *(prior.input_width for prior in self.priors.values())]
        noise, *codes = latents.split(widths, dim=1)
        priors = zip(self.priors.items(), codes, strict=True)
        return noise, {name: prior.unstandardise(inputs) for (name, prior), inputs in priors}

    def posteriors(self, raw: Float[Tensor, "n outputs"]) -> dict[str, Posterior]:
        """Return Q(c_i|x) of every code, from the recognition head's raw outputs."""
        parts = raw.split([prior.posterior_width for prior in self.priors.values()], dim=1)
        return {
            name: prior.posterior(part)
            for (name, prior), part in zip(self.priors.items(), parts, strict=True)
        }
