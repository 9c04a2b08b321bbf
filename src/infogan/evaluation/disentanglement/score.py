"""Disentanglement scores and their registry."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from infogan.evaluation.disentanglement.sample import Sample
from infogan.registry import Registry

Score = Callable[[Sample], "float | dict[str, float] | None"]
"""Computes a figure from 0 to 1, or several by name, from codes and factors; None if it does not apply."""

Registered = TypeVar("Registered", bound=Score)

SCORES: Registry[Score] = Registry("disentanglement score", "infogan.evaluation.disentanglement")
"""Every score by its key in evaluation.json."""


def score(name: str) -> Callable[[Registered], Registered]:
    """Register the decorated function under its key in evaluation.json.

    Raises:
        ValueError: another score has that name.
    """

    def register(function: Registered) -> Registered:
        SCORES.add(name, function)
        return function

    return register
