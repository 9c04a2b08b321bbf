"""The audit of a folder: each fact is stated, with the flag that changes it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from infogan.cli import main
from infogan.config import DataConfig
from infogan.data import loading
from infogan.data.audit import Audit
from infogan.errors import DataError


def fill(folder: Path, count: int = 6, size: tuple[int, int] = (16, 16), seed: int = 0) -> Path:
    """RGB images of random pixels."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    for index in range(count):
        pixels = rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{size[0]}-{index:02d}.png")
    return folder


def audit(path: Path, **settings: Any) -> Audit:
    return loading.audit(DataConfig(source="folder", path=str(path), **settings))


def line(path: Path, start: str) -> str:
    """Return the only line of the audit with that start."""
    (text,) = [text for text in audit(path).lines() if text.startswith(start)]
    return text


def test_a_clean_folder_has_six_lines(tmp_path: Path) -> None:
    lines = audit(fill(tmp_path / "a")).lines()
    assert lines == [
        "a: 6 images",
        "size: 16x16; each becomes 16x16, 100% of its pixels are kept "
        "(--size N, --crop N, --fit crop|pad|stretch)",
        "channels: 3 (RGB; --set data.channels=N)",
        "range: 0 to 255 of 255 (--range LOW:HIGH or p0.1:p99.9)",
        "duplicates: 0 exact copies; near duplicates: 0",
        "layout: no classes; a tenth is held out by content "
        "(--set data.held_out=N, --split-by folder|prefix)",
    ]


def test_sizes_and_the_share_that_is_kept_are_stated(tmp_path: Path) -> None:
    fill(tmp_path, 3)
    fill(tmp_path, 1, (64, 16))
    found = audit(tmp_path)
    assert (found.sizes, found.size) == ({(16, 16): 3, (64, 16): 1}, 64)
    assert found.share_kept == pytest.approx((3 + 0.25) / 4)
    assert "2 sizes from 16x16 to 64x16; each becomes 64x64, 81%" in line(tmp_path, "size")
    cropped = audit(tmp_path, size=8, crop=8)
    assert cropped.size == 8 and cropped.share_kept == pytest.approx((3 / 4 + 1 / 16) / 4)


def test_images_of_12_bits_in_16_are_nearly_black(tmp_path: Path) -> None:
    for index in range(3):
        pixels = np.random.default_rng(index).integers(0, 3000, (16, 16), dtype=np.uint16)
        Image.fromarray(pixels).save(tmp_path / f"{index}.png")
    assert audit(tmp_path).channels == 1
    assert audit(tmp_path).nearly_black
    assert "of 65,535; nearly black: no value is above 29" in line(tmp_path, "range")


def test_white_drawings_on_transparent_ground_are_all_blank(tmp_path: Path) -> None:
    for index in range(3):
        pixels = np.full((16, 16, 4), 255, np.uint8)
        pixels[index : index + 4, :, 3] = 0
        Image.fromarray(pixels).save(tmp_path / f"{index}.png")
    found = audit(tmp_path)
    assert (found.blank, found.transparent) == (3, 3)
    assert line(tmp_path, "blank") == "blank: 3 images, and 0 near-blank; all images are blank"


def test_a_fine_pattern_is_not_blank_and_a_faint_one_is_near_blank(tmp_path: Path) -> None:
    pattern = (np.indices((16, 16)).sum(0) % 2).astype(np.uint8)
    for name, height in (("fine", 255), ("faint", 8), ("visible", 9)):
        Image.fromarray(pattern * np.uint8(height)).save(tmp_path / f"{name}.png")
    Image.new("L", (16, 16), 100).save(tmp_path / "blank.png")
    found = audit(tmp_path)
    assert (found.blank, found.near_blank) == (1, 1)


def test_exact_copies_and_near_duplicates_are_counted_apart(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for index in range(8):
        smooth = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)).resize((64, 64))
        smooth.save(tmp_path / f"{index}.png")
        if index < 3:
            smooth.save(tmp_path / f"copy-{index}.bmp")  # the same pixels in another file
        elif index < 5:
            smooth.save(tmp_path / f"near-{index}.jpg", quality=85)
    found = audit(tmp_path)
    assert (found.images, found.duplicates, found.near_duplicates) == (13, 3, 4)


def test_the_layout_is_stated(tmp_path: Path) -> None:
    fill(tmp_path / "a" / "cat", 2)
    fill(tmp_path / "a" / "dog", 2, seed=1)
    assert line(tmp_path / "a", "layout").startswith(
        "layout: 2 classes by folders, for evaluation only; a tenth"
    )
    fill(tmp_path / "a", 1, seed=2)
    stray = "3 classes by folders, for evaluation only; 1 images lie outside of the folders of classes"
    fill(tmp_path / "a" / "cat", 10, seed=3)
    assert stray in line(tmp_path / "a", "layout")
    fill(tmp_path / "b" / "train", 4)
    fill(tmp_path / "b" / "val", 2)
    assert "folders are the split: 4 training and 2 test images" in line(tmp_path / "b", "layout")
    assert line(tmp_path / "b", "duplicates").endswith("2 test images are training images")


def test_files_that_are_left_out_and_other_files_are_counted(tmp_path: Path) -> None:
    fill(tmp_path, 4)
    (tmp_path / "page.jpg").write_text("<html>")
    (tmp_path / "notes.txt").write_text("notes")
    (tmp_path / "16-00.png").rename(tmp_path / "16-00.jpg")
    found = audit(tmp_path)
    assert (found.images, found.misnamed, found.others[0].file_type) == (4, 1, "a text file")
    assert "left out: 1 files: 1 x a web page" in line(tmp_path, "left out")


def test_arrays_are_audited_as_well(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 12, 12), dtype=np.uint8)
    np.save(tmp_path / "a.npy", np.concatenate([images, images[:2]]))
    found = audit(tmp_path / "a.npy")
    assert (found.images, found.duplicates, found.channels, found.size) == (7, 2, 1, 12)


@pytest.mark.parametrize(("name", "message"), [("missing", "is not there"), ("empty", "have 0 images")])
def test_a_path_without_images_is_refused(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=message):
        audit(tmp_path / name)


def test_the_command_prints_the_lines_and_preparing_starts_with_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = fill(tmp_path / "a")
    assert main(["data", "audit", str(folder)]) == 0
    lines = capsys.readouterr().out
    assert lines.startswith(f"{folder.name}: 6 images\n")
    assert main(["data", "prepare", str(folder)]) == 0
    assert capsys.readouterr().err.startswith(lines)
    assert main(["data", "prepare", str(folder)]) == 0  # nothing is decoded again
    assert capsys.readouterr().err == lines


def test_ten_thousand_images_take_seconds(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (10_000, 16, 16), dtype=np.uint8)
    np.save(tmp_path / "many.npy", images)
    start = time.process_time()
    assert audit(tmp_path / "many.npy").images == 10_000
    assert time.process_time() - start < 15
