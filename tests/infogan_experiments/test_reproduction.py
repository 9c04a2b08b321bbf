"""The paper's figures drawn and judged again: how a figure is read, when it counts, what the page shows."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from infogan import presets
from infogan.cli import main
from infogan.errors import ConfigError, UsageError
from infogan_experiments import names, results, run
from infogan_experiments.celeba_figure import least_lead, table
from infogan_experiments.experiment import TAKES, Options
from infogan_experiments.figure_page import machine, page
from infogan_experiments.results import FIRST_SEED
from infogan_experiments.targets import (
    Judge,
    Panel,
    Reproduction,
    at,
    factor,
    judge_rows,
    matched,
    named,
    only_code,
)

SCORES: dict[str, Any] = {
    "clustering": {"code": "digit", "accuracy": 0.9, "accuracy_interval": [0.88, 0.92]},
    "factors": {"azimuth": {"code": "style2", "spearman": 0.8, "spearman_interval": [0.7, 0.9]}},
    "agreement": {"style": {"azimuth": {"circular": 0.6, "circular_by_object": 0.85}, "elevation": {}}},
    "baselines": {
        "kmeans": {"clustering": {"accuracy": 0.5, "accuracy_interval": [0.48, 0.52]}},
        "pca": {"agreement": {"component1": {"azimuth": {"circular_by_object": 0.3}}}},
    },
}


def test_every_preset_of_the_paper_can_be_reproduced() -> None:
    known = names()
    paper = [name for name in presets.PRESETS if "appendix C" in presets.PRESETS[name].summary]
    assert len(paper) == 9
    assert all(TAKES[name] == {"recipe", "quick"} and "Section 7.2" in known[name] for name in paper)


def test_a_figure_is_read_with_its_interval_and_baselines() -> None:
    found = at("clustering.accuracy")(SCORES)
    assert found is not None and found.note == "digit"
    assert found.own == (0.9, (0.88, 0.92))
    assert found.beside == {"kmeans": (0.5, (0.48, 0.52))}
    assert at("brightness.spearman_real")(SCORES) is None


def test_a_factor_without_a_code_counts_as_nothing_but_not_where_no_factor_is_known() -> None:
    reached = factor("azimuth", "spearman")(SCORES)
    assert reached is not None and (reached.own.value, reached.note) == (0.8, "style2")
    none = factor("elevation", "spearman")(SCORES)
    assert none is not None and none.own.value == 0
    assert factor("azimuth", "spearman")({"codes": {}}) is None


def test_the_only_code_is_read_whatever_it_was_matched_to() -> None:
    found = only_code("azimuth", "circular_by_object")(SCORES)
    assert found is not None and (found.own.value, found.note) == (0.85, "style")
    assert found.beside == {"pca": (0.3, None)}
    two = {"agreement": SCORES["agreement"] | {"other": {}}}
    assert only_code("azimuth", "circular")(two) is None


def test_a_picture_shows_the_matched_code() -> None:
    assert matched("width", "azimuth")(SCORES) == ["style2"]
    assert matched("width")(SCORES) == []


def made(seed: int, accuracy: float, arm: str = "robust", **facts: Any) -> dict[str, Any]:
    """A row as `results.read_rows` gives it."""
    scores = {
        "clustering": {"accuracy": accuracy, "accuracy_interval": [accuracy - 0.01, accuracy + 0.01]},
        "baselines": {"kmeans": {"clustering": {"accuracy": 0.5}}},
        "images": 100, "split": "test", "dataset": "drawn", "train_seconds": 60.0 * seed,
    }  # fmt: skip
    row = {
        "experiment": "mnist",
        "arm": arm,
        "seed": seed,
        "steps": 40,
        "settings": [],
        "quick": False,
        "data_given": False,
    }
    return row | {"machine": {"processor": "abacus", "usable_cores": 2}, "scores": scores} | facts


@pytest.mark.parametrize(
    ("accuracies", "needed", "verdict"),
    [
        ((0.9, 0.96, 0.97), 2, "pass"),
        ((0.9, 0.96, 0.9), 2, "short"),
        ((0.9, 0.96), 2, "open"),
        ((0.9, 0.9), 2, "short"),  # one more seed cannot mend it
        ((0.96, 0.96), 2, "pass"),
        ((0.93, 0.96, 0.97), None, "pass"),  # the mean
        ((0.93, 0.95, 0.96), None, "short"),
        ((0.99, 0.99), None, "open"),  # a mean of chosen seeds is none
        ((0.96, 0.9, 0.9, 0.96, 0.96), 2, "short"),  # more seeds than planned make nothing easier
        ((0.93, 0.93, 0.93, 0.99, 0.99), None, "short"),
    ],
)
def test_a_verdict_is_of_as_many_seeds_as_were_planned(
    accuracies: tuple[float, ...], needed: int | None, verdict: str
) -> None:
    judge = Judge("accuracy", at("clustering.accuracy"), 0.95, needed)
    rows = [made(FIRST_SEED + seed, one) for seed, one in enumerate(accuracies)]
    assert judge_rows(judge, rows, planned=range(FIRST_SEED, FIRST_SEED + 3)).verdict == verdict


def test_seeds_that_constants_were_chosen_with_are_shown_and_not_judged() -> None:
    judge = Judge("accuracy", at("clustering.accuracy"), 0.95, 2)
    found = judge_rows(
        judge, [made(seed, 0.99) for seed in (0, 1, 2)], planned=range(FIRST_SEED, FIRST_SEED + 3)
    )
    assert (found.verdict, found.reached, len(found.readings)) == ("open", 0, 3)


def test_a_page_names_the_gpu_that_a_training_ran_on() -> None:
    facts = {"processor": "abacus", "usable_cores": 2, "versions": {"torch": "9"}}
    assert machine({**facts, "device": "cpu"}) == "abacus (2 cores usable), torch 9"
    known = machine({**facts, "device": "cuda", "accelerator": "Big GPU"})
    assert known == "one Big GPU, abacus (2 cores usable), torch 9"
    # Older rows do not know its name.
    assert machine({**facts, "device": "cuda"}).startswith("one GPU (cuda), abacus")


def test_what_does_not_apply_has_no_verdict() -> None:
    judge = Judge("light", at("brightness.x"), 0.5, 1)
    assert judge_rows(judge, [made(FIRST_SEED, 0.9)], planned=range(FIRST_SEED, FIRST_SEED + 1)).verdict == ""


def test_a_factor_that_the_data_do_not_know_does_not_apply_and_one_without_a_code_is_nought() -> None:
    scores = {"factors": {"azimuth": {"code": "c1", "spearman": 0.9}}}
    known = scores | {"agreement": {"c1": {"azimuth": {}, "width": {}}}}
    assert factor("light", "spearman")(known) is None
    nought = factor("width", "spearman")(known)
    assert nought is not None and nought.own.value == 0


PLAN = Reproduction(
    preset="mnist",
    title="Title",
    section="Section 7.2",
    claim="Codes are found.",
    panels=(Panel("(a) Digit", named("digit")), Panel("(c) Rotation", matched("slant"), (-2.0, 2.0))),
    judges=(Judge("accuracy", at("clustering.accuracy"), 0.95, 2), Judge("light", at("brightness.x"))),
    seeds=3,
    steps=40,
    paper_runs="The paper's authors ran 5 seeds.",
    best_of=5,
)


def test_a_page_shows_every_seed_beside_the_best_and_each_recipe() -> None:
    some = [made(100 + seed, one) for seed, one in enumerate((0.9, 0.96, 0.97))]
    some.append(made(100, 0.5, arm="paper", settings=["a=b c"], data_given=True))
    text = page(PLAN, some, {("robust", 40): "mnist-robust-40.png"})
    assert "| 100 | 0.900 (0.890 to 0.910) |  | 0.500 |" in text and "| 102 | 0.970" in text
    assert "best of these 3 (the paper shows the best of 5): seed 102 | 0.970" in text
    assert "| mean over seeds | 0.943 (0.849 to 1.000) |" in text  # 4.303 s / sqrt(3), cut at 1
    assert "**Pass**: accuracy. Asked: 0.95 or more in 2 of 3 seeds. 2 of 3 reach it." in text
    assert (
        "**Open**: accuracy. Asked: 0.95 or more in 2 of 3 seeds. 0 of 1 reach it; 2 not trained yet" in text
    )
    assert "does not apply" in text
    assert "(mnist-robust-40.png)" in text and text.count("![") == 1
    assert "infogan reproduce mnist --recipe robust --steps 40 --seed 100 --seeds 3\n" in text
    assert "--recipe paper --steps 40 --seed 100 --seeds 1 --data FOLDER --set 'a=b c'" in text
    assert "from -2 to 2 or through all categories" in text
    assert "abacus (2 cores usable)" in text and "100.0 to" not in text.split("Recipe `robust`")[0]
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert all(line.count("|") in (5, 4) for line in tables)  # no sign inside a cell breaks it


def test_a_gap_between_seeds_makes_two_commands() -> None:
    text = page(PLAN, [made(seed, 0.9) for seed in (100, 101, 105)], {})
    assert "--seed 100 --seeds 2\n" in text and "--seed 105 --seeds 1\n" in text


def test_a_quick_page_judges_nothing() -> None:
    text = page(PLAN, [made(100, 0.99, quick=True)] * 3, {})
    assert "measure nothing" in text and "**Pass**" not in text and "--quick" in text


def attributes(**figures: tuple[float, float]) -> dict[str, Any]:
    """By attribute its AUC on the images that chose, and on test images."""
    return {
        name: {
            "code": "kind1", "category": 3, "sense": 1, "share": 0.1,
            "auc_choosing": choosing, "auc": auc, "auc_interval": [auc - 0.02, auc + 0.02],
        }
        for name, (choosing, auc) in figures.items()
    }  # fmt: skip


def test_three_attributes_are_chosen_on_other_images_than_they_are_judged_on() -> None:
    own = attributes(
        Hat=(0.9, 0.85), Smile=(0.8, 0.9), Bangs=(0.8, 0.7), Young=(0.5, 0.99), Black_Hair=(1, 1)
    )
    none = attributes(**dict.fromkeys(own, (0.5, 0.6)))
    scores = {"attributes": own, "baselines": {"pca": {"attributes": none}}}
    found = least_lead(scores)
    assert found is not None
    # Young leads by chance on test images alone, and black hair is a colour: neither counts.
    assert found.own.value == pytest.approx(0.7 - 0.62)
    assert "Hat +0.230" in found.note and "Young" not in found.note and "Black_Hair" not in found.note
    assert "| 100 | Black_Hair (colour) | 0.10 | kind1 = 3 | 1.000" in table(
        [{"seed": 100, "scores": scores}]
    )
    assert least_lead({"attributes": {}}) is None


# --- the whole command -----------------------------------------------------------------------------------

SMALL = ("network.width=0.0625", "training.batch_size=16", "data.count=120")


@pytest.mark.slow
def test_a_quick_reproduction_writes_page_picture_and_figures_and_goes_on(
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
    monkeypatch.setattr(results, "trained_to", None)  # what is measured is not trained again
    run("faces-azimuth", options)
    run("faces-width", options)  # `robust` trains the same: of the paper's recipe nothing is taken over
    width = json.loads((tmp_path / "faces-width.json").read_text())
    assert [arm["recipe"] for arm in width["arms"]] == ["robust"]
    assert "width, rank" in next(iter(width["arms"][0]["figures"]))
    with pytest.raises(ConfigError, match="other settings"):
        run("faces-elevation", replace(options, recipe="paper"))
    with pytest.raises(ConfigError, match="other settings"):
        run("faces-azimuth", replace(options, settings=[*SMALL, "info_weight=3.0"]))
    with pytest.raises(ConfigError, match="another experiment"):
        run("svhn", options)


def test_an_option_that_an_experiment_cannot_honour_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("figure1", "robust-digits", "mnist-paper"):
        with pytest.raises(UsageError, match="--recipe"):
            run(name, Options(out=tmp_path, recipe="paper"))
    assert main(["reproduce", "figure1", "--quick", "--out", str(tmp_path / "out")]) == 2
    assert "--quick does not apply to figure1" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
