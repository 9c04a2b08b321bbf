"""The stored model normalises images by statistics of the images that `encode` reads."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from infogan import data
from infogan.augmentation import still
from infogan.config import Config, DataConfig
from infogan.images import to_float
from infogan.model import InfoGAN
from infogan.networks.normalization import BatchNorm
from infogan.presets import load
from infogan.recipes import find
from infogan.runs.directory import RunDirectory
from infogan.training import final_statistics, runner
from infogan.training.progress import Output


def model_and_images() -> tuple[InfoGAN, np.ndarray]:
    """Return a model with wrong running statistics, and images."""
    config = find("robust").apply(load("digits")).replace(network={"width": 0.0625})
    dataset = data.load(DataConfig(source="digits"))
    model = InfoGAN(runner.resolve(config, dataset))
    for name, statistics in model.named_buffers():
        if name.endswith("real_mean"):
            statistics.fill_(3.0)
    return model.eval(), np.asarray(dataset.train.images)[:256]


def test_in_evaluation_q_predicts_what_it_predicts_with_the_statistics_of_all_images() -> None:
    model, images = model_and_images()
    x = still(to_float(torch.from_numpy(images), model.table.output), model.config.augmentation)
    with torch.no_grad():
        wrong = model.predict(x, "real")
        final_statistics.estimate(model, images, batches=1, batch_size=len(images))
        after = model.predict(x, "real")
        model.train()
        expected = model.predict(x, "real")
    torch.testing.assert_close(after, expected, atol=1e-2, rtol=1e-2)
    assert not torch.allclose(wrong, expected, atol=0.1)


def test_the_mean_over_batches_is_that_of_all_images_and_nothing_else_changes() -> None:
    model, images = model_and_images()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    final_statistics.estimate(model, images, batches=8, batch_size=32)
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed and all(name.endswith(("real_mean", "real_var")) for name in changed)
    assert not any(part.training for part in model.modules())
    assert all(part.momentum == BatchNorm.momentum for part in model.modules() if isinstance(part, BatchNorm))
    first = next(value for name, value in model.named_buffers() if name.endswith("real_mean"))
    mean = first.clone()
    final_statistics.estimate(model, images, batches=1, batch_size=256)
    torch.testing.assert_close(first, mean, atol=1e-4, rtol=1e-3)


def test_the_stored_model_has_them_and_the_checkpoint_does_not(tmp_path, tiny: Callable[..., Config]) -> None:
    dataset = data.load(DataConfig(source="digits"))
    stored = []
    for batches in (0, 5):
        config = runner.resolve(tiny(steps=4, final_statistics=batches), dataset)
        run = RunDirectory.create(tmp_path / str(batches))
        runner.train(config, dataset, run, output=Output(quiet=True))
        stored.append(InfoGAN.from_pretrained(run.path).state_dict())
    means = [name for name in stored[0] if name.endswith("real_mean")]
    assert all(not torch.equal(stored[0][name], stored[1][name]) for name in means)
    checkpoints = [
        (tmp_path / str(batches) / "checkpoints" / "step-00000004" / "model.safetensors").read_bytes()
        for batches in (0, 5)
    ]
    assert checkpoints[0] == checkpoints[1]
