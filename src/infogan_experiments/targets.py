"""A figure of the paper as data: what it claims, how that is measured, and when it counts as reached.

Everything here works on the scores that `infogan.evaluation.evaluate` gives, and trains nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from infogan_experiments.results import FIRST_SEED, seeds_interval

Scores = Mapping[str, Any]
Row = Mapping[str, Any]
"""A training as `rows.read_rows` gives it: `arm`, `seed`, `steps`, `machine`, `scores` and more."""


class Number(NamedTuple):
    """A figure with its 95 % interval, where it has one."""

    value: float
    interval: tuple[float, float] | None = None


@dataclass(frozen=True)
class Reading:
    """What one training reached.

    Attributes:
        own: the model's figure.
        beside: the same of each baseline that has it.
        note: what it is of, such as the code.
    """

    own: Number
    beside: Mapping[str, Number] = field(default_factory=dict)
    note: str = ""


Read = Callable[[Scores], Reading | None]
"""None where the figure does not apply to these scores."""


@dataclass(frozen=True)
class Judge:
    """One measured counterpart of a claim.

    Attributes:
        name: of the figure, in words.
        read: takes it out of a training's scores.
        least: what has to be reached; None: the figure is shown and judges nothing.
        needed: in how many seeds; None: by the mean over seeds.
        limits: the range of the figure, to which the interval of the mean is cut.
    """

    name: str
    read: Read
    least: float | None = None
    needed: int | None = None
    limits: tuple[float, float] = (0.0, 1.0)


@dataclass(frozen=True)
class Panel:
    """One part of the paper's figure.

    Attributes:
        title: what the paper says it shows, such as "(c) Rotation".
        codes: out of a training's scores, the codes to draw; a panel each, none where there is none.
        span: lowest and highest value of a continuous code across; None: every category.
    """

    title: str
    codes: Callable[[Scores], Sequence[str]]
    span: tuple[float, float] | None = None


@dataclass(frozen=True)
class Reproduction:
    """A figure of the paper, and how it is drawn and measured again.

    Attributes:
        preset: what is trained; also the experiment's name.
        title: of the page.
        section: where it stands in the paper.
        claim: what the paper says, in words.
        panels: the picture.
        judges: the measured counterparts.
        seeds: how many, from `first_seed` on.
        steps: of each.
        remark: what of all this is ours and not the paper's.
        paper_runs: what the paper's authors ran, where it is known to differ.
        best_of: of how many runs the paper shows the best; None: it does not say so.
        across: panels side by side on the picture.
        alike: other presets that `robust` trains no otherwise, so that their rows serve this figure, too.
        first_seed: another one where the recipe was changed after figures of the first had been seen.
        detail: more of all rows in Markdown, where there is more to say.
    """

    preset: str
    title: str
    section: str
    claim: str
    panels: Sequence[Panel]
    judges: Sequence[Judge]
    seeds: int
    steps: int
    remark: str = ""
    paper_runs: str = ""
    best_of: int | None = None
    across: int = 1
    alike: Sequence[str] = ()
    first_seed: int = FIRST_SEED
    detail: Callable[[Sequence[Row]], str] | None = None

    @property
    def planned(self) -> range:
        """The seeds that are judged."""
        return range(self.first_seed, self.first_seed + self.seeds)


# --- how figures are read --------------------------------------------------------------------------------


def at(path: str) -> Read:
    """Reads the figure at a path of keys, with `_interval` beside it and the same under `baselines`.

    Args:
        path: keys with dots between, such as "clustering.accuracy".
    """

    def read(scores: Scores) -> Reading | None:
        own = _number(scores, path)
        if own is None:
            return None
        found = {name: _number(one, path) for name, one in scores.get("baselines", {}).items()}
        section = _walk(scores, path.rpartition(".")[0])
        note = section.get("code", "") if isinstance(section, Mapping) else ""
        return Reading(own, {name: one for name, one in found.items() if one is not None}, note)

    return read


def factor(name: str, measure: str) -> Read:
    """Reads a code's agreement with a true factor; 0 where no code was matched to one that is known.

    Args:
        name: of the factor.
        measure: "spearman", "circular", "circular_by_object", or with "_generated" or "_real" behind.
    """
    found = at(f"factors.{name}.{measure}")

    def read(scores: Scores) -> Reading | None:
        if "factors" not in scores:
            return None
        known = scores.get("agreement")  # of every code with every factor of the data
        if known is not None and not any(name in of_code for of_code in known.values()):
            return None
        return found(scores) or Reading(Number(0.0), note="no code was matched to it")

    return read


def only_code(name: str, measure: str) -> Read:
    """Reads how well the only continuous code is a true factor, whichever factor it is matched to.

    Args:
        name: of the factor.
        measure: "spearman", "circular" or "circular_by_object".
    """

    def number(scores: Scores) -> tuple[Number, str] | None:
        table = scores.get("agreement", {})
        code = next(iter(table), "")
        found = _number(table, f"{code}.{name}.{measure}") if len(table) == 1 else None
        return None if found is None else (found, code)

    def read(scores: Scores) -> Reading | None:
        own = number(scores)
        if own is None:
            return None
        found = {who: number(one) for who, one in scores.get("baselines", {}).items()}
        return Reading(own[0], {who: one[0] for who, one in found.items() if one is not None}, own[1])

    return read


def matched(*factors: str) -> Callable[[Scores], Sequence[str]]:
    """The code that was matched, on training images, to the first of these factors that has one."""

    def codes(scores: Scores) -> Sequence[str]:
        found = [scores["factors"][name]["code"] for name in factors if name in scores.get("factors", {})]
        return found[:1]

    return codes


def named(*codes: str) -> Callable[[Scores], Sequence[str]]:
    """These codes, whatever was measured."""
    return lambda _: codes


def _walk(scores: Scores, path: str) -> Any:
    found: Any = scores
    for key in path.split("."):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def _number(scores: Scores, path: str) -> Number | None:
    value, interval = _walk(scores, path), _walk(scores, f"{path}_interval")
    if value is None:
        return None
    return Number(float(value), None if interval is None else (interval[0], interval[1]))


# --- the verdict -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Judged:
    """What all seeds of one arm reached of one figure.

    Attributes:
        judge: the figure.
        readings: of each seed; None where it does not apply.
        planned: the seeds that are judged. Others are shown: with more of them a pass would be easier.
        verdict: "pass", "short", "open" while it hangs on seeds that are not trained, or "" without a
            threshold or where it does not apply.
        mean: over the planned seeds that are there, else over all, with its 95 % interval by Student's t;
            None without any figure. One seed has no interval.
    """

    judge: Judge
    readings: Mapping[int, Reading | None]
    planned: range
    verdict: str
    mean: Number | None

    @property
    def judged(self) -> dict[int, Reading | None]:
        """The readings of planned seeds."""
        return {seed: one for seed, one in self.readings.items() if seed in self.planned}

    @property
    def best(self) -> tuple[int, Reading] | None:
        """The seed of the highest figure, and that figure."""
        found = {seed: one for seed, one in self.readings.items() if one is not None}
        return max(found.items(), key=lambda pair: pair[1].own.value, default=None)

    @property
    def reached(self) -> int:
        """How many of the planned seeds reached what is asked."""
        least = self.judge.least
        values = [one.own.value for one in self.judged.values() if one is not None]
        return 0 if least is None else sum(value >= least for value in values)


def judge_rows(judge: Judge, rows: Sequence[Row], planned: range) -> Judged:
    """One figure over the seeds of one arm.

    Args:
        judge: the figure.
        rows: of one arm and number of steps.
        planned: the seeds that the experiment asks for.
    """
    readings = {entry["seed"]: judge.read(entry["scores"]) for entry in rows}
    bare = Judged(judge, readings, planned, "", None)
    counted = bare.judged or readings
    values = [one.own.value for one in counted.values() if one is not None]
    if not values:
        return bare
    middle, low, high = seeds_interval(values)
    cut = (max(low, judge.limits[0]), min(high, judge.limits[1]))
    found = replace(bare, mean=Number(middle, cut if len(values) > 1 else None))
    return found if judge.least is None else replace(found, verdict=_verdict(found))


def _verdict(found: Judged) -> str:
    """Whether it is reached, given how many seeds are still to be trained."""
    judge, missing = found.judge, len(found.planned) - len(found.judged)
    assert judge.least is not None and found.mean is not None
    if judge.needed is None:
        if missing:
            return "open"
        return "pass" if found.mean.value >= judge.least else "short"
    if found.reached >= judge.needed:
        return "pass"
    return "open" if found.reached + missing >= judge.needed else "short"
