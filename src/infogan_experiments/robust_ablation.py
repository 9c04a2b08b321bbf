"""Ablation of the recipe `robust`: the value of each part, with every seed shown."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from infogan import data, evaluation
from infogan.config import Config
from infogan.evaluation import selection_quality
from infogan.evaluation.resampling import numpy_generator
from infogan.reporting.markdown import markdown_table
from infogan.runs.directory import environment
from infogan.training import engine, runner
from infogan_experiments.experiment import Options, configure, experiment
from infogan_experiments.real_only import cluster_real
from infogan_experiments.result_tables import Result, mean_over_seeds, values_table
from infogan_experiments.results import publish, train_and_measure
from infogan_experiments.study import Study, train_study

METRICS = ("clustering", "variance within categories", "mutual information")
WIDTH = {"network.width": 0.5}
REAL_ONLY = "real images alone"

PARTS: dict[str, tuple[str, ...]] = {
    "real information": ("objective.real_information_weight",),
    "Q's first weights": ("network.recognition_init_std",),
    "weighted marginals": ("objective.marginal_weight",),
    "changes for D, too": ("augmentation.all_images",),
    "continuous codes read apart": ("augmentation.code_rotation", "augmentation.code_shear"),
    "neighbours": ("objective.neighbours", "objective.neighbour_share"),
    "sub-codes": ("objective.subcode_weight",),
    "split and merge": ("training.repair_start", "training.repair_end", "training.repair_every"),
    "soft continuous codes": ("latents.codes",),
    "mode seeking": ("objective.mode_seeking_weight",),
    "learning rates": (
        "training.learning_rate_discriminator",
        "training.learning_rate_generator",
        "training.learning_rate_schedule",  # learning rates fall after the steps of this table
    ),
}
"""The parts of the recipe in the order of the table, and their keys. Published results use these names."""

READ_REAL_IMAGES = ("real information", "weighted marginals", "neighbours", "sub-codes", "split and merge")
NEEDS = {"split and merge": "sub-codes"}


def with_parts(paper: Config, robust: Config, parts: Sequence[str]) -> Config:
    """Return the paper's recipe with some parts of `robust`.

    Args:
        paper: of the paper's recipe.
        robust: of the same data and networks.
        parts: names in PARTS.
    """
    values, source = paper.model_dump(), robust.model_dump()
    if set(parts) & {"real information", "sub-codes", "changes for D, too"}:  # these use augmentations
        separate = [key.partition(".")[2] for key in PARTS["continuous codes read apart"]]
        own = {leaf: values["augmentation"][leaf] for leaf in separate}
        values["augmentation"] = {**source["augmentation"], "all_images": False, **own}
    for part in parts:
        for key in PARTS[part]:
            section, leaf = key.split(".")
            values[section][leaf] = source[section][leaf]
    values["training"]["recipe"] = "paper" if not parts else "robust"
    return Config.model_validate(values)


def variants() -> dict[str, tuple[str, ...]]:
    """Return every variant with its parts: cumulative, then all but one, then augmentation for D alone."""
    names = tuple(PARTS)
    parts_by_variant: dict[str, tuple[str, ...]] = {"paper": ()}
    for count, name in enumerate(names, start=1):
        parts_by_variant[f"plus {name}"] = names[:count]
    for left in names[:-1]:
        parts_by_variant[f"all but {left}"] = tuple(
            name for name in names if left not in (name, NEEDS.get(name))
        )
    parts_by_variant["changes for D alone"] = tuple(name for name in names if name not in READ_REAL_IMAGES)
    return parts_by_variant


def _configurations(options: Options, seed: int) -> dict[str, Config]:
    settings = {**WIDTH, "training.seed": seed}
    paper, robust = (configure("mnist", options, settings, recipe=recipe) for recipe in ("paper", "robust"))
    configs = {name: with_parts(paper, robust, parts) for name, parts in variants().items()}
    return configs | {REAL_ONLY: robust}


def _cluster(config: Config, steps: int, _: Path) -> dict[str, Any]:
    """Train and measure the baseline without a generator, which has no run directory."""
    dataset = data.load(config.data)
    resolved = runner.resolve(config.replace(training={"steps": steps}), dataset)
    scores = evaluation.evaluate(cluster_real(resolved, dataset), dataset, only=("clustering",))
    machine = environment() | engine.conditions(torch.device("cpu"), "float32")  # as cluster_real trains
    return {"machine": machine, "scores": scores}


STUDY = Study(
    "robust",
    _configurations,
    seeds=5,
    steps=1_000,
    train=partial(train_and_measure, metrics=METRICS),
    train_variant={REAL_ONLY: _cluster},
)


@experiment("robust")
def robust(options: Options) -> None:
    """Ablation of the recipe `robust` on MNIST: parts are added one by one, or one is removed.

    Half the paper's width, 1,000 steps, five seeds. If it was stopped, the command resumes; two shells with
    different --seed and the same --out share the work.
    """
    folder, results = train_study(STUDY, options)
    found = label_free(results)
    tables = f"{ablation_table(results)}\n\n{values_table('label-free score', found)}"
    publish(folder, "robust", {"label_free": found, "rows": results}, tables)


def ablation_table(results: Sequence[Result]) -> str:
    """Return a table with one line per variant and the accuracy of every seed."""
    rows = []
    for variant in [*variants(), REAL_ONLY]:
        scores = [result["scores"] for result in results if result["arm"] == variant]
        if not scores:
            continue
        accuracies = [one["clustering"]["accuracy"] for one in scores]
        mean = mean_over_seeds(accuracies, (0.0, 1.0))
        variances = [one["variance"] for one in scores if "variance" in one]
        r2 = [
            code["r2_fake"] for one in scores for code in one.get("codes", {}).values() if "r2_fake" in code
        ]
        rows.append(
            [
                variant,
                " ".join(f"{accuracy:.3f}" for accuracy in accuracies),
                mean.text() if len(accuracies) > 1 else f"{mean.value:.3f}",
                " / ".join(
                    f"{statistics.fmean(one[key] for one in variances):.1f}"
                    for key in ("noise", "generated")
                    if variances
                ),
                f"{statistics.fmean(r2):.2f}" if r2 else "",
            ]
        )
    head = [
        "recipe",
        "accuracy by seed",
        "mean (95 % over seeds)",
        "variance of noise / of all",
        "R^2 of codes",
    ]
    return markdown_table(head, rows)


def label_free(results: Sequence[Result]) -> dict[str, Any]:
    """Measure how well the label-free score predicts accuracy, over all results that have it.

    Args:
        results: as `read_results` returns them.

    Returns:
        `runs`, their number; the `rank_correlation` of score and accuracy over all of them, if it is defined;
        over variants of two runs or more the mean `regret` of selecting a variant's run by the score, and the
        regret of a random selection, `blind`.
    """
    scored = [result for result in results if result.get("label_free_nats")]
    nats = np.array([result["label_free_nats"][str(result["steps"])] for result in scored])
    accuracies = np.array([result["scores"]["clustering"]["accuracy"] for result in scored])
    names = np.array([result["arm"] for result in scored])
    groups = [names == name for name in dict.fromkeys(names) if (names == name).sum() > 1]
    if not groups:
        return {"runs": len(scored)}
    constant = np.zeros(len(scored))  # a score that distinguishes no runs selects at random
    regrets, random = (
        [selection_quality.regret(score[group], accuracies[group]) for group in groups]
        for score in (nats, constant)
    )
    rng = numpy_generator(0, "experiments/robust/label_free")
    return {
        "runs": len(scored),
        "arms": len(groups),
        **selection_quality.rank_correlation(nats, accuracies, rng),
        "regret": float(np.mean(regrets)),
        "regret_greatest": float(max(regrets)),
        "blind": float(np.mean(random)),
    }
