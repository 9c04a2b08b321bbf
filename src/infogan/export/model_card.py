"""The model card of a repository on the Hugging Face Hub: what the model does, and its limits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import resources
from typing import Any

import jinja2

from infogan.config import Bernoulli, Categorical, Code, Normal
from infogan.data import SOURCES
from infogan.export.interface import matched_classes
from infogan.export.source import Source
from infogan.reporting.markdown import markdown_table
from infogan.reporting.tables import evaluation_text
from infogan.runs.code_names import CodeNames

_COLOURS = {1: "gray", 3: "RGB", 4: "RGBA"}


def render(source: Source, repository: str) -> str:
    """Return the model card as Markdown, with the metadata that the Hub reads.

    Args:
        source: the model.
        repository: OWNER/NAME.
    """
    model, config = source.model, source.model.config
    data = SOURCES.find(config.data.source)
    template = resources.files("infogan.export").joinpath("model_card.md").read_text(encoding="utf-8")
    page = jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True, keep_trailing_newline=True)
    return page.from_string(template).render(
        title=repository.rpartition("/")[2],
        repository=repository,
        size=model.size,
        channels=model.channels,
        form=f"{_COLOURS[model.channels]} {model.size}x{model.size}",
        codes=[{"name": name, "picture": picture_name(name)} for name in model.latents.priors],
        codes_table=_codes_table(source),
        evaluated=bool(source.scores),
        figures=_figures(source.scores) if source.scores else "",
        training_table=markdown_table(["setting", "value"], _training(source)),
        data_text=f"{_sentence(data.summary)} Images: {data.about.images}. Origin: {data.about.origin}.",
        licence=data.about.licence,
        people=data.about.people,
    )


def picture_name(code: str) -> str:
    """Return the file name of the traversal of a code."""
    return f"traversal-{code}.png"


def _sentence(text: str) -> str:
    return text if text.endswith(".") else f"{text}."


def _codes_table(source: Source) -> str:
    rows = []
    for name, prior in source.model.latents.priors.items():
        measured = source.scores.get("codes", {}).get(name, {})
        rows.append(
            [
                name,
                _range_text(prior.code),
                _meaning(name, prior.code, source.names, source.scores),
                measured.get("verdict", ""),
                _information(measured),
            ]
        )
    return markdown_table(["code", "values", "meaning", "verdict", "information in nats"], rows)


def _range_text(code: Code) -> str:
    match code:
        case Categorical():
            text = f"one of {code.size} categories"
        case Bernoulli():
            text = "0 or 1"
        case Normal():
            text = "standard normal"
        case _ if code.kind == "periodic":
            text = "angle in half turns, -1 to 1"
        case _:
            text = f"{code.low:g} to {code.high:g}"
    return text if code.dim == 1 else f"{code.dim} of: {text}"


def _meaning(name: str, code: Code, names: CodeNames, scores: Mapping[str, Any]) -> str:
    """Return what users wrote about a code and its categories, and the classes that match them."""
    note = names.note(name)
    parts = [note.name, note.description]
    if isinstance(code, Categorical):
        classes = matched_classes(name, scores)
        named = [
            f"{index} = {note.categories.get(index) or f'class {classes[index]}'}"
            for index in range(code.size)
            if index in note.categories or index in classes
        ]
        parts.append(", ".join(named))
    return ": ".join(part for part in parts if part) or "not named"


def _information(measured: Mapping[str, Any]) -> str:
    if "mutual_information_nats" not in measured:
        return ""
    text = f"{measured['mutual_information_nats']:.2f}"
    discrete = "std" not in measured and "entropy_nats" in measured
    return f"{text} of {measured['entropy_nats']:.2f}" if discrete else text


def _figures(scores: Mapping[str, Any]) -> str:
    """Return the text of `infogan evaluate` as a Markdown block."""
    return f"```text\n{evaluation_text(scores)}\n```"


def _training(source: Source) -> Iterator[list[object]]:
    config, provenance = source.model.config, source.model.provenance
    yield ["data set", config.data.source]
    if config.preset:
        yield ["preset", config.preset]
    yield ["recipe", config.training.recipe]
    yield ["networks", f"{config.network.architecture}, width {config.network.width:g}"]
    yield ["steps", f"{provenance.get('steps', 0):,}"]
    yield ["images seen", f"{provenance.get('images_seen', 0):,}"]
    yield ["seed", config.training.seed]
    yield ["generator weights", source.model.weights]
    yield ["noise", f"{source.model.latents.noise} dimensions, {source.model.latents.noise_prior}"]
