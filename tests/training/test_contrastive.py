"""The recipe `cr`: pairs that share one code, who learns from them and when, and going on exactly."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from infogan import regularizers, streams
from infogan.config import (
    Categorical,
    Config,
    LatentsConfig,
    ObjectiveConfig,
    Periodic,
    TrainingConfig,
    Uniform,
    override,
)
from infogan.errors import ConfigError, DivergenceError
from infogan.latents import Latents
from infogan.model import InfoGAN
from infogan.training.trainer import Trainer

IMAGES = torch.randint(0, 256, (40, 8, 8, 1), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def make(config: Config, *, start: int = 0, weight: float = 2.0, **training: Any) -> Trainer:
    changed = config.model_copy(
        update={
            "objective": ObjectiveConfig(contrastive_weight=[[start, 0.0], [start, weight]]),
            "training": TrainingConfig(batch_size=8, **training),
        }
    )
    return Trainer(InfoGAN(changed), IMAGES, device=torch.device("cpu"), precision="float32")


def copied(module: torch.nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def moved(module: torch.nn.Module, before: dict[str, Tensor]) -> set[str]:
    return {name for name, value in module.named_parameters() if not torch.equal(value, before[name])}


# --- pairs -----------------------------------------------------------------------------------------------


def test_a_pair_shares_its_noise_and_one_single_code() -> None:
    codes = {"kind": Categorical(50, dim=2), "style": Uniform(dim=2), "turn": Periodic()}
    latents = Latents(LatentsConfig(noise=3, codes=codes))
    first, second, shared = latents.sample_pairs(400, streams.generator(0, "test"))
    (noise, ours), (other_noise, theirs) = latents.split(first), latents.split(second)
    assert torch.equal(noise, other_noise)
    alike = torch.stack(
        [(ours[name][:, columns] == theirs[name][:, columns]).all(1) for name, columns in latents.dimensions],
        dim=1,
    )
    assert alike.shape == (400, 5)
    assert alike.gather(1, shared[:, None]).all()
    alike[torch.arange(400), shared] = False
    assert not alike[:, 2:].any()  # continuous codes never meet by chance, one of 50 categories seldom
    assert alike[:, :2].float().mean() < 0.05
    assert set(shared.tolist()) == set(range(5))


def test_the_loss_is_the_cross_entropy_of_the_shared_code() -> None:
    shared = torch.tensor([0, 2, 1])
    assert regularizers.contrastive_loss(torch.zeros(3, 5), shared).item() == pytest.approx(1.609438)
    certain = 30.0 * torch.nn.functional.one_hot(shared, 5).float()
    assert regularizers.contrastive_loss(certain, shared).item() == pytest.approx(0.0, abs=1e-6)


# --- who learns, and when --------------------------------------------------------------------------------


def test_the_classifier_and_the_generator_learn_from_pairs_and_nothing_else_does(
    tiny_config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make(tiny_config)
    found: dict[str, set[str]] = {}
    update = Trainer._update

    def watched(self: Trainer, name: str, loss: Tensor) -> None:
        before = copied(self.model)
        update(self, name, loss)
        found[name] = moved(self.model, before)

    monkeypatch.setattr(Trainer, "_update", watched)
    made.advance()
    assert list(found) == ["contrastive", "discriminator", "generator"]
    for name, prefixes in {
        "contrastive": {"contrastive"},
        "discriminator": {"trunk", "discriminator", "recognition"},
        "generator": {"generator"},
    }.items():
        assert {key.partition(".")[0] for key in found[name]} == prefixes
    assert all(parameter.requires_grad for parameter in made.model.parameters())


def test_the_weight_counts_in_the_generator_s_step(tiny_config: Config) -> None:
    after = []
    for weight in (1e-9, 2.0):
        made = make(tiny_config, weight=weight)
        made.advance()
        after.append(copied(made.model.generator))
    assert any(not torch.equal(value, after[1][name]) for name, value in after[0].items())


def test_before_its_start_a_run_is_the_run_without_it(tiny_config: Config) -> None:
    made, without = make(tiny_config, start=2), make(tiny_config, weight=0.0)
    assert made.model.contrastive is not None and without.model.contrastive is None
    fresh = copied(made.model.contrastive)
    for _ in range(2):
        made.advance()
        without.advance()
    assert not moved(made.model.contrastive, fresh)
    ours = copied(made.model)
    assert all(torch.equal(value, ours[name]) for name, value in without.model.state_dict().items())
    assert "contrastive" not in made.take_window()["terms"]
    made.advance()
    assert moved(made.model.contrastive, fresh)
    assert 0.1 < made.take_window()["terms"]["contrastive"] < 10


@pytest.mark.parametrize("steps", [1, 2, 4])
def test_a_run_that_is_restored_before_or_after_its_start_goes_on_exactly(
    tiny_config: Config, steps: int
) -> None:
    first = make(tiny_config, start=2)
    for _ in range(steps):
        first.advance()
    kept = (copied(first.model), {k: v.clone() for k, v in first.optimizer_tensors().items()}, first.state())
    second = make(tiny_config, start=2)
    second.restore(*kept)
    for trainer in (first, second):
        for _ in range(3):
            trainer.advance()
    assert first.window == second.window
    theirs = second.model.state_dict() | second.optimizer_tensors()
    for name, value in (first.model.state_dict() | first.optimizer_tensors()).items():
        assert torch.equal(value, theirs[name])


def test_divergence_of_the_classifier_stops_before_its_update(
    tiny_config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make(tiny_config)
    before = copied(made.model)
    monkeypatch.setattr(objective, "contrastive_loss", lambda logits, shared: logits.sum() * float("nan"))
    with pytest.raises(DivergenceError, match="contrastive"):
        made.advance()
    assert not moved(made.model, before)


def test_one_code_alone_cannot_be_told_from_others(tiny_config: Config) -> None:
    one = tiny_config.model_copy(update={"latents": LatentsConfig(codes={"style": Uniform()})})
    with pytest.raises(ConfigError, match="two codes or more"):
        override(one, {"objective.contrastive_weight": 1})


# --- several updates of G --------------------------------------------------------------------------------


def test_the_generator_is_updated_as_often_as_told_on_other_latents(
    tiny_config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make(tiny_config, weight=0.0, generator_updates=3)
    updates, seen = [], []
    latents, update = Trainer._latents, Trainer._update

    def drawn(self: Trainer, *args: Any, **keywords: Any) -> Any:
        found = latents(self, *args, **keywords)
        seen.append(found[0].clone())
        return found

    def watched(self: Trainer, name: str, loss: Tensor) -> None:
        updates.append(name)
        update(self, name, loss)

    monkeypatch.setattr(Trainer, "_latents", drawn)
    monkeypatch.setattr(Trainer, "_update", watched)
    made.advance()
    assert updates == ["discriminator", "generator", "generator", "generator"]
    assert len({value.numpy().tobytes() for value in seen}) == 4
    assert made.step == 1
