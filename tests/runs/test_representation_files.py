"""RUN/representation: complete or absent, checked byte by byte, and the same when a run is resumed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from infogan.errors import StorageError
from infogan.runs.representation_files import ANCHORS, ENCODER, Representation, check, load, save


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    anchors = {"style": torch.arange(4.0)[:, None]}
    encoder = {"blocks.0.weight": torch.ones(2, 1, 3, 3)}
    save(tmp_path / "representation", Representation(anchors, encoder, [{"name": "style"}]))
    return tmp_path / "representation"


def test_a_representation_comes_back_exactly(folder: Path) -> None:
    back = load(folder)
    assert back is not None and back.encoder is not None and back.sha256 is not None
    assert torch.equal(back.anchors["style"], torch.arange(4.0)[:, None])
    assert torch.equal(back.encoder["blocks.0.weight"], torch.ones(2, 1, 3, 3))
    assert back.candidates == [{"name": "style"}]
    assert {ANCHORS, ENCODER} < set(back.sha256)
    check(folder, back, back.sha256)


def test_the_encoder_is_optional_and_so_is_all_of_it(tmp_path: Path) -> None:
    assert load(tmp_path / "representation") is None
    save(tmp_path / "representation", Representation({"style": torch.zeros(2, 1)}))
    back = load(tmp_path / "representation")
    assert back is not None and back.encoder is None and back.candidates is None
    check(tmp_path / "elsewhere", None, {})


def test_a_damaged_file_is_named(folder: Path) -> None:
    path = folder / ANCHORS
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(StorageError, match=ANCHORS):
        load(folder)


def test_missing_other_and_added_files_are_refused(folder: Path, tmp_path: Path) -> None:
    trained = load(folder)
    assert trained is not None and trained.sha256 is not None
    with pytest.raises(StorageError, match="representation is missing"):
        check(folder, None, trained.sha256)
    with pytest.raises(StorageError, match="was added"):
        check(folder, trained, {})
    save(folder, Representation({"style": torch.zeros(4, 1)}, trained.encoder, trained.candidates))
    with pytest.raises(StorageError, match=f"changed since the run was trained: {ANCHORS}\n") as caught:
        check(folder, load(folder), trained.sha256)
    assert "override=True" in caught.value.advice
