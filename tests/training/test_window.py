"""Means of logged values between two lines of metrics."""

from __future__ import annotations

import pytest
import torch

from infogan.training.window import MetricsWindow
from tests.training.step_builders import CPU


def test_means_are_over_the_steps_that_had_a_value() -> None:
    window = MetricsWindow(CPU)
    window.add(["loss"], torch.tensor([1.0]))
    window.add(["loss", "term"], torch.tensor([2.0, 5.0]))
    window.add(["term", "loss"], torch.tensor([7.0, 6.0]))
    assert window.means() == {"loss": 3.0, "term": 6.0}
    assert window.steps == 3


def test_a_cleared_window_is_empty() -> None:
    window = MetricsWindow(CPU)
    window.add(["loss"], torch.tensor([1.0]))
    window.clear()
    assert (window.means(), window.state(), window.steps) == ({}, {}, 0)


def test_a_restored_window_continues() -> None:
    window, again = MetricsWindow(CPU), MetricsWindow(CPU)
    window.add(["loss"], torch.tensor([0.1]))
    window.add(["loss", "term"], torch.tensor([0.2, 5.0]))
    again.restore(window.state())
    for part in (window, again):
        part.add(["loss", "term", "late"], torch.tensor([0.3, 1.0, 4.0]))
    assert again.means() == window.means() == {"loss": pytest.approx(0.2), "term": 3.0, "late": 4.0}
    assert again.state() == window.state()


def test_sums_of_float32_values_are_exact_over_many_steps() -> None:
    window = MetricsWindow(CPU)
    for _ in range(1_000):
        window.add(["loss"], torch.tensor([0.1]))
    assert window.means()["loss"] == pytest.approx(float(torch.tensor(0.1)), rel=1e-12)
