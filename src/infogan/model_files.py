"""The files of a model folder: read together, and checked before networks are built from them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from infogan import config as configuration
from infogan import networks, plugins, storage
from infogan.config import Config
from infogan.errors import StorageError, UsageError

WEIGHTS, CONFIG, PROVENANCE = "model.safetensors", "config.toml", "provenance.json"


@dataclass(frozen=True)
class ModelFiles:
    """The content of a model folder.

    Attributes:
        folder: where the files lie.
        config: the configuration of the model.
        provenance: what is known about its training, as JSON.
        tensors: finite weights and statistics by name.
        stored_bytes: size of the file with the weights.
    """

    folder: Path
    config: Config
    provenance: dict[str, Any]
    tensors: dict[str, Tensor]
    stored_bytes: int


def pack(config: Config, provenance: dict[str, Any], tensors: dict[str, Tensor]) -> dict[str, bytes]:
    """Return the files of a model folder by name, without the manifest."""
    return {
        WEIGHTS: safetensors.torch.save(tensors),
        CONFIG: configuration.to_toml(config).encode(),
        PROVENANCE: json.dumps(provenance, sort_keys=True).encode(),
    }


def read(path: Path) -> ModelFiles:
    """Read the model of a run (its `model` folder), or a model folder.

    Raises:
        UsageError: there is no model at `path`; or a plug-in of its networks is not loaded, or has changed.
        StorageError: a file is damaged.
    """
    folder = _folder_of(path)
    files = storage.read_folder(folder)
    missing = {WEIGHTS, CONFIG, PROVENANCE} - set(files)
    if missing:
        raise StorageError(
            f"{folder} is not a complete model: its manifest has no {' and no '.join(sorted(missing))}",
            "a folder that save_pretrained wrote",
            "another copy of the model",
        )
    try:
        config = configuration.parse(files[CONFIG].decode(), str(folder / CONFIG))
        provenance = json.loads(files[PROVENANCE])
        if not isinstance(provenance, dict):
            raise ValueError(f"{PROVENANCE} holds {type(provenance).__name__}, not an object")
    except (ValueError, RecursionError) as error:
        raise _unreadable(folder, error) from None
    _check_plugins(config, str(path))
    tensors = _tensors(files[WEIGHTS], folder / WEIGHTS)
    return ModelFiles(folder, config, provenance, tensors, len(files[WEIGHTS]))


def _folder_of(path: Path) -> Path:
    """Return the model folder of a run, or `path` itself."""
    folder = path / "model" if (path / "model").is_dir() else path
    if (folder / WEIGHTS).is_file():
        return folder
    stopped = (path / "checkpoints").is_dir() or (path / "selection.json").is_file()
    raise UsageError(
        f"{path} holds no model" + (" yet: its training has not ended or been stopped" if stopped else ""),
        f"a run, or a folder with {WEIGHTS} and {CONFIG}",
        f"infogan resume {path}" if stopped else "infogan train mnist-5k, to make a run",
    )


def _check_plugins(config: Config, path: str) -> None:
    """Check the plug-in of a model's networks. The other plug-ins of its run are not needed to use it."""
    name = config.network.architecture
    if name in networks.ARCHITECTURES:
        return
    loaded = plugins.used([(networks.NETWORKS, name)])
    needed = {key: sha256 for key, sha256 in config.plugins.items() if not loaded or key in loaded}
    plugins.check(needed, loaded, path)


def _tensors(content: bytes, path: Path) -> dict[str, Tensor]:
    """Return the tensors in a file of weights, all of them finite."""
    try:
        tensors = safetensors.torch.load(content)
    except (safetensors.SafetensorError, ValueError, KeyError) as error:  # KeyError: an unknown type
        raise _unreadable(path, error) from None
    wrong = [key for key, value in tensors.items() if not bool(torch.isfinite(value.float()).all())]
    if wrong:
        raise _unreadable(path, ValueError(f"{wrong[0]} has values that are not finite"))
    return tensors


def _unreadable(path: Path, error: Exception) -> StorageError:
    return StorageError(
        f"{path} cannot be read: {error}", "files that infogan wrote", "another copy of the model"
    )
