"""Anchors: what the codes of real training images should be, found before the generator is trained.

Q learns to predict them from augmented views of the real images (`regularizers.anchor_loss`), so that a code
means the same for real and for generated images. Codes without anchors are free: their meaning is what the
generator finds itself.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from infogan.errors import ConfigError
from infogan.latents import Codes, Latents
from infogan.latents.posteriors import wrap
from infogan.latents.priors import BernoulliPrior, CategoricalPrior, NormalPrior, Prior, one_hot
from infogan.training import engine

JITTER = 0.05
"""Std of the noise added to continuous anchors that codes are sampled from, in half ranges of the code.

Without it the generator would know only as many values as there are training images."""


@dataclass(frozen=True)
class Anchors:
    """Targets of codes for all training images, in the order of the images.

    Attributes:
        targets: by the code's name, float32 [N, width]: probabilities of the categories; the value of a
            continuous code, of a periodic one in half turns; the probability of 1 of a Bernoulli code.
    """

    targets: Mapping[str, Float[Tensor, "n width"]]

    def __post_init__(self) -> None:
        # Codes are sampled in this order. That of a safetensors file differs from one load to the next.
        object.__setattr__(self, "targets", dict(sorted(self.targets.items())))

    @property
    def images(self) -> int:
        """The number of training images."""
        return len(next(iter(self.targets.values())))

    def check(self, latents: Latents, images: int) -> None:
        """Raise ConfigError if a target belongs to no code, or has another shape or type than its code.

        Args:
            latents: the codes.
            images: number of training images.
        """
        if not self.targets:
            raise ConfigError("there are no anchors", "targets of one code or more", "a run without anchors")
        for name, target in self.targets.items():
            if name not in latents.priors:
                raise ConfigError(
                    f"anchors {name!r}: no code has that name",
                    f"anchors of {', '.join(latents.priors)}",
                    "another name, or one more code in latents.codes",
                )
            shape = [images, latents.priors[name].width]
            if list(target.shape) != shape or target.dtype != torch.float32:
                raise ConfigError(
                    f"anchors {name!r} are {target.dtype} {list(target.shape)}",
                    f"torch.float32 {shape}: one row per training image, one column per value of the code",
                    "anchors of these images and codes",
                )
            if not bool(torch.isfinite(target).all()):
                raise ConfigError(
                    f"anchors {name!r} have values that are not finite", "finite values", "other anchors"
                )

    def to(self, device: torch.device) -> Anchors:
        """Return the anchors on a device."""
        return Anchors({name: target.to(device) for name, target in self.targets.items()})

    def of(self, indices: Int[Tensor, " n"]) -> Codes:
        """Return the targets of some images, on the anchors' device."""
        on_device = {target.device: engine.sent(indices, target.device) for target in self.targets.values()}
        return {name: target[on_device[target.device]] for name, target in self.targets.items()}


def join(latents: Latents, codes: Codes, anchored: Collection[str]) -> Float[Tensor, "n codes"]:
    """Return standardised codes as columns for a discriminator of pairs; codes without anchors are 0.

    D cannot compare the latter: real images have none.
    """
    columns = [
        prior.standardise(codes[name])
        if name in anchored
        else next(iter(codes.values())).new_zeros(1, prior.input_width)
        for name, prior in latents.priors.items()
    ]
    count = max(map(len, columns))
    return torch.cat([column.expand(count, -1) for column in columns], dim=1)


def sample_codes(latents: Latents, targets: Codes, rng: torch.Generator) -> Codes:
    """Sample values of codes around targets, one per row, on the device of `rng`.

    A category is sampled from its probabilities. Noise of std `JITTER` is added to continuous values, which
    are reflected at the ends of a uniform code's range and wrapped around a circle.

    Args:
        latents: the codes.
        targets: by the code's name, on that device.
        rng: the random number generator.
    """
    return {name: _sample(latents.priors[name], target, rng) for name, target in targets.items()}


def _sample(prior: Prior, target: Float[Tensor, "n width"], rng: torch.Generator) -> Float[Tensor, "n width"]:
    if isinstance(prior, CategoricalPrior):
        shares = target.unflatten(1, (prior.code.dim, prior.code.size)).cumsum(2)
        uniform = torch.rand(*shares.shape[:2], 1, generator=rng, device=rng.device)
        chosen = (shares < uniform * shares[..., -1:]).sum(2).clamp_max(prior.code.size - 1)
        return one_hot(chosen, prior.code.size).flatten(1)
    if isinstance(prior, BernoulliPrior):
        return (torch.rand(target.shape, generator=rng, device=rng.device) < target).float()
    values = target + JITTER * prior.unit * torch.randn(target.shape, generator=rng, device=rng.device)
    if prior.period is not None:
        return wrap(values)
    if isinstance(prior, NormalPrior):
        return values
    low, high = prior.centre - prior.unit, prior.centre + prior.unit
    values = low + (values - low).abs()
    return high - (high - values).abs()
