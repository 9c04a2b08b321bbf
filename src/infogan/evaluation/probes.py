"""Probes: how well codes and features predict classes from a few labels.

Linear models on the codes and on the trunk's features are compared with linear models on baselines, and with
the same network trained on these labels. Since many models are trained, this needs `full`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn

from infogan import images as edge
from infogan import streams
from infogan.evaluation.baselines import pixel_components, untrained_model
from infogan.evaluation.clustering import classes_known
from infogan.evaluation.disentanglement.sample import varying
from infogan.evaluation.metric import metric
from infogan.evaluation.resampling import numpy_generator
from infogan.evaluation.subject import Subject, train_subset
from infogan.model import InfoGAN

LABELS = (10, 100, 1_000)
"""Numbers of labels, in addition to all labels of `train_subset`."""

DRAWS = {10: 10}
OTHER_DRAWS = 3
"""Number of samples of labels: for 10 labels, and for all other numbers."""

STEPS = (150, 4_000)
"""Minimum and maximum number of steps for the network trained with labels; otherwise 20 epochs."""

_BATCH, _LEARNING_RATE = 64, 1e-3
_MOST_FACTORS = 4

Features = tuple[np.ndarray, np.ndarray]
"""Of training images and of test images, [N, D] each."""


@dataclass(frozen=True)
class Task:
    """The target that is predicted from an image.

    Attributes:
        train: the class of each training image, or a number.
        test: of each test image.
        classes: true for classes, whose score is the accuracy; for numbers it is R^2, at least 0.
    """

    train: np.ndarray
    test: np.ndarray
    classes: bool


def label_subsets(task: Task, seed: int) -> Iterator[tuple[str, Int[np.ndarray, " n"]]]:
    """Yield the number of labels, in words, and the training images whose labels are used."""
    count = len(task.train)
    for labels in (*(n for n in LABELS if n < count), count):
        name = "all" if labels == count else str(labels)
        for number in range(DRAWS.get(labels, OTHER_DRAWS)):
            rng = numpy_generator(seed, f"evaluation/probes/{name}/{number}")
            yield (
                name,
                _balanced(task.train, labels, rng) if task.classes else rng.permutation(count)[:labels],
            )


def _balanced(
    classes: Int[np.ndarray, " n"], labels: int, rng: np.random.Generator
) -> Int[np.ndarray, " labels"]:
    """Sample the same number of images from each class, if there are enough."""
    order = rng.permutation(len(classes))
    turn = np.empty(len(classes), dtype=np.int64)
    for label in np.unique(classes):
        members = np.flatnonzero(classes[order] == label)
        turn[members] = np.arange(len(members))
    return np.asarray(order[np.argsort(turn, kind="stable")][:labels])


def line(
    train: Float[np.ndarray, "n d"], test: Float[np.ndarray, "m d"], task: Task, chosen: np.ndarray
) -> float:
    """Return the score of a linear model: logistic regression, or ridge regression for numbers."""
    from sklearn.linear_model import LogisticRegression, RidgeCV  # slow to import
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    known = task.train[chosen]
    if task.classes and len(np.unique(known)) < 2:
        return float((task.test == known[0]).mean())
    model = LogisticRegression(max_iter=300) if task.classes else RidgeCV(np.logspace(-3, 4, 15))
    fitted = make_pipeline(StandardScaler(), model).fit(train[chosen], known)
    return max(0.0, float(fitted.score(test, task.test)))


def network(
    evaluated: InfoGAN,
    train: UInt8[np.ndarray, "n h w c"],
    test: UInt8[np.ndarray, "m h w c"],
    task: Task,
    seed: int,
) -> float:
    """Return the score of a newly initialised trunk with a linear layer, both trained with labels.

    Args:
        evaluated: the model whose architecture is used; none of its weights are.
        train: the training images of the task.
        test: the test images of the task.
        task: the labels.
        seed: random seed of weights and batches.
    """
    config = evaluated.config
    other_seed = (config.training.seed + 2) % 2**63
    model = InfoGAN(config.replace(training={"seed": other_seed})).to(evaluated.device)
    classes = np.unique(task.train) if task.classes else np.zeros(1)
    with torch.device("meta"):
        head = nn.Linear(model.feature_extractor.features, len(classes))
    head.to_empty(device=model.device)
    with torch.no_grad():
        head.weight.normal_(0, 0.02, generator=streams.generator(seed, "evaluation/probes/head"))
        head.bias.zero_()
    mean, std = (0.0, 1.0) if task.classes else (task.train.mean(), task.train.std() or 1.0)
    targets = np.searchsorted(classes, task.train) if task.classes else (task.train - mean) / std
    _train(model, head, train, torch.from_numpy(np.asarray(targets)), seed)
    with torch.inference_mode():
        predictions = head.cpu()(model.features(test)).numpy()
    if task.classes:
        return float((classes[predictions.argmax(1)] == task.test).mean())
    residual = np.square(predictions[:, 0] * std + mean - task.test).mean()
    return max(0.0, float(1 - residual / task.test.var()))


def _train(
    model: InfoGAN, head: nn.Linear, images: UInt8[np.ndarray, "n h w c"], targets: Tensor, seed: int
) -> None:
    count = len(images)
    steps = min(max(20 * count // _BATCH, STEPS[0]), STEPS[1])
    extractor = model.feature_extractor
    optimizer = torch.optim.Adam([*extractor.parameters(), *head.parameters()], lr=_LEARNING_RATE)
    discrete = not targets.is_floating_point()
    targets = targets if discrete else targets.float()
    with torch.inference_mode(False), torch.enable_grad():
        extractor.train()
        for step in range(steps):
            optimizer.param_groups[0]["lr"] = _LEARNING_RATE * (1 - step / steps)
            rng = streams.generator(seed, "evaluation/probes/batches", step)
            chosen = torch.randint(count, (_BATCH,), generator=rng)
            x = edge.to_float(torch.from_numpy(images[chosen.numpy()]).to(model.device), model.table.output)
            predictions, target = head(extractor(x, ("real",))), targets[chosen].to(model.device)
            loss = F.cross_entropy(predictions, target) if discrete else F.mse_loss(predictions[:, 0], target)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
    model.eval()


# --- of a model ------------------------------------------------------------------------------------------


def _features(subject: Subject) -> dict[str, Features]:
    """Return the features that linear models are fitted on, by name."""
    model, untrained = subject.model, subject.once(untrained_model)
    images = (subject.train_images, subject.real.test.images)

    def codes(images: np.ndarray) -> np.ndarray:
        posteriors = model.latents.posteriors(model.recognise(images)).values()
        return torch.cat([posterior.mean for posterior in posteriors], 1).numpy()

    return {
        "codes": (codes(images[0]), codes(images[1])),
        "features": (model.features(images[0]).numpy(), model.features(images[1]).numpy()),
        "untrained": (untrained.features(images[0]).numpy(), untrained.features(images[1]).numpy()),
        "pca": pixel_components(*images),
    }


def probe(
    subject: Subject, task: Task, features: Mapping[str, Features]
) -> dict[str, dict[str, list[float]]]:
    """Return all scores by number of labels and features; "supervised" is the network trained on labels."""
    train, test = subject.train_images, subject.real.test.images
    scores: dict[str, dict[str, list[float]]] = {}
    for number, (name, chosen) in enumerate(label_subsets(task, subject.seed)):
        subject.progress(f"probes: {name} labels, subset {number + 1}")
        by_features = {key: line(*parts, task, chosen) for key, parts in features.items()}
        labelled = Task(task.train[chosen], task.test, task.classes)
        by_features["supervised"] = network(subject.model, train[chosen], test, labelled, number)
        for key, score in by_features.items():
            scores.setdefault(name, {}).setdefault(key, []).append(score)
    return scores


def _tasks(subject: Subject) -> dict[str, Task]:
    """Return the task of the classes under "", and those of the first few linear factors by name."""
    train = subject.real.train.take(train_subset(len(subject.real.train.images), subject.seed))
    test = subject.real.test
    tasks = {}
    if classes_known(subject.real):
        tasks[""] = Task(np.asarray(train.labels), np.asarray(test.labels), True)
    factors = {
        name: factor
        for name, factor in varying(test.truth.factors).items()
        if factor.period is None and name in train.truth.factors
    }
    for name in list(factors)[:_MOST_FACTORS]:
        tasks[name] = Task(train.truth.factors[name].values, factors[name].values, False)
    return tasks


@metric("probes")
def _metric(subject: Subject) -> dict[str, Any]:
    if not subject.full or subject.dataset is None:
        return {}
    tasks = _tasks(subject)
    if not tasks:
        return {}
    features = _features(subject)
    scores = {name: probe(subject, task, features) for name, task in tasks.items()}
    classes = scores.pop("", None)
    return {
        "probe_labels": len(subject.train_images),
        **({"probe": classes} if classes else {}),
        **({"probe_factors": scores} if scores else {}),
    }
