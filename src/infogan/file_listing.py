"""List the files below a folder, and detect changes of them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_STARTS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")

LEADS_OUT = "a link that leads out of the folder (data.follow_links = true follows it)"
"""Reason why a file or folder is skipped."""

_WRITTEN = ({"config.toml", "checkpoints"}, {"config.toml", "selection.json"}, {"discovery-state.json"})
"""Entries of the folders that infogan writes pictures into: runs, runs of several seeds, discoveries."""


class Skipped(NamedTuple):
    """A file that was skipped, and the reason."""

    path: str
    reason: str


def harmless(text: str) -> str:
    """Return a path that no spreadsheet takes for a formula: `=x.png` becomes `./=x.png`, the same file."""
    return f"./{text}" if text.startswith(_STARTS_A_FORMULA) else text


def walk(path: Path, skipped: list[Skipped], *, follow_links: bool = False) -> Iterator[Path]:
    """Yield all files below a folder, in sorted order, without hidden files and folders.

    Runs and discoveries below it are left out, too: their pictures are not data.
    Args:
        path: the folder, which may itself be a link. A folder that can be reached twice is entered once.
        skipped: receives the files and folders that cannot be read, with reasons.
        follow_links: if False, links are followed within the folder only: a folder of somebody else could
            otherwise bring any file of this machine into the prepared images and the report.
    """
    inside = None if follow_links else os.path.join(os.path.realpath(path), "")
    seen: set[tuple[int, int]] = set()
    left = [path]  # not recursive: folders can be nested deeper than Python's calls
    while left:
        folder = left.pop()
        try:
            entries = _entries(folder, seen)
        except OSError as error:  # without permission, or removed in the meantime
            skipped.append(Skipped(os.path.relpath(folder, path), str(error.strerror)))
            continue
        if folder != path and is_written_by_infogan({entry.name for entry in entries}):
            continue
        folders = []
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if inside is not None and entry.is_symlink() and not _lies_in(entry.path, inside):
                skipped.append(Skipped(os.path.relpath(entry.path, path), LEADS_OUT))
            elif _is_folder(entry):
                folders.append(folder / entry.name)
            else:
                yield folder / entry.name
        left += reversed(folders)


def is_written_by_infogan(names: set[str]) -> bool:
    """Return True if a folder with these entries is a run or a discovery: its pictures are not data."""
    return any(written <= names for written in _WRITTEN)


def _entries(folder: Path, seen: set[tuple[int, int]]) -> list[os.DirEntry[str]]:
    """Return the entries of a folder by name; none if it was entered before."""
    status = os.stat(folder)
    if (status.st_dev, status.st_ino) in seen:
        return []
    seen.add((status.st_dev, status.st_ino))
    with os.scandir(folder) as listed:
        return sorted(listed, key=lambda entry: entry.name)


def _lies_in(path: str, inside: str) -> bool:
    """Return True if a link leads to a file in a folder, or to nothing, which its reader reports."""
    target = os.path.realpath(path)
    return os.path.join(target, "").startswith(inside) or not os.path.exists(target)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def listing(path: Path, *, follow_links: bool = False) -> str:
    """Return a digest over the names, sizes and times of a file, or of all files below a folder.

    It changes when the files do. It does not depend on the location of the folder.

    Args:
        path: a file or folder; a missing one has a digest too.
        follow_links: as in `walk`.
    """
    digest = hashlib.sha256()
    is_folder = path.is_dir()
    folder = path if is_folder else path.parent
    files = walk(path, [], follow_links=follow_links) if is_folder else iter([path])
    for file in files:
        name = str(file.relative_to(folder))
        try:
            status = file.stat()
            facts: tuple[object, ...] = (name, status.st_size, status.st_mtime_ns)
        except OSError as error:
            facts = (name, error.strerror)
        digest.update(repr(facts).encode("utf-8", "surrogateescape"))
    return digest.hexdigest()
