"""A refactoring changes no result: short trainings end in the recorded figures and weights."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.golden import curves

LONG = "digits-robust-repair"  # the most expensive by far


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow) if name == LONG else name for name in curves.SCENARIOS],
)
def test_a_training_ends_as_it_was_recorded(name: str, tmp_path: Path) -> None:
    assert curves.differences(curves.recorded(name), curves.train(name, tmp_path)) == []
