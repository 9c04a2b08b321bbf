"""How long `robust` trains on MNIST until it errs in 5 of 100 test images; in a process of its own.

`python -m benchmarks.to_error --threads N`: prints one JSON object. Looking at the error takes no part in
the time; finding neighbours does.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from infogan import api, data, evaluation
from infogan.config import Config
from infogan.data import Dataset
from infogan.errors import InfoGANError
from infogan.model import InfoGAN
from infogan.training import engine, runner
from infogan.training.trainer import Trainer, nearest_images

ERROR = 0.05
EVERY = 25  # steps between two looks
MOST = 2_000


def reach(
    config: Config, dataset: Dataset, error: float = ERROR, every: int = EVERY, most: int = MOST
) -> dict[str, Any]:
    """Trains until a look finds at most `error`.

    Returns:
        `steps` and `seconds` until then, `neighbour_seconds` of these, and `error` as it was found; where it
        was not reached after `most` steps, `steps` is None.
    """
    engine.keep_freed_memory()
    config = runner.resolve(config, dataset)
    start = time.perf_counter()
    nearest = nearest_images(config, dataset.train)
    neighbours = seconds = time.perf_counter() - start
    device = engine.choose_device(config.training.device)
    trainer = Trainer(
        InfoGAN(config),
        torch.tensor(dataset.train.images),
        device=device,
        precision=engine.choose_precision(config.training.precision, device),
        nearest=nearest,
    )
    found = 1.0
    while found > error and trainer.step < most:
        start = time.perf_counter()
        for _ in range(every):
            trainer.advance()
        seconds += time.perf_counter() - start
        scores = evaluation.evaluate(trainer.model, dataset, only=("clustering",))
        found = 1 - scores["clustering"]["accuracy"]
    return {
        "seed": config.training.seed,
        "steps": trainer.step if found <= error else None,
        "seconds": seconds,
        "neighbour_seconds": neighbours,
        "error": found,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and prints it; where MNIST is not at hand, prints that."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.to_error", description=__doc__)
    parser.add_argument(
        "--data", type=Path, help="folder with MNIST's files; default: where infogan keeps it"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, required=True)
    given = parser.parse_args(arguments)
    torch.set_num_threads(given.threads)
    config = api.configure(
        "mnist",
        data=given.data and str(given.data),
        recipe="robust",
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
