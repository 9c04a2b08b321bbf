"""A training inside an experiment: begun, gone on with, or found finished, whichever is the case."""

from __future__ import annotations

from pathlib import Path

from infogan import api
from infogan.config import Config
from infogan.training.runner import Trained


def trained_to(config: Config, steps: int, path: Path) -> Trained:
    """The run at `path`, trained to `steps`; an experiment that was stopped goes on where it was.

    Args:
        config: of a run that has not begun yet.
        steps: where this training ends.
        path: of the run.
    """
    if path.exists():
        return api.resume_run(path, settings=[f"training.steps={steps}"])
    training = config.training.model_copy(update={"steps": steps})
    return api.train_config(config.model_copy(update={"training": training}), out=path)
