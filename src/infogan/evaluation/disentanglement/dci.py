"""DCI: disentanglement, completeness and informativeness, by the feature importances of trees."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float

from infogan.evaluation.disentanglement.sample import Sample, score, standardised

REGRESSOR = ("random forest of 50 trees, depth 6", "gradient boosting, scikit-learn's own settings")
"""In the fast variant, and as in disentanglement_lib. Deeper forests split on noise, by every code."""


@score("dci")
def dci(sample: Sample) -> dict[str, float]:
    """Return the scores of Eastwood and Williams 2018, section 2, by ensembles of trees (`REGRESSOR`).

    The trees predict a factor's levels and are fitted on one half of the images. Importances are mean
    decreases in impurity; every split considers all codes and chooses randomly among equal ones, so that
    these share their importance.

    Returns:
        `disentanglement`: 1 - the entropy of a code's importances over factors, weighted by the code's share
        of all importance; `completeness`: 1 - that of a factor's over codes, averaged over factors;
        `informativeness`: the accuracy of the levels on the other half. Each from 0 to 1; the first is absent
        with a single factor, the second with a single code.
    """
    importance, accuracy = importances(sample)
    return {**from_importances(importance), "informativeness": accuracy}


def importances(sample: Sample) -> tuple[Float[np.ndarray, "k f"], float]:
    """Return the importances of codes for factors, columns of sum 1, and the accuracy on the other half."""
    from sklearn import ensemble  # slow to import

    codes, (fit, rest) = standardised(sample.codes), sample.halves
    columns, accuracies = [], []
    for levels in sample.levels.T:
        if len(np.unique(levels[fit])) < 2:  # a rare level may be missing in this half
            columns.append(np.zeros(codes.shape[1]))
            accuracies.append(float((levels[rest] == levels[fit][0]).mean()))
            continue
        seed = int(sample.rng.integers(2**31))
        trees: Any = (
            ensemble.GradientBoostingClassifier(random_state=seed)
            if sample.full
            else ensemble.RandomForestClassifier(50, max_depth=6, max_features=None, random_state=seed)
        )
        trees.fit(codes[fit], levels[fit])
        columns.append(trees.feature_importances_.clip(0))  # boosting may round below 0
        accuracies.append(trees.score(codes[rest], levels[rest]))
    return np.stack(columns, 1), float(np.mean(accuracies))


def from_importances(importance: Float[np.ndarray, "k f"]) -> dict[str, float]:
    """Return `disentanglement` and `completeness` of a table of importances, as far as they apply."""
    weights = importance.sum(1) / (importance.sum() or 1.0)
    scores = {}
    if importance.shape[1] > 1:
        scores["disentanglement"] = float((weights * _concentration(importance)).sum())
    if importance.shape[0] > 1:
        scores["completeness"] = float(_concentration(importance.T).mean())
    return scores


def _concentration(rows: Float[np.ndarray, "a b"]) -> Float[np.ndarray, " a"]:
    """Return 1 - the entropy of each row, to the base of its length of 2 or more; 0 for a row of zeros."""
    from scipy.special import entr  # slow to import

    sums = rows.sum(1, keepdims=True)
    shares = np.divide(rows, sums, out=np.full_like(rows, 1 / rows.shape[1]), where=sums > 0)
    return np.asarray(1 - entr(shares).sum(1) / np.log(rows.shape[1]))
