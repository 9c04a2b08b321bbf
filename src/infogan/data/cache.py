"""The cache of prepared images and downloads: what it holds, and how to clean it."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from infogan import locks, storage
from infogan.data import prepared
from infogan.data.download import CACHE_VARIABLE, cache_folder
from infogan.errors import StorageError

log = logging.getLogger(__name__)

_DAY = 24 * 3600.0
_LOCK = ".lock-"
_NAME = re.compile(r".+-[0-9a-f]{16}")  # of a folder in the cache; anything else was not put there by infogan


@dataclass(frozen=True)
class Entry:
    """A part of the cache.

    Attributes:
        path: of the folder or file.
        bytes: its size.
        used: seconds since 1970 of its last use.
        origin: path of the images that it was prepared from; their source if they have none; "" for a
            leftover.
    """

    path: Path
    bytes: int
    used: float
    origin: str = ""

    @property
    def days(self) -> float:
        """Days since its last use."""
        return max(0.0, time.time() - self.used) / _DAY


def prepared_folder() -> Path:
    """Return the part of the cache that holds prepared images."""
    return cache_folder() / "prepared"


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Hold the lock of a prepared folder in the cache, and advise on another cache if it cannot be written.

    Another process that prepares the same images is waited for: its result can then be used. On a file system
    without locks both prepare them, each in its own temporary folder.
    """
    try:
        with storage.writing(folder, 0):
            folder.parent.mkdir(parents=True, exist_ok=True)
        for left in storage.abandoned(folder.parent):
            with suppress(OSError):
                storage.delete_abandoned(left)
        with locks.waiting_for(folder.with_name(_LOCK + folder.name), _say_waiting):
            yield
    except StorageError as error:
        raise StorageError(
            error.happened,
            error.expected,
            f"{CACHE_VARIABLE}=FOLDER in front of the command, for another cache; or {error.advice}",
        ) from error


def _say_waiting() -> None:
    log.warning("another process prepares the same images; waiting for it")


def mark_used(folder: Path) -> None:
    """Record that a prepared folder is used now."""
    with suppress(OSError):  # a read-only cache
        os.utime(folder / storage.MANIFEST)


def entries() -> list[Entry]:
    """Return the prepared images in the cache, and the leftovers of killed processes.

    Downloaded files are not among them: they are kept.
    """
    folder = prepared_folder()
    if not folder.is_dir():
        return []
    found = []
    for path in sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name) and path.is_dir()):
        facts = prepared.facts_of(path)
        origin = facts.get("settings", {}).get("path") or facts.get("source", "damaged")
        found.append(Entry(path, size(path), _used(path), str(origin)))
    return found + [Entry(left, size(left), _used(left)) for left in storage.abandoned(folder)]


def clean(*, older_days: float = 0.0, dry_run: bool = False) -> list[Entry]:
    """Delete prepared images from the cache; they are prepared again when they are needed.

    Downloads stay. Images that a running training uses stay on the disk until it ends.

    Args:
        older_days: delete only what was not used for this number of days. Leftovers of killed processes are
            deleted in any case.
        dry_run: delete nothing.

    Returns:
        What was deleted, or would be.

    Raises:
        StorageError: a folder cannot be deleted.
    """
    chosen = [entry for entry in entries() if not entry.origin or entry.days >= older_days]
    for entry in [] if dry_run else chosen:
        lock = entry.path.with_name(_LOCK + entry.path.name)
        with locks.held(lock) as mine:
            if mine and entry.path.exists():
                storage.remove_folder(entry.path)
                lock.unlink(missing_ok=True)
    return chosen


def size(folder: Path) -> int:
    """Return the number of bytes of all files in a folder."""
    sizes = 0
    for path in [folder, *folder.rglob("*")]:
        with suppress(OSError):
            sizes += path.stat().st_size if path.is_file() else 0
    return sizes


def _used(folder: Path) -> float:
    for path in (folder / storage.MANIFEST, folder):
        with suppress(OSError):
            return path.stat().st_mtime
    return time.time()
