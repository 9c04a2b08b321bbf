from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.data import Dataset as TorchDataset

from infogan.config import DataConfig
from infogan.data import Dataset, as_found, from_found, load
from infogan.errors import DataError

RNG = np.random.default_rng(0)
GRAY = RNG.integers(0, 256, (12, 10, 10), dtype=np.uint8)
COLOUR = RNG.integers(0, 256, (12, 10, 10, 3), dtype=np.uint8)
LABELS = [0, 1, 2] * 4
CONFIG = DataConfig(source="folder")


class Pairs(TorchDataset[Any]):
    """A map-style data set like those of torchvision: items are an image and a label."""

    classes = ("cat", "dog", "owl")

    def __init__(self, images: Any, transform: Callable[[Any], Any] = lambda image: image) -> None:
        self.images, self.transform = images, transform

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, row: int) -> tuple[Any, int]:
        return self.transform(self.images[row]), LABELS[row]


def write(folder: Path, images: np.ndarray = COLOUR) -> list[Path]:
    """Write images as PNG files, and return their paths."""
    folder.mkdir()
    paths = [folder / f"{row:02}.png" for row in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image).save(path)
    return paths


def read(images: Any, labels: Any = None, **settings: Any) -> Dataset:
    config = CONFIG.model_copy(update=settings)
    return from_found(as_found(images, config, labels), config)


def everything(dataset: Dataset) -> np.ndarray:
    return np.concatenate([dataset.train.images, dataset.test.images])


# --- the same images in any form -------------------------------------------------------------------------


def test_paths_are_those_images_that_a_folder_has(tmp_path: Path) -> None:
    paths = write(tmp_path / "images")
    expected = load(CONFIG.model_copy(update={"path": str(tmp_path / "images")}))
    for given in (paths, [str(path) for path in paths], np.array([str(path) for path in paths])):
        assert read(given).fingerprint == expected.fingerprint
    assert expected.train.images.shape == (11, 10, 10, 3)


def test_a_pandas_column_holds_paths(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    paths = [str(path) for path in write(tmp_path / "images")]
    frame = pandas.DataFrame({"path": paths, "class": LABELS}, index=range(100, 112))
    dataset = read(frame["path"], labels=frame["class"])
    assert dataset.fingerprint == read(paths).fingerprint
    assert dataset.train.labels is not None
    with pytest.raises(DataError, match=r"data frame(.|\n)*frame\['path'\]"):
        read(frame)


@pytest.mark.parametrize(
    "given",
    [
        [Image.fromarray(image) for image in COLOUR],
        Pairs(COLOUR, Image.fromarray),
        Pairs(COLOUR),
        Pairs(torch.from_numpy(COLOUR).permute(0, 3, 1, 2)),
        Pairs(torch.from_numpy(COLOUR).permute(0, 3, 1, 2).float() / 255),
        TensorDataset(torch.from_numpy(COLOUR).permute(0, 3, 1, 2)),
        [(image, 0) for image in COLOUR],
    ],
    ids=["PIL", "torch, PIL", "torch, arrays", "torch, tensors", "torch, floats", "TensorDataset", "tuples"],
)
def test_items_are_read_as_an_array_of_the_same_images(given: Any) -> None:
    assert read(given).fingerprint == read(COLOUR).fingerprint


def test_gray_items_stay_gray() -> None:
    assert read(Pairs(GRAY, Image.fromarray)).fingerprint == read(GRAY).fingerprint


def test_items_of_different_sizes_and_modes_become_those_of_a_folder(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pictures = [Image.fromarray(image) for image in GRAY]
    pictures[5] = Image.fromarray(COLOUR[5]).resize((30, 20))
    for row, picture in enumerate(pictures):
        picture.save(tmp_path / f"{row:02}.png")
    expected = load(CONFIG.model_copy(update={"path": str(tmp_path)}))
    assert expected.train.images.shape[1:] == (64, 64, 3)
    caplog.clear()
    assert read(pictures).fingerprint == expected.fingerprint
    assert caplog.text.count("not equal squares") == 1


def test_size_channels_and_crop_are_those_of_the_configuration() -> None:
    settings = {"size": 8, "channels": 1, "crop": 8}
    assert (
        read(Pairs(COLOUR, Image.fromarray), **settings).fingerprint == read(COLOUR, **settings).fingerprint
    )


# --- labels ----------------------------------------------------------------------------------------------


def test_labels_and_classes_of_items_follow_their_images() -> None:
    dataset = read(Pairs(COLOUR))
    assert dataset.train.truth.classes == ("cat", "dog", "owl")
    assert dataset.train.labels is not None
    for image, label in zip(dataset.train.images, dataset.train.labels, strict=True):
        row = int(np.flatnonzero((image == COLOUR).all((1, 2, 3)))[0])
        assert label == LABELS[row]


def test_given_labels_have_precedence_and_must_fit() -> None:
    assert set(read(Pairs(COLOUR), labels=[7] * 12).train.labels.tolist()) == {7}
    with pytest.raises(DataError, match="for 12 images"):
        read(Pairs(COLOUR), labels=[7] * 11)


def test_second_items_that_are_no_labels_are_ignored() -> None:
    assert read([(image, {"box": 1}) for image in COLOUR]).train.labels is None


# --- Hugging Face ----------------------------------------------------------------------------------------


def test_a_hugging_face_data_set_has_images_labels_and_splits() -> None:
    datasets = pytest.importorskip("datasets", reason="pip install 'infogan[hub]'")
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog", "owl"])}
    )
    rows = {"image": [Image.fromarray(image) for image in COLOUR], "label": LABELS}
    whole = datasets.Dataset.from_dict(rows, features=features)
    dataset = read(whole)
    assert dataset.fingerprint == read(COLOUR).fingerprint
    assert dataset.train.truth.classes == ("cat", "dog", "owl")
    assert read(whole.with_format("torch")).fingerprint == dataset.fingerprint
    split = read(whole.train_test_split(test_size=4, seed=0))
    assert (len(split.train.images), len(split.test.images)) == (8, 4)
    with pytest.raises(DataError, match=r"rename_column"):
        read(whole, labels=LABELS)


# --- what is refused -------------------------------------------------------------------------------------


def test_unreadable_files_are_skipped_with_a_reason_or_refused(tmp_path: Path) -> None:
    paths = write(tmp_path / "images", np.repeat(COLOUR, 10, axis=0))
    paths[3].write_bytes(b"not an image")
    dataset = read(paths, labels=LABELS * 10)
    assert len(everything(dataset)) == 119
    assert [Path(skipped.path).name for skipped in dataset.skipped] == ["03.png"]
    for path in paths[10:20]:
        path.unlink()
    with pytest.raises(DataError, match=r"11 of 120 files cannot be read(.|\n)*10.png"):
        read(paths)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (iter(COLOUR), r"list\(images\)"),
        (DataLoader(Pairs(COLOUR)), r"loader\.dataset"),
        ({"a": COLOUR}, "an array or a list"),
        ([], "no images"),
        (["a.png", float("nan")], r"image 1 is nan(.|\n)*dropna"),
        (Pairs(COLOUR, lambda image: (image - 127.5) / 127.5), r"values from -(.|\n)*Normalize"),
        (Pairs(COLOUR, lambda image: image[None]), r"image 0 is of the type ndarray: uint8 \[1, 10, 10, 3\]"),
        (Pairs(COLOUR, lambda image: "text"), "image 0 is of the type str"),
    ],
    ids=["iterator", "loader", "mapping", "empty", "missing path", "normalised", "batched", "text"],
)
def test_other_things_are_refused_with_what_to_do(given: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(given)


def test_neither_pandas_nor_datasets_is_imported() -> None:
    loaded = {"pandas", "datasets"} & set(sys.modules)
    read(Pairs(COLOUR))
    assert {"pandas", "datasets"} & set(sys.modules) == loaded
