"""Where experiments enter themselves, and what they are told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Options:
    """What the command line says of an experiment.

    Attributes:
        data: where the images lie; None: the source's own place.
        out: the experiment's folder; None: runs/NAME-NNN.
        steps: of each arm; None: as in the paper.
        seed: of each arm, or the first of several; None: the experiment's own.
        seeds: how many seeds; None: the experiment's own number.
        settings: KEY=VALUE texts for every arm.
    """

    data: Path | None = None
    out: Path | None = None
    steps: int | None = None
    seed: int | None = None
    seeds: int | None = None
    settings: Sequence[str] = ()


Experiment = Callable[[Options], None]
EXPERIMENTS: dict[str, Experiment] = {}


def experiment(name: str) -> Callable[[Experiment], Experiment]:
    """Enters a function into the registry of experiments."""

    def enter(function: Experiment) -> Experiment:
        EXPERIMENTS[name] = function
        return function

    return enter
