"""FactorVAE's score: how often the same code is the most constant one when a factor is fixed."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from infogan.evaluation.disentanglement.sample import Sample, alive, score

BATCH = 64
FIT_VOTES, VOTES = (2_000, 10_000), (2_000, 5_000)
"""Votes that choose a factor for each code, and votes that are scored: fast, and as published."""


@score("factorvae")
def factorvae(sample: Sample) -> float | None:
    """Return the accuracy of the majority vote of Kim and Mnih 2018, section 4 (arXiv 1802.05983).

    For a vote a factor is sampled and fixed at one of its levels in 64 images; the code with the least
    variance there, relative to its variance over all images, votes for that factor. Each code predicts the
    factor that it most often voted for; the score is the accuracy on other votes.

    Returns:
        From 1 / factors, which is chance, to 1. Constant codes do not vote; if all are constant, chance. None
        with a single factor.
    """
    kept = alive(sample.codes)
    count = int(sample.levels.shape[1])
    if count < 2:
        return None
    if not len(kept):
        return 1 / count
    codes = sample.codes[:, kept] / sample.codes[:, kept].std(0)
    fitted, scored = (
        _table(codes, sample.levels, sizes[sample.full], sample.rng) for sizes in (FIT_VOTES, VOTES)
    )
    return float(scored[np.arange(len(kept)), fitted.argmax(1)].sum() / scored.sum())


def _table(
    codes: Float[np.ndarray, "n k"], levels: Int[np.ndarray, "n f"], votes: int, rng: np.random.Generator
) -> Int[np.ndarray, "k f"]:
    """Count how often each code was the most constant one while each factor was fixed."""
    table = np.zeros((codes.shape[1], levels.shape[1]), dtype=np.int64)
    factors = rng.integers(levels.shape[1], size=votes)
    for factor in range(levels.shape[1]):
        rows = held(levels[:, factor], int((factors == factor).sum()), BATCH, rng)
        most_constant = codes[rows].var(1).argmin(1)
        table[:, factor] = np.bincount(most_constant, minlength=codes.shape[1])
    return table


def held(
    levels: Int[np.ndarray, " n"], votes: int, size: int, rng: np.random.Generator
) -> Int[np.ndarray, "votes size"]:
    """Return rows of images that share the level of a random image, for each vote."""
    fixed = levels[rng.integers(len(levels), size=votes)]
    rows = np.empty((votes, size), dtype=np.int64)
    for level in np.unique(fixed):
        chosen = fixed == level
        members = np.flatnonzero(levels == level)
        rows[chosen] = rng.choice(members, size=(int(chosen.sum()), size))
    return rows
