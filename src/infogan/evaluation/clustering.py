"""Clustering accuracy, NMI and ARI of a categorical code on real images.

Labels are used for evaluation only. The code, and the class that is matched to each category, are chosen on
training labels and scored on test images (section 7.2: "5 % error when each category is matched to
a digit").
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from jaxtyping import Float, Int, Num
from torch import Tensor

from infogan.errors import DataError
from infogan.evaluation.metric import metric
from infogan.evaluation.predicted_codes import outputs_of_test, outputs_of_train
from infogan.evaluation.resampling import bootstrap_interval, numpy_generator
from infogan.evaluation.subject import Subject, train_subset
from infogan.latents import CodeDimension, Latents

if TYPE_CHECKING:
    from infogan.data import Dataset

Code = TypeVar("Code")

UNMATCHED = -1
"""Stands for the class of a category that a one-to-one matching leaves without a class."""


@dataclass(frozen=True)
class Assignments:
    """The category of each training and each test image, from 0 to `categories` - 1."""

    train: Int[np.ndarray, " n"]
    test: Int[np.ndarray, " m"]
    categories: int


@dataclass(frozen=True)
class Labels:
    """The class of each training and each test image, an integer of 0 or more."""

    train: Int[np.ndarray, " n"]
    test: Int[np.ndarray, " m"]

    def __post_init__(self) -> None:
        if not (len(self.train) and len(self.test)) or self.classes[0] < 0:
            raise DataError(
                "the labels hold a negative number, or a split of the data set is empty",
                "a class of 0 or more for every image of both splits",
                "leave the labels out, to evaluate without clustering",
            )

    @property
    def classes(self) -> Int[np.ndarray, " c"]:
        """All classes that occur in either split, in ascending order."""
        return np.union1d(self.train, self.test)


# --- figures of contingency tables -----------------------------------------------------------------------


def contingency(
    assignments: Int[np.ndarray, " n"],
    labels: Int[np.ndarray, " n"],
    categories: int,
    classes: Int[np.ndarray, " c"],
) -> Int[np.ndarray, "categories c"]:
    """Count the images of each class in each category; columns are in the order of `classes`."""
    table = np.zeros((categories, len(classes)), dtype=np.int64)
    np.add.at(table, (assignments, np.searchsorted(classes, labels)), 1)
    return table


def match(table: Num[np.ndarray, "k c"]) -> Int[np.ndarray, " k"]:
    """Return the column of each row in the one-to-one matching with the highest sum (Kuhn 1955).

    With more categories than classes, the rest are UNMATCHED and their images count as errors.
    """
    from scipy.optimize import linear_sum_assignment  # slow to import

    matching = np.full(len(table), UNMATCHED)
    rows, columns = linear_sum_assignment(table, maximize=True)
    matching[rows] = columns
    return matching


def match_factors(
    agreements: Float[np.ndarray, "k f"], codes: Sequence[Code], factors: Iterable[str]
) -> dict[str, Code]:
    """Return the code of each factor in the one-to-one matching with the highest sum of agreements.

    With fewer codes than factors, some factors have none.
    """
    code_of = dict(zip(match(agreements).tolist(), codes, strict=True))
    return {factor: code_of[column] for column, factor in enumerate(factors) if column in code_of}


def accuracy(
    tables: Int[np.ndarray, "*tables k c"], matching: Int[np.ndarray, " k"]
) -> Float[np.ndarray, "*tables"]:
    """Return the share of images whose category is matched to their class, from 0 to 1."""
    matched = np.flatnonzero(matching != UNMATCHED)
    return np.asarray(tables[..., matched, matching[matched]].sum(-1) / tables.sum((-2, -1)))


def nmi(tables: Int[np.ndarray, "*tables k c"]) -> Float[np.ndarray, "*tables"]:
    """Return the mutual information divided by the mean of both entropies, from 0 to 1.

    As in scikit-learn, the result is 1 if both partitions have a single part.
    """
    joint = tables / tables.sum((-2, -1), keepdims=True)
    rows, columns = _entropy(joint.sum(-1)), _entropy(joint.sum(-2))
    mutual = rows + columns - _entropy(joint.reshape(*joint.shape[:-2], -1))
    mean = (rows + columns) / 2
    trivial = mean == 0
    return np.where(trivial, 1.0, np.clip(mutual / np.where(trivial, 1.0, mean), 0, 1))


def ari(tables: Int[np.ndarray, "*tables k c"]) -> Float[np.ndarray, "*tables"]:
    """Return the adjusted Rand index (Hubert and Arabie 1985): 1 for equal partitions, 0 if unrelated."""
    total = _pairs(np.asarray(tables.sum((-2, -1))))
    rows, columns = (_pairs(tables.sum(axis)).sum(-1) for axis in (-1, -2))
    together = _pairs(tables).sum((-2, -1))
    expected = rows * columns / np.where(total == 0, 1.0, total)
    span = (rows + columns) / 2 - expected
    trivial = span == 0
    return np.where(trivial, 1.0, (together - expected) / np.where(trivial, 1.0, span))


def _entropy(probabilities: Float[np.ndarray, "*tables n"]) -> Float[np.ndarray, "*tables"]:
    logarithms = np.log(np.where(probabilities > 0, probabilities, 1.0))
    return np.asarray(-(probabilities * logarithms).sum(-1))


def _pairs(counts: Int[np.ndarray, "*tables"]) -> Float[np.ndarray, "*tables"]:
    exact = counts.astype(np.float64)
    return np.asarray(exact * (exact - 1) / 2)


# --- choose on training labels, score on test images ------------------------------------------------------


def predict_categories(
    latents: Latents, train: Float[Tensor, "n outputs"], test: Float[Tensor, "m outputs"]
) -> dict[CodeDimension, Assignments]:
    """Return the most probable category of each image in every dimension of every categorical code.

    Args:
        latents: the codes of the model.
        train: raw outputs of the recognition head for training images.
        test: the same for test images.
    """
    of_train, of_test = latents.category_probabilities(train), latents.category_probabilities(test)
    return {
        dimension: Assignments(
            probabilities.argmax(-1).numpy(), of_test[dimension].argmax(-1).numpy(), probabilities.shape[1]
        )
        for dimension, probabilities in of_train.items()
    }


def choose(candidates: Mapping[CodeDimension, Assignments], labels: Labels) -> CodeDimension:
    """Return the code dimension with the best accuracy on training labels, with one-to-one matching."""

    def train_accuracy(dimension: CodeDimension) -> float:
        assigned = candidates[dimension]
        table = contingency(assigned.train, labels.train, assigned.categories, labels.classes)
        return float(accuracy(table, match(table)))

    return max(candidates, key=train_accuracy)


def score(assigned: Assignments, labels: Labels, *, seed: int, stream: str) -> dict[str, Any]:
    """Return accuracy, NMI and ARI on test images, under the one-to-one matching that training labels choose.

    Args:
        assigned: the category of each image.
        labels: the class of each image.
        seed: random seed of the bootstrap.
        stream: name of the bootstrap's random stream.

    Returns:
        `accuracy`, `nmi`, `ari` on test images with 95 % `_interval`s; `matching`, the class of each
        category, or -1; `train_accuracy` and `train_images` of the choice; with more categories than classes
        also `accuracy_majority` and `matching_majority`, which give each category its majority class.
    """
    classes = labels.classes
    train = contingency(assigned.train, labels.train, assigned.categories, classes)
    test = contingency(assigned.test, labels.test, assigned.categories, classes)
    matching = match(train)

    figures: dict[str, Any] = {}
    for name, figure, limits in (
        ("accuracy", lambda tables: accuracy(tables, matching), (0.0, 1.0)),
        ("nmi", nmi, (0.0, 1.0)),
        ("ari", ari, (-1.0, 1.0)),
    ):
        figures[name] = float(figure(test))
        rng = numpy_generator(seed, f"evaluation/bootstrap/{stream}/{name}")
        figures[f"{name}_interval"] = bootstrap_interval(figure, test, rng, limits)
    figures["matching"] = [UNMATCHED if column == UNMATCHED else int(classes[column]) for column in matching]
    if assigned.categories > len(np.unique(labels.train)):
        majority = train.argmax(axis=1)
        figures["accuracy_majority"] = float(accuracy(test, majority))
        figures["matching_majority"] = classes[majority].tolist()
    return figures | {"train_accuracy": float(accuracy(train, matching)), "train_images": len(labels.train)}


# --- of a model ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ModelClustering:
    """The code dimension that training labels choose, and its figures as `score` returns them."""

    code_dimension: CodeDimension
    categories: int
    figures: dict[str, Any]


def measurable(subject: Subject) -> bool:
    """Return True if both splits have classes and the model has a categorical code."""
    dataset = subject.dataset
    return dataset is not None and classes_known(dataset) and bool(subject.model.latents.categorical)


def classes_known(dataset: Dataset) -> bool:
    """Return True if training and test images share classes.

    Labels may also be objects, such as chairs. Then test images show other objects, and cannot be matched.
    """
    train, test = dataset.train.labels, dataset.test.labels
    return train is not None and test is not None and bool(np.isin(test, train).any())


def subject_labels(subject: Subject) -> Labels:
    """Return the labels of `subject.train_images` and of all test images. Call it with `subject.once`."""
    train, test = subject.real.train.labels, subject.real.test.labels
    assert train is not None and test is not None
    chosen = train_subset(len(subject.real.train.images), subject.seed)
    return Labels(np.asarray(train)[chosen], np.asarray(test))


def model_clustering(subject: Subject) -> ModelClustering:
    """Return the model's best categorical code and its score. Call it with `subject.once`."""
    labels = subject.once(subject_labels)
    outputs = (subject.once(outputs_of_train), subject.once(outputs_of_test))
    candidates = predict_categories(subject.model.latents, *outputs)
    best = choose(candidates, labels)
    figures = score(candidates[best], labels, seed=subject.seed, stream="model")
    return ModelClustering(best, candidates[best].categories, figures)


@metric("clustering")
def _metric(subject: Subject) -> dict[str, Any]:
    if not measurable(subject):
        return {}
    clustering = subject.once(model_clustering)
    name = subject.model.latents.dimension_name(clustering.code_dimension)
    return {"clustering": {"code": name, **clustering.figures}}
