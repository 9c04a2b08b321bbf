"""The folder of drawn pictures: what a user's folder is like, and what is read of it."""

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
from infogan_experiments.own_images import KINDS, SIZES, draw_folder, draw_picture

COUNT = 400


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("own") / "pictures"
    draw_folder(path, COUNT, seed=0)
    return path


def test_pictures_are_of_three_sizes_and_all_kinds_and_some_files_are_torn(folder: Path) -> None:
    sizes: Counter[tuple[int, int]] = Counter()
    kinds: Counter[str] = Counter()
    torn = 0
    for path in folder.rglob("*.*"):
        try:
            with Image.open(path) as picture:
                picture.load()
        except (OSError, UnidentifiedImageError):
            torn += 1
            continue
        sizes[picture.size] += 1
        kinds[path.parent.name] += 1
    assert set(sizes) == set(SIZES)
    assert set(kinds) == set(KINDS)
    assert min([*sizes.values(), *kinds.values()]) > COUNT / 8
    assert (sum(sizes.values()), torn) == (COUNT, 2)


def test_the_folder_is_read_as_one_s_own_and_torn_files_are_told(folder: Path) -> None:
    dataset = data.load(DataConfig(source="folder", path=str(folder), size=32))
    images = np.concatenate([dataset.train.images, dataset.test.images])
    assert images.shape == (COUNT, 32, 32, 3)
    assert len(dataset.skipped) == 2
    assert dataset.test.labels is not None
    assert len(np.unique(dataset.test.labels)) == len(KINDS)


def test_the_same_seed_draws_the_same_files_and_what_is_there_is_left(folder: Path, tmp_path: Path) -> None:
    draw_folder(tmp_path / "again", 8, seed=0)
    draw_folder(tmp_path / "other", 8, seed=1)
    drawn = {path.relative_to(tmp_path / "again") for path in (tmp_path / "again").rglob("*.*")}
    assert all((folder / path).read_bytes() == (tmp_path / "again" / path).read_bytes() for path in drawn)
    assert drawn != {path.relative_to(tmp_path / "other") for path in (tmp_path / "other").rglob("*.*")}
    draw_folder(tmp_path / "again", 8, seed=1)
    assert {path.relative_to(tmp_path / "again") for path in (tmp_path / "again").rglob("*.*")} == drawn


@pytest.mark.parametrize("kind", KINDS)
def test_a_thing_stands_in_the_middle_of_its_landscape(kind: str) -> None:
    chance = np.random.default_rng(0)
    picture = np.asarray(draw_picture(kind, (96, 96), chance), dtype=np.float64)
    rows = picture[30:75]
    away = np.abs(rows - rows[:, :8].mean(1, keepdims=True)).sum(-1)  # from the landscape at the left
    assert away[:, 30:66].max() > 150


def test_own_data_are_refused_with_the_command_that_takes_them(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="draws its pictures itself") as caught:
        run("own-pictures", Options(data=tmp_path, out=tmp_path / "out"))
    assert f"infogan train {tmp_path}" in caught.value.advice
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_from_files_to_a_page_in_the_small(tmp_path: Path) -> None:
    for _ in range(2):  # the second time finds everything done
        run("own-pictures", Options(out=tmp_path, quick=True))
    text = (tmp_path / "own-pictures.md").read_text()
    assert "| 100 | 20 |" in text
    for name in ("real", "generated", "kind", "style1", "style2"):
        assert f"(own-pictures-quick/seed-100/{name}.png)" in text
        with Image.open(tmp_path / "own-pictures-quick" / "seed-100" / f"{name}.png") as picture:
            assert min(picture.size) > 100
    assert len(list((tmp_path / "rows").iterdir())) == 1
    # What a run writes must not be among the pictures: it would be another folder when the run goes on.
    assert {path.name for path in (tmp_path / "pictures-quick").iterdir()} == set(KINDS)
