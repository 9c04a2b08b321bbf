"""The folder of one run: its paths, its lock, and the machine it was trained on. Imports no torch."""

from __future__ import annotations

import difflib
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
from infogan import locks, storage
from infogan.config import Config
from infogan.errors import UsageError, did_you_mean

_PACKAGES = ("infogan", "torch", "numpy", "safetensors")
_CPU_INFO = Path("/proc/cpuinfo")


class RunDirectory:
    """The folder of a run, from `create` or `open`; one process at a time writes in it, inside `lock()`.

    Args:
        path: RUN; not checked.

    Attributes:
        path: the folder itself.
        config_path: the whole configuration.
        environment_path: machine and versions.
        metrics_path: one line of metrics every few steps.
        log_path: messages of training.
        evaluation_path: the metrics of `infogan evaluate`.
        selection_path: which seed was pruned when and why; only in a run of several seeds.
        checkpoints: folder of checkpoints.
        images: the images, of a run that was trained on images in memory; of one seed those of all seeds.
        seeds: folder of the runs of single seeds, in a run of several seeds.
        representation: folder of the anchors and the encoder that it is trained with, if there are any.
        model: folder for `InfoGAN.from_pretrained`, written whenever training stops.
        samples: folder of pictures of samples.
        traversals: folder of pictures of traversals.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = path = Path(path)
        self.config_path = path / "config.toml"
        self.environment_path = path / "environment.json"
        self.metrics_path = path / "metrics.jsonl"
        self.log_path = path / "log.txt"
        self.evaluation_path = path / "evaluation.json"
        self.selection_path = path / "selection.json"
        self.checkpoints = path / "checkpoints"
        self.seeds = path / "seeds"
        self.images = (path.parent.parent if path.absolute().parent.name == "seeds" else path) / "images"
        self.representation = path / "representation"
        self.model = path / "model"
        self.samples = path / "samples"
        self.traversals = path / "traversals"

    @classmethod
    def create(cls, path: str | Path, *, seeds: bool = False) -> RunDirectory:
        """Create a run in a missing or empty folder.

        Args:
            path: RUN.
            seeds: if True, the run is of several seeds and has seeds/ instead of checkpoints/.

        Raises:
            UsageError: the folder has a run or other files, or `path` is a file.
            StorageError: it cannot be created.
        """
        run = cls(path)
        inside = run.seeds if seeds else run.checkpoints
        if run.path.exists() and not run.path.is_dir():
            expected = "a new or empty folder for the run"
            raise UsageError(f"{path} is a file", expected, "another out=", command="another --out")
        with storage.writing(run.path, 0):
            run.path.mkdir(parents=True, exist_ok=True)
            if is_run(run.path):
                raise UsageError(
                    f"{path} already holds a run",
                    "a new or empty folder for a new run",
                    f"infogan.resume({str(path)!r}), to resume it, or another out=",
                    command=f"infogan resume {path}, to resume it, or another --out",
                )
            try:
                entry = next(iter(sorted(run.path.iterdir())), None)
                if entry is None:
                    inside.mkdir()  # only one of two concurrent processes succeeds
            except FileExistsError:
                entry = inside
            if entry is not None:
                raise UsageError(
                    f"{path} is not empty: it holds {entry.name!r}",
                    "a new or empty folder",
                    "another out=",
                    command="another --out",
                )
            run.samples.mkdir()
            run.traversals.mkdir()
        return run

    @classmethod
    def open(cls, path: str | Path) -> RunDirectory:
        """Open the run in a folder.

        Raises:
            UsageError: there is no run at `path`; names what is missing and the nearest run.
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
            f"a folder with {run.config_path.name} and {run.checkpoints.name}/, as created by infogan train",
            str(near) if near else "infogan train mnist-5k, to create a run",
        )

    def _repr_html_(self) -> str:
        from infogan.runs import inline_run  # lazy: only a notebook needs it, and it imports Pillow

        return inline_run.html(self)

    # --- reading and writing -------------------------------------------------------------------------

    def read_config(self) -> Config:
        """Read config.toml.

        Raises:
            ConfigError: it is missing or damaged.
        """
        return configuration.read(self.config_path)

    def write_config(self, config: Config) -> None:
        """Write config.toml.

        Raises:
            StorageError: it cannot be written; the old one is intact.
        """
        storage.write_text(self.config_path, configuration.to_toml(config))

    def write_text(self, name: str, text: str) -> None:
        """Write a text file of the run atomically, as UTF-8.

        Args:
            name: relative to the run, for example "report.html" or "samples/index.html".
            text: the content.

        Raises:
            StorageError: it cannot be written; the old one is intact.
        """
        storage.write_text(self.path / name, text)

    def write_json(self, name: str, value: Any) -> None:
        """Write a JSON file of the run atomically, with sorted keys.

        Raises:
            StorageError: it cannot be written; the old one is intact.
            ValueError: a number in `value` is not finite.
        """
        self.write_text(name, json.dumps(value, sort_keys=True, indent=2, allow_nan=False) + "\n")

    def read_environment(self) -> dict[str, Any]:
        """Read environment.json, which exists once training has started."""
        return dict(json.loads(self.environment_path.read_text()))

    def write_environment(self, step: int = 0, **settings: Any) -> None:
        """Write environment.json: that of the last session that trains, and those of earlier ones.

        Args:
            step: from which this session trains. The sessions that trained earlier steps are kept under
                "earlier_sessions", each with its last step.
            **settings: such as threads, precision and device.
        """
        earlier: list[dict[str, Any]] = []
        if step:
            with suppress(OSError, ValueError, TypeError):  # missing or damaged: nothing to keep
                last = self.read_environment()
                earlier = [*last.pop("earlier_sessions", ()), {**last, "up_to_step": step}]
        sessions = {"earlier_sessions": earlier} if earlier else {}
        self.write_json(self.environment_path.name, {**environment(), **settings, **sessions})

    # --- the lock ------------------------------------------------------------------------------------

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Lock the run against other writers, and delete incomplete files of killed processes.

        The kernel releases the lock when the process ends in any way.

        Raises:
            UsageError: the run is locked; names the process and host.
            StorageError: the run cannot be written.
        """
        path = self.path / ".lock"
        with storage.writing(path, 0):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            with storage.writing(path, 0):
                held = self._claim(descriptor)
                storage.clear_leftovers(self.path)
                for inside in (self.checkpoints, self.seeds):
                    if inside.is_dir():
                        storage.clear_leftovers(inside)
            try:
                yield
            finally:
                # Emptied, not deleted: another process may have opened it.
                os.ftruncate(descriptor, 0)
                if held is not None:
                    with suppress(OSError):
                        held.unlink()
        finally:
            os.close(descriptor)

    def _claim(self, descriptor: int) -> Path | None:
        """Take the lock and write this process and host into it.

        Returns:
            A file that exists while the lock is held, on a file system without locks.
        """
        held = None
        try:
            mine = locks.acquire(descriptor)
        except locks.LocksUnavailableError:
            held = self.path / ".lock-held"
            mine = _create_lock(held)
        if not mine:
            os.lseek(descriptor, 0, os.SEEK_SET)
            ended = "" if held is None else f"; if it has ended without a trace, delete {held}"
            raise UsageError(
                f"{self.path} is in use by {_holder(os.read(descriptor, 4096))}",
                "one process at a time per run",
                f"wait until that process ends, or end it, or another out={ended}",
                command=f"wait until that process ends, or end it, or another --out{ended}",
            )
        os.ftruncate(descriptor, 0)
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.write(descriptor, _this_process())
        return held


def _this_process() -> bytes:
    started = datetime.now().astimezone().isoformat(timespec="seconds")
    return json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "started": started}).encode()


def _create_lock(path: Path) -> bool:
    """Create a lock file, or take over that of an ended process of this host; return False if it is held."""
    for _ in range(2):
        try:
            with path.open("xb") as file:
                file.write(_this_process())
            return True
        except FileExistsError:
            if not _has_ended(path):
                return False
            path.unlink(missing_ok=True)
    return False


def _has_ended(path: Path) -> bool:
    try:
        holder = json.loads(path.read_bytes())
        if holder["host"] != socket.gethostname() or os.name != "posix":
            return False
        os.kill(int(holder["pid"]), 0)
    except ProcessLookupError:
        return True
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return False


def is_run(path: Path) -> bool:
    """Return True if a folder has a configuration, and checkpoints or selection.json."""
    run = RunDirectory(path)
    # Unlike pathlib's methods, these return False for a folder without permission.
    return os.path.isfile(run.config_path) and (os.path.isdir(run.checkpoints) or has_seeds(path))


def has_seeds(path: Path) -> bool:
    """Return True if a folder is a run of several seeds."""
    return os.path.isfile(RunDirectory(path).selection_path)


def next_free(parent: str | Path, preset: str) -> Path:
    """Create and return the next of PARENT/PRESET-001, -002 and so on; concurrent calls get different ones.

    Raises:
        StorageError: the folder cannot be created.
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
    """Return the machine and the versions of installed packages, as JSON."""
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
    """Return the processor's name from Linux, or from Python."""
    if cpu_info.is_file():
        for line in cpu_info.read_text(errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name" and value.strip():
                return value.strip()
    return platform.processor() or platform.machine()


def _versions() -> Iterator[tuple[str, str]]:
    """Yield versions from the packages' metadata, as importing torch takes seconds."""
    for name in _PACKAGES:
        try:
            yield name, importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue


def _nearest_run(path: Path) -> Path | None:
    """Return a run that `path` lies in, or one in the same folder with a similar name."""
    for parent in list(path.absolute().parents)[:2]:
        if is_run(parent):
            return parent
    resolved = path.resolve()
    names: list[str] = []
    with suppress(OSError):  # only a hint
        names = sorted(entry.name for entry in resolved.parent.iterdir() if is_run(entry))
    nearest = difflib.get_close_matches(resolved.name, names, n=1)
    return path.parent / nearest[0] if nearest else None


def _holder(content: bytes) -> str:
    """Return the holder of a lock, from the content of its file."""
    try:
        holder: Mapping[str, Any] = json.loads(content)
        return f"process {holder['pid']} on {holder['host']} since {holder['started']}"
    except (ValueError, KeyError, TypeError):
        return "a process that is starting or ending"
