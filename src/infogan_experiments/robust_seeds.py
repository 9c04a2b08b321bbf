"""The recipe `robust` over many seeds, all shown: on MNIST, Fashion-MNIST and scikit-learn's digits."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from infogan import api
from infogan.config import parse_assignments
from infogan.evaluation import selection_quality
from infogan.evaluation.resampling import numpy_generator
from infogan.runs.directory import next_free
from infogan_experiments.experiment import Options, experiment
from infogan_experiments.results import (
    FIRST_SEED,
    publish,
    read_rows,
    row,
    seeds,
    seeds_interval,
    trained,
    with_interval,
)

FASHION_SEED = 120
"""How `discover-fashion` came out, on test images and seeds 100 to 102, had a say in the preset's recipe."""

EARLY = 1_250
EARLY_METRICS = ("baselines", "clustering", "purity of generated images")


@experiment("robust-mnist")
def robust_mnist(options: Options) -> None:
    """MNIST, ten seeds from 100 on: early, after 1,250 steps, and at the end; test images."""
    _all_seeds("mnist", options, count=10, early=EARLY)


@experiment("robust-fashion")
def robust_fashion(options: Options) -> None:
    """Fashion-MNIST, five seeds from 120 on; test images."""
    _all_seeds("fashion-mnist", options, count=5, first=FASHION_SEED)


@experiment("robust-digits")
def robust_digits(options: Options) -> None:
    """scikit-learn's 1,797 digits of 8x8 pixels, ten seeds from 100 on; held-out images."""
    _all_seeds("digits", options, count=10)


def _all_seeds(
    preset: str, options: Options, *, count: int, first: int = FIRST_SEED, early: int | None = None
) -> None:
    """Trains and measures every seed; stopped, it goes on; two shells may share one folder by --seed."""
    name = f"robust-{preset.partition('-')[0]}"
    folder = options.out or next_free(Path("runs"), name)
    for seed in seeds(options, count, first):
        config = api.configure(
            preset,
            data=options.data,
            recipe="robust",
            settings={"training.seed": seed, **parse_assignments(options.settings)},
        )
        steps = options.steps or config.training.steps
        if early is not None and early < steps:
            row(folder, preset, config, early, trained(config, early, EARLY_METRICS))
        row(folder, preset, config, steps, trained(config, steps))
    rows = read_rows(folder)
    found = summary(rows)
    publish(folder, name, {"summary": found, "rows": rows}, f"{table(rows)}\n\n{summary_table(found)}")


# --- what is written about them --------------------------------------------------------------------------


def summary(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """By steps: accuracy over seeds, medians of what else was measured, and the pick that needs no label."""
    found: dict[str, Any] = {}
    for steps in sorted({entry["steps"] for entry in rows}):
        some = [entry for entry in rows if entry["steps"] == steps]
        accuracies = [entry["scores"]["clustering"]["accuracy"] for entry in some]
        mean, low, high = seeds_interval(accuracies)
        part: dict[str, Any] = {
            "seeds": [entry["seed"] for entry in some],
            "accuracy_mean": mean,
            "accuracy_mean_interval": [low, high],
            "accuracy_median": statistics.median(accuracies),
            "accuracy_least": min(accuracies),
            "accuracy_greatest": max(accuracies),
        }
        part |= _medians([entry["scores"] for entry in some])
        if len(some) > 2 and all("label_free_nats" in entry for entry in some):
            part["label_free"] = _label_free(some, accuracies)
        found[str(steps)] = part
    return found


STROKES = {"slant": ("slant",), "width_or_thickness": ("width", "thickness")}
"""Factors of handwriting by what is asked of a recipe: a code for slant, and one for either of the others."""


def _medians(scores: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Over seeds; a factor that no code was matched to counts as a correlation of 0."""
    found: dict[str, Any] = {
        "generated_purity_median": statistics.median(one["clustering"]["generated_purity"] for one in scores)
    }
    if all("variance" in one for one in scores):
        spread = [one["variance"] for one in scores]
        found["variance_median"] = {
            "generated_over_real": statistics.median(one["generated"] / one["real"] for one in spread),
            "noise_over_generated": statistics.median(one["noise"] / one["generated"] for one in spread),
        }
    determined = [
        code["r2_fake"] for one in scores for code in one.get("codes", {}).values() if "r2_fake" in code
    ]
    found |= {"r2_fake_least": min(determined)} if determined else {}
    if all("factors" in one for one in scores):
        found |= {
            f"{name}_median": {
                key: statistics.median(
                    max(one["factors"].get(factor, {}).get(f"spearman_{key}", 0.0) for factor in factors)
                    for one in scores
                )
                for key in ("generated", "real")
            }
            for name, factors in STROKES.items()
        }
    return found


def _label_free(rows: Sequence[Mapping[str, Any]], accuracies: Sequence[float]) -> dict[str, Any]:
    """By the step at which it is asked: how well `--seeds`' score tells good runs from bad ones."""
    reached = np.array(accuracies)
    found: dict[str, Any] = {}
    for step in rows[0]["label_free_nats"]:
        nats = np.array([entry["label_free_nats"][step] for entry in rows])
        found[step] = {
            "picked_seed": rows[int(nats.argmax())]["seed"],
            "regret": selection_quality.regret(nats, reached),
            **selection_quality.rank_correlation(nats, reached, numpy_generator(0, "experiments/selection")),
        }
    return found


def summary_table(summary: Mapping[str, Mapping[str, Any]]) -> str:
    """What `summary` found in Markdown: over all seeds, a block of lines for each number of steps."""
    lines = ["| steps | over all seeds | |", "|---|---|---|"]
    for steps, part in summary.items():
        cells = {
            "accuracy, mean (95 % over seeds)": with_interval(
                part["accuracy_mean"], part["accuracy_mean_interval"], 4
            ),
            "accuracy, median; least; greatest": "; ".join(
                f"{part[f'accuracy_{key}']:.4f}" for key in ("median", "least", "greatest")
            ),
            "generated images in their category's class, median": f"{part['generated_purity_median']:.3f}",
        }
        for name, shares in part.get("variance_median", {}).items():
            cells[f"variance, {name.replace('_', ' ')}, median"] = f"{shares:.2f}"
        if "r2_fake_least" in part:
            cells["R^2 of a continuous code, least"] = f"{part['r2_fake_least']:.2f}"
        for name in STROKES:
            if f"{name}_median" in part:
                shown = [f"{part[f'{name}_median'][key]:.2f}" for key in ("generated", "real")]
                cells[f"{name.replace('_', ' ')}, median: generated; real"] = "; ".join(shown)
        for step, score in part.get("label_free", {}).items():
            correlation = score.get("rank_correlation")
            order = "no order" if correlation is None else f"rank correlation {correlation:.2f}"
            pick = f"seed {score['picked_seed']}, regret {score['regret']:.4f}, {order}"
            cells[f"picked without labels at step {int(step):,}"] = pick
        lines += [f"| {int(steps):,} | {name} | {cell} |" for name, cell in cells.items()]
    return "\n".join(lines)


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows in Markdown, one line a training."""
    lines = [
        "| seed | steps | accuracy (95 %) | NMI | generated images in their category's class "
        "| information on real images | variance: real, generated, noise | R^2 of codes "
        "| slant: generated, real | width or thickness: generated, real | k-means |",
        "|" + "---|" * 11,
    ]
    return "\n".join(
        [*lines, *(_line(entry) for entry in sorted(rows, key=lambda e: (e["steps"], e["seed"])))]
    )


def _line(entry: Mapping[str, Any]) -> str:
    scores = entry["scores"]
    found, kmeans = scores["clustering"], scores["baselines"]["kmeans"]["clustering"]["accuracy"]
    real = [f"{place['information_nats']:.3f}" for place in scores.get("real", {}).values()]
    spread, codes = scores.get("variance", {}), scores.get("codes", {}).values()
    cells = [
        str(entry["seed"]),
        f"{entry['steps']:,}",
        with_interval(found["accuracy"], found["accuracy_interval"], 4),
        f"{found['nmi']:.3f}",
        f"{found['generated_purity']:.3f}",
        " ".join(real),
        ", ".join(f"{spread[key]:.1f}" for key in ("real", "generated", "noise") if key in spread),
        " ".join(f"{code['r2_fake']:.2f}" for code in codes if "r2_fake" in code),
        _correlations(scores, ("slant",)),
        _correlations(scores, ("width", "thickness")),
        f"{kmeans:.4f}",
    ]
    return "| " + " | ".join(cells) + " |"


def _correlations(scores: Mapping[str, Any], factors: Sequence[str]) -> str:
    """|Spearman| on generated and on real images, of whichever of the factors has a code."""
    found = [scores["factors"][name] for name in factors if name in scores.get("factors", {})]
    keys = ("spearman_generated", "spearman_real")
    return "; ".join(", ".join(f"{one[key]:.2f}" for key in keys if key in one) for one in found)
