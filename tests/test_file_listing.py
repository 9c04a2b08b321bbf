"""What lies below a folder: in one order, links only within it, nothing twice."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from infogan.file_listing import LEADS_OUT, Skipped, listing, walk


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (
        "images/b/2.png",
        "images/b/1.png",
        "images/a/3.png",
        "images/z.png",
        "images/.x/4.png",
        "out/5.png",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return tmp_path / "images"


def names(folder: Path, skipped: list[Skipped] | None = None, **options: bool) -> list[str]:
    return [
        str(path.relative_to(folder)) for path in walk(folder, [] if skipped is None else skipped, **options)
    ]


def test_files_come_before_folders_each_sorted_and_without_hidden_ones(folder: Path) -> None:
    assert names(folder) == ["z.png", "a/3.png", "b/1.png", "b/2.png"]


def test_links_are_followed_within_the_folder_only(folder: Path) -> None:
    (folder / "inside.png").symlink_to(folder / "a" / "3.png")
    (folder / "out.png").symlink_to(folder.parent / "out" / "5.png")
    (folder / "outside").symlink_to(folder.parent / "out")
    (folder / "up").symlink_to(folder.parent)
    skipped: list[Skipped] = []
    assert names(folder, skipped) == ["inside.png", "z.png", "a/3.png", "b/1.png", "b/2.png"]
    assert skipped == [(name, LEADS_OUT) for name in ("out.png", "outside", "up")]
    followed = names(folder, follow_links=True)
    assert "out.png" in followed and "outside/5.png" in followed


def test_a_sibling_whose_name_begins_alike_is_outside(folder: Path) -> None:
    other = folder.parent / "images-of-others"
    other.mkdir()
    (other / "6.png").touch()
    (folder / "l.png").symlink_to(other / "6.png")
    assert "l.png" not in names(folder)


def test_a_folder_that_is_itself_a_link_is_read(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder)
    assert names(tmp_path / "link") == names(folder)
    assert listing(tmp_path / "link") == listing(folder)


def test_links_in_a_circle_end_and_broken_ones_stay_for_their_reader(folder: Path) -> None:
    (folder / "a" / "back").symlink_to(folder)
    (folder / "self.png").symlink_to("self.png")
    (folder / "broken.png").symlink_to("nothing.png")
    assert names(folder) == ["broken.png", "self.png", "z.png", "a/3.png", "b/1.png", "b/2.png"]


def test_the_digest_changes_with_what_a_link_shows(folder: Path) -> None:
    before = listing(folder)
    (folder / "out.png").symlink_to(folder.parent / "out" / "5.png")
    assert listing(folder) == before
    assert listing(folder, follow_links=True) != before


def test_what_infogan_wrote_is_left_out(folder: Path) -> None:
    """`cd FOLDER; infogan discover .` writes into FOLDER/runs, and the next command reads FOLDER again."""
    for name in (
        "runs/discover-001/discovery-state.json", "runs/discover-001/run/samples/1.png",
        "runs/mnist-001/config.toml", "runs/mnist-001/checkpoints/c", "runs/mnist-001/samples/1.png",
        "configured/config.toml", "configured/7.png",
    ):  # fmt: skip
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert names(folder) == [
        "z.png",
        "a/3.png",
        "b/1.png",
        "b/2.png",
        "configured/7.png",
        "configured/config.toml",
    ]


def test_a_named_run_is_read(folder: Path) -> None:
    """Somebody may want the samples of a run as images, and says so."""
    (folder / "config.toml").touch()
    (folder / "checkpoints").mkdir()
    assert "z.png" in names(folder)


def test_folders_may_be_nested_deeper_than_calls(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    for _ in range(1_500):
        os.mkdir("d", dir_fd=descriptor)
        inner = os.open("d", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = inner
    os.close(os.open("1.png", os.O_CREAT | os.O_WRONLY, dir_fd=descriptor))
    os.close(descriptor)
    assert len(names(tmp_path)) == 1
    (tmp_path.joinpath(*["d"] * 1_500) / "1.png").unlink()  # pytest's own way to delete it is recursive
    for depth in range(1_500, 0, -1):
        tmp_path.joinpath(*["d"] * depth).rmdir()
