"""Columns of a table of codes, from Q's raw outputs for some images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

import numpy as np
from jaxtyping import Float
from torch import Tensor

from infogan.errors import UsageError
from infogan.latents import CodeDimension, Latents
from infogan.runs.code_names import CodeNames

Column: TypeAlias = np.ndarray | Sequence[str]
"""Numbers [N]; numbers [N, D], one vector per row; or texts."""


def column_name(latents: Latents, dimension: CodeDimension, names: CodeNames) -> str:
    """Return the name of a code for a column or folder: shape, or shape_1 if the code has several dimensions.

    A name that the user gave to the code replaces the configured one, with "_" for a space.
    """
    name, index = dimension
    shown = names.shown(name).replace(" ", "_")
    return shown if latents.priors[name].code.dim == 1 else f"{shown}_{index}"


def code_columns(latents: Latents, raw: Float[Tensor, "n outputs"], names: CodeNames) -> dict[str, Column]:
    """Return the posterior of each code dimension as columns of a table.

    A categorical code has its most probable category, such as `digit`, and the probability of each category,
    `digit_0`, `digit_1` and so on; also the category's name, `digit_name`, if the user named any. A
    continuous code has the mean and the standard deviation of its posterior in the code's own units, `slant`
    and `slant_std`; of a periodic code, these are the mean direction and the circular standard deviation in
    half turns. A Bernoulli code has the probability of 1.
    """
    return table(_columns(latents, raw, names))


def table(columns: Iterable[tuple[str, Column]]) -> dict[str, Column]:
    """Return columns by name.

    Raises:
        UsageError: two have the same name.
    """
    found: dict[str, Column] = {}
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


def _columns(
    latents: Latents, raw: Float[Tensor, "n outputs"], names: CodeNames
) -> Iterator[tuple[str, Column]]:
    probabilities = latents.category_probabilities(raw)
    for name, posterior in latents.posteriors(raw).items():
        mean, std = posterior.mean.numpy(), posterior.std
        for index in range(latents.priors[name].code.dim):
            column = column_name(latents, (name, index), names)
            if (name, index) in probabilities:
                of_categories = probabilities[name, index].numpy()
                yield from _categorical(column, name, of_categories, names)
            else:
                yield column, mean[:, index]
                if std is not None:
                    yield f"{column}_std", std[:, index].numpy()


def _categorical(
    column: str, code: str, probabilities: Float[np.ndarray, "n k"], names: CodeNames
) -> Iterator[tuple[str, Column]]:
    categories = probabilities.argmax(1)
    yield column, categories
    if names.note(code).categories:
        yield f"{column}_name", [names.category(code, index) for index in categories.tolist()]
    yield from ((f"{column}_{index}", values) for index, values in enumerate(probabilities.T))
