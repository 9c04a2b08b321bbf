"""Training time of a recipe on MNIST until the clustering error on test images is 5%, in its own process.

`python -m benchmarks.to_error --recipe NAME --threads N` prints one JSON object. The time includes everything
before the first step, such as the search for neighbours and clusters, but not the evaluation.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from infogan import api, data, evaluation
from infogan.config import Config
from infogan.data import Dataset
from infogan.errors import InfoGANError
from infogan.runs import representation_files
from infogan.runs.directory import RunDirectory
from infogan.training import engine, runner
from infogan.training.anchoring import Phase, before_training
from infogan.training.anchors import Anchors
from infogan.training.trainer import Trainer, nearest_images

ERROR = 0.05
EVERY = 25  # steps between two evaluations
MAX_STEPS = 2_000


def reach(
    config: Config, dataset: Dataset, error: float = ERROR, every: int = EVERY, max_steps: int = MAX_STEPS
) -> dict[str, Any]:
    """Train until an evaluation gives at most `error`.

    Returns:
        `steps` and `seconds` of training, the `seconds_before` its first step, which these include, and the
        last `error`; `steps` is None if the error is not reached within `max_steps`.
    """
    engine.keep_freed_memory()
    config = runner.resolve(config, dataset)
    start = time.perf_counter()
    trainer = _before_first_step(config, dataset)
    before = seconds = time.perf_counter() - start
    measured = 1.0
    while measured > error and trainer.step < max_steps:
        start = time.perf_counter()
        for _ in range(every):
            trainer.advance()
        seconds += time.perf_counter() - start
        scores = evaluation.evaluate(trainer.model, dataset, only=("clustering",))
        measured = 1 - scores["clustering"]["accuracy"]
    return {
        "seed": config.training.seed,
        "steps": trainer.step if measured <= error else None,
        "seconds": seconds,
        "seconds_before": before,
        "error": measured,
    }


def _before_first_step(config: Config, dataset: Dataset) -> Trainer:
    """Do what a run does before its first step."""
    with tempfile.TemporaryDirectory() as folder:
        run = RunDirectory.create(Path(folder) / "run")
        config = Phase(config, dataset, run, say=lambda _: None).complete()
        known = representation_files.load(run.representation)
        model = before_training(config, run)
    device = engine.choose_device(config.training.device)
    return Trainer(
        model,
        torch.tensor(dataset.train.images),
        device=device,
        precision=engine.choose_precision(config.training.precision, device),
        nearest=nearest_images(config, dataset.train, known and known.neighbours),
        anchors=Anchors(known.anchors) if known and known.anchors else None,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the measurement, or that MNIST is not available."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.to_error", description=__doc__)
    parser.add_argument(
        "--data", type=Path, help="folder with the files of MNIST; default: infogan's own folder"
    )
    parser.add_argument("--recipe", default="robust")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, required=True)
    given = parser.parse_args(arguments)
    torch.set_num_threads(given.threads)
    config = api.configure(
        "mnist",
        data=given.data and str(given.data),
        recipe=given.recipe,
        settings={"training.seed": given.seed},
    )
    try:
        dataset = data.load(config.data)
    except InfoGANError as error:
        print(json.dumps({"not_measured": f"{error.happened}; try: make bench MNIST=FOLDER"}))
        return
    print(json.dumps(reach(config, dataset)))


if __name__ == "__main__":
    main()
