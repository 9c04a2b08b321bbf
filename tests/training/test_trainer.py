"""A model in training: its batches, the metrics that it logs, and a state that restores it exactly."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from infogan import objective, streams
from infogan.config import Config, ObjectiveConfig
from infogan.errors import ConfigError, StorageError
from infogan.training.trainer import Trainer
from tests.training.step_builders import (
    IMAGES,
    advance,
    anchored,
    anchors_of_images,
    assert_same_training,
    make_trainer,
    snapshot,
    with_training,
)

NEAREST = torch.stack([(torch.arange(40) + 1) % 40, (torch.arange(40) + 2) % 40], dim=1)


@pytest.fixture
def trainer(tiny_config: Config) -> Trainer:
    return make_trainer(with_training(tiny_config))


def test_the_same_seed_trains_the_same_model_and_another_does_not(tiny_config: Config) -> None:
    ends = []
    for seed in (0, 0, 1):
        torch.manual_seed(len(ends))  # nothing may depend on the global state
        trainer = make_trainer(with_training(tiny_config, seed=seed))
        advance(trainer, 2)
        ends.append(torch.cat([value.flatten() for value in trainer.model.parameters()]))
    assert torch.equal(ends[0], ends[1])
    assert not torch.equal(ends[0], ends[2])


# --- batches ---------------------------------------------------------------------------------------------


def test_a_batch_is_that_of_the_seed_and_the_step(trainer: Trainer) -> None:
    trainer.step = 7
    (batch,) = trainer.batches()
    assert torch.equal(batch, IMAGES[streams.batch_indices(trainer.config.training.seed, 7, 8, 40)])


def with_neighbours(config: Config, **values: Any) -> Config:
    return with_training(config).replace(
        objective={"real_information_weight": 1.0, "neighbours": 2} | values,
        augmentation={"rotation": 10.0},
    )


def test_the_second_batch_holds_neighbours_by_seed_and_step(tiny_config: Config) -> None:
    config = with_neighbours(tiny_config)
    first, second = (make_trainer(config, nearest=NEAREST) for _ in range(2))
    first.step = second.step = 3
    images, neighbours = first.batches()
    assert torch.equal(neighbours, second.batches()[1])
    indices = streams.batch_indices(config.training.seed, 3, 8, 40)
    assert torch.equal(images, IMAGES[indices])
    choices = IMAGES[NEAREST[indices]]
    assert (neighbours[:, None] == choices).flatten(2).all(2).any(1).all()


@pytest.mark.parametrize("values", [{"neighbours": 0}, {"neighbour_share": 0.0}])
def test_without_neighbours_the_second_batch_is_the_first(
    values: dict[str, Any], tiny_config: Config
) -> None:
    images, again = make_trainer(with_neighbours(tiny_config, **values)).batches()
    assert torch.equal(images, again)


def test_missing_neighbours_are_an_error(tiny_config: Config) -> None:
    with pytest.raises(ValueError, match="nearest"):
        make_trainer(with_neighbours(tiny_config))


# --- metrics ---------------------------------------------------------------------------------------------


def test_the_window_holds_means_in_nats(trainer: Trainer, monkeypatch: pytest.MonkeyPatch) -> None:
    def constant(name: str, value: float) -> Any:
        function = getattr(objective, name)

        def changed(*arguments: Any) -> Any:
            result = function(*arguments)
            if isinstance(result, dict):
                return {key: bound * 0 + value for key, bound in result.items()}
            return result * 0 + value

        return changed

    factors = {"discriminator_loss": 1, "generator_loss": 3, "mutual_information_bound": -1}
    for value in (1.0, 2.0):
        with monkeypatch.context() as patched:
            for name, factor in factors.items():
                patched.setattr(objective, name, constant(name, factor * value))
            trainer.advance()
    expected = {
        "loss": {"discriminator": 1.5, "generator": 4.5},
        "mutual_information": {"digit": -1.5, "style": -1.5},
        "ceiling": {"digit": math.log(4)},
        "terms": {},
    }
    peeked, taken = trainer.peek_window(), trainer.take_window()
    assert peeked == taken
    assert {key: taken[key] for key in expected} == expected
    assert set(taken) == {*expected, "real", "scores"}
    assert trainer.window.state() == {}


# --- restored exactly ------------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [0, 3])
def test_a_restored_training_continues_exactly(steps: int, tiny_config: Config) -> None:
    config = with_training(tiny_config, ema_decay=0.9)
    first, second = make_trainer(config), make_trainer(config)
    advance(first, steps)
    second.restore(*snapshot(first))
    advance(first, 2)
    advance(second, 2)
    assert_same_training(first, second)


@pytest.mark.parametrize("steps", [1, 2, 4])
def test_a_training_restored_before_or_after_the_contrastive_term_begins_continues_exactly(
    tiny_config: Config, steps: int
) -> None:
    part = ObjectiveConfig(contrastive_weight=[[2, 0.0], [2, 2.0]])
    config = with_training(tiny_config).model_copy(update={"objective": part})
    first, second = make_trainer(config), make_trainer(config)
    advance(first, steps)
    second.restore(*snapshot(first))
    advance(first, 3)
    advance(second, 3)
    assert_same_training(first, second)


@pytest.mark.parametrize("joint", ["independent", "empirical"])
def test_a_training_with_anchors_continues_exactly(tiny_config: Config, joint: str) -> None:
    config = anchored(tiny_config, ema_decay=0.9).replace(latents={"joint": joint}, network={"pairs": True})
    first, second = (make_trainer(config, anchors=anchors_of_images(config)) for _ in range(2))
    advance(first, 3)
    second.restore(*snapshot(first))
    advance(first, 2)
    advance(second, 2)
    assert_same_training(first, second)


def test_targets_are_those_of_the_batch(tiny_config: Config) -> None:
    anchors = anchors_of_images(tiny_config)
    trainer = make_trainer(anchored(tiny_config), anchors=anchors)
    trainer.step = 7
    indices = streams.batch_indices(0, 7, 8, 40)
    assert torch.equal(trainer.batches()[0], IMAGES[indices])
    assert torch.equal(trainer.targets()["style"], anchors.targets["style"][indices])
    assert make_trainer(anchored(tiny_config)).targets() == {}


def test_anchors_of_other_images_are_refused(tiny_config: Config) -> None:
    with pytest.raises(ConfigError, match=r"\[40, 1\]|\[40, 4\]"):
        make_trainer(anchored(tiny_config), anchors=anchors_of_images(tiny_config), images=IMAGES[:30])


def test_a_state_without_a_moment_is_refused(trainer: Trainer) -> None:
    trainer.advance()
    model, moments, state = snapshot(trainer)
    del moments["generator.0.exp_avg"]
    with pytest.raises(StorageError, match=r"generator\.0\."):
        make_trainer(trainer.config).restore(model, moments, state)
