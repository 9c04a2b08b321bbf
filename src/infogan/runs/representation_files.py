"""The representation that a run was trained with, on disk: RUN/representation, complete or absent.

    RUN/representation/
        anchors.safetensors     targets of codes for all training images, [N, width] by the code's name
        encoder.safetensors     weights that Q's encoder started from, if it was trained before
        recognition.safetensors weights that Q's head started from, if it was fitted to the anchors
        neighbours.safetensors  nearest neighbours of all training images, if learned features define them
        candidates.json         how the anchors were found
        MANIFEST.json           sizes and sha256 sums

A checkpoint has the sha256 sums, so that a run is never resumed with other anchors.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor

from infogan import storage
from infogan.errors import StorageError

ANCHORS, ENCODER, CANDIDATES = "anchors.safetensors", "encoder.safetensors", "candidates.json"
RECOGNITION, NEIGHBOURS = "recognition.safetensors", "neighbours.safetensors"

_TENSORS = (ANCHORS, ENCODER, RECOGNITION, NEIGHBOURS)
_INDICES = "indices"
_ADVICE = "another copy of the folder, or infogan train, for a new run"


@dataclass(frozen=True)
class Representation:
    """Codes that were found in the real images before the generator is trained.

    Attributes:
        anchors: targets of codes, as `infogan.training.anchors.Anchors` has them.
        encoder: the state dict of a trained encoder, for `InfoGAN.load_encoder`; None: Q's starts untrained.
        recognition: the state dict of Q's head, fitted to the anchors; None: it starts untrained.
        candidates: how the anchors were found, as JSON.
        sha256: of each file, once it is on disk.
        neighbours: int64 [N, count], indices of the nearest neighbours of each training image; None: those by
            the pixels are used.
    """

    anchors: Mapping[str, Tensor]
    encoder: Mapping[str, Tensor] | None = None
    candidates: Any = None
    recognition: Mapping[str, Tensor] | None = None
    sha256: Mapping[str, str] | None = None
    neighbours: Tensor | None = None


def save(folder: Path, representation: Representation) -> None:
    """Write the files of a representation atomically; an equal folder stays unchanged.

    Raises:
        StorageError: it cannot be written; the old folder is intact.
        ValueError: `candidates` has a number that is not finite.
    """
    text = json.dumps(representation.candidates, sort_keys=True, indent=2, allow_nan=False) + "\n"
    files = {ANCHORS: _bytes(representation.anchors), CANDIDATES: text.encode()}
    if representation.encoder is not None:
        files[ENCODER] = _bytes(representation.encoder)
    if representation.recognition is not None:
        files[RECOGNITION] = _bytes(representation.recognition)
    if representation.neighbours is not None:
        files[NEIGHBOURS] = _bytes({_INDICES: representation.neighbours})
    storage.write_folder(folder, files)


def load(folder: Path) -> Representation | None:
    """Load a representation after checking every byte; return None if there is no such folder.

    Raises:
        StorageError: a file is damaged or missing; names it.
    """
    if not folder.exists():
        return None
    files = storage.read_folder(folder, advice=_ADVICE)
    sums = {name: entry["sha256"] for name, entry in storage.read_manifest(folder, _ADVICE)["files"].items()}
    if missing := {ANCHORS, CANDIDATES} - set(files):
        raise StorageError(
            f"{folder} is not a representation: its manifest has no {' and no '.join(sorted(missing))}",
            f"{ANCHORS}, {CANDIDATES} and perhaps {ENCODER}",
            _ADVICE,
        )
    try:
        tensors = {name: safetensors.torch.load(files[name]) for name in _TENSORS if name in files}
        candidates = json.loads(files[CANDIDATES])
    except (safetensors.SafetensorError, ValueError) as error:
        raise StorageError(f"{folder} cannot be read: {error}", "files written by infogan", _ADVICE) from None
    return Representation(
        tensors[ANCHORS],
        tensors.get(ENCODER),
        candidates,
        tensors.get(RECOGNITION),
        sums,
        tensors.get(NEIGHBOURS, {}).get(_INDICES),
    )


def check(folder: Path, found: Representation | None, trained_with: Mapping[str, str]) -> None:
    """Raise StorageError if the files are not those that a checkpoint was trained with.

    Args:
        folder: where they lie.
        found: what `load` returned.
        trained_with: their sha256 sums in the checkpoint; empty if the run had no representation.
    """
    sums = dict(found.sha256 or {}) if found is not None else {}
    if sums == dict(trained_with):
        return
    if not trained_with:
        raise StorageError(
            f"{folder} was added to a run that was trained without anchors",
            "no such folder",
            "another place for it, or override=True to resume with these anchors",
            command="another place for it, or --override to resume with these anchors",
        )
    names = sorted(name for name in sums | dict(trained_with) if sums.get(name) != trained_with.get(name))
    raise StorageError(
        f"{folder} has changed since the run was trained: {', '.join(names)}"
        if sums
        else f"{folder} is missing",
        "the anchors and the encoder that the run was trained with",
        "a copy of that folder, or override=True to resume with what is there",
        command="a copy of that folder, or --override to resume with what is there",
    )


def _bytes(tensors: Mapping[str, Tensor]) -> bytes:
    return safetensors.torch.save({k: v.detach().cpu().contiguous() for k, v in tensors.items()})
