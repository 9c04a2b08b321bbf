"""The mutual information of each code and factor, and what is read off that table: MIG and modularity."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from infogan.evaluation.disentanglement.sample import CODE_BINS, Sample, alive
from infogan.evaluation.disentanglement.score import score


def entropy(levels: Int[np.ndarray, " n"]) -> float:
    """In nats, of the levels as often as they occur."""
    shares = np.bincount(levels) / len(levels)
    return float(-(shares[shares > 0] * np.log(shares[shares > 0])).sum())


def information_table(
    codes: Float[np.ndarray, "n k"], levels: Int[np.ndarray, "n f"]
) -> Float[np.ndarray, "k f"]:
    """I(code; factor) in nats, of codes in CODE_BINS bins of equal width between their extremes.

    Plug-in estimates: of unrelated ones it is about (bins - 1) (levels - 1) / 2n, not 0.
    """
    table = np.zeros((codes.shape[1], levels.shape[1]))
    for code in alive(codes):
        edges = np.linspace(codes[:, code].min(), codes[:, code].max(), CODE_BINS + 1)[1:-1]
        binned = np.searchsorted(edges, codes[:, code], side="right")
        for factor in range(levels.shape[1]):
            table[code, factor] = _information(binned, levels[:, factor])
    return table


def _information(first: Int[np.ndarray, " n"], second: Int[np.ndarray, " n"]) -> float:
    width = int(second.max()) + 1
    joint = np.bincount(first * width + second)
    shares = joint[joint > 0] / len(first)
    both = float(-(shares * np.log(shares)).sum())
    return max(0.0, entropy(first) + entropy(second) - both)


@score("mig")
def mig(sample: Sample) -> float:
    """The mutual information gap of Chen et al. 2018, equation 6 (arXiv 1802.04942).

    For each factor the information of the code that tells most of it, less that of the second best, as a
    share of the factor's entropy; the mean over factors. 0 where two codes tell the same.
    """
    table = np.sort(information_table(sample.codes, sample.levels), axis=0)[::-1]
    second = table[1] if len(table) > 1 else np.zeros(table.shape[1])
    entropies = np.array([entropy(column) for column in sample.levels.T])
    return float(np.mean((table[0] - second) / entropies))


@score("modularity")
def modularity(sample: Sample) -> float | None:
    """The modularity of Ridgeway and Mozer 2018, equation 2 (arXiv 1802.05312): is a code about one factor?

    1 less the share of squared information about other factors than the one that the code tells most of; the
    mean over codes. A code that tells nothing of any factor has none. High for duplicated codes; None of one
    factor. It is a ratio, and so not near 0 for codes that tell nothing: read it beside MIG.
    """
    squared = information_table(sample.codes, sample.levels) ** 2
    count = squared.shape[1]
    if count < 2:
        return None
    best = squared.max(1)
    telling = best > 0
    share = (squared.sum(1)[telling] - best[telling]) / (best[telling] * (count - 1))
    return float((1 - share).sum() / len(squared))
