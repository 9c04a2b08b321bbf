"""Discoveries of labelled folders are compared with clustering, on images that no method was fitted to."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from infogan.cli import main
from infogan_experiments.folder_categories import METHODS


def write_classes(folder: Path, count: int = 200) -> None:
    """Write noisy images of three patterns, one folder per pattern."""
    rng = np.random.default_rng(0)
    patterns = rng.integers(40, 200, (3, 16, 16))
    for number in range(count):
        label = number % 3
        image = (patterns[label] + rng.normal(0, 12, (16, 16))).clip(0, 255).astype(np.uint8)
        path = folder / f"class{label}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)


@pytest.mark.long
def test_each_folder_gets_one_discovery_and_the_scores_of_all_methods(tmp_path: Path) -> None:
    for name in ("first", "second"):
        write_classes(tmp_path / "data" / name)
    arguments = ["reproduce", "discover-folders", "--data", str(tmp_path / "data"), "--quick"]
    assert main([*arguments, "--set", "network.width=0.5", "--out", str(tmp_path / "out")]) == 0
    (path,) = (tmp_path / "out").rglob("discover-folders.json")
    folders = json.loads(path.read_text())["folders"]
    assert list(folders) == ["first", "second"]
    for values in folders.values():
        assert set(values["scores"]["true"]) == {"categories", *METHODS}
        assert values["scores"]["true"]["kmeans"]["nmi"] > 0.9


def test_a_missing_folder_is_an_error_in_three_parts(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce", "discover-folders", "--quick"]) == 2
    message = capsys.readouterr().err
    assert "has no images of its own" in message and "--data FOLDER" in message
