"""The randomness of one training step, sampled before the step: a function of (seed, stream, step)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from infogan import streams
from infogan.augmentation import AugmentationSample, sample_augmentation
from infogan.config import Config
from infogan.latents import Codes, Latents
from infogan.training.anchors import Anchors, sample_codes
from infogan.training.graph import Replay, direct
from infogan.training.step_settings import Number, StepSettings
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
            real images, and "fake/UPDATE" and "codes/UPDATE" for generated images;
            "codes/real" for the views from which continuous codes with anchors are predicted.
        pairs: pairs of latents by update, if the contrastive term is active; "contrastive" is the update of
            its classifier.
        terms: results of the `sample` functions of loss terms from plug-ins, by term.
        real_codes: codes sampled around the anchors of the real images, if D sees pairs.
    """

    latents: Mapping[str, SampledLatents]
    augmentations: Mapping[str, AugmentationSample]
    pairs: Mapping[str, SampledPairs]
    terms: Mapping[str, Mapping[str, Tensor]]
    real_codes: Codes = field(default_factory=dict)


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
        anchors: anchors of the training images, on that device, if the run has any.
        replay: see `Graphs.replayed`.
    """

    def __init__(  # noqa: PLR0913 - what a step samples, and where and how
        self,
        config: Config,
        latents: Latents,
        image_shape: tuple[int, int, int],
        device: torch.device,
        anchors: Anchors | None = None,
        *,
        replay: Replay = direct,
    ) -> None:
        self.config, self.latents, self.image_shape, self.device = config, latents, image_shape, device
        self.anchors = anchors
        self._step = 0
        self._rngs: dict[str, torch.Generator] = {}
        self._sample = replay(self._sample_all, self._rngs)

    def sample(self, step: int, settings: StepSettings, targets: Codes | None = None) -> Randomness:
        """Sample the randomness of a step.

        Args:
            step: steps done.
            settings: scheduled settings of the step.
            targets: the anchors of its real images, if the run has any.
        """
        self._step = step
        for stream, rng in self._rngs.items():
            streams.restart(rng, self.config.training.seed, stream, step)
        sampled: Randomness = self._sample(replace(settings, learning_rates={}), targets or {})
        return sampled

    def _sample_all(self, settings: StepSettings, targets: Codes) -> Randomness:
        """Sample with generators that have been seeded for the step."""
        config, updates = self.config, ["discriminator", *generator_updates(self.config)]
        pairs = ["contrastive", *updates[1:]] if settings.active("contrastive") else []
        return Randomness(
            latents={update: self._latents(update, settings) for update in updates},
            augmentations=self._augmentations(updates, settings),
            pairs={update: self._pairs(update) for update in pairs},
            terms={
                name: sample(self._rng(f"terms/{name}"), config.training.batch_size)
                for name in config.objective.terms
                if settings.active(name) and (sample := TERMS[name].sample) is not None
            },
            real_codes=sample_codes(self.latents, targets, self._rng("anchors/real"))
            if targets and config.network.pairs
            else {},
        )

    def _rng(self, stream: str) -> torch.Generator:
        """Return the generator of a stream; a step uses each stream once."""
        if stream not in self._rngs:
            seed = self.config.training.seed
            self._rngs[stream] = streams.generator(seed, stream, self._step, self.device)
        return self._rngs[stream]

    def _latents(self, update: str, settings: StepSettings) -> SampledLatents:
        """Sample noise and codes. For mode seeking, both halves of the batch have the same codes."""
        count, rng = self.config.training.batch_size, self._rng(f"latents/{update}")
        pairs = update != "discriminator" and settings.active("mode_seeking") and self.latents.noise > 0
        noise = self.latents.sample_noise(count, rng)
        codes = self._codes(count - count // 2 if pairs else count, update, rng)
        if pairs:
            codes = {name: torch.cat([values, values])[:count] for name, values in codes.items()}
        return SampledLatents(self.latents.join(noise, codes), codes)

    def _codes(self, count: int, update: str, rng: torch.Generator) -> Codes:
        """Sample codes from their priors, or those with anchors from the anchors of random images."""
        codes = self.latents.sample_codes(count, rng)
        if self.anchors is None or self.config.latents.joint == "independent":
            return codes
        rng = self._rng(f"anchors/{update}")
        rows = torch.randint(self.anchors.images, (count,), generator=rng, device=rng.device)
        return codes | sample_codes(self.latents, self.anchors.of(rows), rng)

    def _pairs(self, update: str) -> SampledPairs:
        rng = self._rng(f"pairs/{update}")
        return SampledPairs(*self.latents.sample_pairs(self.config.training.batch_size, rng))

    def _augmentations(self, updates: list[str], settings: StepSettings) -> dict[str, AugmentationSample]:
        config, count = self.config, self.config.training.batch_size
        policy = config.augmentation
        everywhere = policy.active and policy.all_images
        pixel_noise: Number | None = policy.pixel_noise or None
        uses: dict[str, Number | None] = dict.fromkeys(
            ["real-0", *(f"fake/{update}" for update in updates)] if everywhere else [], pixel_noise
        )
        if config.reads_real:
            uses["real-1"] = pixel_noise
        if config.reads_codes_apart:
            uses |= {f"codes/{update}": settings.code_noise for update in updates}
            if self.anchors is not None and set(self.anchors.targets) & set(config.continuous):
                uses["codes/real"] = settings.code_noise
        few, of_few = codes_batch_size(count), {f"codes/{update}" for update in updates}
        return {
            use: sample_augmentation(
                (few if use in of_few else count, *self.image_shape),
                noise,
                self._rng(f"augment/{use}"),
            )
            for use, noise in uses.items()
        }
