"""One process of a training on scikit-learn's digits, which writes the values of each step as JSON.

python -m tests.training.distributed_worker RECIPE STEPS DTYPE OUT

Rounding errors of float32 grow by a factor of two or more per step in the first steps of a GAN, between any
two orders of summation. In float64 they stay small, so that two trainings differ only if their mathematics
does.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch

from infogan import data, images, presets, processes, recipes
from infogan.config import DataConfig
from infogan.model import InfoGAN
from infogan.training import distributed, optimizers, runner
from infogan.training.trainer import Trainer, nearest_images


def in_double_precision() -> None:
    """Compute everything in float64 in this process, also what is float32 in the sources."""
    to_float, update = images.to_float, optimizers.update
    torch.set_default_dtype(torch.float64)
    torch.Tensor.float = torch.Tensor.double  # type: ignore[method-assign]
    # torch's fused Adam takes its flag as float32.
    optimizers.update = lambda adam, failed: update(adam, failed.to(torch.float32))
    images.to_float = lambda batch, output: to_float(batch, output).double()  # type: ignore[assignment]


def train(recipe: str, steps: int, out: Path) -> None:
    """Train for some steps, and write the sums of all values after each step."""
    torch.set_num_threads(1)
    size = 16 if recipe == "cr" else 8  # which its networks need
    dataset = data.load(DataConfig(source="digits", size=size))
    config = recipes.find(recipe).apply(presets.load("digits"))
    training = {"precision": "float32", "repair_start": 0, "repair_end": 0}
    objective = {"contrastive_weight": 2.0} if recipe == "cr" else {}  # from the first step on
    config = config.replace(network={"width": 0.25}, training=training, objective=objective)
    config = runner.resolve(config.replace(data={"size": size}), dataset)
    with distributed.joined() as ranks:
        trainer = Trainer(
            InfoGAN(config),
            torch.from_numpy(dataset.train.images),
            device=torch.device("cpu"),
            precision="float32",
            nearest=nearest_images(config, dataset.train),
            ranks=ranks,
        )
        lines = []
        for _ in range(steps):
            trainer.advance()
            lines.append(trainer.window.state())
    if processes.is_first():
        out.write_text(json.dumps(lines))


if __name__ == "__main__":
    if sys.argv[3] == "float64":
        in_double_precision()
    train(sys.argv[1], int(sys.argv[2]), Path(sys.argv[4]))
