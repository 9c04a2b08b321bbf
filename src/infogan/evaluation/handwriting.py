"""Whether continuous codes are slant, width or thickness of handwriting (Figure 2: c2 rotation, c3 width).

Codes are matched one to one to factors on training images; the scores are on fresh generated images, with
the codes they were made from, and on test images, with the codes that Q reads. All correlations are taken
within each category and then averaged.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from infogan.evaluation.clustering_baselines import untrained_reading_of_test, untrained_reading_of_train
from infogan.evaluation.metric import metric
from infogan.evaluation.mutual_information import fresh_fakes
from infogan.evaluation.predicted_codes import (
    continuous_dimensions,
    drawn_categories,
    read_categories,
    reading_of_test,
    reading_of_train,
)
from infogan.evaluation.resampling import NORMAL_QUANTILE
from infogan.evaluation.strokes import measure
from infogan.evaluation.subject import Subject, train_images
from infogan.latents import CodeDimension, Latents

_LEAST_IMAGES = 20  # in a category: a rank correlation of fewer is hardly more than chance
_MOST_FAKES = 4_000


@dataclass(frozen=True)
class Agreement:
    """Rank correlations of a code with a factor, one a category, and of how many images each."""

    correlations: Float[np.ndarray, " k"]
    counts: Int[np.ndarray, " k"]

    @property
    def mean(self) -> float:
        """The mean of |Spearman| over categories, from 0 to 1; 0 without any category."""
        return float(np.abs(self.correlations).mean()) if len(self.correlations) else 0.0

    @property
    def interval(self) -> list[float]:
        """95 %, from the standard error of Fisher's z of a rank correlation (Bonett and Wright 2000)."""
        square = self.correlations**2
        errors = (1 - square) * np.sqrt((1 + square / 2) / (self.counts - 3))
        error = NORMAL_QUANTILE * math.sqrt(float(np.square(errors).sum())) / len(errors)
        return [max(0.0, self.mean - error), min(1.0, self.mean + error)]

    @property
    def chance(self) -> float:
        """What the mean would be, on average, for a code that has nothing to do with the factor."""
        return float(np.sqrt(2 / (np.pi * (self.counts - 1))).mean())


@dataclass(frozen=True)
class Measured:
    """Images with their codes and factors: values by code dimension and by factor, each of N images."""

    codes: Mapping[CodeDimension, Float[np.ndarray, " n"]]
    factors: Mapping[str, Float[np.ndarray, " n"]]
    categories: Int[np.ndarray, " n"]

    def agreement(self, dimension: CodeDimension, factor: str) -> Agreement:
        """`within_categories` of one code and one factor."""
        return within_categories(self.codes[dimension], self.factors[factor], self.categories)


def within_categories(
    values: Float[np.ndarray, " n"], factor: Float[np.ndarray, " n"], categories: Int[np.ndarray, " n"]
) -> Agreement:
    """Spearman's rank correlation within each category of 20 images or more.

    Args:
        values: of a code. A code that does not vary orders nothing: 0.
        factor: of the images; those where it is nan are left out.
        categories: of the images.
    """
    from scipy.stats import rankdata  # late: it takes a second

    known = np.isfinite(factor)
    correlations, counts = [], []
    for category in np.unique(categories):
        chosen = known & (categories == category)
        if chosen.sum() < _LEAST_IMAGES:
            continue
        ranks = [rankdata(part[chosen]) for part in (values, factor)]
        varies = all(part.std() > 0 for part in ranks)
        correlations.append(float(np.corrcoef(*ranks)[0, 1]) if varies else 0.0)
        counts.append(int(chosen.sum()))
    return Agreement(np.array(correlations, dtype=np.float64), np.array(counts, dtype=np.int64))


def match_factors(train: Measured) -> dict[str, CodeDimension]:
    """The code of each factor in the one-to-one matching of the highest sum of mean |Spearman|.

    With fewer codes than factors, some factors have none.
    """
    from scipy.optimize import linear_sum_assignment  # late: it takes a good part of a second

    dimensions = list(train.codes)
    table = np.array(
        [[train.agreement(dimension, factor).mean for factor in train.factors] for dimension in dimensions]
    )
    rows, columns = linear_sum_assignment(table, maximize=True)
    factors, matched = list(train.factors), dict(zip(columns, rows, strict=True))
    return {name: dimensions[matched[i]] for i, name in enumerate(factors) if i in matched}


def score_factors(
    matching: Mapping[str, CodeDimension], scored: Mapping[str, Measured], latents: Latents
) -> dict[str, dict[str, Any]]:
    """The figures of `factors` in evaluation.json.

    Args:
        matching: the code of each factor.
        scored: images that did not choose it, by what the figures are called: "generated", "real".
        latents: for the names of codes.

    Returns:
        By factor: `code`; for each kind of images `spearman_<kind>`, from 0 to 1, with its 95 % `_interval`
        and `_chance`, the average of a code that has nothing to do with the factor. A kind without a
        category of 20 images is absent.
    """
    found: dict[str, dict[str, Any]] = {}
    for factor, dimension in matching.items():
        found[factor] = {"code": latents.dimension_name(dimension)}
        for kind, images in scored.items():
            agreement = images.agreement(dimension, factor)
            if len(agreement.correlations):
                key = f"spearman_{kind}"
                found[factor] |= {key: agreement.mean, f"{key}_interval": agreement.interval}
                found[factor] |= {f"{key}_chance": agreement.chance}
    return found


def applies(subject: Subject) -> bool:
    """Whether the images are handwriting, white on black, and some continuous code lies on a line."""
    dataset = subject.dataset
    return (
        dataset is not None
        and dataset.handwriting
        and dataset.test.images.shape[3] == 1
        and bool(_ordered_dimensions(subject.model.latents))
    )


def _ordered_dimensions(latents: Latents) -> list[CodeDimension]:
    """Continuous codes but periodic ones: angles have no order, so that ranks mean nothing."""
    return [(name, i) for name, i in continuous_dimensions(latents) if latents.priors[name].period is None]


def _read(latents: Latents, raw: Float[Tensor, "n outputs"], factors: Mapping[str, np.ndarray]) -> Measured:
    """Real images, with the codes and categories that Q reads."""
    posteriors = latents.posteriors(raw)
    codes = {(name, i): posteriors[name].mean[:, i].numpy() for name, i in _ordered_dimensions(latents)}
    return Measured(codes, factors, read_categories(latents, raw))


def _generated(subject: Subject) -> Measured:
    """Fresh generated images, with the codes and categories that they were made from."""
    latents, count = subject.model.latents, min(subject.samples, _MOST_FAKES)
    images, codes = fresh_fakes(
        subject.model, count, seed=subject.seed, stream="evaluation/handwriting", weights=subject.weights
    )
    values = {(name, i): codes[name][:, i].numpy() for name, i in _ordered_dimensions(latents)}
    return Measured(values, measure(images), drawn_categories(latents, codes))


@metric("handwriting")
def _metric(subject: Subject) -> dict[str, Any]:
    if not applies(subject):
        return {}
    assert subject.dataset is not None
    latents = subject.model.latents
    of_train, of_test = measure(subject.once(train_images)), measure(subject.dataset.test.images)
    train = _read(latents, subject.once(reading_of_train), of_train)
    test = _read(latents, subject.once(reading_of_test), of_test)
    scored = {"generated": _generated(subject), "real": test}

    blank_train = _read(latents, subject.once(untrained_reading_of_train), of_train)
    blank_test = _read(latents, subject.once(untrained_reading_of_test), of_test)
    by_untrained = score_factors(match_factors(blank_train), {"real": blank_test}, latents)
    return {
        "factors": score_factors(match_factors(train), scored, latents),
        "baselines": {"untrained": {"factors": by_untrained}},
    }
