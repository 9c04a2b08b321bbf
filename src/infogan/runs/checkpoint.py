"""Checkpoints: the complete state of a run, written atomically.

RUN/checkpoints/step-00012000/ holds model.safetensors, optimizer.safetensors, state.json and MANIFEST.json.
It gets its name by one rename after all files are on the disk; old checkpoints are deleted afterwards.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from infogan import storage
from infogan.errors import StorageError

MODEL, OPTIMIZER, STATE = "model.safetensors", "optimizer.safetensors", "state.json"
_STEP = re.compile(r"step-(\d{8,})")

FAULT_POINTS: tuple[str, ...] = (
    storage.Point.TMP_WRITE,
    *map(storage.file_point, (MODEL, OPTIMIZER, STATE)),
    storage.Point.MANIFEST,
    storage.Point.RENAME,
    storage.Point.PRUNE,
    storage.Point.DONE,
)
"""The points at which tests can interrupt a save, in order."""


@dataclass(frozen=True)
class Checkpoint:
    """Everything that a run needs to be resumed exactly."""

    step: int
    """Number of steps done."""
    model: dict[str, Tensor]
    """Weights and statistics by name, on the CPU."""
    optimizer: dict[str, Tensor]
    """The optimizers' moments by name, on the CPU."""
    state: dict[str, Any]
    """All other state, as JSON."""
    path: Path


def save(  # noqa: PLR0913, PLR0917 - the parts of a checkpoint, its folder, and how many to keep
    run_checkpoints: Path,
    step: int,
    model: Mapping[str, Tensor],
    optimizer: Mapping[str, Tensor],
    state: Mapping[str, Any],
    keep: int,
) -> Path:
    """Write a checkpoint, then delete the oldest ones beyond `keep`; the run's lock must be held.

    An existing checkpoint of the step is replaced if its content differs. Equal arguments give equal bytes.
    Checkpoints of later steps are left alone: only damaged ones are ahead of a resumed run.

    Args:
        run_checkpoints: RUN/checkpoints, which must exist.
        step: number of steps done, 0 or more.
        model: tensors on any device, in any memory layout; they may share memory.
        optimizer: as `model`.
        state: other state, as JSON without NaN.
        keep: number of checkpoints to keep, including this one; 1 or more.

    Returns:
        The folder of the checkpoint.

    Raises:
        StorageError: it cannot be written, or an old one cannot be deleted; earlier ones are intact.
        ValueError: `step` or `keep` is out of range, or `state` has a NaN.
    """
    if step < 0 or keep < 1:
        raise ValueError(f"step = {step} and keep = {keep}: expected at least 0 and 1")
    files = {
        MODEL: safetensors.torch.save(_plain(model)),
        OPTIMIZER: safetensors.torch.save(_plain(optimizer)),
        STATE: (json.dumps(state, sort_keys=True, indent=1, allow_nan=False) + "\n").encode(),
    }
    folder = run_checkpoints / f"step-{step:08d}"
    then = f"infogan resume {run_checkpoints.parent}"
    with storage.writing(folder, sum(map(len, files.values())), then):
        run_checkpoints.stat()  # for a deleted run, raise an error with the size of this save
    storage.clear_leftovers(run_checkpoints)
    storage.write_folder(folder, files, {"step": step}, exactly=True, then=then)
    older = [path for done, path in sorted(listed(run_checkpoints).items()) if done < step]
    for path in older[: max(0, len(older) - (keep - 1))]:
        storage.remove_folder(path)
    storage.reach(storage.Point.DONE)
    return folder


def load(path: Path) -> Checkpoint:
    """Load a checkpoint after checking every byte.

    Raises:
        StorageError: a file is damaged, missing or unexpected; names it.
    """
    advice = "infogan resume RUN, which resumes from the newest intact checkpoint"
    manifest = storage.read_manifest(path, advice)
    files = storage.read_folder(path, exactly=True, advice=advice)
    named = _STEP.fullmatch(path.name)
    if set(files) != {MODEL, OPTIMIZER, STATE} or not isinstance(manifest.get("step"), int):
        raise StorageError(
            f"{path} is not a checkpoint: it holds {', '.join(sorted(files)) or 'nothing'}",
            f"{MODEL}, {OPTIMIZER}, {STATE} and a step in {storage.MANIFEST}",
            advice,
        )
    if named and int(named[1]) != manifest["step"]:
        raise StorageError(
            f"{path} holds step {manifest['step']}", "the step that the folder is named after", advice
        )
    try:
        model, optimizer = (safetensors.torch.load(files[name]) for name in (MODEL, OPTIMIZER))
        if not isinstance(state := json.loads(files[STATE]), dict):
            raise ValueError(f"{STATE} is not a JSON object")
    except (safetensors.SafetensorError, ValueError) as error:
        raise StorageError(f"{path} cannot be read: {error}", "files written by infogan", advice) from None
    return Checkpoint(manifest["step"], model, optimizer, state, path)


def newest(run_checkpoints: Path, on_damaged: Callable[[StorageError], None]) -> Checkpoint | None:
    """Load the newest intact checkpoint; return None if there is no checkpoint.

    Args:
        run_checkpoints: RUN/checkpoints.
        on_damaged: called with the error of each damaged checkpoint that is skipped, newest first.

    Raises:
        StorageError: all checkpoints are damaged; lists them.
    """
    damaged = []
    for _, path in sorted(listed(run_checkpoints).items(), reverse=True):
        try:
            return load(path)
        except StorageError as error:
            on_damaged(error)
            damaged.append(error)
    if not damaged:
        return None
    raise StorageError(
        f"all {len(damaged)} checkpoints in {run_checkpoints} are damaged: "
        + "; ".join(error.happened for error in damaged),
        "at least one intact checkpoint",
        f"a copy of {run_checkpoints}, or a new training in another folder",
    )


def listed(run_checkpoints: Path) -> dict[int, Path]:
    """Return the folders of all checkpoints by step, damaged or not.

    Raises:
        StorageError: the folder cannot be read.
    """
    try:
        names = [path.name for path in run_checkpoints.iterdir()] if run_checkpoints.exists() else []
    except OSError as error:
        raise StorageError(
            f"cannot read {run_checkpoints}: {error.strerror or error}",
            "a folder of checkpoints",
            f"chmod u+rx {run_checkpoints}",
        ) from error
    replaced = storage.replaced_name("")
    steps: dict[int, Path] = {}
    for name in sorted(
        names
    ):  # a checkpoint that is being replaced sorts before its successor, which overrides it
        if match := _STEP.fullmatch(name.removeprefix(replaced)):
            steps[int(match[1])] = run_checkpoints / name
    return steps


def _plain(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return contiguous copies on the CPU that do not share memory, as safetensors requires."""
    plain: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, tensor in tensors.items():
        value = tensor.detach().cpu().contiguous(memory_format=torch.contiguous_format)
        memory = value.untyped_storage().data_ptr()
        if memory in seen:
            value = value.clone(memory_format=torch.contiguous_format)
        seen.add(memory)
        plain[name] = value
    return plain
