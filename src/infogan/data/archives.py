"""Pictures inside a zip or tar file, read one after the other and never unpacked.

Nothing of an archive is trusted: members whose names lead out of it, links and devices are refused, every
member is read up to a cap and no further, and so is the whole.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from infogan.data.decoding import Item
from infogan.errors import DataError
from infogan.file_listing import Skipped

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")

MOST_MEMBERS = 5_000_000
"""Entries of an archive; more are no set of pictures."""

MOST_BYTES = 256 << 20
"""Of one member, unpacked. A picture of 50 million pixels without any compression is smaller."""

MOST_RATIO = 200
"""How many times longer a member may be than it is packed, where it is over a megabyte. A bomb has 1,000."""

_SMALL = 1 << 20
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")
_BLOCK = 512  # of a tar file; it ends with two of zeros
_UNREADABLE = (
    OSError,
    EOFError,
    ValueError,
    RuntimeError,  # an encrypted member, or a compression that this Python lacks
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
)


def is_archive(path: Path) -> bool:
    """Whether a file's name says that it is an archive that can be read."""
    return path.name.lower().endswith(SUFFIXES)


def members(path: Path, wanted: Callable[[str], bool], skipped: list[Skipped]) -> list[Item]:
    """The members of a zip or tar file whose names are wanted; their bytes are read when asked for.

    Sorted by name; but those of a compressed tar file in its own order, in which alone it is read fast.

    Args:
        path: of the archive.
        wanted: whether a member of that name is.
        skipped: gets the wanted members that are refused, with reasons.

    Raises:
        DataError: the file is no archive, is damaged, or has far too many entries.
    """
    try:
        suffix = path.suffix.lower()
        items = (_in_zip if suffix == ".zip" else _in_tar)(path, wanted, skipped)
        if suffix in (".zip", ".tar"):
            items.sort(key=lambda item: PurePosixPath(item.name).parts)
        return items
    except _UNREADABLE as error:
        raise DataError(
            f"cannot read the archive {path}: {str(error) or type(error).__name__}",
            f"a whole, unencrypted file of the kinds {' '.join(SUFFIXES)}",
            "another copy of it, or --data FOLDER with what it holds",
        ) from None


def _in_zip(path: Path, wanted: Callable[[str], bool], skipped: list[Skipped]) -> list[Item]:
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
        return _capped(member.read(info.file_size + 1), info.file_size)


class _Stream:
    """The bytes of a tar file, decompressed; read at any place, though fast only onwards where compressed."""

    def __init__(self, path: Path) -> None:
        opens = {".gz": gzip.open, ".tgz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
        self.file: BinaryIO = opens.get(path.suffix.lower(), open)(path, "rb")  # type: ignore[operator]

    def read(self, at: int, count: int) -> bytes:
        self.file.seek(at)
        return self.file.read(count)

    def __del__(self) -> None:
        if hasattr(self, "file"):
            self.file.close()


def _in_tar(path: Path, wanted: Callable[[str], bool], skipped: list[Skipped]) -> list[Item]:
    stream = _Stream(path)
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
        raise EOFError("it ends without the mark of an archive's end, so it is probably cut short")
    return items


def _read_tar(stream: _Stream, offset: int, size: int) -> bytes:
    return _capped(stream.read(offset, size), size)


def _capped(content: bytes, promised: int) -> bytes:
    if len(content) != promised:
        raise ValueError(f"{len(content):,} bytes in place of {promised:,}")
    return content


def _refusal(name: str, special: bool, size: int, packed: int) -> str | None:
    """Why a member is not read; None where nothing is wrong with it."""
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
