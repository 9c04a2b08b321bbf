"""Small trainings on images of noise, and functions that compare weights before and after."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from infogan.config import Config, TrainingConfig
from infogan.latents import Latents
from infogan.model import InfoGAN
from infogan.training.anchors import Anchors
from infogan.training.engine import Precision
from infogan.training.randomness import Randomness
from infogan.training.step import Losses
from infogan.training.step_settings import StepSettings, settings_at
from infogan.training.trainer import Trainer

CPU = torch.device("cpu")
IMAGES = torch.randint(0, 256, (40, 8, 8, 1), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def with_training(config: Config, **training: Any) -> Config:
    """Return the configuration with batches of 8 images and other settings of the training."""
    return config.model_copy(update={"training": TrainingConfig(batch_size=8, **training)})


def make_trainer(
    config: Config,
    *,
    precision: Precision = "float32",
    nearest: Tensor | None = None,
    images: Tensor = IMAGES,
    anchors: Anchors | None = None,
) -> Trainer:
    """Return a trainer on the CPU."""
    return Trainer(InfoGAN(config), images, device=CPU, precision=precision, nearest=nearest, anchors=anchors)


def anchored(config: Config, **training: Any) -> Config:
    """Return the configuration with the networks of the recipe `anchored`, a sixteenth as wide."""
    return with_training(config, **training).replace(
        network={"architecture": "anchored", "normalization": "spectral", "width": 0.0625},
        objective={"anchor_weight": 1.0},
    )


def anchors_of_images(config: Config, seed: int = 0) -> Anchors:
    """Return random anchors of the codes `digit` and `style` for `IMAGES`."""
    rng = torch.Generator().manual_seed(seed)
    targets = Latents(config.latents).sample_codes(len(IMAGES), rng)
    return Anchors({name: targets[name] for name in ("digit", "style")})


def advance(trainer: Trainer, steps: int) -> None:
    for _ in range(steps):
        trainer.advance()


def step_inputs(trainer: Trainer) -> tuple[Sequence[Tensor], Randomness, StepSettings]:
    """Return what the trainer's next step is called with."""
    settings = settings_at(trainer.config, trainer.step)
    return trainer.batches(), trainer.sampler.sample(trainer.step, settings), settings


def discriminator_losses(trainer: Trainer) -> Losses:
    """Return D's losses at the next step, without an update."""
    trainer.model.train()
    return trainer.make_step.discriminator_losses(*step_inputs(trainer))


def generator_losses(trainer: Trainer) -> Losses:
    """Return G's losses at the next step, without an update."""
    trainer.model.train()
    _, randomness, settings = step_inputs(trainer)
    return trainer.make_step.generator_losses("generator", randomness, settings)


def copied(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def changed_parameters(module: nn.Module, before: dict[str, Tensor]) -> set[str]:
    return {name for name, value in module.named_parameters() if not torch.equal(value, before[name])}


def snapshot(trainer: Trainer) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Any]]:
    """Return copies of all that `Trainer.restore` takes."""
    moments = {name: value.clone() for name, value in trainer.optimizer_tensors().items()}
    return copied(trainer.model), moments, trainer.state()


def assert_same_training(first: Trainer, second: Trainer) -> None:
    """Compare metrics, weights and moments to the last bit."""
    assert first.window.state() == second.window.state()
    theirs = second.model.state_dict() | second.optimizer_tensors()
    ours = first.model.state_dict() | first.optimizer_tensors()
    assert list(ours) == list(theirs)
    for name, value in ours.items():
        assert torch.equal(value, theirs[name]), name


def watch_updates(trainer: Trainer) -> list[tuple[str, set[str]]]:
    """Return a list that every update extends by its name and the names of the networks that it changed."""
    updates: list[tuple[str, set[str]]] = []
    before: dict[str, Tensor] = {}

    def remember(*_: object) -> None:
        before.update(copied(trainer.model))

    for name, optimizer in trainer.optimizers.items():

        def compare(*_: object, name: str = name) -> None:
            changed = changed_parameters(trainer.model, before)
            updates.append((name, {key.partition(".")[0] for key in changed}))

        optimizer.register_step_pre_hook(remember)
        optimizer.register_step_post_hook(compare)
    return updates
