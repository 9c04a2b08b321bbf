"""selection.json: which seeds of a run were pruned, when and why. Imports no torch."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from infogan.errors import StorageError
from infogan.runs.directory import RunDirectory


@dataclass(frozen=True)
class Round:
    """The decision at one pruning step.

    Attributes:
        step: the pruning step.
        scores: by seed, in nats; without diverged seeds.
        dropped: the reason by pruned seed.
    """

    step: int
    scores: dict[int, float]
    dropped: dict[int, str]


@dataclass(frozen=True)
class Selection:
    """The contents of selection.json.

    Attributes:
        seeds: all seeds at the start.
        rounds: the decisions so far, by step.
        best: the seed that was kept; None before the end of training.
        seconds: training time of all seeds; None before the end of training.
    """

    seeds: tuple[int, ...]
    rounds: tuple[Round, ...] = ()
    best: int | None = None
    seconds: float | None = None

    @property
    def left(self) -> tuple[int, ...]:
        """The seeds that were not pruned."""
        pruned = {seed for done in self.rounds for seed in done.dropped}
        return tuple(seed for seed in self.seeds if seed not in pruned)


def read(run: RunDirectory) -> Selection:
    """Read selection.json.

    Raises:
        StorageError: it is missing, unreadable or damaged.
    """
    path = run.selection_path
    try:
        values = json.loads(path.read_bytes())
        rounds = tuple(
            Round(int(done["step"]), _by_seed(done["scores"], float), _by_seed(done["dropped"], str))
            for done in values["rounds"]
        )
        selection = Selection(
            tuple(map(int, values["seeds"])), rounds, values.get("best"), values.get("seconds")
        )
        if not selection.left:
            raise ValueError("every seed is pruned")
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise StorageError(
            f"{path} is damaged: {error}",
            "seeds and rounds, as written by a training with several seeds",
            f"infogan resume {run.seeds}/seed-N, to resume one of the seeds",
        ) from None
    return selection


def _by_seed(values: Mapping[str, Any], convert: Callable[[Any], Any]) -> dict[int, Any]:
    return {int(seed): convert(value) for seed, value in values.items()}


def write(run: RunDirectory, selection: Selection) -> None:
    """Write selection.json.

    Raises:
        StorageError: it cannot be written.
    """
    values: dict[str, Any] = {
        "seeds": list(selection.seeds),
        "rounds": [
            {"step": done.step, "scores": _by_text(done.scores), "dropped": _by_text(done.dropped)}
            for done in selection.rounds
        ],
    }
    if selection.best is not None:
        values |= {"best": selection.best, "seconds": selection.seconds}
    run.write_json(run.selection_path.name, values)


def _by_text(values: Mapping[int, Any]) -> dict[str, Any]:
    return {str(seed): value for seed, value in values.items()}
