"""Codes that Q predicts for real images, computed once for all metrics, and categories of images."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from infogan.config import Categorical
from infogan.evaluation.subject import Subject
from infogan.latents import CodeDimension, Codes, Latents

Values = Float[np.ndarray, " _"]


def outputs_of_train(subject: Subject) -> Float[Tensor, "n outputs"]:
    """Return Q's raw outputs for `subject.train_images`. Call it with `subject.once`."""
    return subject.model.recognise(subject.train_images, domain="real")


def outputs_of_test(subject: Subject) -> Float[Tensor, "n outputs"]:
    """Return Q's raw outputs for all test images. Call it with `subject.once`."""
    return subject.model.recognise(subject.real.test.images, domain="real")


def continuous_dimensions(latents: Latents, *, ordered: bool = False) -> list[CodeDimension]:
    """Return every dimension of every continuous code; if `ordered`, without angles, which have no order."""
    return [
        (name, index)
        for name, prior in latents.priors.items()
        if not prior.discrete and not (ordered and prior.period)
        for index in range(prior.code.dim)
    ]


def continuous_means(latents: Latents, raw: Float[Tensor, "n outputs"]) -> dict[CodeDimension, Values]:
    """Return the posterior mean in every continuous dimension, float64, in the code's own units."""
    return code_values(latents, {name: q.mean for name, q in latents.posteriors(raw).items()})


def code_values(latents: Latents, codes: Codes) -> dict[CodeDimension, Values]:
    """Return the values of every continuous dimension, float64, in the code's own units."""
    return {(name, i): codes[name][:, i].double().numpy() for name, i in continuous_dimensions(latents)}


def line_codes(latents: Latents, raw: Float[Tensor, "n outputs"]) -> dict[str, Values]:
    """Return the posterior mean in every continuous dimension by its name, scaled to [-1, 1] on the prior.

    Uniform and periodic codes are scaled linearly, normal codes by their distribution function.
    """
    from scipy.special import ndtr  # slow to import

    scaled = {}
    for dimension, means in continuous_means(latents, raw).items():
        code = latents.priors[dimension[0]].code
        low, high = getattr(code, "low", None), getattr(code, "high", None)
        if low is None or high is None:
            values = 2 * ndtr(means) - 1
        else:
            values = (2 * means - low - high) / (high - low)
        scaled[latents.dimension_name(dimension)] = values
    return scaled


def dividing_code(latents: Latents) -> str | None:
    """Return the code that divides images into categories, for metrics within categories.

    This is the first categorical code of one dimension; None if there is none.
    """
    codes = {name: prior.code for name, prior in latents.priors.items()}
    return next((n for n, code in codes.items() if isinstance(code, Categorical) and code.dim == 1), None)


def predicted_categories(latents: Latents, raw: Float[Tensor, "n outputs"]) -> Int[np.ndarray, " n"]:
    """Return the most probable category of `dividing_code` for each image; zeros if there is no such code."""
    if dividing_code(latents) is None:
        return np.zeros(len(raw), dtype=np.int64)
    return true_categories(latents, {name: q.mean for name, q in latents.posteriors(raw).items()})


def true_categories(latents: Latents, codes: Codes) -> Int[np.ndarray, " n"]:
    """Return the category of `dividing_code` of each generated image; zeros if there is no such code."""
    name = dividing_code(latents)
    if name is None:
        return np.zeros(len(next(iter(codes.values()))), dtype=np.int64)
    return np.asarray(codes[name].argmax(1).numpy())
