"""Where metrics are found: one decorated function in one file of this package is one metric."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from typing import Any

from infogan.evaluation.subject import Subject

Metric = Callable[[Subject], dict[str, Any]]
"""From what is judged to the part of evaluation.json it fills; {} where the metric does not apply."""

_METRICS: dict[str, Metric] = {}


def metric(name: str) -> Callable[[Metric], Metric]:
    """Registers the decorated function; `name` is what progress says while it runs.

    Raises:
        ValueError: another metric has that name.
    """

    def register(function: Metric) -> Metric:
        if name in _METRICS:
            raise ValueError(f"two metrics are named {name!r}")
        _METRICS[name] = function
        return function

    return register


def metrics() -> dict[str, Metric]:
    """All metrics by name, after a look into every file of this package."""
    package = importlib.import_module("infogan.evaluation")
    for module in pkgutil.iter_modules(package.__path__, "infogan.evaluation."):
        importlib.import_module(module.name)
    return dict(sorted(_METRICS.items()))
