"""Images at a path, read in batches: the same images and names as preprocessing alone would give."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from infogan.config import DataConfig
from infogan.data import image_collection, prepare
from infogan.data.image_collection import Form, ImageCollection, of_array, open_collection
from infogan.errors import DataError

FORM = Form(8, 1)


def pixels(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 8, 8), dtype=np.uint8)


def as_read(collection: ImageCollection) -> tuple[np.ndarray, list[str]]:
    batches = list(collection.batches())
    names = [collection.name(index) for batch in batches for index in batch.indices]
    return np.concatenate([batch.images for batch in batches]), names


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Names whose order by parts differs from that of their texts: "a/b" before "a-b"."""
    for name, image in zip(
        ("b.png", "a/2.png", "a/10.png", "a-b/1.png", ".hidden.png"), pixels(5), strict=True
    ):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    (tmp_path / "photos" / "notes.txt").write_text("no image")
    return tmp_path / "photos"


def test_a_folder_gives_its_images_in_the_order_of_their_paths(folder: Path) -> None:
    collection = open_collection(folder, FORM)
    images, names = as_read(collection)
    assert names == ["a/2.png", "a/10.png", "a-b/1.png", "b.png"] and len(collection) == 4
    assert np.array_equal(images[..., 0], pixels(5)[[1, 2, 3, 0]])
    assert collection.file(3) == folder / "b.png"


def test_an_archive_and_an_array_give_the_same_images(folder: Path, tmp_path: Path) -> None:
    expected, names = as_read(open_collection(folder, FORM))
    with tarfile.open(tmp_path / "photos.tar", "w") as archive:
        for name in reversed(names):
            archive.add(folder / name, name)
    collection = open_collection(tmp_path / "photos.tar", FORM)
    images, found = as_read(collection)
    order = [names.index(name) for name in found]
    assert sorted(found) == sorted(names) and np.array_equal(images, expected[order])
    assert collection.file(0) is None
    assert collection.content(0) == (Path(found[0]).name, (folder / found[0]).read_bytes())
    np.save(tmp_path / "photos.npy", expected)
    images, found = as_read(open_collection(tmp_path / "photos.npy", FORM))
    assert np.array_equal(images, expected) and found == ["0", "1", "2", "3"]


def test_one_file_is_a_collection_of_one_image(folder: Path) -> None:
    images, names = as_read(open_collection(folder / "b.png", FORM))
    assert names == ["b.png"] and np.array_equal(images[0, ..., 0], pixels(5)[0])


def test_a_folder_of_preprocessed_images_keeps_the_names_of_their_files(folder: Path, tmp_path: Path) -> None:
    expected, names = as_read(open_collection(folder, FORM))
    out = prepare(DataConfig(source="folder", path=str(folder), size=8, channels=1), tmp_path / "prepared")
    images, found = as_read(open_collection(out, FORM))
    order = [names.index(name) for name in found]
    assert sorted(found) == sorted(names) and np.array_equal(images, expected[order])


def test_images_are_resized_and_cropped_as_in_training() -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 20, 30, 3), dtype=np.uint8)
    collection = of_array(images, Form(8, 1, crop=10))
    found, _ = as_read(collection)
    assert found.shape == (3, 8, 8, 1)
    expected = Image.fromarray(images[0, 5:15, 10:20]).convert("L").resize((8, 8), Image.Resampling.LANCZOS)
    assert np.array_equal(found[0, ..., 0], np.array(expected))
    name, content = collection.content(2)
    assert name == "2.png" and np.array_equal(np.array(Image.open(io.BytesIO(content))), images[2])


def test_chosen_images_can_be_read_twice_and_an_unreadable_one_is_reported_once(folder: Path) -> None:
    (folder / "a" / "2.png").write_bytes((folder / "a" / "2.png").read_bytes()[:40])
    collection = open_collection(folder, FORM)
    for _ in range(2):
        (batch,) = collection.batches(np.array([3, 0]))
        assert batch.indices.tolist() == [3]
    assert [file.path for file in collection.skipped] == ["a/2.png"]


def test_the_size_of_a_batch_depends_on_that_of_the_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_collection, "_PIXELS", 300)
    assert [len(batch.images) for batch in of_array(pixels(10)[..., None], FORM).batches()] == [4, 4, 2]


@pytest.mark.parametrize("name", ["nowhere", "empty"])
def test_a_path_without_images_is_an_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=name):
        open_collection(tmp_path / name, FORM)


def test_numbered_frames_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for number in (1, 2, 10, 11):
        Image.fromarray(np.full((8, 8), number, np.uint8)).save(tmp_path / f"frame{number}.png")
    names = [open_collection(tmp_path, Form(8, 1)).name(index) for index in range(4)]
    assert names == ["frame1.png", "frame2.png", "frame10.png", "frame11.png"]
