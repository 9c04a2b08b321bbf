"""Quality of a label-free score that selects among seeds, measured with labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float

from infogan.evaluation.resampling import QUANTILES, RESAMPLES


def rank_correlation(
    scores: Float[np.ndarray, " seeds"], accuracies: Float[np.ndarray, " seeds"], rng: np.random.Generator
) -> dict[str, Any]:
    """Return Spearman's rank correlation of a score with the accuracy over seeds; ties share their mean rank.

    Args:
        scores: scores of each seed, any unit; higher should be better.
        accuracies: accuracies of the same seeds, higher is better.
        rng: random number generator for the interval.

    Returns:
        `rank_correlation`, from -1 to 1, and `rank_correlation_interval`, the 95 % percentile bootstrap over
        seeds. Empty where all scores or all accuracies are equal. Equal orders have an interval of width 0
        for any number of seeds: report the number with it.

    Raises:
        ValueError: there are fewer than 3 seeds, or a number is not finite.
    """
    _check(scores, accuracies, 3)
    correlation = float(_spearman(scores[None], accuracies[None])[0])
    if np.isnan(correlation):
        return {}
    rows = rng.integers(len(scores), size=(RESAMPLES, len(scores)))
    # A resample of one seed has no order: it is nan, and left out.
    low, high = np.nanquantile(_spearman(scores[rows], accuracies[rows]), QUANTILES)
    return {"rank_correlation": correlation, "rank_correlation_interval": [float(low), float(high)]}


def regret(scores: Float[np.ndarray, " seeds"], accuracies: Float[np.ndarray, " seeds"]) -> float:
    """Return the best accuracy minus that of the seed with the highest score, 0 or more.

    Where several share the highest score, the mean over them: a constant score has the regret of a random
    choice.

    Args:
        scores: scores of each seed, any unit; higher should be better.
        accuracies: accuracies of the same seeds; the regret is in their unit.

    Raises:
        ValueError: there is no seed, or a number is not finite.
    """
    _check(scores, accuracies, 1)
    return float(accuracies.max() - accuracies[scores == scores.max()].mean())


def _spearman(
    scores: Float[np.ndarray, "samples seeds"], accuracies: Float[np.ndarray, "samples seeds"]
) -> Float[np.ndarray, " samples"]:
    """Return Spearman's correlation of each row; nan if one of the two is constant."""
    from scipy.stats import rankdata  # slow to import

    first, second = (rankdata(values, axis=1) for values in (scores, accuracies))
    first, second = (ranks - ranks.mean(axis=1, keepdims=True) for ranks in (first, second))
    spread = np.sqrt((first**2).sum(1) * (second**2).sum(1))
    together = (first * second).sum(1)
    return np.where(spread > 0, np.clip(together / np.where(spread > 0, spread, 1.0), -1, 1), np.nan)


def _check(scores: np.ndarray, accuracies: np.ndarray, least: int) -> None:
    if len(scores) < least:
        raise ValueError(f"{len(scores)} seeds: expected {least} or more")
    if not (np.isfinite(scores).all() and np.isfinite(accuracies).all()):
        raise ValueError("a score or an accuracy is not finite")
