"""The outcome of a discovery on disk: the page after each phase, and discovery.json after the last."""

from __future__ import annotations

import json
from pathlib import Path

from infogan.discovery.candidate_verdicts import verdicts
from infogan.discovery.outcome import Outcome, Stage
from infogan.representation.learning import Learned
from tests.discovery.learned_builders import IMAGES, candidate, categories, learned


def outcome(found: Learned, stage: Stage) -> Outcome:
    return Outcome(found, verdicts(found), IMAGES, ["size: 8x8"], stage, 10.0, 1.25)


def test_before_the_end_there_is_a_page_and_no_result(tmp_path: Path) -> None:
    outcome(learned(candidate(), found=categories()), "first").write(tmp_path)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "size: 8x8" in page
    assert "coordinate1" in page
    assert "found in the real images" in page
    assert page.count("data:image/png") >= 3  # categories, images of none, and the strip of the coordinate
    assert not (tmp_path / "discovery.json").exists()


def test_if_nothing_is_found_that_is_the_result(tmp_path: Path) -> None:
    result = outcome(learned(), "nothing").write(tmp_path)
    assert json.loads((tmp_path / "discovery.json").read_text()) == result
    assert result["found"] == {}
    assert result["run"] is None
    assert result["none_of_these"] == 0
    assert "data:image/png" not in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_the_result_counts_the_images_of_no_category() -> None:
    assert outcome(learned(found=categories()), "features").result()["none_of_these"] == 4


def test_the_page_escapes_what_it_shows(tmp_path: Path) -> None:
    folder = tmp_path / "a <b>folder"
    folder.mkdir()
    outcome(learned(candidate()), "first").write(folder)
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "a <b>folder" not in page
    assert "a &lt;b&gt;folder" in page
