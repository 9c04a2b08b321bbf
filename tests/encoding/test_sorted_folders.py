"""Sorting: every image is in the folder of its category, under its name, and nothing is overwritten."""

from __future__ import annotations

import csv
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import infogan
from infogan.api import Sorted
from infogan.encoding import sorted_folders
from infogan.errors import DataError, UsageError
from infogan.model import InfoGAN
from infogan.runs.code_names import CodeNames, Note
from tests.encoding.conftest import pixels


def table(folder: Path, name: str = "sorted.csv") -> list[dict[str, str]]:
    with (folder / name).open(newline="") as file:
        return list(csv.DictReader(file))


def test_images_are_linked_in_the_folder_of_their_category_the_most_certain_first(
    model: InfoGAN, photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "sorted"
    found = infogan.sort(model, photos, out=out)
    assert sum(found.counts.values()) == 30 and len(found.counts) > 1
    rows = table(out)
    assert sorted(row["image"] for row in rows) == sorted(f"{f}/{i}.png" for f in "ab" for i in range(15))
    for row in rows:
        link = out / row["file"]
        assert link.is_symlink() and link.resolve() == (photos / row["image"]).resolve()
        expected = model.encode(np.array(Image.open(link))[None, ..., None])["digit"][0]
        assert row["file"].startswith(f"digit-{expected.argmax()}/")
        assert float(row["probability"]) == pytest.approx(float(expected.max()), abs=1e-5)
    for name in found.counts:
        in_order = sorted((row for row in rows if row["file"].startswith(name)), key=lambda row: row["file"])
        certainties = [float(row["probability"]) for row in in_order]
        assert certainties == sorted(certainties, reverse=True)
        assert [Path(row["file"]).name[:5] for row in in_order] == [
            f"{n + 1:04d}-" for n in range(len(in_order))
        ]
        assert (out / f"{name}.png").is_file()


def test_files_keep_their_names_and_equal_names_do_not_collide(
    model: InfoGAN, photos: Path, tmp_path: Path
) -> None:
    infogan.sort(model, photos, out=tmp_path / "sorted")
    for row in table(tmp_path / "sorted"):
        assert row["file"].partition("-")[2].partition("-")[2] == Path(row["image"]).name
    assert len({row["file"] for row in table(tmp_path / "sorted")}) == 30


def test_unreadable_files_are_listed_with_a_reason(model: InfoGAN, photos: Path, tmp_path: Path) -> None:
    found = infogan.sort(model, photos, out=tmp_path / "sorted")
    assert [skipped.path for skipped in found.skipped] == ["a/broken.png"]
    (row,) = table(tmp_path / "sorted", "unreadable.csv")
    assert row["image"] == "a/broken.png" and "text file" in row["reason"]


def test_a_continuous_code_gives_the_order(model: InfoGAN, photos: Path, tmp_path: Path) -> None:
    infogan.sort(model, photos, out=tmp_path / "sorted", by=["slant", "flag"], copy=True)
    rows = sorted(table(tmp_path / "sorted"), key=lambda row: row["file"])
    assert {row["file"][:6] for row in rows} <= {"flag-0", "flag-1"}
    for folder in ("flag-0", "flag-1"):
        values = [float(row["value"]) for row in rows if row["file"].startswith(folder)]
        assert values == sorted(values)
    assert len({row["value"] for row in rows}) > 20


def test_copies_are_files_with_the_same_content(model: InfoGAN, photos: Path, tmp_path: Path) -> None:
    infogan.sort(model, photos, out=tmp_path / "sorted", copy=True)
    for row in table(tmp_path / "sorted"):
        copy = tmp_path / "sorted" / row["file"]
        assert not copy.is_symlink() and copy.read_bytes() == (photos / row["image"]).read_bytes()


def test_images_of_an_archive_are_written_as_they_are(model: InfoGAN, photos: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        for file in sorted(photos.rglob("*.png")):
            archive.write(file, file.relative_to(photos))
    infogan.sort(model, tmp_path / "photos.zip", out=tmp_path / "sorted")
    rows = table(tmp_path / "sorted")
    assert len(rows) == 30
    for row in rows:
        assert (tmp_path / "sorted" / row["file"]).read_bytes() == (photos / row["image"]).read_bytes()


def test_images_of_an_array_are_written_as_png_files(model: InfoGAN, tmp_path: Path) -> None:
    images = pixels(20)
    infogan.sort(model, images, out=tmp_path / "sorted")
    for row in table(tmp_path / "sorted"):
        written = np.array(Image.open(tmp_path / "sorted" / row["file"]))
        assert np.array_equal(written, images[int(row["image"]), ..., 0])
        assert row["file"].endswith(f"-{row['image']}.png")


@pytest.mark.parametrize("inside", [False, True], ids=["a full folder", "a folder inside the images"])
def test_nothing_is_overwritten_or_added_to_the_images(
    model: InfoGAN, photos: Path, tmp_path: Path, inside: bool
) -> None:
    out = photos / "sorted" if inside else tmp_path / "mine"
    if not inside:
        out.mkdir()
        (out / "letter.txt").write_text("mine")
    before = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*"))
    with pytest.raises(UsageError, match="inside" if inside else "nothing is overwritten"):
        infogan.sort(model, photos, out=out)
    assert sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*")) == before


def test_an_empty_folder_is_filled(model: InfoGAN, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert isinstance(infogan.sort(model, photos, out=tmp_path / "empty"), Sorted)
    assert (tmp_path / "empty" / "sorted.csv").is_file()


def test_a_failure_leaves_nothing_behind(
    model: InfoGAN, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sorted_folders, "_link", fail)
    with pytest.raises(KeyboardInterrupt):
        infogan.sort(model, photos, out=tmp_path / "sorted")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photos"]


def test_a_file_system_without_links_is_explained(
    model: InfoGAN, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, target: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    with pytest.raises(UsageError, match="copy=True"):
        infogan.sort(model, photos, out=tmp_path / "sorted")


def test_names_given_by_the_user_are_those_of_folders_and_of_the_code(
    model: InfoGAN, photos: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    model.save_pretrained(run)
    categories = {index: f"sort {index}" for index in range(4)}
    notes = {"digit": Note("numeral", "", categories), "slant": Note("lean of it")}
    CodeNames(model.config.latents.codes, notes).write(run)
    found = infogan.sort(run, photos, out=tmp_path / "sorted", by="lean of it")
    assert set(found.counts) <= {f"numeral-{index}-sort_{index}" for index in range(4)}
    assert {row["category_name"] for row in table(tmp_path / "sorted")} <= set(categories.values())


def test_a_very_long_name_is_cut_and_odd_characters_are_replaced(model: InfoGAN, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for name in (f"{'ä' * 125}.png", "two\nlines.png"):
        Image.fromarray(pixels(1)[0, ..., 0]).save(tmp_path / "photos" / name)
    infogan.sort(model, tmp_path / "photos", out=tmp_path / "sorted")
    names = [Path(row["file"]).name for row in table(tmp_path / "sorted")]
    assert sum(name.endswith("-two_lines.png") for name in names) == 1
    assert all(len(name.encode()) <= 255 and name.endswith(".png") for name in names)


def test_a_sheet_of_a_large_category_spans_it(
    model: InfoGAN, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[list[str]] = []
    monkeypatch.setattr(sorted_folders, "_ON_SHEET", 5)
    monkeypatch.setattr(
        sorted_folders,
        "contact_sheet",
        lambda images, labels, title: shown.append(labels) or Image.new("L", (1, 1)),
    )
    found = infogan.sort(model, pixels(60), out=tmp_path / "sorted")
    for labels, count in zip(shown, found.counts.values(), strict=True):
        numbers = [int(label.partition(":")[0]) for label in labels]
        assert len(numbers) == min(5, count) and numbers[0] == 1 and numbers[-1] == count


@pytest.mark.parametrize(
    ("by", "message"),
    [
        ("slan", "did you mean 'slant'"),
        (["slant", "turn"], "both give the order"),
        (["digit", "flag"], "both give the folders"),
    ],
)
def test_a_wrong_code_is_explained(
    model: InfoGAN, photos: Path, tmp_path: Path, by: str | list[str], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        infogan.sort(model, photos, out=tmp_path / "sorted", by=by)


def test_a_folder_of_damaged_images_is_an_error(model: InfoGAN, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.png").write_text("no image")
    with pytest.raises(DataError, match=r"has no images\n.*a\.png"):
        infogan.sort(model, tmp_path / "photos", out=tmp_path / "sorted")
    assert not (tmp_path / "sorted").exists()
