"""A network that is trained to predict the true factors of real images, which judges generated images."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float

from infogan.config import Code
from infogan.data import Dataset
from infogan.latents import Codes
from infogan.model import InfoGAN
from infogan.training.anchoring import fit_recognition
from infogan.training.anchors import Anchors

_STEPS, _GENERATED = 1_500, 3_000


def judged(
    model: InfoGAN,
    dataset: Dataset,
    factors: Mapping[str, Code],
    targets: Mapping[str, Float[np.ndarray, " n"]],
    *,
    stream: str,
) -> tuple[Codes, dict[str, np.ndarray]]:
    """Return the codes of 3,000 generated images, and what the judge predicts of these images.

    Args:
        model: generates the images; the judge has its networks, and the next seed.
        dataset: the judge is trained on its training images.
        factors: a code for each factor.
        targets: the true values of the training images, in the range of the codes.
        stream: of the random numbers.
    """
    config = model.config.replace(latents={"codes": dict(factors)}, network={"pairs": False})
    judge = InfoGAN(config.replace(training={"seed": model.config.training.seed + 1}))
    anchors = {name: torch.from_numpy(values.astype(np.float32))[:, None] for name, values in targets.items()}
    steps = min(_STEPS, 10 * config.training.steps)
    fit_recognition(judge, np.asarray(dataset.train.images), Anchors(anchors), steps)
    noise, given = model.draw(_GENERATED, seed=0, stream=stream)
    return given, judge.encode(model.generate(noise, given))
