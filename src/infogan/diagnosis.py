"""Diagnose this machine: versions, processor, devices, extras, disk, and a test of writing."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import re
import secrets
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from infogan import storage
from infogan.data.download import cache_folder
from infogan.errors import InfoGANError

PACKAGES = ("torch", "numpy", "scipy", "scikit-learn", "pillow", "safetensors")
"""Packages whose versions matter for results."""

FEWEST_BYTES = 1 << 30
"""Free bytes below which a disk counts as nearly full; a run with its checkpoints needs less."""

_WRITTEN = 1 << 24  # bytes of the test
_CPU_INFO = Path("/proc/cpuinfo")
_FEATURES = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
_DEVELOPMENT = ("dev", "docs")
_EXTRA = re.compile(r"^(?P<name>[\w.-]+)(?P<nested>\[[\w,-]+\])?.*extra *== *['\"](?P<extra>[\w-]+)['\"]")


@dataclass(frozen=True)
class Diagnosis:
    """The result of `diagnose`.

    Attributes:
        versions: of infogan, Python, the system and packages.
        processor: model, cores, threads of torch, features and memory.
        devices: by name, with a description.
        chosen: device and precision that "auto" selects.
        extras: for each extra of infogan, the packages that are missing.
        folders: free bytes, and the result of the test of writing, for the folder of runs and the cache.
        problems: sentences with what to do; empty if all is well.
    """

    versions: Mapping[str, str]
    processor: Mapping[str, Any]
    devices: Mapping[str, str]
    chosen: Mapping[str, str]
    extras: Mapping[str, list[str]]
    folders: Mapping[str, Mapping[str, Any]]
    problems: list[str]

    def as_json(self) -> dict[str, Any]:
        """Return the content as JSON values."""
        return asdict(self)

    def lines(self) -> list[str]:
        """Return the content as text."""
        processor = self.processor
        features = ", ".join(processor["features"]) or "no vector features listed"
        memory = (
            "" if processor["memory_bytes"] is None else f", {_gigabytes(processor['memory_bytes'])} memory"
        )
        lines = [
            "  ".join(f"{name} {version}" for name, version in self.versions.items()),
            f"processor: {processor['model']}; {processor['cores']} cores, {processor['threads']} threads of "
            f"torch{memory}; {features}",
            *(f"device {name}: {text}" for name, text in self.devices.items()),
            f"auto selects: {self.chosen['device']}, {self.chosen['precision']}",
        ]
        for folder, facts in self.folders.items():
            free = "unknown" if facts["free_bytes"] is None else _gigabytes(facts["free_bytes"])
            lines.append(f"{folder}: {facts['path']}, {free} free; {facts['write_test']}")
        installed = [name for name, missing in self.extras.items() if not missing]
        lines.append(f"extras installed: {', '.join(installed) or 'none'}")
        lines += [
            f"extra {name}: missing {', '.join(missing)}; pip install 'infogan[{name}]'"
            for name, missing in self.extras.items()
            if missing
        ]
        return [*lines, *(f"problem: {text}" for text in self.problems or ())] + (
            [] if self.problems else ["no problem found"]
        )


def diagnose(folder: Path, device: torch.device, precision: str) -> Diagnosis:
    """Return the properties of this machine, and its problems.

    Args:
        folder: where runs are to be written; it is created if it is missing.
        device: the one that training with "auto" selects.
        precision: the one that training with "auto" selects.
    """
    folders = {"runs": _tried(folder), "cache": _tried(cache_folder())}
    problems = []
    for name, facts in folders.items():
        if facts["error"]:
            problems.append(f"{name}: {facts['error']}")
        elif facts["free_bytes"] is not None and facts["free_bytes"] < FEWEST_BYTES:
            problems.append(
                f"{facts['path']} has only {_gigabytes(facts['free_bytes'])} free; free some space"
            )
    if device.type == "cpu" and torch.get_num_threads() > _cores():
        problems.append(
            f"torch uses {torch.get_num_threads()} threads on {_cores()} cores; "
            f"set OMP_NUM_THREADS={_cores()}"
        )
    return Diagnosis(
        _versions(),
        _processor(),
        _devices(),
        {"device": str(device), "precision": precision},
        extras(),
        folders,
        problems,
    )


def extras() -> dict[str, list[str]]:
    """Return the packages that are missing for each extra of infogan, by the metadata of its installation.

    Those for the development of infogan itself are left out.
    """
    requirements: list[str] = []
    with suppress(importlib.metadata.PackageNotFoundError):  # used from a folder of sources
        requirements = importlib.metadata.requires("infogan") or []
    missing: dict[str, list[str]] = {}
    for requirement in requirements:
        match = _EXTRA.match(requirement)
        if match and match["name"] != "infogan" and match["extra"] not in _DEVELOPMENT:
            lacking = missing.setdefault(match["extra"], [])
            if not _is_installed(match["name"]):
                lacking.append(match["name"])
    return dict(sorted(missing.items()))


def _is_installed(distribution: str) -> bool:
    try:
        importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _versions() -> dict[str, str]:
    from infogan import __version__

    found = {"infogan": __version__, "Python": platform.python_version(), "on": platform.platform()}
    for name in PACKAGES:
        with suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def _cores() -> int:
    """Return the number of cores that this process may use."""
    usable = getattr(os, "sched_getaffinity", None)  # not on macOS
    return len(usable(0)) if usable else os.cpu_count() or 1


def _processor() -> dict[str, Any]:
    text = _CPU_INFO.read_text(encoding="utf-8") if _CPU_INFO.is_file() else ""
    named = re.search(r"^model name\s*:\s*(.+)$", text, flags=re.M)
    flags = re.search(r"^flags\s*:\s*(.+)$", text, flags=re.M)
    known = set(flags[1].split()) if flags else set()
    memory = None
    with suppress(ValueError, OSError, AttributeError):  # names that a system lacks
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "model": named[1] if named else platform.processor() or platform.machine(),
        "cores": _cores(),
        "threads": torch.get_num_threads(),
        "features": [name for name in _FEATURES if name in known],
        "memory_bytes": memory,
    }


def _devices() -> dict[str, str]:
    found = {"cpu": "always"}
    for index in range(torch.cuda.device_count()):
        facts = torch.cuda.get_device_properties(index)
        found[f"cuda:{index}"] = f"{facts.name}, {_gigabytes(facts.total_memory)}"
    if torch.backends.mps.is_available():
        found["mps"] = "in float32; --device mps"
    return found


def _tried(folder: Path) -> dict[str, Any]:
    """Return the free space of a folder, and the result of writing, locking and reading in it."""
    facts: dict[str, Any] = {
        "path": str(folder),
        "free_bytes": None,
        "error": "",
        "write_test": "not written",
    }
    path = folder / f".infogan-doctor-{secrets.token_hex(4)}"
    content = secrets.token_bytes(_WRITTEN)
    try:
        with storage.writing(folder, 0):
            folder.mkdir(parents=True, exist_ok=True)
        facts["free_bytes"] = shutil.disk_usage(folder).free
        started = time.perf_counter()
        storage.write_file(path, content)
        seconds = time.perf_counter() - started
        if path.read_bytes() != content:
            facts["error"] = f"what was written to {folder} is not what is read; use another disk"
        else:
            facts["write_test"] = f"written and read, {_WRITTEN / 1e6 / max(seconds, 1e-6):,.0f} MB/s"
    except InfoGANError as error:
        facts["error"] = f"{error.happened}; expected {error.expected}"
    except OSError as error:
        facts["error"] = f"{folder}: {error.strerror or error}; use another folder"
    finally:
        with suppress(OSError):
            path.unlink(missing_ok=True)
    return facts


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:,.1f} GB"
