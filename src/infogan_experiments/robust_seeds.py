"""The recipe `robust` with many seeds, all shown: MNIST, Fashion-MNIST and scikit-learn's digits."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from infogan import api, evaluation
from infogan.config import Config
from infogan.evaluation import selection_quality
from infogan.evaluation.resampling import numpy_generator
from infogan.model import InfoGAN
from infogan.runs import selection
from infogan.runs.directory import RunDirectory
from infogan_experiments.experiment import Options, experiment
from infogan_experiments.result_tables import (
    Cell,
    Result,
    estimate,
    mean_over_seeds,
    results_table,
    value,
    values_table,
)
from infogan_experiments.results import publish, train_and_measure
from infogan_experiments.study import Study, by_recipe, train_study

TOGETHER = 4
"""Seeds of one `--seeds` run of fashion-seeds."""

EARLY_METRICS = ("baselines", "clustering", "purity of generated images")

MNIST, FASHION, DIGITS = (
    Study(f"robust-{preset.partition('-')[0]}", by_recipe(preset, {preset: {"recipe": "robust"}}), seeds)
    for preset, seeds in (("mnist", 10), ("fashion-mnist", 5), ("digits", 10))
)
MNIST = replace(MNIST, earlier={1_250: partial(train_and_measure, metrics=EARLY_METRICS)})
FASHION = replace(FASHION, first_seed=120)  # test results of seeds 100 to 102 influenced the recipe


@experiment("robust-mnist")
def robust_mnist(options: Options) -> None:
    """The recipe `robust` on MNIST: ten seeds from 100, after 1,250 and after all steps."""
    _publish_seeds(MNIST, options)


@experiment("robust-fashion")
def robust_fashion(options: Options) -> None:
    """The recipe `robust` on Fashion-MNIST: five seeds from 120."""
    _publish_seeds(FASHION, options)


@experiment("robust-digits")
def robust_digits(options: Options) -> None:
    """The recipe `robust` on scikit-learn's 1,797 digits of 8x8 pixels: ten seeds from 100."""
    _publish_seeds(DIGITS, options)


def _publish_seeds(study: Study, options: Options) -> None:
    folder, results = train_study(study, options)
    found = summary(results)
    tables = f"{seeds_table(results)}\n\n{values_table('steps, over all seeds', found, 4)}"
    publish(folder, study.name, {"summary": found, "rows": results}, tables)


# --- summary over seeds ----------------------------------------------------------------------------------

STROKES = {"slant": ("slant",), "width_or_thickness": ("width", "thickness")}
"""Properties of handwriting that a code should find, and the factors that measure them."""


def summary(results: Sequence[Result]) -> dict[str, Any]:
    """Return by number of steps: accuracy over seeds, medians, and the quality of label-free selection."""
    found: dict[str, Any] = {}
    for steps in sorted({result["steps"] for result in results}):
        some = [result for result in results if result["steps"] == steps]
        scores = [result["scores"] for result in some]
        part = {"seeds": [result["seed"] for result in some], **_accuracies(scores), **_medians(scores)}
        if len(some) > 2 and all("label_free_nats" in result for result in some):
            part["label_free"] = _label_free(some)
        found[str(steps)] = part
    return found


def _accuracies(scores: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    values = [entry["clustering"]["accuracy"] for entry in scores]
    mean = mean_over_seeds(values)
    return {
        "accuracy_mean": mean.value,
        "accuracy_mean_interval": list(mean.interval or ()),
        "accuracy_median": statistics.median(values),
        "accuracy_least": min(values),
        "accuracy_greatest": max(values),
    }


def _medians(scores: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return medians over seeds; a factor without a matched code counts as a correlation of 0."""
    medians: dict[str, Any] = {
        "generated_purity_median": statistics.median(
            entry["clustering"]["generated_purity"] for entry in scores
        )
    }
    if all("variance" in entry for entry in scores):
        variances = [entry["variance"] for entry in scores]
        medians["variance_median"] = {
            "generated_over_real": statistics.median(
                entry["generated"] / entry["real"] for entry in variances
            ),
            "noise_over_generated": statistics.median(
                entry["noise"] / entry["generated"] for entry in variances
            ),
        }
    r2 = [
        code["r2_fake"] for entry in scores for code in entry.get("codes", {}).values() if "r2_fake" in code
    ]
    medians |= {"r2_fake_least": min(r2)} if r2 else {}
    for name, factors in STROKES.items() if all("factors" in entry for entry in scores) else ():
        medians[f"{name}_median"] = {
            key: statistics.median(
                max(entry["factors"].get(factor, {}).get(f"spearman_{key}", 0.0) for factor in factors)
                for entry in scores
            )
            for key in ("generated", "real")
        }
    return medians


def _label_free(results: Sequence[Result]) -> dict[str, Any]:
    """Return by step how well the label-free score of that step predicts the accuracy."""
    accuracies = np.array([result["scores"]["clustering"]["accuracy"] for result in results])
    quality: dict[str, Any] = {}
    for step in results[0]["label_free_nats"]:
        nats = np.array([result["label_free_nats"][step] for result in results])
        quality[step] = {
            "picked_seed": results[int(nats.argmax())]["seed"],
            "regret": selection_quality.regret(nats, accuracies),
            **selection_quality.rank_correlation(
                nats, accuracies, numpy_generator(0, "experiments/selection")
            ),
        }
    return quality


# --- every seed ------------------------------------------------------------------------------------------


def _information(result: Result) -> str:
    return " ".join(f"{entry['information_nats']:.3f}" for entry in result["scores"].get("real", {}).values())


def _variances(result: Result) -> str:
    variance = result["scores"].get("variance", {})
    return ", ".join(f"{variance[key]:.1f}" for key in ("real", "generated", "noise") if key in variance)


def _r2(result: Result) -> str:
    codes = result["scores"].get("codes", {}).values()
    return " ".join(f"{code['r2_fake']:.2f}" for code in codes if "r2_fake" in code)


def _correlations(*factors: str) -> Cell:
    """Return a cell with |Spearman| on generated and on real images of the factors that have a code."""

    def cell(result: Result) -> str:
        known = result["scores"].get("factors", {})
        keys = ("spearman_generated", "spearman_real")
        entries = [known[name] for name in factors if name in known]
        return "; ".join(", ".join(f"{entry[key]:.2f}" for key in keys if key in entry) for entry in entries)

    return cell


COLUMNS: dict[str, Cell] = {
    "seed": value("seed"),
    "steps": value("steps", ","),
    "accuracy (95 %)": estimate("scores.clustering.accuracy", 4),
    "NMI": value("scores.clustering.nmi", ".3f"),
    "generated images in their category's class": value("scores.clustering.generated_purity", ".3f"),
    "information on real images": _information,
    "variance: real, generated, noise": _variances,
    "R^2 of codes": _r2,
    "slant: generated, real": _correlations("slant"),
    "width or thickness: generated, real": _correlations("width", "thickness"),
    "k-means": value("scores.baselines.kmeans.clustering.accuracy", ".4f"),
}


def seeds_table(results: Sequence[Result]) -> str:
    """Return a table with one line per training."""
    return results_table(sorted(results, key=lambda one: (one["steps"], one["seed"])), COLUMNS)


# --- several seeds, one model ----------------------------------------------------------------------------


def train_several(config: Config, steps: int, path: Path) -> dict[str, Any]:
    """Train several seeds, keep the best without labels and measure it; also measure each pruned seed."""
    if path.exists():
        trained = api.resume_run(path)
    else:
        training = config.training.model_copy(update={"steps": steps})
        trained = api.train_config(config.model_copy(update={"training": training}), out=path, seeds=TOGETHER)
    chosen = selection.read(trained.run)
    scores = evaluation.evaluate(trained.model, trained.dataset)
    each = {}
    for seed, nats in sorted(chosen.rounds[0].scores.items()):  # without seeds that had diverged
        model = InfoGAN.from_pretrained(trained.run.seeds / f"seed-{seed}")
        found = evaluation.evaluate(model, trained.dataset, only=("clustering",))
        accuracy = found["clustering"]["accuracy"]
        each[str(seed)] = {"steps": found["steps"], "accuracy": accuracy, "label_free_nats": nats}
    best = RunDirectory.open(trained.run.seeds / f"seed-{chosen.best}")
    return {"machine": best.read_environment(), "scores": scores, "best": chosen.best, "seeds": each}


FASHION_SEEDS = Study(
    "fashion-seeds",
    by_recipe("fashion-mnist", {"fashion-mnist by four seeds": {"recipe": "robust"}}),
    seeds=5,
    spacing=TOGETHER,
    train=train_several,
)


@experiment("fashion-seeds")
def fashion_seeds(options: Options) -> None:
    """The recipe `robust` on Fashion-MNIST with `--seeds 4`, five times, with twenty seeds from 100."""
    folder, results = train_study(FASHION_SEEDS, options)
    accuracies = _accuracies([result["scores"] for result in results])
    del accuracies["accuracy_median"]
    table = results_table(results, GROUP_COLUMNS)
    publish(folder, "fashion-seeds", {"summary": accuracies, "rows": results}, table)


def _seeds(result: Result) -> str:
    seeds = sorted(map(int, result["seeds"]))
    return f"{seeds[0]} to {seeds[-1]}"


def _each_seed(result: Result) -> str:
    seeds = sorted(result["seeds"].items(), key=lambda pair: int(pair[0]))
    return "; ".join(
        f"{one['accuracy']:.3f} at {one['steps']:,} ({one['label_free_nats']:.3f})" for _, one in seeds
    )


GROUP_COLUMNS: dict[str, Cell] = {
    "seeds": _seeds,
    "kept": value("best"),
    "accuracy (95 %)": estimate("scores.clustering.accuracy", 4),
    "NMI": value("scores.clustering.nmi", ".3f"),
    "each seed's accuracy where it stopped (nats)": _each_seed,
    "k-means": value("scores.baselines.kmeans.clustering.accuracy", ".4f"),
}
