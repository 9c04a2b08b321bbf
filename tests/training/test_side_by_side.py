"""Trainings that take turns: results, divergence, limits and interruption."""

from __future__ import annotations

import signal
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, nullcontext

import pytest

from infogan.errors import DivergenceError, Interrupted
from infogan.training import engine
from infogan.training.side_by_side import finish, train_together
from tests.training.step_builders import CPU


def counting(
    name: str, steps: int, order: list[str], *, ends: BaseException | None = None
) -> Generator[None, None, str]:
    """A training that writes each step into `order`, and saves when it is interrupted."""
    try:
        for step in range(steps):
            order.append(f"{name}{step}")
            yield
        if ends is not None:
            raise ends
    except Interrupted:
        order.append(f"{name} saved")
        raise
    finally:
        order.append(f"{name} closed")
    return name.upper()


def test_one_training_is_finished() -> None:
    assert finish(counting("a", 3, order := [])) == "A"
    assert order == ["a0", "a1", "a2", "a closed"]


def test_trainings_take_turns() -> None:
    order: list[str] = []
    trainings = {"x": counting("a", 3, order), "y": counting("b", 1, order)}
    assert train_together(trainings, CPU, 5) == {"x": "A", "y": "B"}
    assert order == ["a0", "b0", "a1", "b closed", "a2", "a closed"]


def test_no_more_are_trained_at_once_than_allowed() -> None:
    order: list[str] = []
    trainings = {name: counting(name, 2, order) for name in "abc"}
    assert list(train_together(trainings, CPU, 2)) == ["a", "b", "c"]
    assert order[:4] == ["a0", "b0", "a1", "b1"] and order.index("c0") > order.index("b closed")
    order.clear()
    train_together({name: counting(name, 2, order) for name in "ab"}, CPU, 1)
    assert order == ["a0", "a1", "a closed", "b0", "b1", "b closed"]


def test_the_others_go_on_when_one_diverges() -> None:
    order: list[str] = []
    error = DivergenceError("it diverged", "finite values", "a smaller rate")
    trainings = {"a": counting("a", 1, order, ends=error), "b": counting("b", 3, order)}
    assert train_together(trainings, CPU, 2) == {"a": error, "b": "B"}


def test_an_interruption_of_one_saves_all_that_have_begun() -> None:
    order: list[str] = []
    trainings = {
        "a": counting("a", 9, order),
        "b": counting("b", 1, order, ends=Interrupted(signal.SIGTERM)),
        "c": counting("c", 9, order),
        "d": counting("d", 9, order),
    }
    with pytest.raises(Interrupted) as caught:
        train_together(trainings, CPU, 3)
    assert caught.value.signum == signal.SIGTERM
    assert sorted(entry for entry in order if "saved" in entry) == ["a saved", "b saved", "c saved"]
    assert not any(entry.startswith("d") for entry in order)


def test_another_error_ends_all() -> None:
    order: list[str] = []
    trainings = {"a": counting("a", 9, order), "b": counting("b", 1, order, ends=OSError("disk full"))}
    with pytest.raises(OSError, match="disk full"):
        train_together(trainings, CPU, 2)
    assert order[-1] == "a closed" and "a saved" not in order


def test_a_training_that_begins_takes_the_stream_of_one_that_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU has few streams, and two trainings that are captured on the same one must not run together."""
    made: list[str] = []
    used: list[str] = []

    def new_stream(device: object) -> Callable[[], AbstractContextManager[object]]:
        made.append(name := f"stream {len(made)}")
        return lambda: nullcontext(used.append(name))

    monkeypatch.setattr(engine, "new_stream", new_stream)
    train_together({name: counting(name, 2, []) for name in "abcde"}, CPU, 2)
    assert made == ["stream 0", "stream 1"]
    assert set(used) == set(made)
