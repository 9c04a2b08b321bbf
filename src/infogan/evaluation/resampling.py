"""Confidence intervals of figures, over the images or cases that they were measured on."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float, Int

from infogan import streams

RESAMPLES = 1_000
LEVEL = 0.95
QUANTILES = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
NORMAL_QUANTILE = 1.959964
"""Standard errors on either side of a mean that cover 95 % of a normal distribution."""

Limits = tuple[float, float]
"""The range of a figure; an interval is clipped to it."""

UNLIMITED: Limits = (-math.inf, math.inf)


def numpy_generator(seed: int, stream: str) -> np.random.Generator:
    """Return a new counter-based numpy generator for a stream, as `streams.generator` does for torch."""
    key = torch.randint(2**63 - 1, (2,), generator=streams.generator(seed, stream))
    return np.random.Generator(np.random.Philox(key=key.numpy().astype(np.uint64)))


def bootstrap_interval(
    figure: Callable[[Int[np.ndarray, "*tables k c"]], Float[np.ndarray, "*tables"]],
    table: Int[np.ndarray, "k c"],
    rng: np.random.Generator,
    limits: Limits,
) -> list[float]:
    """Return the 95 % bootstrap interval [low, high] of a figure of a contingency table.

    Sampling N images with replacement and counting them again is one multinomial sample over the cells.
    The interval is that of `centred_interval`.

    Args:
        figure: computes the figure of one table, or of many at once.
        table: counts [K, C].
        rng: random number generator for the resamples.
        limits: the range of the figure.
    """
    total = int(table.sum())
    resampled = rng.multinomial(total, (table / total).ravel(), size=RESAMPLES)
    return centred_interval(float(figure(table)), figure(resampled.reshape(-1, *table.shape)), limits)


def centred_interval(
    measured: float, resampled: Float[np.ndarray, " resamples"], limits: Limits
) -> list[float]:
    """Return the 95 % percentile interval [low, high], corrected for the bias of resampling.

    Resampling adds chance agreement (a mutual information grows by about (K-1)(C-1) / 2N), so the interval is
    shifted by the mean of the resamples minus the figure. It always contains the figure.

    Args:
        measured: the figure.
        resampled: the figure of each bootstrap sample.
        limits: the range of the figure.
    """
    low, high = np.quantile(resampled, QUANTILES) - (resampled.mean() - measured)
    return [max(limits[0], min(float(low), measured)), min(limits[1], max(float(high), measured))]


def normal_interval(measured: float, standard_error: float, limits: Limits = UNLIMITED) -> list[float]:
    """Return the 95 % interval [low, high] of a figure with a normally distributed error."""
    low, high = measured - NORMAL_QUANTILE * standard_error, measured + NORMAL_QUANTILE * standard_error
    return [max(limits[0], low), min(limits[1], high)]


def halves_interval(measured: float, of_halves: Sequence[float], limits: Limits) -> list[float]:
    """Return the 95 % interval [low, high] of a figure from its values on 2 or more random halves.

    Halves are sampled without replacement, so that no case is both fitted and scored, as it would be in a
    bootstrap sample. The variance over halves of the same n cases is that of a mean of n: half the cases
    double it, and that halves overlap halves it (Politis and Romano 1994: subsampling).
    """
    return normal_interval(measured, float(np.std(of_halves, ddof=1)), limits)


def mean_interval(values: Float[np.ndarray, " n"], limits: Limits = UNLIMITED) -> list[float]:
    """Return the 95 % interval [low, high] of the mean of 2 or more independent values."""
    return ratio_interval(values, np.ones_like(values), limits)


def ratio_interval(
    numerators: Float[np.ndarray, " n"], denominators: Float[np.ndarray, " n"], limits: Limits = UNLIMITED
) -> list[float]:
    """Return the 95 % interval [low, high] of a ratio of two means over the same cases (delta method).

    Args:
        numerators: of 2 or more cases.
        denominators: of the same cases; their mean is not 0.
        limits: the range of the ratio.
    """
    ratio = float(numerators.mean() / denominators.mean())
    spread = (numerators - ratio * denominators).std(ddof=1)
    return normal_interval(
        ratio, float(spread / math.sqrt(len(numerators)) / abs(denominators.mean())), limits
    )
