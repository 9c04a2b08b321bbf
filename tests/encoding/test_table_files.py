"""Files of tables: no cell is a formula, every name can be stored, and a failure keeps the older file."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from infogan.encoding.table_files import check_name, check_replaceable, writing_table
from infogan.errors import StorageError, UsageError
from infogan.file_listing import harmless


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1"])
def test_a_text_that_a_spreadsheet_would_run_becomes_a_path(text: str) -> None:
    assert harmless(text) == f"./{text}"
    assert Path(harmless(text)) == Path(text)


def test_other_texts_stay_as_they_are(tmp_path: Path) -> None:
    texts = ["a.png", "/home/=x/a.png", 'quotes " and, commas', "two\nlines", "ä€"]
    with writing_table(tmp_path / "table.csv") as append:
        append({"image": texts, "value": np.arange(5) / 2})
    with (tmp_path / "table.csv").open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    assert header == ["image", "value"]
    assert [row[0] for row in rows] == texts
    assert rows[1][1] == "0.50000"


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_name_that_is_not_utf_8_can_be_stored(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"table.{ending}"
    with writing_table(path) as append:
        append({"image": [b"a\xff.png".decode("utf-8", "surrogateescape")]})
    if ending == "csv":
        assert path.read_text(encoding="utf-8").splitlines()[1] == r"a\udcff.png"
    else:
        assert pq.read_table(path)["image"].to_pylist() == [r"a\udcff.png"]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_an_error_while_writing_keeps_the_older_file(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"table.{ending}"
    path.write_text("older")
    with pytest.raises(RuntimeError), writing_table(path) as append:
        append({"value": np.arange(3)})
        raise RuntimeError
    assert path.read_text() == "older"
    assert list(tmp_path.iterdir()) == [path]


def test_parts_of_a_table_follow_each_other(tmp_path: Path) -> None:
    for path in (tmp_path / "table.csv", tmp_path / "table.parquet"):
        with writing_table(path) as append:
            append({"value": np.arange(3), "features": np.arange(6.0).reshape(3, 2)})
            append({"value": np.arange(3, 5), "features": np.zeros((2, 2))})
    assert pq.read_table(tmp_path / "table.parquet")["value"].to_pylist() == [0, 1, 2, 3, 4]
    assert pq.read_table(tmp_path / "table.parquet")["features"].to_pylist()[2] == [4.0, 5.0]
    assert (tmp_path / "table.csv").read_text().splitlines()[:2] == [
        "value,features_0,features_1",
        "0,0.00000,1.00000",
    ]


def test_names_that_are_no_table_are_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    for name, message in (("codes.txt", "not a table"), ("codes", "not a table"), ("folder.csv", "a folder")):
        with pytest.raises(UsageError, match=message):
            check_name(tmp_path / name)


def test_a_missing_package_is_named_with_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(UsageError, match=r"pip install 'infogan\[tables\]'"):
        check_name(tmp_path / "codes.parquet")
    check_name(tmp_path / "codes.csv")


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(StorageError, match="nowhere"),
        writing_table(tmp_path / "nowhere" / "a.csv") as append,
    ):
        append({"value": np.arange(3)})


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_file_of_somebody_else_is_never_replaced(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"codes.{ending}"
    for older in (b"my,own,codes\n", b"\x80\xff", b"PAR1"):
        path.write_bytes(older)
        with pytest.raises(UsageError, match="exists, and is not a table that infogan wrote") as caught:
            check_replaceable(path)
        assert f"--out {tmp_path / 'codes-2'}.{ending}" in caught.value.for_command_line
    path.unlink()
    with writing_table(path) as append:
        append({"image": ["a.png"], "style": np.arange(1.0)})
    check_replaceable(path)
