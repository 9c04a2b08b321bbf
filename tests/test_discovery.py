"""infogan discover: the budget's arithmetic, what counts as found, and the whole of it in the small."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from infogan import api, discovery
from infogan.cli import main
from infogan.data import Dataset, Split
from infogan.discovery import (
    CATEGORIES,
    SEEDS,
    SWEEP_SEEDS,
    Budget,
    found_codes,
    population_steps,
    summary,
    sweep_steps,
)
from infogan.errors import DivergenceError


def test_a_budget_keeps_time_for_figures_and_never_runs_backwards() -> None:
    now = [100.0]
    budget = Budget(600, clock=lambda: now[0])
    assert budget.spent == 0 and budget.for_training == pytest.approx(570)
    now[0] = 400.0
    assert budget.spent == 300 and budget.for_training == pytest.approx(270)
    now[0] = 900.0
    assert budget.for_training == 0


def test_sweep_and_population_together_take_the_time_that_there_is() -> None:
    left, pace = 600.0, 0.1
    short = sweep_steps(left, pace)
    behind = left - len(CATEGORIES) * SWEEP_SEEDS * short * pace
    whole = population_steps(behind, pace, short)
    spent = pace * (whole * SEEDS - SWEEP_SEEDS * short)
    assert spent == pytest.approx(behind, rel=0.01)
    assert 3.5 < whole / short < 4.5
    assert sweep_steps(0, pace) > 0 and population_steps(0, pace, 50) > 50  # late, it still comes to an end


def test_only_what_is_seen_and_found_twice_counts() -> None:
    words = {"type": "used", "style1": "hidden", "style2": "used"}
    scores = {"codes": {name: {"verdict": word, "effect": 0.2} for name, word in words.items()}}
    shared = [
        {"found_in": 3, "codes": {"a": "type", "b": "type", "c": "type"}},
        {"found_in": 2, "codes": {"a": "style1", "b": "style2"}},
        {"found_in": 2, "codes": {"b": "style1", "c": "style2"}},
    ]
    assert found_codes("a", scores, {"shared": shared}) == {"type": 3}
    assert found_codes("c", scores, {"shared": shared}) == {"type": 3, "style2": 2}
    scores["codes"]["type"]["effect"] = 0.001  # nobody would see it
    assert found_codes("a", scores, {"shared": shared}) == {}
    nothing = {"found": {}, "images": 7, "runs": {"a": 1, "b": 2}, "minutes": 1.0, "minutes_spent": 0.9}
    assert summary(nothing).startswith("no factor found in 7 images (0.9 of 1 minutes)")


@pytest.mark.slow
def test_a_discovery_leaves_a_page_a_table_and_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discovery, "_TRIAL_STEPS", 2)
    monkeypatch.setattr(discovery, "_LEAST_STEPS", 4)
    draw = np.random.Generator(np.random.Philox(0))
    np.savez(tmp_path / "images.npz", images=draw.integers(256, size=(210, 10, 10, 3), dtype=np.uint8))
    out = tmp_path / "out"
    settings = [f"--set={text}" for text in ("network.width=0.0625", "training.batch_size=16")]
    arguments = ["discover", str(tmp_path / "images.npz"), "--minutes", "0.01", "--out", str(out), *settings]
    assert main(arguments) == 0
    told = capsys.readouterr()
    assert "no factor found" in told.out and str(out / "report.html") in told.out
    result = json.loads((out / "discovery.json").read_text())
    assert set(result["sweep"]) == {str(size) for size in CATEGORIES} and len(result["runs"]) == SEEDS
    assert Path(result["run"]).is_dir() and result["images"] == 210
    assert len(list((out / "runs").iterdir())) == 2 * len(CATEGORIES) + 1
    with (out / "codes.csv").open() as lines:
        rows = list(csv.reader(lines))
    assert len(rows) == 211
    page = (out / "report.html").read_text()
    assert "This run was selected from 3 runs" in page and "This is one run" not in page
    assert "No factor found: no code with a visible effect" in page
    assert '<li class="yes">' not in page  # of white noise nothing may be built on
    assert main(arguments) == 2  # the folder holds another discovery


def test_too_few_images_and_no_time_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.savez(tmp_path / "few.npz", images=np.zeros((40, 8, 8, 1), dtype=np.uint8))
    assert main(["discover", str(tmp_path / "few.npz"), "--out", str(tmp_path / "out")]) == 2
    assert "40 images" in capsys.readouterr().err and not (tmp_path / "out").exists()
    for minutes in ("0", "-3", "soon"):
        assert main(["discover", str(tmp_path / "few.npz"), "--minutes", minutes]) == 2
        assert "minutes above 0" in capsys.readouterr().err


def test_what_discover_sets_itself_and_what_is_no_images_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = tmp_path / "images.npz"
    np.savez(images, images=np.zeros((220, 8, 8, 1), dtype=np.uint8))
    for setting in ("training.steps=9", "latents.noise=3"):
        assert main(["discover", str(images), "--set", setting, "--out", str(tmp_path / "out")]) == 2
        assert "discover sets it itself" in capsys.readouterr().err
    assert main(["discover", "mnist", "--out", str(tmp_path / "out")]) in (2, 5)
    assert main(["discover", str(images), "--out", str(images)]) == 2
    assert "is not an empty folder" in capsys.readouterr().err


def test_runs_that_put_all_images_into_one_category_agree_on_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    images = np.zeros((50, 8, 8, 1), dtype=np.uint8)
    dataset = Dataset("set", Split(images), Split(images))
    divisions = iter([np.zeros(50, dtype=np.int64), np.zeros(50, dtype=np.int64)] + [np.arange(50) % 4] * 2)
    monkeypatch.setattr(discovery, "_categories", lambda *_: next(divisions))
    monkeypatch.setattr(discovery.InfoGAN, "from_pretrained", lambda _: None)
    assert discovery._agreement([Path("a"), Path("b")], dataset) == 0
    assert discovery._agreement([Path("a"), Path("b")], dataset) == pytest.approx(1)


@pytest.mark.parametrize("slower", [0.5, 1.0, 1.6])
@pytest.mark.parametrize("diverging", [None, 5, 400])
def test_the_pace_of_the_first_half_sets_the_steps_so_that_the_minutes_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slower: float, diverging: int | None
) -> None:
    now, short = 100.0, 200
    done: dict[int, int] = {0: short, 1: short}
    falls: list[tuple[int, int]] = []

    def train(
        self: discovery._Field, categories: int, number: int, steps: int, fall: tuple[int, int] | None = None
    ) -> Path:
        nonlocal now
        before = done.get(number, 0)
        assert steps >= before and fall is not None and fall[0] >= before  # none has seen its rates fall
        reached = diverging if diverging and number == 2 else steps
        now += (reached - before) * 0.1 * slower
        done[number] = reached
        if reached < steps:
            raise DivergenceError("training diverged", "", "")
        falls.append(fall)
        return self.path(categories, number)

    monkeypatch.setattr(discovery._Field, "train", train)
    images = Split(np.zeros((50, 8, 8, 1), dtype=np.uint8))
    budget = Budget(600, clock=lambda: now)
    field = discovery._Field(
        tmp_path, api.configure("digits"), Dataset("set", images, images), budget, lambda _: None, 0.1
    )
    for number in done:
        field.path(10, number).mkdir(parents=True)  # of the sweep
    runs = discovery._population(field, 10, short)
    assert budget.spent + budget.reserve == pytest.approx(600, rel=0.03)
    assert len(runs) == SEEDS - bool(diverging)
    assert len({done[number] for number in range(len(runs))}) == 1  # all of one length
    assert falls[-1] == (falls[0][0], done[0])


def test_time_is_kept_for_what_will_be_read(tmp_path: Path) -> None:
    images = Split(np.zeros((9_000, 1, 1, 1), dtype=np.uint8))
    budget = Budget(600)
    field = discovery._Field(
        tmp_path, api.configure("digits"), Dataset("set", images, images), budget, lambda _: None
    )
    field.will_encode(0.8)  # a ten-thousandth of a second for an image
    assert budget.reserve == 30
    field.will_encode(80.0)
    assert budget.reserve == pytest.approx(8 + 0.01 * (40_000 + 18_000))
    field.will_encode(0.8)
    assert budget.reserve > 500  # never less than was thought once


def test_a_run_that_diverges_is_left_out_and_two_are_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    bad = {(CATEGORIES[0], 1)}

    def train(self: discovery._Field, categories: int, number: int, steps: int, _: object = None) -> Path:
        if (categories, number) in bad:
            raise DivergenceError("training diverged at step 7", "", "")
        return self.path(categories, number)

    monkeypatch.setattr(discovery._Field, "train", train)
    monkeypatch.setattr(discovery, "_agreement", lambda *_: 0.5)
    monkeypatch.setattr(discovery, "_seconds_a_step", lambda _: 0.01)
    monkeypatch.setattr(discovery.shutil, "rmtree", lambda _: None)  # nothing is trained
    images = Split(np.zeros((50, 8, 8, 1), dtype=np.uint8))
    base = api.configure("digits", codes="type:10 style1:u")
    field = discovery._Field(tmp_path, base, Dataset("set", images, images), Budget(60), told.append)
    found, short = discovery._sweep(field)
    assert found == dict.fromkeys(CATEGORIES[1:], 0.5)  # of the first there is nothing to hold side by side
    assert any("left out: training diverged at step 7" in text for text in told)
    bad |= {(CATEGORIES[1], 0)}
    assert len(discovery._population(field, CATEGORIES[1], short)) == SEEDS - 1
    bad |= {(CATEGORIES[1], 2)}
    with pytest.raises(DivergenceError, match=f"2 of {SEEDS} runs"):
        discovery._population(field, CATEGORIES[1], short)
    bad |= {(categories, 1) for categories in CATEGORIES}
    with pytest.raises(DivergenceError, match="every number of categories"):
        discovery._sweep(field)
