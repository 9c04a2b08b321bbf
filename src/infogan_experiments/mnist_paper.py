"""The paper's recipe on MNIST as it is: how well its categories sort the digits, every seed shown."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infogan import api, evaluation, storage
from infogan.config import Config, parse_assignments
from infogan.errors import ConfigError
from infogan.runs import metrics_log
from infogan.runs.directory import next_free
from infogan_experiments.experiment import Options, experiment
from infogan_experiments.results import with_interval
from infogan_experiments.variants import trained_to

SEEDS = 3
SHORT, LONG = 1_000, 5_000
FROM_STEP = 550
"""From here on the digit's bound should stay above 2.2 of 2.30 nats."""


@experiment("mnist-paper")
def mnist_paper(options: Options) -> None:
    """Appendix C.1: three seeds for 1,000 steps, the first of them on to 5,000; accuracy on test images.

    Categories are matched to digits on training labels. No seed is picked: `seed`, `seed` + 1 and
    `seed` + 2 are shown, whatever they give. Stopped, the command goes on where it was.
    """
    short = options.steps or SHORT
    long = short * LONG // SHORT
    folder = options.out or next_free(Path("runs"), "mnist-paper")
    path = folder / "mnist-paper.json"
    rows: list[dict[str, Any]] = json.loads(path.read_text())["rows"] if path.exists() else []
    if rows and any(row["settings"] != list(options.settings) for row in rows):
        raise ConfigError(
            f"{path} holds figures of other settings: {rows[0]['settings']}",
            "the same --set as before, to go on",
            "another --out",
        )
    first = options.seed or 0
    plan = [(first + index, short) for index in range(options.seeds or SEEDS)] + [(first, long)]
    for seed, steps in plan:
        if any((row["seed"], row["steps"]) == (seed, steps) for row in rows):
            continue
        config = api.configure(
            "mnist",
            data=options.data,
            recipe="paper",
            settings={"training.seed": seed, **parse_assignments(options.settings)},
        )
        rows.append({"settings": list(options.settings)} | _row(config, seed, steps, folder / f"seed-{seed}"))
        result = {"experiment": "mnist-paper", "rows": rows}
        storage.write_text(path, json.dumps(result, indent=2) + "\n")
    print(_table(rows))
    print(path)


def _row(config: Config, seed: int, steps: int, run_path: Path) -> dict[str, Any]:
    """One training's figures; its model is kept beside the run as it was at that step."""
    trained = trained_to(config, steps, run_path)
    kept = run_path.with_name(f"{run_path.name}-step-{steps}")
    if not kept.exists():
        shutil.copytree(trained.run.model, kept)
    scores = evaluation.evaluate(trained.model, trained.dataset)
    lines = metrics_log.read(trained.run.metrics_path)
    return {
        "seed": seed,
        "steps": steps,
        "machine": trained.run.read_environment(),
        "lowest_hundred_step_mean_nats": lowest_mean(lines, FROM_STEP),
        "scores": scores,
    }


def lowest_mean(lines: list[dict[str, Any]], first: int) -> float | None:
    """The lowest mean of the digit's bound over a hundred steps that end at step `first` or later.

    Args:
        lines: of metrics.jsonl, each the mean over the 20 steps up to it.
        first: the first step at which such a mean may end.

    Returns:
        nats; None where the run is shorter.
    """
    bounds = [(line["step"], line["mutual_information"]["digit"]) for line in lines]
    means = [
        sum(nats for _, nats in bounds[end - 4 : end + 1]) / 5
        for end in range(4, len(bounds))
        if bounds[end][0] >= first
    ]
    return min(means) if means else None


def _table(rows: list[dict[str, Any]]) -> str:
    """The rows in Markdown."""
    lines = [
        "| seed | steps | accuracy (95 %) | NMI | ARI | L_I of the digit code, fresh fakes "
        f"| lowest 100-step mean from step {FROM_STEP} | generated images in their category's class "
        "| k-means | untrained |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        scores = row["scores"]
        found, code = scores["clustering"], scores["codes"]["digit"]
        lowest = row["lowest_hundred_step_mean_nats"]
        kmeans, untrained = (
            _accuracy(scores["baselines"][name]["clustering"]) for name in ("kmeans", "untrained")
        )
        lines.append(
            f"| {row['seed']} | {row['steps']:,} | {_accuracy(found)} "
            f"| {found['nmi']:.3f} | {found['ari']:.3f} "
            f"| {code['mutual_information_nats']:.3f} ± {code['mutual_information_nats_standard_error']:.3f} "
            f"| {'' if lowest is None else f'{lowest:.3f}'} | {found['generated_purity']:.3f} "
            f"| {kmeans} | {untrained} |"
        )
    return "\n".join(lines)


def _accuracy(clustering: Mapping[str, Any]) -> str:
    """An accuracy with its interval."""
    return with_interval(clustering["accuracy"], clustering["accuracy_interval"], 4)
