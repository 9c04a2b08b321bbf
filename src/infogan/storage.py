"""Files and folders that are there whole or not at all: written aside, flushed, renamed, checked when read.

A folder written here carries a MANIFEST.json with the size and sha256 of each of its files. It comes into
place by one rename, so that a killed process, a full disk or a pulled plug leaves the old one or the new one
and never a mixture. Imports the standard library and `infogan.errors` only.
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import Any, NoReturn

from infogan.errors import StorageError, UsageError

MANIFEST = "MANIFEST.json"
FORMAT = 1
"""Version of the folder format; a reader refuses any other."""

_ASIDE, _REPLACED = ".tmp-", ".old-"
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # of Linux's fcntl.h and stdio.h
_CANNOT_EXCHANGE = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP)


# --- fault points: where tests kill or break a process --------------------------------------------------


class Point(StrEnum):
    """The named points of a write, in the order they are reached; files have points of their own."""

    TMP_WRITE = "tmp_write"
    MANIFEST = "manifest"
    RENAME = "rename"
    PRUNE = "prune"
    DONE = "done"


FAULT_VARIABLE = "INFOGAN_FAULT_POINT"
_FAULT = re.compile(r"(?P<name>.+?)(?::(?P<nth>\d+))?=(?P<action>kill|raise)")
_reached: Counter[str] = Counter()


def file_point(name: str) -> str:
    """The point half way through writing the file of that name."""
    return f"file:{name}"


def reach(name: str) -> None:
    """Does nothing, unless a test asked for a fault here.

    The environment variable INFOGAN_FAULT_POINT, which only tests set, is `NAME[:NTH]=kill|raise`: at the
    NTH time (1 when left out) that this process reaches NAME it kills itself with SIGKILL, or raises.

    Raises:
        RuntimeError: the fault asked for.
        ValueError: the variable is not of that form.
    """
    wanted = os.environ.get(FAULT_VARIABLE)
    if wanted is None:
        return
    fault = _FAULT.fullmatch(wanted)
    if fault is None:
        raise ValueError(f"{FAULT_VARIABLE}={wanted!r} is not NAME[:NTH]=kill|raise")
    if fault["name"] != name:
        return
    _reached[name] += 1
    if _reached[name] != int(fault["nth"] or 1):
        return
    if fault["action"] == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    raise RuntimeError(f"fault asked for at {name}")


# --- writing --------------------------------------------------------------------------------------------


@contextmanager
def writing(path: Path, needed: int, then: str = "type the same command again") -> Iterator[None]:
    """A block whose OSErrors become StorageErrors about writing `path`.

    Args:
        path: the file or folder being written.
        needed: its size in bytes; 0 for a change that needs no room.
        then: what to do once the cause is gone.
    """
    try:
        yield
    except OSError as error:
        free = _free_bytes(path)
        room = f"{free:,} bytes free" if free is not None else "free space unknown"
        wanted = f", with {needed:,} bytes free" if needed else ""
        room = f"{needed:,} bytes needed, {room}" if needed else room
        raise StorageError(
            f"cannot write {path}: {error.strerror or error} ({room})",
            f"a folder {path.parent} that can be written{wanted}",
            f"{remedy(error, path, needed)}, then {then}",
        ) from error


def write_file(path: Path, data: bytes) -> None:
    """Writes a file so that a reader, or a crash, sees the old content or the new and nothing between.

    Raises:
        StorageError: it cannot be written; what was there before is still there.
    """
    path = Path(os.path.realpath(path))
    with writing(path, len(data)):
        partial = _aside(path)
        partial.unlink(missing_ok=True)  # of a killed process with the same number
        try:
            _write_new(partial, data, file_point(path.name))
            os.replace(partial, path)
        finally:
            with suppress(OSError):  # the error that led here says more
                partial.unlink(missing_ok=True)
        _flush_folder(path.parent)


def write_text(path: Path, text: str) -> None:
    """`write_file` of a text, as UTF-8."""
    write_file(path, text.encode())


def write_folder(
    folder: Path,
    files: Mapping[str, bytes],
    facts: Mapping[str, Any] | None = None,
    *,
    exactly: bool = False,
    then: str = "type the same command again",
) -> None:
    """Makes a folder of files with a manifest, or replaces one, as a whole.

    A folder with the same intact content is left as it is. Where an older one is replaced, the old or the
    new is there at every moment. The folder's parent must exist.

    Args:
        folder: where; may exist if infogan wrote it or if it is empty.
        files: contents, by plain file name.
        facts: what the manifest says beside, as JSON; not "files", "format" or "sha256".
        exactly: whether the folder must hold nothing else. If not, files that somebody laid into the old
            folder, such as a README, are taken along.
        then: what a user can do once the cause of a StorageError is gone.

    Raises:
        UsageError: `folder` is a file, or holds files and was not written by infogan.
        StorageError: it cannot be written; what was there before is still there.
    """
    folder = Path(os.path.realpath(folder))
    manifest = _manifest({name: _entry(data) for name, data in files.items()}, facts or {})
    needed = sum(map(len, files.values())) + len(manifest)
    with writing(folder, needed, then):
        _clear_abandoned(folder)
        if _holds(folder, manifest, exactly):
            return
        others = _others(folder, files, exactly)
    with _prepared_aside(folder, needed, then) as partial:
        reach(Point.TMP_WRITE)
        for name in others:
            _copy(folder / name, partial / name)
        for name, data in files.items():
            _write_new(partial / name, data, file_point(name))
        _write_new(partial / MANIFEST, manifest, Point.MANIFEST)


@contextmanager
def building_folder(folder: Path, facts: dict[str, Any], *, needed: int) -> Iterator[Path]:
    """A new folder whose files are too large for `write_folder`: the block fills it, then it takes its place.

    Whatever the block leaves in the folder that it is given gets into the manifest. `folder` appears, or is
    replaced, when the block has ended well, and stays as it was when it has not.

    Args:
        folder: where; its parents are made. It is missing, or empty, or one that was built so before and
            holds nothing else.
        facts: what the manifest says beside the files; read when the block has ended.
        needed: bytes that the block will write, for the message about a full disk.

    Raises:
        UsageError: `folder` is a file, or replacing it could lose files that infogan did not write.
        StorageError: it cannot be written; what was there before is still there.
    """
    folder = Path(os.path.realpath(folder))
    _check_replaceable(folder)
    with writing(folder, needed):
        folder.parent.mkdir(parents=True, exist_ok=True)
        _clear_abandoned(folder)
    with _prepared_aside(folder, needed) as partial:
        reach(Point.TMP_WRITE)
        yield partial
        files = sorted(partial.iterdir())
        for path in files:
            _flush_file(path)
        entries = {path.name: _file_entry(path) for path in files}
        _write_new(partial / MANIFEST, _manifest(entries, facts), Point.MANIFEST)


def _check_replaceable(folder: Path) -> None:
    """Raises UsageError unless replacing a folder as a whole loses nothing but what infogan wrote."""
    others = _others(folder, (), exactly=False)  # refuses files, and folders without a manifest
    if others:
        raise UsageError(
            f"{folder} holds {others[0]!r} beside what infogan wrote: replacing it would lose that",
            "a new or empty folder, or one that infogan wrote and nothing was added to",
            "another --out",
        )


@contextmanager
def _prepared_aside(folder: Path, needed: int, then: str = "type the same command again") -> Iterator[Path]:
    """A new folder that gets the name of `folder` when the block has ended well, and is deleted if not."""
    with writing(folder, needed, then):
        partial = _aside(folder)
        partial.mkdir()
        try:
            yield partial
            _flush_folder(partial)
            reach(Point.RENAME)
            _put_in_place(partial, folder)
            _flush_folder(folder.parent)
        finally:
            # Holds what is half written, or after an exchange what was replaced.
            shutil.rmtree(partial, ignore_errors=True)


def remove_folder(folder: Path) -> None:
    """Deletes a folder; a kill half way leaves no half folder of that name.

    Raises:
        StorageError: it cannot be deleted.
    """
    with writing(folder, 0):
        condemned = _aside(folder)
        os.rename(folder, condemned)
        reach(Point.PRUNE)
        shutil.rmtree(condemned)


def clear_leftovers(parent: Path) -> None:
    """Removes what killed processes left half written or half deleted in `parent`.

    Only for a folder in which no other process writes, such as a run whose lock is held.

    Raises:
        StorageError: something cannot be deleted.
    """
    with writing(parent, 0):
        for left in sorted(parent.iterdir()):
            if left.name.startswith(_REPLACED):
                _settle(left, left.with_name(left.name.removeprefix(_REPLACED)))
            elif left.name.startswith(_ASIDE):
                _delete(left)


def replaced_name(name: str) -> str:
    """The name that a folder bears while it is being replaced, where a system cannot exchange two folders."""
    return _REPLACED + name


def _write_new(path: Path, data: bytes, point: str) -> None:
    """A new file, flushed to the disk; with the permissions that the umask gives."""
    view, half = memoryview(data), len(data) // 2
    with path.open("xb") as file:
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
    """Gives `new` the name of `folder`; what had the name before gets the name of `new`, or is deleted."""
    if not folder.exists():
        os.rename(new, folder)
    elif not _exchange(new, folder):
        # Two renames; a reader or writer that comes after a kill in between finds the old one under its
        # other name.
        replaced = folder.with_name(replaced_name(folder.name))
        _delete(replaced)
        os.rename(folder, replaced)
        os.rename(new, folder)
        _flush_folder(folder.parent)
        _delete(replaced)


def _exchange(one: Path, other: Path) -> bool:
    """Swaps the names of two folders in one step; False where the system or the file system cannot."""
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "renameat2"):
        return False
    if libc.renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in _CANNOT_EXCHANGE:
        return False
    raise OSError(number, os.strerror(number), str(other))


def _flush_file(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    """Makes the names in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a network file system that flushes names by itself or not at all
            raise
    finally:
        os.close(descriptor)


def _holds(folder: Path, manifest: bytes, exactly: bool) -> bool:
    """Whether the folder is already what is to be written, undamaged."""
    try:
        return (folder / MANIFEST).read_bytes() == manifest and bool(read_folder(folder, exactly=exactly))
    except (OSError, StorageError):
        return False


def _others(folder: Path, files: Iterable[str], exactly: bool) -> list[str]:
    """Entries of a folder about to be replaced that infogan did not write."""
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
            f"{folder} holds {min(others)!r} and no manifest of infogan's: replacing it could lose files",
            "a new or empty folder, or one that infogan wrote",
            f"{folder / 'model'}",
        ) from None


# --- names of what is half written ----------------------------------------------------------------------


def _aside(path: Path) -> Path:
    """Where this process prepares `path`: beside it, as a rename works only within one file system."""
    return path.with_name(f"{_ASIDE}{path.name}.{socket.gethostname()}.{os.getpid()}")


def _clear_abandoned(path: Path) -> None:
    """Removes what killed processes of this host left of `path`; others may be at work on other hosts."""
    prefix = f"{_ASIDE}{path.name}.{socket.gethostname()}."
    for left in path.parent.iterdir():
        number = left.name.removeprefix(prefix)
        if left.name.startswith(prefix) and number.isdigit() and not _is_another_alive(int(number)):
            _delete(left)
    _settle(path.with_name(replaced_name(path.name)), path)


def _is_another_alive(pid: int) -> bool:
    if pid == os.getpid():  # this process writes one thing at a time: a container's processes share numbers
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # alive, and somebody else's
        return True
    return True


def _settle(replaced: Path, folder: Path) -> None:
    """Ends a replacement that a kill interrupted: the old folder gets its name back, or goes."""
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


def read_folder(
    folder: Path, *, exactly: bool = False, advice: str = "another copy of this folder"
) -> dict[str, bytes]:
    """The files of a folder that `write_folder` made, each with the size and sha256 that its manifest says.

    Args:
        folder: where.
        exactly: whether any other file in the folder counts as damage.
        advice: what a user can do about damage.

    Raises:
        StorageError: a file is missing, unreadable, damaged or (with `exactly`) one too many; naming it.
    """
    entries = read_manifest(folder, advice)["files"]
    files = {name: _read_entry(folder / name, entry, advice) for name, entry in entries.items()}
    if exactly:
        for path in sorted(folder.iterdir()):
            if path.name not in {*entries, MANIFEST}:
                _damaged(path, f"it is not in {MANIFEST}", advice)
    return files


def check_folder(folder: Path, *, advice: str = "another copy of this folder") -> dict[str, Any]:
    """The manifest of a folder whose files are what it says: `read_folder` without their contents.

    Files are read in pieces, so that they may be larger than the memory.

    Raises:
        StorageError: a file is missing, unreadable or damaged; naming it.
    """
    manifest = read_manifest(folder, advice)
    for name, entry in manifest["files"].items():
        path = folder / name
        _check_regular(path, advice, entry["bytes"])
        try:
            found = _file_entry(path)
        except OSError as error:
            _damaged(path, f"it cannot be read: {error.strerror or error}", advice)
        if found["sha256"] != entry["sha256"]:
            _damaged(path, f"its sha256 is not the one in {MANIFEST}", advice)
    return manifest


def read_manifest(folder: Path, advice: str = "another copy of this folder") -> dict[str, Any]:
    """The facts of a folder's manifest, with `files` (name -> bytes and sha256) and `format`.

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
        _damaged(path, "its sha256 of itself does not fit", advice)
    if facts["format"] != FORMAT:
        raise StorageError(
            f"{path} is of format {facts['format']!r}",
            f"format {FORMAT}, the one that this infogan reads",
            "the infogan that wrote it, or a newer one",
        )
    return dict(facts)


def _manifest(entries: Mapping[str, Mapping[str, Any]], facts: Mapping[str, Any]) -> bytes:
    for name in entries:
        if not _is_plain(name):
            raise ValueError(f"{name!r} is no plain file name")
    return _seal({**facts, "files": dict(entries), "format": FORMAT})


def _entry(data: bytes) -> dict[str, Any]:
    return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def _file_entry(path: Path) -> dict[str, Any]:
    """The entry of a file on the disk, which is read in pieces."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        return {"bytes": size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def _seal(facts: Mapping[str, Any]) -> bytes:
    """The manifest's text, with a sha256 of itself: it is the one file that no other file vouches for.

    There is one text for given facts, down to the white space, so that every changed byte shows.
    """
    core = json.dumps(facts, sort_keys=True, allow_nan=False)
    sealed = {**facts, "sha256": hashlib.sha256(core.encode()).hexdigest()}
    return (json.dumps(sealed, sort_keys=True, indent=1, allow_nan=False) + "\n").encode()


def _is_plain(name: str) -> bool:
    """Whether a file of that name lies in the folder itself, and is not its manifest."""
    return name == Path(name).name and name not in {"", "..", MANIFEST}


def _is_entry(item: tuple[str, Any]) -> bool:
    name, entry = item
    return _is_plain(name) and isinstance(entry["bytes"], int) and isinstance(entry["sha256"], str)


def _read_entry(path: Path, entry: Mapping[str, Any], advice: str) -> bytes:
    data = _read(path, advice, entry["bytes"])
    if len(data) != entry["bytes"]:
        _damaged(path, f"it has {len(data):,} bytes instead of {entry['bytes']:,}", advice)
    if hashlib.sha256(data).hexdigest() != entry["sha256"]:
        _damaged(path, f"its sha256 is not the one in {MANIFEST}", advice)
    return data


def _read(path: Path, advice: str, size: int | None = None) -> bytes:
    """The content of a regular file; one that is not of the expected size is not read at all."""
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
    if not stat.S_ISREG(status.st_mode):  # a pipe would never end
        _damaged(path, "it is not a regular file", advice)
    if size is not None and status.st_size != size:
        _damaged(path, f"it has {status.st_size:,} bytes instead of {size:,}", advice)


def _damaged(path: Path, how: str, advice: str) -> NoReturn:
    raise StorageError(f"{path} is damaged: {how}", "the file as infogan wrote it", advice) from None


# --- what an OSError means to a user --------------------------------------------------------------------


def _free_bytes(path: Path) -> int | None:
    """Bytes free where `path` lies, or would lie if its missing parents were there."""
    for place in (path, *path.absolute().parents):
        with suppress(OSError):
            return shutil.disk_usage(place).free
    return None


def remedy(error: OSError, path: Path, needed: int) -> str:
    """What a user can do about an error in writing `needed` bytes to `path`."""
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return f"free {needed:,} bytes on the disk, or in the quota, of {path.parent}"
        case errno.EFBIG:
            return "lift the limit on a file's size (ulimit -f unlimited)"
        case errno.EROFS | errno.EACCES | errno.EPERM:
            return f"make {path.parent} writable, or choose another folder"
        case errno.ENOENT | errno.ENOTDIR:
            return f"bring back {path.parent}, which is missing, or make it (mkdir -p {path.parent})"
        case _:
            return f"look after the disk of {path.parent}"
