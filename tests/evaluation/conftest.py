"""A tiny model, one whose codes are drawn straight into pixels, and a data set that both can be held to."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch

from infogan.config import Config, DataConfig, LatentsConfig, NetworkConfig, parse_codes
from infogan.data import Dataset, Split
from infogan.evaluation import classifier
from infogan.model import InfoGAN

CATEGORIES = 4
CLASS_OF = np.array([2, 0, 3, 1])
"""The class that images of each category have: categories and classes are numbered differently."""


def tiny_config(codes: str | Mapping[str, Any] = "digit:4 style:u", **data: Any) -> Config:
    named = parse_codes(codes) if isinstance(codes, str) else dict(codes)
    return Config(
        data=DataConfig(source="digits", **{"size": 8, "channels": 1, **data}),
        latents=LatentsConfig(noise=6, codes=named),
        network=NetworkConfig(width=0.125),
    )


def draw_images(categories: np.ndarray, style: np.ndarray, background: np.ndarray) -> np.ndarray:
    """uint8 [N, 8, 8, 1]: a category lights two columns, a style in [-1, 1] sets the last row's level."""
    images = (background * 40).astype(np.uint8)
    for row, category in enumerate(categories):
        images[row, :7, 2 * category : 2 * category + 2] = 250
    images[:, 7] = np.round((style[:, None, None] + 1) / 2 * 255)
    return images


class DrawnInfoGAN(InfoGAN):
    """Codes are drawn straight into pixels, and read from them without error."""

    def generate(self, noise: Any, codes: Any, *, weights: Any = None) -> np.ndarray:
        background = np.random.Generator(np.random.Philox(len(noise))).random((len(noise), 8, 8, 1))
        return draw_images(codes["digit"].argmax(1).numpy(), codes["style"][:, 0].numpy(), background)

    def recognise(self, images: np.ndarray, *, domain: Any = "real", augmented: bool = False) -> torch.Tensor:
        columns = images[:, :7, :, 0].mean(1).reshape(-1, CATEGORIES, 2).mean(2)
        style = images[:, 7].mean((1, 2)) / 255 * 2 - 1
        logits = np.where(columns == columns.max(1, keepdims=True), 30.0, 0.0)
        raw = np.concatenate([logits, style[:, None], np.full((len(images), 1), -20.0)], axis=1)
        return torch.from_numpy(raw.astype(np.float32))


def drawn_split(count: int, seed: int, labelled: bool = True) -> Split:
    draw = np.random.default_rng(seed)
    categories = np.sort(draw.integers(CATEGORIES, size=count))  # sorted by class, as many sets are
    images = draw_images(categories, draw.uniform(-1, 1, count), draw.random((count, 8, 8, 1)))
    return Split(images, CLASS_OF[categories].astype(np.int64) if labelled else None)


@pytest.fixture(scope="session")
def drawn_dataset() -> Dataset:
    return Dataset("drawn", drawn_split(400, 0), drawn_split(150, 1))


@pytest.fixture(scope="session")
def unlabelled_dataset() -> Dataset:
    return Dataset("unlabelled", drawn_split(60, 0, labelled=False), drawn_split(40, 1, labelled=False))


@pytest.fixture
def short_classifier(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trains the independent classifier for 60 steps, where its quality is not what is tested."""
    monkeypatch.setattr(classifier, "_STEPS", (60, 60))


@pytest.fixture
def config_of() -> Callable[..., Config]:
    return tiny_config


@pytest.fixture
def drawn_model() -> InfoGAN:
    return DrawnInfoGAN(tiny_config())
