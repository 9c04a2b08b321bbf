"""The whole command of a figure."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from infogan.errors import ConfigError
from infogan_experiments import (
    results,
    run,
)
from infogan_experiments.experiment import Options

SMALL = {"network.width": 0.0625, "training.batch_size": 16, "data.count": 120}


@pytest.mark.slow
def test_a_quick_reproduction_writes_page_picture_and_values_and_resumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = Options(out=tmp_path, steps=4, settings=SMALL, quick=True)
    run("faces-azimuth", options)
    run("faces-azimuth", replace(options, recipe="paper"))
    result = json.loads((tmp_path / "faces-azimuth.json").read_text())
    assert [(arm["recipe"], arm["steps"]) for arm in result["arms"]] == [("paper", 4), ("robust", 4)]
    name = "azimuth, rank correlation of its code on identities that were not trained on"
    figures = result["arms"][1]["figures"][name]
    assert list(figures["seeds"]) == ["110"] and set(figures["baselines"]["110"]) == {"pca", "untrained"}
    assert (figures["least"], figures["needed_seeds"]) == (0.85, 2) and "verdict" not in figures
    text = (tmp_path / "faces-azimuth.md").read_text()
    for arm in result["arms"]:
        assert f"({arm['picture']})" in text
        with Image.open(tmp_path / arm["picture"]) as picture:
            width, height = picture.size
        # Five rows of ten cells, 64 wide with 2 between, inside margins and text.
        assert 10 * 66 <= width < 10 * 66 + 80 and 5 * 66 <= height < 5 * 66 + 160
    assert str(tmp_path / "faces-azimuth.md") in capsys.readouterr().out
    monkeypatch.setattr(results, "train_to", None)  # complete results are not trained again
    run("faces-azimuth", options)
    run(
        "faces-width", options
    )  # with `robust` it trains the same; results of the paper's recipe are not shared
    width = json.loads((tmp_path / "faces-width.json").read_text())
    assert [arm["recipe"] for arm in width["arms"]] == ["robust"]
    assert "width, rank" in next(iter(width["arms"][0]["figures"]))
    with pytest.raises(ConfigError, match="other settings"):
        run("faces-elevation", replace(options, recipe="paper"))
    with pytest.raises(ConfigError, match="other settings"):
        run("faces-azimuth", replace(options, settings={**SMALL, "info_weight": 3.0}))
    with pytest.raises(ConfigError, match="another experiment"):
        run("svhn", options)
