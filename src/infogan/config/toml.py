"""The configuration as a file: read, validate, override, compare, write."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import tomli_w

from infogan.config.migration import migrate
from infogan.config.schedule import Schedule
from infogan.config.sections import Config
from infogan.config.validation import ALL_KEYS, Source, validated
from infogan.errors import ConfigError, nearest

_OPEN_TABLES = ("objective.terms", "plugins")
"""Tables in which a setting may add a key."""

_WHOLE_TABLES = (*_OPEN_TABLES, "latents.codes")
"""Tables that one setting may replace."""


def to_toml(config: Config, *, explained: bool = False) -> str:
    """Return the configuration as TOML, which `read` can read.

    Keys that are not set are written as comments.

    Args:
        config: the configuration.
        explained: write the description of each key as a comment above it.
    """
    return "\n".join(_table((), config, explained)).lstrip("\n") + "\n"


def _table(path: tuple[str, ...], table: Any, explained: bool) -> Iterator[str]:
    """Yield the lines of a section, a code, a posterior or a plain mapping, and of the tables in it."""
    fields = getattr(table, "__pydantic_fields__", {})
    values = table if isinstance(table, Mapping) else {key: getattr(table, key) for key in fields}
    tables = {key: value for key, value in values.items() if isinstance(value, Mapping) or _has_fields(value)}
    if path and (fields or len(values) > len(tables)):
        yield from ("", f"[{'.'.join(path)}]")
    for key, value in values.items():
        if key in tables:
            continue
        if explained and key in fields:
            yield f"# {fields[key].description}"
        yield f"# {key} is not set" if value is None else _assignment(key, value)
    for key, value in tables.items():
        yield from _table((*path, key), value, explained)


def _has_fields(value: object) -> bool:
    return hasattr(value, "__pydantic_fields__")


def _assignment(key: str, value: Any) -> str:
    value = value.plain if isinstance(value, Schedule) else value
    if isinstance(value, list | tuple):  # of numbers: one line, which tomli_w would break into many
        return f"{key} = {json.dumps(value)}"
    return tomli_w.dumps({key: value}).rstrip("\n")


def read(path: str | Path) -> Config:
    """Return the configuration in a TOML file.

    Raises:
        ConfigError: the file is missing or not TOML, or a key or value in it is wrong; with file and line.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"cannot read the configuration {path}: {error}",
            "a TOML file",
            "infogan.config.to_toml, which writes one",
            command="infogan train mnist --dry-run > config.toml",
        ) from None
    return parse(text, str(path))


def parse(text: str, name: str) -> Config:
    """Return the configuration in a TOML text; `name` is the file's in messages.

    Raises:
        ConfigError: the text is not TOML, or a key or value in it is wrong; with file and line.
    """
    try:
        values = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # TOMLDecodeError, or other errors of tomllib
        raise ConfigError(
            f"{name} is not TOML: {error}", "key = value lines under [sections]", ALL_KEYS
        ) from None
    return validate(migrate(values, name), Source(name, text))


def validate(values: Mapping[str, Any], source: Source | None = None) -> Config:
    """Return a checked configuration from nested mappings.

    Raises:
        ConfigError: with key, value, and the nearest known key.
    """
    return validated(Config, values, source)


def override(config: Config, settings: Mapping[str, Any]) -> Config:
    """Return `config` with other values: `override(config, {"training.steps": 100})`.

    A key is dotted (training.save_every), or its last part if only one key at the same depth ends with it
    (save_every). Settings may also be nested: `{"training": {"steps": 100}}`.

    Raises:
        ConfigError: a key is unknown, or a value does not fit.
    """
    values = config.model_dump(mode="json")
    for key, value in _by_key(settings).items():
        *parents, leaf = _resolve(key, values)
        table = values
        for parent in parents:
            table = table[parent]
        if leaf in ("kind", "family") and table[leaf] != value:
            table.clear()  # its other keys belong to the kind before
        table[leaf] = value
    return validate(_without_none(values))


def _by_key(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with those of a whole section by their dotted keys."""
    sections = set(Config.model_fields) - {"plugins"}
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        nested = key in sections and isinstance(value, Mapping)
        flat |= {f"{key}.{name}": part for name, part in value.items()} if nested else {key: value}
    return flat


def parse_assignments(texts: Sequence[str]) -> dict[str, Any]:
    """Return settings from "KEY=VALUE" texts, as `--set` takes them.

    Values are TOML; a text that is not a TOML value is taken as a string.

    Raises:
        ConfigError: a text is not of that form.
    """
    settings: dict[str, Any] = {}
    for text in texts:
        key, equals, raw = text.partition("=")
        if not equals or not key.strip():
            raise ConfigError(
                f"the setting {text!r} has no '='",
                "KEY=VALUE",
                "save_every=500",
                command="--set save_every=500",
            )
        settings.pop(key.strip(), None)  # the last one counts, also after one of another name for the key
        settings[key.strip()] = _parse_value(raw.strip())
    return settings


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested mappings as one, with dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


def changes(before: Config, after: Config) -> dict[str, tuple[Any, Any]]:
    """Return the dotted keys whose values differ, each with the value before and after."""
    old, new = flatten(before.model_dump(mode="json")), flatten(after.model_dump(mode="json"))
    return {key: (old.get(key), new.get(key)) for key in old | new if old.get(key) != new.get(key)}


def _resolve(key: str, values: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the path of the key that a setting means.

    Raises:
        ConfigError: none, or several; with those that may be meant.
    """
    known = flatten(values)
    table, _, leaf = key.rpartition(".")
    if key in known or key in _WHOLE_TABLES or table in _OPEN_TABLES:
        return (*table.split("."), leaf) if table else (key,)
    matches = [full for full in known if full.endswith(f".{key}")]
    shallowest = min((full.count(".") for full in matches), default=0)
    matches = [full for full in matches if full.count(".") == shallowest]  # info_weight: that of all codes
    if len(matches) == 1:
        return tuple(matches[0].split("."))
    if matches:
        raise ConfigError(
            f"setting {key!r}: {len(matches)} keys end with it: {', '.join(matches)}",
            "a key that is the only one of its name, or a dotted one",
            f"{matches[0]!r} as key",
            command=f"--set {matches[0]}=...",
        )
    meant = suggestions(key, known)
    hint = f" (did you mean {' or '.join(map(repr, meant))}?)" if meant else ""
    raise ConfigError(
        f"setting {key!r}: no such key{hint}",
        "a key of the configuration",
        f"{meant[0]!r} as key" if meant else ALL_KEYS,
        command=f"--set {meant[0]}=..." if meant else "infogan train PRESET --dry-run, to see all keys",
    )


def suggestions(key: str, known: Iterable[str]) -> list[str]:
    """Return up to four keys that `key` may mean: by a part of the name, by initials (lr), or by spelling."""
    full = list(known)
    names = full if "." in key else list(dict.fromkeys(name.rsplit(".", 1)[-1] for name in full))
    parts = [name for name in names if len(key) > 2 and key in name]
    initials = [name for name in names if "".join(word[:1] for word in name.split("_")).startswith(key)]
    near = nearest(key, names)
    return (parts or (initials if len(key) > 1 else []) or ([near] if near else []))[:4]


def _parse_value(raw: str) -> Any:
    if re.fullmatch(r"[-+]?\.[0-9]+", raw):  # .5, which TOML writes 0.5
        return float(raw)
    try:
        return tomllib.loads(f"value = {raw}")["value"]
    except (ValueError, RecursionError):
        return raw


def _without_none(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    return value
