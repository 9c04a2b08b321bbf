"""Purity: the share of generated images of a category that a classifier gives to the category's class."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Int, UInt8

from infogan.evaluation.classifier import subject_classifier
from infogan.evaluation.clustering import UNMATCHED, measurable, model_clustering
from infogan.evaluation.metric import metric
from infogan.evaluation.resampling import QUANTILES, RESAMPLES
from infogan.evaluation.subject import Subject
from infogan.latents import CodeDimension

_MOST_PER_CATEGORY = 500  # the mean over ten categories is then known to half a percent


def generate_category(
    subject: Subject, code_dimension: CodeDimension, category: int, count: int
) -> UInt8[np.ndarray, "count h w c"]:
    """Generate images of one category; all other latents are sampled from their priors.

    Args:
        subject: the model.
        code_dimension: name and dimension of a categorical code.
        category: from 0 to the code's size - 1.
        count: number of images.
    """
    name, dimension = code_dimension
    code = subject.model.latents.categorical[name].code
    noise, codes = subject.model.draw(count, seed=subject.seed, stream=f"evaluation/purity/{category}")
    values = codes[name].reshape(-1, code.dim, code.size).clone()
    values[:, dimension] = torch.eye(code.size)[category]
    return subject.generate(noise, codes | {name: values.flatten(1)})


def purity(
    predicted: Int[np.ndarray, "categories n"], matching: list[int], rng: np.random.Generator
) -> dict[str, Any]:
    """Return the share of generated images of each category that a classifier gives to its class.

    Args:
        predicted: the class that the classifier predicts for each of N images of each category.
        matching: the class of each category; one without a class (-1) is left out.
        rng: random number generator for the interval.

    Returns:
        `generated_purity`, the mean over categories, from 0 to 1; `generated_purity_interval`, 95 %;
        `generated_purity_per_category` by the category's number.
    """
    matched = [category for category, label in enumerate(matching) if label != UNMATCHED]
    count = predicted.shape[1]
    shares = np.array([(predicted[category] == matching[category]).mean() for category in matched])
    resampled = (rng.binomial(count, shares, size=(RESAMPLES, len(shares))) / count).mean(axis=1)
    low, high = np.quantile(resampled, QUANTILES)
    return {
        "generated_purity": float(shares.mean()),
        "generated_purity_interval": [float(low), float(high)],
        "generated_purity_per_category": {
            str(category): float(share) for category, share in zip(matched, shares, strict=True)
        },
    }


@metric("purity of generated images")
def _metric(subject: Subject) -> dict[str, Any]:
    if not measurable(subject):
        return {}
    clustering, classifier = subject.once(model_clustering), subject.once(subject_classifier)
    categories, test = clustering.categories, subject.real.test
    count = max(1, min(subject.samples // categories, _MOST_PER_CATEGORY))
    predicted = [
        classifier.predict(generate_category(subject, clustering.code_dimension, category, count))
        for category in range(categories)
    ]
    figures = purity(np.stack(predicted), clustering.figures["matching"], subject.rng("bootstrap/purity"))
    accuracy = float(np.mean(classifier.predict(test.images) == test.labels))
    return {"clustering": figures | {"classifier_accuracy": accuracy}}
