"""Pictures inside a zip or tar file, read one after the other and never unpacked to the disk.

Archives are not trusted: members whose names lead out of the archive, links and devices are refused, and the
number of members and the size of each are limited.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
import tarfile
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from infogan.data.arrays import UNREADABLE
from infogan.data.decoding import Item
from infogan.errors import DataError
from infogan.file_listing import Skipped

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")

MOST_MEMBERS = 5_000_000
"""Limit for the number of entries of an archive."""

MOST_BYTES = 256 << 20
"""Limit for one member, uncompressed. 50 million pixels without any compression are smaller."""

MOST_RATIO = 200
"""Limit for the compression ratio of a member of over a megabyte. That of a zip bomb is about 1,000."""

_SMALL = 1 << 20
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")
_BLOCK = 512  # of a tar file, which ends with two blocks of zeros
_OPENERS = {".gz": gzip.open, ".tgz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}


def is_archive(path: Path) -> bool:
    """Return True if the file's name is that of a supported archive."""
    return path.name.lower().endswith(SUFFIXES)


def members(path: Path, wanted: Callable[[str], bool], skipped: list[Skipped]) -> list[Item]:
    """List the members of a zip or tar file whose names are wanted; their contents are read on demand.

    Sorted by name; except those of a compressed tar file, which is only fast to read in its own order.

    Args:
        path: of the archive.
        wanted: returns True for the name of a member that should be listed.
        skipped: receives the wanted members that are refused, with reasons.

    Raises:
        DataError: the file is no archive, is damaged, or has too many entries.
    """
    try:
        suffix = path.suffix.lower()
        items = (_list_zip if suffix == ".zip" else _list_tar)(path, wanted, skipped)
    except (*UNREADABLE, tarfile.TarError) as error:
        raise DataError(
            f"cannot read the archive {path}: {str(error) or type(error).__name__}",
            f"a complete, unencrypted {', '.join(SUFFIXES)} file",
            "another copy of it, or --data FOLDER with its contents",
        ) from None
    if suffix in (".zip", ".tar"):
        items.sort(key=lambda item: PurePosixPath(item.name).parts)
    return items


def _list_zip(path: Path, wanted: Callable[[str], bool], skipped: list[Skipped]) -> list[Item]:
    archive = zipfile.ZipFile(path)  # stays open as long as its items are in use
    infos = archive.infolist()
    _check_count(path, len(infos))
    items = []
    for info in infos:
        if info.is_dir() or not wanted(info.filename):
            continue
        link = (info.external_attr >> 16) & 0o170000 == 0o120000
        if reason := _refusal(info.filename, link, info.file_size, info.compress_size):
            skipped.append(Skipped(info.filename, reason))
        else:
            items.append(Item(info.filename, partial(_read_zip, archive, info)))
    return items


def _read_zip(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    with archive.open(info) as member:
        return _check_length(member.read(info.file_size + 1), info.file_size)


class _TarStream:
    """The decompressed bytes of a tar file, at any offset; fast only forward where it is compressed."""

    def __init__(self, path: Path) -> None:
        self.file: BinaryIO = _OPENERS.get(path.suffix.lower(), open)(path, "rb")  # type: ignore[operator]

    def read(self, offset: int, count: int) -> bytes:
        self.file.seek(offset)
        return self.file.read(count)

    def __del__(self) -> None:
        if hasattr(self, "file"):
            self.file.close()


def _list_tar(path: Path, wanted: Callable[[str], bool], skipped: list[Skipped]) -> list[Item]:
    stream = _TarStream(path)
    items = []
    with tarfile.open(fileobj=stream.file, mode="r:") as archive:
        for number, info in enumerate(archive, start=1):
            _check_count(path, number)
            if info.isdir() or not wanted(info.name):
                continue
            if reason := _refusal(info.name, not info.isreg(), info.size, info.size):
                skipped.append(Skipped(info.name, reason))
            else:
                items.append(Item(info.name, partial(_read_tar, stream, info.offset_data, info.size)))
        end = archive.offset
    if stream.read(end - _BLOCK, _BLOCK) != bytes(_BLOCK) and stream.read(end, _BLOCK) != bytes(_BLOCK):
        raise EOFError("it ends without the end-of-archive mark, so it is probably truncated")
    return items


def _read_tar(stream: _TarStream, offset: int, size: int) -> bytes:
    return _check_length(stream.read(offset, size), size)


def _check_length(content: bytes, promised: int) -> bytes:
    if len(content) != promised:
        raise ValueError(f"{len(content):,} bytes in place of {promised:,}")
    return content


def _refusal(name: str, special: bool, size: int, packed: int) -> str | None:
    """Return the reason why a member is not read, or None."""
    pure = PurePosixPath(name.replace("\\", "/"))
    if pure.is_absolute() or ".." in pure.parts or _DRIVE.match(name):
        return "its name leads out of the archive"
    if special:
        return "a link or device"
    if size > MOST_BYTES:
        return f"{size:,} bytes, over {MOST_BYTES:,}"
    if size > _SMALL and size > MOST_RATIO * packed:
        return f"{size:,} bytes packed into {packed:,}"
    return None


def _check_count(path: Path, count: int) -> None:
    if count > MOST_MEMBERS:
        raise DataError(
            f"{path} has over {MOST_MEMBERS:,} entries",
            f"at most {MOST_MEMBERS:,}",
            "--data FOLDER with the pictures that you want",
        )
