"""Values of results by key path, confidence intervals over seeds, and Markdown tables of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from infogan.reporting import tables
from infogan.reporting.markdown import markdown_table

Result = Mapping[str, Any]
"""One training: `arm` (the variant), `seed`, `steps`, `machine`, `scores` and more."""

Cell = Callable[[Result], object]


class Number(NamedTuple):
    """A value with its 95 % confidence interval, if it has one."""

    value: float
    interval: tuple[float, float] | None = None

    def text(self, decimals: int = 3) -> str:
        """Return the value and its interval: "0.731 (0.702 to 0.760)"."""
        if self.interval is None:
            return f"{self.value:.{decimals}f}"
        low, high = self.interval
        return f"{self.value:.{decimals}f} ({low:.{decimals}f} to {high:.{decimals}f})"


def value_at(values: Result, path: str) -> Any:
    """Return the value at a path of keys joined by dots, "clustering.accuracy"; None if there is none."""
    return tables.value_at(values, path.split("."))


def number_at(values: Result, path: str) -> Number | None:
    """Return the number at a path, with the interval under the same key and `_interval`."""
    value, interval = value_at(values, path), value_at(values, f"{path}_interval")
    if value is None:
        return None
    return Number(float(value), None if interval is None else (interval[0], interval[1]))


def value(path: str, form: str = "") -> Cell:
    """Return a table cell: the value at a path in a format such as ".3f"; empty if there is none."""

    def cell(result: Result) -> str:
        found = value_at(result, path)
        return "" if found is None else format(found, form)

    return cell


def estimate(path: str, decimals: int = 3) -> Cell:
    """Return a table cell: the number at a path with its interval; empty if there is none."""

    def cell(result: Result) -> str:
        number = number_at(result, path)
        return "" if number is None else number.text(decimals)

    return cell


def results_table(results: Sequence[Result], columns: Mapping[str, Cell]) -> str:
    """Return a Markdown table with one line per result; `columns` maps titles to cells."""
    return markdown_table(list(columns), [[cell(result) for cell in columns.values()] for result in results])


def values_table(title: str, values: Result, decimals: int = 3) -> str:
    """Return nested values as a Markdown table: one line per number, named by its keys, with its interval."""

    def rows(part: Result, prefix: str) -> Iterator[tuple[str, str]]:
        for key, found in part.items():
            if isinstance(found, Mapping):
                yield from rows(found, f"{prefix}{key}, ")
            elif isinstance(found, float):
                number = number_at(part, key)
                yield f"{prefix}{key}".replace("_", " "), number.text(decimals) if number else ""
            elif not key.endswith("_interval"):
                text = ", ".join(map(str, found)) if isinstance(found, list) else str(found)
                yield f"{prefix}{key}".replace("_", " "), text

    return markdown_table([title, ""], rows(values, ""))


def mean_over_seeds(values: Sequence[float], limits: tuple[float, float] = (-math.inf, math.inf)) -> Number:
    """Return the mean over seeds with its interval by Student's t; for one seed both ends are the mean.

    Args:
        values: one for each seed.
        limits: the range of the values, to which the interval is clipped.
    """
    from scipy import stats  # lazy: the import takes a good part of a second

    numbers = np.asarray(values, dtype=np.float64)
    mean = float(numbers.mean())
    if len(numbers) < 2:
        return Number(mean, (mean, mean))
    half = float(stats.t.ppf(0.975, len(numbers) - 1) * numbers.std(ddof=1) / np.sqrt(len(numbers)))
    return Number(mean, (max(mean - half, limits[0]), min(mean + half, limits[1])))


def share(hits: int, count: int) -> Number:
    """Return a share with its exact 95 % interval (Clopper and Pearson 1934)."""
    from scipy.stats import binomtest  # lazy: the import takes a good part of a second

    found = binomtest(hits, count).proportion_ci(method="exact")
    return Number(hits / count, (float(found.low), float(found.high)))
