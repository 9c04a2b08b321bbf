"""InfoMEC: modularity and compactness by information, of the codes in use, and explicitness of all codes."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from infogan.evaluation.disentanglement.information import entropy
from infogan.evaluation.disentanglement.sample import Sample, standardised
from infogan.evaluation.disentanglement.score import score

_ACTIVE = 1 / 20  # of the largest range, as the authors' code has it
_NEIGHBOURS = 10


@score("infomec")
def infomec(sample: Sample) -> dict[str, float]:
    """Hsu et al. 2023, section 4 (arXiv 2305.18378).

    The information of a code and a factor, by the nearest neighbours of Ross 2014, as a share of the
    factor's entropy. Codes whose range is below a twentieth of the largest are left out. The authors fit and
    score explicitness on the same images, with balanced classes; here it is scored on the other half.

    Returns:
        `modularity`: the share of a code's information that is about one factor, from an even division 0 to
        1, the mean over codes; `compactness`: the same of a factor over codes; `explicitness`: how many of a
        factor's nats a logistic regression on all codes gains on the other half of the images, as a share;
        below 0 is 0. What has nothing to be compared with is absent: the first of one factor, the second of
        one code in use.
    """
    ranges = np.ptp(sample.codes, axis=0)
    active = ranges > _ACTIVE * ranges.max()
    found = {"explicitness": _explicitness(sample)}
    if not ranges.any():
        return found | {"modularity": 0.0, "compactness": 0.0}
    table = _normalised_information(sample, np.flatnonzero(active))
    if table.shape[1] > 1:
        found["modularity"] = float(np.mean(_share_of_best(table)))
    if table.shape[0] > 1:
        found["compactness"] = float(np.mean(_share_of_best(table.T)))
    return found


def _normalised_information(sample: Sample, codes: np.ndarray) -> Float[np.ndarray, "a f"]:
    from sklearn.feature_selection import mutual_info_classif  # late: scikit-learn takes a second or two

    seed = int(sample.draw.integers(2**31))
    columns = [
        mutual_info_classif(sample.codes[:, codes], levels, n_neighbors=_NEIGHBOURS, random_state=seed)
        / entropy(levels)
        for levels in sample.levels.T
    ]
    return np.stack(columns, 1)


def _share_of_best(rows: Float[np.ndarray, "a b"]) -> Float[np.ndarray, " a"]:
    """The largest share of each row, from an even division, 0, to 1; 0 for a row of zeros."""
    count = rows.shape[1]
    sums = rows.sum(1)
    share = np.divide(rows.max(1), sums, out=np.full(len(rows), 1 / count), where=sums > 0)
    return np.asarray((share - 1 / count) / (1 - 1 / count))


def _explicitness(sample: Sample) -> float:
    from sklearn.linear_model import LogisticRegression  # late: scikit-learn takes a second or two
    from sklearn.metrics import log_loss

    codes, (fit, judged) = standardised(sample.codes), sample.halves
    gains = []
    for levels in sample.levels.T:
        if len(np.unique(levels[fit])) < 2:
            gains.append(0.0)
            continue
        # The source has no penalty; where a plane parts few images, the search would then never end.
        model = LogisticRegression(C=1e4, max_iter=1_000).fit(codes[fit], levels[fit])
        seen = judged[np.isin(levels[judged], model.classes_)]
        left = log_loss(levels[seen], model.predict_proba(codes[seen]), labels=model.classes_)
        gains.append(max(0.0, 1 - left / entropy(levels)))
    return float(np.mean(gains))
