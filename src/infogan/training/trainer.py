"""The trainer: it holds all state that changes in training, and saves and restores this state.

`infogan.objective` defines the losses, and `training.step` makes one step. This module calls it with the
batch, the randomness and the scheduled settings of each step.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import nullcontext
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor, nn

from infogan import objective
from infogan.config import Config
from infogan.data.dataset import Split
from infogan.errors import ConfigError
from infogan.latents import Codes
from infogan.model import InfoGAN
from infogan.training import engine, graph, optimizers
from infogan.training.anchors import Anchors
from infogan.training.batches import RealBatches
from infogan.training.distributed import Ranks
from infogan.training.graph import Graphs, Log, Recorder
from infogan.training.guard import DivergenceGuard
from infogan.training.image_variance import compared_images, pixel_variance
from infogan.training.randomness import RandomnessSampler
from infogan.training.real_statistics import RealStatistics
from infogan.training.repair.category_repair import CategoryRepair
from infogan.training.repair.survey import Surveyor
from infogan.training.step import Step
from infogan.training.step_settings import settings_at
from infogan.training.terms import TERMS
from infogan.training.window import MetricsWindow

METRICS_EVERY = 20
"""Steps between two lines of metrics.jsonl. The host waits for the device only then, and to save."""

VARIANCE_EVERY = 100
"""Steps between two measurements of the images' variance; a multiple of METRICS_EVERY."""


def nearest_images(
    config: Config, images: Split, learned: Int64[Tensor, "n k"] | None = None
) -> Int64[Tensor, "n k"] | None:
    """Return the nearest neighbours of all training images, or None if the configuration uses none.

    Args:
        config: of the run.
        images: the training images.
        learned: neighbours by learned features, for a configuration that wants these.

    Raises:
        ConfigError: `learned` does not fit the configuration.
    """
    if not config.seeks_neighbours:
        return None
    if config.learns_neighbours:
        shape = [len(images.images), min(config.objective.neighbours, len(images.images) - 1)]
        found = None if learned is None else list(learned.shape)
        if learned is None or found != shape:
            raise ConfigError(
                f'objective.neighbour_space = "joint": the run has neighbours of shape {found}',
                f"neighbours of shape {shape}, from the phase before training",
                "a new run, since this phase is complete",
            )
        return learned
    objective = config.objective
    return torch.from_numpy(images.nearest(objective.neighbours, objective.neighbour_search))


class Trainer:
    """A model in training.

    Args:
        model: the model to train; it is moved to `device`.
        images: all training images.
        device: device to train on.
        precision: precision of the layers; weights, optimizers, losses and statistics are float32.
        nearest: nearest neighbours of the images, from `nearest_images`.
        anchors: targets of codes for these images; None: there is no term "anchors".
        recorder: records steps, so that they are replayed; if left out, as `training.graph` requires.
        log: called with a message if a step cannot be captured.
        ranks: the processes of the training, if there are several; each has a trainer with the same
            arguments but the device.

    Raises:
        ConfigError: the anchors do not fit the codes or the number of images.
    """

    def __init__(  # noqa: PLR0913 - a model, its data, and where and how to train
        self,
        model: InfoGAN,
        images: UInt8[Tensor, "n h w c"],
        *,
        device: torch.device,
        precision: engine.Precision,
        nearest: Int64[Tensor, "n k"] | None = None,
        anchors: Anchors | None = None,
        recorder: Recorder | None = None,
        log: Log = lambda _: None,
        ranks: Ranks | None = None,
    ) -> None:
        self.config: Config = model.config
        if self.config.seeks_neighbours and nearest is None:
            raise ValueError("objective.neighbours needs `nearest`, from nearest_images")
        self.model, self.device, self.precision = model.to(device), device, precision
        self.real = RealBatches(self.config, images, nearest, device)
        self.images = self.real.images
        if anchors is not None:
            anchors.check(model.latents, len(images))
        self.anchors = None if anchors is None else anchors.to(device)
        self.step = 0  # steps done
        self.notes: list[str] = []  # category repairs since the last line of metrics
        self.window = MetricsWindow(device)
        self.guard = DivergenceGuard(_limits(model), device)
        self.statistics = RealStatistics(model.latents, self.config.objective)
        self.ranks = ranks
        if ranks is not None:
            ranks.check(self.config)
            ranks.divide(model)
        elif recorder is None:  # the communication of several processes is not captured
            recorder = graph.recorder(device, self.config.training.graph)
        self.graphs = Graphs(recorder, device, log)
        self.optimizers = _optimizers(model, captured=recorder is not None)
        replay = self.graphs.replayed
        self.make_step = Step(
            model, self.optimizers, self.statistics, self.guard, precision, replay=replay, ranks=ranks
        )
        shape = (model.channels, model.size, model.size)
        self.sampler = RandomnessSampler(
            self.config, model.latents, shape, device, self.anchors, replay=replay
        )
        surveyor = Surveyor(model, self.images, nearest, precision)
        self.repair = CategoryRepair(self.config.training, model, self.statistics, surveyor)

    def advance(self) -> None:
        """Make one training step: update D and G, then repair categories if a repair is due."""
        settings = settings_at(self.config, self.step)
        dividing = nullcontext() if self.ranks is None else self.ranks.dividing()
        with engine.numerics(self.device, self.precision, self.config.training.deterministic):
            targets = self.targets()
            randomness = self.sampler.sample(self.step, settings, targets)
            with dividing:
                values = self.make_step(self.batches(), randomness, settings, targets)
            self.window.add(list(values), torch.stack(list(values.values())))
        self.step += 1
        self._repair()

    def batches(self) -> list[UInt8[Tensor, "n h w c"]]:
        """Return the batch of real images of this step; if Q is trained on real images, also a second batch.

        The second batch has the images for the second views: the same images, or neighbours of them.
        """
        return self.real.at(self.step).images

    def targets(self) -> Codes:
        """Return the anchors of the real images of this step, on the device; none if the run has none."""
        return {} if self.anchors is None else self.anchors.of(self.real.at(self.step).indices)

    def check(self) -> None:
        """Wait for the device, and raise DivergenceError if training has diverged."""
        training = self.config.training
        self.guard.raise_if_failed(
            {
                "training.learning_rate_generator": training.learning_rate_generator,
                "training.learning_rate_discriminator": training.learning_rate_discriminator,
            }
        )

    # --- category repair -----------------------------------------------------------------------------------

    def _repair(self) -> None:
        """Repair a categorical code if that is due, or undo a repair that did not help."""
        if not self.repair.due(self.step):
            return
        self.check()  # the statistics of a training that has diverged are not a reason for a repair
        notes, undo = self.repair.act(self.step, self.optimizers, self._networks_and_moments)
        self.notes += notes
        if notes:  # the statistics and the moments are then other tensors
            self.graphs.clear()
        if undo is not None:
            model = {key: undo[f"model.{key}"] for key in self.model.state_dict()}
            self.model.load_tensors(model, "the state before the repair")
            optimizers.load_moments(self.optimizers, undo)

    def _networks_and_moments(self) -> dict[str, Tensor]:
        model = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        return model | optimizers.moments(self.optimizers)

    # --- metrics -------------------------------------------------------------------------------------------

    def take_window(self) -> dict[str, Any]:
        """Return the means over the steps since the last call, and start a new window.

        Returns:
            `loss`, `mutual_information` and `ceiling` in nats; `terms`; `real`, statistics of Q's predictions
            for real images; `scores`, the mean of D(x) and of D(G); every `VARIANCE_EVERY` steps the
            `variance` of images; `notes`, messages about category repairs.

        Raises:
            DivergenceError: training has diverged.
        """
        line = self.peek_window()
        self.window.clear()
        self.notes = []
        return line

    def peek_window(self) -> dict[str, Any]:
        """Return the same values as `take_window`, but keep the window."""
        self.check()
        return self._line(self.window.means()) | ({"notes": list(self.notes)} if self.notes else {})

    def _line(self, means: Mapping[str, float]) -> dict[str, Any]:
        priors = self.model.latents.priors
        fixed = [name for name, prior in priors.items() if prior.has_fixed_std]
        measured = self.step % VARIANCE_EVERY == 0
        return {
            "loss": {name: means[f"loss.{name}"] for name in ("discriminator", "generator")},
            "mutual_information": {name: means[f"mutual_information.{name}"] for name in priors},
            "ceiling": {name: prior.entropy for name, prior in priors.items() if prior.discrete},
            **({"fixed_std": fixed} if fixed else {}),
            "terms": {name: means[name] for name in TERMS if name in means},
            "real": self.statistics.report(),
            "scores": {name: means[f"scores.{name}"] for name in ("real", "fake")},
            **({"variance": pixel_variance(self.model, self._compared)} if measured else {}),
        }

    @cached_property
    def _compared(self) -> UInt8[Tensor, "n h w c"]:
        return compared_images(self.images, self.config.training.seed)

    # --- checkpoints ---------------------------------------------------------------------------------------

    def optimizer_tensors(self) -> dict[str, Tensor]:
        """Return Adam's moments, the statistics of real images, and the state before a repair on trial."""
        return optimizers.moments(self.optimizers) | self.statistics.tensors() | self.repair.before

    def state(self) -> dict[str, Any]:
        """Return the state that is not a tensor: the step, the running window and the repair on trial."""
        return {
            "step": self.step,
            "window": self.window.state(),
            "notes": list(self.notes),
            "trial": self.repair.trial,
        }

    def restore(
        self, model: Mapping[str, Tensor], optimizer: Mapping[str, Tensor], state: Mapping[str, Any]
    ) -> None:
        """Restore what `model.state_dict()`, `optimizer_tensors()` and `state()` returned."""
        self.graphs.clear()
        self.model.load_tensors(model, "the checkpoint's model.safetensors")
        self.step = int(state["step"])
        self.guard.set_step(self.step)
        self.window.restore(state["window"])
        self.notes = list(state.get("notes", ()))
        self.statistics.restore(optimizer, self.device)
        self.repair.restore(state.get("trial"), optimizer)
        if self.step:  # before the first update there are no moments
            optimizers.load_moments(self.optimizers, optimizer)


def _optimizers(model: InfoGAN, *, captured: bool) -> dict[str, torch.optim.Adam]:
    """Return one Adam optimizer per update; the contrastive classifier has the learning rate of D."""
    training = model.config.training
    rates = {
        "discriminator": training.learning_rate_discriminator,
        "generator": training.learning_rate_generator,
    }
    # A trunk that Q shares with D has the rate of D.
    q = () if model.encoder is None else (model.recognition, model.encoder)
    factors: dict[nn.Module, float] = dict.fromkeys(q, training.recognition_rate)
    adams = {
        update: optimizers.adam(
            nn.ModuleList(network for name in names if (network := getattr(model, name)) is not None),
            rates[update],
            training.beta1,
            training.beta2,
            factors=factors,
            captured=captured,
        )
        for update, names in objective.UPDATES.items()
    }
    if model.contrastive is not None:
        rate = training.learning_rate_discriminator
        adams["contrastive"] = optimizers.adam(
            model.contrastive, rate, training.beta1, training.beta2, captured=captured
        )
    return adams


def _limits(model: InfoGAN) -> dict[str, float]:
    """Return the factor on the divergence limit for each value that has one.

    A sum over many code dimensions can be large without divergence, so its factor is their number.
    """
    limits = {
        f"mutual_information.{name}": float(prior.code.dim) for name, prior in model.latents.priors.items()
    }
    dimensions = float(sum(prior.code.dim for prior in model.latents.categorical.values()))
    weight = math.ceil(model.config.objective.marginal_weight)
    # Terms of plug-ins may have any unit, so they only have to be finite.
    limits |= dict.fromkeys(model.config.objective.terms, 1e30)
    return limits | {
        "real_information": dimensions * max(1, weight),
        "subcode_information": dimensions,
        "anchors": float(max(prior.code.dim for prior in model.latents.priors.values())),
    }
