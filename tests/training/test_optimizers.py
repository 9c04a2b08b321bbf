"""Adam: its settings, updates that are left out, and its moments in a checkpoint."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from infogan.config import Config
from infogan.errors import StorageError
from infogan.training import optimizers
from tests.training.step_builders import make_trainer, with_training


def layer_and_adam() -> tuple[nn.Linear, torch.optim.Adam]:
    layer = nn.Linear(3, 2)
    optimizer = optimizers.adam(layer, 0.1, 0.5)
    layer(torch.ones(1, 3)).sum().backward()
    return layer, optimizer


def test_adam_is_that_of_the_configuration(tiny_config: Config) -> None:
    config = with_training(
        tiny_config, learning_rate_discriminator=0.1, learning_rate_generator=0.2, beta1=0.3, beta2=0.9
    )
    for name, rate in (("discriminator", 0.1), ("generator", 0.2)):
        (group,) = make_trainer(config).optimizers[name].param_groups
        found = group["lr"], group["betas"], group["eps"], group["weight_decay"]
        assert found == (rate, (0.3, 0.9), 1e-8, 0)


def test_the_learning_rate_of_recorded_updates_is_one_tensor_in_full_precision() -> None:
    layer, optimizer = layer_and_adam()
    recorded = nn.Linear(3, 2)
    recorded.load_state_dict(layer.state_dict())
    recorded(torch.ones(1, 3)).sum().backward()
    captured = optimizers.adam(recorded, 0.1, 0.5, captured=True)
    tensor = captured.param_groups[0]["lr"]
    for rate in (0.1, 0.003):
        for one in (optimizer, captured):
            optimizers.set_learning_rate(one, rate)
            optimizers.update(one, torch.tensor(0.0))
        assert captured.param_groups[0]["lr"] is tensor and float(tensor) == rate
        assert optimizer.param_groups[0]["lr"] == rate
        assert torch.equal(recorded.weight, layer.weight)


def test_a_failed_update_changes_neither_weights_nor_moments_nor_step_counts() -> None:
    layer, optimizer = layer_and_adam()
    optimizers.update(optimizer, torch.tensor(0.0))
    weight, moments = layer.weight.clone(), {k: v.clone() for k, v in _moments(optimizer).items()}
    layer.weight.grad.fill_(float("nan"))
    optimizers.update(optimizer, torch.tensor(1.0))
    assert torch.equal(layer.weight, weight)
    assert all(torch.equal(value, moments[name]) for name, value in _moments(optimizer).items())
    layer.weight.grad.fill_(1.0)
    optimizers.update(optimizer, torch.tensor(0.0))
    assert not torch.equal(layer.weight, weight)
    assert _moments(optimizer)["layer.0.step"] == 2


def _moments(optimizer: torch.optim.Adam) -> dict[str, torch.Tensor]:
    return optimizers.moments({"layer": optimizer})


def test_moments_are_restored() -> None:
    _, optimizer = layer_and_adam()
    optimizers.update(optimizer, torch.tensor(0.0))
    _, again = layer_and_adam()
    optimizers.load_moments({"layer": again}, _moments(optimizer))
    assert list(_moments(again)) == [
        f"layer.{n}.{key}" for n in (0, 1) for key in ("step", "exp_avg", "exp_avg_sq")
    ]
    assert all(torch.equal(value, _moments(again)[name]) for name, value in _moments(optimizer).items())


def test_a_missing_moment_is_named() -> None:
    _, optimizer = layer_and_adam()
    optimizers.update(optimizer, torch.tensor(0.0))
    moments = _moments(optimizer)
    del moments["layer.0.exp_avg"]
    with pytest.raises(StorageError, match=r"layer\.0\."):
        optimizers.load_moments({"layer": optimizer}, moments)


def test_the_contrastive_optimizer_that_had_not_begun_is_reset() -> None:
    _, optimizer = layer_and_adam()
    optimizers.update(optimizer, torch.tensor(0.0))
    optimizers.load_moments({"contrastive": optimizer}, {})
    assert not optimizer.state


def test_a_parameter_that_the_loss_does_not_use_has_no_moments() -> None:
    layers = nn.ModuleDict({"used": nn.Linear(3, 2), "unused": nn.Linear(3, 2)})
    optimizer, again = optimizers.adam(layers, 0.1, 0.5), optimizers.adam(layers, 0.1, 0.5)
    layers["used"](torch.ones(1, 3)).sum().backward()
    optimizers.update(optimizer, torch.tensor(0.0))
    optimizers.load_moments({"layer": again}, _moments(optimizer))
    assert _moments(again).keys() == _moments(optimizer).keys()
    with pytest.raises(StorageError, match=r"layer\.0\."):
        optimizers.load_moments({"layer": again}, {})
