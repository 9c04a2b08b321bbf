"""The split of users' own images: by their content, so that one more image moves one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from infogan.config import DataConfig
from infogan.data import Dataset, from_array, load, prepare, splits
from infogan.errors import ConfigError, DataError


def random_images(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 8, 8, 1), dtype=np.uint8)


def write(folder: Path, images: np.ndarray, name: str = "{:03d}.png") -> Path:
    folder.mkdir(exist_ok=True)
    for index, image in enumerate(images):
        Image.fromarray(image[..., 0]).save(folder / name.format(index))
    return folder


def of(path: Path, **settings: float) -> DataConfig:
    return DataConfig(source="folder", path=str(path), **settings)  # type: ignore[arg-type]


def test_images(dataset: Dataset) -> set[bytes]:
    return {image.tobytes() for image in dataset.test.images}


test_images.__test__ = False  # type: ignore[attr-defined]


def train_images(dataset: Dataset) -> set[bytes]:
    return {image.tobytes() for image in dataset.train.images}


def test_the_split_depends_neither_on_names_nor_on_order(tmp_path: Path) -> None:
    images = random_images(40)
    first = load(of(write(tmp_path / "a", images)))
    renamed = load(of(write(tmp_path / "b", images[::-1], "other-{}.bmp")))
    in_memory = from_array(images, DataConfig(source="folder"))
    assert first.split_version == 2
    assert len(first.test.images) == 4
    assert first.fingerprint == renamed.fingerprint == in_memory.fingerprint
    assert first.split_at == renamed.split_at == in_memory.split_at


@pytest.mark.parametrize("held_out", [1, 7, 33])
def test_one_more_image_moves_at_most_one_other(held_out: int) -> None:
    images = random_images(60)
    before = from_array(images[:50], DataConfig(source="folder", held_out=held_out))
    for index in range(50, 60):
        more = np.concatenate([images[:50], images[index : index + 1]])
        after = from_array(more, DataConfig(source="folder", held_out=held_out))
        assert len(after.test.images) == held_out
        assert len(test_images(before) - test_images(after)) <= 1


def test_with_the_boundary_of_a_run_no_image_moves() -> None:
    images = random_images(60)
    before = from_array(images[:50], DataConfig(source="folder"))
    assert before.split_at is not None
    config = DataConfig(source="folder", split_at=before.split_at)
    for changed in (images, images[10:50], images[5:]):
        after = from_array(changed, config)
        assert not test_images(after) & train_images(before)
        assert not train_images(after) & test_images(before)
        assert after.split_at is not None and after.split_at >= before.split_at


def test_test_images_are_a_slice_of_the_prepared_ones_however_many(tmp_path: Path) -> None:
    folder = prepare(of(write(tmp_path / "a", random_images(30))), tmp_path / "out")
    for held_out in (1, 5, 29):
        dataset = load(of(folder, held_out=held_out))
        assert len(dataset.test.images) == held_out
        stored = np.load(folder / "images.npy")
        assert np.array_equal(dataset.test.images, stored[-held_out:])
    keys = np.load(folder / "keys.npy")
    assert (np.diff(keys) > 0).all() and keys.min() >= 0 and keys.max() < 1
    assert np.array_equal(keys, splits.content_keys(np.load(folder / "images.npy")))


def test_identical_images_lie_on_one_side() -> None:
    images = np.repeat(random_images(12), 5, axis=0)
    for held_out in range(1, 60):
        dataset = from_array(images, DataConfig(source="folder", held_out=held_out))
        assert not train_images(dataset) & test_images(dataset)
        assert abs(len(dataset.test.images) - held_out) <= 4


def test_identical_images_lie_on_one_side_of_the_validation_split_as_well() -> None:
    images = np.repeat(random_images(12), 5, axis=0)
    for count in range(1, 45):
        dataset = from_array(images, DataConfig(source="folder", held_out=5, validation=count))
        assert not train_images(dataset) & test_images(dataset)


def test_a_set_of_copies_of_one_image_is_split_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    dataset = from_array(np.zeros((20, 8, 8, 1), np.uint8), DataConfig(source="folder"))
    assert (len(dataset.train.images), len(dataset.test.images)) == (18, 2)
    assert dataset.split_at is None
    assert "all 20 images are identical" in caplog.text


def test_keys_are_spread_evenly_and_never_change() -> None:
    keys = splits.content_keys(random_images(4_000))
    counts, _ = np.histogram(keys, 10, (0, 1))
    assert counts.min() > 340 and counts.max() < 460
    # Recorded boundaries depend on this: never change it.
    assert splits.content_keys([bytes(64)])[0] == pytest.approx(0.9595640457277246, rel=1e-15)


def test_version_1_is_the_permutation_that_published_results_used() -> None:
    assert splits.shuffle(6).tolist() == [1, 0, 5, 4, 2, 3]
    images = random_images(30)
    dataset = from_array(images, DataConfig(source="folder", split_version=1))
    assert np.array_equal(dataset.test.images, images[splits.shuffle(30)][-3:])
    assert (dataset.split_version, dataset.split_at) == (1, None)


def test_named_data_sets_keep_version_1() -> None:
    dataset = load(DataConfig(source="digits"))
    assert (dataset.split_version, dataset.split_at) == (1, None)


def test_images_prepared_for_another_split_are_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "a", random_images(30))
    old = prepare(of(folder, split_version=1), tmp_path / "old")
    assert load(of(old)).split_version == 1  # as they are
    with pytest.raises(DataError, match="holds images of split_version 1, not 2"):
        load(of(old, split_version=2))


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"split_at": 0.999}, DataError, "none of 10 images .* is a test image"),
        ({"split_at": 0.001}, DataError, "none of 10 images .* is a training image"),
        ({"split_at": 0.5, "held_out": 3}, ConfigError, "held_out"),
        ({"split_at": 0.5, "split_version": 1}, ConfigError, "not split by their content"),
    ],
)
def test_a_boundary_that_does_not_fit_is_refused(
    settings: dict[str, float], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        from_array(random_images(10), DataConfig(source="folder", **settings))  # type: ignore[arg-type]
