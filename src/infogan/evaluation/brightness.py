"""Agreement of a continuous code with the brightness of the whole image: the lighting of Figure 5.

The code is the one with the highest rank correlation with brightness on generated and training images. It is
scored on other generated images, by their true codes, and on test images, by the codes that Q predicts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from torch import Tensor

from infogan.evaluation.baselines import outputs, subject_components
from infogan.evaluation.metric import metric, with_baselines
from infogan.evaluation.predicted_codes import Values, code_values, continuous_dimensions, continuous_means
from infogan.evaluation.subject import Subject
from infogan.evaluation.true_factors import spearman, spearman_interval
from infogan.latents import CodeDimension

_MOST_FAKES = 4_000
_COLOURS = 3  # the fourth channel is alpha
_LEAST = 8  # images: a rank correlation of fewer is mostly noise

Measured = tuple[Mapping[str, Values], Float[np.ndarray, " _"]]
"""Codes by name, and the brightness of the same images."""


def brightness(images: UInt8[np.ndarray, "n h w c"]) -> Float[np.ndarray, " n"]:
    """Return the mean of each image over pixels and colours without alpha, from 0 to 1."""
    return np.asarray(images[..., :_COLOURS].mean((1, 2, 3), dtype=np.float64) / 255)


def choose(parts: Sequence[Measured]) -> str:
    """Return the code with the highest sum of |Spearman| with brightness over one or more sets of images."""
    return max(parts[0][0], key=lambda name: sum(spearman(codes[name], light) for codes, light in parts))


def score(code: str, scored: Mapping[str, Measured]) -> dict[str, Any]:
    """Return the figures of `brightness` in evaluation.json.

    Args:
        code: the chosen code.
        scored: images that did not take part in the choice, by the suffix of their keys: "generated", "real".

    Returns:
        `code`, and `spearman_<suffix>`, |Spearman| from 0 to 1, with its 95 % `_interval`.
    """
    figures: dict[str, Any] = {"code": code}
    for suffix, (codes, light) in scored.items():
        correlation = spearman(codes[code], light)
        figures[f"spearman_{suffix}"] = correlation
        figures[f"spearman_{suffix}_interval"] = spearman_interval(correlation, len(light))
    return figures


@metric("brightness")
def _metric(subject: Subject) -> dict[str, Any]:
    latents, dataset = subject.model.latents, subject.dataset
    if not continuous_dimensions(latents) or subject.samples < _LEAST:
        return {}

    def named(values: Mapping[CodeDimension, Values]) -> dict[str, Values]:
        return {latents.dimension_name(dimension): of_code for dimension, of_code in values.items()}

    def generated(purpose: str) -> Measured:
        images, codes = subject.sample(min(subject.samples, _MOST_FAKES), f"brightness/{purpose}")
        return named(code_values(latents, codes)), brightness(images)

    def predicted(raw: Tensor) -> dict[str, Values]:
        return named(continuous_means(latents, raw))

    choosing, scored = generated("choosing"), generated("scored")
    if dataset is None or min(len(subject.train_images), len(dataset.test.images)) < _LEAST:
        return {"brightness": score(choose([choosing]), {"generated": scored})}
    light = [brightness(images) for images in (subject.train_images, dataset.test.images)]
    codes: dict[str, Any] = {
        name: tuple(map(predicted, of_splits)) for name, of_splits in subject.once(outputs).items()
    }
    codes["pca"] = subject.once(subject_components)
    sections = {}
    for name, of_splits in codes.items():
        train, test = zip(of_splits, light, strict=True)
        own = name == "model"
        code = choose([choosing, train] if own else [train])
        sections[name] = {
            "brightness": score(code, {"generated": scored, "real": test} if own else {"real": test})
        }
    return with_baselines(sections)
