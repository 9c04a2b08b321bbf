"""Older configuration files: converted to the current form, or refused with an error."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from infogan.errors import ConfigError

VERSION = 3
"""The version of the file format that infogan writes."""


def migrate(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the values of a configuration file of any known version in the current form.

    Args:
        values: nested tables, as TOML has them.
        name: name of the file, for messages.

    Raises:
        ConfigError: the file uses something that no longer exists.
    """
    migrated = dict(values)
    version = migrated.get("version", 1 if _has_old_keys(migrated) else VERSION)
    for number, step in _STEPS.items():
        if version == number:
            migrated = step(migrated, name)
            version = migrated["version"] = number + 1
    return migrated


def _from_version_1(values: dict[str, Any], name: str) -> dict[str, Any]:
    # Values that are not tables are ignored here; the validation that follows refuses them.
    values = {key: dict(value) if isinstance(value, Mapping) else value for key, value in values.items()}
    if any(not isinstance(values.get(section, {}), dict) for section in _SECTIONS):
        return values
    codes = values.get("latents", {}).get("codes", {})
    if not isinstance(codes, Mapping) or not all(isinstance(code, Mapping) for code in codes.values()):
        return values
    if codes:
        values["latents"]["codes"] = _without_learned_priors(codes, name)
    for section, names in _RENAMED.items():
        _rename(values.get(section, {}), names)
    if training := values.get("training"):
        start, end, least = (training.pop(f"decay_{key}", 0) for key in ("start", "end", "to"))
        if end:
            training["learning_rate_schedule"] = [[start, 1.0], [end, least]]
    if policy := values.get("augmentation"):
        start, end = (policy.pop(f"code_noise_{key}", 0) for key in ("start", "end"))
        if (last := policy.pop("code_noise_last", None)) is not None:
            policy["code_noise"] = [[start, policy.get("code_noise")], [end, last]]
    if objective := values.get("objective"):
        start, full = (objective.pop(f"mode_seeking_{key}", 0) for key in ("start", "full"))
        _begin(objective, "mode_seeking_weight", start, full)
        start = objective.pop("contrastive_start", 0)
        _begin(objective, "contrastive_weight", start, start)
    return values


def _from_version_2(values: dict[str, Any], name: str) -> dict[str, Any]:
    if isinstance(images := values.get("data"), Mapping):
        values["data"] = {"split_version": 1, **images}  # the only one at that time
    return values


_SECTIONS = ("latents", "network", "objective", "augmentation", "training")

_RENAMED = {
    "network": {"recognition_std": "recognition_init_std"},
    "augmentation": {"everything": "all_images"},
    "training": {
        **{f"remedy_{key}": f"repair_{key}" for key in ("start", "end", "every", "components")},
        "seeds_drop": "prune_steps",
    },
}
"""The keys that version 2 renamed, by section."""


_REMOVED = {
    "augmentation": {"code_noise_start", "code_noise_end", "code_noise_last"},
    "objective": {"mode_seeking_start", "mode_seeking_full", "contrastive_start"},
    "training": {"decay_start", "decay_end", "decay_to"},
}
"""By section, the keys that version 2 replaced by schedules."""

_REMOVED_OF_CODES = {"prior", "entropy_floor", "learned_from"}


def _has_old_keys(values: Mapping[str, Any]) -> bool:
    """Return True if a file without `version` has a key that only version 1 knows."""
    for section in _SECTIONS:
        table = values.get(section)
        if isinstance(table, Mapping) and not {
            *_RENAMED.get(section, ()),
            *_REMOVED.get(section, ()),
        }.isdisjoint(table):
            return True
    latents = values.get("latents")
    codes = latents.get("codes") if isinstance(latents, Mapping) else None
    return isinstance(codes, Mapping) and any(
        isinstance(code, Mapping) and not _REMOVED_OF_CODES.isdisjoint(code) for code in codes.values()
    )


def _rename(section: dict[str, Any], names: Mapping[str, str]) -> None:
    for old, new in names.items():
        if old in section:
            section[new] = section.pop(old)


def _begin(objective: dict[str, Any], key: str, start: int, full: int) -> None:
    """Make a weight of `objective` 0 until the step `start`; it reaches its full value at the step `full`."""
    if objective.get(key) and full:
        objective[key] = [[start, 0.0], [full, objective[key]]]


def _without_learned_priors(codes: Mapping[str, Any], name: str) -> dict[str, Any]:
    if any(code.get("prior") == "learned" for code in codes.values()):
        raise ConfigError(
            f"{name}: a code has prior = 'learned', which this version no longer supports",
            "categories of fixed probabilities",
            "infogan 0.1, which reads this run",
        )
    return {
        key: {part: value for part, value in code.items() if part not in _REMOVED_OF_CODES}
        for key, code in codes.items()
    }


_STEPS: dict[int, Callable[[dict[str, Any], str], dict[str, Any]]] = {
    1: _from_version_1,
    2: _from_version_2,
}
"""The functions that convert a file to the next version, by its version."""
