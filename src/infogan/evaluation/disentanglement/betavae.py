"""BetaVAE's score: can a linear classifier tell which factor two groups of images share?"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from infogan.evaluation.disentanglement.factorvae import held
from infogan.evaluation.disentanglement.sample import Sample, standardised
from infogan.evaluation.disentanglement.score import score

PAIRS = 64
FIT_POINTS, POINTS = (2_000, 10_000), (2_000, 5_000)
"""Points that fit the classifier, and points that are judged: fast, and full as in disentanglement_lib."""


@score("betavae")
def betavae(sample: Sample) -> float | None:
    """The classifier's accuracy of Higgins et al. 2017, appendix A.4.

    A point: a factor is drawn; 64 pairs of images that share its level; the mean distance of the pairs in
    each code. A logistic regression tells the factor from points. Codes are brought to one spread first:
    their unit is no matter of what they tell.

    Returns:
        From 1 / factors, chance, to 1; None of one factor.
    """
    from sklearn.linear_model import LogisticRegression  # late: scikit-learn takes a second or two

    if sample.levels.shape[1] < 2:
        return None
    codes = standardised(sample.codes)
    fit, judged = (_points(codes, sample.levels, n[sample.full], sample.draw) for n in (FIT_POINTS, POINTS))
    return float(LogisticRegression(max_iter=1_000).fit(*fit).score(*judged))


def _points(
    codes: Float[np.ndarray, "n k"], levels: Int[np.ndarray, "n f"], count: int, draw: np.random.Generator
) -> tuple[Float[np.ndarray, "count k"], Int[np.ndarray, " count"]]:
    """Points, and the factor that the pairs of each shared."""
    factors = np.sort(draw.integers(levels.shape[1], size=count))
    points = []
    for factor in range(levels.shape[1]):
        rows = held(levels[:, factor], int((factors == factor).sum()), 2 * PAIRS, draw)
        points.append(np.abs(codes[rows[:, :PAIRS]] - codes[rows[:, PAIRS:]]).mean(1))
    return np.concatenate(points), factors
