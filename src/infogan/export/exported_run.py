"""Everything that an export takes from a run: its model, names of codes and evaluation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infogan import storage
from infogan.errors import StorageError
from infogan.export import interface
from infogan.model import InfoGAN
from infogan.runs import code_names
from infogan.runs.code_names import CodeNames


@dataclass(frozen=True)
class Source:
    """A trained model, and what is known about it.

    Attributes:
        folder: the run directory or model folder; None for a model of the Hugging Face Hub.
        title: name of the run.
        model: the model.
        names: names and descriptions of its codes.
        scores: the contents of evaluation.json; empty if the run was not evaluated.
    """

    folder: Path | None
    title: str
    model: InfoGAN
    names: CodeNames
    scores: Mapping[str, Any]

    @classmethod
    def read(cls, run: str | Path, model: InfoGAN) -> Source:
        """Read names and evaluation of a run whose model is loaded.

        Raises:
            StorageError: codes.json or evaluation.json is damaged.
        """
        folder = Path(run) if Path(run).is_dir() else None
        priors = model.latents.priors
        codes = {name: prior.code for name, prior in priors.items()}
        names = CodeNames(codes) if folder is None else code_names.read(folder, codes)
        scores = {} if folder is None else _scores(folder / "evaluation.json", model)
        title = Path(run).resolve().name if folder else str(run).rpartition("/")[2]
        return cls(folder, title, model, names, scores)

    @property
    def description(self) -> dict[str, Any]:
        """The description of the exported networks."""
        return interface.describe(self.model, self.names, self.scores)

    @property
    def model_files(self) -> dict[str, bytes]:
        """The files of the model folder, and codes.json if codes were named."""
        if self.folder is None:
            return self.model.files()
        inside = self.folder / "model"
        files = storage.read_folder(inside if inside.is_dir() else self.folder)
        named = self.folder / code_names.FILE
        return files | ({code_names.FILE: named.read_bytes()} if named.is_file() else {})

    def default_out(self, name: str) -> Path:
        """Return where an export is written without `out`: RUN/export/NAME."""
        return (self.folder or Path()) / "export" / name


def _scores(path: Path, model: InfoGAN) -> dict[str, Any]:
    """Return evaluation.json if it is of this model; {} if it is missing, or of another step."""
    if not path.is_file():
        return {}
    try:
        scores = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise StorageError(
            f"{path} cannot be read: {error}",
            "a JSON object that infogan evaluate wrote",
            "infogan.evaluate(...), or delete the file",
            command="infogan evaluate, or delete the file",
        ) from None
    fits = isinstance(scores, dict) and scores.get("steps") == model.provenance.get("steps")
    return scores if fits else {}
