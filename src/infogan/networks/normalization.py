"""What keeps layers in bounds: batch norm that keeps real and generated images apart, and spectral norm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils import parametrize

Domain = Literal["real", "fake", "noisy"]
"""Where images come from. Real and generated ones are normalised apart, in training and after it; and so are
those through whose noise continuous codes are read, where a configuration has any."""

AnyLayer = TypeVar("AnyLayer", bound=nn.Module)

_ORIGINAL = "parametrizations.weight.original"  # torch's name for it
_FIRST_ITERATIONS = 15


class BatchNorm(nn.Module):
    """Batch norm of [N, F] or [N, C, H, W] that keeps real and generated images apart.

    While training, each domain's part of the batch is normalised by its own statistics. Afterwards an
    image is normalised by the running statistics of its domain, so that its code does not depend on the
    batch that it comes in, nor on how far generated images are from real ones.
    """

    eps = 1e-5
    momentum = 0.1

    def __init__(self, features: int, domains: Sequence[Domain]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(features))
        self.bias = nn.Parameter(torch.empty(features))
        for domain in domains:
            self.add(domain)

    def add(self, domain: Domain) -> None:
        """Keeps running statistics of one more domain."""
        for name in ("mean", "var"):
            self.register_buffer(f"{domain}_{name}", torch.empty_like(self.weight, requires_grad=False))

    def forward(self, x: Tensor, domains: Sequence[Domain]) -> Tensor:
        """`x` holds as many images of each domain, one domain after the other."""
        parts = [
            F.batch_norm(
                part,
                self.get_buffer(f"{domain}_mean"),
                self.get_buffer(f"{domain}_var"),
                self.weight,
                self.bias,
                training=self.training,
                momentum=self.momentum,
                eps=self.eps,
            )
            for part, domain in zip(x.chunk(len(domains)), domains, strict=True)
        ]
        return parts[0] if len(parts) == 1 else torch.cat(parts)


class SpectralNorm(nn.Module):
    """A weight brought to a largest singular value of `bound` (Miyato et al. 2018: of 1).

    A leaky ReLU of slope .1 takes half of the energy from layer to layer: a bound above 1 gives it back to D.
    docs/recipe.md has what was measured, which is little.

    The weight is read as a matrix [outputs, all else]. One power iteration each time that it is read in
    training follows its singular vector, which is kept with the weights.
    """

    def __init__(self, outputs: int, bound: float) -> None:
        super().__init__()
        self.bound = bound
        self.register_buffer("vector", torch.empty(outputs))

    def forward(self, weight: Tensor) -> Tensor:
        """The normalised weight, of the same shape."""
        with torch.autocast(weight.device.type, enabled=False):
            matrix = weight.flatten(1)
            if self.training:
                self.iterate(matrix)
            vector = self.get_buffer("vector").clone()  # a later pass changes it before this one's gradient
            with torch.no_grad():
                other = F.normalize(vector @ matrix, dim=0, eps=1e-12)
            largest = vector @ (matrix @ other)
            return weight * (self.bound / largest)

    @torch.no_grad()
    def iterate(self, matrix: Float[Tensor, "outputs inputs"]) -> None:
        """One power iteration."""
        vector = self.get_buffer("vector")
        other = F.normalize(vector @ matrix, dim=0, eps=1e-12)
        vector.copy_(F.normalize(matrix @ other, dim=0, eps=1e-12))


def add_domain(module: nn.Module, domain: Domain) -> None:
    """One more domain for every batch norm in a module, at any depth."""
    for part in module.modules():
        if isinstance(part, BatchNorm):
            part.add(domain)


def bounded(layer: AnyLayer, bound: float | None) -> AnyLayer:
    """The layer itself where batch norm stands behind it (a bound of None), else under spectral norm."""
    return layer if bound is None else spectral(layer, bound)


def spectral(layer: AnyLayer, bound: float) -> AnyLayer:
    """The same layer with its weight under spectral norm."""
    assert isinstance(layer.weight, Tensor)
    # Unsafe: shapes stay, and a check of that would need numbers.
    parametrize.register_parametrization(layer, "weight", SpectralNorm(len(layer.weight), bound), unsafe=True)
    return layer


def raw_weight(layer: nn.Module) -> Tensor:
    """The weight that is learned, which spectral norm divides."""
    return layer.get_parameter(_ORIGINAL if parametrize.is_parametrized(layer) else "weight")


def begin_spectrum(layer: nn.Module, generator: torch.Generator) -> None:
    """A first singular vector of a weight that was just drawn, near enough to begin with."""
    if parametrize.is_parametrized(layer):
        norm = layer.get_submodule("parametrizations.weight.0")
        assert isinstance(norm, SpectralNorm)
        nn.init.normal_(norm.get_buffer("vector"), generator=generator)
        for _ in range(_FIRST_ITERATIONS):
            norm.iterate(raw_weight(layer).flatten(1))
