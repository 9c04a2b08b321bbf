"""The page of a reproduced figure in Markdown: claim, picture, figures of every seed, baselines, verdict."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from infogan_experiments.results import with_interval
from infogan_experiments.targets import Judged, Number, Reading, Reproduction, Row, judge_rows

ROWS, COLUMNS = 5, 10
"""Of a panel: five rows, as the caption of Figure 2 has it; ten categories, and so many values of a code."""

WORDS = {"kmeans": "k-means", "pca": "PCA", "untrained": "untrained network"}
"""How baselines are called on the page."""

Arm = tuple[str, int]
"""A recipe and a number of steps."""


def arms(rows: Sequence[Row]) -> dict[Arm, list[Row]]:
    """The rows by recipe and steps, each by seed."""
    found: dict[Arm, list[Row]] = {}
    for entry in sorted(rows, key=lambda one: (one["arm"], one["steps"], one["seed"])):
        found.setdefault((entry["arm"], entry["steps"]), []).append(entry)
    return found


def judged(plan: Reproduction, rows: Sequence[Row]) -> list[Judged]:
    """Every figure of the plan over the rows of one arm; a quick row is never judged."""
    found = [judge_rows(judge, rows, plan.planned) for judge in plan.judges]
    if any(entry["quick"] for entry in rows):
        return [replace(one, verdict="") for one in found]
    return found


def page(plan: Reproduction, rows: Sequence[Row], pictures: Mapping[Arm, str]) -> str:
    """The whole page.

    Args:
        plan: the figure.
        rows: of all arms.
        pictures: names of PNG files beside the page, by arm.
    """
    ours = f"Here: {plan.steps:,} steps, {_counted(plan.seeds, 'seed')}."
    parts = [
        f"# {plan.title}",
        f"{plan.section}. Written by `infogan reproduce {plan.preset}`.",
        f"**What the paper says.** {plan.claim}",
        f"{plan.paper_runs} {ours}" if plan.paper_runs else ours,
        *([f"**What is ours.** {plan.remark}"] if plan.remark else []),
    ]
    for arm, some in arms(rows).items():
        parts += _arm_parts(plan, arm, some, pictures.get(arm))
    return "\n\n".join(parts) + "\n"


def _arm_parts(plan: Reproduction, arm: Arm, rows: Sequence[Row], picture: str | None) -> list[str]:
    recipe, steps = arm
    parts = [f"## Recipe `{recipe}`, {steps:,} steps"]
    if any(entry["quick"] for entry in rows):
        parts.append("**Quick: small networks, few steps, few images. These figures measure nothing.**")
    if picture is not None:
        parts += [f"![{plan.title}, recipe {recipe}, every seed]({picture})", _caption(plan)]
    for found in judged(plan, rows):
        parts += _judge_parts(plan, found)
    if plan.detail is not None and (detail := plan.detail(rows)):
        parts.append(detail)
    return [*parts, _circumstances(plan, recipe, steps, rows)]


def _caption(plan: Reproduction) -> str:
    spans = sorted({panel.span for panel in plan.panels if panel.span is not None})
    across = [f"from {low:g} to {high:g}" for low, high in spans]
    if any(panel.span is None for panel in plan.panels):
        across.append("through all categories")
    return (
        f"Every seed is shown. Along a row noise and all other codes are fixed, and one code goes "
        f"{' or '.join(across)}; the {ROWS} rows are different draws of the rest, the same draws in every "
        "panel of a model. Which code is drawn was decided on training or generated images, not by eye."
    )


# --- one figure ------------------------------------------------------------------------------------------


def _judge_parts(plan: Reproduction, found: Judged) -> list[str]:
    """A figure's table, a line a seed, and what it comes to."""
    beside = list(dict.fromkeys(name for one in found.readings.values() if one for name in one.beside))
    heads = ["seed", found.judge.name, "of", *(WORDS.get(name, name) for name in beside)]
    lines = [
        f"| {' | '.join(heads)} |",
        "|" + "---|" * (3 + len(beside)),
    ]
    for seed, reading in found.readings.items():
        told = str(seed) if seed in found.planned else f"{seed}, not judged"
        lines.append(f"| {told} | " + " | ".join(_cells(reading, beside)) + " |")
    if found.mean is not None and len(found.readings) > 1:
        lines.append(f"| mean over seeds | {_number(found.mean)} |" + " |" * (1 + len(beside)))
    best = found.best
    if plan.best_of is not None and best is not None and len(found.readings) > 1:
        told = f"best of these {len(found.readings)} (the paper shows the best of {plan.best_of})"
        lines.append(f"| {told}: seed {best[0]} | {_number(best[1].own)} |" + " |" * (1 + len(beside)))
    return ["\n".join(lines), *_verdict(plan, found)]


def _cells(reading: Reading | None, beside: Sequence[str]) -> list[str]:
    if reading is None:
        return ["does not apply", *[""] * (1 + len(beside))]
    others = [_number(reading.beside[name]) if name in reading.beside else "" for name in beside]
    return [_number(reading.own), reading.note, *others]


def _verdict(plan: Reproduction, found: Judged) -> list[str]:
    judge = found.judge
    if judge.least is None or not found.verdict:
        return []
    trained = len(found.judged)
    if judge.needed is None:
        asked = f"{judge.least:g} or more, the mean over {_counted(plan.seeds, 'seed')}"
    else:
        asked = f"{judge.least:g} or more in {judge.needed} of {_counted(plan.seeds, 'seed')}"
    reached = f"{found.reached} of {trained} reach it"
    missing = f"; {plan.seeds - trained} not trained yet" if trained < plan.seeds else ""
    return [f"**{found.verdict.capitalize()}**: {judge.name}. Asked: {asked}. {reached}{missing}."]


def _number(number: Number) -> str:
    if number.interval is None:
        return f"{number.value:.3f}"
    return with_interval(number.value, number.interval, 3)


# --- how it came about -----------------------------------------------------------------------------------


def _circumstances(plan: Reproduction, recipe: str, steps: int, rows: Sequence[Row]) -> str:
    """Images, intervals, time, machine and command."""
    scores = [entry["scores"] for entry in rows]
    sets = dict.fromkeys(
        f"{one['images']:,} {one['split']} images of `{one['dataset']}`" for one in scores if "images" in one
    )
    seconds = [one["train_seconds"] for one in scores if "train_seconds" in one]
    commands = "\n".join(f"    {line}" for line in _commands(plan, recipe, steps, rows))
    machines = dict.fromkeys(machine(entry["machine"]) for entry in rows)
    lines = [
        f"Measured on {' and '.join(sets)}. In brackets: 95 % intervals over images, for means over seeds.",
        f"Training took {_span(seconds)} a seed" if seconds else "How long training took is not known",
    ]
    return f"{lines[0]} {lines[1]}, on {'; '.join(machines)}.\n\n{commands}"


def _span(seconds: Sequence[float]) -> str:
    """Least and most, in minutes; once where that is the same."""
    shown = dict.fromkeys(f"{one / 60:.1f}" for one in (min(seconds), max(seconds)))
    return f"{' to '.join(shown)} minutes"


def machine(facts: Mapping[str, Any]) -> str:
    """What a training ran on, by its environment.json."""
    versions = facts.get("versions", {})
    known = [f"{name} {versions[name]}" for name in ("torch", "numpy") if name in versions]
    own = f"{facts.get('processor', 'an unknown processor')} ({facts.get('usable_cores')} cores usable)"
    device = facts.get("device", "cpu")
    gpu = [] if device == "cpu" else [f"one {facts.get('accelerator', f'GPU ({device})')}"]
    return ", ".join([*gpu, own, *known])


def _commands(plan: Reproduction, recipe: str, steps: int, rows: Sequence[Row]) -> list[str]:
    """What makes these rows again: one command for each unbroken range of seeds."""
    first = rows[0]
    more = ["--data FOLDER"] if first["data_given"] else []
    more += [f"--set {shlex.quote(setting)}" for setting in first["settings"]]
    more += ["--quick"] if first["quick"] else []
    seeds = [entry["seed"] for entry in rows]
    starts = [seed for seed in seeds if seed - 1 not in seeds]
    found = []
    for start in starts:
        count = next(n for n in range(1, len(seeds) + 1) if start + n not in seeds)
        words = [f"infogan reproduce {plan.preset} --recipe {recipe} --steps {steps}"]
        found.append(" ".join([*words, f"--seed {start} --seeds {count}", *more]))
    return found


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")
