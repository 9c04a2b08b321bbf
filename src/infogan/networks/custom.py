"""Networks of plug-ins: any `nn.Module` as the generator or as the trunk of D and Q.

@infogan.network("tiny")
def tiny(shape):
    pixels = shape.channels * shape.size**2
    generator = nn.Sequential(nn.Linear(shape.latents, pixels), nn.Sigmoid(), nn.Unflatten(1, shape.image))
    return infogan.Networks(generator=generator)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from infogan.errors import ConfigError
from infogan.networks.normalization import Domain, by_domain
from infogan.registry import Registry


@dataclass(frozen=True)
class NetworkShape:
    """The sizes of inputs and outputs that networks must have.

    Attributes:
        latents: number of inputs of the generator.
        channels: number of channels of the images, 1, 3 or 4.
        size: height and width of the images in pixels.
    """

    latents: int
    channels: int
    size: int

    @property
    def image(self) -> tuple[int, int, int]:
        """The shape of one image, [C, H, W]."""
        return self.channels, self.size, self.size


@dataclass(frozen=True)
class Networks:
    """A generator, a trunk, or both. If one of them is None, that of the architecture `generic` is used.

    Attributes:
        generator: latents [N, latents] to images [N, C, H, W] in [0, 1].
        trunk: images [N, C, H, W] to features [N, F]; the heads of D and Q are added to it.
    """

    generator: nn.Module | None = None
    trunk: nn.Module | None = None


Build = Callable[[NetworkShape], Networks]

NETWORKS: Registry[Build] = Registry("network")
"""Networks of plug-ins, by their name in `network.architecture`."""


def network(name: str) -> Callable[[Build], Build]:
    """Register the decorated function, so that `network.architecture` can name its networks.

    The random state is seeded before the function is called, so that the initial weights depend only on the
    run's seed.

    Raises:
        ValueError: networks with this name are registered already.
    """
    return lambda build: NETWORKS.add(name, build)


class CustomGenerator(nn.Module):
    """A generator of a plug-in, with the interface of `Generator`."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, latents: Float[Tensor, "n latents"]) -> Float[Tensor, "n c h w"]:
        """Generate images."""
        images: Tensor = self.module(latents)
        return images


class CustomTrunk(nn.Module):
    """A trunk of a plug-in, with the interface of `Trunk`.

    Each domain of a batch passes through the module separately, so that its batch norm layers never mix real
    and generated images (as in the authors' code).

    Args:
        module: the trunk.
        shape: shape of the images.
    """

    def __init__(self, module: nn.Module, shape: NetworkShape) -> None:
        super().__init__()
        self.module = module
        self.features = _count_features(module, shape)

    def forward(self, x: Float[Tensor, "n c h w"], domains: Sequence[Domain]) -> Float[Tensor, "n features"]:
        """Compute features; `x` holds equally many images of each domain, one domain after the other."""
        return torch.cat([self.module(part) for part in by_domain(x, domains)])


@torch.no_grad()
def _count_features(module: nn.Module, shape: NetworkShape) -> int:
    """Return the number of features of a trunk; raise ConfigError if its output is not [N, F]."""
    was_training = module.training
    features = module.eval()(torch.zeros(2, *shape.image))
    module.train(was_training)
    if features.ndim != 2:
        raise ConfigError(
            f"the trunk returns a tensor of shape {list(features.shape)} for 2 images",
            "features [2, F]",
            "nn.Flatten() as its last layer",
        )
    return int(features.shape[1])
