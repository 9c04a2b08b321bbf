"""The paper's recipe on MNIST: clustering accuracy of its categories, with every seed shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from infogan.config import Config
from infogan.runs import metrics_log
from infogan_experiments.experiment import Options, experiment
from infogan_experiments.result_tables import Result, estimate, results_table, value
from infogan_experiments.results import publish, read_results, record, train_and_measure
from infogan_experiments.study import Study, by_recipe, train_study

SHORT, LONG = 1_000, 5_000
FROM_STEP = 550
"""From this step on the bound of the digit code should stay above 2.2 of 2.30 nats."""


def train(config: Config, steps: int, path: Path) -> dict[str, Any]:
    """Train and measure, and add the lowest bound of a hundred steps."""
    result = train_and_measure(config, steps, path)
    lines = metrics_log.read(path / "metrics.jsonl")
    return {**result, "lowest_hundred_step_mean_nats": lowest_mean(lines, FROM_STEP)}


STUDY = Study("mnist-paper", by_recipe("mnist", {"paper": "paper"}), 3, SHORT, train, first_seed=0)


@experiment("mnist-paper")
def mnist_paper(options: Options) -> None:
    """The recipe `paper` on MNIST: three seeds with 1,000 steps, the first also with 5,000 steps.

    Categories are matched to digits on training labels. All seeds are shown. If it was stopped, the command
    resumes.
    """
    folder, _ = train_study(STUDY, options)
    first = options.seed or 0
    long = (options.steps or SHORT) * LONG // SHORT
    record(folder, "paper", STUDY.configure(options, first)["paper"], long, train)
    results = [{"settings": options.assignments, **result} for result in read_results(folder)]
    publish(folder, "mnist-paper", {"rows": results}, results_table(results, COLUMNS))


def lowest_mean(lines: list[dict[str, Any]], first: int) -> float | None:
    """Return the lowest mean of the digit code's bound over a hundred steps that end at `first` or later.

    Args:
        lines: of metrics.jsonl, each the mean over the 20 steps up to it.
        first: the first step at which such a mean may end.

    Returns:
        nats; None if the run is shorter.
    """
    bounds = [(line["step"], line["mutual_information"]["digit"]) for line in lines]
    means = [
        sum(nats for _, nats in bounds[end - 4 : end + 1]) / 5
        for end in range(4, len(bounds))
        if bounds[end][0] >= first
    ]
    return min(means) if means else None


def _bound(result: Result) -> str:
    code = result["scores"]["codes"]["digit"]
    return f"{code['mutual_information_nats']:.3f} ± {code['mutual_information_nats_standard_error']:.3f}"


COLUMNS = {
    "seed": value("seed"),
    "steps": value("steps", ","),
    "accuracy (95 %)": estimate("scores.clustering.accuracy", 4),
    "NMI": value("scores.clustering.nmi", ".3f"),
    "ARI": value("scores.clustering.ari", ".3f"),
    "L_I of the digit code, new generated images": _bound,
    f"lowest 100-step mean from step {FROM_STEP}": value("lowest_hundred_step_mean_nats", ".3f"),
    "generated images in their category's class": value("scores.clustering.generated_purity", ".3f"),
    "k-means": estimate("scores.baselines.kmeans.clustering.accuracy", 4),
    "untrained": estimate("scores.baselines.untrained.clustering.accuracy", 4),
}
