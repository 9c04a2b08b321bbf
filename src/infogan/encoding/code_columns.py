"""Columns of a table of codes, from Q's raw outputs for some images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeAlias, TypeVar

import numpy as np
from jaxtyping import Float
from torch import Tensor

from infogan.errors import UsageError
from infogan.latents import CodeDimension, Latents

Columns: TypeAlias = dict[str, np.ndarray]

_C = TypeVar("_C")


def column_name(latents: Latents, dimension: CodeDimension) -> str:
    """Return the code's name, with the index of the dimension if the code has several: shape_1."""
    name, index = dimension
    return name if latents.priors[name].code.dim == 1 else f"{name}_{index}"


def code_columns(latents: Latents, raw: Float[Tensor, "n outputs"]) -> Columns:
    """Return the posterior of each code dimension as columns of a table.

    A categorical code has its most probable category, such as `digit`, and the probability of each category,
    `digit_0`, `digit_1` and so on. A continuous code has the mean and the standard deviation of its posterior
    in the code's own units, `slant` and `slant_std`; of a periodic code, these are the mean direction and the
    circular standard deviation in half turns. A Bernoulli code has the probability of 1.
    """
    return table(_columns(latents, raw))


def table(columns: Iterable[tuple[str, _C]]) -> dict[str, _C]:
    """Return columns by name.

    Raises:
        UsageError: two have the same name.
    """
    found: dict[str, _C] = {}
    for name, values in columns:
        if name in found:
            raise UsageError(
                f"two columns of the table would have the name {name!r}",
                "codes whose names differ from image, path, features, map_x, map_y, and from names such as "
                "digit_0 if there is a code digit",
                "a model whose codes have other names",
            )
        found[name] = values
    return found


def _columns(latents: Latents, raw: Float[Tensor, "n outputs"]) -> Iterator[tuple[str, np.ndarray]]:
    probabilities = latents.category_probabilities(raw)
    for name, posterior in latents.posteriors(raw).items():
        mean, std = posterior.mean.numpy(), posterior.std
        for index in range(latents.priors[name].code.dim):
            column = column_name(latents, (name, index))
            if (name, index) in probabilities:
                of_categories = probabilities[name, index].numpy()
                yield column, of_categories.argmax(1)
                yield from ((f"{column}_{k}", values) for k, values in enumerate(of_categories.T))
            else:
                yield column, mean[:, index]
                if std is not None:
                    yield f"{column}_std", std[:, index].numpy()
