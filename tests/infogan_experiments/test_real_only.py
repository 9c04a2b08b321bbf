"""The baseline without a generator."""

from __future__ import annotations

import torch

from infogan import api, data, evaluation
from infogan.model import InfoGAN
from infogan.training import runner
from infogan_experiments.real_only import cluster_real


def test_real_images_alone_are_clustered_without_a_generator() -> None:
    config = api.configure(
        "digits", settings={"network.width": 0.25, "training.steps": 60, "learning_rate_discriminator": 0.003}
    )
    dataset = data.load(config.data)
    config = runner.resolve(config, dataset)
    before, model = InfoGAN(config), cluster_real(config, dataset)
    for mine, theirs in zip(model.generator.parameters(), before.generator.parameters(), strict=True):
        assert torch.equal(mine, theirs)
    first, second = (
        evaluation.evaluate(one, dataset, only=("clustering",))["clustering"] for one in (before, model)
    )
    assert second["accuracy"] > first["accuracy"] + 0.1
