"""AUC of categories and continuous codes for attributes of real images.

Figure 6 of the paper shows by eye that codes found glasses, hair style and emotion. Here, each attribute is
compared with all predictions of Q for real images. The code, its category and its sign are chosen on training
images, whose attributes are not used in training, and scored on test images.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from torch import Tensor

from infogan.config import Categorical
from infogan.evaluation.baselines import component_codes, fit_kmeans, outputs
from infogan.evaluation.metric import metric, with_baselines
from infogan.evaluation.predicted_codes import continuous_means
from infogan.evaluation.resampling import NORMAL_QUANTILE
from infogan.evaluation.subject import Subject, train_subset
from infogan.latents import Latents

_LEAST = 8
"""Minimum number of images with and without an attribute in each split; with fewer, an AUC is mostly
noise."""

Name = tuple[str, int | None]
"""The name of a code dimension and a category, None for a continuous code."""


@dataclass(frozen=True)
class Predictors:
    """One column for each category and each continuous dimension.

    Attributes:
        names: names of the columns.
        values: values for N images; only their order within a column matters.
    """

    names: tuple[Name, ...]
    values: Float[np.ndarray, "n columns"]


def auc(values: Float[np.ndarray, "n s"], has: Bool[np.ndarray, "n a"]) -> Float[np.ndarray, "a s"]:
    """Return the area under the ROC curve of each column for each attribute, by ranks (Mann-Whitney).

    This is the probability that an image with the attribute has a higher value than an image without it. Ties
    count half.

    Args:
        values: S columns for N images.
        has: A attributes of the same images; each is present in at least one image and absent in at least
            one.
    """
    from scipy.stats import rankdata  # slow to import

    positive = has.sum(0)[:, None].astype(np.float64)
    ranks = has.T.astype(np.float64) @ rankdata(values, axis=0)
    return np.asarray((ranks - positive * (positive + 1) / 2) / (positive * (len(values) - positive)))


def auc_interval(values: Float[np.ndarray, " n"], has: Bool[np.ndarray, " n"]) -> list[float]:
    """Return the 95 % interval [low, high] of one AUC (DeLong et al. 1988), on the scale of its log-odds.

    On that scale it stays within 0 and 1, and is wider on the side of .5. An AUC of 0 or 1 has no variance:
    half a pair of images is then counted as wrong.

    Args:
        values: values for N images.
        has: the attribute; at least 2 images have it, and at least 2 do not.
    """
    from scipy.stats import rankdata  # slow to import

    ranks = rankdata(values)
    above, below = values[has], values[~has]
    # For each image, the share of images of the other class that are ordered correctly.
    of_positive = (ranks[has] - rankdata(above)) / len(below)
    of_negative = 1 - (ranks[~has] - rankdata(below)) / len(above)
    pairs = len(above) * len(below)
    exact = float(of_positive.mean())
    area = min(max(exact, 0.5 / pairs), 1 - 0.5 / pairs)
    variance = of_positive.var(ddof=1) / len(above) + of_negative.var(ddof=1) / len(below)
    variance = max(variance, area * (1 - area) / pairs)
    half = NORMAL_QUANTILE * np.sqrt(variance) / (area * (1 - area))
    middle = np.log(area / (1 - area))
    low, high = (float(1 / (1 + np.exp(-(middle + sign * half)))) for sign in (-1, 1))
    return [min(low, exact), max(high, exact)]


def choose(
    values: Float[np.ndarray, "n s"], has: Bool[np.ndarray, "n a"]
) -> tuple[Int[np.ndarray, " a"], Int[np.ndarray, " a"], Float[np.ndarray, " a"]]:
    """Choose the column and the sign with the best AUC for each attribute.

    Returns:
        The columns; the signs, 1 if a high value means the attribute and -1 if it means its absence; and the
        AUC on these images, at least .5, which is optimistic because of the search.
    """
    table = auc(values, has)
    columns = np.abs(table - 0.5).argmax(1)
    chosen = table[np.arange(len(table)), columns]
    return columns, np.where(chosen < 0.5, -1, 1), np.maximum(chosen, 1 - chosen)


def score(
    train: Predictors,
    test: Predictors,
    train_attributes: Mapping[str, Bool[np.ndarray, " n"]],
    test_attributes: Mapping[str, Bool[np.ndarray, " m"]],
) -> dict[str, dict[str, Any]]:
    """Return the figures of `attributes` in evaluation.json.

    Args:
        train: columns of the images on which columns are chosen.
        test: the same columns of the images that are scored.
        train_attributes: attributes of the images on which columns are chosen, by name.
        test_attributes: attributes of the images that are scored.

    Returns:
        By attribute: `code`; `category`, if the code has categories; `sense`, 1 or -1, as in `choose`;
        `auc` on test images with its 95 % `auc_interval`; `auc_choosing`, the AUC on the images that chose;
        `share` of the test images that have the attribute. An attribute that fewer than 8 images have, or
        lack, in either split is absent.
    """
    names = [
        name
        for name, of_test in test_attributes.items()
        if name in train_attributes and _enough(of_test) and _enough(train_attributes[name])
    ]
    if not names:
        return {}
    columns, senses, reached = choose(train.values, np.stack([train_attributes[name] for name in names], 1))
    figures: dict[str, dict[str, Any]] = {}
    for name, column, sense, choosing in zip(names, columns, senses, reached, strict=True):
        values, has = sense * test.values[:, column], test_attributes[name]
        code, category = test.names[column]
        figures[name] = {
            "code": code,
            **({} if category is None else {"category": category}),
            "sense": int(sense),
            "auc": float(auc(values[:, None], has[:, None])[0, 0]),
            "auc_interval": auc_interval(values, has),
            "auc_choosing": float(choosing),
            "share": float(has.mean()),
        }
    return figures


def _enough(has: Bool[np.ndarray, " n"]) -> bool:
    return min(int(has.sum()), int((~has).sum())) >= _LEAST


def code_predictors(latents: Latents, raw: Float[Tensor, "n outputs"]) -> Predictors:
    """Return Q's log-odds of every category, and the posterior mean of every other code.

    Log-odds have the same order as probabilities, but without ties when many probabilities are rounded to 1.
    """
    names: list[Name] = []
    columns: list[np.ndarray] = []
    for dimension, table in latents.category_probabilities(raw).items():
        names += [(latents.dimension_name(dimension), category) for category in range(table.shape[1])]
        columns += list(_log_odds(table.double().numpy()).T)
    for dimension, values in continuous_means(latents, raw).items():
        names.append((latents.dimension_name(dimension), None))
        columns.append(values)
    for name, posterior in latents.posteriors(raw).items():
        code = latents.priors[name].code
        if latents.priors[name].discrete and not isinstance(code, Categorical):
            names += [(latents.dimension_name((name, index)), None) for index in range(code.dim)]
            columns += list(posterior.mean.T.double().numpy())
    return Predictors(tuple(names), np.stack(columns, 1).astype(np.float64))


def _log_odds(probabilities: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
    """Return the log-odds of each category, where 1 - p is the sum of all others, as p may round to 1."""
    least = np.finfo(np.float64).tiny
    others = [np.delete(probabilities, k, axis=1).sum(1) for k in range(probabilities.shape[1])]
    return np.asarray(
        np.log(np.maximum(probabilities, least)) - np.log(np.maximum(np.stack(others, 1), least))
    )


def cluster_predictors(distances: Float[np.ndarray, "n k"]) -> Predictors:
    """Return how clearly an image belongs to each cluster of k-means.

    This is the squared distance to the nearest other centre minus the squared distance to the centre of the
    cluster. It is positive only for members of the cluster. For round clusters of equal, small size, it has
    the same order as the log-odds of a mixture.
    """
    order = np.sort(distances, axis=1)
    nearest = distances == order[:, :1]
    others = np.where(nearest, order[:, 1:2], order[:, :1])
    names = tuple(("cluster", index) for index in range(distances.shape[1]))
    return Predictors(names, (others - distances).astype(np.float64))


@metric("attributes")
def _metric(subject: Subject) -> dict[str, Any]:
    dataset, latents = subject.dataset, subject.model.latents
    if dataset is None or not dataset.test.truth.attributes:
        return {}
    chosen = train_subset(len(dataset.train.images), subject.seed)
    of_train, of_test = dataset.train.truth.take(chosen).attributes, dataset.test.truth.attributes
    images = (subject.train_images, dataset.test.images)

    predictors = {
        name: [code_predictors(latents, raw) for raw in of_splits]
        for name, of_splits in subject.once(outputs).items()
    }
    components = component_codes(*images, len(predictors["model"][0].names))
    predictors["pca"] = [
        Predictors(tuple((name, None) for name in codes), np.stack(list(codes.values()), 1))
        for codes in components
    ]
    sizes = [prior.code.size for prior in latents.categorical.values()]
    if sizes and len(images[0]) > 1:
        kmeans = fit_kmeans(*images, max(sizes))
        predictors["kmeans"] = [cluster_predictors(part) for part in (kmeans.train, kmeans.test)]
    return with_baselines(
        {
            name: {"attributes": score(train, test, of_train, of_test)}
            for name, (train, test) in predictors.items()
        }
    )
