"""Sprites on the dSprites grid: what spectral norm, the contrastive regulariser and choosing among runs add.

The four rows of Lin et al. 2020 (arXiv 1906.06034, table 1), shortened: published are 322,560 steps a run.
"""

from __future__ import annotations

import shutil
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from infogan import api, data
from infogan.config import parse_assignments
from infogan.errors import UsageError
from infogan.evaluation import model_selection
from infogan.model import InfoGAN
from infogan.recipes import REGULARISED_FROM
from infogan.runs.directory import RunDirectory, next_free
from infogan_experiments.experiment import Options, experiment
from infogan_experiments.results import (
    mean_over_seeds,
    publish,
    read_rows,
    row,
    row_path,
    seeds,
    trained,
    with_interval,
)
from infogan_experiments.variants import reached

SEEDS, STEPS, FEWEST_STEPS = 3, 10_000, 20
METRICS = ("disentanglement",)
_MARKS = (0.25, 0.5, REGULARISED_FROM, 1.0)
"""Shares of the steps at which a run is measured."""

BATCH, SPECTRAL, CONTRASTIVE = "batch norm in D", "spectral norm", "with the contrastive regulariser"
PICKED = "picked by ModelCentrality"
_NEVER = "objective.contrastive_weight=[[1000000000, 0.0], [1000000000, 2.0]]"


def arms(steps: int) -> dict[str, tuple[str, ...]]:
    """By arm, what it does otherwise than the recipe `cr`. The last one depends on how long a run is."""
    return {
        BATCH: ("network.normalization=batch", "network.spectral_recognition=false", _NEVER),
        SPECTRAL: (_NEVER,),
        regularised(steps): (f"objective.contrastive_weight={from_step(beginning(steps))}",),
    }


def beginning(steps: int) -> int:
    """The step from which the regulariser acts."""
    return round(REGULARISED_FROM * steps)


def from_step(begin: int) -> list[list[float]]:
    """The schedule of the regulariser's weight that is whole from a step on."""
    return [[begin, 0.0], [begin, 2.0]]


def regularised(steps: int) -> str:
    """The name of the arm with the regulariser."""
    return f"{CONTRASTIVE} from step {beginning(steps)} on"


FIGURES = {
    "FactorVAE": ("factorvae",),
    "MIG": ("mig",),
    "DCI": ("dci", "disentanglement"),
}
PUBLISHED = {
    BATCH: (0.59, 0.05, 0.41),
    SPECTRAL: (0.82, 0.22, 0.60),
    CONTRASTIVE: (0.88, 0.37, 0.71),
    PICKED: (0.92, 0.45, 0.77),
}
"""On dSprites itself, in the order of FIGURES (Lin et al. 2020, table 1)."""


@experiment("sprites")
def sprites(options: Options) -> None:
    """InfoGAN-CR's networks on sprites: batch norm, spectral norm, the regulariser, and a pick among runs."""
    folder = options.out or next_free(Path("runs"), "sprites")
    steps, runs = options.steps or STEPS, seeds(options, SEEDS)
    if steps < FEWEST_STEPS:
        raise UsageError(
            f"--steps {steps}", f"{FEWEST_STEPS} or more", f"infogan reproduce sprites --steps {STEPS}"
        )
    marks = [round(share * steps) for share in _MARKS]
    base = api.configure(
        "sprites", data=options.data, recipe="cr", settings=parse_assignments(options.settings)
    )
    dataset = data.load(base.data)
    if len(dataset.test.images) < model_selection.FEWEST:
        raise UsageError(
            f"{len(dataset.test.images)} test images are too few to measure disentanglement",
            f"{model_selection.FEWEST} or more; a tenth of all are test images",
            "infogan reproduce sprites, without data.count",
        )
    for seed in runs:
        _train(folder, steps, seed, marks, options)
    rows = [
        one
        for one in read_rows(folder)
        if one["arm"] in arms(steps) and one["seed"] in runs and one["steps"] in marks
    ]
    picked = _picked(folder / regularised(steps), runs, dataset) if len(runs) > 1 else None
    result = {"preset": "sprites", "recipe": "cr", "steps": steps, "picked": picked, "rows": rows}
    publish(folder, "sprites", result, table(rows, steps, picked))


def _train(folder: Path, steps: int, seed: int, marks: Sequence[int], options: Options) -> None:
    """Every arm of one seed, measured at every mark."""
    settings = [f"training.seed={seed}", *options.settings]
    configs = {
        arm: api.configure(
            "sprites", data=options.data, recipe="cr", settings=parse_assignments([*settings, *changes])
        )
        for arm, changes in arms(steps).items()
    }
    with_it = regularised(steps)
    for arm, mark in _order(marks, steps):
        path = folder / arm / f"seed-{seed}"
        if not row_path(folder, arm, seed, mark).exists():
            if arm == with_it:
                _fork(folder / SPECTRAL / f"seed-{seed}", path, beginning(steps))
            if mark < steps and reached(path) > mark:
                _say(f"{arm}, seed {seed}: was trained past step {mark:,}, which can no longer be measured")
                continue
        row(folder, arm, configs[arm], mark, trained(configs[arm], mark, METRICS))


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def _order(marks: Sequence[int], steps: int) -> list[tuple[str, int]]:
    """Which arm is trained to which step, one after the other.

    Until the regulariser begins, a run with it is the one with spectral norm alone: it is trained once.
    """
    before = [mark for mark in marks if mark <= beginning(steps)]
    after = [mark for mark in marks if mark > beginning(steps)]
    return [
        *((BATCH, mark) for mark in marks),
        *((SPECTRAL, mark) for mark in before),
        *((regularised(steps), mark) for mark in after),
        *((SPECTRAL, mark) for mark in after),
    ]


def _fork(source: Path, target: Path, begin: int) -> None:
    """A copy of a run that goes on with the regulariser; nothing, where there is one or it is past that."""
    if target.exists():
        return
    run = RunDirectory.open(source)
    config = run.read_config()
    if config.training.steps != begin:
        _say(f"{source} was gone on with past step {begin:,}: {target} is trained from its start")
        return
    aside = target.with_name(f"{target.name}.part")
    shutil.rmtree(aside, ignore_errors=True)
    shutil.copytree(source, aside)
    changed = config.replace(objective={"contrastive_weight": from_step(begin)})
    RunDirectory.open(aside).write_config(changed)
    aside.rename(target)


def _picked(folder: Path, runs: Sequence[int], dataset: data.Dataset) -> dict[str, Any]:
    """The run of those in a folder that ModelCentrality picks, with what it says of each."""
    models = {str(seed): InfoGAN.from_pretrained(folder / f"seed-{seed}") for seed in sorted(runs)}
    found = model_selection.choose(models, model_selection.images_to_read(dataset))
    centrality = {name: float(one["model_centrality"]) for name, one in found["runs"].items()}
    return {
        "seed": int(max(centrality, key=lambda name: centrality[name])),
        "model_centrality": centrality,
    }


# --- what is written about them --------------------------------------------------------------------------


def figure(scores: Mapping[str, Any], path: Sequence[str]) -> tuple[float, list[float]]:
    """A figure of FIGURES with its interval over images, out of `disentanglement`."""
    *parents, leaf = path
    for parent in parents:
        scores = scores[parent]
    return float(scores[leaf]), list(scores[f"{leaf}_interval"])


def table(rows: Sequence[Mapping[str, Any]], steps: int, picked: Mapping[str, Any] | None) -> str:
    """Every run at its end, the means over seeds, the baselines, and the curve over steps, in Markdown."""
    lines = [
        f"| networks and recipe, {steps:,} steps | seed | " + " | ".join(FIGURES) + " |",
        "|" + "---|" * (2 + len(FIGURES)),
    ]
    last = [one for one in rows if one["steps"] == steps]
    for arm in arms(steps):
        some = [one for one in last if one["arm"] == arm]
        lines += [_line(arm, str(one["seed"]), one["scores"]["disentanglement"]) for one in some]
        lines += [_mean(arm, some)] if len(some) > 1 else []
    for one in last:
        if picked and one["arm"] == regularised(steps) and one["seed"] == picked["seed"]:
            lines.append(_line(PICKED, str(one["seed"]), one["scores"]["disentanglement"]))
    baselines = last[0]["scores"]["baselines"] if last else {}
    for name, scores in baselines.items():
        if "disentanglement" in scores:
            lines.append(_line(f"baseline: {name}", str(last[0]["seed"]), scores["disentanglement"]))
    for arm, values in PUBLISHED.items():
        cells = " | ".join(f"{value:.2f}" for value in values)
        lines.append(f"| published on dSprites: {arm} | | {cells} |")
    return "\n".join([*lines, "", *_curve(rows, list(arms(steps)))])


def _line(arm: str, seed: str, scores: Mapping[str, Any]) -> str:
    cells = [with_interval(*figure(scores, path), 3) for path in FIGURES.values()]
    return f"| {arm} | {seed} | " + " | ".join(cells) + " |"


def _mean(arm: str, rows: Sequence[Mapping[str, Any]]) -> str:
    found = [one["scores"]["disentanglement"] for one in rows]
    cells = [mean_over_seeds([figure(one, path)[0] for one in found], 3) for path in FIGURES.values()]
    return f"| {arm}, mean (95 % over seeds) | | " + " | ".join(cells) + " |"


def _curve(rows: Sequence[Mapping[str, Any]], arms: Sequence[str]) -> list[str]:
    """Means over seeds by arm and steps; with how many seeds, where others have more."""
    steps = sorted({one["steps"] for one in rows})
    most = len({one["seed"] for one in rows})
    found = {
        (arm, step): [
            one["scores"]["disentanglement"] for one in rows if (one["arm"], one["steps"]) == (arm, step)
        ]
        for arm in arms
        for step in steps
    }
    complete = {len(scores) for scores in found.values()} <= {0, most}
    note = "" if complete else " (in brackets: of how many, where some are missing)"
    lines = [
        f"| mean over seeds{note} | " + " | ".join(f"step {step:,}" for step in steps) + " |",
        "|" + "---|" * (1 + len(steps)),
    ]
    for arm in arms:
        for name, path in FIGURES.items():
            cells = []
            for step in steps:
                values = [figure(scores, path)[0] for scores in found[arm, step]]
                few = f" ({len(values)})" if len(values) < most else ""
                cells.append(f"{statistics.fmean(values):.3f}{few}" if values else "")
            lines.append(f"| {name}, {arm} | " + " | ".join(cells) + " |")
    return lines
