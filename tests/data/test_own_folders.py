"""Folders as people have them: each is read as its owner means it, or refused with what to do."""

from __future__ import annotations

import csv
import gzip
import io
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from infogan import api
from infogan.config import DataConfig
from infogan.data import Dataset, load, loading
from infogan.data.audit import Audit
from infogan.errors import ConfigError, DataError, InfoGANError

RNG = np.random.default_rng(0)


def picture(size: int = 16) -> Image.Image:
    return Image.fromarray(RNG.integers(0, 256, (size, size, 3), dtype=np.uint8))


def as_bytes(image: Image.Image, form: str = "PNG") -> bytes:
    file = io.BytesIO()
    image.save(file, form)
    return file.getvalue()


def fill(folder: Path, count: int = 20, ext: str = "png", size: int = 16) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        picture(size).save(folder / f"{index:02d}.{ext}")
    return folder


def of(path: Path, **settings: Any) -> DataConfig:
    return DataConfig(source="folder", path=str(path), **settings)


def opened(path: Path, **settings: Any) -> Dataset:
    return load(of(path, **settings))


def audit(path: Path, **settings: Any) -> Audit:
    return loading.audit(of(path, **settings))


def images(dataset: Dataset) -> np.ndarray:
    return np.concatenate([dataset.train.images, dataset.test.images])


def verdicts(config: DataConfig) -> dict[str, tuple[str, str]]:
    with (loading.prepare(config) / "files.csv").open(newline="") as file:
        return {row["path"]: (row["verdict"], row["reason"]) for row in csv.DictReader(file)}


def test_the_tables_of_prepared_images_hold_no_formulas(tmp_path: Path) -> None:
    fill(tmp_path, 18)
    picture().save(tmp_path / "=SUM(A1).png")
    (tmp_path / "@cut.png").write_bytes(as_bytes(picture())[:60])
    prepared = loading.prepare(of(tmp_path, allow_unreadable=1))
    paths = [row.partition(",")[0] for name in ("files.csv", "skipped.csv")
             for row in (prepared / name).read_text().splitlines()]  # fmt: skip
    assert {'"./=SUM(A1).png"', '"./@cut.png"'} < set(paths)
    assert not [path for path in paths if path[1] in "=+-@"]
    (skipped,) = load(of(tmp_path, allow_unreadable=1)).skipped
    assert (tmp_path / skipped.path).samefile(tmp_path / "@cut.png")


def test_a_byte_changed_anywhere_in_a_table_is_a_message(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install 'infogan[tables]'")
    from pyarrow import parquet

    rows = {"image": [as_bytes(picture()) for _ in range(4)], "label": [0, 1, 0, 1]}
    parquet.write_table(pyarrow.table(rows), tmp_path / "good.parquet")
    content = (tmp_path / "good.parquet").read_bytes()
    path, refused = tmp_path / "damaged.parquet", 0
    for at in range(0, len(content), len(content) // 25):
        path.write_bytes(content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :])
        try:
            audit(path)
        except DataError as error:
            refused += str(path) in error.happened
    assert refused


@pytest.mark.slow
def test_no_byte_of_the_footer_of_a_table_ends_the_process(tmp_path: Path) -> None:
    """Arrow ends the process at some statistics of columns that do not fit their type."""
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install 'infogan[tables]'")
    from pyarrow import parquet

    images = [{"bytes": as_bytes(picture()), "path": None} for _ in range(4)]
    parquet.write_table(pyarrow.table({"image": images, "label": [0, 1, 0, 1]}), tmp_path / "good.parquet")
    program = """
import sys
from pathlib import Path
from infogan.data.tables_of_images import rows
from infogan.errors import DataError
content, path = Path(sys.argv[1]).read_bytes(), Path(sys.argv[2])
for at in range(len(content) - 8 - int.from_bytes(content[-8:-4], "little"), len(content)):
    for change in (1, 2, 4, 8):
        path.write_bytes(content[:at] + bytes([content[at] ^ change]) + content[at + 1 :])
        try:
            rows(path, "")
        except DataError:
            pass
"""
    files = [str(tmp_path / name) for name in ("good.parquet", "damaged.parquet")]
    ended = subprocess.run(
        [sys.executable, "-c", program, *files], check=False, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr


def test_a_split_with_a_year_is_a_split(tmp_path: Path) -> None:
    fill(tmp_path / "images" / "train2017", 8)
    fill(tmp_path / "images" / "val2017", 3)
    dataset = opened(tmp_path)
    assert (len(dataset.train.images), len(dataset.test.images)) == (8, 3)
    assert dataset.test.truth.classes == ()


def test_previews_in_another_folder_are_noticed(tmp_path: Path) -> None:
    fill(tmp_path / "originals", 10)
    for index in range(10):
        (tmp_path / "derived").mkdir(exist_ok=True)
        picture().save(tmp_path / "derived" / f"{index:02d}_thumb.png")
    assert "10 files are named like others, *_thumb.*" in audit(tmp_path).lines()[-1]


def test_packed_pictures_come_with_advice(tmp_path: Path) -> None:
    for index in range(3):
        (tmp_path / f"{index}.png.gz").write_bytes(gzip.compress(as_bytes(picture())))
    with pytest.raises(DataError, match="3 x a gzip file") as caught:
        opened(tmp_path)
    assert "gunzip" in str(caught.value)


def test_a_folder_next_to_the_pictures_is_no_class(tmp_path: Path) -> None:
    fill(tmp_path, 10)
    fill(tmp_path / "icons", 1)
    layout = next(line for line in audit(tmp_path).lines() if line.startswith("layout"))
    assert "no classes; 10 images lie outside of its folders, which are therefore no classes" in layout


def test_arrays_that_are_not_read_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    x = RNG.integers(0, 256, (30, 16, 16), dtype=np.uint8)
    np.savez(tmp_path / "keras.npz", x_train=x[:20], y_train=np.arange(20), x_test=x[20:])
    assert len(images(opened(tmp_path / "keras.npz"))) == 20
    assert "the images are x_train; not read: x_test" in caplog.text


def test_floats_beyond_one_need_a_range_and_the_advice_says_so(tmp_path: Path) -> None:
    for index in range(4):
        values = RNG.random((16, 16)).astype(np.float32) * 255
        Image.fromarray(values).save(tmp_path / f"{index}.tif")
    with pytest.raises(DataError) as caught:
        opened(tmp_path)
    assert "--range p0:p100" in caught.value.for_command_line
    assert len(images(opened(tmp_path, range="p0:p100"))) == 4


def test_the_audit_says_what_the_split_is_by(tmp_path: Path) -> None:
    for clip in "ab":
        fill(tmp_path / clip, 4)
    assert "held out by folder" in " ".join(audit(tmp_path, split_by="folder").lines())
    assert "held out by content" in " ".join(audit(tmp_path).lines())


def test_two_images_are_too_few_to_train_on(tmp_path: Path) -> None:
    fill(tmp_path, 2)
    with pytest.raises(DataError, match="1 of 2 images is left for training"):
        api.train(tmp_path, out=tmp_path.parent / "run", progress=False)


# --- formats ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["JPEG", "AVIF", "JPEG2000", "WEBP", "TIFF"])
def test_files_without_extension_are_read_by_their_content(tmp_path: Path, form: str) -> None:
    for index in range(4):
        (tmp_path / f"image{index}").write_bytes(as_bytes(picture(), form))
    assert images(opened(tmp_path)).shape == (4, 16, 16, 3)


def test_one_array_per_picture_is_read(tmp_path: Path) -> None:
    pixels = np.asarray(picture())
    np.save(tmp_path / "last.npy", pixels)
    np.save(tmp_path / "first.npy", pixels.transpose(2, 0, 1))
    np.save(tmp_path / "float.npy", (pixels / 255).astype(np.float32))
    np.save(tmp_path / "labels.npy", np.arange(9))
    found = images(opened(tmp_path))
    assert found.shape == (3, 16, 16, 3) and all((image == pixels).all() for image in found)


def test_archives_in_a_folder_are_classes_or_shards(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        with zipfile.ZipFile(tmp_path / f"{name}.zip", "w") as archive:
            for index in range(6):
                archive.writestr(f"{index}.png", as_bytes(picture()))
    assert opened(tmp_path).train.truth.classes == ("cat", "dog")
    shards = tmp_path / "shards"
    shards.mkdir()
    for number in range(3):
        with tarfile.open(shards / f"train-{number:05d}-of-00003.tar.gz", "w:gz") as tar:
            info = tarfile.TarInfo("1.png")
            content = as_bytes(picture())
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    assert len(images(opened(shards))) == 3 and opened(shards).train.truth.classes == ()


def test_tables_with_image_bytes_are_read(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    for split, count in (("train", 8), ("test", 4)):
        cells = [{"bytes": as_bytes(picture()), "path": None} for _ in range(count)]
        table = pa.table({"image": cells, "label": [index % 2 for index in range(count)]})
        parquet.write_table(table, tmp_path / f"{split}-00000-of-00001.parquet", row_group_size=3)
    dataset = opened(tmp_path)
    assert (len(dataset.train.images), len(dataset.test.images)) == (8, 4)
    assert dataset.train.truth.classes == ("0", "1")


def test_pages_and_frames_are_images_where_asked(tmp_path: Path) -> None:
    for name in ("a.gif", "b.tif", "c.png", "d.webp"):
        first, *rest = [picture() for _ in range(3)]
        lossless = {"lossless": True} if name.endswith("webp") else {}
        first.save(tmp_path / name, save_all=True, append_images=rest, **lossless)
    assert len(images(opened(tmp_path))) == 4
    assert "of 4 files with several frames the first is used (--frames all)" in "".join(
        audit(tmp_path).lines()
    )
    every = images(opened(tmp_path, frames="all"))
    assert len(every) == 12 and len({image.tobytes() for image in every}) == 12


def test_a_folder_of_films_says_what_lies_there_and_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "film.bin").write_bytes(b"\0\0\0\x20ftypisom")
    with pytest.raises(DataError, match="0 images; there are 1 x a video") as caught:
        opened(tmp_path)
    assert "ffmpeg" in str(caught.value)


# --- damage ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_a_file_without_its_end_mark_is_repaired_and_a_cut_one_is_not(tmp_path: Path, form: str) -> None:
    fill(tmp_path, 20, size=32)
    whole = as_bytes(picture(32), form)
    (tmp_path / "torn").write_bytes(whole[: -2 if form == "JPEG" else -12])
    (tmp_path / "cut").write_bytes(whole[: len(whole) // 2])
    config = of(tmp_path, allow_unreadable=1)
    found = verdicts(config)
    assert found["torn"] == ("repaired", "its end mark was missing")
    assert found["cut"][0] == "left out" and found["00.png"] == ("kept", "")
    with pytest.raises(DataError, match="1 of 22 files"):
        opened(tmp_path)


def test_large_jpeg_images_are_read_at_a_reduced_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, 3, "jpg", 64)
    monkeypatch.setattr("infogan.data.decoding.MOST_PIXELS", 1_000)
    assert len(images(opened(tmp_path, size=8))) == 3


def test_messages_of_libtiff_stay_off_the_terminal(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    fill(tmp_path, 3)
    file = io.BytesIO()
    picture().save(file, "TIFF", compression="tiff_lzw")
    damaged = bytearray(file.getvalue())
    damaged[8:60] = bytes(52)
    (tmp_path / "bad.tif").write_bytes(damaged)
    assert audit(tmp_path).left_out
    assert capfd.readouterr().err == ""


# --- values ----------------------------------------------------------------------------------------------


def dark(folder: Path) -> Path:
    """Images of 12 bits in 16."""
    folder.mkdir(exist_ok=True)
    for index in range(12):
        Image.fromarray(RNG.integers(0, 4096, (16, 16), dtype=np.uint16)).save(folder / f"{index}.png")
    return folder


def test_nothing_is_trained_on_nearly_black_images_without_a_range(tmp_path: Path) -> None:
    folder = dark(tmp_path / "a")
    with pytest.raises(DataError, match="nearly black: no value is above 40") as caught:
        api.train(str(folder), out=tmp_path / "run")
    assert "data.range = '" in str(caught.value) and "--range=" in caught.value.for_command_line
    assert not (tmp_path / "run").exists()
    assert opened(folder, range="0:4095").problem is None


def test_percentiles_are_measured_over_all_images_and_recorded(tmp_path: Path) -> None:
    for index, value in enumerate((0.0, 100.0, 200.0, 300.0)):
        Image.fromarray(np.full((8, 8), value, np.float32)).save(tmp_path / f"{index}.tif")
    dataset = opened(tmp_path, range="p0:p100")
    assert dataset.value_range == "0:300"
    assert sorted(images(dataset)[:, 0, 0, 0].tolist()) == [0, 85, 170, 255]
    assert opened(tmp_path, range="0:300").fingerprint == dataset.fingerprint


@pytest.mark.parametrize("text", ["5", "3:1", "p0:p101", "a:b"])
def test_a_range_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="range"):
        api.configure("mnist", settings={"data.range": text})


def test_arrays_of_any_numbers_need_a_range(tmp_path: Path) -> None:
    np.save(tmp_path / "ct.npy", np.linspace(-1000, 3000, 8 * 64).reshape(8, 8, 8).astype(np.int16))
    with pytest.raises(DataError, match="int16 with values from -1000 to 3000") as caught:
        opened(tmp_path / "ct.npy")
    assert "--range=-1000:3000" in caught.value.for_command_line
    found = images(opened(tmp_path / "ct.npy", range="-1000:3000"))
    assert (found.min(), found.max()) == (0, 255)


def test_white_drawings_on_transparent_ground_need_a_background(tmp_path: Path) -> None:
    for index in range(6):
        pixels = np.full((16, 16, 4), 255, np.uint8)
        pixels[index : index + 4, :, 3] = 0
        Image.fromarray(pixels).save(tmp_path / f"{index}.png")
    with pytest.raises(DataError, match="all 6 images are identical after transparent pixels"):
        api.train(str(tmp_path), out=tmp_path / "run")
    on_black = opened(tmp_path, background="black")
    assert on_black.problem is None and images(on_black).min() == 0


def test_long_images_are_padded_or_stretched_where_asked(tmp_path: Path) -> None:
    for index in range(4):
        Image.new("L", (64, 8), 40 * index + 50).save(tmp_path / f"{index}.png")
    padded = images(opened(tmp_path, size=16, fit="pad", background="black"))
    assert padded[:, 0].max() == 0 and padded[:, 8].min() > 40
    stretched = images(opened(tmp_path, size=16, fit="stretch"))
    assert all(np.ptp(image) == 0 for image in stretched)
    assert audit(tmp_path).share_kept == pytest.approx(8 / 64)


def test_named_data_sets_refuse_these_settings() -> None:
    with pytest.raises(InfoGANError, match=r"data\.range = '0:9': digits does not use it"):
        load(DataConfig(source="digits", range="0:9"))


# --- files and split -------------------------------------------------------------------------------------


def test_masks_next_to_their_images_are_noticed_and_can_be_excluded(tmp_path: Path) -> None:
    fill(tmp_path / "a", 6)
    for index in range(6):
        picture().save(tmp_path / "a" / f"{index:02d}_mask.png")
    assert audit(tmp_path / "a").pairs == {"*_mask.*": 6}
    assert len(images(opened(tmp_path / "a", exclude=("*_mask.*",)))) == 6
    fill(tmp_path / "b" / "images", 6)
    fill(tmp_path / "b" / "masks", 6)
    assert audit(tmp_path / "b").pairs == {"masks/*": 6}
    assert opened(tmp_path / "b", exclude=("masks",)).train.truth.classes == ()


def test_the_common_size_is_kept_if_one_image_is_larger(tmp_path: Path) -> None:
    fill(tmp_path, 30, size=28)
    picture(29).save(tmp_path / "odd.png")
    assert images(opened(tmp_path)).shape[1:] == (28, 28, 3)
    assert "'odd.png' has another size" in "".join(audit(tmp_path).lines())


def test_a_stray_picture_costs_no_labels(tmp_path: Path) -> None:
    fill(tmp_path / "cat", 10)
    fill(tmp_path / "dog", 10)
    picture().save(tmp_path / "cover.png")
    assert opened(tmp_path).train.truth.classes == ("(no folder)", "cat", "dog")
    assert "'cover.png' the first" in "".join(audit(tmp_path).lines())


@pytest.mark.parametrize("by", ["folder", "prefix"])
def test_images_of_one_group_lie_on_one_side(tmp_path: Path, by: str) -> None:
    for group in range(8):
        folder = tmp_path / (f"clip{group}" if by == "folder" else "clips")
        folder.mkdir(exist_ok=True)
        for number in range(5):
            name = f"{number}.png" if by == "folder" else f"patient{chr(97 + group)}-{number}.png"
            Image.new("RGB", (8, 8), (30 * group + 1, 10 * number, 5)).save(folder / name)
    dataset = opened(tmp_path, split_by=by)
    train, test = (set(part.images[:, 0, 0, 0].tolist()) for part in (dataset.train, dataset.test))
    assert test and not train & test
    assert {len(part.images) % 5 for part in (dataset.train, dataset.test)} == {0}


def test_one_group_cannot_be_split(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="split_by = 'folder': 1 group of 6 images"):
        opened(fill(tmp_path, 6), split_by="folder")


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (np.array([[0], [1], [2]] * 4), ()),
        (np.eye(3)[[0, 1, 2] * 4], ()),
        (np.array(["a", "b", "c"] * 4), ("a", "b", "c")),
        (np.array([0.0, 1.0, 2.0] * 4), ()),
    ],
)
def test_labels_of_several_forms_are_read(
    tmp_path: Path, labels: np.ndarray, classes: tuple[str, ...]
) -> None:
    pixels = RNG.integers(0, 256, (12, 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "a.npz", images=pixels, labels=labels)
    truth = opened(tmp_path / "a.npz").train.truth
    assert truth.labels is not None and set(truth.labels.tolist()) == {0, 1, 2}
    assert truth.classes == classes and not truth.factors


def test_negative_labels_are_stated_and_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pixels = RNG.integers(0, 256, (12, 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "a.npz", images=pixels, labels=np.array([-1, 0, 1] * 4))
    truth = opened(tmp_path / "a.npz").train.truth
    assert truth.labels is None and not truth.factors
    assert "4 values are negative" in caplog.text
