"""The time budget of a discovery."""

from __future__ import annotations

import pytest

from infogan.discovery.budget import Budget, steps_within


def test_a_budget_counts_earlier_sessions_and_reserves_time_for_pages() -> None:
    now = [100.0]
    budget = Budget(600, before=50.0, clock=lambda: now[0])
    assert budget.spent == 50 and budget.for_training == pytest.approx(600 - 48 - 50)
    now[0] = 400.0
    assert budget.spent == 350 and budget.for_training == pytest.approx(202)


def test_no_time_is_left_for_training_once_the_budget_is_spent() -> None:
    now = [0.0]
    budget = Budget(600, clock=lambda: now[0])
    now[0] = 900.0
    assert budget.for_training == 0
    assert Budget(6, clock=lambda: 0.0).for_training == 0  # less than the reserve


def test_steps_fill_the_time_in_multiples_of_twenty_and_never_fall_below_the_least() -> None:
    assert steps_within(10.0, 0.1, least=20) == 100
    assert steps_within(11.9, 0.1, least=20) == 100
    assert steps_within(0.0, 0.1, least=20) == 20
    assert steps_within(1.0, 0.0, least=20) > 20  # a clock too coarse to measure one step
