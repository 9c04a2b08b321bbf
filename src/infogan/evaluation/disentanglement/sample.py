"""Disentanglement scores: their input, codes and true factors of the same images, and their registry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from jaxtyping import Float, Int

from infogan.data.dataset import Factor
from infogan.registry import Registry

LEVELS = (10, 40)
"""The most levels of a factor, in the fast and the full variant; others are cut at quantiles.

With few images, fine levels cannot be predicted, and every code seems to matter for every factor.
"""

LEAST = 40
"""Smallest number of images outside the most frequent level: a quarter of all images still shows others."""

CODE_BINS = 20
"""Number of bins of equal width for a code, as in disentanglement_lib."""


@dataclass(frozen=True)
class Sample:
    """Codes and factors of n images.

    Attributes:
        codes: one column per code, float64.
        levels: one column per factor, from 0: its value, or the quantile bin of its value.
        rng: random number generator for all randomness of a score.
        full: use the long variant, with more votes and larger forests.
    """

    codes: Float[np.ndarray, "n k"]
    levels: Int[np.ndarray, "n f"]
    rng: np.random.Generator
    full: bool = False

    def __post_init__(self) -> None:
        if len(self.codes) != len(self.levels) or len(self.codes) < 4:
            raise ValueError(f"codes of {len(self.codes)} images and levels of {len(self.levels)}: 4 or more")
        if not (self.codes.shape[1] and self.levels.shape[1]):
            raise ValueError("a sample needs a code and a factor")

    @property
    def halves(self) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " m"]]:
        """A random division of the images, to fit a predictor and to score it."""
        order = self.rng.permutation(len(self.codes))
        return order[: len(order) // 2], order[len(order) // 2 :]

    def random_halves(self, count: int) -> list[Sample]:
        """Return `count` random halves of the images, sampled without replacement."""
        chosen = (self.rng.permutation(len(self.codes))[: len(self.codes) // 2] for _ in range(count))
        return [Sample(self.codes[rows], self.levels[rows], self.rng, self.full) for rows in chosen]


def as_levels(factors: Mapping[str, Factor], full: bool = False) -> Int[np.ndarray, "n f"]:
    """Return factors as the levels of `Sample`.

    A factor of up to LEVELS values has a level for each; any other is cut at quantiles. The caller leaves
    constant factors out with `varying`.
    """
    most = LEVELS[full]
    columns = []
    for factor in factors.values():
        values, column = np.unique(factor.values, return_inverse=True)
        if len(values) > most:
            edges = np.quantile(factor.values, np.arange(1, most) / most)
            column = np.searchsorted(np.unique(edges), factor.values, side="right")
        columns.append(column)
    return np.stack(columns, 1).astype(np.int64)


def varying(factors: Mapping[str, Factor]) -> dict[str, Factor]:
    """Return the factors of which LEAST images or more are outside the most frequent level."""
    return {
        name: factor
        for name, factor in factors.items()
        if len(factor.values) - np.bincount(as_levels({name: factor})[:, 0]).max() >= LEAST
    }


def alive(codes: Float[np.ndarray, "n k"]) -> Int[np.ndarray, " a"]:
    """Return the columns that vary by more than rounding."""
    spread = np.ptp(codes, axis=0)
    return np.flatnonzero(spread > 1e-9 * max(1.0, float(np.abs(codes).max())))


def standardised(codes: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
    """Scale every code to mean 0 and std 1; a constant one becomes 0."""
    spread = codes.std(0)
    spread[[i for i in range(codes.shape[1]) if i not in alive(codes)]] = np.inf
    return np.asarray((codes - codes.mean(0)) / spread)


# --- registry --------------------------------------------------------------------------------------------

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
