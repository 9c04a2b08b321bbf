"""Train several variants with several seeds: what the ablations, seed studies and selection studies share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infogan.config import Config
from infogan_experiments.experiment import FIRST_SEED, Options, configure
from infogan_experiments.results import Train, read_results, record, train_and_measure

Configure = Callable[[Options, int], Mapping[str, Config]]
"""Returns the configuration of every variant, by name, for a random seed."""


@dataclass(frozen=True)
class Study:
    """Variants and seeds, and when each run is measured.

    Attributes:
        name: of the experiment.
        configure: returns the variants' configurations.
        seeds: number of seeds.
        steps: training steps of each run; None: as the configuration has it.
        train: trains and measures a run.
        first_seed: the first random seed.
        train_variant: replaces `train` for some variants, by name.
        earlier: by step, how to measure a run before its end.
        keep_all: return all results in the folder, not only those of the command's seeds and steps.
    """

    name: str
    configure: Configure
    seeds: int
    steps: int | None = None
    train: Train = train_and_measure
    first_seed: int = FIRST_SEED
    train_variant: Mapping[str, Train] = field(default_factory=dict)
    earlier: Mapping[int, Train] = field(default_factory=dict)
    keep_all: bool = True


def train_study(study: Study, options: Options) -> tuple[Path, list[dict[str, Any]]]:
    """Train every seed of every variant and return the folder and its results; completed ones are kept."""
    folder = options.folder(study.name)
    seeds = options.seed_range(study.seeds, study.first_seed)
    planned = set()
    for seed in seeds:
        for variant, config in study.configure(options, seed).items():
            steps = options.steps or study.steps or config.training.steps
            for step, train in study.earlier.items():
                if step < steps:
                    record(folder, variant, config, step, train)
            record(folder, variant, config, steps, study.train_variant.get(variant, study.train))
            planned.add((variant, seed, steps))
    results = read_results(folder)
    if not study.keep_all:
        results = [
            result for result in results if (result["arm"], result["seed"], result["steps"]) in planned
        ]
    return folder, results


def by_recipe(preset: str, recipes: Mapping[str, str], settings: Mapping[str, Any] = {}) -> Configure:
    """Return configurations of a preset.

    Args:
        preset: its name.
        recipes: the recipe of each variant.
        settings: of all variants.
    """

    def configs(options: Options, seed: int) -> dict[str, Config]:
        own = {**settings, "training.seed": seed}
        return {name: configure(preset, options, own, recipe=recipe) for name, recipe in recipes.items()}

    return configs
