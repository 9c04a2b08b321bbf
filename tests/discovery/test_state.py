"""The state of a discovery on disk: what resumes, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from infogan.discovery.state import RESULT, State, open_state
from infogan.errors import DataError, UsageError

IDENTITY: dict[str, Any] = {"images": "ab12", "minutes": 10.0, "categories": None, "configuration": "cd34"}


def test_a_new_discovery_begins_with_no_time_spent(tmp_path: Path) -> None:
    state = open_state(tmp_path / "out", IDENTITY)
    assert state.facts == {"seconds": 0.0} and state.folder.is_dir()


def test_a_stopped_discovery_keeps_its_facts(tmp_path: Path) -> None:
    open_state(tmp_path / "out", IDENTITY).write(seconds=12.5, encoder_steps=40)
    assert open_state(tmp_path / "out", IDENTITY).facts == {"seconds": 12.5, "encoder_steps": 40}


def test_without_a_folder_the_newest_unfinished_discovery_of_the_same_images_resumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    first = open_state(None, IDENTITY)
    assert first.folder == Path("runs/discover-001")
    assert open_state(None, IDENTITY).folder == first.folder
    other = open_state(None, IDENTITY | {"images": "other"})
    assert other.folder == Path("runs/discover-002")
    (first.folder / RESULT).write_text("{}")  # complete
    assert open_state(None, IDENTITY).folder == Path("runs/discover-003")


@pytest.mark.parametrize("changed", ["minutes", "categories", "configuration"])
def test_another_option_in_the_same_folder_is_refused_in_three_parts(tmp_path: Path, changed: str) -> None:
    open_state(tmp_path / "out", IDENTITY)
    with pytest.raises(UsageError, match=f"another {changed}") as caught:
        open_state(tmp_path / "out", IDENTITY | {changed: 7})
    assert caught.value.expected == "the same options, to resume it"
    assert caught.value.advice == "another folder as out"


def test_other_images_in_the_same_folder_are_refused(tmp_path: Path) -> None:
    open_state(tmp_path / "out", IDENTITY)
    with pytest.raises(DataError, match="the images are not those of the discovery") as caught:
        open_state(tmp_path / "out", IDENTITY | {"images": "other"})
    assert caught.value.expected == "the same images, to resume it"


def test_a_folder_with_other_files_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(UsageError, match="is not an empty folder"):
        open_state(tmp_path, IDENTITY)
    with pytest.raises(UsageError, match="is not an empty folder"):
        open_state(tmp_path / "thesis.txt", IDENTITY)
    assert isinstance(open_state(tmp_path / "out", IDENTITY), State)
    assert (tmp_path / "thesis.txt").read_text() == "mine"
