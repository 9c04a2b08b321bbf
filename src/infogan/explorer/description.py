"""The description of a model that the page builds its controls from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infogan.explorer.latent_rows import REACH, Control, controls
from infogan.model import InfoGAN
from infogan.runs.code_names import CodeNames, Note

RESERVED = ("seed", "noise", "view", "range", "picture")
"""Keys of the page's link that are not codes; a code with one of these names has the key `code.NAME`."""


@dataclass
class Explored:
    """The run that a page shows.

    Attributes:
        model: the model.
        names: names of its codes.
        folder: the run directory or model folder, in which codes.json is written.
        title: name of the run.
        verdicts: "used", "dead" and so on by code, if the run was evaluated.
    """

    model: InfoGAN
    names: CodeNames
    folder: Path
    title: str
    verdicts: Mapping[str, str] = field(default_factory=dict)

    def describe(self) -> dict[str, Any]:
        """Return the description of the model as JSON; `static/backend.js` documents its keys."""
        model = self.model
        return {
            "title": self.title,
            "size": model.size,
            "channels": model.channels,
            "steps": model.provenance.get("steps", 0),
            "noise": {"size": model.latents.noise, "prior": model.latents.noise_prior},
            "reach": REACH,
            "controls": [self._control(control) for control in controls(model.latents)],
        }

    def rename(self, code: str, note: Note) -> None:
        """Save another note on one code.

        Raises:
            UsageError: the note does not fit the code.
            StorageError: codes.json cannot be written; the old names are kept.
        """
        names = self.names.with_note(code, note)
        names.write(self.folder)
        self.names = names

    def _control(self, control: Control) -> dict[str, Any]:
        several = self.model.latents.priors[control.code].code.dim > 1
        note, suffix = self.names.note(control.code), f"[{control.index}]" if several else ""
        key = f"{control.code}.{control.index}" if several else control.code
        return {
            "key": f"code.{key}" if key in RESERVED else key,
            "code": control.code,
            "index": control.index,
            "title": self.names.shown(control.code) + suffix,
            "configured": control.code + suffix,
            "description": note.description,
            "kind": control.kind,
            "size": control.size,
            "categories": {str(index): text for index, text in note.categories.items()},
            "low": control.low,
            "high": control.high,
            "verdict": self.verdicts.get(control.code, ""),
        }
