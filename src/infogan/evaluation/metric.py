"""Metrics and their registry.

A metric is a function from a `Subject` to the part of evaluation.json that it fills. One from outside the
package, loaded with `--plugin FILE.py` or an entry point, looks like those in this package:

    from infogan.evaluation import Subject, metric

    @metric("mean level")
    def mean_level(subject: Subject) -> dict[str, Any]:
        if subject.dataset is None:
            return {}  # the metric does not apply
        fake, _ = subject.sample(subject.samples, "mean level")
        return {
            "mean_level": {"generated": float(fake.mean())},
            "baselines": {"real": {"mean_level": float(subject.dataset.test.images.mean())}},
        }

The function may use the model, the data set, `samples`, `seed` and `full` of the subject. It takes random
numbers from `subject.rng(STREAM)` and images from `subject.sample(COUNT, STREAM)` only, so that it does not
depend on other metrics, and shares expensive results with `subject.once(FUNCTION)`.

The dictionary holds what JSON can hold: strings, booleans, finite numbers, and lists and dictionaries of
these. The interval of `figure` is a list [low, high] under `figure_interval`; the same figures of a baseline
go under `baselines.<name>`. Two metrics may fill one section, but not the same key in it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from infogan.evaluation.subject import Subject
from infogan.registry import Registry

Metric = Callable[[Subject], dict[str, Any]]
"""From the subject to a part of evaluation.json; {} if the metric does not apply."""

METRICS: Registry[Metric] = Registry("metric", "infogan.evaluation", advice="only=(), for all metrics")
"""Every metric by the name that `evaluate(only=...)` takes and progress shows."""


def metric(name: str) -> Callable[[Metric], Metric]:
    """Register the decorated function as a metric.

    Raises:
        ValueError: another metric has that name.
    """
    return lambda function: METRICS.add(name, function)


def with_baselines(sections: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the sections of "model" as they are, and those of all other names under `baselines`."""
    baselines = {name: own for name, own in sections.items() if name != "model"}
    return {**sections["model"], "baselines": baselines}
