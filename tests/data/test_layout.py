"""Folders that are splits, and folders that are classes."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from infogan.config import DataConfig
from infogan.data import Dataset, load
from infogan.data.layout import read_layout
from infogan.errors import ConfigError


def write(folder: Path, names: list[str]) -> Path:
    """Gray images, each of its own brightness."""
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), number).save(folder / name)
    return folder


def values(dataset: Dataset) -> tuple[list[int], list[int]]:
    """Return the sorted numbers of the training images and of the test images."""
    train, test = (split.images[:, 0, 0, 0].tolist() for split in (dataset.train, dataset.test))
    return sorted(train), sorted(test)


def of(path: Path, **settings: int) -> DataConfig:
    return DataConfig(source="folder", path=str(path), **settings)  # type: ignore[arg-type]


NAMES = ["train/cat/1.png", "train/dog/2.png", "train/dog/3.png", "test/cat/4.png", "test/dog/5.png"]


@pytest.mark.parametrize("top", ["", "pets/", "a/b/"])
@pytest.mark.parametrize(("train", "test"), [("train", "test"), ("Training", "VAL"), ("train", "valid")])
def test_folders_named_train_and_test_are_the_split(tmp_path: Path, top: str, train: str, test: str) -> None:
    names = [f"{top}{name.replace('train', train).replace('test', test)}" for name in NAMES]
    dataset = load(of(write(tmp_path, names)))
    assert values(dataset) == ([0, 1, 2], [3, 4])
    assert dataset.train.truth.classes == dataset.test.truth.classes == ("cat", "dog")
    assert dataset.train.labels is not None and dataset.train.labels.tolist() == [0, 1, 1]
    assert dataset.test.labels is not None and dataset.test.labels.tolist() == [0, 1]


def test_a_split_inside_each_class_folder_is_one_too(tmp_path: Path) -> None:
    names = ["cat/train/1.png", "cat/test/2.png", "dog/train/3.png", "dog/train/4.png"]
    dataset = load(of(write(tmp_path, names)))
    assert values(dataset) == ([0, 2, 3], [1])
    assert dataset.test.truth.classes == ("cat", "dog")


def test_all_that_is_not_for_training_is_the_test_split(tmp_path: Path) -> None:
    names = ["train/1.png", "train/2.png", "val/3.png", "test/4.png", "other/5.png", "6.png"]
    assert values(load(of(write(tmp_path, names)))) == ([0, 1, 4, 5], [2, 3])


def test_archives_have_splits_as_folders_do(tmp_path: Path) -> None:
    folder = write(tmp_path / "pets", NAMES)
    with zipfile.ZipFile(tmp_path / "pets.zip", "w") as archive:
        for name in NAMES:
            archive.write(folder / name, f"pets/{name}")
    assert load(of(tmp_path / "pets.zip")).fingerprint == load(of(folder)).fingerprint


@pytest.mark.parametrize("names", [["train/1.png", "plane/2.png"], ["test/1.png", "plane/2.png"]])
def test_one_such_folder_alone_is_a_class(names: list[str]) -> None:
    layout = read_layout(names)
    assert layout.test is None and len(layout.truth.classes) == 2


def test_split_version_1_takes_these_folders_for_classes(tmp_path: Path) -> None:
    dataset = load(of(write(tmp_path, NAMES), split_version=1))
    assert dataset.train.truth.classes == ("test", "train")


def test_a_split_by_folders_takes_no_held_out(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="held_out = 2: these images of folder have their own test split"):
        load(of(write(tmp_path, NAMES), held_out=2))


def test_images_outside_of_the_class_folders_are_named() -> None:
    layout = read_layout(["cat/1.png", "cat/2.png", "dog/3.png", "cover.png"])
    assert layout.strays == (3,) and layout.truth.labels is None
    assert read_layout(["1.png", "2.png"]).strays == ()
    labels = read_layout(["cat/1.png", "cat/2.png", "dog/3.png"]).truth.labels
    assert labels is not None and np.array_equal(labels, [0, 0, 1])
