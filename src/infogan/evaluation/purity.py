"""Whether generated images of a category are of the category's class, as an independent classifier sees."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Int, UInt8

from infogan.config import Categorical
from infogan.evaluation.classifier import subject_classifier
from infogan.evaluation.clustering import UNMATCHED, ModelClustering, measurable, model_clustering
from infogan.evaluation.metric import metric
from infogan.evaluation.resampling import LEVEL, RESAMPLES, numpy_generator
from infogan.evaluation.subject import Subject
from infogan.latents import CodeDimension
from infogan.model import InfoGAN, Weights

_MOST_PER_CATEGORY = 500  # the mean over ten categories is then known to half a percent


def generate_category(  # noqa: PLR0913 - what is drawn, and by which chance
    model: InfoGAN,
    code_dimension: CodeDimension,
    category: int,
    count: int,
    *,
    seed: int = 0,
    weights: Weights | None = None,
) -> UInt8[np.ndarray, "count h w c"]:
    """Generated images of one category: all other latents are drawn from their priors.

    Args:
        model: whose generator draws.
        code_dimension: the categorical code, and which of its dimensions.
        category: from 0 to the code's size - 1.
        count: how many images.
        seed: of the other latents.
        weights: "raw" or "ema".
    """
    name, dimension = code_dimension
    code = model.latents.priors[name].code
    assert isinstance(code, Categorical)
    noise, codes = model.draw(count, seed=seed, stream=f"evaluation/purity/{category}")
    values = codes[name].reshape(-1, code.dim, code.size).clone()
    values[:, dimension] = torch.eye(code.size)[category]
    return model.generate(noise, codes | {name: values.flatten(1)}, weights=weights)


def purity(
    predicted: Int[np.ndarray, "categories n"], matching: list[int], generator: np.random.Generator
) -> dict[str, Any]:
    """The share of generated images of each category that a classifier gives to the category's class.

    Args:
        predicted: the class that the classifier gives to each of N images of each category.
        matching: the class of each category; one without a class (-1) is left out.
        generator: of the interval.

    Returns:
        `generated_purity`, the mean over categories, from 0 to 1; `generated_purity_interval`, 95 %;
        `generated_purity_per_category` by the category's number.
    """
    matched = [category for category, label in enumerate(matching) if label != UNMATCHED]
    count = predicted.shape[1]
    shares = np.array([(predicted[category] == matching[category]).mean() for category in matched])
    resampled = (generator.binomial(count, shares, size=(RESAMPLES, len(shares))) / count).mean(axis=1)
    low, high = np.quantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return {
        "generated_purity": float(shares.mean()),
        "generated_purity_interval": [float(low), float(high)],
        "generated_purity_per_category": {
            str(category): float(share) for category, share in zip(matched, shares, strict=True)
        },
    }


def _predictions(subject: Subject, found: ModelClustering) -> tuple[Int[np.ndarray, "categories n"], float]:
    """The classes of generated images by category, and the classifier's own accuracy on test images."""
    dataset = subject.dataset
    assert dataset is not None and dataset.test.labels is not None
    classifier = subject.once(subject_classifier)
    count = max(1, min(subject.samples // found.categories, _MOST_PER_CATEGORY))
    predicted = [
        classifier.predict(
            generate_category(
                subject.model,
                found.code_dimension,
                category,
                count,
                seed=subject.seed,
                weights=subject.weights,
            )
        )
        for category in range(found.categories)
    ]
    accuracy = np.mean(classifier.predict(dataset.test.images) == dataset.test.labels)
    return np.stack(predicted), float(accuracy)


@metric("purity of generated images")
def _metric(subject: Subject) -> dict[str, Any]:
    if not measurable(subject):
        return {}
    found = subject.once(model_clustering)
    predicted, accuracy = _predictions(subject, found)
    generator = numpy_generator(subject.seed, "evaluation/bootstrap/purity")
    figures = purity(predicted, found.figures["matching"], generator)
    return {"clustering": figures | {"classifier_accuracy": accuracy}}
