"""selection.json: which seeds of a run were dropped at which step and why. Imports no torch."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from infogan.errors import StorageError
from infogan.runs.directory import RunDirectory


@dataclass(frozen=True)
class Round:
    """What was decided at one set point.

    Attributes:
        step: the set point.
        scores: nats by seed, of those that reached it.
        dropped: by seed, why.
    """

    step: int
    scores: dict[int, float]
    dropped: dict[int, str]


@dataclass(frozen=True)
class Selection:
    """What selection.json says: the seeds, what was decided so far, and how it ended.

    Attributes:
        seeds: all that were begun with.
        rounds: in the order of their steps.
        best: the one that was kept; None before its end is reached.
        seconds: of training, over all seeds; None likewise.
    """

    seeds: tuple[int, ...]
    rounds: tuple[Round, ...] = ()
    best: int | None = None
    seconds: float | None = None

    @property
    def left(self) -> tuple[int, ...]:
        """The seeds that were not dropped."""
        dropped = {seed for done in self.rounds for seed in done.dropped}
        return tuple(seed for seed in self.seeds if seed not in dropped)


def read(run: RunDirectory) -> Selection:
    """What selection.json says.

    Raises:
        StorageError: it cannot be read, or is none.
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
            raise ValueError("every seed is dropped")
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise StorageError(
            f"{path} is damaged: {error}",
            "seeds and rounds, as infogan train --seeds writes them",
            f"infogan resume {run.seeds}/seed-N, to go on with one of the seeds",
        ) from None
    return selection


def _by_seed(values: Mapping[str, Any], kind: Callable[[Any], Any]) -> dict[int, Any]:
    return {int(seed): kind(value) for seed, value in values.items()}


def write(run: RunDirectory, selection: Selection) -> None:
    """Writes selection.json; Raises StorageError."""
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
