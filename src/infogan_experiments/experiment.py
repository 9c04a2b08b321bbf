"""Where experiments enter themselves, and what they are told."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Options:
    """What the command line says of an experiment.

    Attributes:
        data: where the images lie; None: the source's own place.
        out: the experiment's folder; None: runs/NAME-NNN.
        steps: of each training; None: the experiment's own number.
        seed: of each arm, or the first of several; None: the experiment's own.
        seeds: how many seeds; None: the experiment's own number.
        settings: KEY=VALUE texts for every arm.
        recipe: how to train; None: as the experiment has it. Not every experiment lets one choose.
        quick: whether to go through everything in the small, to see that it runs; likewise.
    """

    data: Path | None = None
    out: Path | None = None
    steps: int | None = None
    seed: int | None = None
    seeds: int | None = None
    settings: Sequence[str] = ()
    recipe: str | None = None
    quick: bool = False


Experiment = Callable[[Options], None]
EXPERIMENTS: dict[str, Experiment] = {}


TAKES: dict[str, frozenset[str]] = {}
"""Which options each experiment takes beyond those that all take: "recipe", "quick"."""


def experiment(name: str, *, takes: Collection[str] = ()) -> Callable[[Experiment], Experiment]:
    """Enters a function into the registry of experiments.

    Args:
        name: as users type it.
        takes: "recipe" and "quick", where the experiment can honour them.
    """

    def enter(function: Experiment) -> Experiment:
        EXPERIMENTS[name] = function
        TAKES[name] = frozenset(takes)
        return function

    return enter
