"""SAP: the gap between the two codes that predict a factor best, by linear regression."""

from __future__ import annotations

import numpy as np

from infogan.evaluation.disentanglement.sample import Sample, score, standardised


@score("sap")
def sap(sample: Sample) -> float:
    """Return the separated attribute predictability of Kumar et al. 2018, section 3 (arXiv 1711.00848).

    This is the best squared correlation of a code with a factor's level (the paper's score for ordered
    factors) minus the second best, averaged over factors. It is low for a factor without an order, such as
    shape.
    """
    codes, levels = standardised(sample.codes), standardised(sample.levels.astype(np.float64))
    squared = np.sort((codes.T @ levels / len(codes)) ** 2, axis=0)[::-1]
    return float(np.mean(squared[0] - (squared[1] if len(squared) > 1 else 0.0)))
