"""Small trainings by the recipe `robust`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from infogan import data, recipes
from infogan.config import Config
from infogan.model import InfoGAN
from infogan.presets import load
from infogan.training import runner
from infogan.training.trainer import Trainer, nearest_images


@pytest.fixture
def tiny() -> Callable[..., Config]:
    """The recipe on scikit-learn's digits, an eighth as wide, remedy early, and settings of training."""

    def configure(**training: Any) -> Config:
        config = recipes.apply(load("digits"), "robust")
        network = config.network.model_copy(update={"width": 0.125})
        settings = {"batch_size": 32, "repair_start": 4, "repair_end": 100, "repair_every": 4} | training
        return config.model_copy(
            update={"network": network, "training": config.training.model_copy(update=settings)}
        )

    return configure


@pytest.fixture
def trainer() -> Callable[[Config], Trainer]:
    """A trainer of a configuration, on the CPU."""

    def make(config: Config) -> Trainer:
        dataset = data.load(config.data)
        config = runner.resolve(config, dataset)
        return Trainer(
            InfoGAN(config),
            torch.tensor(dataset.train.images),
            device=torch.device("cpu"),
            precision="float32",
            nearest=nearest_images(config, dataset.train),
        )

    return make
