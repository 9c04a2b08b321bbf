"""SVHN's MATLAB files as they are given out, and damaged ones (faults 27 and 30)."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from infogan.config import DataConfig
from infogan.data import load
from infogan.data.download import Mirrors, RemoteFile
from infogan.data.sources import svhn
from infogan.errors import DataError

IMAGES = np.random.default_rng(0).integers(0, 256, (10, 32, 32, 3), dtype=np.uint8)
LABELS = np.array([10, 1, 2, 3, 9, 10, 5, 6, 7, 8], np.uint8)
DIGITS = [0, 1, 2, 3, 9, 0, 5, 6, 7, 8]


def write(path: Path, *, compressed: bool = True, **arrays: np.ndarray) -> Path:
    """A file as SVHN's: channels before images, labels as a column."""
    content = {"X": IMAGES.transpose(1, 2, 3, 0), "y": LABELS[:, None]} | arrays
    savemat(path, {k: v for k, v in content.items() if v is not None}, do_compression=compressed)
    return path


def fill(folder: Path, *names: str) -> Path:
    """Files of 6, 4 and 5 images: train, test and extra."""
    parts = {"train": slice(0, 6), "test": slice(6, 10), "extra": slice(3, 8)}
    for name in names or ("train", "test"):
        part = parts[name]
        X, y = IMAGES[part].transpose(1, 2, 3, 0), LABELS[part, None]
        write(folder / f"{name}_32x32.mat", X=X, y=y)
    return folder


def test_pixels_digits_and_split_are_those_of_the_files(tmp_path: Path) -> None:
    dataset = load(DataConfig(source="svhn", path=str(fill(tmp_path))))
    assert (dataset.train.images == IMAGES[:6]).all()
    assert (dataset.test.images == IMAGES[6:]).all()
    assert dataset.train.labels is not None
    assert dataset.test.labels is not None
    assert dataset.train.labels.dtype == np.int64
    assert [*dataset.train.labels, *dataset.test.labels] == DIGITS
    assert dataset.train.truth.classes == ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")


@pytest.mark.parametrize("compressed", [True, False])
def test_files_are_read_packed_or_not(tmp_path: Path, compressed: bool) -> None:
    assert (svhn.read_mat(write(tmp_path / "a.mat", compressed=compressed)).images == IMAGES).all()


def test_extra_images_are_trained_on_behind_the_others(tmp_path: Path) -> None:
    config = DataConfig(source="svhn-extra", path=str(fill(tmp_path, "train", "test", "extra")))
    dataset = load(config)
    assert (dataset.train.images == np.concatenate([IMAGES[:6], IMAGES[3:8]])).all()
    assert (dataset.test.images == IMAGES[6:]).all()
    assert dataset.train.labels is not None
    assert dataset.train.labels.tolist() == DIGITS[:6] + DIGITS[3:8]
    small = load(config.model_copy(update={"size": 16, "crop": 16}))
    assert (small.train.images == dataset.train.images[:, 8:24, 8:24]).all()


def test_missing_files_are_named(tmp_path: Path) -> None:
    (fill(tmp_path) / "test_32x32.mat").unlink()
    for source, lacking in (("svhn", "test_32x32.mat"), ("svhn-extra", "extra_32x32.mat, test_32x32.mat")):
        with pytest.raises(DataError) as caught:
            load(DataConfig(source=source, path=str(tmp_path)))
        assert f"{tmp_path} lacks {lacking}" in caught.value.happened
        assert "set data.path" in caught.value.advice
    with pytest.raises(DataError, match="nowhere is not a folder"):
        load(DataConfig(source="svhn", path=str(tmp_path / "nowhere")))


FORM = IMAGES.transpose(1, 2, 3, 0)


@pytest.mark.parametrize(
    ("arrays", "part"),
    [
        ({"X": None}, "has no X, only y"),
        ({"y": None}, "has no y, only X"),
        ({"X": None, "y": None, "Z": LABELS}, "has no X and no y, only Z"),
        ({"X": FORM.astype(np.float64)}, "has X as double [32, 32, 3, 10]"),
        ({"X": FORM.astype(np.int16)}, "has X as int16 [32, 32, 3, 10]"),
        ({"X": IMAGES}, "has X as [10, 32, 32, 3] for 10 labels"),
        ({"X": FORM[..., 0]}, "has X as uint8 [32, 32, 3]"),
        ({"X": FORM[..., :9]}, "has X as [32, 32, 3, 9] for 10 labels in y"),
        ({"y": LABELS[:9, None]}, "has X as [32, 32, 3, 10] for 9 labels in y"),
        ({"y": LABELS[None]}, "has X as [32, 32, 3, 10] for 1 labels in y"),
        ({"y": LABELS[:, None].astype(np.float64)}, "has y as double [10, 1]"),
        ({"y": np.array([["a"]] * 10, object)}, "has y as cell"),
        ({"y": np.array([[1]] * 9 + [[11]], np.uint8)}, "y is 11 in row 9"),
        ({"y": np.array([[1]] * 8 + [[0], [1]], np.uint8)}, "y is 0 in row 8"),
        ({"X": np.zeros((32, 32, 3, 0), np.uint8), "y": np.zeros((0, 1), np.uint8)}, "uint8 [32, 32, 3, 0]"),
    ],
)
def test_other_contents_are_refused(tmp_path: Path, arrays: dict[str, np.ndarray], part: str) -> None:
    path = write(tmp_path / "a.mat", **arrays)
    with pytest.raises(DataError) as caught:
        svhn.read_mat(path)
    assert str(path) in caught.value.happened
    assert part in caught.value.happened


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"", "is not a MATLAB file: it begins with ''"),
        (b"<html>not found</html>", "is not a MATLAB file: it begins with '<html>"),
        (
            b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(512) + b"\x89HDF\r\n\x1a\n",
            "MATLAB 7.3 file (HDF5)",
        ),
        (b"\x89HDF\r\n\x1a\n" + bytes(600), "MATLAB 7.3 file (HDF5)"),
        (b"MATLAB 5.0 MAT-file", "cannot read"),
    ],
)
def test_files_of_other_formats_are_refused(tmp_path: Path, content: bytes, part: str) -> None:
    path = tmp_path / "a.mat"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        svhn.read_mat(path)
    assert str(path) in caught.value.happened
    assert part in caught.value.happened


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("keep", [100, 130, 200, 5_000, 0.5, 0.9, -10])
def test_cut_files_are_refused(tmp_path: Path, compressed: bool, keep: float) -> None:
    path = write(tmp_path / "a.mat", compressed=compressed)
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content)) if 0 < keep < 1 else int(keep)])
    with pytest.raises(DataError) as caught:
        svhn.read_mat(path)
    assert str(path) in caught.value.happened


def test_a_flipped_byte_in_a_packed_file_is_noticed(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mat")
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(DataError, match="cannot read"):
        svhn.read_mat(path)


def known(path: Path) -> RemoteFile:
    content = path.read_bytes()
    return RemoteFile(path.name, hashlib.sha256(content).hexdigest(), len(content))


def test_without_a_path_only_the_known_files_are_read(
    own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = own_cache / "svhn"
    folder.mkdir()
    fill(folder)
    monkeypatch.setattr(svhn, "MIRRORS", Mirrors(("http://127.0.0.1:9/",), timeout=1, tries=1))
    monkeypatch.setattr(svhn, "TRAIN", known(folder / "train_32x32.mat"))
    with pytest.raises(DataError) as caught:  # the small test file is not SVHN's
        load(DataConfig(source="svhn"))
    assert "could not download test_32x32.mat" in caught.value.happened
    assert "http://ufldl.stanford.edu/housenumbers/ into one folder" in caught.value.advice
    fill(folder, "test")
    monkeypatch.setattr(svhn, "TEST", known(folder / "test_32x32.mat"))
    assert (load(DataConfig(source="svhn")).test.images == IMAGES[6:]).all()


def test_real_digits(shared_data: Path) -> None:
    split = svhn.read_mat(shared_data / "svhn" / "test_32x32.mat")
    assert split.images.shape == (2000, 32, 32, 3)
    assert split.labels is not None
    assert set(split.labels) == set(range(10))
    # Neighbouring pixels of a photograph are alike along both axes, and not so in a wrong order.
    differences = [np.abs(np.diff(split.images.astype(int), axis=axis)).mean() for axis in (1, 2)]
    assert max(differences) < 8
