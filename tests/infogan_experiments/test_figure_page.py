"""The page of a reproduced figure."""

from __future__ import annotations

from typing import Any

from infogan_experiments.figure_page import machine, page
from infogan_experiments.targets import (
    Metric,
    Panel,
    PaperFigure,
    at,
    matched,
    named,
)


def made(seed: int, accuracy: float, arm: str = "robust", **facts: Any) -> dict[str, Any]:
    """Return a result as `results.read_results` does."""
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


FIGURE = PaperFigure(
    preset="mnist",
    title="Title",
    section="Section 7.2",
    statement="Codes are found.",
    panels=(Panel("(a) Digit", named("digit")), Panel("(c) Rotation", matched("slant"), (-2.0, 2.0))),
    metrics=(Metric("accuracy", at("clustering.accuracy"), 0.95, 2), Metric("light", at("brightness.x"))),
    seeds=3,
    steps=40,
    paper_runs="The paper's authors ran 5 seeds.",
    best_of=5,
)


def test_a_page_names_the_gpu_that_a_training_ran_on() -> None:
    facts = {"processor": "abacus", "usable_cores": 2, "versions": {"torch": "9"}}
    assert machine({**facts, "device": "cpu"}) == "abacus (2 cores usable), torch 9"
    known = machine({**facts, "device": "cuda", "accelerator": "Big GPU"})
    assert known == "one Big GPU, abacus (2 cores usable), torch 9"
    # Older results do not record its name.
    assert machine({**facts, "device": "cuda"}).startswith("one GPU (cuda), abacus")


def test_a_page_shows_every_seed_the_best_and_each_recipe() -> None:
    some = [made(100 + seed, one) for seed, one in enumerate((0.9, 0.96, 0.97))]
    some.append(made(100, 0.5, arm="paper", settings=["a=b c"], data_given=True))
    text = page(FIGURE, some, {("robust", 40): "mnist-robust-40.png"})
    assert "| 100 | 0.900 (0.890 to 0.910) |  | 0.500 |" in text and "| 102 | 0.970" in text
    assert "best of these 3 (the paper shows the best of 5): seed 102 | 0.970" in text
    assert "| mean over seeds | 0.943 (0.849 to 1.000) |" in text  # 4.303 s / sqrt(3), cut at 1
    assert "**Pass**: accuracy. Target: 0.95 or more in 2 of 3 seeds. 2 of 3 reach it." in text
    assert (
        "**Open**: accuracy. Target: 0.95 or more in 2 of 3 seeds. 0 of 1 reach it; 2 not trained yet" in text
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
    text = page(FIGURE, [made(seed, 0.9) for seed in (100, 101, 105)], {})
    assert "--seed 100 --seeds 2\n" in text and "--seed 105 --seeds 1\n" in text


def test_the_page_of_a_smoke_test_has_no_verdicts() -> None:
    text = page(FIGURE, [made(100, 0.99, quick=True)] * 3, {})
    assert "not results" in text and "**Pass**" not in text and "--quick" in text
