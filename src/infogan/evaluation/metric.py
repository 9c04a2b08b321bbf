"""Metrics and their registry.

A metric is a function that maps a `Subject` to a section of evaluation.json. A metric of a plug-in has the
same form as those in this package:

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

The function can use the model, the data set, `samples`, `seed` and `full` of the subject. It must take
random numbers only from `subject.rng(STREAM)` and images only from `subject.sample(COUNT, STREAM)`, so that
it does not depend on other metrics. `subject.once(FUNCTION)` shares expensive results between metrics.

The dictionary contains JSON values: strings, booleans, finite numbers, and lists and dictionaries of these.
The interval of a value `KEY` is a list [low, high] under `KEY_interval`. The same values of a baseline have
the same keys under `baselines.NAME`. Two metrics may write to the same section, but not to the same key.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from infogan.evaluation.subject import Subject
from infogan.registry import Registry

Metric = Callable[[Subject], dict[str, Any]]
"""Maps the subject to a section of evaluation.json; {} if the metric does not apply."""

METRICS: Registry[Metric] = Registry("metric", "infogan.evaluation", advice="only=(), for all metrics")
"""All metrics, by the name that `evaluate(only=...)` takes and that progress messages show."""


def metric(name: str) -> Callable[[Metric], Metric]:
    """Register the decorated function as a metric.

    Raises:
        ValueError: another metric has that name.
    """
    return lambda function: METRICS.add(name, function)


def with_baselines(sections: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the sections of "model" unchanged, and the sections of all other names under `baselines`."""
    baselines = {name: own for name, own in sections.items() if name != "model"}
    return {**sections["model"], "baselines": baselines}
