"""The description of a model that the page builds its controls from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infogan.explorer.latent_rows import REACH, Control, controls
from infogan.model import InfoGAN
from infogan.runs.code_names import CodeNames

RESERVED = ("seed", "noise", "view", "range", "picture")
"""Keys of the page's link that are no codes; a code of such a name has the key `code.NAME`."""


def describe(
    model: InfoGAN, names: CodeNames, *, title: str, verdicts: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return the description of a model as JSON; `static/backend.js` documents its keys.

    Args:
        model: the model.
        names: names of its codes.
        title: of the page, such as the name of the run.
        verdicts: "used", "dead" and so on by code, if the run was evaluated.
    """
    return {
        "title": title,
        "size": model.size,
        "channels": model.channels,
        "steps": model.provenance.get("steps", 0),
        "noise": {"size": model.latents.noise, "prior": model.latents.noise_prior},
        "reach": REACH,
        "controls": [
            _control(control, model, names, verdicts or {}) for control in controls(model.latents)
        ],
    }


def _control(
    control: Control, model: InfoGAN, names: CodeNames, verdicts: Mapping[str, str]
) -> dict[str, Any]:
    note, several = names.note(control.code), model.latents.priors[control.code].code.dim > 1
    suffix = f"[{control.index}]" if several else ""
    key = f"{control.code}.{control.index}" if several else control.code
    return {
        "key": f"code.{key}" if key in RESERVED else key,
        "code": control.code,
        "index": control.index,
        "title": names.shown(control.code) + suffix,
        "configured": control.code + suffix,
        "description": note.description,
        "kind": control.kind,
        "size": control.size,
        "categories": {str(index): text for index, text in note.categories.items()},
        "low": control.low,
        "high": control.high,
        "verdict": verdicts.get(control.code, ""),
    }
