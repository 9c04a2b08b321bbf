"""What the scores of this package are given: codes and true factors of the same images, as arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from infogan.data.dataset import Factor

LEVELS = (10, 40)
"""Parts of equally many images into which a factor of more values than that is cut: fast, and full.

Few images tell fine levels apart no better than chance, and then every code seems to matter for every factor.
"""

LEAST = 40
"""Images that have to be of another level than the rest: half of a half of them must still show it."""

CODE_BINS = 20
"""Bins of equal width for a code, as disentanglement_lib has them."""


@dataclass(frozen=True)
class Sample:
    """Codes and factors of n images.

    Attributes:
        codes: one column a code, float64.
        levels: one column a factor, from 0 up: its value, or the part of its range that it lies in.
        draw: of all chance in a score; the scores of one sample need not be measured in a set order.
        full: the long variant: more votes, larger forests.
    """

    codes: Float[np.ndarray, "n k"]
    levels: Int[np.ndarray, "n f"]
    draw: np.random.Generator
    full: bool = False

    def __post_init__(self) -> None:
        if len(self.codes) != len(self.levels) or len(self.codes) < 4:
            raise ValueError(f"codes of {len(self.codes)} images and levels of {len(self.levels)}: 4 or more")
        if not (self.codes.shape[1] and self.levels.shape[1]):
            raise ValueError("a sample needs a code and a factor")

    @property
    def halves(self) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " m"]]:
        """A division of the images: what a predictor is fitted on, and what it is judged on."""
        order = self.draw.permutation(len(self.codes))
        return order[: len(order) // 2], order[len(order) // 2 :]

    def random_halves(self, count: int) -> list[Sample]:
        """So many samples of a half of the images each, drawn without replacement."""
        chosen = (self.draw.permutation(len(self.codes))[: len(self.codes) // 2] for _ in range(count))
        return [Sample(self.codes[rows], self.levels[rows], self.draw, self.full) for rows in chosen]


def as_levels(factors: Mapping[str, Factor], full: bool = False) -> Int[np.ndarray, "n f"]:
    """Factors as `Sample` has them.

    A factor of up to LEVELS values has a level for each; any other is cut at quantiles. Factors of one level
    are the caller's to leave out: `varying`.
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
    """The factors that vary: LEAST images or more are not of the commonest level."""
    return {
        name: factor
        for name, factor in factors.items()
        if len(factor.values) - np.bincount(as_levels({name: factor})[:, 0]).max() >= LEAST
    }


def alive(codes: Float[np.ndarray, "n k"]) -> Int[np.ndarray, " a"]:
    """The columns that vary at all, beside rounding."""
    spread = np.ptp(codes, axis=0)
    return np.flatnonzero(spread > 1e-9 * max(1.0, float(np.abs(codes).max())))


def standardised(codes: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
    """Every code with mean 0 and std 1, so that its unit does not matter; a constant one is 0."""
    spread = codes.std(0)
    spread[[i for i in range(codes.shape[1]) if i not in alive(codes)]] = np.inf
    return np.asarray((codes - codes.mean(0)) / spread)
