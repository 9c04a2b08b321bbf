"""Images in .npy and .npz files (fault 30: wrong shapes, pickled objects, lying headers)."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from infogan.config import DataConfig
from infogan.data import arrays, load
from infogan.data.arrays import read_array
from infogan.errors import DataError

IMAGES = np.random.default_rng(0).integers(0, 256, (10, 16, 16, 3), dtype=np.uint8)


class Trap:
    """Pickled, it makes a folder as soon as it is read."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (self.path,)


def save(path: Path, **arrays: np.ndarray) -> Path:
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]
    return path


def test_npy_goes_through_load(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", IMAGES)
    dataset = load(DataConfig(source="folder", path=str(tmp_path / "a.npy"), held_out=3))
    assert dataset.train.images.shape == (7, 16, 16, 3)
    every = np.concatenate([dataset.train.images, dataset.test.images])
    assert sorted(image.tobytes() for image in every) == sorted(image.tobytes() for image in IMAGES)


def test_gray_arrays_get_their_channel(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", IMAGES[..., 0])
    assert (read_array(tmp_path / "a.npy").images == IMAGES[..., :1]).all()


def test_fortran_order_is_read_as_it_was_meant(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.asfortranarray(IMAGES))
    assert (read_array(tmp_path / "a.npy").images == IMAGES).all()


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_floats_from_0_to_1_become_bytes(tmp_path: Path, kind: type[np.floating]) -> None:
    np.save(tmp_path / "a.npy", (IMAGES / 255).astype(kind))
    assert (read_array(tmp_path / "a.npy").images == IMAGES).all()


@pytest.mark.parametrize("name", ["images", "imgs", "x", "X", "x_train", "anything"])
def test_npz_names(tmp_path: Path, name: str) -> None:
    path = save(tmp_path / "a.npz", angle=np.zeros(10), **{name: IMAGES})
    assert (read_array(path).images == IMAGES).all()
    assert read_array(path).labels is None


@pytest.mark.parametrize("name", ["labels", "y"])
def test_npz_labels_where_there_is_one_for_each_image(tmp_path: Path, name: str) -> None:
    labels = np.arange(10, dtype=np.uint8)
    split = read_array(save(tmp_path / "a.npz", images=IMAGES, **{name: labels}))
    assert split.labels is not None
    assert split.labels.tolist() == list(range(10))
    assert read_array(save(tmp_path / "b.npz", images=IMAGES, **{name: labels[:9]})).labels is None


def test_a_pickled_neighbour_is_left_alone(tmp_path: Path) -> None:
    trap = np.array([Trap(tmp_path / "sprung")], dtype=object)
    assert len(read_array(save(tmp_path / "a.npz", imgs=IMAGES, metadata=trap)).images) == 10
    assert not (tmp_path / "sprung").exists()


def test_pickled_images_are_refused_and_never_run(tmp_path: Path) -> None:
    trap = np.array([Trap(tmp_path / "sprung")], dtype=object)
    np.save(tmp_path / "a.npy", trap, allow_pickle=True)
    save(tmp_path / "b.npz", images=trap)
    for name in ("a.npy", "b.npz"):
        with pytest.raises(DataError, match=name):
            read_array(tmp_path / name)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("array", "parts"),
    [
        (np.zeros((10, 3, 16, 16), np.uint8), ["uint8 [10, 3, 16, 16]", "transpose(0, 2, 3, 1)"]),
        (np.zeros((10, 16, 16, 2), np.uint8), ["[10, 16, 16, 2]"]),
        (np.zeros((16, 16, 3), np.uint8), ["[16, 16, 3]"]),
        (np.zeros((16, 16), np.uint8), ["[16, 16]"]),
        (np.full((10, 16, 16), 200), ["int64 with values from 200 to 200", "data.range"]),
        (np.zeros((0, 16, 16), np.uint8), ["a.npy"]),
        (IMAGES / 127.5, ["float64", "2.0", "0 to 1", "data.range = '0:2'"]),
        (IMAGES / 127.5 - 1, ["-1.0"]),
        (np.full((2, 8, 8), np.nan), ["nan"]),
    ],
)
def test_what_is_no_array_of_images_says_why(tmp_path: Path, array: np.ndarray, parts: list[str]) -> None:
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(DataError) as caught:
        read_array(tmp_path / "a.npy")
    for part in [str(tmp_path / "a.npy"), *parts]:
        assert part in str(caught.value)


def test_an_npz_with_none_or_several_lists_what_it_has(tmp_path: Path) -> None:
    for content in ({"left": IMAGES, "right": IMAGES}, {"angle": np.zeros(4)}):
        path = save(tmp_path / "a.npz", **content)
        with pytest.raises(DataError) as caught:
            read_array(path)
        for name in content:
            assert f"{name}: " in caught.value.happened


def npy_header(shape: tuple[int, ...]) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return buffer.getvalue()


@pytest.mark.parametrize("count", [1, 1_000, 10**9, 10**15])
def test_headers_that_promise_something_else_than_is_there(tmp_path: Path, count: int) -> None:
    lying = npy_header((count, 64, 64)) + bytes(5_000)
    (tmp_path / "a.npy").write_bytes(lying)
    with zipfile.ZipFile(tmp_path / "b.npz", "w") as archive:
        archive.writestr("images.npy", lying)
    for name in ("a.npy", "b.npz"):
        with pytest.raises(DataError, match=rf"{name}: the header promises uint8 \[{count}, 64, 64\]"):
            read_array(tmp_path / name)


def test_a_bomb_that_keeps_its_promise_is_refused_unread(tmp_path: Path) -> None:
    # The zip directory and the array's header agree on 40 GB; only the header is ever unpacked.
    header = npy_header((10_000_000, 64, 64))
    size = len(header) + 10_000_000 * 64 * 64
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("images.npy", header)
        archive.filelist[0].file_size = size
    with pytest.raises(DataError, match="of at most"):
        read_array(tmp_path / "a.npz")


def test_a_large_array_that_is_packed_too_small_is_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrays, "_SMALL", 1 << 20)
    np.savez_compressed(tmp_path / "bomb.npz", images=np.zeros((8, 512, 512), np.uint8))
    with pytest.raises(DataError, match=r"packed into .*over 200 times"):
        read_array(tmp_path / "bomb.npz")
    np.savez_compressed(tmp_path / "small.npz", images=np.zeros((3, 512, 512), np.uint8))
    assert read_array(tmp_path / "small.npz").images.shape == (3, 512, 512, 1)


@pytest.mark.parametrize("keep", [0, 1, 10, 100, -1])
@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_cut_files(tmp_path: Path, name: str, keep: int) -> None:
    path = tmp_path / name
    np.save(path, IMAGES) if name == "a.npy" else np.savez(path, images=IMAGES)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError) as caught:
        read_array(path)
    assert str(path) in str(caught.value)


def test_a_flipped_byte_in_an_npz_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, images=IMAGES)
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(DataError, match="CRC"):
        read_array(path)


# --- what else a file knows of its images ----------------------------------------------------------------


def test_arrays_of_one_dimension_are_factors_and_attributes(tmp_path: Path) -> None:
    angle, wide = np.linspace(-60, 60, 10, dtype=np.float32), np.arange(10) % 3 == 0
    path = save(
        tmp_path / "a.npz", images=IMAGES, angle=angle, chair=np.arange(10, dtype=np.uint8), wide=wide
    )
    truth = read_array(path).truth
    assert list(truth.factors) == ["angle", "chair"]
    assert truth.factors["angle"].values.dtype == np.float64
    assert (truth.factors["angle"].values == angle).all()
    assert truth.factors["angle"].period is None
    assert truth.factors["chair"].values.tolist() == list(range(10))
    assert list(truth.attributes) == ["wide"]
    assert (truth.attributes["wide"] == wide).all()
    dataset = load(DataConfig(source="folder", path=str(path), held_out=3))
    rows = {image.tobytes(): row for row, image in enumerate(IMAGES)}
    for split in (dataset.train, dataset.test):
        order = [rows[image.tobytes()] for image in split.images]
        assert (split.truth.factors["angle"].values == angle[order]).all()
        assert (split.truth.attributes["wide"] == wide[order]).all()


def test_labels_are_no_factor_and_factors_no_labels(tmp_path: Path) -> None:
    whole, real = np.arange(10), np.linspace(0, 1, 10)
    split = read_array(save(tmp_path / "a.npz", images=IMAGES, labels=whole, age=real))
    assert split.labels is not None
    assert split.labels.tolist() == whole.tolist()
    assert list(split.truth.factors) == ["age"]
    split = read_array(save(tmp_path / "b.npz", images=IMAGES, y=real))
    assert split.labels is None
    assert list(split.truth.factors) == ["y"]


def test_all_other_arrays_are_left_alone(tmp_path: Path) -> None:
    trap = np.array([Trap(tmp_path / "sprung")] * 10, dtype=object)
    path = save(
        tmp_path / "a.npz",
        images=IMAGES,
        table=np.zeros((10, 4)),
        short=np.zeros(9),
        names=np.array(["a"] * 10),
        waves=np.zeros(10, complex),
        days=np.zeros(10, "datetime64[D]"),
        origin=np.array("here"),
        things=trap,
    )
    truth = read_array(path).truth
    assert (truth.factors, truth.attributes, truth.labels) == ({}, {}, None)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_factor_with_a_gap_is_refused_by_its_name(tmp_path: Path, value: float) -> None:
    path = save(tmp_path / "a.npz", images=IMAGES, age=np.array([1.0, value] * 5))
    with pytest.raises(DataError) as caught:
        read_array(path)
    assert f"{path}, array 'age': 5 of 10 values are not finite, that of image 1 the first" in str(
        caught.value
    )
    assert "numpy.savez without 'age'" in caught.value.advice


def test_real_factors(shared_data: Path) -> None:
    faces = read_array(shared_data / "faces" / "faces_ict_32.npz")
    assert faces.images.shape == (20_000, 32, 32, 1)
    assert list(faces.truth.factors) == [
        "azimuth",
        "elevation",
        "light_azimuth",
        "light_elevation",
        "width_ratio",
    ]
    assert faces.truth.factors["azimuth"].values.max() == pytest.approx(60, abs=0.01)
    chairs = read_array(shared_data / "chairs" / "chairs50_64.npz").truth
    assert set(chairs.factors) == {"azimuth", "elevation", "object"}
    assert sorted(set(chairs.factors["azimuth"].values)) == list(range(0, 360, 5))
