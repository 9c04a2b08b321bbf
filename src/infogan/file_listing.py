"""List the files below a folder, and detect changes of them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class Skipped(NamedTuple):
    """A file that was skipped, and the reason."""

    path: str
    reason: str


def walk(path: Path, skipped: list[Skipped]) -> Iterator[Path]:
    """Yield all files below a folder, in sorted order; hidden files and folders are left out.

    Args:
        path: the folder. Links are followed; a folder that can be reached twice is entered once.
        skipped: receives the files and folders that cannot be read, with reasons.
    """

    def refuse(error: OSError) -> None:
        skipped.append(Skipped(str(error.filename), str(error.strerror)))

    seen: set[tuple[int, int]] = set()
    for parent, folders, names in os.walk(path, onerror=refuse, followlinks=True):
        try:
            status = os.stat(parent)
        except OSError as error:  # removed in the meantime
            refuse(error)
            continue
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(parent, name) for name in sorted(names) if not name.startswith("."))


def listing(path: Path) -> str:
    """Return a digest over the names, sizes and times of a file, or of all files below a folder.

    It changes when the files do. It does not depend on the location of the folder.

    Args:
        path: a file or folder; a missing one has a digest too.
    """
    digest = hashlib.sha256()
    folder, files = (path, walk(path, [])) if path.is_dir() else (path.parent, iter([path]))
    for file in files:
        name = str(file.relative_to(folder))
        try:
            status = file.stat()
            facts: tuple[object, ...] = (name, status.st_size, status.st_mtime_ns)
        except OSError as error:
            facts = (name, error.strerror)
        digest.update(repr(facts).encode("utf-8", "surrogateescape"))
    return digest.hexdigest()
