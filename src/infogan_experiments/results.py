"""A table of trainings: one file a row, so that a stopped experiment goes on and two shells can share one.

Rows are found again by arm, seed and steps; a row of other settings is refused and never mixed in.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from infogan import config as configuration
from infogan import evaluation, storage
from infogan.config import Config
from infogan.config.migration import migrate
from infogan.errors import ConfigError
from infogan.runs.directory import RunDirectory
from infogan.training import seed_selection
from infogan.training.runner import FREE_KEYS, RESOLVED_KEYS, Trained
from infogan_experiments.experiment import Options
from infogan_experiments.variants import trained_to

FIRST_SEED = 100
"""Constants were chosen with seeds 0 to 9: what is published comes from others."""

CLUSTERING = ("accuracy", "nmi", "ari")
"""The figures of `clustering` that tables show, each with its interval."""

Make = Callable[[Path], dict[str, Any]]
"""From the path that a run may have to its figures."""

Measure = Callable[[Trained], dict[str, Any]]
"""From a training to what `evaluation.evaluate` gives."""


def seeds(options: Options, count: int, first: int = FIRST_SEED) -> range:
    """The seeds of a table: as the command line has them, else `count` from `first` on."""
    first = first if options.seed is None else options.seed
    return range(first, first + (options.seeds or count))


def row(folder: Path, arm: str, config: Config, steps: int, make: Make) -> None:
    """One training's figures: trained, measured and written, unless its file is there.

    Args:
        folder: of the experiment; runs lie in ARM/seed-N, rows in rows/.
        arm: name of the variant.
        config: of the run; its seed is the row's.
        steps: where the training stands when it is measured.
        make: trains and measures.

    Raises:
        ConfigError: the row on disk is of another configuration.
        StorageError: the row cannot be written.
    """
    seed = config.training.seed
    path = row_path(folder, arm, seed, steps)
    for other in (folder / "rows").glob(f"{arm}-seed-*-step-{steps}.json"):
        _check(other, config)  # all seeds of an arm are of one configuration
    if path.exists():
        return
    facts = {"arm": arm, "seed": seed, "steps": steps, "config": config.model_dump(mode="json")}
    made = facts | make(folder / arm / f"seed-{seed}")
    write_row(path, made)


def row_path(folder: Path, arm: str, seed: int, steps: int) -> Path:
    """Where a row's file lies in an experiment's folder."""
    return folder / "rows" / f"{arm}-seed-{seed}-step-{steps}.json"


def write_row(path: Path, made: Mapping[str, Any]) -> None:
    """One row's file; its folder is made where it is missing.

    Raises:
        StorageError: it cannot be written.
    """
    with storage.writing(path, 0):
        path.parent.mkdir(parents=True, exist_ok=True)
    storage.write_text(path, json.dumps(made, indent=1) + "\n")


def trained(config: Config, steps: int, only: Collection[str] = (), measure: Measure | None = None) -> Make:
    """Trains to a step and evaluates.

    Args:
        config: of the run.
        steps: where the training ends.
        only: as of `evaluation.evaluate`.
        measure: what to evaluate with, in place of that.
    """

    def make(path: Path) -> dict[str, Any]:
        run = trained_to(config, steps, path)
        scores = evaluation.evaluate(run.model, run.dataset, only=only) if measure is None else measure(run)
        machine = run.run.read_environment()
        return {"machine": machine, "scores": scores, **_label_free(config, run.run, steps)}

    return make


def _label_free(config: Config, run: RunDirectory, steps: int) -> dict[str, Any]:
    """By step, the score by which `--seeds` picks: at its set points, and at the end."""
    if not config.reads_real:
        return {}
    points = {point for point in config.training.prune_steps if point < steps} | {steps}
    found = {str(step): seed_selection.real_information(run.metrics_path, step) for step in sorted(points)}
    return {"label_free_nats": found}


def _check(path: Path, config: Config) -> None:
    """Raises ConfigError unless the row is of this configuration, whatever its seed."""
    if _essence(
        configuration.validate(migrate(json.loads(path.read_text())["config"], str(path)))
    ) != _essence(config):
        raise ConfigError(
            f"{path} holds figures of other settings", "the same command as before, to go on", "another --out"
        )


def publish(folder: Path, name: str, result: Mapping[str, Any], table: str) -> None:
    """Writes NAME.json and prints the table in Markdown."""
    path = folder / f"{name}.json"
    storage.write_text(path, json.dumps({"experiment": name, **result}, indent=1) + "\n")
    print(table)
    print(path)


def _essence(config: Config) -> dict[str, Any]:
    """What makes an arm what it is: not its seed, its preset's name, where images lie, how often it saves.

    An older row does not know the keys that came later: those are at their defaults, which change nothing.
    """
    flat = configuration.flatten(config.model_dump(mode="json"))
    left = FREE_KEYS | RESOLVED_KEYS | {"training.seed", "preset"}
    return {key: value for key, value in flat.items() if key not in left}


def read_rows(folder: Path) -> list[dict[str, Any]]:
    """All rows of an experiment, by arm, steps and seed; `config` stays in the files."""
    rows = [json.loads(path.read_text()) for path in sorted((folder / "rows").glob("*.json"))]
    for entry in rows:
        entry.pop("config")
    return sorted(rows, key=lambda entry: (entry["arm"], entry["steps"], entry["seed"]))


def with_interval(value: float, interval: Sequence[float], decimals: int) -> str:
    """A figure with its interval, as every table here has it: "0.731 (0.702 to 0.760)"."""
    low, high = interval
    return f"{value:.{decimals}f} ({low:.{decimals}f} to {high:.{decimals}f})"


def seeds_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean over seeds with its 95 % interval by Student's t; the mean alone, thrice, for one seed."""
    from scipy import stats  # late: it takes a good part of a second

    numbers = np.asarray(values, dtype=np.float64)
    mean = float(numbers.mean())
    if len(numbers) < 2:
        return mean, mean, mean
    half = float(stats.t.ppf(0.975, len(numbers) - 1) * numbers.std(ddof=1) / np.sqrt(len(numbers)))
    return mean, mean - half, mean + half


def share_interval(hits: int, count: int) -> tuple[float, float]:
    """The exact 95 % interval of a share, `hits` of `count` (Clopper and Pearson 1934)."""
    from scipy.stats import binomtest  # late: it takes a good part of a second

    found = binomtest(hits, count).proportion_ci(method="exact")
    return float(found.low), float(found.high)


def mean_over_seeds(values: Sequence[float], decimals: int) -> str:
    """The mean of a share over seeds with its 95 % interval, cut to 0 to 1, as tables have it."""
    mean, low, high = seeds_interval(values)
    return with_interval(mean, (max(low, 0.0), min(high, 1.0)), decimals)
