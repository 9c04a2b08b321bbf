"""Loss terms: their weights, those of plug-ins, and the refusal of terms that cannot work."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from infogan import config as configuration
from infogan import recipes
from infogan.config import Config
from infogan.errors import ConfigError
from infogan.presets import load
from infogan.training.terms import TERMS, TermInputs, term, weight_of
from tests.training.step_builders import (
    advance,
    discriminator_losses,
    generator_losses,
    make_trainer,
    with_training,
)


def test_terms_of_a_plug_in_are_descended_or_ascended_by_their_player(tiny_config: Config) -> None:
    def sample(rng: torch.Generator, batch_size: int) -> Mapping[str, Tensor]:
        return {"offset": torch.rand(batch_size, generator=rng)}

    def brightness(inputs: TermInputs) -> Tensor:
        return inputs.generated.mean() + 1e-3 * inputs.samples["offset"].mean()

    def feature_size(inputs: TermInputs) -> Tensor:
        return inputs.features.square().mean()

    with TERMS.restored():
        term("brightness", player="generator", sample=sample)(brightness)
        term("feature_size", player="discriminator", maximized=True)(feature_size)
        values, after = {}, {}
        for weight in (0.0, 1e3):
            chosen = {"brightness": weight, "feature_size": weight}
            trainer = make_trainer(with_training(tiny_config).replace(objective={"terms": chosen}))
            advance(trainer, 6)
            after[weight] = discriminator_losses(trainer).terms | generator_losses(trainer).terms
            values[weight] = trainer.take_window()["terms"]
    assert (values[0.0], after[0.0]) == ({}, {})
    assert set(values[1e3]) == {"brightness", "feature_size"}
    assert after[1e3]["brightness"] < values[1e3]["brightness"]
    assert after[1e3]["feature_size"] > values[1e3]["feature_size"]


def test_a_term_of_one_name_exists_once() -> None:
    with pytest.raises(ValueError, match="mode_seeking"):
        term("mode_seeking", player="generator")(lambda inputs: inputs.generated.mean())


def test_a_term_that_is_not_used_has_no_weight(tiny_config: Config) -> None:
    assert not any(weight_of(name, tiny_config) for name in TERMS)
    config = tiny_config.replace(objective={"mode_seeking_weight": 0.5})
    assert weight_of("mode_seeking", config).at(0) == 0.5


def test_the_mode_seeking_term_has_gradients_for_the_generator(tiny_config: Config) -> None:
    trainer = make_trainer(with_training(tiny_config).replace(objective={"mode_seeking_weight": 1.0}))
    values = generator_losses(trainer).terms
    assert set(values) == {"mode_seeking"}
    values["mode_seeking"].backward()
    assert all(parameter.grad is not None for parameter in trainer.model.generator.parameters())
    assert discriminator_losses(trainer).terms == {}


def test_without_noise_there_is_no_mode_to_seek(tiny_config: Config) -> None:
    config = with_training(tiny_config).replace(objective={"mode_seeking_weight": 1.0}, latents={"noise": 0})
    trainer = make_trainer(config)
    trainer.advance()
    assert "mode_seeking" not in trainer.take_window()["terms"]


def test_terms_that_cannot_work_are_refused() -> None:
    config = recipes.find("robust").apply(load("digits"))
    with pytest.raises(ConfigError, match="augmentation"):
        configuration.override(
            config, {f"augmentation.{key}": 0.0 for key in ("rotation", "shift", "scale", "shear")}
        )
    with pytest.raises(ConfigError, match="subcode_weight"):
        configuration.override(config, {"subcode_weight": 0.0})
    with pytest.raises(ConfigError, match="ascending order"):
        configuration.override(config, {"learning_rate_schedule": [[6_000, 1.0], [5_000, 0.02]]})
