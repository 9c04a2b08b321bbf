"""Whether a continuous code is the brightness of the whole image: light, as the paper saw it (Figure 5).

One code is judged: the one whose rank correlation with brightness is highest on generated and on training
images together, none of which is scored. The scores are on other generated images, with the true values of
the code, and on test images, with what Q reads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from infogan.evaluation.clustering_baselines import untrained_reading_of_test, untrained_reading_of_train
from infogan.evaluation.metric import metric
from infogan.evaluation.mutual_information import fresh_fakes
from infogan.evaluation.predicted_codes import (
    continuous_dimensions,
    continuous_means,
    reading_of_test,
    reading_of_train,
)
from infogan.evaluation.subject import Subject, train_images
from infogan.evaluation.true_factors import Codes, components, spearman, spearman_interval

_MOST_FAKES = 4_000
_COLOURS = 3  # of four channels the last is no light
_LEAST = 8  # images: of fewer, a rank correlation is hardly more than chance

Measured = tuple[Codes, Float[np.ndarray, " _"]]
"""Codes by name and the brightness of as many images."""


def brightness(images: UInt8[np.ndarray, "n h w c"]) -> Float[np.ndarray, " n"]:
    """The mean of each image over pixels and colours, from 0 to 1; alpha is left out."""
    return np.asarray(images[..., :_COLOURS].mean((1, 2, 3), dtype=np.float64) / 255)


def choose(parts: Sequence[Measured]) -> str:
    """The code whose |Spearman| with brightness, added over all parts, is highest.

    Args:
        parts: one or more sets of images, each with the same codes.
    """
    return max(parts[0][0], key=lambda name: sum(spearman(codes[name], light) for codes, light in parts))


def score(code: str, scored: Mapping[str, Measured]) -> dict[str, Any]:
    """The figures of `brightness` in evaluation.json.

    Args:
        code: the chosen one.
        scored: images that did not choose it, by what the figures are called: "generated", "real".

    Returns:
        `code`, and for each kind of images `spearman_<kind>`, |Spearman| from 0 to 1, with its 95 %
        `_interval`.
    """
    found: dict[str, Any] = {"code": code}
    for kind, (codes, light) in scored.items():
        reached = spearman(codes[code], light)
        found |= {
            f"spearman_{kind}": reached,
            f"spearman_{kind}_interval": spearman_interval(reached, len(light)),
        }
    return found


def _generated(subject: Subject) -> tuple[Measured, Measured]:
    """Fresh generated images with the codes they were made from: those that choose, those that are scored."""
    latents, count = subject.model.latents, min(subject.samples, _MOST_FAKES)

    def made(purpose: str) -> Measured:
        images, codes = fresh_fakes(
            subject.model,
            count,
            seed=subject.seed,
            stream=f"evaluation/brightness/{purpose}",
            weights=subject.weights,
        )
        values = {
            latents.dimension_name(dimension): codes[dimension[0]][:, dimension[1]].double().numpy()
            for dimension in continuous_dimensions(latents)
        }
        return values, brightness(images)

    return made("choosing"), made("scored")


@metric("brightness")
def _metric(subject: Subject) -> dict[str, Any]:
    latents, dataset = subject.model.latents, subject.dataset
    if not continuous_dimensions(latents) or subject.samples < _LEAST:
        return {}
    choosing, scored = _generated(subject)
    if dataset is None or min(len(subject.once(train_images)), len(dataset.test.images)) < _LEAST:
        return {"brightness": score(choose([choosing]), {"generated": scored})}
    light = [brightness(images) for images in (subject.once(train_images), dataset.test.images)]

    def read(train: Any, test: Any) -> list[Measured]:
        parts = (continuous_means(latents, subject.once(part)) for part in (train, test))
        return [
            ({latents.dimension_name(dimension): values for dimension, values in part.items()}, of_images)
            for part, of_images in zip(parts, light, strict=True)
        ]

    own = read(reading_of_train, reading_of_test)
    blank = read(untrained_reading_of_train, untrained_reading_of_test)
    by_pca = list(zip(subject.once(components), light, strict=True))
    return {
        "brightness": score(choose([choosing, own[0]]), {"generated": scored, "real": own[1]}),
        "baselines": {
            name: {"brightness": score(choose([train]), {"real": test})}
            for name, (train, test) in (("untrained", blank), ("pca", by_pca))
        },
    }
