"""Whether a category, or a continuous code, tells images that have an attribute from those that have not.

Figure 6 of the paper shows by eye that codes found glasses, hair style and emotion. Here each attribute is
held against everything that Q answers to real images, by the area under the ROC curve. Which code, category
and sense stands for an attribute is chosen on training images (`train_images`), whose pixels Q may have
learned from but never their attributes; the figure is that of test images, none of which had a say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from torch import Tensor

from infogan.config import Categorical
from infogan.evaluation.clustering_baselines import (
    fit_kmeans,
    untrained_reading_of_test,
    untrained_reading_of_train,
)
from infogan.evaluation.metric import metric
from infogan.evaluation.predicted_codes import continuous_means, reading_of_test, reading_of_train
from infogan.evaluation.resampling import NORMAL_QUANTILE
from infogan.evaluation.subject import Subject, train_images, train_subset
from infogan.evaluation.true_factors import principal_components
from infogan.latents import Latents

_LEAST = 8
"""Images with an attribute, and without it, in either split: an AUC of fewer is hardly more than chance."""

Name = tuple[str, int | None]
"""A code dimension's name, and its category; None where it has none."""


@dataclass(frozen=True)
class Readings:
    """What is held against attributes: one column for each category and each continuous dimension.

    Attributes:
        names: of the columns.
        values: of N images; only their order within a column matters.
    """

    names: tuple[Name, ...]
    values: Float[np.ndarray, "n columns"]


def auc(values: Float[np.ndarray, "n s"], has: Bool[np.ndarray, "n a"]) -> Float[np.ndarray, "a s"]:
    """The area under the ROC curve of each column for each attribute, 0 to 1, by ranks (Mann-Whitney).

    The chance that an image with the attribute has the higher value of two; equal values count by half.

    Args:
        values: S columns of N images.
        has: A attributes of the same images; each is there and is not there at least once.
    """
    from scipy.stats import rankdata  # late: it takes a second

    positive = has.sum(0)[:, None].astype(np.float64)
    ranks = has.T.astype(np.float64) @ rankdata(values, axis=0)
    return np.asarray((ranks - positive * (positive + 1) / 2) / (positive * (len(values) - positive)))


def auc_interval(values: Float[np.ndarray, " n"], has: Bool[np.ndarray, " n"]) -> list[float]:
    """The 95 % interval [low, high] of one AUC (DeLong et al. 1988), on the scale of its log-odds.

    There it keeps within 0 and 1, and is wider on the side of .5. An AUC of 0 or 1 has no variance of its
    own: one half of a pair of images is then taken as wrong.

    Args:
        values: of N images.
        has: whether they have the attribute; 2 or more have it, and 2 or more have not.
    """
    from scipy.stats import rankdata  # late: it takes a second

    ranks = rankdata(values)
    above, below = values[has], values[~has]
    # Each image's part: the share of the other kind that lies on its right side.
    of_positive = (ranks[has] - rankdata(above)) / len(below)
    of_negative = 1 - (ranks[~has] - rankdata(below)) / len(above)
    pairs = len(above) * len(below)
    found = min(max(float(of_positive.mean()), 0.5 / pairs), 1 - 0.5 / pairs)
    variance = of_positive.var(ddof=1) / len(above) + of_negative.var(ddof=1) / len(below)
    variance = max(variance, found * (1 - found) / pairs)
    half = NORMAL_QUANTILE * np.sqrt(variance) / (found * (1 - found))
    middle = np.log(found / (1 - found))
    low, high = (float(1 / (1 + np.exp(-(middle + sign * half)))) for sign in (-1, 1))
    exact = float(of_positive.mean())
    return [min(low, exact), max(high, exact)]


def choose(
    values: Float[np.ndarray, "n s"], has: Bool[np.ndarray, "n a"]
) -> tuple[Int[np.ndarray, " a"], Int[np.ndarray, " a"], Float[np.ndarray, " a"]]:
    """For each attribute the column of the best AUC in either sense, that sense, and the AUC so reached.

    Returns:
        Columns; senses, 1 where a high value speaks for the attribute and -1 where it speaks against it; and
        the AUC of .5 or more on these images, which is too good by having been searched for.
    """
    table = auc(values, has)
    columns = np.abs(table - 0.5).argmax(1)
    chosen = table[np.arange(len(table)), columns]
    return columns, np.where(chosen < 0.5, -1, 1), np.maximum(chosen, 1 - chosen)


def score(
    train: Readings,
    test: Readings,
    train_attributes: Mapping[str, Bool[np.ndarray, " n"]],
    test_attributes: Mapping[str, Bool[np.ndarray, " m"]],
) -> dict[str, dict[str, Any]]:
    """The figures of `attributes` in evaluation.json.

    Args:
        train: of the images that choose.
        test: of the images that are scored; the same columns.
        train_attributes: of the images that choose, by name.
        test_attributes: of those that are scored.

    Returns:
        By attribute: `code`; `category`, where the code has categories; `sense`, 1 or -1, as of `choose`;
        `auc` on test images with its 95 % `auc_interval`; `auc_choosing`, what the choice reached on the
        images that made it; `share` of the test images that have the attribute. An attribute that fewer than
        8 images have, or have not, in either split is absent.
    """
    names = [
        name
        for name, of_test in test_attributes.items()
        if name in train_attributes and _enough(of_test) and _enough(train_attributes[name])
    ]
    if not names:
        return {}
    columns, senses, reached = choose(train.values, np.stack([train_attributes[name] for name in names], 1))
    found: dict[str, dict[str, Any]] = {}
    for name, column, sense, choosing in zip(names, columns, senses, reached, strict=True):
        values, has = sense * test.values[:, column], test_attributes[name]
        code, category = test.names[column]
        found[name] = {
            "code": code,
            **({} if category is None else {"category": category}),
            "sense": int(sense),
            "auc": float(auc(values[:, None], has[:, None])[0, 0]),
            "auc_interval": auc_interval(values, has),
            "auc_choosing": float(choosing),
            "share": float(has.mean()),
        }
    return found


def _enough(has: Bool[np.ndarray, " n"]) -> bool:
    return min(int(has.sum()), int((~has).sum())) >= _LEAST


def code_readings(latents: Latents, raw: Float[Tensor, "n outputs"]) -> Readings:
    """Q's log-odds of every category, and the posterior's mean of every other code.

    Log-odds order images as probabilities do, but for those that are 1 to a computer, and so tied.
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
    return Readings(tuple(names), np.stack(columns, 1).astype(np.float64))


def _log_odds(probabilities: Float[np.ndarray, "n k"]) -> Float[np.ndarray, "n k"]:
    """Of each category against all others: their sum, since 1 - p would be 0 where p is nearly 1."""
    least = np.finfo(np.float64).tiny
    others = [np.delete(probabilities, k, axis=1).sum(1) for k in range(probabilities.shape[1])]
    return np.asarray(
        np.log(np.maximum(probabilities, least)) - np.log(np.maximum(np.stack(others, 1), least))
    )


def cluster_readings(distances: Float[np.ndarray, "n k"]) -> Readings:
    """How clearly an image belongs to each cluster of k-means: a soft membership without a temperature.

    It is the squared distance to the nearest other centre less that to the cluster's own: above 0 for its
    members alone, and in the order of any mixture's log-odds whose clusters are round, equal and narrow.
    """
    order = np.sort(distances, axis=1)
    nearest = distances == order[:, :1]
    others = np.where(nearest, order[:, 1:2], order[:, :1])
    names = tuple(("cluster", index) for index in range(distances.shape[1]))
    return Readings(names, (others - distances).astype(np.float64))


@metric("attributes")
def _metric(subject: Subject) -> dict[str, Any]:
    dataset, latents = subject.dataset, subject.model.latents
    if dataset is None or not dataset.test.truth.attributes:
        return {}
    chosen = train_subset(len(dataset.train.images), subject.seed)
    of_train, of_test = dataset.train.truth.take(chosen).attributes, dataset.test.truth.attributes

    def judged(train: Readings, test: Readings) -> dict[str, Any]:
        return {"attributes": score(train, test, of_train, of_test)}

    own, blank = (
        [code_readings(latents, subject.once(part)) for part in parts]
        for parts in (
            (reading_of_train, reading_of_test),
            (untrained_reading_of_train, untrained_reading_of_test),
        )
    )
    images = (subject.once(train_images), dataset.test.images)
    components = principal_components(*images, len(own[0].names))
    by_pca = [
        Readings(tuple((name, None) for name in part), np.stack(list(part.values()), 1))
        for part in components
    ]
    baselines = {"untrained": judged(*blank), "pca": judged(*by_pca)}
    sizes = [prior.code.size for prior in latents.priors.values() if isinstance(prior.code, Categorical)]
    if sizes and len(images[0]) > 1:
        found = fit_kmeans(*images, max(sizes))
        baselines["kmeans"] = judged(*map(cluster_readings, (found.train, found.test)))
    return {**judged(*own), "baselines": baselines}
