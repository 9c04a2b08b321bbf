"""Normalization layers: batch norm with separate statistics for real and generated images; spectral norm."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, TypeVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils import parametrize

Domain = Literal["real", "fake", "noisy"]
"""The origin of images. Batch norm has separate statistics for real images, generated images and, if Q
predicts continuous codes from noisy images, for noisy generated images."""

AnyLayer = TypeVar("AnyLayer", bound=nn.Module)

_ORIGINAL = "parametrizations.weight.original"  # torch's name
_FIRST_ITERATIONS = 15


class BatchNorm(nn.Module):
    """Batch norm of [N, F] or [N, C, H, W] with separate statistics for each domain.

    In training, each domain's part of the batch is normalised by its own statistics. In evaluation, an image
    is normalised by the running statistics of its domain. Its codes therefore depend neither on its batch nor
    on the other domains.

    Attributes:
        total: sums a tensor over all processes, with gradients, if each has a part of the batch.
    """

    eps = 1e-5
    momentum = 0.1

    def __init__(self, features: int, domains: Sequence[Domain]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(features))
        self.bias = nn.Parameter(torch.empty(features))
        self.total: Callable[[Tensor], Tensor] | None = None
        for domain in domains:
            self.add(domain)

    def add(self, domain: Domain) -> None:
        """Add running statistics of a domain."""
        for name in ("mean", "var"):
            self.register_buffer(f"{domain}_{name}", torch.empty_like(self.weight, requires_grad=False))

    def forward(self, x: Tensor, domains: Sequence[Domain]) -> Tensor:
        """Normalise `x`, which holds equally many images of each domain, one domain after the other."""
        normalise = self._normalise
        if self.training and self.total is not None:
            normalise = self._normalise_part
        parts = [normalise(part, domain) for part, domain in zip(by_domain(x, domains), domains, strict=True)]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def _normalise(self, x: Tensor, domain: Domain) -> Tensor:
        return F.batch_norm(
            x,
            self._statistics(f"{domain}_mean"),
            self._statistics(f"{domain}_var"),
            self.weight,
            self.bias,
            training=self.training,
            momentum=self.momentum,
            eps=self.eps,
        )

    def _normalise_part(self, x: Tensor, domain: Domain) -> Tensor:
        """Normalise a part of a batch by the statistics of the whole batch."""
        assert self.total is not None
        values, others = x.float(), [dimension for dimension in range(x.ndim) if dimension != 1]
        shape = (1, -1) + (1,) * (x.ndim - 2)
        count = values.new_full((1,), x.numel() / x.shape[1])
        *sums, count = self.total(torch.cat([values.sum(others), count])).split([x.shape[1], 1])
        mean = sums[0] / count
        centred = values - mean.view(shape)
        # The mean is subtracted first: a difference of large sums would lose the variance to rounding.
        var = self.total(centred.square().sum(others)) / count
        with torch.no_grad():
            for name, value in (("mean", mean), ("var", var * count / (count - 1))):
                self.get_buffer(f"{domain}_{name}").lerp_(value, self.momentum)
        scaled = centred * ((var + self.eps).rsqrt() * self.weight).view(shape) + self.bias.view(shape)
        normalised: Tensor = scaled.to(x.dtype)
        return normalised

    def _statistics(self, name: str) -> Tensor:
        statistics = self.get_buffer(name)
        # Evaluated inside a training step, a later pass changes the statistics before this one's gradient.
        return statistics if self.training or not torch.is_grad_enabled() else statistics.clone()


class SpectralNorm(nn.Module):
    """Scales a weight so that its largest singular value is `bound` (Miyato et al. 2018: 1).

    A leaky ReLU of slope 0.1 halves the energy of each layer's features; a bound above 1 compensates for it.
    docs/recipe.md has the measurements.

    The weight is treated as a matrix [outputs, all else]. Each forward pass in training makes one power
    iteration, which updates the singular vector stored with the weights; with `SharedIterations`, each
    training step makes one.
    """

    def __init__(self, outputs: int, bound: float) -> None:
        super().__init__()
        self.bound = bound
        self.register_buffer("vector", torch.empty(outputs))
        self.right: Tensor | None = None  # of the iteration of this step, if `SharedIterations` makes it

    def forward(self, weight: Tensor) -> Tensor:
        """Return the normalised weight, of the same shape."""
        with torch.autocast(weight.device.type, enabled=False):
            matrix = as_matrix(weight)
            if self.training and self.right is not None:
                return weight * (self.bound / (self.get_buffer("vector") @ (matrix @ self.right)))
            if self.training:
                self.iterate(matrix)
            vector = self.get_buffer("vector").clone()  # a later pass changes it before this one's gradient
            with torch.no_grad():
                right = F.normalize(vector @ matrix, dim=0, eps=1e-12)
            largest = vector @ (matrix @ right)
            return weight * (self.bound / largest)

    @torch.no_grad()
    def iterate(self, matrix: Float[Tensor, "outputs inputs"]) -> None:
        """Make one power iteration."""
        vector = self.get_buffer("vector")
        right = F.normalize(vector @ matrix, dim=0, eps=1e-12)
        vector.copy_(F.normalize(matrix @ right, dim=0, eps=1e-12))


def by_domain(x: Tensor, domains: Sequence[Domain]) -> tuple[Tensor, ...]:
    """Return the part of each domain of a batch, which holds equally many images of each."""
    # A chunk's size would depend on the batch, which an exported network must not fix.
    return (x,) if len(domains) == 1 else x.chunk(len(domains))


class SharedIterations:
    """Makes one power iteration per training step for all layers with spectral norm.

    All passes of the step use its singular vectors. The products of the layers are separate operations, and
    the vectors of all layers are normalised by a few operations together.

    Args:
        module: whose layers have spectral norm.
    """

    def __init__(self, module: nn.Module) -> None:
        found = [
            (part.get_submodule("parametrizations.weight.0"), raw_weight(part))
            for part in module.modules()
            if parametrize.is_parametrized(part, "weight")
        ]
        self._layers = [(norm, weight) for norm, weight in found if isinstance(norm, SpectralNorm)]
        for norm, weight in self._layers:
            norm.right = torch.zeros_like(as_matrix(weight.detach())[0])

    @torch.no_grad()
    def iterate(self) -> None:
        """Make one power iteration, before the passes of a step."""
        if not self._layers:
            return
        matrices = [as_matrix(weight) for _, weight in self._layers]
        left = [norm.get_buffer("vector") for norm, _ in self._layers]
        right = [norm.right for norm, _ in self._layers if norm.right is not None]
        _assign_units(right, [vector @ matrix for vector, matrix in zip(left, matrices, strict=True)])
        _assign_units(left, [matrix @ vector for vector, matrix in zip(right, matrices, strict=True)])
        _assign_units(right, [vector @ matrix for vector, matrix in zip(left, matrices, strict=True)])


def _assign_units(targets: list[Tensor], vectors: list[Tensor]) -> None:
    """Divide vectors by their lengths, and copy them to `targets`."""
    lengths = torch._foreach_norm(vectors)
    torch._foreach_clamp_min_(lengths, 1e-12)
    torch._foreach_div_(vectors, lengths)
    torch._foreach_copy_(targets, vectors)


def as_matrix(weight: Tensor) -> Float[Tensor, "outputs inputs"]:
    """Return a weight as a matrix.

    On a GPU the columns follow the order in memory, so that nothing is copied. On a CPU their order never
    changes, since it decides how sums are rounded.
    """
    follows = weight.is_cuda and weight.ndim == 4 and not weight.is_contiguous()
    return (weight.permute(0, 2, 3, 1) if follows else weight).flatten(1)


def add_domain(module: nn.Module, domain: Domain) -> None:
    """Add a domain to every batch norm in a module, at any depth."""
    for part in module.modules():
        if isinstance(part, BatchNorm):
            part.add(domain)


def bounded(layer: AnyLayer, bound: float | None) -> AnyLayer:
    """Return the layer with spectral norm, or unchanged if `bound` is None."""
    return layer if bound is None else spectral(layer, bound)


def spectral(layer: AnyLayer, bound: float) -> AnyLayer:
    """Add spectral norm to the weight of a layer, and return the layer."""
    assert isinstance(layer.weight, Tensor)
    # unsafe=True skips a check that would need allocated weights; shapes do not change.
    parametrize.register_parametrization(layer, "weight", SpectralNorm(len(layer.weight), bound), unsafe=True)
    return layer


def raw_weight(layer: nn.Module) -> Tensor:
    """Return the trainable weight of a layer, before spectral norm."""
    return layer.get_parameter(_ORIGINAL if parametrize.is_parametrized(layer) else "weight")


def begin_spectrum(layer: nn.Module, generator: torch.Generator) -> None:
    """Initialise the singular vector of a newly initialised weight, with a few power iterations."""
    if parametrize.is_parametrized(layer):
        norm = layer.get_submodule("parametrizations.weight.0")
        assert isinstance(norm, SpectralNorm)
        nn.init.normal_(norm.get_buffer("vector"), generator=generator)
        for _ in range(_FIRST_ITERATIONS):
            norm.iterate(as_matrix(raw_weight(layer)))
