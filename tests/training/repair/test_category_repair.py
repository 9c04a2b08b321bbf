"""Category repair in a training: on trial, kept if it helped, else undone, and restored exactly."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from infogan.config import Config
from infogan.errors import DivergenceError
from infogan.training import optimizers
from infogan.training.repair import category_repair, split_merge
from infogan.training.repair.category_repair import CategoryRepair
from infogan.training.trainer import Trainer
from tests.training.step_builders import advance, assert_same_training, snapshot

Tiny = Callable[..., Config]
Make = Callable[[Config], Trainer]


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every examination finds merged and split categories, and a trial is short."""
    monkeypatch.setattr(split_merge, "MARGIN", -1.0)
    monkeypatch.setattr(split_merge, "FORMED", -1.0)
    monkeypatch.setattr(category_repair, "TRIAL", 2)


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize(("nats", "apart"), [(2.0, 0.9), (0.5, 0.9), (2.0, 0.3)])
def test_a_repair_that_did_not_help_is_undone(
    monkeypatch: pytest.MonkeyPatch, nats: float, apart: float, tiny: Tiny, trainer: Make
) -> None:
    """The information rises in these steps in any case: that alone keeps nothing."""
    made = trainer(tiny(repair_start=2, repair_end=2, repair_every=2))
    values = {"nats": 1.0, "apart": 0.4}
    monkeypatch.setattr(CategoryRepair, "_information", lambda *_: values["nats"])
    monkeypatch.setattr(CategoryRepair, "_distance", lambda *_: values["apart"])
    advance(made, 2)
    assert made.repair.trial is not None
    before = {key: value.clone() for key, value in made.repair.before.items()}
    advance(made, 1)
    values = {"nats": nats, "apart": apart}
    made.advance()
    assert made.repair.trial is None
    tensors = {f"before.model.{name}": value for name, value in made.model.state_dict().items()}
    moments = {f"before.{name}": value for name, value in moments_of(made).items()}
    undone = all(torch.equal(value, before[name]) for name, value in (tensors | moments).items())
    helped = nats > 1.0 and apart > 0.4
    assert undone is not helped
    assert ("kept" if helped else "undone") in made.take_window()["notes"][-1]


def moments_of(trainer: Trainer) -> dict[str, Tensor]:
    return optimizers.moments(trainer.optimizers)


@pytest.mark.usefixtures("always")
def test_a_trial_measures_the_two_categories_that_were_separated(
    monkeypatch: pytest.MonkeyPatch, tiny: Tiny, trainer: Make
) -> None:
    pairs: list[tuple[int, int]] = []
    monkeypatch.setattr(split_merge, "distance", lambda joint, pair: pairs.append(pair) or len(pairs))
    diagnosis = split_merge.Diagnosis(twins=(1, 4), loss=0.0, double=7, gain=1.0)
    monkeypatch.setattr(split_merge, "diagnose", lambda joint, fine: diagnosis)
    advance(trainer(tiny(repair_start=2, repair_end=2, repair_every=2)), 4)
    assert pairs == [
        (1, 4),
        (4, 7),
    ]  # the twins were too close; the halves of category 7 must be farther apart


@pytest.mark.usefixtures("always")
def test_a_training_restored_during_a_trial_continues_exactly(tiny: Tiny, trainer: Make) -> None:
    config = tiny(repair_start=2, repair_every=2)
    whole, restored = trainer(config), trainer(config)
    advance(whole, 3)
    assert whole.repair.trial is not None
    restored.restore(*snapshot(whole))
    advance(whole, 3)
    advance(restored, 3)
    assert_same_training(whole, restored)
    assert whole.take_window() == restored.take_window()


def test_no_category_is_repaired_after_a_divergence(
    tiny: Callable[..., Config], trainer: Callable[[Config], Trainer], monkeypatch: pytest.MonkeyPatch
) -> None:
    diverged = trainer(tiny())
    for _ in range(3):
        diverged.advance()
    monkeypatch.setattr(diverged.repair, "act", lambda *_: pytest.fail("a repair"))
    next(diverged.model.generator.parameters()).data.fill_(float("nan"))
    with pytest.raises(DivergenceError, match="step 4"):  # the first step with a repair
        diverged.advance()
