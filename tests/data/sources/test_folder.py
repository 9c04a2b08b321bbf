"""Folders of images as users have them: mixed, nested, damaged, hostile (faults 20 to 25)."""

from __future__ import annotations

import logging
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from infogan.config import DataConfig
from infogan.data import Dataset, Skipped, Stream, load, load_all
from infogan.data.preprocessing import usual_size
from infogan.data.sources.folder import read_pictures
from infogan.errors import DataError


def write(path: Path, value: int = 0, size: tuple[int, int] = (8, 8), mode: str = "L") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    colour = value if mode == "L" else (value,) * len(mode)
    Image.new(mode, size, colour).save(path)
    return path


def fill(folder: Path, count: int = 10) -> Path:
    """Gray PNG files whose pixels are their number."""
    for index in range(count):
        write(folder / f"{index:04d}.png", index % 256)
    return folder


def read_folder(path: Path, size: int | None, channels: int | None) -> tuple[np.ndarray, list[Skipped]]:
    """The images in the order of their paths, and what was left out."""
    settings = {"size": size, "channels": channels, "split_version": 2}
    found = read_pictures(path, DataConfig(source="folder", path=str(path), **settings))  # type: ignore[arg-type]
    assert isinstance(found.train, Stream)
    made = list(found.train.make())
    images = [image for image in made if not isinstance(image, Skipped)]
    return np.stack(images), [*found.skipped, *(one for one in made if isinstance(one, Skipped))]


def values(path: Path) -> list[int]:
    return [int(image[0, 0, 0]) for image in read_folder(path, None, None)[0]]


def open_folder(path: Path, **settings: int) -> Dataset:
    return load(DataConfig(source="folder", path=str(path), **settings))  # type: ignore[arg-type]


def png(width: int, height: int, rows: bytes = b"") -> bytes:
    """A PNG file that says it has that size, whatever it holds."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def test_a_folder_is_split_and_nothing_is_lost(tmp_path: Path) -> None:
    dataset = open_folder(fill(tmp_path, 20))
    assert dataset.train.images.shape == (18, 8, 8, 1)
    assert dataset.test.images.shape == (2, 8, 8, 1)
    every = np.concatenate([dataset.train.images, dataset.test.images])[:, 0, 0, 0]
    assert sorted(every.tolist()) == list(range(20))
    assert dataset.train.labels is None
    assert dataset.fingerprint == open_folder(tmp_path).fingerprint
    assert len(open_folder(tmp_path, held_out=5).test.images) == 5


def test_folders_in_folders_are_searched_in_sorted_order(tmp_path: Path) -> None:
    for name, value in (("b/1.png", 3), ("a/z/1.PNG", 1), ("c.png", 4), ("a/2.png", 0), ("b/0.Jpeg", 2)):
        write(tmp_path / name, value)
    (tmp_path / "notes.txt").write_text("no image")
    assert values(tmp_path) == [0, 1, 2, 3, 4]


def test_every_image_comes_with_its_name_whatever_split_it_is_in(tmp_path: Path) -> None:
    for number in range(20):
        write(tmp_path / f"{'ab'[number % 2]}/{number:02}.png", number)
    (tmp_path / "a" / "torn.png").write_bytes(b"")
    write(tmp_path / "a" / "more.png", 77)
    for number in range(100):
        write(tmp_path / "b" / f"other-{number}.png", 99)
    images, names = load_all(DataConfig(source="folder", path=str(tmp_path)))
    assert len(images) == len(names) == 121
    found = dict(zip(names, images[:, 0, 0, 0].tolist(), strict=True))
    assert found["a/more.png"] == 77 and found["b/03.png"] == 3 and found["a/18.png"] == 18


@pytest.mark.parametrize("extension", ["png", "jpg", "jpeg", "webp", "bmp", "tif", "tiff", "gif"])
def test_every_extension_is_read(tmp_path: Path, extension: str) -> None:
    for index in range(2):
        write(tmp_path / f"{index}.{extension}", 100)
    assert np.abs(read_folder(tmp_path, None, 1)[0].astype(int) - 100).max() <= 1


def test_channels_follow_the_files(tmp_path: Path) -> None:
    fill(tmp_path, 3)
    assert read_folder(tmp_path, None, None)[0].shape == (3, 8, 8, 1)
    write(tmp_path / "colour.png", 9, mode="RGB")
    assert read_folder(tmp_path, None, None)[0].shape == (4, 8, 8, 3)
    assert read_folder(tmp_path, None, 1)[0].shape == (4, 8, 8, 1)
    assert read_folder(tmp_path, None, 4)[0][..., 3].min() == 255


def test_mixed_sizes_become_one_and_it_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fill(tmp_path, 3)
    write(tmp_path / "line.png", 5, size=(1, 40))
    with caplog.at_level(logging.WARNING):
        dataset = open_folder(tmp_path)
    assert dataset.train.images.shape == (3, 64, 64, 1)
    assert len(caplog.records) == 1
    assert open_folder(tmp_path, size=32).train.images.shape == (3, 32, 32, 1)


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_images_names_folder_extensions_and_count(tmp_path: Path, count: int) -> None:
    fill(tmp_path, count)
    (tmp_path / "notes.txt").write_text("no image")
    with pytest.raises(DataError) as caught:
        open_folder(tmp_path)
    message = str(caught.value)
    assert str(tmp_path) in message
    assert f"{count} image" in message
    assert "there are 1 x a text file" in message
    assert "the path of your images" in message


@pytest.mark.parametrize(
    ("name", "what"),
    [("missing", "is not there: 0 images"), ("file.txt", "is a text file: 0 images")],
)
def test_a_path_that_is_no_folder(tmp_path: Path, name: str, what: str) -> None:
    (tmp_path / "file.txt").write_text("text")
    with pytest.raises(DataError) as caught:
        open_folder(tmp_path / name)
    assert f"{tmp_path / name} {what}" in caught.value.happened
    assert "a folder with images in it, or an archive" in caught.value.expected


def damage(path: Path, how: str) -> None:
    whole = path.read_bytes()
    if how == "truncated":
        path.write_bytes(whole[: len(whole) - 30])
    elif how == "flipped":
        flipped = bytearray(whole)
        flipped[len(whole) // 2] ^= 0xFF
        path.write_bytes(flipped)
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "text":
        path.write_text("this is no image")
    elif how == "bomb":
        path.write_bytes(png(30_000, 30_000))
    elif how == "small bomb":  # under Pillow's own limit
        path.write_bytes(png(8_000, 8_000))
    elif how == "unreadable":
        path.unlink()
        path.symlink_to(path)
    elif how == "pipe":
        path.unlink()
        os.mkfifo(path)
    elif how == "dangling":
        path.unlink()
        path.symlink_to(path.with_name("gone"))


DAMAGES = {
    "truncated": "",  # Pillow's words
    "flipped": "",
    "empty": "an empty file: copy or download it again",
    "text": "a text file",
    "bomb": "pixels",
    "small bomb": "over 50000000 pixels",
    "unreadable": "symbolic links",
    "pipe": "not a regular file",
    "dangling": "No such file",
}


@pytest.mark.parametrize("how", DAMAGES)
def test_one_damaged_file_in_a_hundred_is_skipped_with_its_reason(tmp_path: Path, how: str) -> None:
    fill(tmp_path, 100)
    damage(tmp_path / "0042.png", how)
    dataset = open_folder(tmp_path)
    assert [skipped.path for skipped in dataset.skipped] == ["0042.png"]
    assert dataset.skipped[0].reason
    assert DAMAGES[how] in dataset.skipped[0].reason
    every = np.concatenate([dataset.train.images, dataset.test.images])[:, 0, 0, 0]
    assert sorted(every.tolist()) == [index for index in range(100) if index != 42]


def test_more_than_one_in_a_hundred_stops_with_the_first_paths(tmp_path: Path) -> None:
    fill(tmp_path, 100)
    for index, how in zip(range(10, 80, 10), list(DAMAGES)[:7], strict=True):
        damage(tmp_path / f"{index:04d}.png", how)
    with pytest.raises(DataError) as caught:
        open_folder(tmp_path)
    happened = caught.value.happened
    # Found in two passes: those whose header fails come first, and fill the list.
    assert f"{tmp_path}: " in happened
    assert "of 100 files cannot be read" in happened
    assert len(happened.splitlines()) >= 6
    assert "'0050.png'" in happened


def test_a_folder_whose_every_file_is_cut_short_is_refused(tmp_path: Path) -> None:
    fill(tmp_path, 7)
    for file in tmp_path.iterdir():
        damage(file, "truncated")
    with pytest.raises(DataError) as caught:
        open_folder(tmp_path)
    lines = caught.value.happened.splitlines()
    assert "7 of 7 files cannot be read" in lines[0]
    assert [f"{index:04d}.png" in line for index, line in enumerate(lines[1:6])] == [True] * 5
    assert lines[6].strip() == "and 2 more"


def test_links_that_lead_back_end(tmp_path: Path) -> None:
    fill(tmp_path / "a" / "b", 3)
    (tmp_path / "a" / "b" / "up").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "self").symlink_to(tmp_path / "self", target_is_directory=True)
    assert values(tmp_path) == [0, 1, 2]


def test_linked_folders_are_entered_once(tmp_path: Path) -> None:
    fill(tmp_path / "far", 3)
    for name in ("one", "two"):
        (tmp_path / name).symlink_to(tmp_path / "far", target_is_directory=True)
    assert values(tmp_path) == [0, 1, 2]


def test_hidden_files_are_left_out(tmp_path: Path) -> None:
    fill(tmp_path, 3)
    (tmp_path / "._0001.png").write_bytes(b"what macOS leaves beside a file")
    write(tmp_path / ".trash" / "9.png", 9)
    assert values(tmp_path) == [0, 1, 2]


def test_odd_names_are_read_and_reported_on_one_line(tmp_path: Path) -> None:
    for index, name in enumerate(["a\nb.png", "b\u00fc\u4e2d.png", f"{'c' * 240}.png"]):
        write(tmp_path / name, index)
    assert values(tmp_path) == [0, 1, 2]
    (tmp_path / "a\nb.png").write_text("no image")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/z\xff.png")).write_text("no image")
    with pytest.raises(DataError) as caught:
        open_folder(tmp_path)
    assert "a\\nb.png" in caught.value.happened
    assert len(caught.value.happened.splitlines()) == 3
    str(caught.value).encode()  # can be printed


def test_a_file_that_vanishes_after_the_first_look_is_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, 100)

    def vanish(sizes: dict[tuple[int, int], int]) -> int:
        (tmp_path / "0007.png").unlink()
        return usual_size(sizes)

    monkeypatch.setattr("infogan.data.sources.folder.usual_size", vanish)
    images, skipped = read_folder(tmp_path, None, None)
    assert len(images) == 99
    assert skipped[0] == ("0007.png", "No such file or directory")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="the administrator may read everything")
def test_a_file_without_permission_is_skipped(tmp_path: Path) -> None:
    fill(tmp_path, 100)
    (tmp_path / "0007.png").chmod(0)
    assert open_folder(tmp_path).skipped[0].reason == "Permission denied"


@pytest.mark.skipif(sys.platform != "linux", reason="VmHWM is of Linux")
def test_a_bomb_is_refused_from_its_header(tmp_path: Path) -> None:
    fill(tmp_path, 2)
    # Decoded, this small file would fill 900 MB.
    (tmp_path / "bomb.png").write_bytes(png(30_000, 30_000, bytes(30_001 * 1_000)))
    code = (
        "import re, sys\n"
        "from pathlib import Path\n"
        "from infogan.data import load\n"
        "from infogan.config import DataConfig\n"
        "from infogan.errors import DataError\n"
        "try: load(DataConfig(source='folder', path=sys.argv[1]))\n"
        "except DataError as error: print(error.happened)\n"
        # Not ru_maxrss: a child inherits its parent's through exec.
        "print(int(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1]) // 1024)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True, timeout=60
    )
    assert "bomb.png" in done.stdout
    assert int(done.stdout.splitlines()[-1]) < 300


def test_a_huge_text_chunk_is_refused(tmp_path: Path) -> None:
    fill(tmp_path, 100)
    whole = (tmp_path / "0000.png").read_bytes()
    body = b"Comment\0\0" + zlib.compress(bytes(100_000_000))
    chunk = struct.pack(">I", len(body)) + b"zTXt" + body + struct.pack(">I", zlib.crc32(b"zTXt" + body))
    (tmp_path / "0000.png").write_bytes(whole[:33] + chunk + whole[33:])
    assert [skipped.path for skipped in open_folder(tmp_path).skipped] == ["0000.png"]
