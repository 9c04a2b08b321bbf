"""dSprites' file in its true form, with fewer images: streamed, its pickle never read (fault 30)."""

from __future__ import annotations

import io
import math
import os
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from infogan.config import DataConfig
from infogan.data import Dataset, load
from infogan.data.sources.dsprites import NAME, dsprites, read_images
from infogan.errors import DataError

COUNT = 20
IMAGES = (np.random.default_rng(0).random((COUNT, 64, 64)) < 0.3).astype(np.uint8)
CLASSES = np.random.default_rng(1).integers(0, 3, (COUNT, 6))
VALUES = np.random.default_rng(2).random((COUNT, 6))


class Trap:
    """Pickled, it makes a folder as soon as it is read."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (self.path,)


def write(path: Path, **changes: np.ndarray | None) -> Path:
    trap = np.array(Trap(path.parent / "sprung"), dtype=object)
    arrays = {
        "metadata": trap,
        "imgs": IMAGES,
        "latents_classes": CLASSES,
        "latents_values": VALUES,
    } | changes
    kept = {name: array for name, array in arrays.items() if array is not None}
    np.savez_compressed(path, **kept)  # type: ignore[arg-type]
    return path


def read(path: Path, **settings: int) -> Dataset:
    return load(DataConfig(source="dsprites", path=str(path), **settings))  # type: ignore[arg-type]


def test_pixels_and_factors_are_those_of_the_file(tmp_path: Path) -> None:
    found = dsprites(DataConfig(source="dsprites", path=str(write(tmp_path / NAME))))
    images = np.stack(list(found.train.make()))  # type: ignore[union-attr]
    assert images.dtype == np.uint8
    assert (images == 255 * IMAGES[..., None]).all()
    factors = found.train.truth.factors
    assert list(factors) == ["shape", "scale", "orientation", "x", "y"]
    for column, factor in enumerate(factors.values(), start=1):
        assert (factor.values == VALUES[:, column]).all()
    periods = {name: factor.period for name, factor in factors.items() if factor.period is not None}
    assert periods == {"orientation": 2 * math.pi}
    assert not (tmp_path / "sprung").exists()


def test_a_tenth_is_held_out_with_its_factors(tmp_path: Path) -> None:
    dataset = read(write(tmp_path / "mine.npz"))
    assert (len(dataset.train.images), len(dataset.test.images)) == (18, 2)
    known = {image.tobytes(): row for row, image in enumerate(255 * IMAGES)}
    for split in (dataset.train, dataset.test):
        rows = [known[image.tobytes()] for image in split.images]
        assert (split.truth.factors["x"].values == VALUES[rows, 4]).all()


def test_the_configuration_is_followed(tmp_path: Path) -> None:
    dataset = read(write(tmp_path / NAME), size=32, channels=3, crop=32, held_out=5)
    assert dataset.train.images.shape == (15, 32, 32, 3)
    known = {image.tobytes() for image in 255 * IMAGES[:, 16:48, 16:48]}
    assert all(image[..., 0].tobytes() in known for image in dataset.train.images)


def test_the_file_is_found_in_its_folder_and_in_the_cache(tmp_path: Path, own_cache: Path) -> None:
    write(tmp_path / NAME)
    assert len(read(tmp_path).train.images) == 18
    with pytest.raises(DataError) as caught:
        load(DataConfig(source="dsprites"))
    assert f"{own_cache / 'dsprites'} is not there" in caught.value.happened
    assert "by hand" in caught.value.advice
    (own_cache / "dsprites").mkdir()
    with pytest.raises(DataError, match=f"{NAME} is not there"):
        load(DataConfig(source="dsprites"))
    write(own_cache / "dsprites" / NAME)
    assert len(load(DataConfig(source="dsprites")).train.images) == 18


def test_memory_does_not_grow_with_the_images(tmp_path: Path) -> None:
    many = np.tile(IMAGES, (50, 1, 1))
    path = tmp_path / NAME
    np.savez_compressed(path, imgs=many)
    tracemalloc.start()
    try:
        count = sum(1 for _ in read_images(path, len(many)))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 1000
    assert peak < many.nbytes / 4


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"imgs": None}, "has no array 'imgs', only metadata, latents_classes, latents_values"),
        ({"latents_values": None}, "has no array 'latents_values'"),
        ({"latents_classes": None}, "has no array 'latents_classes'"),
        ({"imgs": IMAGES[:, :32]}, "has 'imgs' as uint8 [20, 32, 64]"),
        ({"imgs": IMAGES[..., None]}, "has 'imgs' as uint8 [20, 64, 64, 1]"),
        ({"imgs": IMAGES.astype(np.float32)}, "has 'imgs' as float32 [20, 64, 64]"),
        ({"imgs": np.zeros((0, 64, 64), np.uint8)}, "has 'imgs' as uint8 [0, 64, 64]"),
        ({"imgs": np.array(1, np.uint8)}, "has 'imgs' as uint8 []"),
        ({"imgs": np.asfortranarray(IMAGES)}, "in Fortran order"),
        ({"imgs": np.array([None] * COUNT, object)}, "(pickled objects, which are never read)"),
        ({"imgs": IMAGES[:-1]}, "has 'latents_values' as float64 [20, 6]"),
        ({"latents_values": VALUES[:, 1:]}, "has 'latents_values' as float64 [20, 5]"),
        ({"latents_values": VALUES.astype(object)}, "(pickled objects, which are never read)"),
        ({"latents_values": np.where(VALUES > 0.9, np.nan, VALUES)}, "'latents_values' is not finite in row"),
        ({"latents_classes": CLASSES.astype(np.int32)}, "has 'latents_classes' as int32 [20, 6]"),
        ({"imgs": np.where(np.arange(COUNT)[:, None, None] == 7, 2, IMAGES).astype(np.uint8)}, "image 7 has"),
        ({"imgs": 255 * IMAGES}, "image 0 has the value 255"),
    ],
)
def test_other_contents_are_refused(tmp_path: Path, changes: dict[str, np.ndarray | None], part: str) -> None:
    path = write(tmp_path / NAME, **changes)
    with pytest.raises(DataError) as caught:
        read(path)
    assert str(path) in caught.value.happened
    assert part in caught.value.happened


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def text(_: bytes) -> bytes:
    return b"no archive"


def flipped(content: bytes) -> bytes:
    """One bit of the packed images, which come right behind the pickle."""
    place = content.index(b"imgs.npy") + 1_000
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


def flipped_at_the_end(content: bytes) -> bytes:
    """The last packed bytes of the images, where nothing but the checksum can tell."""
    place = content.index(b"latents_classes.npy") - 60
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


@pytest.mark.parametrize("damage", [cut, text, flipped, flipped_at_the_end])
def test_damaged_files_are_refused(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    path = write(tmp_path / NAME)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError) as caught:
        read(path)
    assert f"cannot read {path}" in caught.value.happened


def test_the_checksum_of_the_images_is_compared(tmp_path: Path) -> None:
    """Unpacked, a flipped bit is a white pixel less, and only the checksum can tell."""
    path = tmp_path / NAME
    np.savez(path, imgs=IMAGES)
    content = bytearray(path.read_bytes())
    place = bytes(content).index(IMAGES.tobytes()) + IMAGES.size - 1
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="CRC"):
        list(read_images(path, COUNT))


def test_headers_that_promise_something_else_than_is_there(tmp_path: Path) -> None:
    path, header = write(tmp_path / NAME, imgs=None), io.BytesIO()
    shape = (10**9, 64, 64)
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("imgs.npy", header.getvalue() + bytes(5_000))
    with pytest.raises(DataError, match=r"the header promises uint8 \[1000000000, 64, 64\]"):
        read(path)
