"""A survey: features and predicted categories of many real images and of their second views."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from infogan import images as edge
from infogan import streams
from infogan.augmentation import augment
from infogan.latents import CodeDimension
from infogan.model import InfoGAN
from infogan.training import engine

SURVEYED = 8_000
"""Real images in a survey."""

_BATCH = 500


@dataclass(frozen=True)
class Survey:
    """Two augmented views of real images, encoded.

    Attributes:
        features: the features that Q receives, for the first and the second views.
        probabilities: probabilities of the categories of one code dimension, for both.
    """

    features: tuple[Float[Tensor, "n f"], Float[Tensor, "n f"]]
    probabilities: tuple[Float[Tensor, "n k"], Float[Tensor, "n k"]]

    def of_pair(self, pair: tuple[int, int]) -> Tensor:
        """Return a mask, bool [n], of images whose two views both belong to these categories."""
        chosen = torch.tensor(pair, device=self.features[0].device)
        both = [torch.isin(part.argmax(1), chosen) for part in self.probabilities]
        return both[0] & both[1]


class Surveyor:
    """Encodes augmented real images and their second views.

    Args:
        model: in evaluation mode when called, so that batch norm uses its running statistics.
        images: all training images, on the host or the model's device.
        nearest: their nearest neighbours, if second views are taken from neighbours.
        precision: precision of the layers.
    """

    def __init__(
        self,
        model: InfoGAN,
        images: UInt8[Tensor, "n h w c"],
        nearest: Int64[Tensor, "n k"] | None,
        precision: engine.Precision,
    ) -> None:
        self.model, self.images, self.nearest, self.precision = model, images, nearest, precision

    @torch.no_grad()
    def __call__(self, dimension: CodeDimension, step: int) -> Survey:
        """Survey up to `SURVEYED` images for one code dimension; a function of the seed and the step."""
        config = self.model.config
        rng = streams.generator(config.training.seed, "survey", step)
        chosen = torch.randperm(len(self.images), generator=rng)[:SURVEYED]
        share, seed = config.objective.neighbour_share, config.training.seed
        partners = streams.partners(chosen, self.nearest, share, seed, step)
        first = self._encode(chosen, "survey-0", dimension, step)
        second = self._encode(partners, "survey-1", dimension, step)
        return Survey((first[0], second[0]), (first[1], second[1]))

    def _encode(
        self, indices: Int64[Tensor, " n"], use: str, dimension: CodeDimension, step: int
    ) -> tuple[Tensor, Tensor]:
        """Return features and category probabilities of augmented images."""
        model, device, policy = self.model, self.model.device, self.model.config.augmentation
        features, probabilities = [], []
        for number, part in enumerate(indices.split(_BATCH)):
            rng = streams.generator(model.config.training.seed, f"augment/{use}-{number}", step, device)
            chosen = self.images[part.to(self.images.device)].to(device)
            batch = edge.to_float(chosen, model.table.output)
            augmented = augment(batch, policy, rng)
            with engine.autocast(device, self.precision):
                features.append(model.feature_extractor(augmented, ("real",)).float())
                raw = model.recognition(features[-1], ("real",))
            probabilities.append(model.latents.category_probabilities(raw)[dimension])
        return torch.cat(features), torch.cat(probabilities)
