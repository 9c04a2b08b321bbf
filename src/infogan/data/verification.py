"""Large prepared folders are read once to verify them, and again only after a file has changed.

Reading a million images takes longer than training their first hundred steps. For folders above `LARGE` bytes
the cache therefore records which state of each file was verified, as git's index does: its size, its times of
modification and of status change, and its inode. It also keeps the fingerprints of the splits. `infogan data
check` always reads everything.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infogan import storage
from infogan.data.download import cache_folder
from infogan.errors import StorageError

log = logging.getLogger(__name__)

LARGE = 2**30
"""Bytes of a folder above which its verification is remembered; smaller ones take a second."""


def is_large(manifest: Mapping[str, Any]) -> bool:
    """Return True if verifying the folder of a manifest takes long enough to remember it."""
    return sum(int(entry["bytes"]) for entry in manifest["files"].values()) > LARGE


def is_verified(folder: Path, manifest: Mapping[str, Any]) -> bool:
    """Return True if the files of a large folder are those that were verified before."""
    return is_large(manifest) and "states" in _record(folder, manifest)


def remember(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Record that the files of a folder were verified; does nothing for a small one."""
    if is_large(manifest):
        _write(folder, {**_record(folder, manifest), "states": _states(folder, manifest)})


def fingerprint(folder: Path, manifest: Mapping[str, Any], split: str) -> str | None:
    """Return the fingerprint of a split that `remember_fingerprint` recorded for these files, or None."""
    known = _record(folder, manifest).get("fingerprints", {}).get(split)
    return None if known is None else str(known)


def remember_fingerprint(folder: Path, manifest: Mapping[str, Any], split: str, value: str) -> None:
    """Record the fingerprint of a split of a verified folder."""
    record = _record(folder, manifest)
    if "states" in record:
        _write(folder, {**record, "fingerprints": {**record.get("fingerprints", {}), split: value}})


def _states(folder: Path, manifest: Mapping[str, Any]) -> dict[str, list[int]]:
    """Return size, times and inode of each file; any write to a file changes its time of status change."""
    found = {name: (folder / name).stat() for name in manifest["files"]}
    return {name: [now.st_size, now.st_mtime_ns, now.st_ctime_ns, now.st_ino] for name, now in found.items()}


def _record(folder: Path, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is recorded for these files in their present state; empty if they have changed."""
    try:
        record: dict[str, Any] = json.loads(_path(folder).read_text())
        unchanged = record["files"] == manifest["files"] and record["states"] == _states(folder, manifest)
    except (OSError, ValueError, KeyError, TypeError):
        return {"files": manifest["files"]}
    return record if unchanged else {"files": manifest["files"]}


def _write(folder: Path, record: Mapping[str, Any]) -> None:
    path = _path(folder)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        storage.write_text(path, json.dumps(record, sort_keys=True))
    except (OSError, StorageError) as error:
        log.info("the verification of %s cannot be remembered: %s", folder, error)


def _path(folder: Path) -> Path:
    key = hashlib.sha256(str(folder.resolve()).encode("utf-8", "surrogateescape")).hexdigest()
    return cache_folder() / "verified" / f"{key[:32]}.json"
