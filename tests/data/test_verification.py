"""A large prepared folder is read once, and again only after a file has changed."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from infogan import storage
from infogan.config import DataConfig
from infogan.data import dataset as splits
from infogan.data import load, prepare, prepared, verification
from infogan.errors import StorageError


@pytest.fixture
def config(tmp_path: Path) -> DataConfig:
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 1), dtype=np.uint8)
    np.save(tmp_path / "images.npy", images)
    return DataConfig(source="folder", path=str(tmp_path / "images.npy"))


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders that are read to verify them; every folder is large."""
    folders: list[Path] = []
    check = storage.check_folder

    def counted(folder: Path, *, advice: str) -> dict[str, object]:
        folders.append(folder)
        return check(folder, advice=advice)

    monkeypatch.setattr(verification, "LARGE", 0)
    monkeypatch.setattr(storage, "check_folder", counted)
    return folders


def test_a_prepared_folder_is_read_once(config: DataConfig, read: list[Path]) -> None:
    folder = prepare(config)
    assert read == [folder]
    load(config)
    load(config)
    assert read == [folder]
    prepared.read(folder, thorough=True)
    assert read == [folder, folder]


def test_a_small_folder_is_always_read(
    config: DataConfig, read: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verification, "LARGE", 2**30)
    folder = prepare(config)
    load(config)
    assert read == [folder, folder]


def test_a_changed_file_is_read_again_even_with_its_old_time(config: DataConfig, read: list[Path]) -> None:
    folder = prepare(config)
    path = folder / "images.npy"
    before = path.stat()
    with path.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        last = file.read(1)
        file.seek(-1, os.SEEK_END)
        file.write(bytes([last[0] ^ 1]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(StorageError, match="sha256"):
        prepared.read(folder)
    before_loading = len(read)
    assert len(load(config).train.images) == 36  # prepared again
    assert len(read) > before_loading


def test_the_fingerprint_is_computed_once_for_each_split(
    config: DataConfig, read: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(config)
    other = config.model_copy(update={"held_out": 10})
    expected = load(other).fingerprint
    monkeypatch.setattr(splits, "hashlib", None)  # no image is read from now on
    first, second = load(config).fingerprint, load(other).fingerprint
    monkeypatch.undo()
    verification_off = [load(config).fingerprint, load(other).fingerprint]
    assert [first, second] == verification_off
    assert second == expected != first
