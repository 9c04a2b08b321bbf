"""Validation: pydantic's errors in three parts, with file, line and the nearest known key."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError

from infogan.errors import ConfigError, did_you_mean

Model = TypeVar("Model", bound=BaseModel)

ALL_KEYS = "python -m infogan.config.reference, which describes every key"
"""Advice of errors about keys."""


class Source:
    """The text that keys come from, to name file and line in messages; no name for values in memory."""

    def __init__(self, name: str, text: str) -> None:
        self.name, self.lines = name, text.splitlines()

    def line(self, keys: Iterable[str]) -> str:
        """Return `file:line` of a dotted key, or of its table."""
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


def validated(model: type[Model], values: Mapping[str, Any], source: Source | None = None) -> Model:
    """Return `values` as a checked model.

    Raises:
        ConfigError: with key, value, and the nearest known key.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise _config_error(error, source or Source("", ""), model) from None


def _config_error(error: ValidationError, source: Source, model: type[BaseModel]) -> ConfigError:
    """Return the first problem of a pydantic error in three parts, with the number of others."""
    unknown = ("extra_forbidden", "unexpected_keyword_argument")
    problems = error.errors(include_url=False)
    # A misspelt key is also a missing one: the misspelling is what helps.
    problem = next((p for p in problems if p["type"] in unknown), problems[0])
    keys, known = _walk([str(part) for part in problem["loc"]], model)
    key, place = ".".join(keys), source.line(keys) if keys else source.name
    place = f"{place}: " if place else ""
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    expected, advice = expected_value(problem), ALL_KEYS
    shown = repr(problem.get("input"))
    shown = shown if len(shown) <= 60 else f"{shown[:57]}..."
    happened = f"{place}{key} = {shown} does not fit{more}"
    if problem["type"] in unknown:
        happened = f"{place}unknown key {key!r}{did_you_mean(keys[-1], known)}{more}"
        expected = f"one of {', '.join(known)}"
    elif problem["type"] == "missing":
        happened, expected = f"{place}the key {key!r} is missing{more}", "a value for it"
    elif not key:  # two settings that do not go together: the message names them
        happened = f"{place}the settings do not fit together{more}"
    elif keys[-1] == "std" and problem["type"] == "literal_error":
        expected = "'learned', or a number above 0 and up to 100"
    elif key == "version":
        expected, advice = "version 1 to 3, which this infogan reads", "the infogan that wrote the file"
    return ConfigError(happened, expected, advice)


_TYPES = {
    "bool": "true or false",
    "dict": "a table",
    "finite_number": "a finite number",
    "float": "a number",
    "int": "a whole number",
    "list": "a list",
    "mapping": "a table",
    "model": "a table",
    "string": "text",
    "tuple": "a list",
    "dataclass": "a table",
}
"""The expected value by the first word of pydantic's type of an error."""

_LIMITS = {
    "greater_than_equal": "{ge} or more",
    "greater_than": "a number above {gt}",
    "less_than_equal": "{le} or less",
    "less_than": "a number below {lt}",
    "literal_error": "{expected}",
    "string_pattern_mismatch": "text of the form {pattern}",
    "too_short": "at least {min_length} of them",
    "union_tag_invalid": "one of {expected_tags} as {discriminator}",
    "union_tag_not_found": "a table with the key {discriminator}",
}
"""The expected value by pydantic's type of an error, with the names of its context."""


def expected_value(problem: Mapping[str, Any]) -> str:
    """Return what one of pydantic's errors expected, without pydantic's words."""
    kind = str(problem["type"])
    context = {
        key: int(limit) if isinstance(limit, float) and limit.is_integer() else limit
        for key, limit in problem.get("ctx", {}).items()
    }
    if kind in _LIMITS:
        return _LIMITS[kind].format(**context)
    name = next((name for name in _TYPES if kind == name or kind.startswith(f"{name}_")), None)
    text = str(problem["msg"]).removeprefix("Value error, ").removeprefix("Input should be ")
    return _TYPES[name] if name else text


def _walk(location: Sequence[str], model: type[BaseModel]) -> tuple[list[str], list[str]]:
    """Return a pydantic location without the tags of its unions, and the keys known at its last part."""
    keys: list[str] = []
    known: list[str] = []
    here: Any = model
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
