"""Checkpoints from which a run goes on exactly, and which nothing that happens to a process can spoil.

RUN/checkpoints/step-00012000/ holds model.safetensors, optimizer.safetensors, state.json and MANIFEST.json.
It appears by one rename after all of it is on the disk, and older ones go only then.
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
"""Where tests can break a save, in the order in which a save that prunes reaches them."""


@dataclass(frozen=True)
class Checkpoint:
    """All that a run needs to go on as if it had never stopped."""

    step: int
    """Steps done."""
    model: dict[str, Tensor]
    """Weights and statistics by name, on the CPU."""
    optimizer: dict[str, Tensor]
    """The optimisers' moments by name, on the CPU."""
    state: dict[str, Any]
    """The rest, as JSON."""
    path: Path


def save(  # noqa: PLR0913, PLR0917 - the four parts of a checkpoint, where, and how many
    run_checkpoints: Path,
    step: int,
    model: Mapping[str, Tensor],
    optimizer: Mapping[str, Tensor],
    state: Mapping[str, Any],
    keep: int,
) -> Path:
    """Writes a checkpoint, then deletes the oldest ones beyond `keep`; for the holder of the run's lock.

    One of the same step is kept if its content is the same, and else replaced. Equal arguments give equal
    bytes. Checkpoints of later steps are left alone: only damaged ones lie ahead of a run that goes on.

    Args:
        run_checkpoints: RUN/checkpoints, which must exist.
        step: steps done, 0 or more.
        model: tensors of any device and memory layout, also ones that share memory.
        optimizer: likewise.
        state: anything else, as JSON without NaN.
        keep: how many checkpoints are to remain, 1 or more, this one among them.

    Returns:
        The checkpoint's folder.

    Raises:
        StorageError: it cannot be written, or an old one cannot be deleted; all earlier ones are intact.
        ValueError: `step` or `keep` is out of range, or `state` holds a NaN.
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
        run_checkpoints.stat()  # the error of a deleted run then says what this save needs
    storage.clear_leftovers(run_checkpoints)
    storage.write_folder(folder, files, {"step": step}, exactly=True, then=then)
    older = [path for done, path in sorted(listed(run_checkpoints).items()) if done < step]
    for path in older[: max(0, len(older) - (keep - 1))]:
        storage.remove_folder(path)
    storage.reach(storage.Point.DONE)
    return folder


def load(path: Path) -> Checkpoint:
    """The checkpoint in a folder, after a check of every byte of it.

    Raises:
        StorageError: a file is damaged, missing or one too many; it says which and how.
    """
    advice = "infogan resume RUN, which goes on from the newest undamaged checkpoint"
    manifest = storage.read_manifest(path, advice)
    files = storage.read_folder(path, exactly=True, advice=advice)
    named = _STEP.fullmatch(path.name)
    if set(files) != {MODEL, OPTIMIZER, STATE} or not isinstance(manifest.get("step"), int):
        raise StorageError(
            f"{path} is no checkpoint: it holds {', '.join(sorted(files)) or 'nothing'}",
            f"{MODEL}, {OPTIMIZER}, {STATE} and a step in {storage.MANIFEST}",
            advice,
        )
    if named and int(named[1]) != manifest["step"]:
        raise StorageError(
            f"{path} holds step {manifest['step']}", "the step that the folder is named after", advice
        )
    try:
        model, optimizer = (safetensors.torch.load(files[name]) for name in (MODEL, OPTIMIZER))
        state = json.loads(files[STATE])
    except (safetensors.SafetensorError, ValueError) as error:
        raise StorageError(
            f"{path} cannot be read: {error}", "files that infogan's checkpoint.save wrote", advice
        ) from None
    return Checkpoint(manifest["step"], model, optimizer, state, path)


def newest(run_checkpoints: Path, on_damaged: Callable[[StorageError], None]) -> Checkpoint | None:
    """The newest undamaged checkpoint, or None where there is none at all.

    Args:
        run_checkpoints: RUN/checkpoints.
        on_damaged: told of every damaged checkpoint that was passed over, newest first.

    Raises:
        StorageError: there are checkpoints, and all are damaged; it lists them.
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
        "at least one undamaged checkpoint",
        f"a copy of {run_checkpoints}, or infogan train with another --out",
    )


def listed(run_checkpoints: Path) -> dict[int, Path]:
    """The folders of checkpoints, damaged or not, by step.

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
    for name in sorted(names):  # one being replaced sorts first, so that it yields to its successor
        if match := _STEP.fullmatch(name.removeprefix(replaced)):
            steps[int(match[1])] = run_checkpoints / name
    return steps


def _plain(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same values as the serializer wants them: on the CPU, row by row, each in memory of its own."""
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
