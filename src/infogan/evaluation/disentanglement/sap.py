"""SAP: the gap between the two codes that predict a factor best by a straight line."""

from __future__ import annotations

import numpy as np

from infogan.evaluation.disentanglement.sample import Sample, standardised
from infogan.evaluation.disentanglement.score import score


@score("sap")
def sap(sample: Sample) -> float:
    """The separated attribute predictability of Kumar et al. 2018, section 3 (arXiv 1711.00848).

    For each factor the squared correlation of its level with a code (the paper's score for factors with an
    order), the best less the second best; the mean over factors. For a factor without an order, such as
    shape, that is low for every code.
    """
    codes, levels = standardised(sample.codes), standardised(sample.levels.astype(np.float64))
    squared = np.sort((codes.T @ levels / len(codes)) ** 2, axis=0)[::-1]
    return float(np.mean(squared[0] - (squared[1] if len(squared) > 1 else 0.0)))
