"""A training inside an experiment: begun, gone on with, or found finished, whichever is the case."""

from __future__ import annotations

from pathlib import Path

from infogan import api
from infogan import config as configuration
from infogan.config import Config
from infogan.errors import ConfigError
from infogan.runs import checkpoint
from infogan.runs.directory import RunDirectory
from infogan.training.runner import FREE_KEYS, RESOLVED_KEYS, Trained


def trained_to(config: Config, steps: int, path: Path) -> Trained:
    """The run at `path`, trained to `steps`; an experiment that was stopped goes on where it was.

    Args:
        config: of a run that has not begun yet.
        steps: where this training ends.
        path: of the run.

    Raises:
        ConfigError: the run at `path` is another one, or past that step.
        StorageError: all its checkpoints are damaged.
    """
    if path.exists():
        before = RunDirectory.open(path).read_config()
        changed = configuration.changes(before, config)
        other = {key: pair for key, pair in changed.items() if key not in FREE_KEYS | RESOLVED_KEYS}
        if other:
            raise ConfigError(
                f"{path} was trained with another configuration: "
                + ", ".join(f"{key} = {old}, not {new}" for key, (old, new) in other.items()),
                "the same experiment, to go on with it",
                "another --out",
            )
        if before.training.steps > steps and (step := reached(path)) > steps:
            raise ConfigError(
                f"{path} was trained to step {step:,}, past step {steps:,}, and cannot go back to it",
                f"a run that has not gone further than step {steps:,}",
                f"another --out, or delete {path}, which is then trained anew",
            )
        return api.resume_run(path, settings={"training.steps": steps})
    training = config.training.model_copy(update={"steps": steps})
    return api.train_config(config.model_copy(update={"training": training}), out=path)


def reached(path: Path) -> int:
    """The step from which a run would go on: that of its newest whole checkpoint; 0 where there is none.

    Raises:
        StorageError: all its checkpoints are damaged.
    """
    if not path.exists():
        return 0
    # A damaged one is told of when the run goes on.
    found = checkpoint.newest(RunDirectory.open(path).checkpoints, lambda error: None)
    return 0 if found is None else int(found.state["trainer"]["step"])
