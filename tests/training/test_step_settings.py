"""The scheduled settings of a step: functions of the absolute step."""

from __future__ import annotations

import pytest

from infogan.config import Config
from infogan.training.step_settings import settings_at
from tests.training.step_builders import make_trainer, with_training


def test_learning_rates_follow_their_schedule(tiny_config: Config) -> None:
    config = with_training(tiny_config, learning_rate_schedule=[[2, 1.0], [6, 0.5]])
    factors = [settings_at(config, step).learning_rates["generator"] / 1e-3 for step in range(8)]
    assert factors == pytest.approx([1, 1, 1, 0.875, 0.75, 0.625, 0.5, 0.5])
    rates = settings_at(config, 6).learning_rates
    assert rates["discriminator"] == rates["contrastive"] == pytest.approx(1e-4)


def test_the_optimizers_get_the_learning_rates_of_their_step(tiny_config: Config) -> None:
    trainer = make_trainer(with_training(tiny_config, learning_rate_schedule=[[0, 1.0], [2, 0.5]]))
    trainer.step = 1
    trainer.advance()
    for name, optimizer in trainer.optimizers.items():
        assert optimizer.param_groups[0]["lr"] == settings_at(trainer.config, 1).learning_rates[name]


def test_terms_have_the_weights_of_their_step(tiny_config: Config) -> None:
    config = tiny_config.replace(objective={"mode_seeking_weight": [[2, 0.0], [4, 1.0]]})
    assert [settings_at(config, step).weight("mode_seeking") for step in range(6)] == [0, 0, 0, 0.5, 1, 1]
    assert settings_at(config, 0).weight("contrastive") == 0
    assert [settings_at(config, step).active("mode_seeking") for step in (2, 3)] == [False, True]


def test_code_noise_and_the_average_s_decay_are_those_of_the_step(tiny_config: Config) -> None:
    config = tiny_config.replace(
        training={"ema_decay": 0.9, "ema_start": 3}, augmentation={"code_noise": [[2, 1.0], [4, 0.5]]}
    )
    settings = [settings_at(config, step) for step in range(6)]
    assert [1 - part.ema_rate for part in settings] == pytest.approx([0, 0, 0, 0.9, 0.9, 0.9])
    assert [part.code_noise for part in settings] == [1, 1, 1, 0.75, 0.5, 0.5]
