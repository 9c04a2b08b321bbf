"""The cache of prepared images: shared by processes, seen, cleaned."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from infogan import cli, data, locks, storage
from infogan.config import DataConfig
from infogan.data import cache, loading, prepared
from infogan.errors import StorageError


@pytest.fixture
def images(tmp_path: Path) -> DataConfig:
    path = tmp_path / "images.npy"
    np.save(path, np.random.default_rng(0).integers(0, 256, (60, 8, 8, 1), dtype=np.uint8))
    return DataConfig(source="folder", path=str(path))


# --- fault 42 --------------------------------------------------------------------------------------------

PREPARE = """
import os, socket, sys
os.getpid, socket.gethostname = (lambda: 1), (lambda: "container")
from infogan import data
from infogan.config import DataConfig
sys.stdin.readline()
print(data.load(DataConfig(source="folder", path=sys.argv[1])).fingerprint)
"""


def test_containers_with_one_host_name_and_process_id_prepare_one_cache(images: DataConfig) -> None:
    command = [sys.executable, "-c", PREPARE, str(images.path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    processes = [subprocess.Popen(command, text=True, **pipes) for _ in range(4)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    ended = [process.communicate(timeout=120) for process in processes]
    assert {out.strip() for out, _ in ended} == {data.load(images).fingerprint}, ended
    (entry,) = cache.entries()
    prepared.read(entry.path)
    assert not storage.abandoned(cache.prepared_folder())


def test_threads_prepare_one_cache_once(images: DataConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    write, written = prepared.write, []

    def counted(folder: Path, *rest: object) -> None:
        written.append(folder)
        write(folder, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(prepared, "write", counted)
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(data.load(images).fingerprint)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8 and len(set(found)) == 1
    assert len(written) == 1


def test_without_locks_each_prepares_its_own_and_both_succeed(
    images: DataConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "fcntl", None)
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(data.load(images).fingerprint)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4 and len(set(found)) == 1


def reseal(folder: Path, **changes: object) -> None:
    """Write a manifest whose checksum is right and whose facts are not."""
    facts = storage.read_manifest(folder) | changes
    (folder / storage.MANIFEST).write_bytes(storage._seal(facts))


def cut(folder: Path) -> None:
    """A torn set under a valid manifest, as two writers of one temporary folder sealed it."""
    path = folder / "images.npy"
    path.write_bytes(path.read_bytes()[:-700])
    entries = storage.read_manifest(folder)["files"]
    reseal(folder, files=entries | {path.name: storage._file_entry(path)})


DAMAGE: dict[str, Callable[[Path], None]] = {
    "torn array": cut,
    "no images": lambda folder: reseal(folder, files={}),
    "other shape": lambda folder: reseal(folder, shape=[60, 8, 8, 3]),
    "no shape": lambda folder: reseal(folder, shape=None),
    "train": lambda folder: reseal(folder, train=61),
    "no train": lambda folder: reseal(folder, train="all"),
    "factors": lambda folder: reseal(folder, factors=[{"name": "width"}]),
    "classes": lambda folder: reseal(folder, classes=3),
    "version": lambda folder: reseal(folder, version=1),
    "manifest": lambda folder: (folder / storage.MANIFEST).write_bytes(b"{"),
    "gone": lambda folder: (folder / "skipped.csv").unlink(),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_set_is_made_anew(damage: Callable[[Path], None], images: DataConfig) -> None:
    before = data.load(images).fingerprint
    folder = loading.cached(images)
    damage(folder)
    with pytest.raises(StorageError):
        prepared.read(folder)
    assert data.load(images).fingerprint == before
    prepared.read(folder)


def test_a_folder_that_lists_no_images_is_refused_as_data(images: DataConfig, tmp_path: Path) -> None:
    """An image file that the manifest next to it does not name is not verified."""
    folder = data.prepare(images, tmp_path / "out")
    facts = storage.read_manifest(folder)["files"]
    reseal(folder, files={name: entry for name, entry in facts.items() if name != "images.npy"})
    with pytest.raises(StorageError, match=r"lists no images\.npy"):
        data.load(DataConfig(source="folder", path=str(folder)))


# --- fault 52 --------------------------------------------------------------------------------------------


def test_a_cache_that_cannot_be_written_names_the_variable(
    images: DataConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("INFOGAN_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(StorageError) as caught:
        data.load(images)
    assert str(tmp_path / "file" / "cache") in caught.value.happened
    assert "INFOGAN_CACHE=FOLDER" in caught.value.advice


@pytest.mark.parametrize("home", [None, "/", "/proc/nobody"])
def test_without_a_usable_home_the_message_names_the_variable(
    home: str | None, images: DataConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("INFOGAN_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    if home is None:
        monkeypatch.delenv("HOME", raising=False)
        monkeypatch.setattr("pwd.getpwuid", lambda _: (_ for _ in ()).throw(KeyError("uid not found")))
    else:
        monkeypatch.setenv("HOME", home)
        # The tests may run as root, who may write anywhere.
        monkeypatch.setattr(Path, "mkdir", lambda *_, **__: (_ for _ in ()).throw(PermissionError(13, "no")))
    with pytest.raises(StorageError) as caught:
        data.load(images)
    assert "INFOGAN_CACHE" in caught.value.advice


# --- fault 54 --------------------------------------------------------------------------------------------


def test_clean_deletes_what_is_not_used_and_only_that(
    images: DataConfig, capsys: pytest.CaptureFixture[str], own_cache: Path
) -> None:
    before = data.load(images).fingerprint
    other = images.model_copy(update={"size": 16})
    data.load(other)
    parent = cache.prepared_folder()
    os.utime(loading.cached(other) / storage.MANIFEST, (0, 0))
    (parent / ".tmp-folder-0123456789abcdef.77").mkdir()  # left by a killed process
    (parent / "thesis").mkdir()  # not of infogan
    (own_cache / "mnist").mkdir()
    assert cli.main(["data", "clean", "--older", "30", "--dry-run"]) == 0
    assert f"would delete {loading.cached(other)}: {images.path}" in capsys.readouterr().out
    assert loading.cached(other).is_dir()
    assert cli.main(["data", "clean", "--older", "30"]) == 0
    assert "deleted 2 of 3 folders" in capsys.readouterr().out
    assert not loading.cached(other).exists()
    names = {path.name for path in parent.iterdir() if not path.name.startswith(".lock")}
    assert names == {loading.cached(images).name, "thesis"}
    assert cli.main(["data", "clean"]) == 0
    assert {path.name for path in parent.iterdir() if not path.name.startswith(".lock")} == {"thesis"}
    assert (own_cache / "mnist").is_dir()
    assert data.load(images).fingerprint == before


def test_reading_prepared_images_counts_as_use(images: DataConfig) -> None:
    data.load(images)
    manifest = loading.cached(images) / storage.MANIFEST
    os.utime(manifest, (0, 0))
    data.load(images)
    (entry,) = cache.entries()
    assert entry.days < 1


def test_a_set_that_is_being_written_is_not_cleaned(images: DataConfig) -> None:
    data.load(images)
    with cache.writing(loading.cached(images)):
        cache.clean()
        assert loading.cached(images).is_dir()


def test_new_images_sweep_what_killed_processes_left(images: DataConfig) -> None:
    left = cache.prepared_folder() / ".tmp-svhn-0123456789abcdef.5"
    left.mkdir(parents=True)
    (left / "raw").write_bytes(bytes(1000))
    assert [entry.bytes for entry in cache.entries()] == [1000]
    data.load(images)
    assert not left.exists()


def test_check_states_sizes(images: DataConfig, capsys: pytest.CaptureFixture[str]) -> None:
    data.load(images)
    assert cli.main(["data", "check"]) == 0
    out = capsys.readouterr().out
    assert "60 images of 8x8x1" in out and "MB" in out and "infogan data clean" in out
