"""The codes by which images are sorted: one gives the folders, another one can give the order in each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Int64
from torch import Tensor

from infogan.encoding.code_columns import column_name
from infogan.errors import UsageError, did_you_mean, nearest
from infogan.latents import CodeDimension, Latents
from infogan.runs.code_names import CodeNames


@dataclass(frozen=True)
class SortKeys:
    """How images are sorted.

    Attributes:
        code: the code dimension whose categories are the folders; None: one folder.
        categories: the text of each category: its name, or else its index.
        folders: the name of each folder.
        order: the continuous code dimension by which a folder is ordered, ascending; None: by the probability
            of the category, descending.
        names: of both code dimensions, as a table shows them; empty if there is none.
    """

    code: CodeDimension | None
    categories: tuple[str, ...]
    folders: tuple[str, ...]
    order: CodeDimension | None
    names: tuple[str, str]


def sort_keys(latents: Latents, names: CodeNames, by: Sequence[str] = ()) -> SortKeys:
    """Return how to sort images.

    Args:
        latents: the model's codes.
        names: the user's names of codes.
        by: names of codes: a categorical or Bernoulli code gives the folders (default: the first categorical
            code), a continuous one the order in each folder.

    Raises:
        UsageError: no code has that name, two codes would give the same, or no code gives folders or order.
    """
    code, order = None, None
    for name in by:
        found = _find(latents, names, name)
        if latents.priors[found[0]].discrete:
            _check_only(code, name, "folders")
            code = found
        else:
            _check_only(order, name, "order")
            order = found
    if code is None and latents.categorical_dimensions:
        code = latents.categorical_dimensions[0]
    if code is None and order is None:
        known = _columns(latents, names)
        raise UsageError(
            f"the model has no categorical code to sort by; its codes are {', '.join(known)}",
            "a code by which the images are ordered",
            f"by={next(iter(known))!r}",
            command=f"--by {next(iter(known))}",
        )
    shown = tuple("" if one is None else column_name(latents, one, names) for one in (code, order))
    categories = () if code is None else _categories(latents, names, code)
    folders = tuple(_folder(shown[0], index, categories, names, code) for index in range(len(categories)))
    return SortKeys(code, categories or ("",), folders or (shown[1],), order, (shown[0], shown[1]))


def categories_and_values(
    latents: Latents, raw: Float[Tensor, "n outputs"], keys: SortKeys
) -> tuple[Int64[np.ndarray, " n"], Float32[np.ndarray, " n"], Float32[np.ndarray, " n"]]:
    """Return the most probable category of each image, its probability, and the value of the order's code.

    Without a code for the folders, the category is 0 with a probability of 1. Without a code for the order,
    the value is 0.
    """
    posteriors = latents.posteriors(raw)
    categories, probabilities = np.zeros(len(raw), np.int64), np.ones(len(raw), np.float32)
    values = np.zeros(len(raw), np.float32)
    if keys.code is not None:
        name, index = keys.code
        if keys.code in latents.categorical_dimensions:
            table = latents.category_probabilities(raw)[keys.code].numpy()
        else:
            of_one = posteriors[name].mean[:, index].numpy()
            table = np.stack([1 - of_one, of_one], axis=1)
        categories, probabilities = table.argmax(1), table.max(1)
    if keys.order is not None:
        values = posteriors[keys.order[0]].mean[:, keys.order[1]].numpy()
    return categories, probabilities, values


def _columns(latents: Latents, names: CodeNames) -> dict[str, CodeDimension]:
    """Return all code dimensions by their names in a table."""
    dimensions = [(name, i) for name, prior in latents.priors.items() for i in range(prior.code.dim)]
    return {column_name(latents, dimension, names): dimension for dimension in dimensions}


def _find(latents: Latents, names: CodeNames, name: str) -> CodeDimension:
    """Return the code dimension of a name: the user's one or the configured one."""
    known = _columns(latents, names)
    configured = _columns(latents, CodeNames(names.codes))
    found = known.get(name.replace(" ", "_")) or configured.get(name)
    if found is None:
        advice = nearest(name, known) or next(iter(known))
        raise UsageError(
            f"no code is named {name!r}{did_you_mean(name, known)}",
            f"one of {', '.join(known)}",
            f"by={advice!r}",
            command=f"--by {advice}",
        )
    return found


def _check_only(taken: CodeDimension | None, name: str, what: str) -> None:
    if taken is not None:
        raise UsageError(
            f"by: {taken[0]} and {name} both give the {what}",
            "one categorical code, which gives the folders, and one continuous code, which gives the order",
            f"by={name!r}",
            command=f"--by {name}",
        )


def _categories(latents: Latents, names: CodeNames, code: CodeDimension) -> tuple[str, ...]:
    prior = latents.priors[code[0]]
    size = prior.code.size if code in latents.categorical_dimensions else 2
    return tuple(names.category(code[0], index) for index in range(size))


def _folder(
    code_name: str, index: int, categories: Sequence[str], names: CodeNames, code: CodeDimension | None
) -> str:
    """Return a folder's name, such as digit-03, or digit-03-seven if the category has a name."""
    folder = f"{code_name}-{index:0{len(str(len(categories) - 1))}d}"
    named = code is not None and index in names.note(code[0]).categories
    return f"{folder}-{categories[index].replace(' ', '_')}" if named else folder
