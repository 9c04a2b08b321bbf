"""Results of trainings: one JSON file each, so that an experiment resumes and two shells can share it.

A result is identified by variant, seed and steps. One with other settings is refused, never mixed in.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from infogan import api, evaluation, storage
from infogan import config as configuration
from infogan.config import Config
from infogan.config.migration import migrate
from infogan.errors import ConfigError
from infogan.runs import checkpoint
from infogan.runs.directory import RunDirectory
from infogan.training import seed_selection
from infogan.training.resumption import FREE_KEYS
from infogan.training.runner import RESOLVED_KEYS, Trained

Train = Callable[[Config, int, Path], dict[str, Any]]
"""Trains a configuration to a step, in a run directory of that path, and returns the result's values."""

Measure = Callable[[Trained], dict[str, Any]]
"""Returns the scores of a trained model, as `evaluation.evaluate` does."""


def record(folder: Path, variant: str, config: Config, steps: int, train: Train) -> None:
    """Train, measure and write one result, unless its file exists.

    Args:
        folder: of the experiment; runs are in VARIANT/seed-N, results in rows/.
        variant: its name.
        config: of the run, including its seed.
        steps: at which the model is measured.
        train: trains and measures.

    Raises:
        ConfigError: a result of this variant has another configuration.
        StorageError: the result cannot be written.
    """
    seed = config.training.seed
    path = result_path(folder, variant, seed, steps)
    for of_variant in path.parent.glob(f"{variant}-seed-*-step-{steps}.json"):
        _check(of_variant, config)
    if not path.exists():
        identity = {"arm": variant, "seed": seed, "steps": steps, "config": config.model_dump(mode="json")}
        write_result(path, identity | train(config, steps, folder / variant / f"seed-{seed}"))


def result_path(folder: Path, variant: str, seed: int, steps: int) -> Path:
    """Return the path of a result's file in an experiment's folder."""
    return folder / "rows" / f"{variant}-seed-{seed}-step-{steps}.json"


def write_result(path: Path, result: Mapping[str, Any]) -> None:
    """Write a result's file, and its folder if it is missing.

    Raises:
        StorageError: it cannot be written.
    """
    with storage.writing(path, 0):
        path.parent.mkdir(parents=True, exist_ok=True)
    storage.write_text(path, json.dumps(result, indent=1) + "\n")


def read_results(folder: Path) -> list[dict[str, Any]]:
    """Return all results of an experiment by variant, steps and seed, without their configurations."""
    results = [json.loads(path.read_text()) for path in (folder / "rows").glob("*.json")]
    for result in results:
        result.pop("config")
    return sorted(results, key=lambda one: (one["arm"], one["steps"], one["seed"]))


def publish(folder: Path, name: str, values: Mapping[str, Any], table: str) -> None:
    """Write NAME.json and print the Markdown table."""
    path = folder / f"{name}.json"
    storage.write_text(path, json.dumps({"experiment": name, **values}, indent=1) + "\n")
    print(table)
    print(path)


def _check(path: Path, config: Config) -> None:
    """Raise ConfigError unless the result at `path` has this configuration, except for its seed."""
    recorded = configuration.validate(migrate(json.loads(path.read_text())["config"], str(path)))
    if _changes(recorded, config).keys() - {"training.seed", "preset"}:
        raise ConfigError(
            f"{path} has results of other settings", "the same command as before, to resume", "another --out"
        )


def _changes(before: Config, after: Config) -> dict[str, tuple[Any, Any]]:
    """Return the keys that differ, but for paths, saving, and codes that a run finds itself."""
    differing = configuration.changes(before, after)
    found = ("latents.",) if after.representation.fit_steps else ()
    return {
        key: pair
        for key, pair in differing.items()
        if key not in FREE_KEYS | RESOLVED_KEYS and not key.startswith(found)
    }


# --- training --------------------------------------------------------------------------------------------


def train_and_measure(
    config: Config, steps: int, path: Path, *, metrics: Collection[str] = (), measure: Measure | None = None
) -> dict[str, Any]:
    """Train to a step and return the result's values: machine, scores and the label-free score.

    Args:
        config: of the run.
        steps: at which the training ends.
        path: of the run directory.
        metrics: names of the metrics; empty: all that apply.
        measure: replaces `evaluation.evaluate`.
    """
    trained = train_to(config, steps, path)
    if measure is None:
        scores = evaluation.evaluate(trained.model, trained.dataset, only=metrics)
    else:
        scores = measure(trained)
    result = {"machine": trained.run.read_environment(), "scores": scores}
    if config.reads_real:  # the score by which `--seeds` selects, at the steps where it is used
        points = {point for point in config.training.prune_steps if point < steps} | {steps}
        result["label_free_nats"] = {
            str(step): seed_selection.real_information(trained.run.metrics_path, step)
            for step in sorted(points)
        }
    return result


def train_to(config: Config, steps: int, path: Path) -> Trained:
    """Train the run at `path` to a step; a run that exists is resumed.

    Args:
        config: of a run that has not started yet.
        steps: at which this training ends.
        path: of the run directory.

    Raises:
        ConfigError: the run at `path` has another configuration, or is past that step.
        StorageError: all its checkpoints are damaged.
    """
    if not path.exists():
        return api.train_config(config.replace(training={"steps": steps}), out=path)
    before = RunDirectory.open(path).read_config()
    if changed := _changes(before, config):
        raise ConfigError(
            f"{path} was trained with another configuration: "
            + ", ".join(f"{key} = {old}, not {new}" for key, (old, new) in changed.items()),
            "the same experiment, to resume it",
            "another --out",
        )
    if before.training.steps > steps and (step := reached_step(path)) > steps:
        raise ConfigError(
            f"{path} was trained to step {step:,}, past step {steps:,}",
            f"a run that has not passed step {steps:,}",
            f"another --out, or delete {path} to train it again",
        )
    return api.resume_run(path, settings={"training.steps": steps})


def reached_step(path: Path) -> int:
    """Return the step of a run's newest complete checkpoint; 0 if there is none.

    Raises:
        StorageError: all its checkpoints are damaged.
    """
    if not path.exists():
        return 0
    # Resuming the run reports damaged checkpoints.
    newest = checkpoint.newest(RunDirectory.open(path).checkpoints, lambda error: None)
    return 0 if newest is None else int(newest.state["trainer"]["step"])
