"""Intervals: how far a figure could be off by the chance of which images it was measured on."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float, Int

from infogan import streams

RESAMPLES = 1_000
LEVEL = 0.95
NORMAL_QUANTILE = 1.959964
"""Standard errors on either side of a mean that hold 95 % of a normal distribution."""


def numpy_generator(seed: int, stream: str) -> np.random.Generator:
    """A fresh counter-based numpy generator for one use of chance: the twin of `streams.generator`."""
    key = torch.randint(2**63 - 1, (2,), generator=streams.generator(seed, stream))
    return np.random.Generator(np.random.Philox(key=key.numpy().astype(np.uint64)))


def resample_tables(
    table: Int[np.ndarray, "k c"], generator: np.random.Generator
) -> Int[np.ndarray, "resamples k c"]:
    """Contingency tables of bootstrap samples.

    To draw N images with replacement and to count them again is one multinomial draw over the cells.
    """
    total = int(table.sum())
    draws = generator.multinomial(total, (table / total).ravel(), size=RESAMPLES)
    return draws.reshape(RESAMPLES, *table.shape)


def bootstrap_interval(
    figure: Callable[[Int[np.ndarray, "*tables k c"]], Float[np.ndarray, "*tables"]],
    table: Int[np.ndarray, "k c"],
    generator: np.random.Generator,
    limits: tuple[float, float],
) -> list[float]:
    """The 95 % percentile bootstrap interval [low, high] of a figure of a contingency table.

    Resampling adds chance agreement of its own (a mutual information grows by about (K-1)(C-1) / 2N), so
    the interval is moved by the mean of the resamples minus the figure, and always holds the figure.

    Args:
        figure: of one table, or of many at once.
        table: counts [K, C].
        generator: of the resamples.
        limits: the range of the figure, to which the interval is cut.
    """
    return centred_interval(float(figure(table)), figure(resample_tables(table, generator)), limits)


def centred_interval(
    measured: float, resampled: Float[np.ndarray, " resamples"], limits: tuple[float, float]
) -> list[float]:
    """The 95 % percentile interval [low, high], moved by the mean of the resamples minus the figure.

    Args:
        measured: the figure; the interval always holds it.
        resampled: the figure of each bootstrap sample.
        limits: the range of the figure, to which the interval is cut.
    """
    low, high = np.quantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]) - (resampled.mean() - measured)
    return [max(limits[0], min(float(low), measured)), min(limits[1], max(float(high), measured))]


def halves_interval(measured: float, of_halves: Sequence[float], limits: tuple[float, float]) -> list[float]:
    """The 95 % interval [low, high] of a figure, by the figures of random halves of its cases.

    Of cases drawn without replacement, so that no case is on both sides of a division into fitted and judged,
    as in a bootstrap sample. The variance of a mean over halves, drawn from the same n cases, is that of a
    mean of n: half the cases double it, and that half of the cases is always the same halves it (Politis and
    Romano 1994: subsampling).

    Args:
        measured: of all cases.
        of_halves: 2 or more.
        limits: the range of the figure, to which the interval is cut.
    """
    error = float(np.std(of_halves, ddof=1))
    low, high = measured - NORMAL_QUANTILE * error, measured + NORMAL_QUANTILE * error
    return [max(limits[0], low), min(limits[1], high)]


def mean_interval(
    values: Float[np.ndarray, " n"], limits: tuple[float, float] = (-math.inf, math.inf)
) -> list[float]:
    """The 95 % interval [low, high] of the mean of independent values, 2 or more, by its standard error."""
    return ratio_interval(values, np.ones_like(values), limits)


def ratio_interval(
    above: Float[np.ndarray, " n"],
    below: Float[np.ndarray, " n"],
    limits: tuple[float, float] = (-math.inf, math.inf),
) -> list[float]:
    """The 95 % interval [low, high] of a ratio of two means over the same n cases (delta method).

    Args:
        above: of each case, 2 or more cases.
        below: of each case; their mean is not 0.
        limits: the range of the figure, to which the interval is cut.
    """
    ratio = float(above.mean() / below.mean())
    error = float((above - ratio * below).std(ddof=1) / math.sqrt(len(above)) / abs(below.mean()))
    low, high = ratio - NORMAL_QUANTILE * error, ratio + NORMAL_QUANTILE * error
    return [max(limits[0], low), min(limits[1], high)]
