"""Surfaces from .obj and .off files, read without trust, in the middle of the unit ball.

    meshes = [read_mesh(path) for path in mesh_files(folder)]

Only positions and faces are read: no normals, textures, colours or materials.
"""

from __future__ import annotations

import re
import stat
from array import array
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from jaxtyping import Float

from infogan.errors import DataError
from infogan.file_listing import walk
from infogan.scenes.rasterizer import Mesh

MOST = 2_000_000
"""Vertices, and triangles, that a mesh may have; checked while it is read."""

_LONGEST_LINE = 1 << 16  # bytes: a face with more corners is no face
_NO_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1f]")
_FARTHEST = 1e30  # coordinates beyond would overflow float32 on the way
_ADVICE = "export the mesh anew as .obj with triangles, or leave the file out"

Line = tuple[int, list[str]]
"""A line's number, counted from 1, and its words."""


def mesh_files(folder: Path) -> list[Path]:
    """All .obj and .off files below a folder, in sorted order.

    Raises:
        DataError: the folder is not there, or holds none.
    """
    found = sorted(path for path in walk(folder, []) if path.suffix.lower() in _READERS)
    if not found:
        what = "has no meshes in it" if folder.is_dir() else "is not a folder"
        kinds = " or ".join(_READERS)
        raise DataError(f"{folder} {what}", f"a folder with {kinds} files", f"ls {folder}")
    return found


def read_mesh(path: Path) -> Mesh:
    """The surface in a .obj or .off file, moved and scaled: its box is centred, and its farthest vertex at 1.

    Polygons become fans of triangles. Vertices that no face uses are left out.

    Raises:
        DataError: the file is unreadable, of another kind, too large, without faces or extent, or has a
            number or index that cannot be; with the line where there is one.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError(f"{path} is no mesh by its name", " or ".join(_READERS), _ADVICE)
    surface = _Surface(path)
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise OSError(0, "not a regular file")  # opening a named pipe would wait for ever
        with path.open("rb") as file:
            reader(_lines(file, path), surface)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}", "a readable file", f"ls -l {path}") from None
    return surface.mesh()


class _Surface:
    """What has been read of one file.

    Attributes:
        path: of the file, for messages.
        positions: three numbers for each vertex.
        corners: three indices for each triangle.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.positions, self.corners, self.lines = array("d"), array("q"), array("q")

    @property
    def vertices(self) -> int:
        """How many have been read."""
        return len(self.positions) // 3

    def add_vertex(self, line: int, words: list[str]) -> None:
        """One more vertex, from its three numbers."""
        try:
            point = [float(word) for word in words]
        except ValueError:
            point = []
        if len(point) != 3 or not all(abs(number) <= _FARTHEST for number in point):  # False for nan
            raise self.wrong(line, f"the vertex {' '.join(words)!r}", "three finite numbers")
        if self.vertices == MOST:
            raise self.wrong(line, f"over {MOST} vertices", f"at most {MOST}")
        self.positions.extend(point)

    def add_face(self, line: int, corners: list[int]) -> None:
        """One more polygon, from the indices of its vertices, from 0, as a fan."""
        if len(corners) < 3:
            raise self.wrong(line, f"a face with {len(corners)} corners", "3 or more")
        if len(self.corners) // 3 + len(corners) - 2 > MOST:
            raise self.wrong(line, f"over {MOST} triangles", f"at most {MOST}")
        for second, third in pairwise(corners[1:]):
            self.corners.extend((corners[0], second, third))
            self.lines.append(line)

    def mesh(self) -> Mesh:
        """All of it, centred and scaled."""
        if not self.corners:
            raise DataError(
                f"{self.path} has {self.vertices} vertices and no faces", "1 face or more", _ADVICE
            )
        triangles = np.frombuffer(self.corners, np.int64).reshape(-1, 3)
        # Only now: a file may list its faces first.
        beyond = (triangles < 0) | (triangles >= self.vertices)
        if beyond.any():
            face = int(beyond.any(1).argmax())
            index = int(triangles[face][beyond[face]][0])
            raise self.wrong(
                self.lines[face],
                f"a face with the vertex number {index}, counted from 0",
                f"one of the file's {self.vertices} vertices",
            )
        positions = np.frombuffer(self.positions, np.float64).reshape(-1, 3)
        used, places = np.unique(triangles, return_inverse=True)
        return Mesh(
            torch.from_numpy(self._centred(positions[used])).float(),
            torch.from_numpy(places.reshape(-1, 3).astype(np.int64)),
        )

    def _centred(self, positions: Float[np.ndarray, "v 3"]) -> Float[np.ndarray, "v 3"]:
        positions = positions - (positions.min(0) + positions.max(0)) / 2
        farthest = np.linalg.norm(positions, axis=1).max()
        if farthest == 0:
            raise DataError(f"{self.path}: all vertices are one point", "a surface", _ADVICE)
        centred: Float[np.ndarray, "v 3"] = positions / farthest
        return centred

    def wrong(self, line: int, happened: str, expected: str) -> DataError:
        """An error that names the file and the line."""
        return DataError(f"{self.path}, line {line}: {happened}", expected, _ADVICE)


def _lines(file: BinaryIO, path: Path) -> Iterator[Line]:
    """The words of each line that has some, without comments.

    A backslash at a line's end joins it to the next.
    """
    number, begun = 0, ""
    while raw := file.readline(_LONGEST_LINE):
        number += 1
        if len(raw) == _LONGEST_LINE or _NO_TEXT.search(raw):
            raise DataError(
                f"{path}, line {number}: bytes that are no text, or over {_LONGEST_LINE} of them",
                "the text of a mesh",
                _ADVICE,
            )
        # Names of materials may be in any encoding; what matters is ASCII.
        text = begun + raw.decode("ascii", "replace").split("#", 1)[0].rstrip()
        if text.endswith("\\") and len(text) < _LONGEST_LINE:
            begun = text[:-1] + " "
            continue
        begun = ""
        if words := text.split():
            yield number, words
    if words := begun.split():
        yield number, words


def _read_obj(lines: Iterator[Line], surface: _Surface) -> None:
    for line, (kind, *words) in lines:
        if kind == "v":
            surface.add_vertex(line, words[:3])  # then a weight or a colour
        elif kind == "f":
            surface.add_face(line, [_obj_index(word, line, surface) for word in words])


def _obj_index(word: str, line: int, surface: _Surface) -> int:
    """The vertex, counted from 0, of a corner a, a/b, a//c or a/b/c.

    In the file a counts from 1, or from -1 backward from the last vertex so far.
    """
    index = _whole(word.split("/", 1)[0], line, surface)
    if index == 0 or -index > surface.vertices:
        raise surface.wrong(
            line,
            f"a face with the vertex number {index}",
            f"1 or more, or -1 to -{surface.vertices} for those read so far",
        )
    return index - 1 if index > 0 else surface.vertices + index


def _read_off(lines: Iterator[Line], surface: _Surface) -> None:
    line, words = next(lines, (1, [""]))
    if not words[0].upper().startswith("OFF"):
        raise surface.wrong(line, f"a file that begins with {words[0][:20]!r}", "OFF")
    # Files of ModelNet go on without a space: OFF8 12 0.
    words = [word for word in (words[0][3:], *words[1:]) if word]
    if not words:
        line, words = _next(lines, line, surface, "its counts")
    counts = [_whole(word, line, surface) for word in words]
    if len(counts) not in {2, 3} or not all(0 <= count <= MOST for count in counts[:2]):
        raise surface.wrong(
            line, f"the counts {' '.join(words)!r}", f"numbers of vertices, faces and edges, at most {MOST}"
        )
    for vertex in range(counts[0]):
        line, words = _next(lines, line, surface, f"vertex {vertex} of {counts[0]}")
        surface.add_vertex(line, words[:3])
    for face in range(counts[1]):
        line, words = _next(lines, line, surface, f"face {face} of {counts[1]}")
        corners = _whole(words[0], line, surface)
        if not 3 <= corners < len(words):
            raise surface.wrong(
                line, f"the face {' '.join(words)[:80]!r}", "its number of corners, and those"
            )
        surface.add_face(line, [_whole(word, line, surface) for word in words[1 : 1 + corners]])


def _next(lines: Iterator[Line], line: int, surface: _Surface, what: str) -> Line:
    found = next(lines, None)
    if found is None:
        raise surface.wrong(line, f"the file ends before {what}", "as many as it promises")
    return found


def _whole(word: str, line: int, surface: _Surface) -> int:
    try:
        number = int(word)
    except ValueError:
        number = None
    if number is None or abs(number) > 10 * MOST:
        raise surface.wrong(line, f"{word[:40]!r} in place of a whole number", "an index or a count")
    return number


_READERS: dict[str, Callable[[Iterator[Line], _Surface], None]] = {".obj": _read_obj, ".off": _read_off}

SUFFIXES = tuple(_READERS)
"""Of mesh files, in small or capital letters."""
