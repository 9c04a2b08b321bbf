"""Runs of trackio, a dashboard without a server: `trackio show --project infogan`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from infogan.config import Config
from infogan.runs import metrics_log
from infogan.runs.directory import RunDirectory
from infogan.sinks.sink import Sink, numbers, sink

PROJECT = "infogan"


@sink("trackio", package="trackio", extra="trackio")
class TrackioDashboard(Sink):
    """Logs numbers and pictures to the project "infogan", under the name of the run's folder.

    The folder is TRACKIO_DIR, or else one of trackio's own. A resumed run continues the one with its name.
    """

    def __init__(self, run: RunDirectory, config: Config) -> None:
        super().__init__(run, config)
        import trackio  # lazy: an optional dependency

        self._trackio = trackio
        # Another run may have had the same name; only one that has lines of metrics is a resumed one.
        resumed = bool(metrics_log.read(run.metrics_path))
        with redirect_stdout(sys.stderr):  # stdout is for results
            self._run = trackio.init(
                project=PROJECT,
                name=run.path.resolve().name,
                config=config.model_dump(mode="json"),
                resume="allow" if resumed else "never",
                embed=False,
                auto_log_gpu=False,
                auto_log_cpu=False,
            )

    def metrics(self, line: Mapping[str, Any]) -> None:
        """Log every number."""
        self._run.log(dict(numbers(line)), step=line["step"])

    def pictures(self, step: int, paths: Mapping[str, Path]) -> None:
        """Log the pictures."""
        self._run.log({name: self._trackio.Image(path) for name, path in paths.items()}, step=step)

    def close(self) -> None:
        """Finish this session of the run."""
        with redirect_stdout(sys.stderr):
            self._run.finish()
