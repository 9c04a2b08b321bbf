"""FactorVAE's score: does fixing one factor leave one code still, always the same one?"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from infogan.evaluation.disentanglement.sample import Sample, alive
from infogan.evaluation.disentanglement.score import score

BATCH = 64
FIT_VOTES, VOTES = (2_000, 10_000), (2_000, 5_000)
"""Votes that choose a factor for each code, and votes that are judged: fast, and full as published."""


@score("factorvae")
def factorvae(sample: Sample) -> float | None:
    """The accuracy of the majority vote of Kim and Mnih 2018, section 4 (arXiv 1802.05983).

    A vote: a factor is drawn and held at one of its levels in 64 images; the code whose variance there is
    least, beside its variance over all images, votes for that factor. Each code stands for the factor that
    it most often voted for; the score is the share of other votes that this tells rightly.

    Returns:
        From 1 / factors, chance, to 1. Constant codes do not vote; where all are constant, chance. None of
        one factor, which needs no telling apart.
    """
    kept = alive(sample.codes)
    count = int(sample.levels.shape[1])
    if count < 2:
        return None
    if not len(kept):
        return 1 / count
    codes = sample.codes[:, kept] / sample.codes[:, kept].std(0)
    fitted, judged = (
        _table(codes, sample.levels, sizes[sample.full], sample.draw) for sizes in (FIT_VOTES, VOTES)
    )
    return float(judged[np.arange(len(kept)), fitted.argmax(1)].sum() / judged.sum())


def _table(
    codes: Float[np.ndarray, "n k"], levels: Int[np.ndarray, "n f"], votes: int, draw: np.random.Generator
) -> Int[np.ndarray, "k f"]:
    """How often each code was the stillest one while each factor was held."""
    table = np.zeros((codes.shape[1], levels.shape[1]), dtype=np.int64)
    asked = draw.integers(levels.shape[1], size=votes)
    for factor in range(levels.shape[1]):
        rows = held(levels[:, factor], int((asked == factor).sum()), BATCH, draw)
        stillest = codes[rows].var(1).argmin(1)
        table[:, factor] = np.bincount(stillest, minlength=codes.shape[1])
    return table


def held(
    levels: Int[np.ndarray, " n"], votes: int, size: int, draw: np.random.Generator
) -> Int[np.ndarray, "votes size"]:
    """Rows of images that share a factor's level in each vote; the level is that of an image at random."""
    asked = levels[draw.integers(len(levels), size=votes)]
    rows = np.empty((votes, size), dtype=np.int64)
    for level in np.unique(asked):
        chosen = asked == level
        members = np.flatnonzero(levels == level)
        rows[chosen] = draw.choice(members, size=(int(chosen.sum()), size))
    return rows
