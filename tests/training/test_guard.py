"""Divergence: the first bad update and all later ones are left out, and the error names the cause."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from infogan import objective, regularizers
from infogan.config import Config, ObjectiveConfig
from infogan.data import Dataset, Split
from infogan.errors import DivergenceError
from infogan.runs import checkpoint
from infogan.runs.directory import RunDirectory
from infogan.training import runner
from infogan.training.guard import DivergenceGuard
from infogan.training.trainer import Trainer
from tests.training.step_builders import CPU, IMAGES, advance, copied, make_trainer, with_training


@pytest.fixture
def trainer(tiny_config: Config) -> Trainer:
    return make_trainer(with_training(tiny_config, ema_decay=0.9))


def broken(value: float, function: Callable[..., Any], calls: tuple[int, ...] | None = None) -> Any:
    """Return an objective function whose result is `value`, with a gradient; in all calls or in some."""
    count = 0

    def changed(*arguments: Any) -> Any:
        nonlocal count
        result = function(*arguments)
        count += 1
        if calls is not None and count - 1 not in calls:
            return result
        if isinstance(result, dict):
            return {name: bound * 0 + value for name, bound in result.items()}
        return result * 0 + value

    return changed


def trained(trainer: Trainer) -> dict[str, Tensor]:
    """Return copies of weights, the generator's average, and Adam's moments and step counts."""
    weights = dict(trainer.model.named_parameters())
    average = {f"ema.{name}": value for name, value in trainer.model.ema.state_dict().items()}
    moments = {name: v for name, v in trainer.optimizer_tensors().items() if not name.startswith("real.")}
    return {name: value.detach().clone() for name, value in (weights | average | moments).items()}


def assert_unchanged(trainer: Trainer, before: dict[str, Tensor], prefix: str = "") -> None:
    for name, value in trained(trainer).items():
        if name.startswith(prefix):
            assert torch.equal(value, before[name]), name


# --- in training -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1_001.0, -1_001.0])
@pytest.mark.parametrize("name", ["discriminator_loss", "mutual_information_bound"])
def test_nothing_changes_from_the_first_bad_step_on(
    name: str, value: float, trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer.advance()
    before = trained(trainer)
    with monkeypatch.context() as patched:
        patched.setattr(objective, name, broken(value, getattr(objective, name)))
        trainer.advance()
    assert_unchanged(trainer, before)
    advance(trainer, 2)  # good steps again, which must not be applied either
    assert_unchanged(trainer, before)
    term = {"discriminator_loss": r"loss\.discriminator", "mutual_information_bound": "mutual_information"}
    with pytest.raises(DivergenceError, match=f"at step 2: {term[name]}") as caught:
        trainer.check()
    assert "training.learning_rate_generator = 0.0002" in caught.value.advice


@pytest.mark.parametrize("value", [math.nan, math.inf, 1_001.0])
def test_a_bad_loss_of_the_generator_leaves_the_generator(
    value: float, trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer.advance()
    before = trained(trainer)
    monkeypatch.setattr(objective, "generator_loss", broken(value, objective.generator_loss))
    advance(trainer, 2)
    for prefix in ("generator.", "ema."):
        assert_unchanged(trainer, before, prefix)
    with pytest.raises(DivergenceError, match=r"at step 2: loss\.generator"):
        trainer.check()


def test_a_bad_bound_in_the_generator_s_update_leaves_the_generator(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer.advance()
    before = trained(trainer)
    bound = broken(math.nan, objective.mutual_information_bound, calls=(1,))
    monkeypatch.setattr(objective, "mutual_information_bound", bound)
    advance(trainer, 2)
    assert_unchanged(trainer, before, "generator.")
    with pytest.raises(DivergenceError, match="at step 2: mutual_information"):
        trainer.check()


@pytest.mark.parametrize(("update", "network"), [("discriminator", "trunk"), ("generator", "generator")])
def test_a_nan_in_the_gradient_of_one_parameter_is_not_applied(
    update: str, network: str, trainer: Trainer
) -> None:
    trainer.advance()
    before = trained(trainer)
    parameter = list(getattr(trainer.model, network).parameters())[-1]
    hook = parameter.register_hook(lambda gradient: gradient.index_fill(0, torch.tensor([0]), math.nan))
    trainer.advance()
    hook.remove()
    advance(trainer, 2)
    for prefix in (f"{network}.", f"{update}.", "ema."):
        assert_unchanged(trainer, before, prefix)
    with pytest.raises(DivergenceError, match=f"at step 2: a gradient in the update of the {update}"):
        trainer.check()


def test_a_bad_update_of_the_contrastive_classifier_stops_all_updates(
    tiny_config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = with_training(tiny_config).model_copy(
        update={"objective": ObjectiveConfig(contrastive_weight=2.0)}
    )
    trainer = make_trainer(config)
    before = copied(trainer.model)
    monkeypatch.setattr(regularizers, "contrastive_loss", lambda logits, shared: logits.sum() * math.nan)
    trainer.advance()
    for name, value in trainer.model.named_parameters():
        assert torch.equal(value, before[name]), name
    with pytest.raises(DivergenceError, match="at step 1: contrastive is nan"):
        trainer.check()


@pytest.mark.parametrize("read", ["take_window", "peek_window"])
def test_metrics_of_a_diverged_training_are_refused(
    read: str, trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer.advance()
    getattr(trainer, read)()
    monkeypatch.setattr(objective, "generator_loss", broken(math.nan, objective.generator_loss))
    trainer.advance()
    with pytest.raises(DivergenceError, match="at step 2"):
        getattr(trainer, read)()


def test_a_restored_trainer_counts_on_from_its_step(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    advance(trainer, 2)
    again = make_trainer(trainer.config)
    again.restore(trainer.model.state_dict(), trainer.optimizer_tensors(), trainer.state())
    monkeypatch.setattr(objective, "generator_loss", broken(math.nan, objective.generator_loss))
    again.advance()
    with pytest.raises(DivergenceError, match="at step 3"):
        again.check()


def test_no_checkpoint_follows_a_bad_step_and_the_one_before_is_whole(
    tiny_config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = with_training(
        tiny_config, steps=12, save_every=3, sample_every=1_000, device="cpu", precision="float32"
    ).model_copy(update={"preset": "noise"})
    dataset, run = (
        Dataset("noise", Split(IMAGES.numpy()), Split(IMAGES[:4].numpy())),
        RunDirectory.create(tmp_path / "run"),
    )
    monkeypatch.setattr(objective, "generator_loss", broken(math.nan, objective.generator_loss, calls=(7,)))
    with pytest.raises(DivergenceError, match=r"at step 8: .*step-00000006"):
        runner.train(config, dataset, run)
    monkeypatch.undo()
    assert sorted(checkpoint.listed(run.checkpoints)) == [3, 6]
    assert not (run.model / "model.safetensors").exists()
    saved = checkpoint.load(checkpoint.listed(run.checkpoints)[6])
    assert all(torch.isfinite(value).all() for value in (saved.model | saved.optimizer).values())
    resumed = runner.resume(run, lambda _: dataset)
    whole = runner.train(config, dataset, RunDirectory.create(tmp_path / "whole"))
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[name]), name


# --- the flag itself -------------------------------------------------------------------------------------


def check(guard: DivergenceGuard, values: dict[str, float], update: str = "generator") -> float:
    guard.begin_step()
    tensor = torch.tensor(list(values.values()))
    return float(guard.check(update, list(values), tensor, [torch.zeros(3)]))


def test_the_flag_stays_set_and_the_first_cause_is_reported() -> None:
    guard = DivergenceGuard({}, CPU)
    assert [check(guard, {"loss": value}) for value in (1.0, 1e3, math.nan, 1.0, math.inf)] == [0, 0, 1, 1, 1]
    with pytest.raises(DivergenceError, match="at step 3: loss is nan nats"):
        guard.raise_if_failed({})


def test_the_cause_stays_known_when_the_terms_of_an_update_change() -> None:
    guard = DivergenceGuard({}, CPU)
    check(guard, {"loss": 5_000.0})
    check(guard, {"loss": 1.0, "mode_seeking": 1.0})
    check(guard, {"loss": 1.0})
    with pytest.raises(DivergenceError, match="at step 1: loss is 5000 nats"):
        guard.raise_if_failed({})


def test_sums_over_many_code_dimensions_may_be_larger() -> None:
    guard = DivergenceGuard({"mutual_information.many": 10.0}, CPU)
    assert check(guard, {"loss": 1.0, "mutual_information.many": -9_999.0}) == 0
    guard.raise_if_failed({})
    assert check(guard, {"loss": 1.0, "mutual_information.many": -10_001.0}) == 1
