"""The reference of all keys: `python -m infogan.config.reference > docs/configuration.md`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from infogan.config.codes import (
    Bernoulli,
    Categorical,
    Gaussian,
    Normal,
    Periodic,
    TruncatedGaussian,
    Uniform,
    VonMises,
)
from infogan.config.schedule import Schedule
from infogan.config.sections import Config, Section

_CODES = (Categorical, Uniform, Normal, Periodic, Bernoulli)
_POSTERIORS = (Gaussian, TruncatedGaussian, VonMises)
_LIMITS = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
_TYPES = {int: "integer", float: "number", str: "text", bool: "true or false"}

_INTRODUCTION = """# Configuration

A configuration is a TOML file: `infogan train mnist --dry-run > config.toml` writes one with a comment for
each key, and `infogan train config.toml` trains by it. `--set KEY=VALUE` changes one key, by its dotted name
(`training.save_every`) or by its last part if that is unique (`save_every`). In Python,
`settings={"save_every": 100}` does the same.

A *schedule* is a number, or a list of `[step, value]` points: linear between them, constant outside. Two
points at the same step are a jump. `code_noise = [[1500, 1.0], [2500, 0.4]]` falls from 1 to 0.4 between the
two steps.

Files of versions 1 and 2 are read, too. This page is written by `python -m infogan.config.reference`.
"""


def describe() -> str:
    """Return docs/configuration.md: every key with its values, default and description."""
    lines = [_INTRODUCTION, "## Top level", "", *_rows(Config)]
    for name, field in Config.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, Section):
            lines += ["", f"## [{name}]", "", *_about(section), *_rows(section)]
            if name == "latents":
                lines += [line for code in _CODES for line in _subsection("codes.NAME", "kind", code)]
                lines += [
                    line
                    for family in _POSTERIORS
                    for line in _subsection("codes.NAME.posterior", "family", family)
                ]
    return "\n".join(lines) + "\n"


def _subsection(table: str, tag: str, kind: Any) -> list[str]:
    value = kind.__pydantic_fields__[tag].default
    return ["", f'### [latents.{table}] with {tag} = "{value}"', "", *_about(kind), *_rows(kind)]


def _about(table: type) -> list[str]:
    return [*(line.strip() for line in (table.__doc__ or "").strip().splitlines()), ""]


def _rows(table: Any) -> Iterator[str]:
    yield from ("| key | values | default | meaning |", "|---|---|---|---|")
    for key, field in table.__pydantic_fields__.items():
        if not (isinstance(field.annotation, type) and issubclass(field.annotation, Section)):
            yield f"| `{key}` | {_values(field)} | {_default(field)} | {field.description} |"


def _values(field: FieldInfo) -> str:
    """Return the type of a field and its limits, in words."""
    limits = [
        f"{sign} {getattr(limit, name):,}"
        if isinstance(getattr(limit, name), int)
        else f"{sign} {getattr(limit, name):g}"
        for limit in _metadata(field.annotation, field.metadata)
        for name, sign in _LIMITS.items()
        if hasattr(limit, name)
    ]
    return ", ".join([_words(field.annotation), *limits])


def _metadata(annotation: Any, own: list[Any]) -> list[Any]:
    """Return what annotations say of a value, also inside of `X | None`."""
    found = [*own]
    for member in (annotation, *get_args(annotation)):
        if get_origin(member) is Annotated:
            for extra in get_args(member)[1:]:
                found += extra.metadata if isinstance(extra, FieldInfo) else [extra]
    return found


def _words(annotation: Any) -> str:
    if get_origin(annotation) is Annotated:
        return _words(get_args(annotation)[0])
    if get_origin(annotation) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(annotation))
    if get_origin(annotation) is tuple:
        return f"list of {_words(get_args(annotation)[0])}s"
    if get_origin(annotation) is dict or hasattr(annotation, "__pydantic_fields__"):
        return "table"
    if members := get_args(annotation):
        return " or ".join(dict.fromkeys(_words(member) for member in members if member is not type(None)))
    return "schedule" if annotation is Schedule else _TYPES.get(annotation, str(annotation))


def _default(field: FieldInfo) -> str:
    default = field.get_default()
    if field.default_factory is not None or default == {}:
        return ""
    if default is PydanticUndefined:
        return "required"
    if default is None:
        return "unset"
    default = default.plain if isinstance(default, Schedule) else default
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


if __name__ == "__main__":
    print(describe(), end="")
