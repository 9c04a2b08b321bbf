"""What choosing among runs without labels is worth: ten runs, their ranks, and what labels say afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from infogan import api, data
from infogan.config import parse_assignments
from infogan.errors import UsageError
from infogan.evaluation import model_selection
from infogan.evaluation.resampling import numpy_generator
from infogan.evaluation.selection_quality import rank_correlation, regret
from infogan.model import InfoGAN
from infogan.runs.directory import next_free
from infogan_experiments.experiment import Options, experiment
from infogan_experiments.results import publish, read_rows, row, seeds, trained
from infogan_experiments.targets import Read, at

SEEDS, FEWEST = 10, 3


@dataclass(frozen=True)
class Plan:
    """One set of runs.

    Attributes:
        preset: what is trained.
        recipe: how; one whose runs differ.
        steps: of each run.
        metrics: that say how good a run is.
        goodness: where that figure stands in evaluation.json.
        word: what it is.
    """

    preset: str
    recipe: str
    steps: int
    metrics: tuple[str, ...]
    goodness: str
    word: str


MNIST = Plan("mnist", "paper", 1_000, ("clustering",), "clustering.accuracy", "accuracy")
SPRITES = Plan("sprites", "robust", 1_500, ("disentanglement",), "disentanglement.factorvae", "FactorVAE")


@experiment("choosing-mnist", takes=("recipe",))
def mnist(options: Options) -> None:
    """Which of ten MNIST runs to trust, without labels: every criterion beside accuracy, and a blind pick."""
    _compare(MNIST, "choosing-mnist", options)


@experiment("choosing-sprites", takes=("recipe",))
def sprites(options: Options) -> None:
    """The same of ten runs on sprites, beside the FactorVAE score."""
    _compare(SPRITES, "choosing-sprites", options)


def _compare(plan: Plan, name: str, options: Options) -> None:
    folder = options.out or next_free(Path("runs"), name)
    steps, arm = options.steps or plan.steps, options.recipe or plan.recipe
    runs = seeds(options, SEEDS)
    if len(runs) < FEWEST:
        raise UsageError(
            f"--seeds {len(runs)}: an order of so few runs says nothing",
            f"{FEWEST} or more",
            f"infogan reproduce {name} --seeds {SEEDS}",
        )
    for seed in runs:
        settings = [f"training.seed={seed}", *options.settings]
        config = api.configure(
            plan.preset, data=options.data, recipe=arm, settings=parse_assignments(settings)
        )
        row(folder, arm, config, steps, trained(config, steps, plan.metrics))
    rows = [
        one
        for one in read_rows(folder)
        if one["seed"] in runs and one["arm"] == arm and one["steps"] == steps
    ]
    models = {str(seed): InfoGAN.from_pretrained(folder / arm / f"seed-{seed}") for seed in runs}
    dataset = data.load(config.data)
    found = model_selection.choose(models, model_selection.images_to_read(dataset))
    result = summary(found, {str(one["seed"]): _goodness(plan, one) for one in rows})
    facts = {"preset": plan.preset, "recipe": arm, "steps": steps, "judged_by": plan.goodness, "rows": rows}
    publish(folder, name, {**facts, **result, "choice": found}, table(result, plan.word))


def _goodness(plan: Plan, entry: Mapping[str, Any]) -> float:
    read: Read = at(plan.goodness)
    found = read(entry["scores"])
    if found is None:
        raise UsageError(
            f"{plan.goodness} was not measured on these images",
            "test images with labels or true factors, 200 or more",
            "--data FILES, with such images",
        )
    return found.own.value


def summary(found: Mapping[str, Any], goodness: Mapping[str, float]) -> dict[str, Any]:
    """How well each criterion orders runs as labels do.

    Args:
        found: what `model_selection.choose` gives.
        goodness: by run what labels say, higher is better.

    Returns:
        `goodness`; `criteria`: by name `rank_correlation` with its interval, `picked` and `regret`; `blind`:
        the mean regret of a blind pick; `best`.
    """
    names = list(found["runs"])
    values = np.array([goodness[name] for name in names])
    criteria: dict[str, Any] = {}
    for criterion in next(iter(found["runs"].values())):
        scores = np.array([found["runs"][name][criterion] for name in names], dtype=np.float64)
        if criterion == "mean_rank":
            scores = -scores  # 1 is the best
        draw = numpy_generator(0, f"experiments/choosing/{criterion}")
        criteria[criterion] = {
            **rank_correlation(scores, values, draw),
            "picked": names[int(scores.argmax())],
            "regret": regret(scores, values),
        }
    return {
        "goodness": dict(goodness),
        "criteria": criteria,
        "best": float(values.max()),
        "blind": regret(np.zeros(len(values)), values),  # a score that tells no runs apart
    }


def table(result: Mapping[str, Any], word: str) -> str:
    """The criteria in Markdown, with what every run came to."""
    by_run = result["goodness"]
    lines = [
        f"{word} by seed: " + ", ".join(f"{seed}: {value:.3f}" for seed, value in by_run.items()),
        "",
        f"| criterion | rank correlation with {word} (95 % over runs) | picked | regret |",
        "|---|---|---|---|",
    ]
    for name, one in result["criteria"].items():
        low, high = one.get("rank_correlation_interval", (float("nan"),) * 2)
        order = (
            f"{one['rank_correlation']:.2f} ({low:.2f} to {high:.2f})" if "rank_correlation" in one else ""
        )
        lines.append(f"| {name.replace('_', ' ')} | {order} | {one['picked']} | {one['regret']:.3f} |")
    lines.append(f"| a blind pick, the mean | | | {result['blind']:.3f} |")
    return "\n".join(lines)
