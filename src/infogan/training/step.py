"""One training step: the losses of a batch, and the two updates (appendix C, the authors' code).

Random numbers are sampled before the step (`Randomness`), and scheduled settings are handed in as numbers
(`StepSettings`). The host reads no tensor, so a step never waits for the device and can be captured as a CUDA
graph (`infogan.training.graph`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn.utils import parametrize

from infogan import images as edge
from infogan import objective, regularizers
from infogan.augmentation import AugmentationSample, augment
from infogan.errors import ConfigError
from infogan.latents import Codes
from infogan.model import InfoGAN, evaluating
from infogan.networks.normalization import Domain, SharedIterations
from infogan.training import engine, optimizers
from infogan.training.anchors import join
from infogan.training.distributed import Ranks
from infogan.training.graph import Replay, direct
from infogan.training.guard import DivergenceGuard
from infogan.training.randomness import Randomness, codes_batch_size, generator_updates
from infogan.training.real_statistics import RealStatistics
from infogan.training.step_settings import Number, StepSettings
from infogan.training.terms import TERMS, Player, TermInputs

Values = dict[str, Tensor]
"""Scalars by their name in metrics.jsonl."""


@dataclass(frozen=True)
class Losses:
    """The losses of one update.

    Attributes:
        loss: the adversarial loss of D or G.
        bounds: L_I of each code.
        terms: values of the terms beyond the paper.
        scores: means of D(x) and D(G), only in D's update.
    """

    loss: Float[Tensor, ""]
    bounds: Values
    terms: Values
    scores: Values


class Step:
    """Makes the updates of one step: one update of D, and one or more of G.

    Args:
        model: the model, on the device.
        optimizers: Adam optimizers by update: "discriminator", "generator" and, with the contrastive term,
            "contrastive".
        statistics: moving averages of Q's predictions for real images.
        guard: detects divergence.
        precision: precision of the layers; weights, optimizers, losses and statistics are float32.
        replay: see `Graphs.replayed`.
        ranks: the processes of the training, if there are several.
    """

    def __init__(  # noqa: PLR0913 - all that a step changes, and how it computes
        self,
        model: InfoGAN,
        optimizers: Mapping[str, torch.optim.Optimizer],
        statistics: RealStatistics,
        guard: DivergenceGuard,
        precision: engine.Precision,
        *,
        replay: Replay = direct,
        ranks: Ranks | None = None,
    ) -> None:
        self.model, self.config, self.optimizers = model, model.config, optimizers
        self.statistics, self.guard, self.precision = statistics, guard, precision
        self.ranks = ranks
        self.info_weights = self.config.info_weights()
        self._rates: dict[str, float] = {}  # learning rates of the last step
        self.code_policy = self.config.augmentation.for_codes(0)  # its noise comes from the sample
        per_step = self.config.network.spectral_iterations == "step"
        self.iterations = SharedIterations(model) if per_step else None
        self._updates = replay(self._make_updates, {})
        self.frozen = nn.ModuleList(
            [
                model.trunk,
                model.discriminator,
                model.recognition,
                *(network for network in (model.encoder, model.contrastive) if network is not None),
            ]
        )

    def __call__(
        self,
        batches: Sequence[UInt8[Tensor, "n h w c"]],
        randomness: Randomness,
        settings: StepSettings,
        targets: Codes | None = None,
    ) -> Values:
        """Make all updates of one step and return the values to log, on the device.

        Args:
            batches: a batch of real images; if Q is trained on real images, also a second batch, whose views
                are paired with those of the first.
            randomness: the random numbers of this step.
            settings: the scheduled settings of this step.
            targets: anchors of the first batch, by the name of the code, if the run has any.
        """
        for name, optimizer in self.optimizers.items():
            rate = settings.learning_rates[name]
            if rate != self._rates.get(name):
                optimizers.set_learning_rate(optimizer, rate)
                self._rates[name] = rate
        values: Values = self._updates(
            list(batches), randomness, replace(settings, learning_rates={}), targets or {}
        )
        return values

    def _make_updates(
        self, batches: Sequence[Tensor], randomness: Randomness, settings: StepSettings, targets: Codes
    ) -> Values:
        """Make all updates; a captured step replays this."""
        self.model.train()
        self.guard.begin_step()
        if self.iterations is not None:
            self.iterations.iterate()
        values = self._update_discriminator(batches, randomness, settings, targets)
        for update in generator_updates(self.config):
            values |= self._update_generator(update, randomness, settings)
        self._update_average(settings.ema_rate)
        self.model.eval()
        return values

    # --- the updates ---------------------------------------------------------------------------------------

    def _update_discriminator(
        self, batches: Sequence[Tensor], randomness: Randomness, settings: StepSettings, targets: Codes
    ) -> Values:
        """Update the contrastive classifier if its term is active, and then D, Q and their trunks."""
        if "contrastive" in randomness.pairs:
            loss = self.contrastive_loss("contrastive", randomness)
            self._apply("contrastive", {"contrastive": loss}, loss)
        with self._normalised_once():
            losses = self.discriminator_losses(batches, randomness, settings, targets)
        anchored = settings.anchored_weights
        weights = {
            name: anchored[name] if name in targets else weight for name, weight in self.info_weights.items()
        }
        total = objective.discriminator_objective(losses.loss, losses.bounds, weights)
        values = {
            "loss.discriminator": losses.loss,
            **{f"mutual_information.{name}": bound for name, bound in losses.bounds.items()},
            **losses.terms,
            **losses.scores,
        }
        return self._apply("discriminator", values, self._with_terms(total, losses.terms, settings))

    def _update_generator(self, update: str, randomness: Randomness, settings: StepSettings) -> Values:
        """Update G with new latents, while all other networks are frozen; return its loss and terms."""
        with _frozen(self.frozen):
            with self._normalised_once():
                losses = self.generator_losses(update, randomness, settings)
            total = losses.loss
            if self.config.objective.generator_information:
                total = objective.generator_objective(losses.loss, losses.bounds, self.info_weights)
            values = {
                "loss.generator": losses.loss,
                **{f"mutual_information.{name}": bound for name, bound in losses.bounds.items()},
                **losses.terms,
            }
            values = self._apply("generator", values, self._with_terms(total, losses.terms, settings))
        return {name: values[name] for name in ("loss.generator", *losses.terms)}

    def _apply(self, update: str, values: Mapping[str, Tensor], total: Tensor) -> Values:
        """Make an optimizer step on `total`, unless this or an earlier update has diverged."""
        optimizer = self.optimizers[update]
        optimizer.zero_grad(set_to_none=True)
        total.backward()
        parameters = optimizers.parameters(optimizer)
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        stacked = torch.stack([value.detach().float() for value in values.values()])
        if self.ranks is not None:
            stacked = self.ranks.average(gradients, stacked)
        optimizers.update(optimizer, self.guard.check(update, list(values), stacked, gradients))
        return dict(zip(values, stacked.unbind(), strict=True))

    def _with_terms(self, total: Tensor, terms: Mapping[str, Tensor], settings: StepSettings) -> Tensor:
        gains = [settings.weight(name) * value for name, value in terms.items() if TERMS[name].maximized]
        if gains:
            total = total - sum(gains)
        for name, value in terms.items():
            if not TERMS[name].maximized:
                total = total + settings.weight(name) * value
        return total

    @torch.no_grad()
    def _update_average(self, rate: Number) -> None:
        """Update the moving average of the generator's weights and statistics, unless training has failed."""
        average = self.model.ema
        if average is None:
            return
        failed = self.guard.failed > 0
        weights = self.model.generator.state_dict().values()
        for mean, value in zip(average.state_dict().values(), weights, strict=True):
            if mean.is_floating_point():
                mean.lerp_(torch.where(failed, mean, value), rate)
            else:  # a counter, such as that of torch's batch norm
                mean.copy_(value)

    # --- the losses ----------------------------------------------------------------------------------------

    def discriminator_losses(
        self,
        batches: Sequence[UInt8[Tensor, "n h w c"]],
        randomness: Randomness,
        settings: StepSettings,
        targets: Codes | None = None,
    ) -> Losses:
        """Compute -V(D, G), the bound of each code, and the terms on real images, without gradients for G."""
        model, views = self.model, self.views(batches, randomness)
        latents = randomness.latents["discriminator"]
        anchors = targets if targets and settings.active("anchors") else {}
        seen = sum(map(len, views))
        with self._autocast():
            with torch.no_grad():
                generated = model.generator(latents.vector)
                fake = self._augmented(generated, "fake/discriminator", randomness)
            # One pass through the trunk; batch norm has separate statistics for each batch.
            domains: list[Domain] = ["real"] * len(views)
            features = model.trunk(torch.cat([*views, fake]), (*domains, "fake"))
            logits = self._logits(features, randomness, len(views), latents.codes)
            with self._encoder_fixed(bool(anchors)):
                raw = self._predict_generated(fake, features[seen:])
                sample = randomness.augmentations.get("codes/discriminator")
                bounds = self._bounds(raw, generated, latents.codes, sample)
            with torch.set_grad_enabled(self.config.reads_real or bool(anchors)):
                # With the recipe `paper`, this pass only updates the batch norm statistics for encoding.
                real = features[:seen] if model.encoder is None else model.encoder(torch.cat(views), domains)
                real_raw, subcodes = model.recognition.read(real, domains)
            real_terms = self._anchor_term(batches[0], real_raw, anchors, randomness)
        if self.config.reads_real:
            real_terms |= self.statistics.information(real_raw, subcodes)
        else:
            self.statistics.observe(real_raw)
        # D must not see augmented second views if its other real images are not augmented.
        compared = seen if self.config.augmentation.all_images else len(views[0])
        loss = objective.discriminator_loss(logits[:compared], logits[seen:])
        scores = logits.detach().float().sigmoid()
        inputs = TermInputs(
            model, tuple(views), generated, latents.vector, latents.codes, features[seen:], {}, real_terms
        )
        terms = real_terms | self._terms("discriminator", inputs, randomness, settings)
        return Losses(
            loss,
            bounds,
            terms,
            {"scores.real": scores[:compared].mean(), "scores.fake": scores[seen:].mean()},
        )

    def generator_losses(self, update: str, randomness: Randomness, settings: StepSettings) -> Losses:
        """Compute G's adversarial loss, the bound of each code, and G's other terms."""
        model, latents = self.model, randomness.latents[update]
        with self._autocast():
            generated = model.generator(latents.vector)
            fake = self._augmented(generated, f"fake/{update}", randomness)
            features = model.trunk(fake, ("fake",))
            loss = objective.generator_loss(self._logits(features, randomness, 0, latents.codes))
            raw = self._predict_generated(fake, features)
            sample = randomness.augmentations.get(f"codes/{update}")
            bounds = self._bounds(raw, generated, latents.codes, sample)
        contrastive = partial(self.contrastive_loss, update, randomness)
        inputs = TermInputs(
            model,
            (),
            generated,
            latents.vector,
            latents.codes,
            features,
            {},
            {},
            contrastive_loss=contrastive,
        )
        return Losses(loss, bounds, self._terms("generator", inputs, randomness, settings), {})

    def contrastive_loss(self, update: str, randomness: Randomness) -> Float[Tensor, ""]:
        """Compute the contrastive term, with gradients for G in its update and else for the classifier."""
        assert self.model.contrastive is not None
        pairs = randomness.pairs[update]
        with self._autocast():
            with torch.set_grad_enabled(update != "contrastive"):
                images = [self.model.generator(latents) for latents in (pairs.first, pairs.second)]
            return regularizers.contrastive_loss(self.model.contrastive(*images), pairs.shared)

    def views(
        self, batches: Sequence[UInt8[Tensor, "n h w c"]], randomness: Randomness
    ) -> list[Float[Tensor, "n c h w"]]:
        """Return the real images that D and Q receive: two augmented views if Q is trained on real images."""
        images = [edge.to_float(batch, self.model.table.output) for batch in batches]
        return [self._augmented(batch, f"real-{n}", randomness) for n, batch in enumerate(images)]

    def _augmented(
        self, images: Float[Tensor, "n c h w"], use: str, randomness: Randomness
    ) -> Float[Tensor, "n c h w"]:
        sample = randomness.augmentations.get(use)
        return images if sample is None else augment(images, self.config.augmentation, sample)

    def _logits(
        self, features: Float[Tensor, "n features"], randomness: Randomness, batches: int, codes: Codes
    ) -> Float[Tensor, " n"]:
        """Return D's logits; with `network.pairs` and anchors, those of pairs of an image and its codes.

        Args:
            features: of the real batches, followed by the generated one.
            randomness: of this step; its `real_codes` are those of each real batch.
            batches: number of real batches.
            codes: of the generated images.
        """
        real, latents = randomness.real_codes, self.model.latents
        pairs = None
        if real:
            pairs = torch.cat([*[join(latents, real, real)] * batches, join(latents, codes, real)])
        logits: Tensor = self.model.discriminator(features, pairs)
        return logits

    @contextmanager
    def _encoder_fixed(self, anchored: bool) -> Iterator[None]:
        """Inside the block, Q's own encoder gets no gradients if the run is `anchored`; its head still does.

        The encoder then learns from real images alone. The first images of G are far from these: codes that
        were to be read from them made Q forget what it had learned (docs/lab-notes/recognition-rate.md).
        """
        encoder = self.model.encoder
        if encoder is None or not anchored:
            yield
            return
        with _frozen(encoder):
            yield

    def _predict_generated(
        self,
        images: Float[Tensor, "n c h w"],
        features: Float[Tensor, "n features"] | None = None,
        domain: Domain = "fake",
    ) -> Float[Tensor, "n outputs"]:
        """Return Q's raw outputs for generated images, or for their features of a trunk shared with D.

        With its own encoder, Q normalises them by the running statistics of real images. It then predicts
        their codes exactly as those of real images, and G cannot hide a code in the statistics of a batch.
        """
        model = self.model
        if model.encoder is not None:
            with evaluating(model.encoder), evaluating(model.recognition):
                return model.predict(images, domain)
        if features is None:
            return model.predict(images, domain)
        raw: Tensor = model.recognition(features, (domain,))
        return raw

    def _anchor_term(
        self,
        images: UInt8[Tensor, "n h w c"],
        raw: Float[Tensor, "all outputs"],
        anchors: Codes,
        randomness: Randomness,
    ) -> Values:
        """Compute the term "anchors", if there are any; of continuous codes from a view of their own policy.

        Args:
            images: the real batch that has these anchors.
            raw: Q's outputs for its augmented views, followed by those of another batch if there is one.
            anchors: targets by code.
            randomness: of this step.
        """
        if not anchors:
            return {}
        model = self.model
        posteriors = model.latents.posteriors(raw[: len(images)])
        sample = randomness.augmentations.get("codes/real")
        if sample is not None:
            view = augment(edge.to_float(images, model.table.output), self.code_policy, sample)
            domain: Domain = "noisy" if self.config.reads_through_noise else "real"
            separate = model.latents.posteriors(model.predict(view, domain))
            posteriors |= {name: separate[name] for name in self.config.continuous}
        return {"anchors": regularizers.anchor_loss(posteriors, anchors)}

    def _bounds(
        self,
        raw: Float[Tensor, "n outputs"],
        generated: Float[Tensor, "n c h w"],
        codes: Codes,
        sample: AugmentationSample | None,
    ) -> Values:
        """Compute L_I of each code. With a `sample`, continuous codes are predicted from separate views."""
        model = self.model
        bounds = objective.mutual_information_bound(model.latents, raw, codes)
        if sample is None:
            return bounds
        few = codes_batch_size(len(generated))
        views = augment(generated[:few], self.code_policy, sample)
        domain: Domain = "noisy" if self.config.reads_through_noise else "fake"
        raw = self._predict_generated(views, domain=domain)
        few_codes = {name: values[:few] for name, values in codes.items()}
        separate = objective.mutual_information_bound(model.latents, raw, few_codes)
        return bounds | {name: separate[name] for name in self.config.continuous}

    def _terms(
        self, player: Player, inputs: TermInputs, randomness: Randomness, settings: StepSettings
    ) -> Values:
        """Compute all terms of a player whose weight is not 0 at this step and that are not computed yet."""
        values: Values = {}
        for name, term in TERMS.items():
            if term.player != player or not settings.active(name) or name in inputs.real_terms:
                continue
            if name == "anchors" or (name == "mode_seeking" and not self.model.latents.noise):
                continue  # without anchors, or without noise
            samples = randomness.terms.get(name, {})
            with self._autocast():
                value = term.compute(replace(inputs, samples=samples) if samples else inputs)
            if value.ndim:
                raise ConfigError(
                    f"the loss term {name!r} returns a tensor of shape {list(value.shape)}",
                    "a scalar, the mean over the batch",
                    "value.mean()",
                )
            values[name] = value
        return values

    def _normalised_once(self) -> AbstractContextManager[object]:
        """Return a context in which passes share normalised weights, if those of each pass are the same."""
        return nullcontext() if self.iterations is None else parametrize.cached()

    def _autocast(self) -> AbstractContextManager[object]:
        return engine.autocast(self.model.device, self.precision)


@contextmanager
def _frozen(modules: nn.Module) -> Iterator[None]:
    """Freeze these weights inside the block; gradients still pass through to the inputs of their layers."""
    trainable = [parameter for parameter in modules.parameters() if parameter.requires_grad]
    modules.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trainable:  # a plug-in may have frozen others itself
            parameter.requires_grad_(True)
