"""What is judged: a model and a data set, and what several metrics would otherwise compute twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
import torch
from jaxtyping import Int, UInt8

from infogan import streams
from infogan.model import InfoGAN, Weights

if TYPE_CHECKING:
    from infogan.data import Dataset

Progress = Callable[[str], None]
Made = TypeVar("Made")

TRAIN_IMAGES = 10_000
"""Training images, at most, from which a matching is chosen and k-means is fitted."""


def silent(_: str) -> None:
    """A progress that says nothing."""


@dataclass(eq=False)
class Subject:
    """What is judged, and by how much chance.

    Attributes:
        model: in whatever mode; evaluation always uses running statistics.
        dataset: real images with or without labels; None judges generated images alone.
        weights: "raw" or "ema": which generator is judged.
        samples: fresh generated images that a figure rests on.
        seed: of all chance of the evaluation; its streams are its own.
        full: whether metrics that have a long variant use it.
        progress: is told what begins.
    """

    model: InfoGAN
    dataset: Dataset | None
    weights: Weights
    samples: int = 10_000
    seed: int = 0
    progress: Progress = silent
    full: bool = False
    _made: dict[Callable[..., Any], Any] = field(default_factory=dict, repr=False)

    def once(self, make: Callable[[Subject], Made]) -> Made:
        """`make(self)`, computed at the first call and kept for all metrics that ask for it."""
        if make not in self._made:
            self._made[make] = make(self)
        return cast(Made, self._made[make])


def drawn_subset(count: int, most: int, *, seed: int, stream: str) -> Int[np.ndarray, " n"]:
    """Indices, in order, of at most `most` of `count` images, drawn without replacement.

    Drawn, and not the first ones: many sets lie sorted by label.
    """
    order = torch.randperm(count, generator=streams.generator(seed, stream))
    return np.sort(order[:most].numpy())


def train_subset(count: int, seed: int) -> Int[np.ndarray, " n"]:
    """`drawn_subset` of at most TRAIN_IMAGES of `count` training images."""
    return drawn_subset(count, TRAIN_IMAGES, seed=seed, stream="evaluation/train subset")


def train_images(subject: Subject) -> UInt8[np.ndarray, "n h w c"]:
    """The images of `train_subset`. Ask for it by `subject.once`."""
    assert subject.dataset is not None
    images = subject.dataset.train.images
    return np.asarray(images[train_subset(len(images), subject.seed)])
