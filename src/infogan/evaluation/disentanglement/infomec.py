"""InfoMEC: modularity and compactness of the active codes by information, and explicitness of all codes."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from infogan.evaluation.disentanglement.information import entropy
from infogan.evaluation.disentanglement.sample import Sample, score, standardised

_ACTIVE = 1 / 20  # of the largest range, as in the authors' code
_NEIGHBOURS = 10


@score("infomec")
def infomec(sample: Sample) -> dict[str, float]:
    """Return the scores of Hsu et al. 2023, section 4 (arXiv 2305.18378).

    The information of a code and a factor is estimated by nearest neighbours (Ross 2014), as a share of the
    factor's entropy. Codes with less than a twentieth of the largest range are inactive. The authors fit and
    score explicitness on the same images, with balanced classes; here it is scored on the other half.

    Returns:
        `modularity`: the largest share of a code's information on one factor, 0 for equal shares, averaged
        over codes; `compactness`: the same for a factor over codes; `explicitness`: the share of a factor's
        entropy that a logistic regression on all codes predicts on the other half of the images, at least 0.
        The first is absent with a single factor, the second with a single active code.
    """
    ranges = np.ptp(sample.codes, axis=0)
    active = ranges > _ACTIVE * ranges.max()
    scores = {"explicitness": _explicitness(sample)}
    if not ranges.any():
        return scores | {"modularity": 0.0, "compactness": 0.0}
    table = _normalised_information(sample, np.flatnonzero(active))
    if table.shape[1] > 1:
        scores["modularity"] = float(np.mean(_share_of_best(table)))
    if table.shape[0] > 1:
        scores["compactness"] = float(np.mean(_share_of_best(table.T)))
    return scores


def _normalised_information(sample: Sample, codes: np.ndarray) -> Float[np.ndarray, "a f"]:
    from sklearn.feature_selection import mutual_info_classif  # slow to import

    seed = int(sample.rng.integers(2**31))
    columns = [
        mutual_info_classif(sample.codes[:, codes], levels, n_neighbors=_NEIGHBOURS, random_state=seed)
        / entropy(levels)
        for levels in sample.levels.T
    ]
    return np.stack(columns, 1)


def _share_of_best(rows: Float[np.ndarray, "a b"]) -> Float[np.ndarray, " a"]:
    """Return the largest share of each row, scaled to 0 for equal shares; 0 for a row of zeros."""
    count = rows.shape[1]
    sums = rows.sum(1)
    share = np.divide(rows.max(1), sums, out=np.full(len(rows), 1 / count), where=sums > 0)
    return np.asarray((share - 1 / count) / (1 - 1 / count))


def _explicitness(sample: Sample) -> float:
    from sklearn.linear_model import LogisticRegression  # slow to import
    from sklearn.metrics import log_loss

    codes, (fit, rest) = standardised(sample.codes), sample.halves
    gains = []
    for levels in sample.levels.T:
        if len(np.unique(levels[fit])) < 2:
            gains.append(0.0)
            continue
        # The paper has no penalty, but without one the fit diverges where few images are separable.
        model = LogisticRegression(C=1e4, max_iter=1_000).fit(codes[fit], levels[fit])
        known = rest[np.isin(levels[rest], model.classes_)]
        loss = log_loss(levels[known], model.predict_proba(codes[known]), labels=model.classes_)
        gains.append(max(0.0, 1 - loss / entropy(levels)))
    return float(np.mean(gains))
