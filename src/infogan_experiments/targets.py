"""Data model of a figure of the paper: its statement, metrics and targets, and the verdict.

Works on the scores that `infogan.evaluation.evaluate` returns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from infogan_experiments.experiment import FIRST_SEED
from infogan_experiments.result_tables import Number, Result, mean_over_seeds, number_at, value_at

Scores = Mapping[str, Any]


@dataclass(frozen=True)
class Measurement:
    """The value of a metric for one training.

    Attributes:
        own: the model's value.
        baselines: the value of each baseline that has one.
        note: what was measured, such as the code's name.
    """

    own: Number
    baselines: Mapping[str, Number] = field(default_factory=dict)
    note: str = ""


Measure = Callable[[Scores], Measurement | None]
"""Returns None if the metric does not apply to these scores."""

Codes = Callable[[Scores], Sequence[str]]
"""Returns the codes to plot."""


@dataclass(frozen=True)
class Metric:
    """A metric for a statement of the paper.

    Attributes:
        name: in words.
        measure: returns the value from a training's scores.
        target: the required value; None: the metric has no verdict.
        needed: number of seeds that must reach the target; None: their mean must.
        limits: the range of the metric, to which the interval of the mean is clipped.
    """

    name: str
    measure: Measure
    target: float | None = None
    needed: int | None = None
    limits: tuple[float, float] = (0.0, 1.0)


@dataclass(frozen=True)
class Panel:
    """One part of the picture: a latent traversal.

    Attributes:
        title: as in the paper, such as "(c) Rotation".
        codes: returns the codes to traverse, one picture each.
        span: lowest and highest value of a continuous code; None: every category.
    """

    title: str
    codes: Codes
    span: tuple[float, float] | None = None


@dataclass(frozen=True)
class PaperFigure:
    """A figure of the paper, and how it is reproduced and measured.

    Attributes:
        preset: the preset to train; also the experiment's name.
        title: of the page.
        section: of the paper.
        statement: the paper's statement.
        panels: of the picture.
        metrics: of the statement.
        seeds: number of seeds, from `first_seed`.
        steps: of each training.
        remark: differences between the reproduction and the paper.
        paper_runs: number of runs and steps of the paper, if known to differ.
        best_of: number of runs of which the paper shows the best; None: not stated.
        columns: number of panels in a row.
        same_training: presets that `robust` trains in the same way, so that results are shared.
        first_seed: another one if the recipe was changed after results of the first seeds had been seen.
        details: returns additional Markdown about all results.
    """

    preset: str
    title: str
    section: str
    statement: str
    panels: Sequence[Panel]
    metrics: Sequence[Metric]
    seeds: int
    steps: int
    remark: str = ""
    paper_runs: str = ""
    best_of: int | None = None
    columns: int = 1
    same_training: Sequence[str] = ()
    first_seed: int = FIRST_SEED
    details: Callable[[Sequence[Result]], str] | None = None

    @property
    def planned(self) -> range:
        """The seeds that count."""
        return range(self.first_seed, self.first_seed + self.seeds)


# --- how metrics are read from scores --------------------------------------------------------------------


def at(path: str) -> Measure:
    """Return a measure of the value at a key path, such as "clustering.accuracy", and of its baselines."""

    def find(scores: Scores) -> tuple[Number, str] | None:
        number = number_at(scores, path)
        return None if number is None else (number, value_at(scores, f"{path.rpartition('.')[0]}.code") or "")

    return lambda scores: _with_baselines(scores, find)


def factor(name: str, measure: str) -> Measure:
    """Return a measure of the agreement of a code with a true factor; 0 if no code was matched to it.

    Args:
        name: of the factor.
        measure: "spearman", "circular" or "circular_by_object", also followed by "_generated" or "_real".
    """
    of_factor = at(f"factors.{name}.{measure}")

    def of_scores(scores: Scores) -> Measurement | None:
        agreement = scores.get("agreement")  # of every code with every factor of the data
        unknown = agreement is not None and not any(name in of_code for of_code in agreement.values())
        if "factors" not in scores or unknown:
            return None
        return of_factor(scores) or Measurement(Number(0.0), note="no code was matched to it")

    return of_scores


def only_code(name: str, measure: str) -> Measure:
    """Return a measure of the agreement of the only continuous code with a true factor."""

    def find(scores: Scores) -> tuple[Number, str] | None:
        agreement = scores.get("agreement", {})
        code = next(iter(agreement), "")
        number = number_at(agreement, f"{code}.{name}.{measure}") if len(agreement) == 1 else None
        return None if number is None else (number, code)

    return lambda scores: _with_baselines(scores, find)


def _with_baselines(
    scores: Scores, find: Callable[[Scores], tuple[Number, str] | None]
) -> Measurement | None:
    own = find(scores)
    if own is None:
        return None
    baselines = {name: find(baseline) for name, baseline in scores.get("baselines", {}).items()}
    return Measurement(own[0], {name: one[0] for name, one in baselines.items() if one}, own[1])


def matched(*factors: str) -> Codes:
    """Return the code matched, on training images, to the first of these factors that has one."""
    return lambda scores: [
        scores["factors"][name]["code"] for name in factors if name in scores.get("factors", {})
    ][:1]


def named(*codes: str) -> Codes:
    """Return these codes."""
    return lambda _: codes


# --- the verdict -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """A metric over all seeds of one variant.

    Attributes:
        metric: the metric.
        measurements: by seed; None if the metric does not apply.
        planned: the seeds that count; others are only shown, since more seeds would make a target easier
            to reach.
        verdict: "pass", "short", "open" while it depends on seeds that are not trained, or "" if there is
            no target or the metric does not apply.
        mean: over the planned seeds that exist, else over all, with its 95 % interval by Student's t if
            there are several; None without any value.
    """

    metric: Metric
    measurements: Mapping[int, Measurement | None]
    planned: range
    verdict: str = ""
    mean: Number | None = None

    @property
    def values(self) -> dict[int, Measurement]:
        """Measurements by seed, without seeds to which the metric does not apply."""
        return {seed: one for seed, one in self.measurements.items() if one is not None}

    @property
    def trained(self) -> int:
        """Number of planned seeds that are trained."""
        return sum(seed in self.planned for seed in self.measurements)

    @property
    def best(self) -> tuple[int, Measurement] | None:
        """The seed with the highest value, and that value."""
        return max(self.values.items(), key=lambda pair: pair[1].own.value, default=None)

    @property
    def reached(self) -> int:
        """Number of planned seeds that reach the target."""
        target = self.metric.target
        planned = [one.own.value for seed, one in self.values.items() if seed in self.planned]
        return 0 if target is None else sum(value >= target for value in planned)


def outcome(metric: Metric, results: Sequence[Result], planned: range) -> Outcome:
    """Return the outcome of a metric.

    Args:
        metric: the metric.
        results: of one variant and number of steps.
        planned: the seeds that count.
    """
    found = Outcome(metric, {one["seed"]: metric.measure(one["scores"]) for one in results}, planned)
    values = found.values
    if found.trained:
        values = {seed: one for seed, one in values.items() if seed in planned}
    if not values:
        return found
    mean = mean_over_seeds([one.own.value for one in values.values()], metric.limits)
    found = replace(found, mean=mean if len(values) > 1 else Number(mean.value))
    return found if metric.target is None else replace(found, verdict=_verdict(found, metric.target))


def _verdict(found: Outcome, target: float) -> str:
    missing, needed = len(found.planned) - found.trained, found.metric.needed
    if needed is None:
        if missing or found.mean is None:
            return "open"
        return "pass" if found.mean.value >= target else "short"
    if found.reached >= needed:
        return "pass"
    return "open" if found.reached + missing >= needed else "short"
