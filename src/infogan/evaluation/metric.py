"""Metrics: what a metric is, and the registry that it is entered into."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from infogan.evaluation.subject import Subject
from infogan.registry import Registry

Metric = Callable[[Subject], dict[str, Any]]
"""From what is evaluated to the part of evaluation.json it fills; {} where the metric does not apply."""

METRICS: Registry[Metric] = Registry("metric", "infogan.evaluation")
"""Every metric by the name that progress shows while it runs."""


def metric(name: str) -> Callable[[Metric], Metric]:
    """Register the decorated function; `name` is shown while it runs.

    Raises:
        ValueError: another metric has that name.
    """

    def register(function: Metric) -> Metric:
        return METRICS.add(name, function)

    return register
