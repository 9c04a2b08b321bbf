"""Experiments of the paper, one file each: `infogan reproduce NAME`.

A new experiment is one file here with one function under `@experiment`.
"""

from __future__ import annotations

import importlib
import pkgutil

from infogan.errors import UsageError, did_you_mean, nearest
from infogan_experiments.experiment import EXPERIMENTS, TAKES, Options


def names() -> dict[str, str]:
    """Every experiment with the first line of what it does."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return {name: (function.__doc__ or "").partition("\n")[0] for name, function in EXPERIMENTS.items()}


def run(name: str, options: Options) -> None:
    """Runs an experiment and writes its figure.

    Raises:
        UsageError: no experiment has that name, or it does not take an option that was given.
    """
    known = names()
    if name not in known:
        raise UsageError(
            f"{name!r} is no experiment{did_you_mean(name, known)}",
            f"one of {', '.join(known)}",
            f"infogan reproduce {nearest(name, known) or 'mnist'}",
        )
    for option, given in (("recipe", options.recipe is not None), ("quick", options.quick)):
        if given and option not in TAKES[name]:
            taking = [other for other in known if option in TAKES[other]]
            raise UsageError(
                f"--{option} does not apply to {name}",
                f"{name} without it; it is for {', '.join(taking)}",
                f"infogan reproduce {name}",
            )
    EXPERIMENTS[name](options)
