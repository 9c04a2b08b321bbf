"""Runs of Weights & Biases. Where and how they are stored is set by its own variables, such as WANDB_MODE."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infogan import storage
from infogan.config import Config
from infogan.runs.directory import RunDirectory
from infogan.sinks.sink import Sink, numbers, sink

PROJECT = "infogan"
_ID = "wandb-run.txt"


@sink("wandb", package="wandb", extra="wandb")
class WeightsAndBiases(Sink):
    """Logs numbers and pictures to the project of WANDB_PROJECT, or else "infogan".

    Its id is kept in RUN/wandb-run.txt, so that a resumed run continues it. Numbers are plotted
    over the metric "step".
    """

    def __init__(self, run: RunDirectory, config: Config) -> None:
        super().__init__(run, config)
        import wandb  # lazy: an optional dependency

        self._wandb = wandb
        path = run.path / _ID
        known = path.read_text(encoding="utf-8").strip() if path.is_file() else None
        self._run = wandb.init(
            project=wandb.setup().settings.project or PROJECT,
            name=run.path.resolve().name,
            id=known,
            resume="allow",
            dir=str(run.path),
            config=config.model_dump(mode="json"),
            reinit="create_new",
        )
        self._run.define_metric("*", step_metric="step")
        if known is None:
            storage.write_text(path, f"{self._run.id}\n")

    def metrics(self, line: Mapping[str, Any]) -> None:
        """Log every number."""
        self._run.log({"step": line["step"], **dict(numbers(line))})

    def pictures(self, step: int, paths: Mapping[str, Path]) -> None:
        """Log the pictures."""
        images = {name: self._wandb.Image(str(path)) for name, path in paths.items()}
        self._run.log({"step": step, **images})

    def close(self) -> None:
        """Finish this session of the run."""
        self._run.finish()
