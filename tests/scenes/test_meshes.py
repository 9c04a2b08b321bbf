"""Mesh files: every spelling that is read, and every refusal with its file and line."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from infogan.errors import DataError
from infogan.scenes import meshes
from infogan.scenes.meshes import mesh_files, read_mesh

CORNERS = "v 0 0 0\nv 4 0 0\nv 4 3 0\nv 0 3 0\n"
SQUARE = [(-0.8, -0.6, 0), (0.8, -0.6, 0), (0.8, 0.6, 0), (-0.8, 0.6, 0)]
"""The rectangle of 4 by 3 in the unit ball, by hand: half its diagonal is 2.5."""

FAN = [(0, 1, 2), (0, 2, 3)]


def surface(path: Path, text: str | bytes) -> tuple[np.ndarray, list[tuple[int, ...]]]:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    mesh = read_mesh(path)
    assert str(mesh.vertices.dtype) == "torch.float32"
    return mesh.vertices.numpy(), [tuple(face) for face in mesh.triangles.tolist()]


@pytest.mark.parametrize(
    "text",
    [
        CORNERS + "f 1 2 3 4\n",
        CORNERS + "f 1 2 3\nf 1 3 4",  # no newline at the end
        CORNERS + "vt 0 0\nvn 0 0 1\nf 1/1 2/1 3/1 4/1\n",
        CORNERS + "vn 0 0 1\nf 1//1 2//1 3//1 4//1\n",
        CORNERS + "vt 0 0\nvn 0 0 1\nf 1/1/1 2/1/1 3/1/1 4/1/1\n",
        CORNERS + "f -4 -3 -2 -1\n",
        CORNERS + "f -4/-1/-1 2 -2//5 4/7\n",
        (CORNERS + "f 1 2 3 4\n").replace("\n", "\r\n"),
        "# a chair\nmtllib a.mtl\no part\n\n"
        + CORNERS
        + "g x\nusemtl wood\ns off\nf 1 2 3 4 # seat\nl 1 2\n",
        "f 1 2 3 4\n" + CORNERS,
        CORNERS + "f 1 2 \\\n 3 4\n",
        CORNERS + "f 1 2 3 4 \\",
        CORNERS.replace("0 0 0", "0 0 0 1.0").replace("4 3 0", "4.0e0 +3. 0 0.5 0.5 0.5") + "f 1 2 3 4\n",
        "v 9 9 9\n" + CORNERS + "f 2 3 4 5\n",  # what no face uses doesn't count
        CORNERS.encode() + b"o \xe9t\xe9\nf\t1 2  3 4\n",
    ],
)
def test_every_spelling_of_obj(tmp_path: Path, text: str | bytes) -> None:
    vertices, faces = surface(tmp_path / "a.obj", text)
    np.testing.assert_allclose(vertices, SQUARE, atol=1e-6)
    assert faces == FAN


POINTS = "0 0 0\n4 0 0\n4 3 0\n0 3 0\n"


@pytest.mark.parametrize(
    "text",
    [
        "OFF\n4 1 0\n" + POINTS + "4 0 1 2 3\n",
        "OFF 4 2 5\n" + POINTS + "3 0 1 2\n3 0 2 3",
        "OFF4 1 0\n" + POINTS + "4 0 1 2 3\n",
        "off\n4 1\n" + POINTS + "4 0 1 2 3 255 0 0\n",
        "# chair\n\nOFF # kind\n# counts\n4 1 0\n\n" + POINTS + "# faces\n4 0 1 2 3 # seat\n",
        ("OFF\n4 1 0\n" + POINTS + "4 0 1 2 3\n").replace("\n", "\r\n"),
    ],
)
def test_every_spelling_of_off(tmp_path: Path, text: str) -> None:
    vertices, faces = surface(tmp_path / "A.OFF", text)
    np.testing.assert_allclose(vertices, SQUARE, atol=1e-6)
    assert faces == FAN


@pytest.mark.parametrize(
    ("name", "text", "happened"),
    [
        ("a.obj", CORNERS, "has 4 vertices and no faces"),
        ("a.obj", "", "has 0 vertices and no faces"),
        ("a.obj", CORNERS + "f 1 2 3\nf 1 2 5\n", "line 6: a face with the vertex number 4, counted from 0"),
        ("a.obj", CORNERS + "f 1 2 0\n", "line 5: a face with the vertex number 0"),
        ("a.obj", CORNERS + "f 1 2 -5\n", "line 5: a face with the vertex number -5"),
        ("a.obj", CORNERS + "f 1 2 x/1\n", "line 5: 'x' instead of a whole number"),
        ("a.obj", CORNERS + "f 1 2 99999999999999999999\n", "line 5: '9+' instead of a whole number"),
        ("a.obj", CORNERS + "f 1 2\n", "line 5: a face with 2 corners"),
        ("a.obj", "v 0 0 nan\n" + CORNERS + "f 1 2 3\n", "line 1: the vertex '0 0 nan'"),
        ("a.obj", "v 0 inf 0\n" + CORNERS + "f 1 2 3\n", "line 1: the vertex '0 inf 0'"),
        ("a.obj", "v 0 1e300 0\n" + CORNERS + "f 1 2 3\n", "line 1: the vertex '0 1e300 0'"),
        ("a.obj", "v 0 0\n" + CORNERS + "f 1 2 3\n", "line 1: the vertex '0 0'"),
        ("a.obj", "v 1 1 1\nv 1 1 1\nv 1 1 1\nf 1 2 3\n", "all vertices are one point"),
        ("a.obj", CORNERS + "\0\1\2", "line 5: bytes that are not text"),
        ("a.obj", CORNERS + "x" * (1 << 17), "line 5: bytes that are not text"),
        ("a.off", "COFF\n4 1 0\n", "line 1: a file that begins with 'COFF'"),
        ("a.off", "", "line 1: a file that begins with ''"),
        ("a.off", "OFF", "line 1: the file ends before its counts"),
        ("a.off", "OFF\n4\n", "line 2: the counts '4'"),
        ("a.off", "OFF\n-4 1 0\n", "line 2: the counts '-4 1 0'"),
        ("a.off", "OFF\n9000000 1 0\n", "line 2: the counts '9000000 1 0'"),
        ("a.off", "OFF\n4 0 0\n" + POINTS, "has 4 vertices and no faces"),
        ("a.off", "OFF\n5 1 0\n" + POINTS, "line 6: the file ends before vertex 4 of 5"),
        ("a.off", "OFF\n4 2 0\n" + POINTS + "3 0 1 2\n", "line 7: the file ends before face 1 of 2"),
        ("a.off", "OFF\n4 1 0\n" + POINTS + "4 0 1 2\n", "line 7: the face '4 0 1 2'"),
        ("a.off", "OFF\n4 1 0\n" + POINTS + "2 0 1\n", "line 7: the face '2 0 1'"),
        ("a.off", "OFF\n4 1 0\n" + POINTS + "3 0 1 4\n", "line 7: a face with the vertex number 4"),
        ("a.off", "OFF\n4 1 0\n" + POINTS + "3 0 1 -1\n", "line 7: a face with the vertex number -1"),
        ("a.off", "OFF\n1 1 0\n0 0 nan\n3 0 0 0\n", "line 3: the vertex '0 0 nan'"),
        ("a.stl", CORNERS, "does not have the name of a mesh"),
    ],
)
def test_what_is_no_mesh_is_refused(tmp_path: Path, name: str, text: str, happened: str) -> None:
    with pytest.raises(DataError, match=f"{name}.*{happened}") as raised:
        surface(tmp_path / name, text)
    assert raised.value.expected
    assert raised.value.advice


@pytest.mark.parametrize("faces", ["f 1 2 3\nf 1 2 3\nf 1 2 3\nf 1 2 3\nf 1 2 3", "f 1 2 3 4 1 2 3"])
def test_too_many_triangles_are_refused_while_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, faces: str
) -> None:
    monkeypatch.setattr(meshes, "MOST", 4)
    with pytest.raises(DataError, match="over 4 triangles\n  expected: at most 4"):
        surface(tmp_path / "a.obj", CORNERS + faces + "\nf not even read")


def test_too_many_vertices_are_refused_while_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meshes, "MOST", 4)
    with pytest.raises(DataError, match="line 5: over 4 vertices"):
        surface(tmp_path / "a.obj", CORNERS + "v 1 2 3\nv not even read")


def test_a_file_that_is_not_there_or_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot read .*b\.obj: No such file"):
        read_mesh(tmp_path / "b.obj")
    (tmp_path / "c.obj").mkdir()
    os.mkfifo(tmp_path / "d.obj")  # reading it would wait for ever
    for name in ("c.obj", "d.obj"):
        with pytest.raises(DataError, match="not a regular file"):
            read_mesh(tmp_path / name)


def test_a_folder_is_listed_in_sorted_order(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    names = ["b/z.obj", "b.obj", "a.OFF", "10.off", "9.obj", "readme.txt", ".hidden.obj"]
    for name in names:
        (tmp_path / name).touch()
    found = [str(path.relative_to(tmp_path)) for path in mesh_files(tmp_path)]
    assert found == ["10.off", "9.obj", "a.OFF", "b/z.obj", "b.obj"]


def test_a_folder_without_meshes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no meshes in it"):
        mesh_files(tmp_path)
    with pytest.raises(DataError, match="is not a folder"):
        mesh_files(tmp_path / "none")
