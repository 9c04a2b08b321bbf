"""The folder of rendered pictures, as a user's folder, and the experiment on it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, UnidentifiedImageError

from infogan import data
from infogan.config import DataConfig
from infogan.errors import UsageError
from infogan_experiments import run
from infogan_experiments.experiment import Options
from infogan_experiments.own_images import CLASSES, SIZES, render_folder, render_picture

COUNT = 400


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("own") / "pictures"
    render_folder(path, COUNT, seed=0)
    return path


def test_pictures_are_of_three_sizes_and_all_classes_and_some_files_are_damaged(folder: Path) -> None:
    sizes: Counter[tuple[int, int]] = Counter()
    classes: Counter[str] = Counter()
    damaged = 0
    for path in folder.rglob("*.*"):
        try:
            with Image.open(path) as picture:
                picture.load()
        except (OSError, UnidentifiedImageError):
            damaged += 1
            continue
        sizes[picture.size] += 1
        classes[path.parent.name] += 1
    assert set(sizes) == set(SIZES)
    assert set(classes) == set(CLASSES)
    assert min([*sizes.values(), *classes.values()]) > COUNT / 8
    assert (sum(sizes.values()), damaged) == (COUNT, 2)


def test_the_folder_is_loaded_and_damaged_files_are_skipped(folder: Path) -> None:
    dataset = data.load(DataConfig(source="folder", path=str(folder), size=32))
    images = np.concatenate([dataset.train.images, dataset.test.images])
    assert images.shape == (COUNT, 32, 32, 3)
    assert len(dataset.skipped) == 2
    assert dataset.test.labels is not None
    assert len(np.unique(dataset.test.labels)) == len(CLASSES)


def test_the_same_seed_renders_the_same_files_and_an_existing_folder_is_kept(
    folder: Path, tmp_path: Path
) -> None:
    render_folder(tmp_path / "again", 8, seed=0)
    render_folder(tmp_path / "other", 8, seed=1)
    rendered = {path.relative_to(tmp_path / "again") for path in (tmp_path / "again").rglob("*.*")}
    assert all((folder / path).read_bytes() == (tmp_path / "again" / path).read_bytes() for path in rendered)
    assert rendered != {path.relative_to(tmp_path / "other") for path in (tmp_path / "other").rglob("*.*")}
    render_folder(tmp_path / "again", 8, seed=1)
    assert {path.relative_to(tmp_path / "again") for path in (tmp_path / "again").rglob("*.*")} == rendered


@pytest.mark.parametrize("name", CLASSES)
def test_an_object_is_in_the_middle_of_its_landscape(name: str) -> None:
    rng = np.random.default_rng(0)
    picture = np.asarray(render_picture(name, (96, 96), rng), dtype=np.float64)
    rows = picture[30:75]
    away = np.abs(rows - rows[:, :8].mean(1, keepdims=True)).sum(-1)  # from the landscape at the left
    assert away[:, 30:66].max() > 150


def test_own_data_are_refused_with_the_command_that_takes_them(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="renders its own pictures") as caught:
        run("own-pictures", Options(data=tmp_path, out=tmp_path / "out"))
    assert f"infogan train {tmp_path}" in caught.value.advice
    assert not (tmp_path / "out").exists()


@pytest.mark.long
def test_from_files_to_a_page_of_a_smoke_test(tmp_path: Path) -> None:
    for _ in range(2):  # the second time finds everything done
        run("own-pictures", Options(out=tmp_path, quick=True))
    text = (tmp_path / "own-pictures.md").read_text()
    assert "| 100 | 20 |" in text
    for name in ("real", "generated", "kind", "style1", "style2"):
        assert f"(own-pictures-quick/seed-100/{name}.png)" in text
        with Image.open(tmp_path / "own-pictures-quick" / "seed-100" / f"{name}.png") as picture:
            assert min(picture.size) > 100
    assert len(list((tmp_path / "rows").iterdir())) == 1
    # What a run writes must not be among the pictures: the folder would differ when the run resumes.
    assert {path.name for path in (tmp_path / "pictures-quick").iterdir()} == set(CLASSES)
