"""Fashion-MNIST: the files of the Debian package, or of a folder; and which sources are handwriting."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from infogan import presets
from infogan.config import DataConfig
from infogan.data import from_array, load
from infogan.data.sources import fashion_mnist, mnist
from infogan.errors import ConfigError, DataError

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 28, 28), dtype=np.uint8)
LABELS = np.array([0, 1, 9, 2, 8, 7], np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The package's names, gzipped as they are there."""
    arrays = (IMAGES, LABELS, IMAGES[:4], LABELS[:4])
    for file, array in zip(mnist.FILES, arrays, strict=True):
        header = struct.pack(f">I{array.ndim}I", 0x800 + array.ndim, *array.shape)
        (tmp_path / file.name).write_bytes(gzip.compress(header + array.tobytes()))
    return tmp_path


def test_the_packages_folder_is_read_when_none_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fashion_mnist, "FOLDER", folder)
    dataset = load(presets.load("fashion-mnist").data)
    assert dataset.name == "fashion-mnist"
    assert (dataset.train.images[..., 0] == IMAGES).all()
    assert dataset.test.labels is not None and dataset.test.labels.tolist() == LABELS[:4].tolist()


def test_a_folder_that_is_named_comes_first(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fashion_mnist, "FOLDER", folder / "nowhere")
    dataset = load(DataConfig(source="fashion-mnist", path=str(folder)))
    assert len(dataset.test.images) == 4


def test_without_the_package_its_name_is_what_to_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fashion_mnist, "FOLDER", tmp_path / "nowhere")
    with pytest.raises(DataError, match="apt-get install dataset-fashion-mnist") as caught:
        load(DataConfig(source="fashion-mnist"))
    assert str(tmp_path / "nowhere") in caught.value.happened


def test_missing_files_and_wrong_numbers_speak_of_fashion_mnist(folder: Path) -> None:
    config = DataConfig(source="fashion-mnist", path=str(folder))
    (folder / mnist.FILES[0].name).write_bytes((folder / mnist.FILES[2].name).read_bytes())
    with pytest.raises(DataError, match=r"holds 4 images.*holds 6 labels") as caught:
        load(config)
    assert "download MNIST" not in str(caught.value)
    (folder / mnist.FILES[3].name).unlink()
    with pytest.raises(DataError, match="t10k-labels-idx1-ubyte") as caught:
        load(config)
    assert "Fashion-MNIST" in str(caught.value) and "download MNIST" not in str(caught.value)


def test_it_has_test_images_of_its_own(folder: Path) -> None:
    with pytest.raises(ConfigError, match="held_out = 2"):
        load(DataConfig(source="fashion-mnist", path=str(folder), held_out=2))


def test_digits_are_handwriting_and_clothes_and_own_images_are_not(folder: Path) -> None:
    assert load(DataConfig(source="mnist", path=str(folder))).handwriting
    assert load(DataConfig(source="digits")).handwriting
    assert not load(DataConfig(source="fashion-mnist", path=str(folder))).handwriting
    assert not from_array(IMAGES[..., None], DataConfig(source="folder")).handwriting
