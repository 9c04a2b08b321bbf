"""Read surfaces from untrusted .obj and .off files, scaled to the unit ball.

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

from infogan.errors import DataError
from infogan.file_listing import walk
from infogan.scenes.rasterizer import Mesh

MOST = 2_000_000
"""Limit for the vertices, and for the triangles, of a mesh; checked while it is read."""

_LONGEST_LINE = 1 << 16  # bytes
_NO_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1f]")
_FARTHEST = 1e30  # larger coordinates would overflow float32
_ADVICE = "export the mesh again as .obj with triangles, or remove the file"

Line = tuple[int, list[str]]
"""A line's number, counted from 1, and its words."""


def mesh_files(folder: Path) -> list[Path]:
    """Return all .obj and .off files below a folder, in sorted order.

    Raises:
        DataError: the folder does not exist, or has none.
    """
    files = sorted(path for path in walk(folder, []) if path.suffix.lower() in _READERS)
    if not files:
        problem = "has no meshes in it" if folder.is_dir() else "is not a folder"
        raise DataError(f"{folder} {problem}", f"a folder with {' or '.join(_READERS)} files", f"ls {folder}")
    return files


def read_mesh(path: Path) -> Mesh:
    """Read a .obj or .off file; its bounding box is centred, and its farthest vertex scaled to distance 1.

    Polygons become fans of triangles. Vertices that no face uses are dropped.

    Raises:
        DataError: the file is unreadable, of another type, too large, without faces or extent, or has an
            invalid number or index; with its line, if there is one.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError(f"{path} does not have the name of a mesh", " or ".join(_READERS), _ADVICE)
    surface = _Surface(path)
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise OSError(0, "not a regular file")  # opening a named pipe would block forever
        with path.open("rb") as file:
            reader(surface, _lines(file, surface))
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}", "a readable file", f"ls -l {path}") from None
    return surface.mesh()


class _Surface:
    """Vertices and triangles of one file; its methods check them.

    Attributes:
        path: of the file, for messages.
        positions: three numbers for each vertex.
        corners: three indices for each triangle.
        lines: the line of each triangle, for messages.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.positions, self.corners, self.lines = array("d"), array("q"), array("q")

    @property
    def vertices(self) -> int:
        """Number of vertices so far."""
        return len(self.positions) // 3

    def add_vertex(self, line: int, words: list[str]) -> None:
        """Add a vertex, given by its three numbers."""
        try:
            point = [float(word) for word in words]
        except ValueError:
            point = []
        if len(point) != 3 or not all(abs(number) <= _FARTHEST for number in point):  # False for nan
            raise self.error(line, f"the vertex {' '.join(words)!r}", "three finite numbers")
        if self.vertices == MOST:
            raise self.error(line, f"over {MOST} vertices", f"at most {MOST}")
        self.positions.extend(point)

    def add_face(self, line: int, corners: list[int]) -> None:
        """Add a polygon, given by the indices of its vertices from 0, as a fan of triangles."""
        if len(corners) < 3:
            raise self.error(line, f"a face with {len(corners)} corners", "3 or more")
        if len(self.corners) // 3 + len(corners) - 2 > MOST:
            raise self.error(line, f"over {MOST} triangles", f"at most {MOST}")
        for second, third in pairwise(corners[1:]):
            self.corners.extend((corners[0], second, third))
            self.lines.append(line)

    def mesh(self) -> Mesh:
        """Return the mesh, centred and scaled."""
        if not self.corners:
            raise DataError(f"{self.path} has {self.vertices} vertices and no faces", "a face", _ADVICE)
        triangles = np.frombuffer(self.corners, np.int64).reshape(-1, 3)
        invalid = (triangles < 0) | (triangles >= self.vertices)  # checked last: faces may precede vertices
        if invalid.any():
            face = int(invalid.any(1).argmax())
            index = int(triangles[face][invalid[face]][0])
            raise self.error(
                self.lines[face],
                f"a face with the vertex number {index}, counted from 0",
                f"one of the file's {self.vertices} vertices",
            )
        used, corners = np.unique(triangles, return_inverse=True)
        positions = np.frombuffer(self.positions, np.float64).reshape(-1, 3)[used]
        positions = positions - (positions.min(0) + positions.max(0)) / 2
        farthest = np.linalg.norm(positions, axis=1).max()
        if farthest == 0:
            raise DataError(f"{self.path}: all vertices are one point", "a surface", _ADVICE)
        corners = corners.reshape(-1, 3).astype(np.int64)
        return Mesh(torch.from_numpy(positions / farthest).float(), torch.from_numpy(corners))

    def integer(self, line: int, word: str) -> int:
        """Parse an index or a count."""
        try:
            number = int(word)
        except ValueError:
            number = None
        if number is None or abs(number) > 10 * MOST:
            raise self.error(line, f"{word[:40]!r} instead of a whole number", "an index or a count")
        return number

    def error(self, line: int, problem: str, expected: str) -> DataError:
        """Return an error that names the file and the line."""
        return DataError(f"{self.path}, line {line}: {problem}", expected, _ADVICE)


def _lines(file: BinaryIO, surface: _Surface) -> Iterator[Line]:
    """Yield the words of each line that has some, without comments.

    A backslash at the end of a line joins it to the next.
    """
    number, start = 0, ""
    while raw := file.readline(_LONGEST_LINE):
        number += 1
        if len(raw) == _LONGEST_LINE or _NO_TEXT.search(raw):
            problem = f"bytes that are not text, or over {_LONGEST_LINE} of them"
            raise surface.error(number, problem, "the text of a mesh")
        # Names of materials may be in any encoding; all that is read is ASCII.
        text = start + raw.decode("ascii", "replace").split("#", 1)[0].rstrip()
        if text.endswith("\\") and len(text) < _LONGEST_LINE:
            start = text[:-1] + " "
            continue
        start = ""
        if words := text.split():
            yield number, words
    if words := start.split():
        yield number, words


def _read_obj(surface: _Surface, lines: Iterator[Line]) -> None:
    for line, (keyword, *words) in lines:
        if keyword == "v":
            surface.add_vertex(line, words[:3])  # a weight or colour may follow
        elif keyword == "f":
            surface.add_face(line, [_obj_index(surface, line, word) for word in words])


def _obj_index(surface: _Surface, line: int, word: str) -> int:
    """Return the vertex, from 0, of a corner a, a/b, a//c or a/b/c; in the file from 1, or back from -1."""
    index = surface.integer(line, word.split("/", 1)[0])
    if index == 0 or -index > surface.vertices:
        raise surface.error(
            line,
            f"a face with the vertex number {index}",
            f"1 or more, or -1 to -{surface.vertices} for those read so far",
        )
    return index - 1 if index > 0 else surface.vertices + index


def _read_off(surface: _Surface, lines: Iterator[Line]) -> None:
    def following(content: str) -> Line:
        try:
            return next(lines)
        except StopIteration:
            raise surface.error(line, f"the file ends before {content}", "as many as it promises") from None

    line, words = next(lines, (1, [""]))
    if not words[0].upper().startswith("OFF"):
        raise surface.error(line, f"a file that begins with {words[0][:20]!r}", "OFF")
    # Files of ModelNet continue without a space: OFF8 12 0.
    words = [word for word in (words[0][3:], *words[1:]) if word]
    if not words:
        line, words = following("its counts")
    counts = [surface.integer(line, word) for word in words]
    if len(counts) not in {2, 3} or not all(0 <= count <= MOST for count in counts[:2]):
        expected = f"numbers of vertices, faces and edges, at most {MOST}"
        raise surface.error(line, f"the counts {' '.join(words)!r}", expected)
    for vertex in range(counts[0]):
        line, words = following(f"vertex {vertex} of {counts[0]}")
        surface.add_vertex(line, words[:3])
    for face in range(counts[1]):
        line, words = following(f"face {face} of {counts[1]}")
        corners = surface.integer(line, words[0])
        if not 3 <= corners < len(words):
            expected = "its number of corners, and those"
            raise surface.error(line, f"the face {' '.join(words)[:80]!r}", expected)
        surface.add_face(line, [surface.integer(line, word) for word in words[1 : 1 + corners]])


_READERS: dict[str, Callable[[_Surface, Iterator[Line]], None]] = {".obj": _read_obj, ".off": _read_off}

SUFFIXES = tuple(_READERS)
"""Of mesh files, in small or capital letters."""
