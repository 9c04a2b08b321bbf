"""Evaluation of a model: how much information each code carries, and what it represents.

Each metric is a function of arrays in its own file, registered by `metric`. This package never imports
training.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from infogan.errors import DivergenceError, UsageError
from infogan.evaluation.clustering import measurable, model_clustering
from infogan.evaluation.fresh_recognition import Budget, fit_recognition
from infogan.evaluation.metric import METRICS, metric
from infogan.evaluation.subject import Progress, Subject, silent
from infogan.model import InfoGAN, Weights

if TYPE_CHECKING:
    from infogan.data import Dataset

__all__ = ["Budget", "Subject", "evaluate", "fit_recognition", "metric", "sorting_line"]


def evaluate(  # noqa: PLR0913
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
    """Compute all metrics of a model, the content of `evaluation.json`.

    Args:
        model: the model.
        dataset: real images; labels are used for evaluation only. None evaluates generated images alone.
        weights: "raw" or "ema"; by default the model's own choice.
        samples: number of generated images per metric, 2 or more.
        seed: random seed of the evaluation.
        only: names of metrics, as in `metric.METRICS`; by default all.
        full: also compute the slow metrics and variants, as published; takes minutes instead of seconds.
        progress: called with a line of text when a metric starts.

    Returns:
        A plain dictionary: `codes`; `clustering` (only with labels and a categorical code); `factors`,
        `agreement`, `attributes`, `brightness`, `context` and more, which their modules describe; the same
        keys of baselines under `baselines`; `weights`, `samples`, `seed`; with a data set also `dataset`,
        `dataset_fingerprint`, `split` and `images`, the number of test images; `steps`, `images_seen` and
        `train_seconds`, if the model has them. Keys that do not apply are absent.

    Raises:
        UsageError: `samples` is below 2, a name in `only` is not a metric, the model has no such weights, or
            the images do not fit it.
        DataError: a split is empty, or a label is negative.
        DivergenceError: a figure is not finite.
    """
    if samples < 2:
        raise UsageError(f"samples = {samples}", "2 or more generated images", "samples=10_000")
    subject = Subject(model, dataset, weights, samples, seed, progress, full)
    model.sample(1, weights=subject.weights)  # raises before the metrics run if there are no such weights
    for name in sorted(only):
        METRICS.find(name)
    result: dict[str, Any] = {}
    for name, compute in METRICS.items():
        if not only or name in only:
            progress(f"evaluate: {name}")
            _merge(result, compute(subject))
    result |= _circumstances(subject)
    for path, number in _numbers(result, ""):
        if not math.isfinite(number):
            raise DivergenceError(
                f"evaluate: {path} is {number}", "a finite number", "an earlier checkpoint of the run"
            )
    return result


def sorting_line(model: InfoGAN, dataset: Dataset) -> str | None:
    """Return the clustering accuracy as a sentence; None without labels or a categorical code."""
    subject = Subject(model, dataset)
    if not measurable(subject):
        return None
    clustering = subject.once(model_clustering)
    name = model.latents.dimension_name(clustering.code_dimension)
    low, high = clustering.figures["accuracy_interval"]
    images = f"{len(dataset.test.images):,} {dataset.split} images"
    return (
        f"clustering accuracy of {name}: {clustering.figures['accuracy']:.1%} of {images} "
        f"(95 % interval {low:.1%} to {high:.1%}); labels are used for evaluation only"
    )


def _circumstances(subject: Subject) -> dict[str, Any]:
    """Return facts about the model, the data set and the settings of the evaluation."""
    provenance = subject.model.provenance
    facts: dict[str, Any] = {
        key: provenance[key] for key in ("steps", "images_seen", "train_seconds") if key in provenance
    }
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
    """Add nested keys. Two metrics may share a section, but not a key."""
    for key, value in part.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        elif key in into:
            raise ValueError(f"two metrics give {key!r}")
        else:
            into[key] = value


def _numbers(value: Any, path: str) -> Iterator[tuple[str, float]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _numbers(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _numbers(item, f"{path}[{index}]")
    elif isinstance(value, float):
        yield path, value
