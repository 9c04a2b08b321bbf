"""Pictures inside a zip or tar file, read one after the other and never unpacked to disk.

Archives are not trusted: members whose names lead out of the archive, links and devices are refused, and the
number of members and the size of each are limited.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple

from infogan.data.arrays import MOST_RATIO, UNREADABLE
from infogan.data.decoding import Item
from infogan.data.signatures import HEAD
from infogan.errors import DataError
from infogan.file_listing import Skipped

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")

MOST_MEMBERS = 5_000_000
"""Limit for the number of entries of an archive."""

MOST_BYTES = 256 << 20
"""Limit for the uncompressed size of one member, which is above that of 50 million uncompressed pixels."""

_SMALL = 1 << 20
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")
_BLOCK = 512  # of a tar file, which ends with two blocks of zeros
_OPENERS = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}
_OPEN = 16  # archives that are open at once
_Key = tuple[Path, int, int]


def members(path: Path, wanted: Callable[[str], bool], skipped: list[Skipped]) -> list[Item]:
    """List the members of a zip or tar file whose names are wanted; their contents are read on demand.

    They are sorted by name, except in a compressed tar file, which can be read fast only in its own order.

    Args:
        path: of the archive.
        wanted: returns True for the name of a member that should be listed.
        skipped: receives the wanted members that are refused, with reasons.

    Raises:
        DataError: the file is not an archive, is damaged, or has too many entries.
    """
    items = [Item(member.name, member.read) for member in contents(path, skipped, wanted)]
    if not is_compressed_tar(path):
        items.sort(key=lambda item: PurePosixPath(item.name).parts)
    return items


def contents(
    path: Path, skipped: list[Skipped], wanted: Callable[[str], bool] = lambda name: True
) -> Iterator[Member]:
    """Yield the members of a zip or tar file; see `members`."""
    try:
        for number, member in enumerate(_members(path), start=1):
            if number > MOST_MEMBERS:
                raise DataError(
                    f"{path} has over {MOST_MEMBERS:,} entries",
                    f"at most {MOST_MEMBERS:,}",
                    "a folder with the pictures that you want, as data.path",
                )
            if member.is_folder or not wanted(member.name):
                continue
            if reason := _refusal(member):
                skipped.append(Skipped(member.name, reason))
            else:
                yield member
    except (*UNREADABLE, tarfile.TarError) as error:
        raise DataError(
            f"cannot read the archive {path}: {str(error) or type(error).__name__}",
            f"a complete, unencrypted {', '.join(SUFFIXES)} file",
            "another copy of it, or a folder with its contents as data.path",
        ) from None


def is_compressed_tar(path: Path) -> bool:
    """Return True if an archive can be read fast only in its own order."""
    with path.open("rb") as file:
        return any(file.read(6).startswith(mark) for mark in _OPENERS)


class Member(NamedTuple):
    """An entry of an archive; sizes in bytes."""

    name: str
    is_folder: bool
    is_special: bool
    size: int
    packed: int
    read: Callable[[], bytes]
    read_head: Callable[[], bytes]


def _members(path: Path) -> Iterator[Member]:
    status = path.stat()
    # The size and time as well: another file may get the same path.
    key = path, status.st_size, status.st_mtime_ns
    with path.open("rb") as file:
        is_zip = file.read(2) == b"PK"
    return _zip_members(key) if is_zip else _tar_members(key)


@lru_cache(maxsize=_OPEN)
def _opened_zip(path: Path, _size: int, _time: int) -> zipfile.ZipFile:
    return zipfile.ZipFile(path)


def _zip_members(key: _Key) -> Iterator[Member]:
    for info in _opened_zip(*key).infolist():
        link = (info.external_attr >> 16) & 0o170000 == 0o120000
        read, read_head = partial(_read_zip, key, info), partial(_read_zip_head, key, info)
        yield Member(info.filename, info.is_dir(), link, info.file_size, info.compress_size, read, read_head)


def _read_zip(key: _Key, info: zipfile.ZipInfo) -> bytes:
    with _opened_zip(*key).open(info) as member:
        return _check_length(member.read(info.file_size + 1), info.file_size)


def _read_zip_head(key: _Key, info: zipfile.ZipInfo) -> bytes:
    with _opened_zip(*key).open(info) as member:
        return member.read(HEAD)


class _Capped(io.RawIOBase):
    """A decompressed file that ends with an error after a number of bytes: a bomb of 1 kB may hold 1 GB."""

    def __init__(self, file: BinaryIO, most: int) -> None:
        self._file, self._most = file, most

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes."""
        self._check(self._file.tell() + max(0, size))
        return self._file.read(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to an offset from the start."""
        if whence != io.SEEK_SET:
            raise ValueError("an offset that is not from the start")
        self._check(offset)
        return self._file.seek(offset)

    def tell(self) -> int:
        """Return the offset."""
        return self._file.tell()

    def close(self) -> None:
        """Close the file below."""
        self._file.close()
        super().close()

    def _check(self, offset: int) -> None:
        if offset > self._most:
            raise ValueError(
                f"it decompresses to more than {self._most:,} bytes, {MOST_RATIO} times its size"
            )


class _TarStream:
    """The decompressed bytes of a tar file, at any offset; fast only forward if it is compressed."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            start = file.read(6)
        mark = next((mark for mark in _OPENERS if start.startswith(mark)), b"")
        self.file: BinaryIO = _OPENERS.get(mark, open)(path, "rb")  # type: ignore[operator]
        if mark:
            most = max(MOST_BYTES, MOST_RATIO * path.stat().st_size)
            self.file = _Capped(self.file, most)  # type: ignore[assignment]

    def read(self, offset: int, count: int) -> bytes:
        self.file.seek(offset)
        return _check_length(self.file.read(count), count)

    def __del__(self) -> None:
        if hasattr(self, "file"):
            self.file.close()


@lru_cache(maxsize=_OPEN)
def _opened_tar(path: Path, _size: int, _time: int) -> _TarStream:
    return _TarStream(path)


def _tar_members(key: _Key) -> Iterator[Member]:
    stream = _opened_tar(*key)
    stream.file.seek(0)
    with tarfile.open(fileobj=stream.file, mode="r:") as archive:
        for info in archive:
            archive.members = []  # type: ignore[attr-defined]  # which would grow with their number
            read = partial(_read_tar, key, info.offset_data, info.size)
            read_head = partial(_read_tar, key, info.offset_data, min(info.size, HEAD))
            yield Member(info.name, info.isdir(), not info.isreg(), info.size, info.size, read, read_head)
        end = archive.offset
    for offset in (end - _BLOCK, end):
        stream.file.seek(offset)
        if stream.file.read(_BLOCK) == bytes(_BLOCK):
            return
    raise EOFError("it ends without the end-of-archive mark, so it is probably truncated")


def _read_tar(key: _Key, offset: int, count: int) -> bytes:
    return _opened_tar(*key).read(offset, count)


def _check_length(content: bytes, promised: int) -> bytes:
    if len(content) != promised:
        raise ValueError(f"{len(content):,} bytes instead of {promised:,}")
    return content


def _refusal(member: Member) -> str | None:
    """Return the reason why a member is not read, or None."""
    pure = PurePosixPath(member.name.replace("\\", "/"))
    if pure.is_absolute() or ".." in pure.parts or _DRIVE.match(member.name):
        return "its name leads out of the archive"
    if member.is_special:
        return "a link or device"
    if member.size > MOST_BYTES:
        return f"{member.size:,} bytes, over {MOST_BYTES:,}"
    if member.size > _SMALL and member.size > MOST_RATIO * member.packed:
        return f"{member.size:,} bytes packed into {member.packed:,}"
    return None
