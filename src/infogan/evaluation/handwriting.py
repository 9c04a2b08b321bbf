"""Agreement of continuous codes with slant, width and thickness of handwriting (Figure 2: rotation, width).

Codes are matched one to one to factors on training images. They are scored on new generated images, by their
true codes, and on test images, by the codes that Q predicts. Correlations are taken within each category and
then averaged.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from infogan.evaluation import clustering
from infogan.evaluation.baselines import outputs
from infogan.evaluation.metric import metric, with_baselines
from infogan.evaluation.predicted_codes import (
    code_values,
    continuous_dimensions,
    continuous_means,
    predicted_categories,
    true_categories,
)
from infogan.evaluation.resampling import NORMAL_QUANTILE
from infogan.evaluation.strokes import measure
from infogan.evaluation.subject import Subject
from infogan.evaluation.true_factors import spearman
from infogan.latents import CodeDimension, Latents

_LEAST_IMAGES = 20  # in a category: a rank correlation of fewer is mostly noise
_MOST_FAKES = 4_000


@dataclass(frozen=True)
class Agreement:
    """|Spearman| of a code with a factor, one per category, and the number of images of each."""

    correlations: Float[np.ndarray, " k"]
    counts: Int[np.ndarray, " k"]

    @property
    def mean(self) -> float:
        """The mean of |Spearman| over categories, from 0 to 1; 0 without any category."""
        return float(self.correlations.mean()) if len(self.correlations) else 0.0

    @property
    def interval(self) -> list[float]:
        """95 %, from the standard error of Fisher's z of a rank correlation (Bonett and Wright 2000)."""
        square = self.correlations**2
        errors = (1 - square) * np.sqrt((1 + square / 2) / (self.counts - 3))
        error = NORMAL_QUANTILE * math.sqrt(float(np.square(errors).sum())) / len(errors)
        return [max(0.0, self.mean - error), min(1.0, self.mean + error)]

    @property
    def chance(self) -> float:
        """The expected mean for a code that is unrelated to the factor."""
        return float(np.sqrt(2 / (np.pi * (self.counts - 1))).mean())


@dataclass(frozen=True)
class Measured:
    """The codes, factors and categories of N images."""

    codes: Mapping[CodeDimension, Float[np.ndarray, " n"]]
    factors: Mapping[str, Float[np.ndarray, " n"]]
    categories: Int[np.ndarray, " n"]

    def agreement(self, dimension: CodeDimension, factor: str) -> Agreement:
        """Return `within_categories` of one code dimension and one factor."""
        return within_categories(self.codes[dimension], self.factors[factor], self.categories)


def within_categories(
    values: Float[np.ndarray, " n"], factor: Float[np.ndarray, " n"], categories: Int[np.ndarray, " n"]
) -> Agreement:
    """Return |Spearman| within each category of 20 images or more.

    Args:
        values: values of a code; the correlation of a constant code is 0.
        factor: factor of the images; images for which it is nan are left out.
        categories: categories of the images.
    """
    known = np.isfinite(factor)
    correlations, counts = [], []
    for category in np.unique(categories):
        chosen = known & (categories == category)
        if chosen.sum() < _LEAST_IMAGES:
            continue
        correlations.append(spearman(values[chosen], factor[chosen]))
        counts.append(int(chosen.sum()))
    return Agreement(np.array(correlations, dtype=np.float64), np.array(counts, dtype=np.int64))


def match_factors(train: Measured) -> dict[str, CodeDimension]:
    """Match each factor to a code, as `clustering.match_factors` does, by the mean |Spearman|."""
    table = [[train.agreement(code, factor).mean for factor in train.factors] for code in train.codes]
    return clustering.match_factors(np.array(table), list(train.codes), train.factors)


def score_factors(
    matching: Mapping[str, CodeDimension], scored: Mapping[str, Measured], latents: Latents
) -> dict[str, dict[str, Any]]:
    """Return the figures of `factors` in evaluation.json.

    Args:
        matching: the code of each factor.
        scored: images that did not choose it, by the suffix of their keys: "generated", "real".
        latents: the codes of the model.

    Returns:
        By factor `code`; `spearman_<suffix>`, from 0 to 1, with its 95 % `_interval` and `_chance`, the
        average of an unrelated code. Figures without a category of 20 images are absent.
    """
    figures: dict[str, dict[str, Any]] = {}
    for factor, dimension in matching.items():
        figures[factor] = {"code": latents.dimension_name(dimension)}
        for suffix, images in scored.items():
            agreement = images.agreement(dimension, factor)
            if len(agreement.correlations):
                key = f"spearman_{suffix}"
                figures[factor] |= {key: agreement.mean, f"{key}_interval": agreement.interval}
                figures[factor] |= {f"{key}_chance": agreement.chance}
    return figures


def _applies(subject: Subject) -> bool:
    """Return True if the images are handwriting, white on black, and some continuous code has an order."""
    dataset = subject.dataset
    return (
        dataset is not None
        and dataset.handwriting
        and dataset.test.images.shape[3] == 1
        and bool(continuous_dimensions(subject.model.latents, ordered=True))
    )


@metric("handwriting")
def _metric(subject: Subject) -> dict[str, Any]:
    if not _applies(subject):
        return {}
    latents = subject.model.latents
    ordered = continuous_dimensions(latents, ordered=True)
    of_train, of_test = measure(subject.train_images), measure(subject.real.test.images)

    def predicted(raw: Tensor, factors: Mapping[str, np.ndarray]) -> Measured:
        means = continuous_means(latents, raw)
        codes = {dimension: means[dimension] for dimension in ordered}
        return Measured(codes, factors, predicted_categories(latents, raw))

    fakes, fake_codes = subject.sample(min(subject.samples, _MOST_FAKES), "handwriting")
    values = code_values(latents, fake_codes)
    generated = Measured(
        {dimension: values[dimension] for dimension in ordered},
        measure(fakes),
        true_categories(latents, fake_codes),
    )
    sections = {}
    for name, (train, test) in subject.once(outputs).items():
        scored = {"generated": generated} if name == "model" else {}
        scored["real"] = predicted(test, of_test)
        matching = match_factors(predicted(train, of_train))
        sections[name] = {"factors": score_factors(matching, scored, latents)}
    return with_baselines(sections)
