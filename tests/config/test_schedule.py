"""Numbers that change during training: their values, and what files say of them."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from infogan.config import (
    AugmentationConfig,
    ObjectiveConfig,
    Schedule,
    TrainingConfig,
    override,
    parse,
    to_toml,
)
from infogan.errors import ConfigError
from infogan.presets import load

RAMP = [[10, 1.0], [40, 0.4]]


def test_a_number_is_the_value_at_every_step() -> None:
    assert [Schedule.of(2).at(step) for step in (0, 10**9)] == [2.0, 2.0]


def test_between_points_the_value_is_linear_and_outside_constant() -> None:
    ramp = Schedule.of(RAMP)
    assert [ramp.at(step) for step in (0, 10, 25, 40, 900)] == pytest.approx([1.0, 1.0, 0.7, 0.4, 0.4])


def test_a_linear_piece_is_computed_as_older_versions_did() -> None:
    """Learning rates fell by `1 - t * (1 - decay_to)` also where t is 1: bit for bit."""
    schedule = Schedule.of([[2_500, 1.0], [5_000, 0.02]])
    for step in (0, 2_500, 2_501, 3_333, 4_999, 5_000, 7_000):
        fallen = min(max((step - 2_500) / 2_500, 0.0), 1.0)
        assert schedule.at(step) == 1 - fallen * (1 - 0.02)


def test_two_points_at_the_same_step_are_a_jump() -> None:
    jump = Schedule.of([[0, 0.0], [7, 1.0], [7, 5.0], [9, 6.0]])
    assert [jump.at(step) for step in (6, 7, 8, 9, 10)] == pytest.approx([6 / 7, 5.0, 5.5, 6.0, 6.0])
    start = Schedule.of([[7, 0.0], [7, 2.0]])
    assert [start.at(step) for step in (0, 6, 7, 8)] == [0, 0, 2, 2]
    assert Schedule.of([[0, 0.0], [0, 2.0]]).at(0) == 2


def test_a_schedule_is_false_where_it_is_always_0() -> None:
    assert not Schedule.of(0) and not Schedule.of([[0, 0], [9, 0]])
    assert Schedule.of([[0, 0], [9, 1]])


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("0.5", "a number, or"),
        (True, "a number, or"),
        (float("nan"), "a number, or"),
        ([], "a number, or"),
        ([[0]], "a number, or"),
        ([[0.5, 1.0]], "a number, or"),
        ([[-1, 1.0]], "a number, or"),
        ([[5, 1.0], [4, 1.0]], "ascending order"),
        ([[5, 1.0], [5, 2.0], [5, 3.0]], "at most two"),
        ([[5, 1.0], [6, 2_000.0]], "values from 0 to 1000"),
        (-1, "values from 0 to 1000"),
    ],
)
def test_what_is_no_schedule_is_refused(value: object, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ObjectiveConfig(mode_seeking_weight=value)


@pytest.mark.parametrize("noise", [None, 0.4, RAMP, [[0, 0.0], [5, 1.0], [5, 2.0]]])
def test_a_schedule_survives_toml_and_json(noise: object) -> None:
    config = load("digits").replace(augmentation={"code_noise": noise})
    assert parse(to_toml(config), "config.toml") == config
    again = AugmentationConfig.model_validate_json(json.dumps(config.augmentation.model_dump(mode="json")))
    assert again == config.augmentation and hash(again.code_noise) == hash(config.augmentation.code_noise)


def test_the_file_has_the_number_or_the_points() -> None:
    config = load("digits").replace(augmentation={"code_noise": [[1500, 1.0], [2500, 0.4]]})
    values = config.augmentation.model_dump(mode="json")
    assert values["code_noise"] == [[1500, 1.0], [2500, 0.4]]
    assert config.training.model_dump(mode="json")["learning_rate_schedule"] == 1.0


def test_a_learning_rate_schedule_is_a_factor_up_to_1() -> None:
    with pytest.raises(ValidationError, match="values from 0 to 1"):
        TrainingConfig(learning_rate_schedule=[[0, 1.0], [10, 1.5]])


def test_weights_of_plugged_in_terms_are_schedules_by_name() -> None:
    config = override(load("digits"), {"objective.terms.total_variation": [[0, 0.0], [10, 0.5]]})
    assert config.objective.terms["total_variation"].at(5) == 0.25
    assert override(config, {"total_variation": 0.1}).objective.terms["total_variation"].at(0) == 0.1
    assert parse(to_toml(config), "config.toml") == config
    with pytest.raises(ConfigError, match="plugins"):
        override(config, {"plugins.mine": "no hash"})
