"""What Q reads from the real images, once for all metrics that ask, and the category an image belongs to."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from infogan.config import Categorical
from infogan.evaluation.subject import Subject, train_images
from infogan.latents import CodeDimension, Latents


def reading_of_train(subject: Subject) -> Float[Tensor, "n outputs"]:
    """Raw outputs of Q's head for `train_images`. Ask for it by `subject.once`."""
    return subject.model.recognise(subject.once(train_images), domain="real")


def reading_of_test(subject: Subject) -> Float[Tensor, "n outputs"]:
    """Raw outputs of Q's head for all test images. Ask for it by `subject.once`."""
    assert subject.dataset is not None
    return subject.model.recognise(subject.dataset.test.images, domain="real")


def continuous_dimensions(latents: Latents) -> list[CodeDimension]:
    """Every dimension of every continuous code."""
    return [
        (name, dimension)
        for name, prior in latents.priors.items()
        if not prior.discrete
        for dimension in range(prior.code.dim)
    ]


def continuous_means(
    latents: Latents, raw: Float[Tensor, "n outputs"]
) -> dict[CodeDimension, Float[np.ndarray, " n"]]:
    """The mean of Q's posterior in every continuous dimension, float64, in the code's own units."""
    posteriors = latents.posteriors(raw)
    return {
        (name, dimension): posteriors[name].mean[:, dimension].double().numpy()
        for name, dimension in continuous_dimensions(latents)
    }


def dividing_code(latents: Latents) -> str | None:
    """The code by which images are sorted before what varies within a category is measured.

    The first categorical code of one dimension; None where there is none, and all images are one category.
    """
    codes = {name: prior.code for name, prior in latents.priors.items()}
    return next((n for n, code in codes.items() if isinstance(code, Categorical) and code.dim == 1), None)


def read_categories(latents: Latents, raw: Float[Tensor, "n outputs"]) -> Int[np.ndarray, " n"]:
    """The most probable category of `dividing_code` for each image; all 0 where there is no such code."""
    name = dividing_code(latents)
    if name is None:
        return np.zeros(len(raw), dtype=np.int64)
    return np.asarray(latents.posteriors(raw)[name].mean.argmax(1).numpy())


def drawn_categories(latents: Latents, codes: dict[str, Tensor]) -> Int[np.ndarray, " n"]:
    """The category of `dividing_code` that each image was made from; all 0 where there is no such code."""
    name = dividing_code(latents)
    if name is None:
        count = len(next(iter(codes.values())))
        return np.zeros(count, dtype=np.int64)
    return np.asarray(codes[name].argmax(1).numpy())
