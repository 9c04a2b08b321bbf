"""The randomness of one training step, sampled before the step: a function of (seed, stream, step)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from infogan import streams
from infogan.augmentation import AugmentationSample, sample_augmentation
from infogan.config import Config
from infogan.latents import Codes, Latents
from infogan.training.step_settings import StepSettings
from infogan.training.terms import TERMS

_CODES_SHARE = 1 / 3  # of a batch, for continuous codes; a whole batch would make a step 1.5 times as slow


@dataclass(frozen=True)
class SampledLatents:
    """Noise and codes of one update.

    Attributes:
        vector: the generator's input, [N, width].
        codes: by name, [N, width of the code].
    """

    vector: Float[Tensor, "n width"]
    codes: Codes


@dataclass(frozen=True)
class SampledPairs:
    """Pairs of latent vectors that share the noise and one code dimension (Lin et al. 2020).

    Attributes:
        first, second: [N, width] each.
        shared: the index of the shared code dimension.
    """

    first: Float[Tensor, "n width"]
    second: Float[Tensor, "n width"]
    shared: Int64[Tensor, " n"]


@dataclass(frozen=True)
class Randomness:
    """All random numbers of one step.

    The updates of a step are named "discriminator", "generator", "generator-1" and so on.

    Attributes:
        latents: latents by update.
        augmentations: random numbers of the augmentations by use: "real-0" and "real-1" for the two views of
            real images, and "fake/UPDATE" and "codes/UPDATE" for generated images.
        pairs: pairs of latents by update, if the contrastive term is active; "contrastive" is the update of
            its classifier.
        terms: results of the `sample` functions of loss terms from plug-ins, by term.
    """

    latents: Mapping[str, SampledLatents]
    augmentations: Mapping[str, AugmentationSample]
    pairs: Mapping[str, SampledPairs]
    terms: Mapping[str, Mapping[str, Tensor]]


def generator_updates(config: Config) -> list[str]:
    """Return the names of the generator's updates in one step."""
    return ["generator", *(f"generator-{n}" for n in range(1, config.training.generator_updates))]


def codes_batch_size(batch_size: int) -> int:
    """Return the number of generated images for predicting continuous codes; batch norm needs two."""
    return max(2, math.ceil(batch_size * _CODES_SHARE))


class RandomnessSampler:
    """Samples the randomness of any step of a run.

    Args:
        config: the configuration of the run.
        latents: the priors of noise and codes.
        image_shape: channels, height and width.
        device: device on which numbers are sampled; the numbers depend on its type.
    """

    def __init__(
        self, config: Config, latents: Latents, image_shape: tuple[int, int, int], device: torch.device
    ) -> None:
        self.config, self.latents, self.image_shape, self.device = config, latents, image_shape, device

    def sample(self, step: int, settings: StepSettings) -> Randomness:
        """Sample the randomness of a step whose scheduled settings are given."""
        config, updates = self.config, ["discriminator", *generator_updates(self.config)]
        contrastive = settings.weight("contrastive") > 0
        return Randomness(
            latents={update: self._latents(update, step, settings) for update in updates},
            augmentations=self._augmentations(updates, step, settings),
            pairs={u: self._pairs(u, step) for u in ["contrastive", *updates[1:]]} if contrastive else {},
            terms={
                name: sample(self._rng(f"terms/{name}", step), config.training.batch_size)
                for name in config.objective.terms
                if settings.weight(name) and (sample := TERMS[name].sample) is not None
            },
        )

    def _rng(self, stream: str, step: int) -> torch.Generator:
        return streams.generator(self.config.training.seed, stream, step, self.device)

    def _latents(self, update: str, step: int, settings: StepSettings) -> SampledLatents:
        """Sample noise and codes. For mode seeking, both halves of the batch have the same codes."""
        count, rng = self.config.training.batch_size, self._rng(f"latents/{update}", step)
        pairs = update != "discriminator" and settings.weight("mode_seeking") > 0 and self.latents.noise > 0
        noise = self.latents.sample_noise(count, rng)
        codes = self.latents.sample_codes(count - count // 2 if pairs else count, rng)
        if pairs:
            codes = {name: torch.cat([values, values])[:count] for name, values in codes.items()}
        return SampledLatents(self.latents.join(noise, codes), codes)

    def _pairs(self, update: str, step: int) -> SampledPairs:
        rng = self._rng(f"pairs/{update}", step)
        return SampledPairs(*self.latents.sample_pairs(self.config.training.batch_size, rng))

    def _augmentations(
        self, updates: list[str], step: int, settings: StepSettings
    ) -> dict[str, AugmentationSample]:
        config, count = self.config, self.config.training.batch_size
        policy = config.augmentation
        everywhere = policy.active and policy.all_images
        uses = dict.fromkeys(
            ["real-0", *(f"fake/{update}" for update in updates)] if everywhere else [], policy
        )
        if config.reads_real:
            uses["real-1"] = policy
        if config.reads_codes_apart:
            uses |= {f"codes/{update}": settings.code_policy for update in updates}
        few = codes_batch_size(count)
        return {
            use: sample_augmentation(
                (few if use.startswith("codes/") else count, *self.image_shape),
                ranges,
                self._rng(f"augment/{use}", step),
            )
            for use, ranges in uses.items()
        }
