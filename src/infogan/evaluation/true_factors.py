"""Whether continuous codes are the true variables of images whose variables are known (Figures 3 and 4).

Codes are matched one to one to factors on training images; the scores are on test images, which show
identities and objects that were not trained on where the source sees to it. A factor on a line is held
against a code by |Spearman|. An angle is held against it by the length of the mean of
exp(i (pi code -+ angle)), for the better of the two senses: a linear-circular correlation of a perfect code
would be .78. Beside the matching stands the whole table of codes and factors, in which nothing is chosen.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float, Int64
from torch import Tensor

from infogan.data.dataset import Factor
from infogan.evaluation.clustering_baselines import untrained_reading_of_test, untrained_reading_of_train
from infogan.evaluation.metric import metric
from infogan.evaluation.predicted_codes import (
    continuous_dimensions,
    continuous_means,
    reading_of_test,
    reading_of_train,
)
from infogan.evaluation.resampling import (
    NORMAL_QUANTILE,
    centred_interval,
    mean_interval,
    numpy_generator,
)
from infogan.evaluation.subject import Subject, train_images, train_subset
from infogan.latents import Latents

Codes = Mapping[str, Float[np.ndarray, " _"]]
"""By name, each of as many images, on the interval from -1 to 1, or beyond where Q says so."""

_RESAMPLES = 300
_LEAST = 8  # images of an object from which its own agreement is taken
_MOST_PIXELS = 4_096


def spearman(values: Float[np.ndarray, " n"], factor: Float[np.ndarray, " n"]) -> float:
    """|Spearman|'s rank correlation, from 0 to 1; 0 where either does not vary."""
    from scipy.stats import rankdata  # late: it takes a second

    ranks = [rankdata(part) for part in (values, factor)]
    if min(part.std() for part in ranks) == 0:
        return 0.0
    return abs(float(np.corrcoef(*ranks)[0, 1]))


def spearman_interval(found: float, count: int) -> list[float]:
    """95 %, by the standard error of Fisher's z of a rank correlation (Bonett and Wright 2000)."""
    error = NORMAL_QUANTILE * np.sqrt((1 + found**2 / 2) / max(count - 3, 1))
    middle = np.arctanh(min(found, 1 - 1e-12))
    low, high = (float(np.tanh(middle + sign * error)) for sign in (-1, 1))
    return [max(0.0, low), high]


def circular(values: Float[np.ndarray, " n"], angles: Float[np.ndarray, " n"]) -> float:
    """How well a code is an angle, from 0 to 1: max over both senses of |mean exp(i (pi code -+ angle))|.

    1 where the code turns with the angle, at whatever zero and in whatever sense; near 0 without a relation.

    Args:
        values: of the code, a full turn from -1 to 1.
        angles: in radians.
    """
    code = np.exp(1j * np.pi * values)
    return max(float(np.abs((code * np.exp(sign * 1j * angles)).mean())) for sign in (-1, 1))


def circular_interval(
    values: Float[np.ndarray, " n"], angles: Float[np.ndarray, " n"], draw: np.random.Generator
) -> list[float]:
    """The 95 % bootstrap interval of `circular` over images."""
    samples = (draw.integers(len(values), size=len(values)) for _ in range(_RESAMPLES))
    resampled = np.array([circular(values[rows], angles[rows]) for rows in samples])
    return centred_interval(circular(values, angles), resampled, (0.0, 1.0))


def circular_by_object(
    values: Float[np.ndarray, " n"], angles: Float[np.ndarray, " n"], objects: Int64[np.ndarray, " n"]
) -> float | None:
    """The mean of `circular` over objects of 8 images or more: each may have a zero of its own."""
    found = _of_objects(values, angles, objects)
    return float(found.mean()) if len(found) else None


def _of_objects(
    values: Float[np.ndarray, " n"], angles: Float[np.ndarray, " n"], objects: Int64[np.ndarray, " n"]
) -> Float[np.ndarray, " m"]:
    """`circular` of each object of 8 images or more."""
    return np.array(
        [
            circular(values[chosen], angles[chosen])
            for chosen in (objects == one for one in np.unique(objects))
            if chosen.sum() >= _LEAST
        ],
        dtype=np.float64,
    )


def agreement(values: Float[np.ndarray, " n"], factor: Factor) -> float:
    """`circular` or `spearman`, whichever the factor asks for."""
    if factor.period is None:
        return spearman(values, factor.values)
    return circular(values, factor.values * (2 * np.pi / factor.period))


def match(codes: Codes, factors: Mapping[str, Factor]) -> dict[str, str]:
    """The code of each factor in the one-to-one matching of the highest sum of agreements.

    With fewer codes than factors, some factors have none.
    """
    from scipy.optimize import linear_sum_assignment  # late: it takes a good part of a second

    table = np.array(
        [[agreement(values, factor) for factor in factors.values()] for values in codes.values()]
    )
    rows, columns = linear_sum_assignment(table, maximize=True)
    names, by_column = list(codes), dict(zip(columns, rows, strict=True))
    return {factor: names[by_column[i]] for i, factor in enumerate(factors) if i in by_column}


def score(
    matching: Mapping[str, str],
    codes: Codes,
    factors: Mapping[str, Factor],
    objects: Int64[np.ndarray, " n"] | None,
    draw: np.random.Generator,
) -> dict[str, dict[str, Any]]:
    """The figures of `factors` in evaluation.json, on images that did not choose the matching.

    Returns:
        By factor: `code`, and the figures of `measure`.
    """
    return {
        name: {"code": code, **measure(codes[code], factors[name], objects, draw)}
        for name, code in matching.items()
    }


def measure(
    values: Float[np.ndarray, " n"],
    factor: Factor,
    objects: Int64[np.ndarray, " n"] | None,
    draw: np.random.Generator,
) -> dict[str, Any]:
    """How well one code is one factor.

    Returns:
        `spearman` or `circular`, whichever the factor asks for, with its 95 % interval; where images have
        labels `circular_by_object`, too, the mean over objects, with an interval over objects where there
        are two or more.
    """
    found = agreement(values, factor)
    if factor.period is None:
        return {"spearman": found, "spearman_interval": spearman_interval(found, len(values))}
    angles = factor.values * (2 * np.pi / factor.period)
    figures: dict[str, Any] = {
        "circular": found,
        "circular_interval": circular_interval(values, angles, draw),
    }
    by_object = np.zeros(0) if objects is None else _of_objects(values, angles, objects)
    if len(by_object):
        figures["circular_by_object"] = float(by_object.mean())
    if len(by_object) > 1:
        figures["circular_by_object_interval"] = mean_interval(by_object, (0.0, 1.0))
    return figures


def principal_components(
    train: np.ndarray, test: np.ndarray, count: int
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The first `count` principal components of the pixels as codes, each spread evenly from -1 to 1.

    By the ranks of training images: an angle is held against it by `circular`, as against a uniform code.
    """
    from sklearn.decomposition import PCA  # late: scikit-learn takes a second or two

    stride = math.ceil(train[0].size / _MOST_PIXELS)  # of pixels, each with all its channels
    flat = [
        images.reshape(len(images), -1, images.shape[-1])[:, ::stride].reshape(len(images), -1)
        for images in (train, test)
    ]
    model = PCA(min(count, *flat[0].shape), random_state=0).fit(flat[0].astype(np.float32))
    parts = [model.transform(part.astype(np.float32)) for part in flat]
    return tuple(  # type: ignore[return-value]
        {
            f"component{i + 1}": 2 * np.searchsorted(np.sort(parts[0][:, i]), part[:, i]) / len(parts[0]) - 1
            for i in range(part.shape[1])
        }
        for part in parts
    )


def components(subject: Subject) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """As many `principal_components` as there are continuous codes. Ask for it by `subject.once`."""
    assert subject.dataset is not None
    count = len(continuous_dimensions(subject.model.latents))
    return principal_components(subject.once(train_images), subject.dataset.test.images, count)


def line_codes(latents: Latents, raw: Float[Tensor, "n outputs"]) -> Codes:
    """What Q reads in each continuous code, in half ranges; normal ones are spread as their prior is."""
    from scipy.special import ndtr  # late: it takes a good part of a second

    found = {}
    for dimension, means in continuous_means(latents, raw).items():
        code = latents.priors[dimension[0]].code
        limits = (getattr(code, "low", None), getattr(code, "high", None))
        if limits[0] is None or limits[1] is None:
            values = 2 * ndtr(means) - 1
        else:
            values = (2 * means - limits[0] - limits[1]) / (limits[1] - limits[0])
        found[latents.dimension_name(dimension)] = values
    return found


@metric("true factors")
def _metric(subject: Subject) -> dict[str, Any]:
    dataset, latents = subject.dataset, subject.model.latents
    if dataset is None or not dataset.test.truth.factors or not continuous_dimensions(latents):
        return {}
    chosen = train_subset(len(dataset.train.images), subject.seed)
    train, test = dataset.train.truth.take(chosen).factors, dataset.test.truth.factors

    def judged(of_train: Codes, of_test: Codes, stream: str) -> dict[str, Any]:
        draw = numpy_generator(subject.seed, f"evaluation/true factors/{stream}")
        return {
            "factors": score(match(of_train, train), of_test, test, dataset.test.labels, draw),
            "agreement": {
                code: {name: measure(values, one, dataset.test.labels, draw) for name, one in test.items()}
                for code, values in of_test.items()
            },
        }

    own_train, own_test = (
        line_codes(latents, subject.once(part)) for part in (reading_of_train, reading_of_test)
    )
    blank_train, blank_test = (
        line_codes(latents, subject.once(part))
        for part in (untrained_reading_of_train, untrained_reading_of_test)
    )
    baselines = {
        "untrained": judged(blank_train, blank_test, "untrained"),
        "pca": judged(*subject.once(components), "pca"),
    }
    return {**judged(own_train, own_test, "model"), "baselines": baselines}
