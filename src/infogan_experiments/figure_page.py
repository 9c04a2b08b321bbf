"""The Markdown page of a reproduced figure: statement, picture, metrics of every seed, baselines, verdict."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from infogan.reporting.markdown import markdown_table
from infogan_experiments.result_tables import Result
from infogan_experiments.targets import Measurement, Outcome, PaperFigure, outcome

ROWS, COLUMNS = 5, 10
"""Cells of a panel: five rows, as in the caption of Figure 2; ten categories or values of a code."""

BASELINES = {"kmeans": "k-means", "pca": "PCA", "untrained": "untrained network"}
"""Names of baselines on the page."""

Variant = tuple[str, int]
"""A recipe and a number of steps."""


def by_variant(results: Sequence[Result]) -> dict[Variant, list[Result]]:
    """Return the results by recipe and steps, each sorted by seed."""
    groups: dict[Variant, list[Result]] = {}
    for result in sorted(results, key=lambda result: (result["arm"], result["steps"], result["seed"])):
        groups.setdefault((result["arm"], result["steps"]), []).append(result)
    return groups


def outcomes(figure: PaperFigure, results: Sequence[Result]) -> list[Outcome]:
    """Return every metric over the results of one variant; a smoke test has no verdicts."""
    all_outcomes = [outcome(metric, results, figure.planned) for metric in figure.metrics]
    if any(result["quick"] for result in results):
        return [replace(item, verdict="") for item in all_outcomes]
    return all_outcomes


def page(figure: PaperFigure, results: Sequence[Result], pictures: Mapping[Variant, str]) -> str:
    """Return the page in Markdown.

    Args:
        figure: of the paper.
        results: of all variants.
        pictures: names of PNG files in the page's folder, by variant.
    """
    ours = f"This reproduction: {figure.steps:,} steps, {_counted(figure.seeds, 'seed')}."
    parts = [
        f"# {figure.title}",
        f"{figure.section}. Written by `infogan reproduce {figure.preset}`.",
        f"**What the paper says.** {figure.statement}",
        f"{figure.paper_runs} {ours}" if figure.paper_runs else ours,
        *([f"**What differs here.** {figure.remark}"] if figure.remark else []),
    ]
    for variant, some in by_variant(results).items():
        parts += _variant_parts(figure, variant, some, pictures.get(variant))
    return "\n\n".join(parts) + "\n"


def _variant_parts(
    figure: PaperFigure, variant: Variant, results: Sequence[Result], picture: str | None
) -> list[str]:
    recipe, steps = variant
    parts = [f"## Recipe `{recipe}`, {steps:,} steps"]
    if any(result["quick"] for result in results):
        parts.append(
            "**Smoke test with small networks, few steps and few images. These numbers are not results.**"
        )
    if picture is not None:
        parts += [f"![{figure.title}, recipe {recipe}, every seed]({picture})", _caption(figure)]
    for one in outcomes(figure, results):
        parts.append(_outcome_table(figure, one))
        if one.verdict and one.metric.target is not None:
            parts.append(_verdict(figure, one, one.metric.target))
    if figure.details is not None and (details := figure.details(results)):
        parts.append(details)
    return [*parts, _setup(results), _commands(figure, variant, results)]


def _caption(figure: PaperFigure) -> str:
    spans = sorted({panel.span for panel in figure.panels if panel.span is not None})
    ranges = [f"from {low:g} to {high:g}" for low, high in spans]
    if any(panel.span is None for panel in figure.panels):
        ranges.append("through all categories")
    return (
        f"All seeds are shown. Along a row one code varies {' or '.join(ranges)}, while noise and the other "
        f"codes are fixed; the {ROWS} rows are different samples of the rest, the same samples in every "
        "panel of a model. Codes are selected on training or generated images, not by eye."
    )


def _outcome_table(figure: PaperFigure, found: Outcome) -> str:
    """Return a metric's table: one line per seed, the mean and the best."""
    baselines = list(dict.fromkeys(name for one in found.values.values() for name in one.baselines))
    rows = [
        [str(seed) if seed in found.planned else f"{seed}, not counted", *_cells(measurement, baselines)]
        for seed, measurement in found.measurements.items()
    ]
    empty = [""] * (1 + len(baselines))
    if found.mean is not None and len(found.measurements) > 1:
        rows.append(["mean over seeds", found.mean.text(), *empty])
    if figure.best_of is not None and found.best is not None and len(found.measurements) > 1:
        label = f"best of these {len(found.measurements)} (the paper shows the best of {figure.best_of})"
        rows.append([f"{label}: seed {found.best[0]}", found.best[1].own.text(), *empty])
    head = ["seed", found.metric.name, "of", *(BASELINES.get(name, name) for name in baselines)]
    return markdown_table(head, rows)


def _cells(measurement: Measurement | None, baselines: Sequence[str]) -> list[str]:
    if measurement is None:
        return ["does not apply", *[""] * (1 + len(baselines))]
    found = [measurement.baselines.get(name) for name in baselines]
    others = ["" if one is None else one.text() for one in found]
    return [measurement.own.text(), measurement.note, *others]


def _verdict(figure: PaperFigure, found: Outcome, target: float) -> str:
    seeds, needed = _counted(figure.seeds, "seed"), found.metric.needed
    where = f"the mean over {seeds}" if needed is None else f"in {needed} of {seeds}"
    required = f"{target:g} or more{',' if needed is None else ''} {where}"
    missing = figure.seeds - found.trained
    open_seeds = f"; {missing} not trained yet" if missing > 0 else ""
    return (
        f"**{found.verdict.capitalize()}**: {found.metric.name}. Target: {required}. "
        f"{found.reached} of {found.trained} reach it{open_seeds}."
    )


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")


# --- data, machine and commands --------------------------------------------------------------------------


def _setup(results: Sequence[Result]) -> str:
    """Describe images, intervals, training time and machine."""
    scores = [result["scores"] for result in results]
    sets = dict.fromkeys(
        f"{entry['images']:,} {entry['split']} images of `{entry['dataset']}`"
        for entry in scores
        if "images" in entry
    )
    minutes = sorted(entry["train_seconds"] / 60 for entry in scores if "train_seconds" in entry)
    span = " to ".join(dict.fromkeys(f"{time:.1f}" for time in minutes[:1] + minutes[-1:]))
    machines = dict.fromkeys(machine(result["machine"]) for result in results)
    return (
        f"Measured on {' and '.join(sets)}. In brackets: 95 % intervals over images; for means, over seeds. "
        + (f"Training took {span} minutes per seed" if minutes else "The training time is not known")
        + f", on {'; '.join(machines)}."
    )


def machine(environment: Mapping[str, Any]) -> str:
    """Describe the machine of a training, from its environment.json."""
    versions = environment.get("versions", {})
    known = [f"{name} {versions[name]}" for name in ("torch", "numpy") if name in versions]
    processor = environment.get("processor", "an unknown processor")
    device = environment.get("device", "cpu")
    gpu = [] if device == "cpu" else [f"one {environment.get('accelerator', f'GPU ({device})')}"]
    return ", ".join([*gpu, f"{processor} ({environment.get('usable_cores')} cores usable)", *known])


def _commands(figure: PaperFigure, variant: Variant, results: Sequence[Result]) -> str:
    """Return the commands that repeat these results, one for each unbroken range of seeds."""
    first = results[0]
    options = ["--data FOLDER"] if first["data_given"] else []
    options += [f"--set {shlex.quote(setting)}" for setting in first["settings"]]
    options += ["--quick"] if first["quick"] else []
    seeds = [result["seed"] for result in results]
    commands = []
    for start in (seed for seed in seeds if seed - 1 not in seeds):
        count = next(n for n in range(1, len(seeds) + 1) if start + n not in seeds)
        command = f"    infogan reproduce {figure.preset} --recipe {variant[0]} --steps {variant[1]}"
        commands.append(" ".join([command, f"--seed {start} --seeds {count}", *options]))
    return "\n".join(commands)
