"""Event files for TensorBoard, in RUN/tensorboard: `tensorboard --logdir runs`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from infogan.config import Config, to_toml
from infogan.runs import metrics_log
from infogan.runs.directory import RunDirectory
from infogan.sinks.sink import Sink, numbers, sink


@sink("tensorboard", package="tensorboardX", extra="tensorboard")
class TensorBoardFiles(Sink):
    """Writes scalars, pictures, messages and the configuration with tensorboardX.

    The first time, the lines that metrics.jsonl already has are written, too. Later, events after the step at
    which training is resumed are marked as replaced.
    """

    def __init__(self, run: RunDirectory, config: Config) -> None:
        super().__init__(run, config)
        from tensorboardX import SummaryWriter  # lazy: an optional dependency

        folder = run.path / "tensorboard"
        lines = metrics_log.read(run.metrics_path)
        known = any(folder.glob("events.out.*"))
        self._step = lines[-1]["step"] if lines else 0
        self._writer = SummaryWriter(str(folder), purge_step=self._step + 1 if known else None)
        if not known:
            self._writer.add_text("configuration", f"```toml\n{to_toml(config)}```", 0)
            for line in lines:
                self.metrics(line)

    def metrics(self, line: Mapping[str, Any]) -> None:
        """Write every number as a scalar."""
        self._step = line["step"]
        for name, value in numbers(line):
            self._writer.add_scalar(name, value, self._step)

    def pictures(self, step: int, paths: Mapping[str, Path]) -> None:
        """Write the pictures."""
        for name, path in paths.items():
            with Image.open(path) as picture:
                pixels = np.asarray(picture.convert("RGB"))
            self._writer.add_image(name, pixels, step, dataformats="HWC")

    def message(self, text: str) -> None:
        """Write a message as text."""
        self._writer.add_text("messages", text, self._step)

    def close(self) -> None:
        """Flush and close the event file."""
        self._writer.close()
