"""Images in memory become part of their run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from infogan import data
from infogan.config import DataConfig
from infogan.data import kept
from infogan.errors import StorageError


def dataset(**settings: object) -> data.Dataset:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (50, 10, 10, 1), dtype=np.uint8)
    return data.from_array(images, DataConfig(source="folder", **settings), np.arange(50) % 3)


@pytest.mark.parametrize("settings", [{}, {"validation": 7}, {"split_version": 1}, {"crop": 8}])
def test_kept_images_are_the_same_data_set(settings: dict[str, object], tmp_path: Path) -> None:
    given = dataset(**settings)
    kept.write(tmp_path / "images", given)
    found = data.load(DataConfig(source="folder", path=str(tmp_path / "images")))
    assert found.fingerprint == given.fingerprint
    for ours, theirs in ((found.train, given.train), (found.test, given.test)):
        assert (ours.images == theirs.images).all() and (ours.labels == theirs.labels).all()
    for name in ("name", "split", "split_version", "split_at", "crop", "handwriting"):
        assert getattr(found, name) == getattr(given, name), name
    assert not kept.in_memory(found) and kept.in_memory(given)


def test_a_run_s_own_split_is_not_split_again(tmp_path: Path) -> None:
    """The configuration of the run names the boundary and the validation images, which kept images obey."""
    given = dataset(validation=7)
    kept.write(tmp_path / "images", given)
    asked = DataConfig(source="folder", path=str(tmp_path / "images"), split_at=given.split_at, validation=7)
    assert data.load(asked).fingerprint == given.fingerprint
    images, names = data.load_all(asked)
    assert len(images) == len(names) == len(given.train.images) + len(given.test.images)


def test_a_damaged_folder_is_a_storage_error(tmp_path: Path) -> None:
    kept.write(tmp_path / "images", dataset())
    (tmp_path / "images" / "images.npy").write_bytes(b"")
    with pytest.raises(StorageError, match=r"images\.npy is damaged"):
        data.load(DataConfig(source="folder", path=str(tmp_path / "images")))
    assert not kept.holds(tmp_path / "nothing")
