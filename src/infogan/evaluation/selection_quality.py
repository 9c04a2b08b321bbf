"""How far a score that needs no labels can be trusted to pick among seeds, once labels say what was right."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float

from infogan.evaluation.resampling import LEVEL, RESAMPLES


def rank_correlation(
    scores: Float[np.ndarray, " seeds"],
    accuracies: Float[np.ndarray, " seeds"],
    generator: np.random.Generator,
) -> dict[str, Any]:
    """Spearman's rank correlation of a score with what it stands for, over seeds; ties share their mean rank.

    Args:
        scores: of each seed, any unit; higher is meant to be better.
        accuracies: of the same seeds, higher is better.
        generator: of the interval.

    Returns:
        `rank_correlation`, from -1 to 1, and `rank_correlation_interval`, the 95 % percentile bootstrap over
        seeds. Empty where all scores or all accuracies are equal, as there is no order then. Orders that
        agree wholly have an interval without width, however few the seeds: say their number beside it.

    Raises:
        ValueError: there are fewer than 3 seeds, or a number is not finite.
    """
    _check(scores, accuracies, 3)
    found = float(_spearman(scores[None], accuracies[None])[0])
    if np.isnan(found):
        return {}
    drawn = generator.integers(len(scores), size=(RESAMPLES, len(scores)))
    resampled = _spearman(scores[drawn], accuracies[drawn])
    # A sample of one seed many times has no order; it says nothing for or against one.
    low, high = np.nanquantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return {"rank_correlation": found, "rank_correlation_interval": [float(low), float(high)]}


def regret(scores: Float[np.ndarray, " seeds"], accuracies: Float[np.ndarray, " seeds"]) -> float:
    """What picking the seed of the highest score costs: the best accuracy minus the picked one's, 0 or more.

    Where several share the highest score, the mean over them: a score that tells no seeds apart costs what a
    blind pick costs.

    Args:
        scores: of each seed, any unit; higher is meant to be better.
        accuracies: of the same seeds; the regret is in their unit.

    Raises:
        ValueError: there is no seed, or a number is not finite.
    """
    _check(scores, accuracies, 1)
    return float(accuracies.max() - accuracies[scores == scores.max()].mean())


def _spearman(
    scores: Float[np.ndarray, "samples seeds"], accuracies: Float[np.ndarray, "samples seeds"]
) -> Float[np.ndarray, " samples"]:
    """Pearson's correlation of the ranks, each row for itself; NaN where one has no order."""
    from scipy.stats import rankdata  # late: it takes a good part of a second

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
