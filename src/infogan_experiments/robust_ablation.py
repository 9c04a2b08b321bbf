"""What each part of the recipe `robust` is worth: the ablation table, every seed shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from infogan import api, data, evaluation
from infogan.config import Config, parse_assignments
from infogan.evaluation import selection_quality
from infogan.evaluation.resampling import numpy_generator
from infogan.runs.directory import environment, next_free
from infogan.training import engine, runner
from infogan_experiments.experiment import Options, experiment
from infogan_experiments.real_only import cluster_real
from infogan_experiments.results import (
    Make,
    mean_over_seeds,
    publish,
    read_rows,
    row,
    seeds,
    trained,
    with_interval,
)

SEEDS, STEPS = 5, 1_000
METRICS = ("clustering", "variance within categories", "mutual information")
WIDTH = "network.width=0.5"
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
        "training.learning_rate_schedule",  # the rates fall after the steps of this table
    ),
}
"""The parts of the recipe in the order in which the table adds them, and the keys that are theirs."""

_NEEDS = {"split and merge": "sub-codes"}


def with_parts(paper: Config, robust: Config, parts: Sequence[str]) -> Config:
    """The paper's recipe with some parts of `robust`.

    Args:
        paper: of the paper's recipe.
        robust: of the same data and networks.
        parts: names out of PARTS.
    """
    values, source = paper.model_dump(), robust.model_dump()
    # A policy alone does nothing: it is there wherever a part reads it.
    apart = PARTS["continuous codes read apart"]
    own = {leaf: values["augmentation"][leaf] for leaf in (key.split(".")[1] for key in apart)}
    values["augmentation"] = {**source["augmentation"], "all_images": False, **own}
    if not set(parts) & {"real information", "sub-codes", "changes for D, too"}:
        values["augmentation"] = paper.augmentation.model_dump()
    for part in parts:
        for key in PARTS[part]:
            section, leaf = key.split(".")
            values[section][leaf] = source[section][leaf]
    values["training"]["recipe"] = "paper" if not parts else "robust"
    return Config.model_validate(values)


def arms() -> dict[str, tuple[str, ...]]:
    """Every variant with its parts: one part after the other, then all but one, then changes alone."""
    names = tuple(PARTS)
    found: dict[str, tuple[str, ...]] = {"paper": ()}
    for count in range(1, len(names) + 1):
        found[f"plus {names[count - 1]}"] = names[:count]
    for left in names[:-1]:
        found[f"all but {left}"] = tuple(name for name in names if name != left and _NEEDS.get(name) != left)
    found["changes for D alone"] = tuple(
        name
        for name in names
        if name
        not in ("real information", "weighted marginals", "neighbours", "sub-codes", "split and merge")
    )
    return found


@experiment("robust")
def robust(options: Options) -> None:
    """The ablation of the robust recipe: parts added in turn, all less one, and real images alone.

    Half the paper's width in every arm, MNIST, five seeds of 1,000 steps; accuracy on test images, matched
    on training labels. Stopped, the command goes on; started again in another shell with another --seed and
    the same --out, both share the work.
    """
    steps = options.steps or STEPS
    folder = options.out or next_free(Path("runs"), "robust")
    for seed in seeds(options, SEEDS):
        settings = [f"training.seed={seed}", *options.settings]
        paper = api.configure(
            "mnist", data=options.data, recipe="paper", settings=parse_assignments([WIDTH, *settings])
        )
        full = api.configure(
            "mnist", data=options.data, recipe="robust", settings=parse_assignments([WIDTH, *settings])
        )
        for arm, parts in arms().items():
            config = with_parts(paper, full, parts)
            row(folder, arm, config, steps, trained(config, steps, METRICS))
        row(folder, REAL_ONLY, full, steps, _clustered(full, steps))
    rows = read_rows(folder)
    picks = label_free(rows)
    publish(folder, "robust", {"label_free": picks, "rows": rows}, f"{table(rows)}\n\n{picks_table(picks)}")


def _clustered(config: Config, steps: int) -> Make:
    """The baseline without a generator, which keeps no run."""

    def make(_: Path) -> dict[str, Any]:
        dataset = data.load(config.data)
        training = config.training.model_copy(update={"steps": steps})
        resolved = runner.resolve(config.model_copy(update={"training": training}), dataset)
        scores = evaluation.evaluate(cluster_real(resolved, dataset), dataset, only=("clustering",))
        machine = environment() | engine.conditions(torch.device("cpu"), "float32")  # as cluster_real trains
        return {"machine": machine, "scores": scores}

    return make


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows in Markdown: one line an arm, the accuracy of every seed."""
    lines = [
        "| recipe | accuracy by seed | mean (95 % over seeds) | variance of noise / of all | R^2 of codes |",
        "|---|---|---|---|---|",
    ]
    for arm in [*arms(), REAL_ONLY]:
        found = [entry["scores"] for entry in rows if entry["arm"] == arm]
        if not found:
            continue
        accuracies = [scores["clustering"]["accuracy"] for scores in found]
        middle = mean_over_seeds(accuracies, 3) if len(accuracies) > 1 else f"{accuracies[0]:.3f}"
        shown = " ".join(f"{value:.3f}" for value in accuracies)
        lines.append(f"| {arm} | {shown} | {middle} | {_variances(found)} | {_determination(found)} |")
    return "\n".join(lines)


def label_free(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """How well the score that needs no labels tells good runs from bad ones, over all runs that have it.

    Args:
        rows: as `read_rows` gives them.

    Returns:
        `runs`, their number; the `rank_correlation` of score and accuracy over all of them, where there is an
        order; and over arms of two runs or more the mean `regret` of picking an arm's run by the score, and
        that of a `blind` pick.
    """
    scored = [row for row in rows if row.get("label_free_nats")]
    nats = np.array([row["label_free_nats"][str(row["steps"])] for row in scored])
    reached = np.array([row["scores"]["clustering"]["accuracy"] for row in scored])
    names = np.array([row["arm"] for row in scored])
    several = [names == name for name in dict.fromkeys(names) if (names == name).sum() > 1]
    if not several:
        return {"runs": len(scored)}
    alike = np.zeros(len(scored))  # a score that tells no runs apart is a blind pick
    regrets = [selection_quality.regret(nats[chosen], reached[chosen]) for chosen in several]
    return {
        "runs": len(scored),
        "arms": len(several),
        **selection_quality.rank_correlation(
            nats, reached, numpy_generator(0, "experiments/robust/label_free")
        ),
        "regret": float(np.mean(regrets)),
        "regret_greatest": float(max(regrets)),
        "blind": float(
            np.mean([selection_quality.regret(alike[chosen], reached[chosen]) for chosen in several])
        ),
    }


def picks_table(found: Mapping[str, Any]) -> str:
    """What `label_free` found, in Markdown; nothing where no arm has two runs."""
    if "regret" not in found:
        return ""
    cells = {"runs with the score": str(found["runs"])}
    if "rank_correlation" in found:
        interval = found["rank_correlation_interval"]
        cells["rank correlation with accuracy (95 %)"] = with_interval(found["rank_correlation"], interval, 2)
    cells |= {
        f"regret of a pick by it within an arm, mean of {found['arms']} arms": f"{found['regret']:.3f}",
        "the greatest of these": f"{found['regret_greatest']:.3f}",
        "regret of a blind pick, mean": f"{found['blind']:.3f}",
    }
    lines = [f"| {name} | {cell} |" for name, cell in cells.items()]
    return "\n".join(["| the score that needs no labels | |", "|---|---|", *lines])


def _variances(scores: Sequence[Mapping[str, Any]]) -> str:
    """Noise and all, means over seeds; nothing for a recipe that generates nothing."""
    found = [entry["variance"] for entry in scores if "variance" in entry]
    if not found:
        return ""
    return " / ".join(
        f"{sum(entry[key] for entry in found) / len(found):.1f}" for key in ("noise", "generated")
    )


def _determination(scores: Sequence[Mapping[str, Any]]) -> str:
    """The mean R^2 of the continuous codes on generated images."""
    found = [
        code["r2_fake"] for entry in scores for code in entry.get("codes", {}).values() if "r2_fake" in code
    ]
    return f"{sum(found) / len(found):.2f}" if found else ""
