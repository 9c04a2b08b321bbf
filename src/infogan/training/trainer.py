"""The training loop's inside: one step of the method, and everything that a resumed run must find again.

repeat:                                                         (PAPER: appendix C, the authors' code)
    x ~ data;  noise, codes ~ P;  fake = G(noise, codes)
    D, Q, trunk: descend  -V(D, G) - sum lambda_i L_i           on x and fake
    noise, codes ~ P, drawn anew;  fake = G(noise, codes)
    G:           descend  -E[log D(fake)] - sum lambda_i L_i    through a frozen D and Q

The recipe `robust` shows D and Q every image changed anew (A: augmentation), the real ones twice:
    D, Q, trunk: descend also  - weight I(Q(A x), Q(A' y))       on real images; y: x or a neighbour of it
    G:           descend also  + weight (distance of two noises / distance of their images)
and reads continuous codes, in both steps, from images of G that were changed otherwise.

The recipe `cr` updates G several times a step, and from a step on draws pairs of images that share one code:
    K:           descend  - log K(which code | the pair), a classifier of its own
    G:           descend also  - weight log K(which code | the pair)
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn

from infogan import images as edge
from infogan import objective, streams
from infogan.augmentation import augment
from infogan.config import AugmentationConfig, Config
from infogan.data.dataset import Split
from infogan.errors import DivergenceError, StorageError
from infogan.latents import Codes, Place
from infogan.model import InfoGAN
from infogan.networks.normalization import Domain
from infogan.training import engine
from infogan.training.image_variance import pixel_variance
from infogan.training.real_statistics import RealReading
from infogan.training.repair import repartition
from infogan.training.repair.category_repair import Remedy

_LOSS_LIMIT = 1e3  # nats; a healthy adversarial loss stays below 20
METRICS_EVERY = 20
VARIANCE_EVERY = 100  # a multiple of METRICS_EVERY: it stands on the line of its step
_READ_AT_ONCE = 500
_READ_APART = 1 / 3  # of a batch: enough for continuous codes, and a whole one would cost half a step more

_TERMS = ("real_information", "subcode_information", "mode_seeking", "contrastive")


def nearest_images(config: Config, images: Split) -> Int64[Tensor, "n k"] | None:
    """The neighbours that a training by `config` asks for, of all its images; None where it asks for none."""
    if not config.seeks_neighbours:
        return None
    return torch.from_numpy(images.nearest(config.objective.neighbours))


class Trainer:
    """A model in training: networks, optimisers, the step reached, and the means of the running window.

    Args:
        model: on the CPU; it is moved to `device`.
        images: all training images.
        device: where to train.
        precision: of the layers; weights, optimiser, losses and statistics are float32.
        nearest: what `nearest_images` gives.
    """

    def __init__(
        self,
        model: InfoGAN,
        images: UInt8[Tensor, "n h w c"],
        *,
        device: torch.device,
        precision: engine.Precision,
        nearest: Int64[Tensor, "n k"] | None = None,
    ) -> None:
        self.config: Config = model.config
        if self.config.seeks_neighbours and nearest is None:
            raise ValueError("objective.neighbours needs `nearest`, as nearest_images gives it")
        self.model, self.device, self.precision = model.to(device), device, precision
        self.images = images.to(device)
        self.nearest = nearest
        self.weights = self.config.info_weights()
        self.real = RealReading(model.latents, self.config.objective)
        # A bound is a sum over the code's dimensions.
        self.dimensions = {
            f"mutual_information.{name}": prior.code.dim for name, prior in model.latents.priors.items()
        }
        places = sum(prior.code.dim for prior in model.latents.categorical.values())
        self.dimensions["real_information"] = places * max(
            1, math.ceil(self.config.objective.marginal_weight)
        )
        self.dimensions["subcode_information"] = places
        self.step = 0
        self.window: dict[str, float] = {}
        self.notes: list[str] = []  # what was done since the last window, in words
        training = self.config.training
        self.reading = nn.ModuleList([model.trunk, model.discriminator, model.recognition])
        self.frozen = nn.ModuleList([self.reading, *([model.contrastive] if model.contrastive else [])])
        self.optimizers = {
            "discriminator": _adam(self.reading, training.learning_rate_discriminator, training.beta1),
            "generator": _adam(model.generator, training.learning_rate_generator, training.beta1),
        }
        if model.contrastive is not None:
            rate = training.learning_rate_discriminator
            self.optimizers["contrastive"] = _adam(model.contrastive, rate, training.beta1)
        self.remedy = Remedy(training, model, self.real, self._survey)

    # --- one step --------------------------------------------------------------------------------------

    def advance(self) -> None:
        """One D update and those of G; before them, where it has begun, one of the classifier of pairs.

        Raises:
            DivergenceError: a term is no longer finite or far too large; the update that it belongs to was
                not made.
        """
        self.model.train()
        self._set_learning_rates()
        values = self._discriminator_step()
        for number in range(self.config.training.generator_updates):
            values |= self._generator_step("generator" if number == 0 else f"generator-{number}")
        self._follow()
        self.model.eval()
        self.step += 1
        for name, value in values.items():
            self.window[name] = self.window.get(name, 0.0) + value
            if name in _TERMS:  # one that began in this window has fewer steps
                self.window[f"steps.{name}"] = self.window.get(f"steps.{name}", 0.0) + 1
        self.window["steps"] = self.window.get("steps", 0.0) + 1
        self._remedy()

    def _discriminator_step(self) -> dict[str, float]:
        """The updates of whatever reads images; the values of their terms."""
        if self._contrasts:
            loss = self._contrastive_loss("contrastive")
            self._checked({"contrastive": loss})
            self._update("contrastive", loss)
        discriminator, bounds, terms = self._discriminator_losses(self._views(self._batch()))
        values = self._checked({"loss.discriminator": discriminator, **_prefixed(bounds), **terms})
        total = discriminator - objective.weighted_information(bounds, self.weights)
        self._update("discriminator", total - self._weighted_terms(terms))
        return values

    def _generator_step(self, update: str) -> dict[str, float]:
        """One update of G on latents of its own; the values of its terms."""
        with _frozen(self.frozen):
            loss, bounds, terms = self._generator_losses(update)
            checked = self._checked({"loss.generator": loss, **_prefixed(bounds), **terms})
            if self.config.objective.generator_information:
                loss = loss - objective.weighted_information(bounds, self.weights)
            weights = {
                "mode_seeking": self.config.objective.mode_seeking_weight.at(self.step),
                "contrastive": self.config.objective.contrastive_weight.at(self.step),
            }
            for name, term in terms.items():
                loss = loss + weights[name] * term
            self._update("generator", loss)
        return {name: checked[name] for name in ("loss.generator", *terms)}

    @property
    def _contrasts(self) -> bool:
        """Whether pairs of images are told apart at this step."""
        return (
            self.model.contrastive is not None and self.config.objective.contrastive_weight.at(self.step) > 0
        )

    def _contrastive_loss(self, update: str) -> Float[Tensor, ""]:
        """How badly pairs are told apart; with gradients for the classifier, or for G in an update of it."""
        model, training = self.model, self.config.training
        assert model.contrastive is not None
        draw = streams.generator(training.seed, f"pairs/{update}", self.step, self.device)
        first, second, shared = model.latents.sample_pairs(training.batch_size, draw)
        with self._autocast():
            with torch.set_grad_enabled(update != "contrastive"):
                images = [model.generator(latents) for latents in (first, second)]
            return objective.contrastive_loss(model.contrastive(*images), shared)

    def _remedy(self) -> None:
        """Splits and merges where that is due, or takes it back."""
        notes, undo = self.remedy.act(self.step, self.optimizers, self._networks_and_moments)
        self.notes += notes
        if undo is not None:
            model = {key: undo[f"model.{key}"] for key in self.model.state_dict()}
            self.model.load_tensors(model, "the state before the change")
            self._load_moments(undo)

    def _networks_and_moments(self) -> dict[str, Tensor]:
        model = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        return model | self._moments()

    def _discriminator_losses(
        self, views: Sequence[Float[Tensor, "n c h w"]]
    ) -> tuple[Float[Tensor, ""], dict[str, Tensor], dict[str, Tensor]]:
        """-V(D, G), the bounds, and the terms on real images with mean D(x) and D(G); none moves G."""
        model, count = self.model, len(views[0])
        with self._autocast():
            with torch.no_grad():
                latents, codes = self._latents("discriminator", count)
                made = model.generator(latents)
                fake = self._shown(made, "fake/discriminator")
            # One pass through the trunk, but batch norm batches apart for each kind of image.
            domains: list[Domain] = ["real"] * len(views)
            features = model.trunk(torch.cat([*views, fake]), (*domains, "fake"))
            seen = count * len(views)
            logits = model.discriminator(features)
            raw = model.recognition(features[seen:], ("fake",))
            bounds = self._bounds("discriminator", raw, made, codes)
            with torch.set_grad_enabled(self.config.reads_real):
                # In `paper` Q never learns from real images; its statistics of them are for encoding.
                real_raw, subcodes = model.recognition.read(features[:seen], domains)
        terms: dict[str, Tensor] = {}
        if self.config.reads_real:
            terms = self.real.information(real_raw, subcodes)
        else:
            self.real.observe(real_raw)
        # Moved copies are no images of the data unless generated ones are moved alike.
        judged = seen if self.config.augmentation.all_images else count
        loss = objective.discriminator_loss(logits[:judged], logits[seen:])
        scores = logits.detach().float().sigmoid()
        terms |= {"scores.real": scores[:judged].mean(), "scores.fake": scores[seen:].mean()}
        return loss, bounds, terms

    def _bounds(
        self, update: str, raw: Float[Tensor, "n outputs"], images: Float[Tensor, "n c h w"], codes: Codes
    ) -> dict[str, Tensor]:
        """L_I of each code, by Q's outputs for changed images, or for others if so told."""
        model = self.model
        bounds = objective.mutual_information_bound(model.latents, raw, codes)
        if not self.config.reads_codes_apart:
            return bounds
        few = max(2, math.ceil(len(images) * _READ_APART))  # batch norm needs two
        shown = self._changed(images[:few], f"codes/{update}", self.config.augmentation.for_codes(self.step))
        domain: Domain = "noisy" if self.config.reads_through_noise else "fake"
        raw = model.recognition(model.trunk(shown, (domain,)), (domain,))
        apart = objective.mutual_information_bound(
            model.latents, raw, {name: values[:few] for name, values in codes.items()}
        )
        return bounds | {name: apart[name] for name in self.config.continuous}

    def _generator_losses(
        self, update: str
    ) -> tuple[Float[Tensor, ""], dict[str, Tensor], dict[str, Tensor]]:
        """G's own loss, the bound of each code, and what else G minimises; on latents drawn anew."""
        model = self.model
        seeking = self.config.objective.mode_seeking_weight.at(self.step) > 0 and model.latents.noise > 0
        with self._autocast():
            latents, codes = self._latents(update, self.config.training.batch_size, pairs=seeking)
            images = model.generator(latents)
            features = model.trunk(self._shown(images, f"fake/{update}"), ("fake",))
            loss = objective.generator_loss(model.discriminator(features))
            bounds = self._bounds(update, model.recognition(features, ("fake",)), images, codes)
        terms = {}
        if self._contrasts:
            terms["contrastive"] = self._contrastive_loss(update)
        if seeking:
            half = len(latents) // 2
            noises = latents[:, : model.latents.noise]
            terms["mode_seeking"] = objective.mode_seeking(
                (noises[:half], noises[-half:]), (images[:half], images[-half:])
            )
        return loss, bounds, terms

    def _weighted_terms(self, terms: Mapping[str, Tensor]) -> Tensor | float:
        """What is gained on real images, each term with its weight."""
        weights = self.config.objective
        by_term = {
            "real_information": weights.real_information_weight.at(self.step),
            "subcode_information": weights.subcode_weight.at(self.step),
        }
        return sum(weight * terms[name] for name, weight in by_term.items() if name in terms)

    def _views(self, indices: Int64[Tensor, " n"]) -> list[Float[Tensor, "n c h w"]]:
        """Real images as D and Q see them, and where Q learns from them behind them their moved copies."""
        views = [self._shown(self._real_images(indices), "real-0")]
        if self.config.reads_real:
            views.append(self._changed(self._real_images(self._partners(indices)), "real-1"))
        return views

    def _partners(self, indices: Int64[Tensor, " n"]) -> Int64[Tensor, " n"]:
        """The image whose moved copy stands for each one's: its own, or that of one of its neighbours."""
        share, seed = self.config.objective.neighbour_share, self.config.training.seed
        return streams.partners(indices, self.nearest, share, seed, self.step)

    def _shown(self, images: Float[Tensor, "n c h w"], use: str) -> Float[Tensor, "n c h w"]:
        """Images as D and Q see them: changed, where the policy says that all are."""
        policy = self.config.augmentation
        return self._changed(images, use) if policy.active and policy.all_images else images

    def _changed(
        self, images: Float[Tensor, "n c h w"], use: str, policy: AugmentationConfig | None = None
    ) -> Float[Tensor, "n c h w"]:
        """Each image changed by a draw of this step and use."""
        policy = policy or self.config.augmentation
        seed = self.config.training.seed
        return augment(images, policy, streams.generator(seed, f"augment/{use}", self.step, self.device))

    @torch.no_grad()
    def _survey(self, place: Place) -> repartition.Survey:
        """Real images and their moved copies, by the running statistics; the model is not in training."""
        draw = streams.generator(self.config.training.seed, "survey", self.step)
        chosen = torch.randperm(len(self.images), generator=draw)[: repartition.SURVEYED]
        features, probabilities = self._read(chosen, "survey-0", place)
        of_copies, by_copies = self._read(self._partners(chosen), "survey-1", place)
        return repartition.Survey((features, of_copies), (probabilities, by_copies))

    def _read(self, indices: Int64[Tensor, " n"], use: str, place: Place) -> tuple[Tensor, Tensor]:
        """The trunk's features of changed real images, and the probabilities of their categories."""
        features, probabilities = [], []
        for number, part in enumerate(indices.split(_READ_AT_ONCE)):
            images = self._changed(self._real_images(part), f"{use}-{number}")
            with self._autocast():
                features.append(self.model.trunk(images, ("real",)).float())
                raw = self.model.recognition(features[-1], ("real",))
            probabilities.append(self.model.latents.category_probabilities(raw)[place])
        return torch.cat(features), torch.cat(probabilities)

    def _set_learning_rates(self) -> None:
        """Both rates at this step: a function of the absolute step, never of how long a run is to be."""
        training = self.config.training
        factor = training.learning_rate_schedule.at(self.step)
        for name, optimizer in self.optimizers.items():
            of_generator = name == "generator"
            rate = training.learning_rate_generator if of_generator else training.learning_rate_discriminator
            optimizer.param_groups[0]["lr"] = rate * factor

    def _batch(self) -> Int64[Tensor, " n"]:
        training = self.config.training
        return streams.batch_indices(training.seed, self.step, training.batch_size, len(self.images))

    def _real_images(self, indices: Int64[Tensor, " n"]) -> Float[Tensor, "n c h w"]:
        return edge.to_float(self.images[indices.to(self.device)], self.model.table.output)

    def _latents(
        self, update: str, count: int, *, pairs: bool = False
    ) -> tuple[Float[Tensor, "n latents"], Codes]:
        """Noise and codes of one update of this step; with `pairs` both halves have the same codes."""
        seed, latents = self.config.training.seed, self.model.latents
        draw = streams.generator(seed, f"latents/{update}", self.step, self.device)
        noise = latents.sample_noise(count, draw)
        codes = latents.sample_codes(count - count // 2 if pairs else count, draw)
        if pairs:
            codes = {name: torch.cat([values, values])[:count] for name, values in codes.items()}
        return latents.join(noise, codes), codes

    def _update(self, name: str, loss: Float[Tensor, ""]) -> None:
        optimizer = self.optimizers[name]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        parameters = optimizer.param_groups[0]["params"]
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        if not bool(torch.isfinite(nn.utils.get_total_norm(gradients))):
            raise self._diverged(f"the gradient of the {name}'s step is not finite", "a finite gradient")
        optimizer.step()

    def _follow(self) -> None:
        """The moving average of the generator's weights and statistics; before its start, their copy."""
        training, ema = self.config.training, self.model.ema
        if ema is None:
            return
        decay = training.ema_decay if self.step >= training.ema_start else 0.0
        with torch.no_grad():
            raw = self.model.generator.state_dict().values()
            for mean, value in zip(ema.state_dict().values(), raw, strict=True):
                mean.lerp_(value, 1 - decay)

    def _checked(self, losses: Mapping[str, Tensor]) -> dict[str, float]:
        names, stacked = list(losses), torch.stack([loss.detach() for loss in losses.values()])
        values = dict(zip(names, stacked.tolist(), strict=True))
        for name, value in values.items():
            limit = _LOSS_LIMIT * self.dimensions.get(name, 1)
            if not math.isfinite(value) or abs(value) > limit:
                raise self._diverged(f"{name} is {value:.6g} nats", f"finite terms below {limit:.0f} nats")
        return values

    def _diverged(self, how: str, expected: str) -> DivergenceError:
        training = self.config.training
        return DivergenceError(
            f"training diverged at step {self.step + 1}: {how}",
            expected,
            "smaller learning rates, such as --set learning_rate_generator="
            f"{training.learning_rate_generator / 5:.3g} --set learning_rate_discriminator="
            f"{training.learning_rate_discriminator / 5:.3g}",
        )

    def _autocast(self) -> Any:
        return engine.autocast(self.device, self.precision)

    # --- what is reported ------------------------------------------------------------------------------

    def take_window(self) -> dict[str, Any]:
        """Means over the steps since the last call: `loss`, `mutual_information`, `ceiling` in nats.

        And `scores`, the mean D(x) and D(G); every `VARIANCE_EVERY` steps the `variance` of images.
        """
        steps = self.window.pop("steps")
        means = {name: total / self.window.get(f"steps.{name}", steps) for name, total in self.window.items()}
        self.window, notes, self.notes = {}, self.notes, []
        return self._report(means) | ({"notes": notes} if notes else {})

    def peek_window(self) -> dict[str, Any]:
        """The same, with the window left as it is."""
        window, notes = dict(self.window), list(self.notes)
        try:
            return self.take_window()
        finally:
            self.window, self.notes = window, notes

    def _report(self, means: Mapping[str, float]) -> dict[str, Any]:
        priors = self.model.latents.priors
        looked = self.step % VARIANCE_EVERY == 0
        fixed = [name for name, prior in priors.items() if prior.has_fixed_std]
        return {
            "loss": {name: means[f"loss.{name}"] for name in ("discriminator", "generator")},
            "mutual_information": {name: means[f"mutual_information.{name}"] for name in priors},
            "ceiling": {name: prior.entropy for name, prior in priors.items() if prior.discrete},
            **({"fixed_std": fixed} if fixed else {}),
            "terms": {name: means[name] for name in _TERMS if name in means},
            "real": self.real.report(),
            "scores": {name: means[f"scores.{name}"] for name in ("real", "fake")},
            **({"variance": pixel_variance(self.model, self.images)} if looked else {}),
        }

    # --- what a resumed run must find again ------------------------------------------------------------

    def optimizer_tensors(self) -> dict[str, Tensor]:
        """Adam's moments and step counts by optimiser, parameter and name; means over real images."""
        return self._moments() | self.real.tensors() | self.remedy.before

    def _moments(self) -> dict[str, Tensor]:
        return {
            f"{name}.{index}.{key}": value
            for name, optimizer in self.optimizers.items()
            for index, state in optimizer.state_dict()["state"].items()
            for key, value in state.items()
        }

    def state(self) -> dict[str, Any]:
        """What is not a tensor: the step, the running window and the remedy's trial."""
        return {
            "step": self.step,
            "window": dict(self.window),
            "notes": list(self.notes),
            "trial": self.remedy.trial,
        }

    def restore(
        self, model: Mapping[str, Tensor], optimizer: Mapping[str, Tensor], state: Mapping[str, Any]
    ) -> None:
        """Goes back to what `model.state_dict()`, `optimizer_tensors()` and `state()` gave."""
        self.model.load_tensors(model, "the checkpoint's model.safetensors")
        self.step, self.window = int(state["step"]), dict(state["window"])
        self.notes = list(state.get("notes", ()))
        self.real.restore(optimizer)
        self.remedy.restore(state.get("trial"), optimizer)
        if self.step:  # before the first update there are no moments
            self._load_moments(optimizer)

    def _load_moments(self, tensors: Mapping[str, Tensor]) -> None:
        for name, own in self.optimizers.items():
            if name == "contrastive" and not any(key.startswith("contrastive.") for key in tensors):
                own.state.clear()  # it had not begun then
                continue
            parameters = own.param_groups[0]["params"]
            for index, parameter in enumerate(parameters):
                prefix = f"{name}.{index}."
                loaded = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
                if set(loaded) != {"step", "exp_avg", "exp_avg_sq"}:
                    raise StorageError(
                        f"the checkpoint's optimizer.safetensors has no complete state {prefix}*",
                        "Adam's step, exp_avg and exp_avg_sq of every parameter",
                        "an older checkpoint, or a run of this version",
                    )
                # Moments must lie in memory as their parameter does, or the fused update changes its sums.
                # The count of steps must lie on its device, or a GPU refuses it.
                own.state[parameter] = {
                    key: value.to(parameter.device, copy=True)
                    if key == "step"
                    else torch.empty_like(parameter).copy_(value)
                    for key, value in loaded.items()
                }


def _adam(module: nn.Module, learning_rate: float, beta1: float) -> torch.optim.Adam:
    return torch.optim.Adam(module.parameters(), lr=learning_rate, betas=(beta1, 0.999), fused=True)


@contextmanager
def _frozen(modules: nn.Module) -> Iterator[None]:
    """No gradients for the weights inside, though gradients pass through to what lies before them."""
    modules.requires_grad_(False)
    try:
        yield
    finally:
        modules.requires_grad_(True)


def _prefixed(bounds: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Bounds under keys that no loss can have, however a code is named."""
    return {f"mutual_information.{name}": bound for name, bound in bounds.items()}
