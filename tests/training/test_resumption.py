"""What a run is compared with when it is resumed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from infogan.config import Config
from infogan.errors import ConfigError
from infogan.training import resumption

CPU = torch.device("cpu")
CHECKPOINT = Path("run/checkpoints/step-00000020")


def test_an_edited_configuration_is_refused_with_the_difference(tiny_config: Config) -> None:
    state = resumption.recorded(tiny_config, CPU, "float32")
    edited = tiny_config.replace(training={"batch_size": 7, "steps": 9})
    with pytest.raises(ConfigError) as caught:
        resumption.check_checkpoint(state, edited, CHECKPOINT, allowed=False)
    assert str(CHECKPOINT) in caught.value.happened
    assert f"training.batch_size: {tiny_config.training.batch_size} -> 7" in caught.value.happened
    assert "training.steps:" not in caught.value.happened
    assert "override=True" in caught.value.advice and "--override" in caught.value.for_command_line
    assert resumption.check_checkpoint(state, edited, CHECKPOINT, allowed=True)


def test_the_same_configuration_and_an_old_checkpoint_pass(tiny_config: Config) -> None:
    state = resumption.recorded(tiny_config, CPU, "float32")
    longer = tiny_config.replace(training={"steps": 9})
    assert not resumption.check_checkpoint(state, longer, CHECKPOINT, allowed=False)
    assert not resumption.check_checkpoint({}, longer, CHECKPOINT, allowed=False)


def test_other_conditions_are_named_and_what_follows_from_them(tiny_config: Config) -> None:
    now = resumption.recorded(tiny_config, CPU, "float32")
    before = {"conditions": {**now["conditions"], "torch": "1.0", "threads": 7, "accelerator": "a GPU"}}
    note = resumption.other_conditions(before, now)
    assert "saved with torch 1.0, a GPU, torch.set_num_threads(7);" in note
    assert f"this session has torch {torch.__version__.partition('+')[0]}" in note
    assert "not bit for bit" in note
    assert resumption.other_conditions(now, now) == resumption.other_conditions({}, now) == ""
