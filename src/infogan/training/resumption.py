"""Compare a run with the checkpoint that it is resumed from: the configuration, and the conditions.

Another configuration changes the result, and is refused unless it is allowed. Other conditions, such as
another version of torch or another number of threads, change the rounding only: they are logged.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from infogan import config as configuration
from infogan.config import Config
from infogan.errors import ConfigError
from infogan.runs import directory
from infogan.training import engine
from infogan.training.engine import Precision

_MACHINE = ("graph", "deterministic", "seeds_at_once")

FREE_KEYS = frozenset(
    {
        "data.path",
        *(f"training.{key}" for key in ("steps", "save_every", "sample_every", "keep", "device", *_MACHINE)),
    }
)
"""Keys that may differ when a run is resumed, since they do not change the result of a step. If the path of
the images differs, a fingerprint checks that the images are the same."""

_NAMED = {"torch": "torch {}", "infogan": "infogan {}", "processor": "{}", "device": "the device {}",
          "accelerator": "{}", "threads": "torch.set_num_threads({})"}  # fmt: skip


def recorded(config: Config, device: torch.device, precision: Precision) -> dict[str, Any]:
    """Return what a checkpoint records of its session: the configuration as TOML, and the conditions."""
    environment = directory.environment()
    versions = {name: environment["versions"].get(name) for name in ("torch", "infogan")}
    conditions = engine.conditions(device, precision)
    return {
        "configuration": configuration.to_toml(config),
        "conditions": {**versions, "processor": environment["processor"], **conditions},
    }


def check_changes(before: Config, after: Config, allowed: bool) -> None:
    """Raise ConfigError if resuming with `after` changes the result, unless `allowed`."""
    lines = _changes(before, after)
    if lines and not allowed:
        raise ConfigError(
            "resuming with another configuration changes the result:\n" + "\n".join(lines),
            f"the run's own configuration, except for {', '.join(sorted(FREE_KEYS))}",
            "override=True, to resume with these changes; or infogan.train, for a new run",
            command="--override, to resume with these changes; or infogan train, for a new run",
        )


def check_checkpoint(state: Mapping[str, Any], config: Config, path: Path, allowed: bool) -> bool:
    """Compare the configuration of a checkpoint with that of the run, which may have been edited by hand.

    Args:
        state: of the checkpoint. Those of earlier releases record no configuration.
        config: of the run.
        path: of the checkpoint, for the message.
        allowed: allow changes of the result.

    Returns:
        True if the configuration has changed, and the result with it.

    Raises:
        ConfigError: it has changed, and is not allowed to.
    """
    if "configuration" not in state:
        return False
    lines = _changes(configuration.parse(state["configuration"], f"{path}, its configuration"), config)
    if lines and not allowed:
        raise ConfigError(
            f"config.toml has been changed since {path} was saved, and resuming changes the result:\n"
            + "\n".join(lines),
            f"the configuration of the checkpoint, except for {', '.join(sorted(FREE_KEYS))}",
            "the old values in config.toml; or override=True, to resume with the new ones",
            command="the old values in config.toml; or --override, to resume with the new ones",
        )
    return bool(lines)


def other_conditions(state: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Return a sentence on the conditions that differ from those of a checkpoint; "" if none does.

    Args:
        state: of the checkpoint.
        now: from `recorded`.
    """
    before, after = state.get("conditions", {}), now["conditions"]
    differ = [key for key in _NAMED if key in before and before[key] != after.get(key)]
    if not differ:
        return ""

    def named(conditions: Mapping[str, Any]) -> str:
        return ", ".join(
            _NAMED[key].format(conditions[key]) for key in differ if conditions.get(key) is not None
        )

    return (
        f"note: the checkpoint was saved with {named(before)}; this session has {named(after)}. Sums are "
        "rounded differently, so the result is not bit for bit that of an uninterrupted run"
    )


def _changes(before: Config, after: Config) -> list[str]:
    changes = configuration.changes(before, after).items()
    return [f"    {key}: {old} -> {new}" for key, (old, new) in changes if key not in FREE_KEYS]
