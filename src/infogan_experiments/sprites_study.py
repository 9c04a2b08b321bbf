"""Sprites on the dSprites grid: spectral norm, the contrastive regularizer and selection among runs.

The four rows of Lin et al. 2020 (arXiv 1906.06034, table 1), shortened; they train 322,560 steps a run.
"""

from __future__ import annotations

import shutil
import statistics
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from infogan import api, data, storage
from infogan import config as configuration
from infogan.config import Config
from infogan.errors import UsageError
from infogan.evaluation import model_selection
from infogan.model import InfoGAN
from infogan.recipes import REGULARISED_FROM
from infogan.reporting.markdown import markdown_table
from infogan.runs.directory import RunDirectory
from infogan_experiments.experiment import Options, configure, experiment
from infogan_experiments.result_tables import Number, Result, mean_over_seeds, number_at
from infogan_experiments.results import (
    publish,
    reached_step,
    read_results,
    record,
    result_path,
    train_and_measure,
)

SEEDS, STEPS, FEWEST_STEPS = 3, 10_000, 20
MEASURED_AT = (0.25, 0.5, REGULARISED_FROM, 1.0)
"""Shares of the steps at which a run is measured."""

BATCH, SPECTRAL, CONTRASTIVE = "batch norm in D", "spectral norm", "with the contrastive regulariser"
SELECTED = "picked by ModelCentrality"

METRICS = {"FactorVAE": "factorvae", "MIG": "mig", "DCI": "dci.disentanglement"}
"""Key paths in `disentanglement`."""

PUBLISHED = {
    BATCH: (0.59, 0.05, 0.41),
    SPECTRAL: (0.82, 0.22, 0.60),
    CONTRASTIVE: (0.88, 0.37, 0.71),
    SELECTED: (0.92, 0.45, 0.77),
}
"""On dSprites itself, in the order of METRICS (Lin et al. 2020, table 1)."""


def regularised_from(steps: int) -> int:
    """Return the first step with the regularizer."""
    return round(REGULARISED_FROM * steps)


def starting_at(step: int) -> dict[str, Any]:
    """Return the settings of a regularizer that starts at a step."""
    return {"objective.contrastive_weight": [[step, 0.0], [step, 2.0]]}


NEVER = starting_at(1_000_000_000)


def regularised(steps: int) -> str:
    """Return the name of the variant with the regularizer."""
    return f"{CONTRASTIVE} from step {regularised_from(steps)} on"


def variants(steps: int) -> dict[str, dict[str, Any]]:
    """Return the settings of each variant that differ from the recipe `cr`."""
    return {
        BATCH: {"network.normalization": "batch", "network.spectral_recognition": False, **NEVER},
        SPECTRAL: NEVER,
        regularised(steps): starting_at(regularised_from(steps)),
    }


@experiment("sprites")
def sprites(options: Options) -> None:
    """InfoGAN-CR on sprites: batch norm, spectral norm, the contrastive regularizer, and selection."""
    folder = options.folder("sprites")
    steps, seeds = options.steps or STEPS, options.seed_range(SEEDS)
    if steps < FEWEST_STEPS:
        raise UsageError(
            f"--steps {steps}", f"{FEWEST_STEPS} or more", f"infogan reproduce sprites --steps {STEPS}"
        )
    marks = [round(share * steps) for share in MEASURED_AT]
    dataset = data.load(configure("sprites", options, {}, recipe="cr").data)
    if len(dataset.test.images) < model_selection.FEWEST:
        raise UsageError(
            f"{len(dataset.test.images)} test images are too few to measure disentanglement",
            f"{model_selection.FEWEST} or more; a tenth of all are test images",
            "infogan reproduce sprites, without data.count",
        )
    for seed in seeds:
        base = configure("sprites", options, {"training.seed": seed}, recipe="cr")
        _train(folder, steps, marks, base)
    results = [
        result
        for result in read_results(folder)
        if result["arm"] in variants(steps) and result["seed"] in seeds and result["steps"] in marks
    ]
    selected = _select(folder / regularised(steps), seeds, dataset) if len(seeds) > 1 else None
    published = {"preset": "sprites", "recipe": "cr", "steps": steps, "picked": selected, "rows": results}
    publish(folder, "sprites", published, sprites_tables(results, steps, selected))


def _train(folder: Path, steps: int, marks: Sequence[int], base: Config) -> None:
    """Train every variant of one seed and measure it at every mark."""
    configs = {name: configuration.override(base, settings) for name, settings in variants(steps).items()}
    train = partial(train_and_measure, metrics=("disentanglement",))
    seed = base.training.seed
    for variant, mark in _order(marks, steps):
        path = folder / variant / f"seed-{seed}"
        if not result_path(folder, variant, seed, mark).exists():
            if variant == regularised(steps):
                _fork(folder / SPECTRAL / f"seed-{seed}", path, regularised_from(steps))
            if mark < steps and reached_step(path) > mark:
                _log(f"{variant}, seed {seed}: was trained past step {mark:,} and cannot be measured there")
                continue
        record(folder, variant, configs[variant], mark, train)


def _order(marks: Sequence[int], steps: int) -> list[tuple[str, int]]:
    """Return variants and steps in the order of training.

    A run with the regularizer is a copy of the run with spectral norm until the regularizer starts.
    """
    before = [mark for mark in marks if mark <= regularised_from(steps)]
    after = [mark for mark in marks if mark > regularised_from(steps)]
    order = [(BATCH, marks), (SPECTRAL, before), (regularised(steps), after), (SPECTRAL, after)]
    return [(variant, mark) for variant, some in order for mark in some]


def _fork(source: Path, target: Path, start: int) -> None:
    """Copy a run that continues with the regularizer, unless the copy exists or the run is past its start."""
    if target.exists():
        return
    config = RunDirectory.open(source).read_config()
    if config.training.steps != start:
        _log(f"{source} was trained past step {start:,}: {target} is trained from its start")
        return
    with storage.prepared_folder(target) as copy:
        shutil.copytree(source, copy, dirs_exist_ok=True)
        changed = configuration.override(config, starting_at(start))
        RunDirectory.open(copy).write_config(changed)
    api.resume_run(target, override=True)  # at its last step: its checkpoint records the new configuration


def _log(text: str) -> None:
    print(text, file=sys.stderr)


def _select(folder: Path, seeds: Sequence[int], dataset: data.Dataset) -> dict[str, Any]:
    """Return the run that ModelCentrality selects, with the score of each."""
    models = {str(seed): InfoGAN.from_pretrained(folder / f"seed-{seed}") for seed in seeds}
    found = model_selection.choose(models, model_selection.images_to_read(dataset))
    centrality = {name: float(one["model_centrality"]) for name, one in found["runs"].items()}
    return {"seed": int(max(centrality, key=centrality.__getitem__)), "model_centrality": centrality}


# --- tables ----------------------------------------------------------------------------------------------


def sprites_tables(results: Sequence[Result], steps: int, selected: Mapping[str, Any] | None) -> str:
    """Return a table of every run at its end, means, baselines and published values; and of all steps."""
    rows = []
    last = [result for result in results if result["steps"] == steps]
    for variant in variants(steps):
        some = [result for result in last if result["arm"] == variant]
        rows += [[variant, result["seed"], *_cells(result["scores"])] for result in some]
        if len(some) > 1:
            values = [[_number(result["scores"], path).value for result in some] for path in METRICS.values()]
            means = [mean_over_seeds(of_metric, (0.0, 1.0)) for of_metric in values]
            rows.append([f"{variant}, mean (95 % over seeds)", "", *(mean.text() for mean in means)])
    for result in last:
        if selected and (result["arm"], result["seed"]) == (regularised(steps), selected["seed"]):
            rows.append([SELECTED, result["seed"], *_cells(result["scores"])])
    for name, scores in last[0]["scores"]["baselines"].items() if last else ():
        if "disentanglement" in scores:
            rows.append([f"baseline: {name}", last[0]["seed"], *_cells(scores)])
    for variant, published in PUBLISHED.items():
        rows.append([f"published on dSprites: {variant}", "", *(f"{value:.2f}" for value in published)])
    head = [f"networks and recipe, {steps:,} steps", "seed", *METRICS]
    return f"{markdown_table(head, rows)}\n\n{_steps_table(results, list(variants(steps)))}"


def _number(scores: Mapping[str, Any], path: str) -> Number:
    number = number_at(scores["disentanglement"], path)
    assert number is not None
    return number


def _cells(scores: Mapping[str, Any]) -> list[str]:
    return [_number(scores, path).text() for path in METRICS.values()]


def _steps_table(results: Sequence[Result], names: Sequence[str]) -> str:
    """Return means over seeds by variant and steps; with the number of seeds if some are missing."""
    steps = sorted({result["steps"] for result in results})
    most = len({result["seed"] for result in results})
    groups = {
        name: [
            [result for result in results if (result["arm"], result["steps"]) == (name, step)]
            for step in steps
        ]
        for name in names
    }

    def cell(group: Sequence[Result], path: str) -> str:
        if not group:
            return ""
        mean = statistics.fmean(_number(result["scores"], path).value for result in group)
        return f"{mean:.3f}" + (f" ({len(group)})" if len(group) < most else "")

    complete = all(len(group) in (0, most) for some in groups.values() for group in some)
    note = "" if complete else " (in brackets: number of seeds, where some are missing)"
    rows = [
        [f"{metric}, {name}", *(cell(group, path) for group in groups[name])]
        for name in names
        for metric, path in METRICS.items()
    ]
    return markdown_table([f"mean over seeds{note}", *(f"step {step:,}" for step in steps)], rows)
