"""Clustering accuracy, NMI and ARI of a categorical code on real images.

Labels are for measuring only. Which code is judged, and which class each of its categories stands for, is
chosen on training labels; the score is on test images and changes neither (section 7.2: "5 % error when
each category is matched to a digit").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from infogan.config import Categorical
from infogan.errors import DataError
from infogan.evaluation.metric import metric
from infogan.evaluation.predicted_codes import reading_of_test, reading_of_train
from infogan.evaluation.resampling import bootstrap_interval, numpy_generator
from infogan.evaluation.subject import Subject, train_subset
from infogan.latents import CodeDimension, Latents

if TYPE_CHECKING:
    from infogan.data import Dataset

UNMATCHED = -1
"""The class of a category that a one-to-one matching leaves over."""


@dataclass(frozen=True)
class Assignments:
    """The category, from 0 to `categories` - 1, of each training and each test image."""

    train: Int[np.ndarray, " n"]
    test: Int[np.ndarray, " m"]
    categories: int


@dataclass(frozen=True)
class Labels:
    """The class, 0 or more, of each training and each test image."""

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
        """Every class of either split, ascending."""
        return np.union1d(self.train, self.test)


# --- figures of contingency tables -----------------------------------------------------------------------


def contingency(
    assignments: Int[np.ndarray, " n"],
    labels: Int[np.ndarray, " n"],
    categories: int,
    classes: Int[np.ndarray, " c"],
) -> Int[np.ndarray, "categories c"]:
    """How many images of each class each category holds; columns in the order of `classes`."""
    table = np.zeros((categories, len(classes)), dtype=np.int64)
    np.add.at(table, (assignments, np.searchsorted(classes, labels)), 1)
    return table


def match(table: Int[np.ndarray, "k c"]) -> Int[np.ndarray, " k"]:
    """The column of each category in the one-to-one matching that counts most images (Kuhn 1955).

    With more categories than classes, those left over are UNMATCHED and their images count as errors.
    """
    from scipy.optimize import linear_sum_assignment  # late: it takes a good part of a second

    matching = np.full(len(table), UNMATCHED)
    rows, columns = linear_sum_assignment(table, maximize=True)
    matching[rows] = columns
    return matching


def match_majority(table: Int[np.ndarray, "k c"]) -> Int[np.ndarray, " k"]:
    """The most frequent column of each category: many categories may share a class."""
    return np.asarray(table.argmax(axis=1))


def accuracy(
    tables: Int[np.ndarray, "*tables k c"], matching: Int[np.ndarray, " k"]
) -> Float[np.ndarray, "*tables"]:
    """The share of images whose category is matched to their class, from 0 to 1."""
    matched = np.flatnonzero(matching != UNMATCHED)
    return np.asarray(tables[..., matched, matching[matched]].sum(-1) / tables.sum((-2, -1)))


def nmi(tables: Int[np.ndarray, "*tables k c"]) -> Float[np.ndarray, "*tables"]:
    """Normalised mutual information, over the mean of both entropies, from 0 to 1.

    Two partitions without any division agree: 1, as in scikit-learn.
    """
    joint = tables / tables.sum((-2, -1), keepdims=True)
    rows, columns = _entropy(joint.sum(-1)), _entropy(joint.sum(-2))
    mutual = rows + columns - _entropy(joint.reshape(*joint.shape[:-2], -1))
    mean = (rows + columns) / 2
    trivial = mean == 0
    return np.where(trivial, 1.0, np.clip(mutual / np.where(trivial, 1.0, mean), 0, 1))


def ari(tables: Int[np.ndarray, "*tables k c"]) -> Float[np.ndarray, "*tables"]:
    """The adjusted Rand index (Hubert and Arabie 1985): 1 for equal partitions, 0 on average by chance."""
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


# --- choosing on training labels, scoring on test images -------------------------------------------------


def read_assignments(
    latents: Latents, train: Float[Tensor, "n outputs"], test: Float[Tensor, "m outputs"]
) -> dict[CodeDimension, Assignments]:
    """Each categorical code's most probable category of each image, one entry a dimension.

    Args:
        latents: the priors, and how posteriors read raw outputs.
        train: raw outputs of the recognition head for training images.
        test: the same for test images.
    """
    of_train, of_test = latents.posteriors(train), latents.posteriors(test)
    found: dict[CodeDimension, Assignments] = {}
    for name, prior in latents.priors.items():
        code = prior.code
        if isinstance(code, Categorical):
            train_best, test_best = (
                q[name].mean.reshape(-1, code.dim, code.size).argmax(-1).numpy() for q in (of_train, of_test)
            )
            for dimension in range(code.dim):
                found[name, dimension] = Assignments(
                    train_best[:, dimension], test_best[:, dimension], code.size
                )
    return found


def choose(candidates: Mapping[CodeDimension, Assignments], labels: Labels) -> CodeDimension:
    """The code whose categories agree best with the training labels, matched one to one."""

    def train_accuracy(dimension: CodeDimension) -> float:
        assigned = candidates[dimension]
        table = contingency(assigned.train, labels.train, assigned.categories, labels.classes)
        return float(accuracy(table, match(table)))

    return max(candidates, key=train_accuracy)


def score(assigned: Assignments, labels: Labels, *, seed: int, stream: str) -> dict[str, Any]:
    """Accuracy, NMI and ARI on test images, under the matching that training labels choose.

    The matching is one to one. With more categories than classes some stay UNMATCHED (-1), and the same
    figure under each category's majority class stands beside it, under its own name.

    Args:
        assigned: the category of each image.
        labels: the class of each image.
        seed: of the bootstrap.
        stream: of the bootstrap: one a use.

    Returns:
        `accuracy`, `nmi`, `ari` on test images with 95 % `_interval`s; `matching`, the class of each
        category; `train_accuracy` and `train_images` of the matching's choice; with more categories than
        classes `accuracy_majority` and `matching_majority`.
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
        generator = numpy_generator(seed, f"evaluation/bootstrap/{stream}/{name}")
        figures[f"{name}_interval"] = bootstrap_interval(figure, test, generator, limits)
    figures["matching"] = [UNMATCHED if column == UNMATCHED else int(classes[column]) for column in matching]
    if assigned.categories > len(np.unique(labels.train)):
        majority = match_majority(train)
        figures["accuracy_majority"] = float(accuracy(test, majority))
        figures["matching_majority"] = classes[majority].tolist()
    return figures | {"train_accuracy": float(accuracy(train, matching)), "train_images": len(labels.train)}


# --- of a model ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ModelClustering:
    """The code that was chosen, and its figures as `score` returns them."""

    code_dimension: CodeDimension
    categories: int
    figures: dict[str, Any]


def measurable(subject: Subject) -> bool:
    """Whether there are classes in both splits, and a categorical code to hold against them."""
    dataset = subject.dataset
    return (
        dataset is not None
        and classes_known(dataset)
        and any(isinstance(prior.code, Categorical) for prior in subject.model.latents.priors.values())
    )


def classes_known(dataset: Dataset) -> bool:
    """Whether test images are of classes that training images tell of.

    Labels may also say which object an image shows, and test images show others: nothing can be matched then.
    """
    train, test = dataset.train.labels, dataset.test.labels
    return train is not None and test is not None and bool(np.isin(test, train).any())


def subject_labels(subject: Subject) -> Labels:
    """Labels of the training images that choose, and of all test images. Ask for it by `subject.once`."""
    dataset = subject.dataset
    assert dataset is not None and dataset.train.labels is not None and dataset.test.labels is not None
    chosen = train_subset(len(dataset.train.images), subject.seed)
    return Labels(np.asarray(dataset.train.labels)[chosen], np.asarray(dataset.test.labels))


def model_clustering(subject: Subject) -> ModelClustering:
    """The model's best categorical code and its score. Ask for it by `subject.once`."""
    model, labels = subject.model, subject.once(subject_labels)
    train, test = subject.once(reading_of_train), subject.once(reading_of_test)
    candidates = read_assignments(model.latents, train, test)
    dimension = choose(candidates, labels)
    figures = score(candidates[dimension], labels, seed=subject.seed, stream="model")
    return ModelClustering(dimension, candidates[dimension].categories, figures)


@metric("clustering")
def _metric(subject: Subject) -> dict[str, Any]:
    if not measurable(subject):
        return {}
    found = subject.once(model_clustering)
    return {
        "clustering": {"code": subject.model.latents.dimension_name(found.code_dimension), **found.figures}
    }
