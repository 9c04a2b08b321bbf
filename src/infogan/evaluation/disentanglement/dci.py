"""DCI: disentanglement, completeness and informativeness, from what a forest finds important."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from infogan.evaluation.disentanglement.registry import score
from infogan.evaluation.disentanglement.sample import Sample, standardised

TREES = (50, 200)
DEPTH = 12


@score("dci")
def dci(sample: Sample) -> dict[str, float]:
    """Eastwood and Williams 2018, section 2, by random forests (as one of their two regressors).

    A forest for each factor is fitted on one half of the images. Importances are its mean decreases in
    impurity; every split looks at all codes, and of codes which tell the same takes one at random, so that
    they share theirs.

    Returns:
        `disentanglement`: 1 less the entropy of a code's importances over factors, weighted by the code's
        share of all importance; `completeness`: 1 less that of a factor's over codes, the mean over factors;
        `informativeness`: the accuracy of the levels on the other half. Each from 0 to 1.
    """
    importance, accuracy = importances(sample)
    return {**from_importances(importance), "informativeness": accuracy}


def importances(sample: Sample) -> tuple[Float[np.ndarray, "k f"], float]:
    """How important each code is for each factor, columns of sum 1, and the mean accuracy on the other half."""
    from sklearn.ensemble import RandomForestClassifier  # late: scikit-learn takes a second or two

    codes, (fit, judged) = standardised(sample.codes), sample.halves
    columns, scores = [], []
    for levels in sample.levels.T:
        seed = int(sample.draw.integers(2**31))
        forest = RandomForestClassifier(
            TREES[sample.full], max_depth=DEPTH, max_features=None, random_state=seed
        ).fit(codes[fit], levels[fit])
        columns.append(forest.feature_importances_)
        scores.append(forest.score(codes[judged], levels[judged]))
    return np.stack(columns, 1), float(np.mean(scores))


def from_importances(importance: Float[np.ndarray, "k f"]) -> dict[str, float]:
    """`disentanglement` and `completeness` of a table of importances, 0 or more."""
    total = importance.sum()
    if not total:
        return {"disentanglement": 0.0, "completeness": 0.0}
    weights = importance.sum(1) / total
    return {
        "disentanglement": float((weights * _concentration(importance)).sum()),
        "completeness": float(_concentration(importance.T).mean()),
    }


def _concentration(rows: Float[np.ndarray, "a b"]) -> Float[np.ndarray, " a"]:
    """1 less the entropy of each row to the base of its length; 0 for a row of zeros, 1 for a single column."""
    from scipy.special import entr  # late: it takes a good part of a second

    sums = rows.sum(1, keepdims=True)
    if rows.shape[1] == 1:
        return np.ones(len(rows))
    shares = np.divide(rows, sums, out=np.full_like(rows, 1 / rows.shape[1]), where=sums > 0)
    return np.asarray(1 - entr(shares).sum(1) / np.log(rows.shape[1]))
