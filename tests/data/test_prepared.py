"""Prepared images: complete or absent, read without a decoder, prepared again when the files change."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from infogan import storage
from infogan.config import DataConfig
from infogan.data import (
    SOURCES,
    About,
    Factor,
    Found,
    Skipped,
    Split,
    Stream,
    Truth,
    load,
    prepare,
    source,
)
from infogan.data import prepared as room
from infogan.data.image_collection import open_collection
from infogan.data.preprocessing import Form
from infogan.errors import ConfigError, DataError, StorageError, UsageError

ABOUT = About(images="few", form="8x8 gray", licence="none", origin="this test")


@pytest.fixture
def registered() -> Iterator[None]:
    with SOURCES.restored():
        yield


def pictures(folder: Path, count: int = 12) -> Path:
    folder.mkdir(exist_ok=True)
    for index in range(count):
        Image.new("L", (8, 8), index).save(folder / f"{index:03d}.png")
    return folder


def of(path: Path, **settings: int) -> DataConfig:
    return DataConfig(source="folder", path=str(path), **settings)  # type: ignore[arg-type]


def numbers(split: Split) -> list[int]:
    return [int(value) for value in split.images[:, 0, 0, 0]]


def test_nothing_is_decoded_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = pictures(tmp_path / "a")
    first = load(of(folder))
    monkeypatch.setattr(Image, "open", lambda *_, **__: pytest.fail("a file was decoded again"))
    second = load(of(folder))
    assert isinstance(second.train.images, np.memmap)
    assert numbers(second.train) == numbers(first.train)
    assert second.fingerprint == first.fingerprint
    # Other test images are others of the same prepared ones.
    assert numbers(load(of(folder, held_out=3)).train) == numbers(first.train)[:9]


def test_files_that_change_are_read_again(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "a")
    load(of(folder))
    Image.new("L", (8, 8), 200).save(folder / "003.png")
    found = load(of(folder))
    assert 200 in numbers(found.train) + numbers(found.test)


def test_files_that_only_look_the_same_are_told_apart(tmp_path: Path) -> None:
    """Of one name, size and time, as reproducible archives unpack them."""
    found = []
    for value in (9, 200):
        folder = tmp_path / str(value)
        folder.mkdir()
        np.save(folder / "images.npy", np.full((4, 8, 8, 1), value, np.uint8))
        os.utime(folder / "images.npy", (1e9, 1e9))
        found.append(int(load(of(folder / "images.npy")).train.images.max()))
    assert found == [9, 200]


def test_nothing_that_infogan_did_not_write_is_replaced(tmp_path: Path) -> None:
    config = of(pictures(tmp_path / "pictures"))
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("all of it")
    (tmp_path / "file").write_text("text")
    for out in (mine, tmp_path / "pictures", tmp_path / "file", tmp_path):
        with pytest.raises(UsageError):
            prepare(config, out)
    assert (mine / "thesis.txt").read_text() == "all of it"
    assert len(list((tmp_path / "pictures").iterdir())) == 12
    assert (tmp_path / "file").read_text() == "text"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "mine", "pictures"]
    out = prepare(config, tmp_path / "out")
    prepare(config, out)  # what it wrote itself, it replaces
    (out / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"notes\.txt"):
        prepare(config, out)
    storage.write_folder(tmp_path / "other", {"a": b"1"})  # infogan's, but no images
    with pytest.raises(UsageError, match="other files"):
        prepare(config, tmp_path / "other")


def test_codes_are_read_from_the_square_that_was_trained_on(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    folder.mkdir()
    draw = np.random.Generator(np.random.Philox(key=1))
    for index in range(4):
        Image.fromarray(draw.integers(0, 256, (40, 60), dtype=np.uint8)).save(folder / f"{index}.png")
    found = room.read(prepare(of(folder, size=16, crop=20)))
    collection = open_collection(folder, Form(16, 1, crop=20))
    (batch,) = collection.batches()
    order = [found.names.index(collection.name(index)) for index in batch.indices]
    assert (found.images[order] == batch.images).all()
    assert load(of(folder, size=16, crop=20)).crop == 20
    again = open_collection(prepare(of(folder, size=16, crop=20)), Form(16, 1))
    (batch,) = again.batches()
    assert (batch.images == found.images).all()
    assert tuple(again.name(index) for index in batch.indices) == found.names


def test_a_skipped_file_may_have_any_name(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "a", 150)
    (folder / 'bad\r\n, "name".png').write_text("no image")
    (skipped,) = load(of(folder)).skipped
    assert skipped.path == 'bad\r\n, "name".png'


@pytest.mark.parametrize("name", ["images.npy", "skipped.csv", "names.json", "MANIFEST.json"])
@pytest.mark.parametrize("how", ["flipped", "cut", "gone"])
def test_a_damaged_folder_is_never_used(
    tmp_path: Path, name: str, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    config = of(pictures(tmp_path / "a"))
    before, folder = load(config).fingerprint, prepare(config)
    path = folder / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    if how == "gone":
        path.unlink()
    else:
        path.write_bytes(content if how == "flipped" else content[:-1])
    with pytest.raises(StorageError) as caught:
        room.read(folder)
    assert name in str(caught.value)
    assert load(config).fingerprint == before
    assert "prepared again" in caplog.text
    room.read(folder)


def test_what_is_known_of_an_image_follows_it(registered: None, monkeypatch: pytest.MonkeyPatch) -> None:
    count = 20
    numbered = np.arange(count)

    def make() -> Iterator[np.ndarray | Skipped]:
        for index in range(count):
            yield Skipped(f"{index}", "broken") if index == 7 else np.full((8, 8, 1), index, np.uint8)

    truth = Truth(
        labels=numbered % 3,
        classes=("a", "b", "c"),
        # Not in the order of the alphabet: columns and names must not part.
        factors={"turn": Factor(numbered * 10.0, 360.0), "size": Factor(numbered / 2)},
        attributes={"even": numbered % 2 == 0},
    )

    @source("known", about=ABOUT, held_out=5)
    def read(config: DataConfig) -> Found:
        """Twenty images of which one is broken."""
        return Found(Stream(count, (8, 8, 1), make, truth, tuple(map(str, numbered))))

    with pytest.raises(DataError, match="1 of 20 files"):  # over 1 %
        load(DataConfig(source="known"))
    room_of_one = [one for one in range(count) if one != 7]
    monkeypatch.setattr("infogan.data.prepared.MOST_UNREADABLE", 0.1)
    dataset = load(DataConfig(source="known"))
    assert sorted(numbers(dataset.train) + numbers(dataset.test)) == room_of_one
    for split in (dataset.train, dataset.test):
        rows = np.array(numbers(split))
        assert split.labels is not None
        assert (split.labels == rows % 3).all()
        assert (split.truth.factors["turn"].values == rows * 10).all()
        assert split.truth.factors["turn"].period == 360
        assert split.truth.factors["size"].period is None
        assert (split.truth.attributes["even"] == (rows % 2 == 0)).all()
        assert split.truth.classes == ("a", "b", "c")
    assert dataset.skipped == (("7", "broken"),)
    found = room.read(prepare(DataConfig(source="known")))
    assert [int(name) for name in found.names] == [int(image[0, 0, 0]) for image in found.images]


def test_a_prepared_folder_is_read_like_a_source(tmp_path: Path) -> None:
    config = of(pictures(tmp_path / "a"))
    out = prepare(config, tmp_path / "out")
    assert numbers(load(of(out)).train) == numbers(load(config).train)
    wrong = [
        ({"size": 16}, "size 8, not 16"),
        ({"channels": 3}, "channels 1, not 3"),
        ({"crop": 8}, "crop None"),
    ]
    for wanted, part in wrong:
        with pytest.raises(DataError) as caught:
            load(of(out, **wanted))
        assert part in caught.value.happened
    with pytest.raises(DataError, match="prepared images of folder"):
        load(DataConfig(source="mnist", path=str(out)))


def test_the_manifest_says_where_images_come_from(tmp_path: Path) -> None:
    folder = prepare(of(pictures(tmp_path / "a"), size=16, crop=8))
    manifest = storage.read_manifest(folder)
    assert manifest["source"] == "folder"
    assert manifest["settings"]["size"] == 16 and manifest["settings"]["crop"] == 8
    assert manifest["shape"] == [12, 16, 16, 1]
    assert manifest["infogan"] and len(manifest["files"]["images.npy"]["sha256"]) == 64


@pytest.mark.slow
@pytest.mark.parametrize("point", ["tmp_write", "manifest", "rename"])
def test_a_kill_while_preparing_leaves_nothing_half_done(tmp_path: Path, own_cache: Path, point: str) -> None:
    config = of(pictures(tmp_path / "a"))
    code = f"from infogan.data import *; from infogan.config import DataConfig; load({config!r})"
    environment = {**os.environ, "INFOGAN_CACHE": str(own_cache), "INFOGAN_FAULT_POINT": f"{point}=kill"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, timeout=120, capture_output=True, check=False
    )
    assert done.returncode == -9, done.stderr.decode()
    assert not list((own_cache / "prepared").glob("[!.]*"))
    load(config)
    left = [path.name for path in (own_cache / "prepared").iterdir() if not path.name.startswith(".lock-")]
    assert [name[:6] for name in left] == ["folder"]  # locks stay, leftovers are gone


def test_a_full_disk_is_reported_with_the_bytes_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = of(pictures(tmp_path / "a"))
    monkeypatch.setattr(
        room, "_arrange", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device"))
    )
    with pytest.raises(StorageError) as caught:
        load(config)
    assert "No space left" in caught.value.happened
    assert f"{2 * 12 * 64:,} bytes" in caught.value.happened


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="VmHWM is of Linux")
def test_memory_does_not_grow_with_the_number_of_images(tmp_path: Path) -> None:
    """Ten times the images, 240 MB of them, in less than 60 MB more memory."""
    code = """
import re, sys
from pathlib import Path
import numpy as np
from infogan.config import DataConfig
from infogan.data import About, Found, Stream, load, source
count = int(sys.argv[1])
def make():
    for index in range(count):
        yield np.full((64, 64, 3), index % 256, np.uint8)
@source("many", about=About("n", "64x64", "none", "a test"))
def many(config):
    "Many."
    return Found(Stream(count, (64, 64, 3), make))
load(DataConfig(source="many"))
# Of its own: pages of the map that were only read can be given back at any time.
print(int(re.search(r"RssAnon:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024)
"""
    used = []
    for count in (2_000, 20_000):
        done = subprocess.run(
            [sys.executable, "-c", code, str(count)],
            env={**os.environ, "INFOGAN_CACHE": str(tmp_path / str(count))},
            capture_output=True, text=True, timeout=120, check=True,
        )  # fmt: skip
        used.append(int(done.stdout))
    assert used[1] - used[0] < 60


def test_json_of_odd_names_comes_back(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "a", 3)
    (folder / "000.png").rename(os.fsdecode(os.fsencode(folder) + b"/\xff\n.png"))
    found = room.read(prepare(of(folder)))
    assert os.fsdecode(b"\xff\n.png") in found.names
    assert json.loads((prepare(of(folder)) / "names.json").read_text()) == list(found.names)


def test_sidecar_files_belong_to_the_images(tmp_path: Path, registered: None, own_cache: Path) -> None:
    @source("beside", about=ABOUT, sidecars=("names.txt",))
    def read(config: DataConfig) -> Found:
        """Images with a text file beside them."""
        assert config.path is not None
        text = (Path(config.path).parent / "names.txt").read_text()
        return Found(Split(np.full((4, 8, 8, 1), int(text), np.uint8)))

    (tmp_path / "images.bin").write_bytes(b"")
    for value in ("3", "77"):
        (tmp_path / "names.txt").write_text(value)
        dataset = load(DataConfig(source="beside", path=str(tmp_path / "images.bin")))
        assert dataset.train.images.max() == int(value)


def test_held_out_is_refused_where_the_images_have_test_images(registered: None) -> None:
    @source("both", about=ABOUT)
    def read(config: DataConfig) -> Found:
        """Images with test images of their own, though most of their kind have none."""
        return Found(Split(np.zeros((4, 8, 8, 1), np.uint8)), Split(np.ones((2, 8, 8, 1), np.uint8)))

    with pytest.raises(ConfigError, match="held_out = 3"):
        load(DataConfig(source="both", held_out=3))
    assert len(load(DataConfig(source="both")).test.images) == 2


def test_many_images_are_sorted_on_disk_in_the_same_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = np.random.default_rng(0).integers(0, 256, (3_000, 8, 8, 1), dtype=np.uint8)
    np.save(tmp_path / "images.npy", images)
    few = prepare(of(tmp_path / "images.npy"), tmp_path / "few")
    monkeypatch.setattr(room, "_SORTED_BYTES", 10_000)  # 39 images per file
    many = prepare(of(tmp_path / "images.npy"), tmp_path / "many")
    assert {file.name for file in many.iterdir()} == {file.name for file in few.iterdir()}
    assert (many / "images.npy").read_bytes() == (few / "images.npy").read_bytes()
