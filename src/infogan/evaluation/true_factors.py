"""Agreement of continuous codes with the true factors of images, if these are known (Figures 3 and 4).

Codes are matched one to one to factors on training images, and scored on test images. In most data sets with
known factors, test images show other identities or objects. A factor on a line is compared with a code by
|Spearman|. An angle is compared by the length of the mean of exp(i (pi code -+ angle)), with the sign that
fits better. (The linear-circular correlation of a perfect code is only .78.) The table `agreement` compares
every code with every factor, without a choice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float, Int64

from infogan.data.dataset import Factor
from infogan.evaluation.baselines import Codes, codes_and_baselines
from infogan.evaluation.clustering import match_factors
from infogan.evaluation.metric import metric, with_baselines
from infogan.evaluation.predicted_codes import continuous_dimensions
from infogan.evaluation.resampling import NORMAL_QUANTILE, centred_interval, mean_interval
from infogan.evaluation.subject import Subject, train_subset

_RESAMPLES = 300
_LEAST = 8  # images of an object, to compute its own agreement


def spearman(values: Float[np.ndarray, " n"], factor: Float[np.ndarray, " n"]) -> float:
    """Return the absolute value of Spearman's rank correlation, from 0 to 1; 0 where either is constant."""
    from scipy.stats import rankdata  # slow to import

    ranks = [rankdata(part) for part in (values, factor)]
    if min(part.std() for part in ranks) == 0:
        return 0.0
    return abs(float(np.corrcoef(*ranks)[0, 1]))


def spearman_interval(correlation: float, count: int) -> list[float]:
    """Return the 95 % interval of `spearman` over `count` images.

    It uses the standard error of Fisher's z of a rank correlation (Bonett and Wright 2000).
    """
    error = NORMAL_QUANTILE * np.sqrt((1 + correlation**2 / 2) / max(count - 3, 1))
    middle = np.arctanh(min(correlation, 1 - 1e-12))
    low, high = (float(np.tanh(middle + sign * error)) for sign in (-1, 1))
    return [max(0.0, low), high]


def circular(values: Float[np.ndarray, " n"], angles: Float[np.ndarray, " n"]) -> float:
    """Return the agreement of a code with an angle, from 0 to 1: max |mean exp(i (pi code -+ angle))|.

    It is 1 if the code rotates with the angle, with any zero and in either direction, and near 0 if the two
    are unrelated.

    Args:
        values: values of the code; a full turn is from -1 to 1.
        angles: in radians.
    """
    code = np.exp(1j * np.pi * values)
    return max(float(np.abs((code * np.exp(sign * 1j * angles)).mean())) for sign in (-1, 1))


def circular_interval(
    values: Float[np.ndarray, " n"], angles: Float[np.ndarray, " n"], rng: np.random.Generator
) -> list[float]:
    """Return the 95 % bootstrap interval of `circular` over images."""
    samples = (rng.integers(len(values), size=len(values)) for _ in range(_RESAMPLES))
    resampled = np.array([circular(values[rows], angles[rows]) for rows in samples])
    return centred_interval(circular(values, angles), resampled, (0.0, 1.0))


def circular_by_object(
    values: Float[np.ndarray, " n"], angles: Float[np.ndarray, " n"], objects: Int64[np.ndarray, " n"]
) -> Float[np.ndarray, " m"]:
    """Return `circular` for each object with at least 8 images; each object may have its own zero."""
    members = (objects == number for number in np.unique(objects))
    return np.array(
        [circular(values[rows], angles[rows]) for rows in members if rows.sum() >= _LEAST], dtype=np.float64
    )


def agreement(values: Float[np.ndarray, " n"], factor: Factor) -> float:
    """Return `circular` for a periodic factor, and else `spearman`."""
    if factor.period is None:
        return spearman(values, factor.values)
    return circular(values, factor.values * (2 * np.pi / factor.period))


def match(codes: Codes, factors: Mapping[str, Factor]) -> dict[str, str]:
    """Match each factor to a code, as `match_factors` does, by the agreement on these images."""
    table = [[agreement(values, factor) for factor in factors.values()] for values in codes.values()]
    return match_factors(np.array(table), list(codes), factors)


def measure(
    values: Float[np.ndarray, " n"],
    factor: Factor,
    objects: Int64[np.ndarray, " n"] | None,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Return the figures of one code and one factor.

    Args:
        values: values of the code.
        factor: factor of the same images.
        objects: the label of each image, if there are any.
        rng: random number generator for the interval of `circular`.

    Returns:
        `spearman` or `circular`, as the factor requires, with its 95 % interval; for angles of labelled
        images also `circular_by_object`, the mean over objects, with an interval if there are two or more.
    """
    measured = agreement(values, factor)
    if factor.period is None:
        return {"spearman": measured, "spearman_interval": spearman_interval(measured, len(values))}
    angles = factor.values * (2 * np.pi / factor.period)
    figures: dict[str, Any] = {
        "circular": measured,
        "circular_interval": circular_interval(values, angles, rng),
    }
    by_object = np.zeros(0) if objects is None else circular_by_object(values, angles, objects)
    if len(by_object):
        figures["circular_by_object"] = float(by_object.mean())
    if len(by_object) > 1:
        figures["circular_by_object_interval"] = mean_interval(by_object, (0.0, 1.0))
    return figures


@metric("true factors")
def _metric(subject: Subject) -> dict[str, Any]:
    dataset = subject.dataset
    if dataset is None or not dataset.test.truth.factors or not continuous_dimensions(subject.model.latents):
        return {}
    chosen = train_subset(len(dataset.train.images), subject.seed)
    train, test = dataset.train.truth.take(chosen).factors, dataset.test.truth.factors
    sections: dict[str, dict[str, Any]] = {}
    labels = dataset.test.labels
    for name, (of_train, of_test) in subject.once(codes_and_baselines).items():
        rng = subject.rng(f"true factors/{name}")
        sections[name] = {
            "factors": {
                factor: {"code": code, **measure(of_test[code], test[factor], labels, rng)}
                for factor, code in match(of_train, train).items()
            },
            "agreement": {
                code: {factor: measure(values, truth, labels, rng) for factor, truth in test.items()}
                for code, values in of_test.items()
            },
        }
    return with_baselines(sections)
