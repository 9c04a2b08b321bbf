"""The folder of one run: what lies where, who may write in it, and on what machine it was made.

Imports no torch: whoever only reads a run pays nothing for training.
"""

from __future__ import annotations

import difflib
import fcntl
import importlib.metadata
import json
import os
import platform
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from infogan import config as configuration
from infogan import storage
from infogan.config import Config
from infogan.errors import UsageError, did_you_mean

_PACKAGES = ("infogan", "torch", "numpy", "safetensors")
_CPU_INFO = Path("/proc/cpuinfo")


class RunDirectory:
    """A run's folder, by `create` or `open`; one process at a time writes in it, inside `lock()`.

    Args:
        path: RUN; taken as it is, without a look at the disk.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @classmethod
    def create(cls, path: str | Path, *, seeds: bool = False) -> RunDirectory:
        """A new run in a folder that does not exist yet or is empty, with the folders it needs inside.

        Args:
            path: RUN.
            seeds: whether it is of several seeds: runs in seeds/ then stand where checkpoints would.

        Raises:
            UsageError: the folder holds a run or something else, or `path` is a file.
            StorageError: it cannot be made.
        """
        run = cls(path)
        inside = run.seeds if seeds else run.checkpoints
        if run.path.exists() and not run.path.is_dir():
            raise UsageError(f"{path} is a file", "a new or empty folder for the run", "another --out")
        with storage.writing(run.path, 0):
            run.path.mkdir(parents=True, exist_ok=True)
            if is_run(run.path):
                raise UsageError(
                    f"{path} already holds a run",
                    "a new or empty folder for a new run",
                    f"infogan resume {path}, to go on with it, or another --out",
                )
            try:
                held = next(iter(sorted(run.path.iterdir())), None)
                if held is None:
                    inside.mkdir()  # exclusive: of two processes that found it empty one goes on
            except FileExistsError:
                held = inside
            if held is not None:
                raise UsageError(
                    f"{path} is not empty: it holds {held.name!r}", "a new or empty folder", "another --out"
                )
            run.samples.mkdir()
            run.traversals.mkdir()
        return run

    @classmethod
    def open(cls, path: str | Path) -> RunDirectory:
        """The run in a folder.

        Raises:
            UsageError: there is no run at `path`; with what was looked for and the nearest run beside it.
        """
        run = cls(path)
        if is_run(run.path):
            return run
        near = _nearest_run(run.path)
        hint = did_you_mean(run.path.resolve().name, [near.name]) if near else ""
        if not run.path.exists():
            happened = f"there is no run {path}{hint}"
        elif not run.path.is_dir():
            happened = f"{path} is a file, not a run{hint}"
        else:
            missing = [part.name for part in (run.config_path, run.checkpoints) if not part.exists()]
            happened = f"{path} is not a run: it has no {' and no '.join(missing)}{hint}"
        raise UsageError(
            happened,
            f"a folder with {run.config_path.name} and {run.checkpoints.name}/, as infogan train makes it",
            str(near) if near else "infogan train mnist-5k, to make a run",
        )

    # --- what lies where -----------------------------------------------------------------------------

    @property
    def config_path(self) -> Path:
        """config.toml: the whole configuration."""
        return self.path / "config.toml"

    @property
    def environment_path(self) -> Path:
        """environment.json: machine and versions."""
        return self.path / "environment.json"

    @property
    def metrics_path(self) -> Path:
        """metrics.jsonl: one line every few steps."""
        return self.path / "metrics.jsonl"

    @property
    def log_path(self) -> Path:
        """log.txt: what was said while training."""
        return self.path / "log.txt"

    @property
    def evaluation_path(self) -> Path:
        """evaluation.json: what `infogan evaluate` measured."""
        return self.path / "evaluation.json"

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints."""
        return self.path / "checkpoints"

    @property
    def seeds(self) -> Path:
        """The folder of runs, one a seed, where the run is of several seeds."""
        return self.path / "seeds"

    @property
    def selection_path(self) -> Path:
        """selection.json: which seed was dropped when and why; only where the run is of several seeds."""
        return self.path / "selection.json"

    @property
    def model(self) -> Path:
        """The folder that `InfoGAN.from_pretrained` reads; made at the end of training and at every stop."""
        return self.path / "model"

    @property
    def samples(self) -> Path:
        """The folder of sample pictures."""
        return self.path / "samples"

    @property
    def traversals(self) -> Path:
        """The folder of traversal pictures."""
        return self.path / "traversals"

    # --- reading and writing -------------------------------------------------------------------------

    def read_config(self) -> Config:
        """The run's configuration.

        Raises:
            ConfigError: config.toml is missing or damaged.
        """
        return configuration.read(self.config_path)

    def write_config(self, config: Config) -> None:
        """Writes config.toml. Raises StorageError; the old one is then still there."""
        storage.write_text(self.config_path, configuration.to_toml(config))

    def write_text(self, name: str, text: str) -> None:
        """Writes a file of the run, whole or not at all.

        Args:
            name: relative to the run, for example "report.html" or "samples/index.html".
            text: written as UTF-8.

        Raises:
            StorageError: it cannot be written; the old one is then still there.
        """
        storage.write_text(self.path / name, text)

    def write_json(self, name: str, value: Any) -> None:
        """Writes a JSON file of the run, whole or not at all; keys sorted.

        Raises:
            StorageError: it cannot be written; the old one is then still there.
            ValueError: a number in `value` is not finite, which JSON cannot say.
        """
        self.write_text(name, json.dumps(value, sort_keys=True, indent=2, allow_nan=False) + "\n")

    def read_environment(self) -> dict[str, Any]:
        """What environment.json says of the machine; a run has it once its training has begun."""
        return dict(json.loads(self.environment_path.read_text()))

    def write_environment(self, **settings: Any) -> None:
        """Writes environment.json: `environment()`, and settings such as threads, precision and device."""
        self.write_json(self.environment_path.name, {**environment(), **settings})

    # --- one writer ----------------------------------------------------------------------------------

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Inside, no other process (and no other lock of this one) writes in the run.

        The kernel gives the lock back however the process ends. What killed processes left half written is
        cleared away.

        Raises:
            UsageError: the run is locked; with process and host of the holder.
            StorageError: the run cannot be written.
        """
        path = self.path / ".lock"
        with storage.writing(path, 0):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            with storage.writing(path, 0):
                self._claim(descriptor)
                storage.clear_leftovers(self.path)
                for inside in (self.checkpoints, self.seeds):
                    if inside.is_dir():
                        storage.clear_leftovers(inside)
            try:
                yield
            finally:
                # Emptied, not deleted: another process may have opened it just now.
                os.ftruncate(descriptor, 0)
        finally:
            os.close(descriptor)

    def _claim(self, descriptor: int) -> None:
        """Takes the lock and says in it who holds it."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(
                f"{self.path} is in use by {_holder(os.pread(descriptor, 4096, 0))}",
                "one process at a time on a run",
                "wait until that process ends, or end it, or another --out",
            ) from None
        started = datetime.now().astimezone().isoformat(timespec="seconds")
        holder = {"pid": os.getpid(), "host": socket.gethostname(), "started": started}
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(holder).encode(), 0)


def is_run(path: Path) -> bool:
    """Whether a folder is a run's: it has a configuration, and checkpoints or a selection among seeds."""
    run = RunDirectory(path)
    # Unlike pathlib's, these answer False for a folder that may not be looked into.
    return os.path.isfile(run.config_path) and (os.path.isdir(run.checkpoints) or has_seeds(path))


def has_seeds(path: Path) -> bool:
    """Whether a folder is that of a run of several seeds."""
    return os.path.isfile(RunDirectory(path).selection_path)


def next_free(parent: str | Path, preset: str) -> Path:
    """Makes and returns the next of PARENT/PRESET-001, -002 and so on; two processes never get the same.

    Raises:
        StorageError: the folder cannot be made.
    """
    parent = Path(parent)
    pattern = re.compile(rf"{re.escape(preset)}-(\d{{3,}})")
    with storage.writing(parent / f"{preset}-001", 0):
        parent.mkdir(parents=True, exist_ok=True)
        taken = [int(match[1]) for path in parent.iterdir() if (match := pattern.fullmatch(path.name))]
        number = max(taken, default=0) + 1
        while True:
            try:
                (path := parent / f"{preset}-{number:03d}").mkdir()
                return path
            except FileExistsError:  # another process was faster
                number += 1


def environment() -> dict[str, Any]:
    """Machine and versions, as JSON; a package that is not installed is left out."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "usable_cores": usable,
        "versions": dict(_versions()),
    }


def processor(cpu_info: Path = _CPU_INFO) -> str:
    """The processor's name as Linux knows it, or what Python says."""
    if cpu_info.is_file():
        for line in cpu_info.read_text(errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name" and value.strip():
                return value.strip()
    return platform.processor() or platform.machine()


def _versions() -> Iterator[tuple[str, str]]:
    """From the installed packages' metadata: importing torch to ask it would take seconds."""
    for name in _PACKAGES:
        try:
            yield name, importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue


def _nearest_run(path: Path) -> Path | None:
    """The run that somebody who typed `path` may have meant: around it, or beside it with a similar name."""
    for around in list(path.absolute().parents)[:2]:
        if is_run(around):
            return around
    resolved = path.resolve()
    names: list[str] = []
    with suppress(OSError):  # a hint only: what is wrong is said without it
        names = sorted(entry.name for entry in resolved.parent.iterdir() if is_run(entry))
    near = difflib.get_close_matches(resolved.name, names, n=1)
    return path.parent / near[0] if near else None


def _holder(content: bytes) -> str:
    """Who holds a lock, from what is written in it."""
    try:
        holder: Mapping[str, Any] = json.loads(content)
        return f"process {holder['pid']} on {holder['host']} since {holder['started']}"
    except (ValueError, KeyError, TypeError):
        return "a process that has just begun or is just ending"
