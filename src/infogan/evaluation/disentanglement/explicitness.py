"""Explicitness: how well a linear classifier predicts every factor from all codes together."""

from __future__ import annotations

import numpy as np

from infogan.evaluation.disentanglement.sample import Sample, score, standardised


@score("explicitness")
def explicitness(sample: Sample) -> float:
    """Return the explicitness of Ridgeway and Mozer 2018, section 3 (arXiv 1802.05312).

    A logistic regression (of all levels at once; the paper's is one against the rest) predicts each factor's
    levels from all codes. The score is the area under the ROC curve of each level against the others, on the
    other half of the images, averaged over levels, scaled from [.5, 1] to [0, 1] and averaged over factors.
    """
    from sklearn.linear_model import LogisticRegression  # slow to import
    from sklearn.metrics import roc_auc_score

    codes, (fit, rest) = standardised(sample.codes), sample.halves
    means = []
    for levels in sample.levels.T:
        if len(np.unique(levels[fit])) < 2:
            means.append(0.0)
            continue
        model = LogisticRegression(max_iter=1_000).fit(codes[fit], levels[fit])
        scores = model.predict_proba(codes[rest])  # a linear score is never highest for a middle level
        truths = [levels[rest] == level for level in model.classes_]
        areas = [
            roc_auc_score(truth, column)
            for truth, column in zip(truths, scores.T, strict=True)
            if 0 < truth.sum() < len(truth)
        ]
        means.append(max(0.0, 2 * float(np.mean(areas)) - 1))
    return float(np.mean(means))
