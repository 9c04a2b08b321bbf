"""A table of trainings: one file a row, so that a stopped experiment goes on and two shells can share one.

Rows are found again by arm, seed and steps; a row of other settings is refused and never mixed in.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from infogan import config as configuration
from infogan import storage
from infogan.config import Config
from infogan.errors import ConfigError
from infogan.experiments.arms import trained_to
from infogan.training.runner import FREE_KEYS, RESOLVED_KEYS, Trained

Measure = Callable[[Trained], dict[str, Any]]


def row(folder: Path, arm: str, config: Config, steps: int, measure: Measure) -> dict[str, Any]:
    """One training's figures: read from its file, or trained, measured and written.

    Args:
        folder: of the experiment; runs lie in ARM/seed-N, rows in rows/.
        arm: name of the variant.
        config: of the run; its seed is the row's.
        steps: where the training stands when it is measured.
        measure: figures of a trained model.

    Raises:
        ConfigError: the row on disk is of another configuration.
    """
    seed = config.training.seed
    path = folder / "rows" / f"{arm}-seed-{seed}-step-{steps}.json"
    if (there := found(path, config)) is not None:
        return there
    trained = trained_to(config, steps, folder / arm / f"seed-{seed}")
    made = {
        "arm": arm,
        "seed": seed,
        "steps": steps,
        "config": config.model_dump(mode="json"),
        "machine": json.loads(trained.run.environment_path.read_text()),
        **measure(trained),
    }
    write_row(path, made)
    return made


def found(path: Path, config: Config) -> dict[str, Any] | None:
    """The row in a file; None where there is no such file.

    Raises:
        ConfigError: it is of another configuration.
    """
    if not path.exists():
        return None
    there: dict[str, Any] = json.loads(path.read_text())
    if _essence(there["config"]) != _essence(config.model_dump(mode="json")):
        raise ConfigError(
            f"{path} holds figures of other settings", "the same command as before, to go on", "another --out"
        )
    return there


def write_row(path: Path, made: Mapping[str, Any]) -> None:
    """Writes one row, whole or not at all; its folder is made where it is missing.

    Raises:
        StorageError: it cannot be written.
    """
    with storage.writing(path, 0):
        path.parent.mkdir(parents=True, exist_ok=True)
    storage.write_text(path, json.dumps(made, indent=1) + "\n")


def _essence(settings: dict[str, Any]) -> dict[str, Any]:
    """What makes a run what it is: not where its images lie, nor how often it saves."""
    flat = configuration.flatten(settings)
    return {key: value for key, value in flat.items() if key not in FREE_KEYS | RESOLVED_KEYS}


def read_rows(folder: Path) -> list[dict[str, Any]]:
    """All rows of an experiment, by arm, steps and seed; `config` stays in the files."""
    rows = [json.loads(path.read_text()) for path in sorted((folder / "rows").glob("*.json"))]
    for entry in rows:
        entry.pop("config")
    return sorted(rows, key=lambda entry: (entry["arm"], entry["steps"], entry["seed"]))


def mean_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean over seeds with its 95 % interval by Student's t; the mean alone, thrice, for one seed."""
    from scipy import stats  # late: it takes a good part of a second

    numbers = np.asarray(values, dtype=np.float64)
    mean = float(numbers.mean())
    if len(numbers) < 2:
        return mean, mean, mean
    half = float(stats.t.ppf(0.975, len(numbers) - 1) * numbers.std(ddof=1) / np.sqrt(len(numbers)))
    return mean, mean - half, mean + half
