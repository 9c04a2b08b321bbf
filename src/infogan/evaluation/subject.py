"""The subject of an evaluation: a model, a data set, and results that several metrics share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from infogan import streams
from infogan.evaluation.resampling import numpy_generator
from infogan.latents import Codes
from infogan.model import InfoGAN, Weights

if TYPE_CHECKING:
    from infogan.data import Dataset

Progress = Callable[[str], None]
Result = TypeVar("Result")

TRAIN_IMAGES = 10_000
"""Maximum number of training images for choosing a matching and for fitting a baseline."""


_PART_VALUES = 2**27  # pixels and channels that are floats at once; all published test splits are one part


def silent(_: str) -> None:
    """Report no progress."""


@dataclass(eq=False)
class Subject:
    """The model, data set and settings that a metric evaluates.

    Attributes:
        model: the model, in any mode; evaluation always uses running statistics.
        dataset: real images, with or without labels; None evaluates generated images alone.
        weights: the generator to evaluate, "raw" or "ema"; by default the model's own choice.
        samples: number of generated images per metric.
        seed: random seed of the evaluation.
        progress: called with a line of text when a metric starts.
        full: also compute the slow metrics and variants.
    """

    model: InfoGAN
    dataset: Dataset | None = None
    weights: Weights | None = None
    samples: int = 10_000
    seed: int = 0
    progress: Progress = silent
    full: bool = False
    _results: dict[Callable[..., Any], Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self.weights = self.weights or self.model.weights

    @property
    def real(self) -> Dataset:
        """The data set, for metrics that have checked that there is one."""
        assert self.dataset is not None
        return self.dataset

    @cached_property
    def train_images(self) -> UInt8[np.ndarray, "n h w c"]:
        """The training images of `train_subset`."""
        images = self.real.train.images
        return np.asarray(images[train_subset(len(images), self.seed)])

    def once(self, compute: Callable[[Subject], Result]) -> Result:
        """Return `compute(self)`, computed at the first call and shared by all metrics."""
        if compute not in self._results:
            self._results[compute] = compute(self)
        return cast(Result, self._results[compute])

    def rng(self, stream: str) -> np.random.Generator:
        """Return a new numpy generator for the named stream of this evaluation's seed."""
        return numpy_generator(self.seed, f"evaluation/{stream}")

    def generate(self, noise: Float[Tensor, "n noise"], codes: Codes) -> UInt8[np.ndarray, "n h w c"]:
        """Generate images from noise and codes, with the weights under evaluation."""
        return self.model.generate(noise, codes, weights=self.weights)

    def sample(self, count: int, stream: str) -> tuple[UInt8[np.ndarray, "count h w c"], Codes]:
        """Generate `count` images from newly sampled latents, and return them with their codes.

        The images have 256 levels, as people see them, so that finer differences cannot encode a code.
        """
        noise, codes = self.model.draw(count, seed=self.seed, stream=f"evaluation/{stream}")
        return self.generate(noise, codes), codes


def drawn_subset(count: int, most: int, *, seed: int, stream: str) -> Int[np.ndarray, " n"]:
    """Return sorted indices of at most `most` of `count` images, sampled without replacement.

    The first images are not representative, because many data sets are sorted by label.
    """
    order = torch.randperm(count, generator=streams.generator(seed, stream))
    return np.sort(order[:most].numpy())


def train_subset(count: int, seed: int) -> Int[np.ndarray, " n"]:
    """Return the indices of at most TRAIN_IMAGES of `count` training images."""
    return drawn_subset(count, TRAIN_IMAGES, seed=seed, stream="evaluation/train subset")


def pixels(images: UInt8[np.ndarray, "n h w c"]) -> Float[np.ndarray, "n pixels"]:
    """Return each image as a float32 vector of pixel values from 0 to 1."""
    return images.reshape(len(images), -1).astype(np.float32) / np.float32(255)


def in_parts(
    function: Callable[[UInt8[np.ndarray, "n h w c"]], np.ndarray], images: UInt8[np.ndarray, "n h w c"]
) -> np.ndarray:
    """Return the rows of `function(images)`, computed in parts, so that large splits fit into the memory."""
    rows = max(1, _PART_VALUES // images[0].size)
    starts = range(0, max(len(images), 1), rows)
    parts = [function(images[start : start + rows]) for start in starts]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
