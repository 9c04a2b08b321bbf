"""MNIST's files as they are passed on, and damaged ones (fault 30)."""

from __future__ import annotations

import gzip
import hashlib
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from infogan.config import DataConfig
from infogan.data import load
from infogan.data.idx import read_idx
from infogan.data.sources import mnist
from infogan.errors import DataError

PROJECT = Path(__file__).resolve().parents[3]
REAL = next(
    (
        folder
        for folder in (PROJECT.parent / "shared/data/mnist", PROJECT / "shared/data/mnist")
        if folder.is_dir()
    ),
    None,
)
NAMES = [file.unpacked_name for file in mnist.FILES]
IMAGES = np.random.default_rng(0).integers(0, 256, (6, 28, 28), dtype=np.uint8)
LABELS = np.array([0, 1, 9, 255, 128, 7], np.uint8)


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">I{array.ndim}I", 0x800 + array.ndim, *array.shape) + array.tobytes()


def fill(folder: Path, rename: Callable[[str], str] = str, pack: Callable[[bytes], bytes] = bytes) -> Path:
    for name, array in zip(NAMES, (IMAGES, LABELS, IMAGES[:4], LABELS[:4]), strict=True):
        (folder / rename(name)).write_bytes(pack(idx(array)))
    return folder


@pytest.mark.parametrize(
    ("rename", "pack"),
    [
        (str, bytes),
        (lambda name: f"{name}.gz", gzip.compress),
        (lambda name: name.replace("-idx", ".idx"), bytes),
        (lambda name: name.replace("-idx", ".idx") + ".gz", gzip.compress),
        (str, gzip.compress),  # the contents decide, whatever the name says
        (lambda name: f"{name}.gz", bytes),
    ],
)
def test_all_names_under_which_the_files_go(
    tmp_path: Path, rename: Callable[[str], str], pack: Callable[[bytes], bytes]
) -> None:
    dataset = load(DataConfig(source="mnist", path=str(fill(tmp_path, rename, pack))))
    assert (dataset.train.images[..., 0] == IMAGES).all()
    assert (dataset.test.images[..., 0] == IMAGES[:4]).all()
    assert dataset.train.labels is not None
    assert dataset.train.labels.tolist() == LABELS.tolist()
    assert dataset.train.labels.dtype == np.int64


def test_the_size_of_the_configuration_is_followed(tmp_path: Path) -> None:
    dataset = load(DataConfig(source="mnist", path=str(fill(tmp_path)), size=32))
    assert dataset.train.images.shape == (6, 32, 32, 1)


def test_missing_files_are_named(tmp_path: Path) -> None:
    fill(tmp_path)
    (tmp_path / NAMES[1]).unlink()
    (tmp_path / NAMES[2]).unlink()
    with pytest.raises(DataError) as caught:
        load(DataConfig(source="mnist", path=str(tmp_path)))
    assert f"{tmp_path} lacks {NAMES[1]}, {NAMES[2]}" in caught.value.happened
    with pytest.raises(DataError, match="nowhere is not a folder"):
        load(DataConfig(source="mnist", path=str(tmp_path / "nowhere")))


HEADER = 16
WHOLE = idx(IMAGES)


@pytest.mark.parametrize(
    ("damaged", "part"),
    [
        (b"", "begins with nothing"),
        (WHOLE[:7], "begins with 00000803, in 7 bytes"),
        (b"\x00\x00\x08\x01" + WHOLE[4:], "begins with 00000801"),
        (b"\x00\x00\x0d\x03" + WHOLE[4:], "begins with 00000d03"),
        (b"\x03\x08\x00\x00" + WHOLE[4:], "begins with 03080000"),
        (WHOLE[:-1], f"[6, 28, 28], which is {6 * 784} bytes, and only {6 * 784 - 1} follow"),
        (WHOLE[:HEADER], "and only 0 follow"),
        (WHOLE + b"\x00", "and more follow"),
        (struct.pack(">4I", 0x803, 5, 28, 28) + WHOLE[HEADER:], "and more follow"),
        (struct.pack(">4I", 0x803, 7, 28, 28) + WHOLE[HEADER:], "and only"),
        (struct.pack(">4I", 0x803, 5_000_000, 28, 28) + WHOLE[HEADER:], "and only"),
        (struct.pack(">4I", 0x803, 2**32 - 1, 2**32 - 1, 28) + WHOLE[HEADER:], "its header says"),
        (struct.pack(">4I", 0x803, 0, 28, 28), "its header says [0, 28, 28]"),
        (gzip.compress(WHOLE)[:-9], "cannot read"),
        (gzip.compress(WHOLE)[:300], "cannot read"),
        (b"\x1f\x8b" + bytes(100), "cannot read"),
        (gzip.compress(WHOLE[:-1]), "and only"),
        (gzip.compress(WHOLE + bytes(10**7)), "and more follow"),
    ],
)
def test_damaged_files_are_refused_with_their_path(tmp_path: Path, damaged: bytes, part: str) -> None:
    fill(tmp_path)
    path = tmp_path / NAMES[0]
    path.write_bytes(damaged)
    with pytest.raises(DataError) as caught:
        load(DataConfig(source="mnist", path=str(tmp_path)))
    assert str(path) in caught.value.happened
    assert part in caught.value.happened


def test_images_and_labels_must_agree_in_number(tmp_path: Path) -> None:
    fill(tmp_path)
    (tmp_path / NAMES[1]).write_bytes(idx(LABELS[:5]))
    with pytest.raises(DataError) as caught:
        load(DataConfig(source="mnist", path=str(tmp_path)))
    assert "holds 6 images" in caught.value.happened
    assert "holds 5 labels" in caught.value.happened


def test_a_label_file_in_place_of_images_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(idx(LABELS))
    with pytest.raises(DataError, match="magic number 00000803"):
        read_idx(tmp_path / "file", 3)


@pytest.mark.skipif(REAL is None, reason="needs MNIST in shared/data/mnist, beside the project or in it")
def test_the_real_mnist_is_read_whole() -> None:
    dataset = load(DataConfig(source="mnist", path=str(REAL)))
    assert dataset.train.images.shape == (60_000, 28, 28, 1)
    assert dataset.test.images.shape == (10_000, 28, 28, 1)
    assert dataset.train.labels is not None
    assert dataset.train.labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert np.bincount(dataset.train.labels).tolist() == [
        5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949,
    ]  # fmt: skip
    # The mean that everyone normalises MNIST by.
    assert dataset.train.images.mean() / 255 == pytest.approx(0.1307, abs=5e-5)


@pytest.mark.skipif(REAL is None, reason="needs MNIST in shared/data/mnist, beside the project or in it")
def test_the_hashes_are_those_of_the_real_files() -> None:
    assert REAL is not None
    for file in mnist.FILES:
        data = gzip.decompress((REAL / file.name).read_bytes())
        assert (len(data), hashlib.sha256(data).hexdigest()) == (file.size, file.sha256)
