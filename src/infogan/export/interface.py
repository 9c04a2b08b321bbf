"""The description of exported networks: what their inputs, outputs and codes mean, as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from infogan import __version__
from infogan.config import Bernoulli, Categorical, Code, Normal
from infogan.evaluation.clustering import UNMATCHED
from infogan.export import graphs
from infogan.model import InfoGAN
from infogan.runs.code_names import CodeNames

FORMAT = 1
"""Version of this description."""

_COLOURS = {1: "gray", 3: "RGB", 4: "RGBA"}


def describe(model: InfoGAN, names: CodeNames, scores: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the description of both networks of a model.

    Args:
        model: the model.
        names: what users wrote about its codes.
        scores: the contents of evaluation.json, for verdicts and for classes that match categories.
    """
    ports = {
        "generator": (graphs.generator_inputs(model), graphs.generator_outputs(model)),
        "recognition": (graphs.recognition_inputs(model), graphs.recognition_outputs(model)),
    }
    return {
        "format": FORMAT,
        "infogan": __version__,
        "image": {
            "height": model.size,
            "width": model.size,
            "channels": model.channels,
            "colours": _COLOURS[model.channels],
            "layout": "N, height, width, channels",
        },
        "noise": {"size": model.latents.noise, "prior": model.latents.noise_prior},
        "codes": [
            {"name": name, **_code(name, prior.code, names, scores or {})}
            for name, prior in model.latents.priors.items()
        ],
        "networks": {
            network: {"inputs": list(map(_port, inputs)), "outputs": list(map(_port, outputs))}
            for network, (inputs, outputs) in ports.items()
        },
        "training": {
            "dataset": (scores or {}).get("dataset") or model.config.data.source,
            "preset": model.config.preset,
            "steps": model.provenance.get("steps"),
            "generator_weights": model.weights,
        },
    }


def _port(port: graphs.Port) -> dict[str, Any]:
    return {"name": port.name, "dtype": port.dtype, "shape": ["N", *port.shape], "text": port.text}


def _code(name: str, code: Code, names: CodeNames, scores: Mapping[str, Any]) -> dict[str, Any]:
    note = names.note(name)
    facts: dict[str, Any] = {"kind": code.kind, "dimensions": code.dim}
    if isinstance(code, Categorical):
        matched = matched_classes(name, scores)
        facts |= {"size": code.size, "probabilities": code.probabilities}
        facts["categories"] = [
            {"index": index, "name": note.categories.get(index, ""), "class": matched.get(index, "")}
            for index in range(code.size)
        ]
    elif isinstance(code, Bernoulli):
        facts["probability"] = code.probability
    elif not isinstance(code, Normal):
        facts |= {"low": code.low, "high": code.high}
    if note.name:
        facts["shown_name"] = note.name
    if note.description:
        facts["description"] = note.description
    measured = scores.get("codes", {}).get(name, {})
    kept = ("verdict", "mutual_information_nats", "entropy_nats")
    return facts | {key: measured[key] for key in kept if key in measured}


def matched_classes(name: str, scores: Mapping[str, Any]) -> dict[int, str]:
    """Return the labelled class that matches each category of a code best, by the category's index.

    Args:
        name: of the code.
        scores: the contents of evaluation.json; only the code that clusters the images has matches.
    """
    clustering = scores.get("clustering", {})
    if clustering.get("code") != name:
        return {}
    matching: Sequence[int] = clustering.get("matching", ())
    return {index: str(label) for index, label in enumerate(matching) if label != UNMATCHED}
