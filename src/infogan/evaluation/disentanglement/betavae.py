"""BetaVAE's score: the accuracy of a linear classifier of the factor that two groups of images share."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from infogan.evaluation.disentanglement.factorvae import held
from infogan.evaluation.disentanglement.sample import Sample, score, standardised

PAIRS = 64
FIT_POINTS, POINTS = (2_000, 10_000), (2_000, 5_000)
"""Points that fit the classifier, and that score it, in the fast variant and as in disentanglement_lib."""


@score("betavae")
def betavae(sample: Sample) -> float | None:
    """Return the accuracy of Higgins et al. 2017, appendix A.4.

    A point is the mean distance in each code of 64 pairs of images that share the level of a sampled factor.
    A logistic regression predicts the factor from a point. Codes are standardised first, because their units
    do not matter.

    Returns:
        From 1 / factors, which is chance, to 1; None with a single factor.
    """
    from sklearn.linear_model import LogisticRegression  # slow to import

    if sample.levels.shape[1] < 2:
        return None
    codes = standardised(sample.codes)
    fit, scored = (_points(codes, sample.levels, n[sample.full], sample.rng) for n in (FIT_POINTS, POINTS))
    return float(LogisticRegression(max_iter=1_000).fit(*fit).score(*scored))


def _points(
    codes: Float[np.ndarray, "n k"], levels: Int[np.ndarray, "n f"], count: int, rng: np.random.Generator
) -> tuple[Float[np.ndarray, "count k"], Int[np.ndarray, " count"]]:
    """Return points, and the factor that the pairs of each share."""
    factors = np.sort(rng.integers(levels.shape[1], size=count))
    points = []
    for factor in range(levels.shape[1]):
        rows = held(levels[:, factor], int((factors == factor).sum()), 2 * PAIRS, rng)
        points.append(np.abs(codes[rows[:, :PAIRS]] - codes[rows[:, PAIRS:]]).mean(1))
    return np.concatenate(points), factors
