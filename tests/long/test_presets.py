"""Every preset trains from files of the original format, and every figure's command runs."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from infogan import api, presets
from infogan.data import SOURCES
from infogan.model import InfoGAN
from infogan.runs.directory import RunDirectory
from infogan_experiments import names, run
from infogan_experiments.experiment import EXPERIMENTS, Options

STEPS, DRAWN = 50, 120

Files = Callable[[str], Path | None]


@pytest.mark.slow
@pytest.mark.parametrize("preset", presets.PRESETS)
def test_a_preset_trains_with_its_own_networks(preset: str, files: Files, tmp_path: Path) -> None:
    data = files(preset)
    settings = {"training.steps": STEPS, "training.batch_size": 8}
    if presets.PRESETS[preset].recipe != "paper":
        settings["objective.neighbours"] = 5  # the written sets have few images
    if data is None and SOURCES[presets.load(preset).data.source].renders:
        settings["data.count"] = DRAWN
    config = api.configure(preset, data=data, settings=settings)
    trained = api.train_config(config, out=tmp_path / "run")

    before = InfoGAN(trained.model.config)
    for part in ("generator", "trunk", "discriminator", "recognition"):
        pairs = zip(
            getattr(trained.model, part).parameters(), getattr(before, part).parameters(), strict=True
        )
        assert any(not torch.equal(mine, theirs) for mine, theirs in pairs), part
    lines = [json.loads(line) for line in trained.run.metrics_path.read_text().splitlines()]
    assert lines[-1]["step"] == STEPS
    assert lines[-1]["mutual_information"].keys() == config.latents.codes.keys()
    assert all(math.isfinite(value) for line in lines for value in line["loss"].values())

    again = InfoGAN.from_pretrained(RunDirectory.open(tmp_path / "run").path)
    assert again.provenance["steps"] == STEPS
    size, channels = trained.dataset.test.images.shape[1], trained.dataset.test.images.shape[3]
    assert again.sample(3, seed=1).shape == (3, size, size, channels)
    assert set(again.encode(trained.dataset.test.images[:2])) == set(config.latents.codes)


@pytest.mark.slow
@pytest.mark.parametrize(
    "figure", [name for name in names() if "quick" in EXPERIMENTS[name].takes and name in presets.PRESETS]
)
def test_the_smoke_test_of_a_figure_runs(figure: str, files: Files, tmp_path: Path) -> None:
    # Faces and chairs are rendered, as only rendered ones have known factors.
    rendered = SOURCES[presets.load(figure).data.source].renders
    data = None if rendered else files(figure)
    run(figure, Options(data=data, out=tmp_path / "out", quick=True))
    result = json.loads((tmp_path / "out" / f"{figure}.json").read_text())
    (arm,) = result["arms"]
    page = (tmp_path / "out" / f"{figure}.md").read_text()
    assert (tmp_path / "out" / arm["picture"]).exists() and f"({arm['picture']})" in page
    measured = [one for one in arm["figures"].values() if one["seeds"]]
    assert measured or figure == "celeba"  # a dozen photographs are too few for an attribute


@pytest.mark.slow
@pytest.mark.parametrize("name", ["discover-digits", "discover-noise"])
def test_the_smoke_test_of_a_discovery_runs(name: str, tmp_path: Path) -> None:
    for _ in range(2):  # the second time everything is complete
        run(name, Options(out=tmp_path / "out", quick=True))
    (row,) = json.loads((tmp_path / "out" / f"{name}.json").read_text())["rows"]
    assert row["discovery"]["chosen"] in row["discovery"]["runs"] and row["steps"] > 0
    assert ("scores" in row) == (name == "discover-digits")
    assert (tmp_path / "out" / "quick-seed-100" / "report.html").exists()
