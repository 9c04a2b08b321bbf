"""Experiments of the paper and of the recipe `robust`: `infogan reproduce NAME`.

A new experiment is a function under `@experiment` in a module of this package.
"""

from __future__ import annotations

from infogan.errors import UsageError
from infogan_experiments.experiment import EXPERIMENTS, Options


def names() -> dict[str, str]:
    """Return every experiment's name with a summary of one line."""
    return {name: one.summary for name, one in EXPERIMENTS.items()}


def run(name: str, options: Options) -> None:
    """Run an experiment and write its results.

    Raises:
        UsageError: no experiment has that name, or it does not support a given option.
    """
    experiment = EXPERIMENTS.find(name)
    for option, given in (("recipe", options.recipe is not None), ("quick", options.quick)):
        if given and option not in experiment.takes:
            supporting = [other for other, one in EXPERIMENTS.items() if option in one.takes]
            raise UsageError(
                f"--{option} does not apply to {name}",
                f"{name} without it; supported by {', '.join(supporting)}",
                f"infogan reproduce {name}",
            )
    experiment.run(options)
