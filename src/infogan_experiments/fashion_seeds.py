"""Fashion-MNIST by several seeds and one answer: what `--seeds` is worth where seeds differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from infogan import api, evaluation
from infogan.config import Config, parse_assignments
from infogan.model import InfoGAN
from infogan.runs import selection
from infogan.runs.directory import RunDirectory, next_free
from infogan_experiments.experiment import Options, experiment
from infogan_experiments.results import (
    FIRST_SEED,
    Make,
    publish,
    read_rows,
    row,
    seeds_interval,
    with_interval,
)

GROUPS, TOGETHER = 5, 4
ARM = "fashion-mnist by four seeds"


@experiment("fashion-seeds")
def fashion_seeds(options: Options) -> None:
    """Fashion-MNIST by `--seeds 4`, five times: twenty seeds from 100 on, all shown; test images."""
    folder = options.out or next_free(Path("runs"), "fashion-seeds")
    first = FIRST_SEED if options.seed is None else options.seed
    for number in range(options.seeds or GROUPS):
        settings = [f"training.seed={first + TOGETHER * number}", *options.settings]
        config = api.configure(
            "fashion-mnist", data=options.data, recipe="robust", settings=parse_assignments(settings)
        )
        steps = options.steps or config.training.steps
        row(folder, ARM, config, steps, several(config, steps, TOGETHER))
    rows = read_rows(folder)
    publish(folder, "fashion-seeds", {"summary": summary(rows), "rows": rows}, table(rows))


def several(config: Config, steps: int, count: int) -> Make:
    """Trains several seeds to one answer, and measures it; and every seed where it stopped."""

    def make(path: Path) -> dict[str, Any]:
        training = config.training.model_copy(update={"steps": steps})
        if path.exists():
            trained = api.resume_run(path)
        else:
            trained = api.train_config(
                config.model_copy(update={"training": training}), out=path, seeds=count
            )
        chosen = selection.read(trained.run)
        scores = evaluation.evaluate(trained.model, trained.dataset)
        each = {}
        for seed, nats in sorted(chosen.rounds[0].scores.items()):  # without those that diverged before
            model = InfoGAN.from_pretrained(trained.run.seeds / f"seed-{seed}")
            found = evaluation.evaluate(model, trained.dataset, only=("clustering",))
            accuracy = found["clustering"]["accuracy"]
            each[str(seed)] = {"steps": found["steps"], "accuracy": accuracy, "label_free_nats": nats}
        best = RunDirectory.open(trained.run.seeds / f"seed-{chosen.best}")
        machine = best.read_environment()
        return {"machine": machine, "scores": scores, "best": chosen.best, "seeds": each}

    return make


def summary(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Accuracy over the groups' answers."""
    accuracies = [entry["scores"]["clustering"]["accuracy"] for entry in rows]
    mean, low, high = seeds_interval(accuracies)
    return {
        "accuracy_mean": mean,
        "accuracy_mean_interval": [low, high],
        "accuracy_least": min(accuracies),
        "accuracy_greatest": max(accuracies),
    }


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The groups in Markdown, a line each, with the accuracy of every seed where it stopped."""
    lines = [
        "| seeds | kept | accuracy (95 %) | NMI | each seed's accuracy where it stopped (nats) | k-means |",
        "|" + "---|" * 6,
    ]
    for entry in rows:
        found, seeds = entry["scores"]["clustering"], sorted(map(int, entry["seeds"]))
        each = [
            f"{one['accuracy']:.3f} at {one['steps']:,} ({one['label_free_nats']:.3f})"
            for one in (entry["seeds"][str(seed)] for seed in seeds)
        ]
        kmeans = entry["scores"]["baselines"]["kmeans"]["clustering"]["accuracy"]
        lines.append(
            f"| {seeds[0]} to {seeds[-1]} | {entry['best']} "
            f"| {with_interval(found['accuracy'], found['accuracy_interval'], 4)} | {found['nmi']:.3f} "
            f"| {'; '.join(each)} | {kmeans:.4f} |"
        )
    return "\n".join(lines)
