"""List the contents of a path: pictures in folders, archives, arrays and tables, and all other files."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Literal, NamedTuple

from infogan.data import archives
from infogan.data.arrays import pictures_in, read_header
from infogan.data.decoding import Item, skipping
from infogan.data.layout import without_numbers
from infogan.data.signatures import HEAD, FileType, identify, of_extension
from infogan.errors import DataError
from infogan.file_listing import Skipped, walk


class FileVerdict(NamedTuple):
    """The verdict on a file.

    Attributes:
        path: below the folder or archive.
        verdict: kept, repaired or left out.
        file_type: what it is, or "".
        reason: why it was left out, or what was repaired.
    """

    path: str
    verdict: Literal["kept", "repaired", "left out"]
    file_type: str
    reason: str = ""


@dataclass
class Contents:
    """Files at a path.

    Attributes:
        items: pictures, in the sorted order of their paths.
        unreadable: images that cannot be read, and files that only have the name of one.
        others: files that hold no pictures, or in a form that is not read.
        excluded: files that a pattern leaves out.
    """

    items: list[Item] = field(default_factory=list)
    unreadable: list[Skipped] = field(default_factory=list)
    others: list[FileVerdict] = field(default_factory=list)
    excluded: list[FileVerdict] = field(default_factory=list)


class _File(NamedTuple):
    """A file in a folder or an archive."""

    name: str
    place: str
    content: Path | Callable[[], bytes]
    head: bytes


_UNPACK = "damaged, or a compressed file that is not an archive: unpack it (gunzip FILE)"


def list_contents(path: Path, exclude: Sequence[str] = (), *, follow_links: bool = False) -> Contents:
    """List the pictures at a path, and judge every other file.

    Args:
        path: a folder, or an archive or table.
        exclude: patterns of names or paths to leave out.
        follow_links: as in `file_listing.walk`.

    Raises:
        DataError: an archive or table cannot be read; or tables are read without the extra "tables".
    """
    contents = Contents()
    if path.is_dir():
        files = walk(path, contents.unreadable, follow_links=follow_links)
        for file in sorted(files, key=lambda file: file.relative_to(path).parts):
            _judge_file(file, str(file.relative_to(path)), contents, exclude)
    else:
        _open_container(path, "", contents, exclude)
    return contents


def _judge_file(path: Path, name: str, contents: Contents, exclude: Sequence[str]) -> None:
    """Judge a file of a folder; archives and tables are opened."""
    if _excluded(name, contents, exclude):
        return
    failed: list[Skipped] = []
    head = None
    with skipping(name, failed):
        if not stat.S_ISREG(path.stat().st_mode):
            raise OSError("not a regular file")
        with path.open("rb") as file:
            head = file.read(HEAD)
    if head is None:
        if of_extension(name) is not None:
            contents.unreadable += failed
        else:
            contents.others.append(FileVerdict(name, "left out", "", failed[0].reason))
    elif identify(head, name).reading in ("archive", "table"):
        try:
            _open_container(path, name, contents, exclude)
        except DataError as error:
            reason = (
                error.happened if path.name.lower().endswith((*archives.SUFFIXES, ".parquet")) else _UNPACK
            )
            contents.others.append(FileVerdict(name, "left out", identify(head).name, reason))
    else:
        _judge(_File(name, "", path, head), contents)


def _open_container(path: Path, name: str, contents: Contents, exclude: Sequence[str]) -> None:
    """List the members of an archive, or the rows of a table.

    Args:
        path: of the file.
        name: its path below the folder; "" if it is the source itself.
        contents: receives the pictures.
        exclude: patterns.
    """
    with path.open("rb") as file:
        file_type = identify(file.read(HEAD), path.name)
    if file_type.reading == "table":
        from infogan.data import tables_of_images

        contents.items += tables_of_images.rows(path, name)
        return
    listed = len(contents.items)
    for member in archives.contents(path, contents.unreadable):
        full = f"{name}/{member.name}" if name else member.name
        if _hidden(member.name) or _excluded(full, contents, exclude):
            continue
        below = member.name if "/" in member.name else member.name.replace("\\", "/")
        place = str(PurePosixPath(name).parent / without_numbers(PurePosixPath(name).stem) / below)
        with skipping(full, contents.unreadable):
            _judge(_File(full, place if name else below, member.read, member.read_head()), contents)
    if not archives.is_compressed_tar(path):  # which can be read fast only in its own order
        contents.items[listed:] = sorted(contents.items[listed:], key=lambda it: PurePosixPath(it.name).parts)


def _judge(file: _File, contents: Contents) -> None:
    """Add a file to the pictures, to the unreadable images, or to the other files."""
    file_type = identify(file.head, file.name)
    if file_type.reading == "image":
        contents.items.append(Item(file.name, file.content, file.place, 0, file_type))
    elif file_type.reading == "array":
        contents.items += _pictures_of_array(file, file_type, contents)
    elif file_type.reading == "unread image" or of_extension(file.name) is not None:
        contents.unreadable.append(Skipped(file.name, file_type.reason))
    else:
        nested = "an archive within an archive: unpack it" if file_type.reading == "archive" else ""
        contents.others.append(
            FileVerdict(file.name, "left out", file_type.name, nested or file_type.advice or "no image")
        )


def _pictures_of_array(file: _File, file_type: FileType, contents: Contents) -> Iterator[Item]:
    """Yield an item for each picture of a .npy file."""
    header = None
    with skipping(file.name, contents.unreadable):
        if isinstance(file.content, Path):
            with file.content.open("rb") as stream:
                header = read_header(stream, file.content.stat().st_size)
        else:
            whole = file.content()
            header = read_header(BytesIO(whole), len(whole))
    if header is None:
        return
    count = pictures_in(header)
    if not count:
        contents.others.append(FileVerdict(file.name, "left out", file_type.name, f"{header}: no images"))
    for index in range(count):
        name = f"{file.name}#{index + 1}" if count > 1 else file.name
        yield Item(name, file.content, file.place or file.name, index, file_type)


def _hidden(name: str) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in PurePosixPath(name).parts)


def _excluded(name: str, contents: Contents, patterns: Sequence[str]) -> bool:
    """Return True, and keep the verdict, if a pattern fits a path, its name, or one of its folders."""
    parts = PurePosixPath(name).parts
    found = next((p for p in patterns if any(fnmatchcase(part, p) for part in (name, *parts))), None)
    if found is not None:
        contents.excluded.append(FileVerdict(name, "left out", "", f"excluded by {found}"))
    return found is not None
