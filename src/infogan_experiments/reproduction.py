"""`infogan reproduce PRESET`: trains the seeds of a figure, measures and draws them, and writes its page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from infogan import api, evaluation, presets, storage
from infogan.config import Config, parse_assignments
from infogan.data import SOURCES, Split
from infogan.errors import ConfigError
from infogan.evaluation.subject import drawn_subset
from infogan.model import InfoGAN
from infogan.report import pictures
from infogan.report.traversals import traversal_picture
from infogan.runs.directory import next_free
from infogan.training.runner import Trained
from infogan_experiments.experiment import Options, experiment
from infogan_experiments.figure_page import COLUMNS, ROWS, Arm, arms, judged, page
from infogan_experiments.results import Make, read_rows, row, seeds, trained
from infogan_experiments.targets import Judged, Panel, Reproduction, Row

QUICK_STEPS, QUICK_SAMPLES, QUICK_IMAGES = 30, 200, 300
QUICK_SETTINGS = ("network.width=0.125", "objective.neighbours=0")


def enter(plan: Reproduction) -> Reproduction:
    """Enters a figure into the registry of experiments, under the name of its preset."""

    def run(options: Options) -> None:
        reproduce(plan, options)

    run.__doc__ = f"{plan.title}: {plan.section}."
    experiment(plan.preset, takes=("recipe", "quick"))(run)
    return plan


def reproduce(plan: Reproduction, options: Options) -> None:
    """Trains and measures every seed, and writes NAME.json, NAME.md and a picture for each recipe.

    Stopped, it goes on where it was; another recipe in the same folder stands beside the first on the page.

    Raises:
        InfoGANError: as of `api.configure` and `rows.row`.
    """
    folder = options.out or next_free(Path("runs"), f"reproduce-{plan.preset}")
    _rows(plan, folder)
    for seed in seeds(options, 1 if options.quick else plan.seeds, plan.first_seed):
        config = _configured(plan, options, seed)
        steps = options.steps or (QUICK_STEPS if options.quick else plan.steps)
        arm = (config.training.recipe, steps)
        row(folder, arm[0], config, steps, _measured(config, steps, options))
    found = _rows(plan, folder)
    picture = picture_path(plan, folder, arm)
    drawn = draw(plan, arms(found)[arm], folder / arm[0])
    if drawn is not None:
        pictures.save_png(drawn, picture)
    _publish(plan, folder, found)


def _rows(plan: Reproduction, folder: Path) -> Sequence[Row]:
    """The rows on disk that are of this figure.

    Raises:
        ConfigError: a page would mix experiments, or images, in one table.
    """
    rows = read_rows(folder)
    if {entry.get("experiment") for entry in rows} - {plan.preset, *plan.alike}:
        raise ConfigError(
            f"{folder} holds rows of another experiment",
            f"a folder of {plan.preset} alone, or a new one",
            "another --out",
        )
    own = [row for row in rows if row["experiment"] == plan.preset or row["arm"] == presets.DEFAULT_RECIPE]
    for (recipe, steps), some in arms(own).items():
        if len({entry["scores"].get("dataset_fingerprint") for entry in some}) > 1:
            raise ConfigError(
                f"{folder}: the rows of recipe {recipe}, {steps:,} steps, are of different images",
                "the same --data for all seeds of a table",
                "another --out for the other images",
            )
    return own


def picture_path(plan: Reproduction, folder: Path, arm: Arm) -> Path:
    """Where the picture of a recipe and a number of steps lies."""
    return folder / f"{plan.preset}-{arm[0]}-{arm[1]}.png"


def _configured(plan: Reproduction, options: Options, seed: int) -> Config:
    quick: list[str] = []
    if options.quick:
        quick += QUICK_SETTINGS
        source = presets.load(plan.preset).data.source
        if options.data is None and SOURCES[source].renders:
            quick.append(f"data.count={QUICK_IMAGES}")
    return api.configure(
        plan.preset, data=options.data, recipe=options.recipe,
        settings=parse_assignments([f"training.seed={seed}", *quick, *options.settings]),
    )  # fmt: skip


def _measured(config: Config, steps: int, options: Options) -> Make:
    """`rows.trained`, with what the page needs to tell the command by."""

    def few(run: Trained) -> dict[str, Any]:
        dataset = run.dataset
        small = replace(dataset, train=_few(dataset.train), test=_few(dataset.test))
        return evaluation.evaluate(run.model, small, samples=QUICK_SAMPLES)

    train = trained(config, steps, measure=few if options.quick else None)
    facts = {
        "experiment": config.preset,
        "settings": list(options.settings),
        "quick": options.quick,
        "data_given": options.data is not None,
    }
    return lambda path: facts | train(path)


def _few(split: Split) -> Split:
    """At most QUICK_IMAGES of the images, drawn: many sets lie sorted."""
    return split.take(drawn_subset(len(split.images), QUICK_IMAGES, seed=0, stream="experiments/quick"))


# --- the picture -----------------------------------------------------------------------------------------


def draw(plan: Reproduction, rows: Sequence[Row], runs: Path) -> Image.Image | None:
    """The paper's figure of every seed, one below the other; None unless the models of all are there.

    Args:
        plan: the figure.
        rows: of one arm.
        runs: the folder with seed-N for each.
    """
    lines: list[list[Image.Image]] = []
    for entry in rows:
        path = runs / f"seed-{entry['seed']}"
        model = InfoGAN.from_pretrained(path) if path.exists() else None
        if model is None or model.provenance["steps"] != entry["steps"]:  # gone, or trained on since
            return None
        parts = [one for panel in plan.panels for one in _panel(model, panel, entry)]
        lines += [parts[start : start + plan.across] for start in range(0, len(parts), plan.across)]
    return pictures.sheet(lines) if lines else None


def _panel(model: InfoGAN, panel: Panel, entry: Row) -> list[Image.Image]:
    """The panel's codes of one model, a picture each."""
    values = None if panel.span is None else np.linspace(*panel.span, COLUMNS).tolist()
    return [
        traversal_picture(model, code, rows=ROWS, values=values, title=f"{panel.title}, seed {entry['seed']}")
        for code in panel.codes(entry["scores"])
    ]


# --- the files -------------------------------------------------------------------------------------------


def _publish(plan: Reproduction, folder: Path, rows: Sequence[Row]) -> None:
    """Writes NAME.json and NAME.md of all arms, and says what they came to."""
    grouped = arms(rows)
    shown = {arm: picture_path(plan, folder, arm) for arm in grouped}
    named = {arm: path.name for arm, path in shown.items() if path.exists()}
    result = {
        "experiment": plan.preset,
        "section": plan.section,
        "claim": plan.claim,
        "arms": [
            {
                "recipe": arm[0],
                "steps": arm[1],
                "picture": named.get(arm),
                "figures": {one.judge.name: _figures(one) for one in judged(plan, some)},
            }
            for arm, some in grouped.items()
        ],
        "rows": list(rows),
    }
    storage.write_text(folder / f"{plan.preset}.json", json.dumps(result, indent=1) + "\n")
    path = folder / f"{plan.preset}.md"
    storage.write_text(path, page(plan, rows, named))
    for arm, some in grouped.items():
        for one in judged(plan, some):
            reached = "does not apply" if one.mean is None else f"{one.mean.value:.3f}"
            verdict = f": {one.verdict}" if one.verdict else ""
            print(f"{arm[0]}, {arm[1]:,} steps, {one.judge.name}: {reached}{verdict}")
    print(path)


def _figures(found: Judged) -> dict[str, Any]:
    """One figure of all seeds as JSON; what does not apply is absent."""
    figures: dict[str, Any] = {
        "seeds": {str(seed): one.own.value for seed, one in found.readings.items() if one is not None},
        "baselines": {
            str(seed): {name: number.value for name, number in one.beside.items()}
            for seed, one in found.readings.items()
            if one is not None
        },
    }
    if found.mean is not None:
        figures["mean"] = found.mean.value
        figures |= {} if found.mean.interval is None else {"mean_interval": list(found.mean.interval)}
    if found.judge.least is not None:
        asked: Mapping[str, Any] = {"least": found.judge.least, "needed_seeds": found.judge.needed}
        figures |= {key: value for key, value in asked.items() if value is not None}
        figures |= {"reached_seeds": found.reached}
    return figures | ({"verdict": found.verdict} if found.verdict else {})
