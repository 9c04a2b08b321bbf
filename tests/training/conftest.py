"""Small trainings by the recipe `robust`, on scikit-learn's digits."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
import torch

from infogan import data, recipes
from infogan.config import Config, DataConfig
from infogan.data import Dataset
from infogan.model import InfoGAN
from infogan.presets import load
from infogan.training import runner
from infogan.training.trainer import Trainer, nearest_images
from tests.training.step_builders import CPU


@cache
def _dataset(source: str) -> Dataset:
    return data.load(DataConfig(source=source))


@pytest.fixture
def tiny() -> Callable[..., Config]:
    """The recipe, a sixteenth as wide, with early category repair; settings of the training may differ."""

    def configure(**training: Any) -> Config:
        settings = {"batch_size": 16, "repair_start": 4, "repair_end": 100, "repair_every": 4} | training
        config = recipes.find("robust").apply(load("digits"))
        return config.replace(network={"width": 0.0625}, training=settings, objective={"neighbours": 0})

    return configure


@pytest.fixture
def trainer() -> Callable[[Config], Trainer]:
    """A trainer of a configuration, on the CPU."""

    def make(config: Config) -> Trainer:
        dataset = _dataset(config.data.source)
        config = runner.resolve(config, dataset)
        return Trainer(
            InfoGAN(config),
            torch.tensor(dataset.train.images),
            device=CPU,
            precision="float32",
            nearest=nearest_images(config, dataset.train),
        )

    return make
