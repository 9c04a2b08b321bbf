"""Label-free selection among runs: the quality of each criterion on ten runs, evaluated with labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from infogan import data
from infogan.errors import UsageError
from infogan.evaluation import model_selection
from infogan.evaluation.resampling import numpy_generator
from infogan.evaluation.selection_quality import rank_correlation, regret
from infogan.model import InfoGAN
from infogan_experiments.experiment import EXPERIMENTS, Experiment, Options, configure
from infogan_experiments.result_tables import estimate, number_at, results_table, value
from infogan_experiments.results import publish, train_and_measure
from infogan_experiments.study import Study, by_recipe, train_study

SEEDS, FEWEST = 10, 3


@dataclass(frozen=True)
class Plan:
    """A set of runs.

    Attributes:
        name: of the experiment.
        summary: of the experiment, in one line.
        preset: what is trained.
        recipe: of the training; one with differences between runs.
        steps: of each run.
        quality: key path of the quality of a run in evaluation.json; the first key is the metric's name.
        label: of that value in tables.
    """

    name: str
    summary: str
    preset: str
    recipe: str
    steps: int
    quality: str
    label: str


PLANS = (
    Plan(
        "choosing-mnist",
        "Ten MNIST runs: label-free selection criteria compared with accuracy and a random selection.",
        preset="mnist",
        recipe="paper",
        steps=1_000,
        quality="clustering.accuracy",
        label="accuracy",
    ),
    Plan(
        "choosing-sprites",
        "Ten runs on sprites: label-free selection criteria compared with the FactorVAE score.",
        preset="sprites",
        recipe="robust",
        steps=1_500,
        quality="disentanglement.factorvae",
        label="FactorVAE",
    ),
)


def compare(plan: Plan, options: Options) -> None:
    """Train the runs of a plan and publish the quality of each criterion.

    Raises:
        UsageError: there are fewer than FEWEST seeds, or the quality cannot be measured.
    """
    seeds, recipe = options.seed_range(SEEDS), options.recipe or plan.recipe
    if len(seeds) < FEWEST:
        raise UsageError(
            f"--seeds {len(seeds)}: too few runs for a rank correlation",
            f"{FEWEST} or more",
            f"infogan reproduce {plan.name} --seeds {SEEDS}",
        )
    train = partial(train_and_measure, metrics=(plan.quality.partition(".")[0],))
    study = Study(
        plan.name, by_recipe(plan.preset, {recipe: recipe}), SEEDS, plan.steps, train, keep_all=False
    )
    folder, results = train_study(study, options)
    models = {str(seed): InfoGAN.from_pretrained(folder / recipe / f"seed-{seed}") for seed in seeds}
    dataset = data.load(configure(plan.preset, options, {}, recipe=recipe).data)
    chosen = model_selection.choose(models, model_selection.images_to_read(dataset))
    found = summary(chosen, {str(one["seed"]): _quality(plan, one) for one in results})
    published = {
        "preset": plan.preset,
        "recipe": recipe,
        "steps": options.steps or plan.steps,
        "judged_by": plan.quality,
        "rows": results,
        **found,
        "choice": chosen,
    }
    publish(folder, plan.name, published, criteria_table(found, plan.label))


for _plan in PLANS:
    EXPERIMENTS.add(_plan.name, Experiment(partial(compare, _plan), _plan.summary, frozenset({"recipe"})))


def _quality(plan: Plan, result: Mapping[str, Any]) -> float:
    number = number_at(result["scores"], plan.quality)
    if number is None:
        raise UsageError(
            f"{plan.quality} was not measured on these images",
            "200 or more test images with labels or true factors",
            "--data FILES, with such images",
        )
    return number.value


def summary(chosen: Mapping[str, Any], quality: Mapping[str, float]) -> dict[str, Any]:
    """Measure how well each criterion orders the runs.

    Args:
        chosen: as `model_selection.choose` returns it.
        quality: by run the value measured with labels, higher is better.

    Returns:
        `goodness`, the quality; `criteria`: by name `rank_correlation` with its interval, `picked` and
        `regret`; `blind`: the mean regret of a random selection; `best`.
    """
    names = list(chosen["runs"])
    values = np.array([quality[name] for name in names])
    criteria: dict[str, Any] = {}
    for criterion in next(iter(chosen["runs"].values())):
        scores = np.array([chosen["runs"][name][criterion] for name in names], dtype=np.float64)
        if criterion == "mean_rank":
            scores = -scores  # 1 is the best
        criteria[criterion] = {
            **rank_correlation(scores, values, numpy_generator(0, f"experiments/choosing/{criterion}")),
            "picked": names[int(scores.argmax())],
            "regret": regret(scores, values),
        }
    return {
        "goodness": dict(quality),
        "criteria": criteria,
        "best": float(values.max()),
        "blind": regret(np.zeros(len(values)), values),  # a score that distinguishes no runs
    }


def criteria_table(found: Mapping[str, Any], label: str) -> str:
    """Return the quality of every run, and a table of the criteria."""
    columns = {
        "criterion": value("name"),
        f"rank correlation with {label} (95 % over runs)": estimate("rank_correlation", 2),
        "selected": value("picked"),
        "regret": value("regret", ".3f"),
    }
    criteria = [{"name": name.replace("_", " "), **one} for name, one in found["criteria"].items()]
    criteria.append({"name": "random selection, mean", "regret": found["blind"]})
    by_seed = ", ".join(f"{seed}: {quality:.3f}" for seed, quality in found["goodness"].items())
    return f"{label} by seed: {by_seed}\n\n{results_table(criteria, columns)}"
