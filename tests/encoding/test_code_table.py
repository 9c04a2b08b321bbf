"""Tables of codes: every column has the model's values, in CSV as in Parquet."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

import infogan
from infogan.data import image_collection
from infogan.encoding import table_files
from infogan.errors import DataError, UsageError
from infogan.evaluation.embedding_map import embedding_map
from infogan.model import InfoGAN
from infogan.runs.code_names import CodeNames, Note
from tests.encoding.conftest import pixels

COLUMNS = ["image", "path", "digit", "digit_0", "digit_1", "digit_2", "digit_3"]
COLUMNS += ["slant", "slant_std", "turn", "turn_std", "flag"]


def csv_columns(path: Path) -> dict[str, list[str]]:
    header, *rows = csv.reader(path.read_text().splitlines())
    return dict(zip(header, map(list, zip(*rows, strict=True)), strict=True))


def test_a_row_has_the_posterior_of_every_code(model: InfoGAN, photos: Path, tmp_path: Path) -> None:
    table = infogan.encode(model, photos, out=tmp_path / "codes.parquet")
    found = pq.read_table(table.path).to_pydict()
    assert list(found) == COLUMNS and table.rows == len(found["image"]) == 30
    images = np.stack([np.array(Image.open(path))[..., None] for path in found["path"]])
    assert [Path(path).relative_to(photos).as_posix() for path in found["path"]] == found["image"]
    codes = model.encode(images)
    assert np.array_equal(found["digit"], codes["digit"].argmax(1))
    assert np.array_equal(np.stack([found[f"digit_{k}"] for k in range(4)], axis=1), codes["digit"])
    for name in ("slant", "turn", "flag"):
        assert np.array_equal(found[name], codes[name])
    posterior = model.latents.posteriors(model.recognise(images))["slant"]
    assert posterior.std is not None
    assert np.array_equal(found["slant_std"], posterior.std[:, 0])


def test_csv_and_parquet_have_the_same_columns(model: InfoGAN, photos: Path, tmp_path: Path) -> None:
    infogan.encode(model, photos, out=tmp_path / "codes.csv")
    infogan.encode(model, photos, out=tmp_path / "codes.parquet")
    text, found = csv_columns(tmp_path / "codes.csv"), pq.read_table(tmp_path / "codes.parquet").to_pydict()
    assert list(text) == list(found)
    assert text["path"] == found["path"]
    assert np.allclose(np.array(text["slant"], float), found["slant"], atol=1e-5)


def test_features_and_map_are_those_of_the_recognition_network(model: InfoGAN, tmp_path: Path) -> None:
    images = pixels(40)
    infogan.encode(model, images, out=tmp_path / "codes.parquet", features=True, map=True, seed=5)
    found = pq.read_table(tmp_path / "codes.parquet").to_pydict()
    features = model.features(images).numpy()
    assert np.array_equal(found["features"], features)
    positions = np.stack([found["map_x"], found["map_y"]], axis=1)
    assert np.allclose(positions, embedding_map(features, seed=5), atol=1e-6)
    infogan.encode(model, images, out=tmp_path / "codes.csv", features=True)
    text = csv_columns(tmp_path / "codes.csv")
    last = features.shape[1] - 1
    assert np.allclose(np.array(text[f"features_{last}"], float), features[:, last], atol=1e-5)


def test_batches_do_not_change_the_table(
    model: InfoGAN, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, parts = tmp_path / "whole.parquet", tmp_path / "parts.parquet"
    infogan.encode(model, photos, out=whole, map=True)
    monkeypatch.setattr(image_collection, "_PIXELS", 7 * 64)
    monkeypatch.setattr(table_files, "ROWS_PER_GROUP", 10)
    infogan.encode(model, photos, out=parts, map=True)
    assert pq.read_table(whole).equals(pq.read_table(parts))
    assert pq.ParquetFile(parts).num_row_groups > pq.ParquetFile(whole).num_row_groups == 1


def test_unreadable_files_are_reported_and_have_no_row(model: InfoGAN, photos: Path, tmp_path: Path) -> None:
    for extra in ({}, {"map": True}):  # the map reads images twice
        table = infogan.encode(model, photos, out=tmp_path / "codes.csv", **extra)
        assert [file.path for file in table.skipped] == ["a/broken.png"]
        assert "a/broken.png" not in csv_columns(tmp_path / "codes.csv")["image"]


def test_no_readable_image_leaves_an_older_table_as_it_is(model: InfoGAN, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.png").write_text("no image")
    (tmp_path / "codes.csv").write_text("image,older")
    for extra in ({}, {"map": True}):
        with pytest.raises(DataError, match=r"has no images\n.*a\.png"):
            infogan.encode(model, tmp_path / "photos", out=tmp_path / "codes.csv", **extra)
    assert (tmp_path / "codes.csv").read_text() == "image,older"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["codes.csv", "photos"]


def test_names_given_by_the_user_are_those_of_the_columns(model: InfoGAN, tmp_path: Path) -> None:
    run = tmp_path / "run"
    model.save_pretrained(run)
    notes = {"digit": Note("numeral", "", {0: "nought"}), "slant": Note("lean of it")}
    CodeNames(model.config.latents.codes, notes).write(run)
    infogan.encode(run, pixels(20), out=tmp_path / "codes.csv")
    found = csv_columns(tmp_path / "codes.csv")
    assert list(found)[:4] == ["image", "numeral", "numeral_name", "numeral_0"]
    assert {"lean_of_it", "lean_of_it_std"} <= set(found)
    assert found["numeral_name"] == ["nought" if k == "0" else k for k in found["numeral"]]


def test_a_name_that_two_columns_would_have_is_refused(model: InfoGAN, tmp_path: Path) -> None:
    run = tmp_path / "run"
    model.save_pretrained(run)
    CodeNames(model.config.latents.codes, {"slant": Note("digit_0")}).write(run)
    with pytest.raises(UsageError, match="'digit_0'"):
        infogan.encode(run, pixels(3), out=tmp_path / "codes.csv")
