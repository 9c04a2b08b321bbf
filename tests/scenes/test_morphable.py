"""Morphable models read from small files of the true formats, and the refusal of others."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import savemat

from infogan.errors import DataError
from infogan.scenes.morphable import MorphableModel, outward, read_basel_2009, read_ict

CORNERS = np.array([[0, 0, 1], [1, 0, -1], [-1, 0, -1], [0, 1.5, 0]])
FRONTS = np.array([[0, 1, 3], [1, 2, 3], [2, 0, 3], [0, 2, 1]])
"""A tetrahedron whose fronts are outside."""

CHANGES = np.random.Generator(np.random.Philox(3)).normal(size=(2, 4, 3)) * 0.1


def ict(**changed: np.ndarray | None) -> dict[str, np.ndarray]:
    arrays: dict[str, np.ndarray | None] = {
        "mean": (CORNERS * 9).astype(np.float32),
        "identity": CHANGES.astype(np.float16),
        "faces": FRONTS.astype(np.int32),
        "face_part": np.array([0, 0, 1, 2], np.uint8),
        "expr_names": np.array(["jawOpen"]),
        **changed,
    }
    return {name: array for name, array in arrays.items() if array is not None}


def basel(**changed: np.ndarray | None) -> dict[str, np.ndarray]:
    arrays: dict[str, np.ndarray | None] = {
        "shapeMU": (CORNERS * 80_000).reshape(-1, 1).astype(np.float32),
        "shapePC": CHANGES.reshape(2, 12).T.astype(np.float32),
        "shapeEV": np.array([[8e5], [3e5]], np.float32),
        "texMU": np.full((12, 1), 128, np.float32),
        "tl": FRONTS[:, ::-1] + 1.0,
        **changed,
    }
    return {name: array for name, array in arrays.items() if array is not None}


def volume(model: MorphableModel) -> float:
    a, b, c = model.mean[model.triangles].unbind(1)
    return float((a * torch.linalg.cross(b, c)).sum())


def test_ict_is_read_centred_and_scaled(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "ict.npz", **ict())
    model = read_ict(tmp_path / "ict.npz")
    lengths = (model.mean[1:] - model.mean[0]) * 12.86
    assert torch.allclose(lengths, torch.tensor((CORNERS[1:] - CORNERS[0]) * 9).float(), atol=1e-4)
    assert torch.allclose(model.modes * 12.86, torch.tensor(CHANGES).float(), atol=1e-3)
    assert model.triangles.tolist() == FRONTS.tolist()
    assert model.face.tolist() == [0, 1, 2, 3]  # of the first two triangles


def test_basel_is_read_by_its_formula_with_its_fronts_outside(tmp_path: Path) -> None:
    savemat(tmp_path / "basel.mat", basel())
    model = read_basel_2009(tmp_path / "basel.mat")
    arrays = basel()
    weights = np.array([[0.7, -1.2]], np.float32)
    shape = arrays["shapeMU"] + arrays["shapePC"] @ (weights.T * arrays["shapeEV"])
    wanted = torch.tensor(shape.reshape(4, 3)).float()
    found = model.shapes(weights)[0]
    unit = 1.5 * 80_000 / 2 * 1.06  # half the height, and a margin
    assert torch.allclose((found[1:] - found[0]) * unit, wanted[1:] - wanted[0], rtol=1e-4, atol=1)
    assert model.mean[:, 1].abs().max() == pytest.approx(1 / 1.06, abs=1e-5)
    assert volume(model) > 0
    extent = wanted.amax(0) - wanted.amin(0)
    assert model.widths(weights)[0] == pytest.approx(float(extent[0] / extent[1]), rel=1e-4)


def test_a_shape_is_the_same_in_any_company() -> None:
    generator = np.random.Generator(np.random.Philox(1))
    modes = torch.tensor(generator.normal(size=(30, 500, 3))).float()
    model = MorphableModel("m", torch.ones(500, 3), modes, torch.tensor([[0, 1, 2]]), torch.arange(100))
    weights = generator.normal(size=(37, 30)).astype(np.float32)
    together, widths = model.shapes(weights), model.widths(weights)
    assert together.shape == (37, 500, 3)
    assert torch.allclose(together, 1 + torch.einsum("nk,kvc->nvc", torch.tensor(weights), modes), atol=1e-4)
    for i in (0, 15, 16, 36):
        assert torch.equal(model.shapes(weights[i : i + 1])[0], together[i])
        assert model.widths(weights[i : i + 1])[0] == widths[i]
    assert model.shapes(weights[:0]).shape == (0, 500, 3)


def test_fronts_are_turned_outside_whichever_they_were() -> None:
    corners, fronts = torch.tensor(CORNERS).float(), torch.tensor(FRONTS)
    assert torch.equal(outward(corners, fronts), fronts)
    assert torch.equal(outward(corners, fronts.flip(1)), fronts)
    assert torch.equal(outward(corners + 100, fronts[:3].flip(1)), fronts[:3])  # open below


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"mean": None}, "no array 'mean'"),
        ({"face_part": None}, "no array 'face_part'"),
        ({"mean": CORNERS[:, :2]}, "mean is"),
        ({"mean": FRONTS}, "mean is int64"),
        ({"mean": CORNERS * np.nan}, "not finite"),
        ({"identity": CHANGES[:, :3]}, "identity is"),
        ({"identity": CHANGES[:0]}, "identity is"),
        ({"faces": FRONTS + 1}, "indices from 1 to 4"),
        ({"faces": FRONTS - 1}, "indices from -1"),
        ({"faces": FRONTS[:, :2]}, "faces has the shape"),
        ({"faces": FRONTS + 0.5}, "whole numbers"),
        ({"face_part": np.ones(4, np.uint8)}, "face_part"),
        ({"face_part": np.zeros(3, np.uint8)}, "face_part"),
    ],
)
def test_other_npz_files_are_refused(
    tmp_path: Path, changed: dict[str, np.ndarray | None], message: str
) -> None:
    path = tmp_path / "other.npz"
    np.savez(path, **ict(**changed))
    with pytest.raises(DataError, match=message) as error:
        read_ict(path)
    assert str(path) in error.value.happened
    assert error.value.expected
    assert error.value.advice


class Trap:
    """Pickled, it makes a folder as soon as it is read."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (self.path,)


def test_pickled_arrays_are_refused_and_those_beside_left_alone(tmp_path: Path) -> None:
    trap = np.array([Trap(tmp_path / "sprung")], dtype=object)
    np.savez(tmp_path / "beside.npz", **ict(expr=trap))
    assert len(read_ict(tmp_path / "beside.npz").mean) == 4
    np.savez(tmp_path / "mean.npz", **ict(mean=trap))
    with pytest.raises(DataError, match="unreadable"):
        read_ict(tmp_path / "mean.npz")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"shapeMU": None}, "no array 'shapeMU'"),
        ({"tl": None}, "no array 'tl'"),
        ({"shapeMU": np.ones((11, 1))}, "not a multiple of 3"),
        ({"shapeMU": np.ones((1, 12))}, "shapeMU is"),
        ({"shapePC": np.ones((9, 2))}, "shapePC is"),
        ({"shapeEV": np.ones((3, 1))}, "shapeEV is"),
        ({"shapeEV": -np.ones((2, 1))}, "0 or less"),
        ({"shapePC": np.full((12, 2), np.inf)}, "not finite"),
        ({"tl": FRONTS}, "indices from 0 to 3"),
        ({"tl": FRONTS + 1.5}, "whole numbers"),
        ({"tl": np.array([["a", "b", "c"]], dtype=object)}, "cell, not numbers"),
    ],
)
def test_other_mat_files_are_refused(
    tmp_path: Path, changed: dict[str, np.ndarray | None], message: str
) -> None:
    path = tmp_path / "other.mat"
    savemat(path, basel(**changed))
    with pytest.raises(DataError, match=message) as error:
        read_basel_2009(path)
    assert str(path) in error.value.happened


@pytest.mark.parametrize("read", [read_ict, read_basel_2009])
def test_what_is_no_such_file_is_refused(tmp_path: Path, read: object) -> None:
    assert callable(read)
    np.savez(tmp_path / "whole.npz", **ict())
    savemat(tmp_path / "whole.mat", basel())
    (tmp_path / "text").write_text("a head")
    (tmp_path / "empty").touch()
    np.save(tmp_path / "single.npy", CORNERS)
    (tmp_path / "cut.npz").write_bytes((tmp_path / "whole.npz").read_bytes()[:900])
    (tmp_path / "cut.mat").write_bytes((tmp_path / "whole.mat").read_bytes()[:300])
    for name in ("missing", "text", "empty", "single.npy", "cut.npz", "cut.mat", "."):
        with pytest.raises(DataError, match=r"unreadable|single array"):
            read(tmp_path / name)
