"""Discoveries as experiments: their images, resuming, and their tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from infogan import api
from infogan.errors import ConfigError, DivergenceError, UsageError
from infogan_experiments import discovery_study, run
from infogan_experiments.experiment import EXPERIMENTS, Options

SMALL = {"network.width": discovery_study.QUICK_WIDTH, "training.batch_size": 8, "training.steps": 2}


def found(seed: int, codes: dict[str, float]) -> dict[str, Any]:
    """Return the result of a discovery without labels, given codes with their stability."""
    entries = {name: {"stability": stability, "verdict": ""} for name, stability in codes.items()}
    result = {"images": 1_500, "found": entries, "minutes": 2.0, "minutes_spent": 1.93}
    return {"seed": seed, "machine": {}, "discovery": result, "steps": 1_234}


def test_the_table_counts_where_nothing_was_found() -> None:
    text = discovery_study.discovery_tables("discover-noise", [found(100, {}), found(110, {"type": 0.8})])
    assert "| 100 | 1,500 |  | nothing | 1,234 | 1.9 of 2 |" in text
    assert "| type (0.80) |" in text
    assert "something was found in 1 of 2, a share of 0.50 (0.01 to 0.99)" in text  # Clopper and Pearson


def test_a_discovery_that_diverged_is_shown_and_the_others_are_counted() -> None:
    text = discovery_study.discovery_tables(
        "discover-noise", [{"seed": 100, "diverged": "all of it"}, found(110, {})]
    )
    assert (
        "| 100 |  |  | all of it |  |  |" in text
        and "found in 0 of 1, a share of 0.00 (0.00 to 0.97)" in text
    )


def test_attributes_are_ranked_on_selection_images_without_colours() -> None:
    def figures(chosen: float, tested: float) -> dict[str, Any]:
        return {
            "code": "type",
            "category": 3,
            "sense": 1,
            "share": 0.25,
            "auc_choosing": chosen,
            "auc": tested,
            "auc_interval": [tested, tested],
        }

    row = found(100, {"type": 0.7})
    own = {"Eyeglasses": figures(0.7, 0.9), "Smiling": figures(0.8, 0.6), "Blond_Hair": figures(0.99, 0.99)}
    base = {name: figures(0.6, 0.55) for name in own}
    row["scores"] = {"attributes": own, "baselines": {"pca": {"attributes": base}}}
    lines = discovery_study.discovery_tables("discover-celeba", [row]).splitlines()[-2:]
    ends = "|  | 0.550 (0.550 to 0.550) |  |"
    assert lines[0] == f"| 100 | Smiling | 0.25 | type = 3 | 0.600 (0.600 to 0.600) {ends}"
    assert lines[1].startswith("| 100 | Eyeglasses | 0.25 | type = 3 | 0.900")


def test_steps_and_data_are_refused_with_the_command_that_takes_them(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="time budget of 20 minutes"):
        run("discover-fashion", Options(out=tmp_path / "out", steps=5))
    with pytest.raises(UsageError, match="has its own images") as caught:
        run("discover-own", Options(out=tmp_path / "out", data=tmp_path))
    assert f"infogan discover {tmp_path}" in caught.value.advice
    assert not (tmp_path / "out").exists()


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Replace discoveries by a run of two steps; return the folders of images that they received."""
    given: list[Path] = []

    def discover(files: Path, *, out: Path, seed: int, minutes: float, **_: object) -> dict[str, Any]:
        given.append(files)
        settings = {**SMALL, "training.seed": seed, "data.size": 32}
        config = api.configure(files, codes="type:4 style1:u", settings=settings)
        api.train_config(config, out=out / "run")
        result: dict[str, Any] = found(seed, {})["discovery"] | {"run": "elsewhere", "minutes": minutes}
        return result

    monkeypatch.setattr(discovery_study, "discover", discover)
    return given


@pytest.mark.slow
def test_file_names_contain_no_class_and_other_images_are_used_for_evaluation(
    tmp_path: Path, short: list[Path]
) -> None:
    for _ in range(2):  # the second time finds everything done
        run("discover-own", Options(out=tmp_path, quick=True))
    assert len(short) == 1
    with pytest.raises(ConfigError, match="other settings"):
        run("discover-own", Options(out=tmp_path, quick=True, settings={"batch_size": 8}))
    assert "elsewhere" not in (tmp_path / "discover-own.json").read_text()
    files = list(short[0].iterdir())
    assert len(files) == discovery_study.QUICK_COUNT + 1 and all(path.is_file() for path in files)
    assert not any(kind in path.name for path in files for kind in ("house", "tree", "boat"))
    (row,) = json.loads((tmp_path / "discover-own.json").read_text())["rows"]
    assert row["scores"]["clustering"]["code"] == "type" and "kmeans" in row["scores"]["baselines"]
    assert row["scores"]["images"] == discovery_study.QUICK_COUNT - discovery_study.QUICK_COUNT // 10


@pytest.mark.slow
def test_folders_of_noise_differ_and_alternate_between_grey_and_colour(
    tmp_path: Path, short: list[Path]
) -> None:
    run("discover-noise", Options(out=tmp_path, quick=True, seeds=2))
    first, second = (np.asarray(Image.open(folder / "00000.png")) for folder in short)
    assert first.shape == (8, 8) and second.shape == (8, 8, 3)
    again = np.asarray(Image.open(short[0] / "00001.png"))
    assert abs(np.corrcoef(first.ravel(), again.ravel())[0, 1]) < 0.5 and 100 < first.mean() < 155
    result = json.loads((tmp_path / "discover-noise.json").read_text())
    assert [row["seed"] for row in result["rows"]] == [100, 110]
    assert all("scores" not in row for row in result["rows"])


def test_a_discovery_that_diverges_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def discover(*_: object, **__: object) -> None:
        raise DivergenceError("2 of 3 runs of 5 categories diverged", "", "")

    monkeypatch.setattr(discovery_study, "discover", discover)
    run("discover-noise", Options(out=tmp_path, quick=True))
    (row,) = json.loads((tmp_path / "discover-noise.json").read_text())["rows"]
    assert row["diverged"] == "2 of 3 runs of 5 categories diverged"


def test_images_are_written_unchanged(tmp_path: Path) -> None:
    trial = EXPERIMENTS["discover-digits"].run.args[0]  # type: ignore[attr-defined]
    job = discovery_study.Job(trial, Options(), tmp_path / "seed-100", seed=100, minutes=1.0, count=20)
    trial.write(job, tmp_path)
    written = np.stack([np.asarray(Image.open(path)) for path in sorted(tmp_path.glob("*.png"))])
    assert np.array_equal(written[..., None], trial.labelled(job).train.images[:20])
