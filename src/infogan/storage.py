"""Atomic writes of files and folders: written to a temporary name, flushed, renamed, and checked when read.

A folder has a MANIFEST.json with the size and sha256 of each of its files. It gets its name by one rename: a
killed process, a full disk or a power failure leaves the old or the new folder, never a mixture. Imports only
the standard library and `infogan.errors`.
"""

from __future__ import annotations

import ctypes
import errno
import glob
import hashlib
import json
import os
import re
import secrets
import shutil
import signal
import stat
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from infogan import locks
from infogan.errors import StorageError, UsageError

MANIFEST = "MANIFEST.json"
FORMAT = 1
"""Version of the folder format; a reader refuses any other."""

_AGAIN = "run the same command again"
_COPY = "another copy of this folder"
_ASIDE, _REPLACED = ".tmp-", ".old-"
_ABANDONED_SECONDS = 24 * 3600.0  # after which a temporary file is abandoned, on a file system without locks
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # from Linux's fcntl.h and stdio.h
_CANNOT_EXCHANGE = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EXDEV)


# --- fault points: where tests kill or break a process --------------------------------------------------


class Point(StrEnum):
    """The named points of a write, in order; `file_point` names those of single files."""

    TMP_WRITE = "tmp_write"
    MANIFEST = "manifest"
    RENAME = "rename"
    PRUNE = "prune"
    DONE = "done"


FAULT_VARIABLE = "INFOGAN_FAULT_POINT"
_FAULT = re.compile(r"(?P<name>.+?)(?::(?P<nth>\d+))?=(?P<action>kill|raise)")
_reached: Counter[str] = Counter()


def file_point(name: str) -> str:
    """Return the name of the point halfway through writing a file."""
    return f"file:{name}"


def reach(name: str) -> None:
    """Do nothing, unless a test requests a fault at this point.

    The environment variable INFOGAN_FAULT_POINT, set only by tests, is `NAME[:NTH]=kill|raise`: when this
    process reaches NAME for the NTH time (default 1), it kills itself with SIGKILL or raises RuntimeError.

    Raises:
        RuntimeError: the requested fault.
        ValueError: the variable does not have that form.
    """
    setting = os.environ.get(FAULT_VARIABLE)
    if setting is None:
        return
    fault = _FAULT.fullmatch(setting)
    if fault is None:
        raise ValueError(f"{FAULT_VARIABLE}={setting!r} is not NAME[:NTH]=kill|raise")
    if fault["name"] != name:
        return
    _reached[name] += 1
    if _reached[name] != int(fault["nth"] or 1):
        return
    if fault["action"] == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    raise RuntimeError(f"requested fault at {name}")


# --- writing --------------------------------------------------------------------------------------------


@contextmanager
def writing(path: Path, needed: int, then: str = _AGAIN) -> Iterator[None]:
    """Turn an OSError in the block into a StorageError about writing `path`.

    Args:
        path: the file or folder being written.
        needed: its size in bytes; 0 for a change that needs no space.
        then: what the user can do after removing the cause.
    """
    try:
        yield
    except OSError as error:
        free = _free_bytes(path)
        space = f"{free:,} bytes free" if free is not None else "free space unknown"
        space = f"{needed:,} bytes needed, {space}" if needed else space
        required = f", with {needed:,} bytes free" if needed else ""
        raise StorageError(
            f"cannot write {path}: {error.strerror or error} ({space})",
            f"a writable folder {path.parent}{required}",
            f"{advice_for(error, path, needed)}, then {then}",
        ) from error


def write_file(path: Path, data: bytes) -> None:
    """Write a file atomically: a reader or a crash sees the old or the new content.

    Raises:
        StorageError: it cannot be written; the old content is intact.
    """
    path = Path(os.path.realpath(path))
    with writing(path, len(data)):
        with _aside(path, partial(Path.touch, exist_ok=False)) as incomplete:
            try:
                _write(incomplete, data, file_point(path.name))
                os.replace(incomplete, path)
            finally:
                with suppress(OSError):  # the error that led here is more useful
                    incomplete.unlink(missing_ok=True)
        _flush_folder(path.parent)


def write_text(path: Path, text: str) -> None:
    """Write a text as UTF-8 with `write_file`."""
    write_file(path, text.encode())


@contextmanager
def building_file(path: Path) -> Iterator[Path]:
    """Create or replace a file that is too large for `write_file`, atomically.

    The block receives the name of a temporary file and writes it. When the block ends without an error, the
    file gets its name.

    Raises:
        StorageError: it cannot be written; the old file is intact.
    """
    path = Path(os.path.realpath(path))
    with writing(path, 0):
        with _aside(path, partial(Path.touch, exist_ok=False)) as incomplete:
            try:
                yield incomplete
                reach(file_point(path.name))
                with incomplete.open("rb") as file:
                    os.fsync(file.fileno())
                os.replace(incomplete, path)
            finally:
                with suppress(OSError):  # the error that led here is more useful
                    incomplete.unlink(missing_ok=True)
        _flush_folder(path.parent)


def write_folder(
    folder: Path,
    files: Mapping[str, bytes],
    facts: Mapping[str, Any] | None = None,
    *,
    exactly: bool = False,
    then: str = _AGAIN,
) -> None:
    """Create or replace a folder of files with a manifest, atomically.

    A folder with the same intact content is left unchanged. The folder's parent must exist.

    Args:
        folder: may exist if infogan wrote it or if it is empty.
        files: contents by plain file name.
        facts: further entries of the manifest, as JSON; not "files", "format" or "sha256".
        exactly: if True, the folder has no other files; if False, files that were added to the old folder,
            such as a README, are copied to the new one.
        then: what the user can do after removing the cause of a StorageError.

    Raises:
        UsageError: `folder` is a file, or has files and was not written by infogan.
        StorageError: it cannot be written; the old folder is intact.
    """
    folder = Path(os.path.realpath(folder))
    manifest = _manifest({name: _entry(data) for name, data in files.items()}, facts or {})
    needed = sum(map(len, files.values())) + len(manifest)
    with writing(folder, needed, then):
        _clear_abandoned(folder)
        if _holds(folder, manifest, exactly):
            return
        others = _others(folder, files, exactly)
    with prepared_folder(folder, needed, then) as incomplete:
        reach(Point.TMP_WRITE)
        for name in others:
            _copy(folder / name, incomplete / name)
        for name, data in files.items():
            _write(incomplete / name, data, file_point(name))
        _write(incomplete / MANIFEST, manifest, Point.MANIFEST)


@contextmanager
def building_folder(folder: Path, facts: dict[str, Any], *, needed: int) -> Iterator[Path]:
    """Create or replace a folder whose files are too large for `write_folder`.

    The block receives a temporary folder and writes files into it. When it ends without an error, all of
    them are entered in the manifest, and the folder gets its name.

    Args:
        folder: missing, empty, or built by this function with nothing added; its parents are created.
        facts: further entries of the manifest, read at the end of the block.
        needed: number of bytes that the block writes, for the message about a full disk.

    Raises:
        UsageError: `folder` is a file, or has files that infogan did not write.
        StorageError: it cannot be written; the old folder is intact.
    """
    folder = Path(os.path.realpath(folder))
    if added := _others(folder, (), exactly=False):
        raise UsageError(
            f"{folder} holds {added[0]!r} as well as files of infogan: replacing it would delete that",
            "a new or empty folder, or one that infogan wrote and nothing was added to",
            "another folder",
            command="another --out",
        )
    with writing(folder, needed):
        folder.parent.mkdir(parents=True, exist_ok=True)
        _clear_abandoned(folder)
    with prepared_folder(folder, needed) as incomplete:
        reach(Point.TMP_WRITE)
        yield incomplete
        files = sorted(incomplete.iterdir())
        for path in files:
            with path.open("r+b") as file:  # Windows flushes only what is open for writing
                os.fsync(file.fileno())
        entries = {path.name: _file_entry(path) for path in files}
        _write(incomplete / MANIFEST, _manifest(entries, facts), Point.MANIFEST)


@contextmanager
def prepared_folder(folder: Path, needed: int = 0, then: str = _AGAIN) -> Iterator[Path]:
    """Create a temporary folder; rename it to `folder` after the block, or delete it after an error.

    Args:
        folder: a new name, or that of a folder to replace; its parents are created.
        needed: number of bytes that the block writes, for the message about a full disk.
        then: what the user can do after removing the cause of a StorageError.

    Raises:
        StorageError: it cannot be written; an old folder is intact.
    """
    with writing(folder, needed, then), _aside(folder, partial(Path.mkdir, parents=True)) as incomplete:
        try:
            yield incomplete
            _flush_folder(incomplete)
            reach(Point.RENAME)
            _put_in_place(incomplete, folder)
            _flush_folder(folder.parent)
        finally:
            # An incomplete folder, or after an exchange the old one.
            shutil.rmtree(incomplete, ignore_errors=True)


def remove_folder(folder: Path) -> None:
    """Delete a folder atomically: it is renamed first.

    Raises:
        StorageError: it cannot be deleted.
    """
    with writing(folder, 0), locks.held(folder):
        condemned = _temporary(folder)
        os.rename(folder, condemned)
        reach(Point.PRUNE)
        shutil.rmtree(condemned)


def clear_leftovers(parent: Path) -> None:
    """Delete temporary files that killed processes left in `parent`, a folder of infogan.

    On a file system without locks no other process may be writing there; for example, the run's lock is held.

    Raises:
        StorageError: a file cannot be deleted.
    """
    with writing(parent, 0):
        for left in sorted(parent.iterdir()):
            if left.name.startswith(_REPLACED):
                _settle(left, left.with_name(left.name.removeprefix(_REPLACED)))
            elif left.name.startswith(_ASIDE) and not locks.is_locked(left):
                delete_abandoned(left)


def abandoned(parent: Path) -> list[Path]:
    """Return temporary files in `parent`, a folder of infogan, whose processes have ended.

    On a file system without locks, those that are older than a day.
    """
    return [left for left in sorted(parent.glob(f"{_ASIDE}*")) if _is_abandoned(left)]


def delete_abandoned(left: Path) -> None:
    """Delete a temporary file or folder, unless a process has begun to delete it."""
    with locks.held(left) as mine, suppress(FileNotFoundError):
        if mine:
            _delete(left)


def replaced_name(name: str) -> str:
    """Return the temporary name of a folder being replaced on a system that cannot exchange two folders."""
    return _REPLACED + name


def _write(path: Path, data: bytes, point: str) -> None:
    """Write a file with the permissions of the umask and flush it to the disk."""
    view, half = memoryview(data), len(data) // 2
    with path.open("wb") as file:
        file.write(view[:half])
        file.flush()
        reach(point)
        file.write(view[half:])
        file.flush()
        os.fsync(file.fileno())


def _copy(source: Path, target: Path) -> None:
    if source.is_dir() and not source.is_symlink():
        shutil.copytree(source, target, symlinks=True)
    else:
        shutil.copy2(source, target, follow_symlinks=False)


def _put_in_place(new: Path, folder: Path) -> None:
    """Rename `new` to `folder`; an existing `folder` gets the name of `new` or is deleted."""
    if not folder.exists():
        os.rename(new, folder)
    elif not _exchange(new, folder):
        # Two renames: if the process is killed in between, the old folder is found under its other name.
        replaced = folder.with_name(replaced_name(folder.name))
        _delete(replaced)
        os.rename(folder, replaced)
        os.rename(new, folder)
        _flush_folder(folder.parent)
        _delete(replaced)


def _exchange(first: Path, second: Path) -> bool:
    """Swap the names of two folders atomically; return False if the system or file system cannot."""
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "renameat2"):
        return False
    if libc.renameat2(_AT_FDCWD, os.fsencode(first), _AT_FDCWD, os.fsencode(second), _RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in _CANNOT_EXCHANGE:
        return False
    raise OSError(number, os.strerror(number), str(second))


def _flush_folder(folder: Path) -> None:
    """Flush the names in a folder to the disk, where the system can."""
    if not hasattr(os, "O_DIRECTORY"):  # Windows
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # network file systems may not support it
            raise
    finally:
        os.close(descriptor)


def _holds(folder: Path, manifest: bytes, exactly: bool) -> bool:
    """Return True if the folder already has this content, undamaged."""
    try:
        return (folder / MANIFEST).read_bytes() == manifest and bool(read_folder(folder, exactly=exactly))
    except (OSError, StorageError):
        return False


def _others(folder: Path, files: Iterable[str], exactly: bool) -> list[str]:
    """Return the entries of a folder to be replaced that infogan did not write."""
    if not folder.exists():
        return []
    if not folder.is_dir():
        raise UsageError(f"{folder} is a file", "a folder, or a new name", f"another name than {folder}")
    others = set(os.listdir(folder)) - {*files, MANIFEST}
    if exactly or not others:
        return []
    try:
        return sorted(others - set(read_manifest(folder)["files"]))
    except StorageError:
        raise UsageError(
            f"{folder} holds {min(others)!r} and no manifest of infogan: replacing it could delete files",
            "a new or empty folder, or one that infogan wrote",
            f"{folder / 'model'}",
        ) from None


# --- temporary names -------------------------------------------------------------------------------------


def _temporary(path: Path) -> Path:
    """Return a new temporary name for `path`, in the same folder: renames need one file system.

    It is random: process ids and host names of containers that share a folder may be equal.
    """
    return path.with_name(f"{_ASIDE}{path.name}.{secrets.token_hex(6)}")


@contextmanager
def _aside(path: Path, make: Callable[[Path], None]) -> Iterator[Path]:
    """Make a temporary file or folder for `path` and lock it in the block: an unlocked one is abandoned."""
    while True:
        incomplete = _temporary(path)
        make(incomplete)
        with locks.held(incomplete) as mine:
            if mine and incomplete.exists():  # not taken for abandoned before it was locked
                yield incomplete
                return


def _clear_abandoned(path: Path) -> None:
    """Delete temporary versions of `path` left by killed processes, also those of other machines."""
    for left in path.parent.glob(f"{_ASIDE}{glob.escape(path.name)}.*"):
        if _is_abandoned(left):
            delete_abandoned(left)
    _settle(path.with_name(replaced_name(path.name)), path)


def _is_abandoned(left: Path) -> bool:
    locked = locks.is_locked(left)
    if locked is not None:
        return not locked
    try:
        return time.time() - left.stat().st_mtime > _ABANDONED_SECONDS
    except OSError:
        return False


def _settle(replaced: Path, folder: Path) -> None:
    """End an interrupted replacement: restore the name of the old folder, or delete it."""
    if replaced.exists() and not folder.exists():
        os.rename(replaced, folder)
    else:
        _delete(replaced)


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


# --- reading --------------------------------------------------------------------------------------------


def read_folder(folder: Path, *, exactly: bool = False, advice: str = _COPY) -> dict[str, bytes]:
    """Return the files of a folder of `write_folder`, after checking them against its manifest.

    Args:
        folder: to read.
        exactly: if True, any other file in the folder is an error.
        advice: what the user can do about damage.

    Raises:
        StorageError: names the file that is missing, unreadable, damaged or (with `exactly`) unexpected.
    """
    entries = read_manifest(folder, advice)["files"]
    files = {name: _read_entry(folder / name, entry, advice) for name, entry in entries.items()}
    if exactly:
        for path in sorted(folder.iterdir()):
            if path.name not in {*entries, MANIFEST}:
                _damaged(path, f"it is not in {MANIFEST}", advice)
    return files


def check_folder(folder: Path, *, advice: str = _COPY) -> dict[str, Any]:
    """Check the files of a folder like `read_folder`, and return its manifest instead of their contents.

    Files are read in chunks and may be larger than the memory.

    Raises:
        StorageError: names the file that is missing, unreadable or damaged.
    """
    manifest = read_manifest(folder, advice)
    for name, entry in manifest["files"].items():
        path = folder / name
        _check_regular(path, advice, entry["bytes"])
        try:
            actual = _file_entry(path)
        except OSError as error:
            _damaged(path, f"it cannot be read: {error.strerror or error}", advice)
        if actual["sha256"] != entry["sha256"]:
            _damaged(path, f"its sha256 is not the one in {MANIFEST}", advice)
    return manifest


def read_manifest(folder: Path, advice: str = _COPY) -> dict[str, Any]:
    """Return a folder's manifest: its facts, `files` (bytes and sha256 by name) and `format`.

    Raises:
        StorageError: it is missing, unreadable, damaged, or of another format.
    """
    path = folder / MANIFEST
    raw = _read(path, advice)
    try:
        facts = json.loads(raw)
        del facts["sha256"]
        intact = _seal(facts) == raw and all(map(_is_entry, facts["files"].items()))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        intact = False
    if not intact:
        _damaged(path, "its sha256 of itself does not match", advice)
    if facts.get("format") != FORMAT:
        raise StorageError(
            f"{path} has format {facts.get('format')!r}",
            f"format {FORMAT}, which this version of infogan reads",
            "the version of infogan that wrote it, or a newer one",
        )
    return dict(facts)


def _manifest(entries: Mapping[str, Mapping[str, Any]], facts: Mapping[str, Any]) -> bytes:
    for name in entries:
        if not _is_plain(name):
            raise ValueError(f"{name!r} is not a plain file name")
    return _seal({**facts, "files": dict(entries), "format": FORMAT})


def _entry(data: bytes) -> dict[str, Any]:
    return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def _file_entry(path: Path) -> dict[str, Any]:
    """Return the manifest entry of a file on the disk, read in chunks."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        return {"bytes": size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def _seal(facts: Mapping[str, Any]) -> bytes:
    """Return the text of a manifest with a sha256 of itself, as no other file has its checksum.

    The text is canonical down to the white space, so that every changed byte is detected.
    """
    core = json.dumps(facts, sort_keys=True, allow_nan=False)
    sealed = {**facts, "sha256": hashlib.sha256(core.encode()).hexdigest()}
    return (json.dumps(sealed, sort_keys=True, indent=1, allow_nan=False) + "\n").encode()


def _is_plain(name: str) -> bool:
    """Return True for the name of a file directly in the folder that is not its manifest."""
    return name == Path(name).name and name not in {"", "..", MANIFEST}


def _is_entry(item: tuple[str, Any]) -> bool:
    name, entry = item
    return _is_plain(name) and isinstance(entry["bytes"], int) and isinstance(entry["sha256"], str)


def _read_entry(path: Path, entry: Mapping[str, Any], advice: str) -> bytes:
    data = _read(path, advice, entry["bytes"])
    if hashlib.sha256(data).hexdigest() != entry["sha256"]:
        _damaged(path, f"its sha256 is not the one in {MANIFEST}", advice)
    return data


def _read(path: Path, advice: str, size: int | None = None) -> bytes:
    """Return the content of a regular file; a file of unexpected size is not read."""
    _check_regular(path, advice, size)
    try:
        return path.read_bytes()
    except OSError as error:
        _damaged(path, f"it cannot be read: {error.strerror or error}", advice)


def _check_regular(path: Path, advice: str, size: int | None) -> None:
    try:
        status = path.stat()
    except FileNotFoundError:
        _damaged(path, "it is missing", advice)
    except OSError as error:
        _damaged(path, f"it cannot be read: {error.strerror or error}", advice)
    if not stat.S_ISREG(status.st_mode):  # reading a pipe would never end
        _damaged(path, "it is not a regular file", advice)
    if size is not None and status.st_size != size:
        _damaged(path, f"it has {status.st_size:,} bytes instead of {size:,}", advice)


def _damaged(path: Path, how: str, advice: str) -> NoReturn:
    raise StorageError(f"{path} is damaged: {how}", "the file as written by infogan", advice) from None


# --- advice on an OSError --------------------------------------------------------------------------------


def _free_bytes(path: Path) -> int | None:
    """Return the free bytes on the disk of `path`, which need not exist, or None if unknown."""
    for existing in (path, *path.absolute().parents):
        with suppress(OSError):
            return shutil.disk_usage(existing).free
    return None


def advice_for(error: OSError, path: Path, needed: int) -> str:
    """Return what the user can do about an error in writing `needed` bytes to `path`."""
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return f"free {needed:,} bytes on the disk, or in the quota, of {path.parent}"
        case errno.EFBIG:
            return "remove the limit on file sizes (ulimit -f unlimited)"
        case errno.EROFS | errno.EACCES | errno.EPERM:
            return f"make {path.parent} writable, or choose another folder"
        case errno.ENOENT | errno.ENOTDIR:
            return f"restore the missing folder {path.parent}, or create it (mkdir -p {path.parent})"
        case _:
            return f"check the disk of {path.parent}"
