"""What each part of the recipe `robust` is worth: the ablation table, every seed shown."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from infogan import api, data, evaluation, storage
from infogan.config import Config
from infogan.experiments.real_only import cluster_real
from infogan.experiments.registry import Options, experiment
from infogan.experiments.rows import found, mean_interval, read_rows, row, write_row
from infogan.training import runner
from infogan.training.run_directory import environment, next_free
from infogan.training.runner import Trained

FIRST_SEED, SEEDS, STEPS = 100, 5, 1_000
WIDTH = "network.width=0.5"
REAL_ONLY = "real images alone"

PARTS: dict[str, tuple[str, ...]] = {
    "real information": ("objective.real_information_weight",),
    "Q's first weights": ("network.recognition_std",),
    "weighted marginals": ("objective.marginal_weight",),
    "changes for D, too": ("augmentation.everything",),
    "sub-codes": ("objective.subcode_weight",),
    "split and merge": ("training.remedy_start", "training.remedy_end", "training.remedy_every"),
    "soft continuous codes": ("latents.codes",),
    "mode seeking": ("objective.mode_seeking_weight",),
    "learning rates": (
        "training.learning_rate_discriminator",
        "training.learning_rate_generator",
        "training.decay_start",  # the rates fall after the steps of this table
        "training.decay_end",
        "training.decay_to",
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
    values["augmentation"] = {**source["augmentation"], "everything": False}
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
        if name not in ("real information", "weighted marginals", "sub-codes", "split and merge")
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
    first = FIRST_SEED if options.seed is None else options.seed
    for seed in range(first, first + (options.seeds or SEEDS)):
        settings = [f"training.seed={seed}", *options.settings]
        paper = api.configure("mnist", data=options.data, recipe="paper", settings=[WIDTH, *settings])
        full = api.configure("mnist", data=options.data, recipe="robust", settings=[WIDTH, *settings])
        for arm, parts in arms().items():
            row(folder, arm, with_parts(paper, full, parts), steps, _measure)
        _real_only_row(folder, full, steps)
    rows = read_rows(folder)
    storage.write_text(
        folder / "robust.json", json.dumps({"experiment": "robust", "rows": rows}, indent=1) + "\n"
    )
    print(table(rows))
    print(folder / "robust.json")


def _measure(trained: Trained) -> dict[str, Any]:
    chosen = ("clustering", "variance within categories", "mutual information")
    return {"scores": evaluation.evaluate(trained.model, trained.dataset, only=chosen)}


def _real_only_row(folder: Path, config: Config, steps: int) -> None:
    """The row of the baseline without a generator."""
    seed = config.training.seed
    path = folder / "rows" / f"{REAL_ONLY}-seed-{seed}-step-{steps}.json"
    if found(path, config) is not None:
        return
    dataset = data.load(config.data)
    config = runner.resolve(config, dataset)
    training = config.training.model_copy(update={"steps": steps})
    model = cluster_real(config.model_copy(update={"training": training}), dataset)
    made = {
        "arm": REAL_ONLY,
        "seed": seed,
        "steps": steps,
        "config": config.model_dump(mode="json"),
        "machine": environment(),
        "scores": evaluation.evaluate(model, dataset, only=("clustering",)),
    }
    write_row(path, made)


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
        mean, low, high = mean_interval(accuracies)
        shown = " ".join(f"{value:.3f}" for value in accuracies)
        lines.append(
            f"| {arm} | {shown} | {mean:.3f} ({low:.3f} to {high:.3f}) "
            f"| {_variances(found)} | {_determination(found)} |"
        )
    return "\n".join(lines)


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
