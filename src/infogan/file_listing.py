"""Files below a folder: which there are, and whether they are still the same."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class Skipped(NamedTuple):
    """A file that was left out, and why."""

    path: str
    reason: str


def walk(path: Path, skipped: list[Skipped]) -> Iterator[Path]:
    """All files below a folder, in sorted order; what begins with a dot is left out.

    Args:
        path: the folder. Links are followed; a folder that can be reached twice is entered once.
        skipped: gets what could not be looked at, with the reason.
    """

    def refuse(error: OSError) -> None:
        skipped.append(Skipped(str(error.filename), str(error.strerror)))

    seen: set[tuple[int, int]] = set()
    for parent, folders, names in os.walk(path, onerror=refuse, followlinks=True):
        # Links may point back up: a folder is entered once, under the first of its names.
        try:
            found = os.stat(parent)
        except OSError as error:  # removed since it was listed
            refuse(error)
            continue
        if (found.st_dev, found.st_ino) in seen:
            folders.clear()
            continue
        seen.add((found.st_dev, found.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(parent, name) for name in sorted(names) if not name.startswith("."))


def listing(path: Path) -> str:
    """A digest over the names, sizes and times of a file, or of all files below a folder.

    Another digest means that what was prepared from them is no longer what is there. It does not say where
    the path lies, so that a folder may be moved.

    Args:
        path: a file or folder; one that is not there has a digest, too.
    """
    digest = hashlib.sha256()
    if path.is_dir():
        found = [(str(file.relative_to(path)), file) for file in walk(path, [])]
    else:
        found = [(path.name, path)]
    for name, file in found:
        try:
            status = file.stat()
            facts: tuple[object, ...] = (name, status.st_size, status.st_mtime_ns)
        except OSError as error:
            facts = (name, error.strerror)
        digest.update(repr(facts).encode("utf-8", "surrogateescape"))
    return digest.hexdigest()
