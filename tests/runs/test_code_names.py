"""Names and descriptions of codes in RUN/codes.json."""

from __future__ import annotations

from pathlib import Path

import pytest

from infogan.config import parse_codes
from infogan.errors import StorageError, UsageError
from infogan.runs import code_names
from infogan.runs.code_names import CodeNames, Note

CODES = parse_codes("digit:3 rotation:u")


def test_names_are_read_as_they_were_written(tmp_path: Path) -> None:
    written = CodeNames(CODES).with_note("rotation", Note("slant", "Leans to the right."))
    written = written.with_note("digit", Note("", "", {2: "seven"}))
    written.write(tmp_path)
    names = code_names.read(tmp_path, CODES)
    assert names.notes == written.notes
    assert names.shown("rotation") == "slant"
    assert names.titled("rotation") == "slant (rotation)"
    assert names.category("digit", 2) == "seven"


def test_a_run_without_the_file_has_its_configured_names(tmp_path: Path) -> None:
    names = code_names.read(tmp_path, CODES)
    assert names.shown("rotation") == names.titled("rotation") == "rotation"
    assert names.category("digit", 2) == "2"


def test_a_code_is_found_by_either_name() -> None:
    names = CodeNames(CODES, {"rotation": Note("slant")})
    assert [names.find(name) for name in ("slant", "rotation", "unknown")] == [
        "rotation",
        "rotation",
        "unknown",
    ]


def test_names_in_any_script_are_possible() -> None:
    assert CodeNames(CODES, {"rotation": Note("Neigung ä 傾き")}).shown("rotation") == "Neigung ä 傾き"


@pytest.mark.parametrize("name", ["=cmd", "../x", "a/b", "<b>", " x", "x\n", "-x", "_", "x" * 41, "\x1b[31m"])
def test_a_name_that_a_shell_or_a_spreadsheet_would_interpret_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="cannot be a name"):
        CodeNames(CODES, {"rotation": Note(name)})


def test_two_codes_cannot_have_the_same_name() -> None:
    with pytest.raises(UsageError, match="two codes would have the name 'digit'"):
        CodeNames(CODES, {"rotation": Note("digit")})


def test_two_codes_can_swap_their_names() -> None:
    names = CodeNames(CODES, {"rotation": Note("digit"), "digit": Note("rotation")})
    assert (names.shown("digit"), names.find("rotation")) == ("rotation", "digit")


@pytest.mark.parametrize(("code", "index"), [("digit", 3), ("digit", -1), ("rotation", 0)])
def test_only_categories_that_exist_have_names(code: str, index: int) -> None:
    with pytest.raises(UsageError, match="has no category"):
        CodeNames(CODES, {code: Note("", "", {index: "x"})})


def test_a_description_is_plain_text_of_limited_length() -> None:
    for text in ("x" * 501, "a\x00b"):
        with pytest.raises(UsageError, match="description"):
            CodeNames(CODES, {"digit": Note("", text)})


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{",
        '{"digit": 3}',
        '{"digit": {"name": 3}}',
        '{"digit": {"nome": "x"}}',
        '{"width": {"name": "x"}}',
        '{"digit": {"categories": {"a": "x"}}}',
        '{"digit": {"categories": ["x"]}}',
        '{"digit": {"name": "=x"}}',
        "[" * 5000,
    ],
)
def test_a_damaged_file_is_refused_with_its_path(tmp_path: Path, content: str) -> None:
    path = tmp_path / code_names.FILE
    path.write_text(content)
    with pytest.raises(StorageError, match=r"codes\.json cannot be used"):
        code_names.read(tmp_path, CODES)
