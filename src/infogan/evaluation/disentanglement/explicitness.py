"""Explicitness: can a linear classifier read every factor from all codes together?"""

from __future__ import annotations

import numpy as np

from infogan.evaluation.disentanglement.sample import Sample, standardised
from infogan.evaluation.disentanglement.score import score


@score("explicitness")
def explicitness(sample: Sample) -> float:
    """Ridgeway and Mozer 2018, section 3 (arXiv 1802.05312).

    A logistic regression (of all levels at once; the paper's is one against the rest) tells each factor's
    levels from all codes; the area under the ROC curve of each level against the others, on the other half of
    the images, brought from .5 to 1 to the range from 0 to 1, below 0 is 0; the mean over levels and factors.
    """
    from sklearn.linear_model import LogisticRegression  # late: scikit-learn takes a second or two
    from sklearn.metrics import roc_auc_score

    codes, (fit, judged) = standardised(sample.codes), sample.halves
    means = []
    for levels in sample.levels.T:
        if len(np.unique(levels[fit])) < 2:
            means.append(0.0)
            continue
        model = LogisticRegression(max_iter=1_000).fit(codes[fit], levels[fit])
        scores = model.predict_proba(codes[judged])  # of a level between others no linear score is highest
        truths = [levels[judged] == level for level in model.classes_]
        areas = [
            roc_auc_score(truth, column)
            for truth, column in zip(truths, scores.T, strict=True)
            if 0 < truth.sum() < len(truth)
        ]
        means.append(max(0.0, 2 * float(np.mean(areas)) - 1))
    return float(np.mean(means))
