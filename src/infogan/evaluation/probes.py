"""Probes: how well a few labels do on what a model reads, beside the same network trained with labels alone.

This is what "competitive with supervised" can mean: a straight line on the codes, or on the trunk's features,
against a straight line on what needs no training, and against the network itself trained with as many labels.
Only with `full`: it trains many small models.
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
from infogan.data import Split
from infogan.evaluation.clustering import classes_known
from infogan.evaluation.clustering_baselines import untrained_model
from infogan.evaluation.disentanglement.sample import varying
from infogan.evaluation.metric import metric
from infogan.evaluation.resampling import numpy_generator
from infogan.evaluation.subject import Subject, train_images, train_subset
from infogan.model import InfoGAN

LABELS = (10, 100, 1_000)
"""Labels of a draw; and all that a matching may see (TRAIN_IMAGES)."""

DRAWS = {10: 10}
OTHER_DRAWS = 3
COMPONENTS = 50
STEPS = (150, 4_000)
"""Of the network trained with labels: at least and at most, 20 passes in between."""

_BATCH, _RATE = 64, 1e-3
_MOST_FACTORS = 4


@dataclass(frozen=True)
class Task:
    """What is to be told from an image.

    Attributes:
        train: the class of each training image, or a number.
        test: of each test image.
        classes: whether they are classes; the score is then the accuracy, else R^2, 0 where it is below.
    """

    train: np.ndarray
    test: np.ndarray
    classes: bool


# --- draws of labels -------------------------------------------------------------------------------------


def draws(task: Task, seed: int) -> Iterator[tuple[str, Int[np.ndarray, " n"]]]:
    """The number of labels, in words, and the training images whose labels are seen; classes evenly."""
    count = len(task.train)
    for labels in (*(n for n in LABELS if n < count), count):
        name = "all" if labels == count else str(labels)
        for number in range(DRAWS.get(labels, OTHER_DRAWS)):
            draw = numpy_generator(seed, f"evaluation/probes/{name}/{number}")
            yield (
                name,
                (_evenly(task.train, labels, draw) if task.classes else draw.permutation(count)[:labels]),
            )


def _evenly(
    classes: Int[np.ndarray, " n"], labels: int, draw: np.random.Generator
) -> Int[np.ndarray, " labels"]:
    """So many images, of every class as many as of any other, as far as there are."""
    order = draw.permutation(len(classes))
    turn = np.empty(len(classes), dtype=np.int64)
    for one in np.unique(classes):
        members = np.flatnonzero(classes[order] == one)
        turn[members] = np.arange(len(members))
    return np.asarray(order[np.argsort(turn, kind="stable")][:labels])


# --- what is fitted --------------------------------------------------------------------------------------


def line(
    train: Float[np.ndarray, "n d"], test: Float[np.ndarray, "m d"], task: Task, chosen: np.ndarray
) -> float:
    """The score of a linear model on features: logistic regression, or ridge for numbers."""
    from sklearn.linear_model import LogisticRegression, RidgeCV  # late: scikit-learn takes a second or two
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    known = task.train[chosen]
    if task.classes and len(np.unique(known)) < 2:
        return float((task.test == known[0]).mean())
    model = LogisticRegression(max_iter=300) if task.classes else RidgeCV(np.logspace(-3, 4, 15))
    fitted = make_pipeline(StandardScaler(), model).fit(train[chosen], known)
    return max(0.0, float(fitted.score(test, task.test)))


def network(
    judged: InfoGAN,
    train: UInt8[np.ndarray, "n h w c"],
    test: UInt8[np.ndarray, "m h w c"],
    task: Task,
    seed: int,
) -> float:
    """The score of the judged model's trunk, drawn anew, and a linear layer, both trained with labels.

    Args:
        judged: whose networks are taken; none of its weights.
        train: the images whose labels are seen.
        test: the images that are judged.
        task: with the labels of these training images alone.
        seed: of weights and batches.
    """
    other = judged.config.training.model_copy(update={"seed": (judged.config.training.seed + 2) % 2**63})
    model = InfoGAN(judged.config.model_copy(update={"training": other})).to(judged.device)
    classes = np.unique(task.train) if task.classes else np.zeros(1)
    with torch.device("meta"):
        head = nn.Linear(model.trunk.features, len(classes))
    head.to_empty(device=model.device)
    with torch.no_grad():
        head.weight.normal_(0, 0.02, generator=streams.generator(seed, "evaluation/probes/head"))
        head.bias.zero_()
    middle, spread = (0.0, 1.0) if task.classes else (task.train.mean(), task.train.std() or 1.0)
    targets = np.searchsorted(classes, task.train) if task.classes else (task.train - middle) / spread
    _train(model, head, train, torch.from_numpy(np.asarray(targets)), seed)
    with torch.inference_mode():
        answers = head.cpu()(model.features(test)).numpy()
    if task.classes:
        return float((classes[answers.argmax(1)] == task.test).mean())
    residual = np.square(answers[:, 0] * spread + middle - task.test).mean()
    return max(0.0, float(1 - residual / task.test.var()))


def _train(
    model: InfoGAN, head: nn.Linear, images: UInt8[np.ndarray, "n h w c"], targets: Tensor, seed: int
) -> None:
    count = len(images)
    steps = min(max(20 * count // _BATCH, STEPS[0]), STEPS[1])
    parameters = [*model.trunk.parameters(), *head.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=_RATE)
    discrete = not targets.is_floating_point()
    targets = targets if discrete else targets.float()
    with torch.inference_mode(False), torch.enable_grad():
        model.trunk.train()
        for step in range(steps):
            optimizer.param_groups[0]["lr"] = _RATE * (1 - step / steps)
            draw = streams.generator(seed, "evaluation/probes/batches", step)
            chosen = torch.randint(count, (_BATCH,), generator=draw)
            x = edge.to_float(torch.from_numpy(images[chosen.numpy()]).to(model.device), model.table.output)
            answers = head(model.trunk(x, ("real",)))
            wanted = targets[chosen].to(model.device)
            loss = F.cross_entropy(answers, wanted) if discrete else F.mse_loss(answers[:, 0], wanted)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
    model.eval()


# --- of a model ------------------------------------------------------------------------------------------


def _features(
    subject: Subject, test: UInt8[np.ndarray, "m h w c"]
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """By name what lines are fitted on: of training images, and of test images."""
    from sklearn.decomposition import PCA  # late: scikit-learn takes a second or two

    model, blank, train = subject.model, subject.once(untrained_model), subject.once(train_images)

    def codes(images: np.ndarray) -> np.ndarray:
        posteriors = model.latents.posteriors(model.recognise(images)).values()
        return torch.cat([posterior.mean for posterior in posteriors], 1).numpy()

    flat = [images.reshape(len(images), -1).astype(np.float32) / 255 for images in (train, test)]
    pca = PCA(min(COMPONENTS, *flat[0].shape), svd_solver="randomized", random_state=0).fit(flat[0])
    return {
        "codes": (codes(train), codes(test)),
        "features": (model.features(train).numpy(), model.features(test).numpy()),
        "untrained": (blank.features(train).numpy(), blank.features(test).numpy()),
        "pca": (pca.transform(flat[0]), pca.transform(flat[1])),
    }


def probe(
    subject: Subject, task: Task, features: Mapping[str, tuple[np.ndarray, np.ndarray]]
) -> dict[str, Any]:
    """By number of labels, by what a line stands on, and for the network trained with labels: every draw."""
    assert subject.dataset is not None
    train, test = subject.once(train_images), subject.dataset.test.images
    found: dict[str, dict[str, list[float]]] = {}
    for number, (name, chosen) in enumerate(draws(task, subject.seed)):
        subject.progress(f"probes: {name} labels, draw {number + 1}")
        scores = {who: line(*parts, task, chosen) for who, parts in features.items()}
        seen = Task(task.train[chosen], task.test, task.classes)
        scores["supervised"] = network(subject.model, train[chosen], test, seen, number)
        for who, value in scores.items():
            found.setdefault(name, {}).setdefault(who, []).append(value)
    return found


def _tasks(subject: Subject) -> dict[str, Task]:
    """Classes under "", and the first few true factors on a line by name."""
    dataset = subject.dataset
    assert dataset is not None
    chosen = train_subset(len(dataset.train.images), subject.seed)
    train: Split = dataset.train.take(chosen)
    tasks = {}
    if classes_known(dataset):
        assert train.labels is not None and dataset.test.labels is not None
        tasks[""] = Task(np.asarray(train.labels), np.asarray(dataset.test.labels), True)
    factors = varying(dataset.test.truth.factors)
    lines = {name: one for name, one in factors.items() if one.period is None and name in train.truth.factors}
    for name in list(lines)[:_MOST_FACTORS]:
        tasks[name] = Task(train.truth.factors[name].values, lines[name].values, False)
    return tasks


@metric("probes")
def _metric(subject: Subject) -> dict[str, Any]:
    if not subject.full or subject.dataset is None:
        return {}
    tasks = _tasks(subject)
    if not tasks:
        return {}
    features = _features(subject, subject.dataset.test.images)
    found = {name: probe(subject, task, features) for name, task in tasks.items()}
    classes = found.pop("", None)
    return {
        "probe_labels": len(subject.once(train_images)),  # what "all" is
        **({"probe": classes} if classes else {}),
        **({"probe_factors": found} if found else {}),
    }
