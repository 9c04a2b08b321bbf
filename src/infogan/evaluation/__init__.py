"""Measuring a model: how much each code carries, and what it means. Never imports training.

Each metric is a function on arrays, in a file of its own, registered there by `metric.metric`.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from infogan.errors import DivergenceError, UsageError, did_you_mean
from infogan.evaluation.clustering import measurable, model_clustering
from infogan.evaluation.fresh_recognition import Budget, fit_recognition
from infogan.evaluation.metric import METRICS
from infogan.evaluation.subject import Progress, Subject, silent
from infogan.model import InfoGAN, Weights

if TYPE_CHECKING:
    from infogan.data import Dataset

__all__ = ["Budget", "clustering_accuracy", "evaluate", "fit_recognition", "sorting_line"]


def evaluate(  # noqa: PLR0913 - what is judged, by how much, and by which chance
    model: InfoGAN,
    dataset: Dataset | None,
    *,
    weights: Weights | None = None,
    samples: int = 10_000,
    seed: int = 0,
    only: Collection[str] = (),
    full: bool = False,
    progress: Progress = silent,
) -> dict[str, Any]:
    """All figures of a model: what `evaluation.json` holds.

    Args:
        model: the model.
        dataset: real images; labels are for measuring only. None: figures of generated images alone.
        weights: "raw" or "ema"; the model's own choice when left out.
        samples: fresh generated images that a figure rests on, 2 or more.
        seed: of the evaluation's own chance.
        only: metrics to leave it at, by the names that `metric.METRICS` gives; all when left out.
        full: the long variants of metrics that have one, as published; minutes instead of seconds.
        progress: is told which metric begins.

    Returns:
        A plain dict: `codes`; `clustering` (only with labels and a categorical code); `factors`, `agreement`,
        `attributes`, `brightness`, `context` and more, each as its metric's file says; under `baselines` the
        same of what needs no training of ours;
        `weights`, `samples`, `seed`; `dataset`, `dataset_fingerprint`, `split` and `images`, the number of
        test images, with a data set; `steps`, `images_seen` and `train_seconds` as far as the model knows
        them. What does not apply is absent.

    Raises:
        UsageError: `samples` is below 2, a name in `only` is no metric, the model has no such weights, or the
            images do not fit it.
        DataError: a split is empty, or a label is negative.
        DivergenceError: a figure is not finite.
    """
    if samples < 2:
        raise UsageError(f"samples = {samples}", "2 or more generated images", "samples=10_000")
    subject = Subject(model, dataset, weights or model.weights, samples, seed, progress, full)
    model.sample(1, weights=subject.weights)  # a wrong `weights` fails now, and not minutes later
    result: dict[str, Any] = {}
    known = METRICS
    for unknown in sorted(set(only) - set(known)):
        raise UsageError(
            f"{unknown!r} is no metric{did_you_mean(unknown, known)}",
            f"some of {', '.join(known)}",
            "only=()",
        )
    for name, measure in known.items():
        if only and name not in only:
            continue
        progress(f"evaluate: {name}")
        _merge(result, measure(subject))
    result |= _circumstances(subject)
    _check_finite(result)
    return result


def clustering_accuracy(model: InfoGAN, dataset: Dataset, *, seed: int = 0) -> float:
    """The clustering accuracy on test images alone, from 0 to 1: the quick part of `evaluate`.

    Raises:
        UsageError: there is no categorical code, or there are no labels.
    """
    subject = Subject(model, dataset, model.weights, seed=seed)
    if not measurable(subject):
        raise UsageError(
            f"the clustering accuracy on {dataset.name} cannot be measured",
            "labels in both splits, and a categorical code in the model",
            "infogan evaluate RUN, for what needs no labels",
        )
    return float(subject.once(model_clustering).figures["accuracy"])


def sorting_line(model: InfoGAN, dataset: Dataset, *, seed: int = 0) -> str | None:
    """How well categories sort the test images, as one line for people; None where it has no meaning."""
    subject = Subject(model, dataset, model.weights, seed=seed)
    if not measurable(subject):
        return None
    found = subject.once(model_clustering)
    name = model.latents.dimension_name(found.code_dimension)
    low, high = found.figures["accuracy_interval"]
    images = f"{len(dataset.test.images):,} {dataset.split} images"
    return (
        f"{name} sorts {found.figures['accuracy']:.1%} of {images} as their labels "
        f"do (95 % interval {low:.1%} to {high:.1%}); no label was used in training"
    )


def _circumstances(subject: Subject) -> dict[str, Any]:
    """On what the figures were measured."""
    known = ("steps", "images_seen", "train_seconds")
    facts = {key: subject.model.provenance[key] for key in known if key in subject.model.provenance}
    facts |= {"weights": subject.weights, "samples": subject.samples, "seed": subject.seed}
    if subject.dataset is not None:
        facts |= {
            "dataset": subject.dataset.name,
            "dataset_fingerprint": subject.dataset.fingerprint,
            "split": subject.dataset.split,
            "images": len(subject.dataset.test.images),
        }
    return facts


def _merge(into: dict[str, Any], part: Mapping[str, Any]) -> None:
    """Adds nested keys; two metrics may share a section, never a figure."""
    for key, value in part.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        elif key in into:
            raise ValueError(f"two metrics give {key!r}")
        else:
            into[key] = value


def _check_finite(result: Mapping[str, Any]) -> None:
    for path, number in _numbers(result, ""):
        if not math.isfinite(number):
            raise DivergenceError(
                f"evaluate: {path} is {number}", "a finite number", "an earlier checkpoint of the run"
            )


def _numbers(value: Any, path: str) -> Iterator[tuple[str, float]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _numbers(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _numbers(item, f"{path}[{index}]")
    elif isinstance(value, float):
        yield path, value
