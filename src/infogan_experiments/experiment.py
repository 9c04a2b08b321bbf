"""The registry of experiments, and the options that `infogan reproduce` passes to them."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infogan import configuring
from infogan.config import Config
from infogan.registry import Registry
from infogan.runs.directory import next_free

FIRST_SEED = 100
"""Hyperparameters were chosen with seeds 0 to 9; published results use others."""


@dataclass(frozen=True)
class Options:
    """Command-line options of an experiment.

    Attributes:
        data: folder of the images; None: the data source's default.
        out: folder of the experiment; None: runs/NAME-NNN.
        steps: training steps of each run; None: the experiment's default.
        seed: random seed of each variant, or the first of several; None: the experiment's default.
        seeds: number of seeds; None: the experiment's default.
        settings: overrides of the configuration of every variant, by key.
        recipe: training recipe; None: the experiment's default. Few experiments support it.
        quick: run a smoke test with small networks and few steps. Few experiments support it.
    """

    data: Path | None = None
    out: Path | None = None
    steps: int | None = None
    seed: int | None = None
    seeds: int | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    recipe: str | None = None
    quick: bool = False

    @property
    def assignments(self) -> list[str]:
        """The settings as KEY=VALUE texts, as `--set` takes them and results record them."""
        return [
            f"{key}={value if isinstance(value, str) else json.dumps(value)}"
            for key, value in self.settings.items()
        ]

    def folder(self, name: str) -> Path:
        """Return the folder of an experiment."""
        return self.out or next_free(Path("runs"), name)

    def seed_range(self, count: int, first: int = FIRST_SEED, spacing: int = 1) -> range:
        """Return the seeds: as given on the command line, else `count` seeds from `first`."""
        first = first if self.seed is None else self.seed
        return range(first, first + spacing * (self.seeds or count), spacing)


def configure(source: str | Path, options: Options, settings: Mapping[str, Any], **kwargs: Any) -> Config:
    """Return `infogan.configure` with data and settings of the command line, which override `settings`."""
    merged = {**settings, **options.settings}
    return configuring.configure(source, data=options.data, settings=merged, **kwargs)


@dataclass(frozen=True)
class Experiment:
    """An entry of the registry.

    Attributes:
        run: runs the experiment and writes its results.
        summary: one line.
        takes: which of the options "recipe" and "quick" it supports; all support the others.
    """

    run: Callable[[Options], None]
    summary: str
    takes: frozenset[str] = frozenset()


EXPERIMENTS: Registry[Experiment] = Registry(
    "experiment", "infogan_experiments", advice="infogan reproduce, to list all experiments"
)

Run = Callable[[Options], None]


def experiment(name: str, *, takes: Collection[str] = ()) -> Callable[[Run], Run]:
    """Register a function as an experiment; the first line of its docstring is the summary."""

    def register(function: Run) -> Run:
        summary = (function.__doc__ or "").partition("\n")[0]
        EXPERIMENTS.add(name, Experiment(function, summary, frozenset(takes)))
        return function

    return register
