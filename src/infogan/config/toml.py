"""The configuration as a file: read, validate, override, compare, write."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import tomli_w
from pydantic import ValidationError

from infogan.config.migration import migrate
from infogan.config.sections import Config
from infogan.errors import ConfigError, did_you_mean

_TABLES = ("objective.terms", "plugins")
"""Tables in which a setting may add a key."""


def to_toml(config: Config) -> str:
    """The configuration as TOML that `read` takes back. Keys that are not set stand there as comments."""
    values = config.model_dump(mode="json")
    lines = tomli_w.dumps(_without_none(values)).split("\n")
    for key in (key for key, value in flatten(values).items() if value is None):
        table, _, leaf = key.rpartition(".")
        lines.insert(lines.index(f"[{table}]") + 1, f"# {leaf} is not set")
    return "\n".join(lines) + "\n"


def read(path: str | Path) -> Config:
    """The configuration in a TOML file.

    Raises:
        ConfigError: the file is missing or is no TOML, or a key or value in it is wrong; with file and line.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"cannot read the configuration {path}: {error}",
            "a TOML file",
            "infogan train mnist --dry-run > config.toml",
        ) from None
    return parse(text, str(path))


def parse(text: str, name: str) -> Config:
    """The configuration in a TOML text; `name` is the file that messages speak of.

    Raises:
        ConfigError: the text is no TOML, or a key or value in it is wrong; with file and line.
    """
    try:
        values = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # TOMLDecodeError, and what tomllib lets through
        raise ConfigError(
            f"{name} is not TOML: {error}",
            "key = value lines under [sections]",
            "infogan train mnist --dry-run, to see a whole configuration",
        ) from None
    return validate(migrate(values, name), _Where(name, text))


def validate(values: Mapping[str, Any], where: _Where | None = None) -> Config:
    """A checked configuration from nested mappings.

    Raises:
        ConfigError: with the place, the value, and the nearest known key.
    """
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        raise _config_error(error, where or _Where("configuration", "")) from None


def override(config: Config, settings: Mapping[str, Any] | Sequence[str]) -> Config:
    """Return `config` with other values: `override(config, {"training.steps": 100})`.

    A key is dotted (training.save_every), or its last part alone where only one key at the same depth ends so
    (save_every).

    Raises:
        ConfigError: a key is unknown, or a value does not fit.
    """
    if not isinstance(settings, Mapping):
        settings = parse_assignments(settings)
    values = config.model_dump(mode="json")
    for key, value in settings.items():
        *parents, leaf = _resolve(key, values)
        section = values
        for parent in parents:
            section = section[parent]
        if leaf in ("kind", "family") and section[leaf] != value:
            section.clear()  # its other keys belong to the kind before
        section[leaf] = value
    return validate(_without_none(values), _Where("the settings " + ", ".join(settings), ""))


def parse_assignments(texts: Sequence[str]) -> dict[str, Any]:
    """Return settings from "KEY=VALUE" texts, as `--set` takes them.

    Values are TOML; a text that is no TOML value is taken as a string.

    Raises:
        ConfigError: a text is not of that form.
    """
    settings = {}
    for text in texts:
        key, equals, raw = text.partition("=")
        if not equals or not key.strip():
            raise ConfigError(f"--set {text!r} has no '='", "KEY=VALUE", "--set save_every=500")
        settings[key.strip()] = _parse_value(raw.strip())
    return settings


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one, with dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


def changes(before: Config, after: Config) -> dict[str, tuple[Any, Any]]:
    """Dotted keys whose values differ, each with the value before and after."""
    old, new = flatten(before.model_dump(mode="json")), flatten(after.model_dump(mode="json"))
    return {key: (old.get(key), new.get(key)) for key in old | new if old.get(key) != new.get(key)}


def _resolve(key: str, values: Mapping[str, Any]) -> tuple[str, ...]:
    known = flatten(values)
    table = key.rpartition(".")[0]
    if key in known or table in _TABLES:
        return (*table.split("."), key.rpartition(".")[2]) if table else (key,)
    matches = [full for full in known if full.endswith(f".{key}")]
    nearest = min((full.count(".") for full in matches), default=0)
    matches = [full for full in matches if full.count(".") == nearest]  # info_weight: that of all codes
    if len(matches) == 1:
        return tuple(matches[0].split("."))
    if matches:
        raise ConfigError(
            f"--set {key}: {len(matches)} keys end so: {', '.join(matches)}",
            "a key that is the only one of its name, or a dotted one",
            f"--set {matches[0]}=...",
        )
    leaves = {full.rsplit(".", 1)[-1]: full for full in known}
    near = difflib.get_close_matches(key, [*known, *leaves], n=1, cutoff=0.6)
    raise ConfigError(
        f"--set {key}: no such key{did_you_mean(key, [*known, *leaves])}",
        "a key of the configuration",
        f"--set {near[0]}=..." if near else "infogan train PRESET --dry-run, to see all keys",
    )


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


class _Where:
    """Names the file and line of a key, for messages."""

    def __init__(self, name: str, text: str) -> None:
        self.name, self.lines = name, text.splitlines()

    def line(self, keys: Iterable[str]) -> str:
        """`file:line` of a dotted key, as near as the text tells."""
        *tables, leaf = keys
        current: list[str] = []
        best = None
        for number, line in enumerate(self.lines, start=1):
            if header := re.match(r"\s*\[+\s*([^\]]+?)\s*\]+", line):
                current = [part.strip().strip("\"'") for part in header.group(1).split(".")]
                if current == [*tables, leaf]:
                    return f"{self.name}:{number}"
                if current == tables:
                    best = number
            elif (match := re.match(r"\s*([\w.\"'-]+?)\s*=", line)) is not None:
                dotted = [*current, *(part.strip("\"'") for part in match.group(1).split("."))]
                if dotted in ([*tables, leaf], tables):
                    return f"{self.name}:{number}"
        return f"{self.name}:{best}" if best else self.name


def _config_error(error: ValidationError, where: _Where) -> ConfigError:
    """The first problem of a pydantic error in three parts; the number of others behind it."""
    unknown = ("extra_forbidden", "unexpected_keyword_argument")
    problems = error.errors(include_url=False)
    # A misspelt key is also a missing one: the misspelling is what helps.
    problem = next((p for p in problems if p["type"] in unknown), problems[0])
    keys, known = _walk([str(part) for part in problem["loc"]])
    place, key = where.line(keys) if keys else where.name, ".".join(keys)
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    advice = "infogan train PRESET --dry-run, to see a whole configuration"
    if problem["type"] in unknown:
        return ConfigError(
            f"{place}: unknown key {key!r}{did_you_mean(keys[-1], known)}{more}",
            f"one of {', '.join(known)}",
            advice,
        )
    if problem["type"] == "missing":
        return ConfigError(f"{place}: the key {key!r} is missing{more}", "a value for it", advice)
    expected = str(problem["msg"]).removeprefix("Value error, ")
    if keys and keys[-1] == "std" and problem["type"] == "literal_error":
        expected = "'learned', or a number above 0 and up to 100"
    if key == "version":
        expected, advice = "version 1 or 2, those that this infogan reads", "the infogan that wrote the file"
    if not key:  # two settings that do not go together: the message names them
        return ConfigError(f"{place}: the settings do not fit together{more}", expected, advice)
    shown = repr(problem.get("input"))
    shown = shown if len(shown) <= 60 else f"{shown[:57]}..."
    return ConfigError(f"{place}: {key} = {shown} does not fit{more}", expected, advice)


def _walk(location: Sequence[str]) -> tuple[list[str], list[str]]:
    """A pydantic location without the tags of its unions, and the keys known where its last part stands."""
    keys: list[str] = []
    known: list[str] = []
    here: Any = Config
    for part in location:
        if get_origin(here) is Annotated:
            here = get_args(here)[0]
        if get_origin(here) is dict:
            known, here = [], get_args(here)[1]
        elif members := get_args(here):  # a union: the part is the tag of one of its members
            here = next((m for m in members if part in _tags(m)), None)
            continue
        else:
            fields = getattr(here, "__pydantic_fields__", {})
            known, here = sorted(fields), getattr(fields.get(part), "annotation", None)
        keys.append(part)
    return keys, known


def _tags(member: Any) -> list[Any]:
    fields = getattr(member, "__pydantic_fields__", {})
    return [fields[key].default for key in ("kind", "family") if key in fields]
