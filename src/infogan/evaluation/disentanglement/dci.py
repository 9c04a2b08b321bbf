"""DCI: disentanglement, completeness and informativeness, from what trees find important."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float

from infogan.evaluation.disentanglement.sample import Sample, standardised
from infogan.evaluation.disentanglement.score import score

REGRESSOR = ("random forest of 50 trees, depth 6", "gradient boosting, scikit-learn's own settings")
"""Fast, and full as in disentanglement_lib. A deeper forest splits on noise and finds all codes important."""


@score("dci")
def dci(sample: Sample) -> dict[str, float]:
    """Eastwood and Williams 2018, section 2, by ensembles of trees (`REGRESSOR`) that tell a factor's levels.

    Fitted on one half of the images. Importances are mean decreases in impurity; every split looks at all
    codes, and of codes which tell the same takes one at random, so that they share theirs.

    Returns:
        `disentanglement`: 1 less the entropy of a code's importances over factors, weighted by the code's
        share of all importance; `completeness`: 1 less that of a factor's over codes, the mean over factors;
        `informativeness`: the accuracy of the levels on the other half. Each from 0 to 1; the first is absent
        of one factor, the second of one code.
    """
    importance, accuracy = importances(sample)
    return {**from_importances(importance), "informativeness": accuracy}


def importances(sample: Sample) -> tuple[Float[np.ndarray, "k f"], float]:
    """How important each code is for each factor, columns of sum 1, and the accuracy on the other half."""
    codes, (fit, judged) = standardised(sample.codes), sample.halves
    columns, scores = [], []
    for levels in sample.levels.T:
        if len(np.unique(levels[fit])) < 2:  # a rare level is not in this half: nothing can be learned
            columns.append(np.zeros(codes.shape[1]))
            scores.append(float((levels[judged] == levels[fit][0]).mean()))
            continue
        trees = _trees(sample.full, int(sample.draw.integers(2**31))).fit(codes[fit], levels[fit])
        columns.append(trees.feature_importances_.clip(0))  # boosting rounds below it
        scores.append(trees.score(codes[judged], levels[judged]))
    return np.stack(columns, 1), float(np.mean(scores))


def _trees(full: bool, seed: int) -> Any:
    """What REGRESSOR names; not yet fitted."""
    from sklearn import ensemble  # late: scikit-learn takes a second or two

    if full:
        return ensemble.GradientBoostingClassifier(random_state=seed)
    return ensemble.RandomForestClassifier(50, max_depth=6, max_features=None, random_state=seed)


def from_importances(importance: Float[np.ndarray, "k f"]) -> dict[str, float]:
    """`disentanglement` and `completeness` of a table of importances, 0 or more; as far as they apply."""
    weights = importance.sum(1) / (importance.sum() or 1.0)
    found = {}
    if importance.shape[1] > 1:
        found["disentanglement"] = float((weights * _concentration(importance)).sum())
    if importance.shape[0] > 1:
        found["completeness"] = float(_concentration(importance.T).mean())
    return found


def _concentration(rows: Float[np.ndarray, "a b"]) -> Float[np.ndarray, " a"]:
    """1 less the entropy of each row to the base of its length, 2 or more; 0 for a row of zeros."""
    from scipy.special import entr  # late: it takes a good part of a second

    sums = rows.sum(1, keepdims=True)
    shares = np.divide(rows, sums, out=np.full_like(rows, 1 / rows.shape[1]), where=sums > 0)
    return np.asarray(1 - entr(shares).sum(1) / np.log(rows.shape[1]))
