"""The mutual information of each code and factor, and the scores MIG and modularity of that table."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from infogan.evaluation.disentanglement.sample import CODE_BINS, Sample, alive, score


def entropy(levels: Int[np.ndarray, " n"]) -> float:
    """Return the entropy of the levels' frequencies in nats."""
    shares = np.bincount(levels) / len(levels)
    return float(-(shares[shares > 0] * np.log(shares[shares > 0])).sum())


def information_table(
    codes: Float[np.ndarray, "n k"], levels: Int[np.ndarray, "n f"]
) -> Float[np.ndarray, "k f"]:
    """Return I(code; factor) in nats, of codes in CODE_BINS bins of equal width between their extremes.

    These are plug-in estimates: about (bins - 1) (levels - 1) / 2n for unrelated ones, not 0.
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
    """Return the mutual information gap of Chen et al. 2018, equation 6 (arXiv 1802.04942).

    This is the information of the best code for a factor minus that of the second best, as a share of the
    factor's entropy, averaged over factors. It is 0 where two codes are equal.
    """
    table = np.sort(information_table(sample.codes, sample.levels), axis=0)[::-1]
    second = table[1] if len(table) > 1 else np.zeros(table.shape[1])
    entropies = np.array([entropy(column) for column in sample.levels.T])
    return float(np.mean((table[0] - second) / entropies))


@score("modularity")
def modularity(sample: Sample) -> float | None:
    """Return the modularity of Ridgeway and Mozer 2018, equation 2 (arXiv 1802.05312).

    This is 1 - the share of a code's squared information on all factors but its best, averaged over codes; 0
    for a code without any information. It is high for duplicated codes, and None with a single factor. As a
    ratio it is not near 0 for codes with little information: compare it with MIG.
    """
    squared = information_table(sample.codes, sample.levels) ** 2
    count = squared.shape[1]
    if count < 2:
        return None
    best = squared.max(1)
    informative = best > 0
    others = squared.sum(1)[informative] - best[informative]
    share = others / (best[informative] * (count - 1))
    return float((1 - share).sum() / len(squared))
