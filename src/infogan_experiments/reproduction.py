"""`infogan reproduce PRESET`: train the seeds of a figure, measure and plot them, and write its page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from infogan import evaluation, presets, storage
from infogan.config import Config
from infogan.data import SOURCES, Split
from infogan.errors import ConfigError
from infogan.evaluation.subject import drawn_subset
from infogan.model import InfoGAN
from infogan.reporting import pictures
from infogan.reporting.traversals import traversal_picture
from infogan.training.runner import Trained
from infogan_experiments.experiment import Options, configure
from infogan_experiments.figure_page import COLUMNS, ROWS, Variant, by_variant, outcomes, page
from infogan_experiments.result_tables import Result
from infogan_experiments.results import read_results, record, train_and_measure
from infogan_experiments.targets import Outcome, PaperFigure

QUICK_STEPS, QUICK_SAMPLES, QUICK_IMAGES = 30, 200, 300
QUICK_SETTINGS = {"network.width": 0.125, "objective.neighbours": 0}


def reproduce(figure: PaperFigure, options: Options) -> None:
    """Train and measure every seed, and write NAME.json, NAME.md and a picture for each recipe.

    If it was stopped, it resumes; another recipe in the same folder is added to the page.

    Raises:
        InfoGANError: as `infogan.configure` and `results.record`.
    """
    folder = options.folder(f"reproduce-{figure.preset}")
    _results_of(figure, folder)
    seeds = options.seed_range(1 if options.quick else figure.seeds, figure.first_seed)
    steps = options.steps or (QUICK_STEPS if options.quick else figure.steps)

    def train(config: Config, steps: int, path: Path) -> dict[str, Any]:
        facts = {
            "experiment": config.preset,
            "settings": options.assignments,
            "quick": options.quick,
            "data_given": options.data is not None,
        }
        measure = _measure_few if options.quick else None
        return facts | train_and_measure(config, steps, path, measure=measure)

    for seed in seeds:
        config = _configure(figure, options, seed)
        variant = (config.training.recipe, steps)
        record(folder, variant[0], config, steps, train)
    results = _results_of(figure, folder)
    picture = plot(figure, by_variant(results)[variant], folder / variant[0])
    if picture is not None:
        pictures.save_png(picture, picture_path(figure, folder, variant))
    publish_figure(figure, folder, results)


def _configure(figure: PaperFigure, options: Options, seed: int) -> Config:
    settings: dict[str, Any] = {"training.seed": seed}
    if options.quick:
        settings |= QUICK_SETTINGS
        if options.data is None and SOURCES[presets.load(figure.preset).data.source].renders:
            settings["data.count"] = QUICK_IMAGES
    return configure(figure.preset, options, settings, recipe=options.recipe)


def _results_of(figure: PaperFigure, folder: Path) -> Sequence[Result]:
    """Return the results in a folder that belong to this figure.

    Raises:
        ConfigError: a page would mix experiments, or images, in one table.
    """
    results = read_results(folder)
    if {result.get("experiment") for result in results} - {figure.preset, *figure.same_training}:
        raise ConfigError(
            f"{folder} has results of another experiment",
            f"a folder of {figure.preset} only, or a new one",
            "another --out",
        )
    own = [
        result
        for result in results
        if result["experiment"] == figure.preset or result["arm"] == presets.DEFAULT_RECIPE
    ]
    for (recipe, steps), some in by_variant(own).items():
        if len({result["scores"].get("dataset_fingerprint") for result in some}) > 1:
            raise ConfigError(
                f"{folder}: the results of recipe {recipe}, {steps:,} steps, are of different images",
                "the same --data for all seeds of a table",
                "another --out for the other images",
            )
    return own


def _measure_few(trained: Trained) -> dict[str, Any]:
    """Evaluate on a random subset of the images, as many data sets are sorted."""

    def few(split: Split) -> Split:
        return split.take(drawn_subset(len(split.images), QUICK_IMAGES, seed=0, stream="experiments/quick"))

    dataset = trained.dataset
    small = replace(dataset, train=few(dataset.train), test=few(dataset.test))
    return evaluation.evaluate(trained.model, small, samples=QUICK_SAMPLES)


# --- the picture -----------------------------------------------------------------------------------------


def picture_path(figure: PaperFigure, folder: Path, variant: Variant) -> Path:
    """Return the path of the picture of a recipe and a number of steps."""
    return folder / f"{figure.preset}-{variant[0]}-{variant[1]}.png"


def plot(figure: PaperFigure, results: Sequence[Result], runs: Path) -> Image.Image | None:
    """Return the panels of every seed, one seed below the other; None unless all models exist.

    Args:
        figure: of the paper.
        results: of one variant.
        runs: the folder with a run seed-N for each.
    """
    lines: list[list[Image.Image]] = []
    for result in results:
        path = runs / f"seed-{result['seed']}"
        model = InfoGAN.from_pretrained(path) if path.exists() else None
        if model is None or model.provenance["steps"] != result["steps"]:  # deleted, or trained further
            return None
        parts = [
            traversal_picture(
                model,
                code,
                rows=ROWS,
                values=None if panel.span is None else np.linspace(*panel.span, COLUMNS).tolist(),
                title=f"{panel.title}, seed {result['seed']}",
            )
            for panel in figure.panels
            for code in panel.codes(result["scores"])
        ]
        lines += [parts[start : start + figure.columns] for start in range(0, len(parts), figure.columns)]
    return pictures.sheet(lines) if lines else None


# --- the files -------------------------------------------------------------------------------------------


def publish_figure(figure: PaperFigure, folder: Path, results: Sequence[Result]) -> None:
    """Write NAME.json and NAME.md of all variants, and print the outcome of each metric."""
    grouped = by_variant(results)
    paths = {variant: picture_path(figure, folder, variant) for variant in grouped}
    names = {variant: path.name for variant, path in paths.items() if path.exists()}
    found = {variant: outcomes(figure, some) for variant, some in grouped.items()}
    published = {
        "experiment": figure.preset,
        "section": figure.section,
        "claim": figure.statement,
        "arms": [
            {
                "recipe": variant[0],
                "steps": variant[1],
                "picture": names.get(variant),
                "figures": {one.metric.name: _values(one) for one in some},
            }
            for variant, some in found.items()
        ],
        "rows": list(results),
    }
    storage.write_text(folder / f"{figure.preset}.json", json.dumps(published, indent=1) + "\n")
    path = folder / f"{figure.preset}.md"
    storage.write_text(path, page(figure, results, names))
    for (recipe, steps), some in found.items():
        for one in some:
            mean = "does not apply" if one.mean is None else f"{one.mean.value:.3f}"
            verdict = f": {one.verdict}" if one.verdict else ""
            print(f"{recipe}, {steps:,} steps, {one.metric.name}: {mean}{verdict}")
    print(path)


def _values(found: Outcome) -> dict[str, Any]:
    """Return an outcome as JSON; what does not apply is absent."""
    metric = found.metric
    values: dict[str, Any] = {
        "seeds": {str(seed): one.own.value for seed, one in found.values.items()},
        "baselines": {
            str(seed): {name: number.value for name, number in one.baselines.items()}
            for seed, one in found.values.items()
        },
        "mean": None if found.mean is None else found.mean.value,
        "mean_interval": None if found.mean is None or not found.mean.interval else [*found.mean.interval],
        "least": metric.target,
        "needed_seeds": None if metric.target is None else metric.needed,
        "reached_seeds": None if metric.target is None else found.reached,
        "verdict": found.verdict or None,
    }
    return {key: value for key, value in values.items() if value is not None}
