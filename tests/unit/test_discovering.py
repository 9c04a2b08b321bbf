"""What a discovery found, measured: what it is given, that a stopped one starts anew, and its tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from infogan import api
from infogan.errors import UsageError
from infogan.experiments import discovering, run
from infogan.experiments.registry import Options

SMALL = [f"network.width={discovering.QUICK_WIDTH}", "training.batch_size=8", "training.steps=2"]


def found(seed: int, codes: dict[str, int]) -> dict[str, Any]:
    """A row as a discovery without labels leaves it."""
    result = {"images": 1_500, "categories": 5, "sweep": {"5": 0.31, "10": 0.2}, "found": codes}
    result |= {"runs": {"a": 1, "b": 2, "c": 3}, "minutes": 2.0, "minutes_spent": 1.93}
    return {"seed": seed, "machine": {}, "discovery": result}


def test_the_table_counts_where_nothing_was_found() -> None:
    text = discovering.table("discover-noise", [found(100, {}), found(110, {"type": 2})])
    assert "| 100 | 1,500 | 5 (5: 0.31, 10: 0.20) | nothing | 1.9 of 2 |" in text
    assert "| type 2/3 |" in text and "discover-noise: nothing was found in 1 of 2." in text


def test_attributes_are_ranked_by_the_images_that_chose_and_colours_are_left_out() -> None:
    def figures(chosen: float, tested: float) -> dict[str, Any]:
        return {"code": "type", "auc_choosing": chosen, "auc": tested, "auc_interval": [tested, tested]}

    row = found(100, {"type": 3})
    own = {"Eyeglasses": figures(0.7, 0.9), "Smiling": figures(0.8, 0.6), "Blond_Hair": figures(0.99, 0.99)}
    base = {name: figures(0.6, 0.55) for name in own}
    row["scores"] = {"attributes": own, "baselines": {"pca": {"attributes": base}}}
    lines = discovering.table("discover-celeba", [row]).splitlines()[-2:]
    assert lines[0].startswith("| 100 | Smiling | type | 0.600") and lines[0].endswith("| pca 0.550 |")
    assert lines[1].startswith("| 100 | Eyeglasses | type | 0.900")


def test_minutes_are_not_steps(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is told minutes, 20 of them"):
        run("discover-fashion", Options(out=tmp_path / "out", steps=5))
    assert not (tmp_path / "out").exists()


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Discoveries of one run of two steps; the folders of pictures that they were given."""
    given: list[Path] = []

    def discover(files: Path, *, out: Path, seed: int, minutes: float, **_: object) -> None:
        given.append(files)
        assert not out.exists() and minutes == discovering.QUICK_MINUTES
        settings = [*SMALL, f"training.seed={seed}", "data.size=32"]
        for name in ("a", "b"):
            api.train_config(
                api.configure(files, codes="type:4 style1:u", settings=settings), out=out / "runs" / name
            )
        result = found(seed, {})["discovery"] | {"run": str(out / "runs" / "b"), "chosen": "b"}
        result["runs"] = {"a": {}, "b": {}}
        (out / "discovery.json").write_text(json.dumps(result))

    monkeypatch.setattr(discovering, "discover", discover)
    return given


@pytest.mark.slow
def test_kinds_are_in_no_name_and_are_measured_on_other_pictures(tmp_path: Path, short: list[Path]) -> None:
    stopped = tmp_path / "quick-seed-100" / "half"
    stopped.mkdir(parents=True)  # a discovery that was stopped
    for _ in range(2):  # the second time finds everything done
        run("discover-own", Options(out=tmp_path, quick=True))
    assert len(short) == 1 and not stopped.exists()
    files = list(short[0].iterdir())
    assert len(files) == discovering.QUICK_COUNT + 1 and all(path.is_file() for path in files)
    assert not any(kind in path.name for path in files for kind in ("house", "tree", "boat"))
    (row,) = json.loads((tmp_path / "discover-own.json").read_text())["rows"]
    assert row["scores"]["clustering"]["code"] == "type" and "kmeans" in row["scores"]["baselines"]
    assert set(row["others"]) == {"a"}  # the run that was not chosen
    assert row["scores"]["images"] == discovering.QUICK_COUNT - discovering.QUICK_COUNT // 10


@pytest.mark.slow
def test_every_folder_of_noise_is_another_grey_and_coloured_by_turns(
    tmp_path: Path, short: list[Path]
) -> None:
    run("discover-noise", Options(out=tmp_path, quick=True, seeds=2))
    first, second = (np.asarray(Image.open(folder / "00000.png")) for folder in short)
    assert first.shape == (28, 28) and second.shape == (32, 32, 3)
    again = np.asarray(Image.open(short[0] / "00001.png"))
    assert abs(np.corrcoef(first.ravel(), again.ravel())[0, 1]) < 0.15 and 100 < first.mean() < 155
    result = json.loads((tmp_path / "discover-noise.json").read_text())
    assert [row["seed"] for row in result["rows"]] == [100, 110]
    assert all("scores" not in row for row in result["rows"])
