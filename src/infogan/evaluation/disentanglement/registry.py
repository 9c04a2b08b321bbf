"""Where scores of disentanglement are found: one decorated function in one file here is one score."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from typing import TypeVar

from infogan.evaluation.disentanglement.sample import Sample

Score = Callable[[Sample], "float | dict[str, float] | None"]
"""From codes and factors to a figure from 0 to 1, or several by name; None where it does not apply."""

Registered = TypeVar("Registered", bound=Score)

_SCORES: dict[str, Score] = {}


def score(name: str) -> Callable[[Registered], Registered]:
    """Registers the decorated function under its key in evaluation.json.

    Raises:
        ValueError: another score has that name.
    """

    def register(function: Registered) -> Registered:
        if name in _SCORES:
            raise ValueError(f"two scores are named {name!r}")
        _SCORES[name] = function
        return function

    return register


def scores() -> dict[str, Score]:
    """All scores by name, after a look into every file of this package."""
    package = importlib.import_module("infogan.evaluation.disentanglement")
    for module in pkgutil.iter_modules(package.__path__, "infogan.evaluation.disentanglement."):
        importlib.import_module(module.name)
    return dict(sorted(_SCORES.items()))
