"""Older configuration files: version 1 is brought to the present form, or refused in one sentence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from infogan.errors import ConfigError

VERSION = 2
"""Of the file format that this infogan writes."""


def migrate(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the values of a configuration file of any known version in the present form.

    Args:
        values: nested tables, as TOML has them.
        name: of the file, for messages.

    Raises:
        ConfigError: the file uses something that no longer exists.
    """
    migrated = dict(values)
    version = migrated.get("version", VERSION)
    for number, step in _STEPS.items():
        if version == number:
            migrated = step(migrated, name)
            version = migrated["version"] = number + 1
    return migrated


def _from_version_1(values: dict[str, Any], name: str) -> dict[str, Any]:
    latents = values.get("latents", {})
    codes = latents.get("codes", {})
    if any(code.get("prior") == "learned" for code in codes.values()):
        raise ConfigError(
            f"{name}: a code has prior = 'learned', which this version no longer supports",
            "categories of fixed probabilities",
            "infogan 0.1, which reads this run",
        )
    removed = {"prior", "entropy_floor", "learned_from"}
    kept = {
        key: {name: value for name, value in code.items() if name not in removed}
        for key, code in codes.items()
    }
    return {**values, "latents": {**latents, "codes": kept}} if codes else values


_STEPS: dict[int, Callable[[dict[str, Any], str], dict[str, Any]]] = {1: _from_version_1}
"""By version, the function that brings a file to the next one."""
