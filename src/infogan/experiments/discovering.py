"""What `infogan discover` finds in images that it is given without labels, within its minutes.

Each set is written as files into one folder, as a user would have them; kinds and attributes are looked at
afterwards, on test images that no discovery saw.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from infogan import api, data, evaluation, storage
from infogan.config import DataConfig
from infogan.data import Dataset
from infogan.discovery import discover
from infogan.errors import UsageError
from infogan.evaluation.resampling import numpy_generator
from infogan.experiments.celeba import COLOURS
from infogan.experiments.own_pictures import draw_folder
from infogan.experiments.registry import Options, experiment
from infogan.experiments.rows import FIRST_SEED, publish, with_interval
from infogan.model import InfoGAN
from infogan.training.run_directory import RunDirectory, next_free

APART = 10
"""Seeds of two discoveries lie so far apart: each trains several runs with seeds that follow its own."""

FASHION_MINUTES, CELEBA_MINUTES, OWN_MINUTES, NOISE_MINUTES = 20.0, 20.0, 10.0, 3.0
CELEBA_COUNT, CELEBA_SIDE = 3_000, 64
OWN_COUNT, OWN_TEST_COUNT = 400, 1_000
NOISE_COUNT, NOISE_DISCOVERIES = 1_500, 10
QUICK_COUNT, QUICK_MINUTES, QUICK_WIDTH = 210, 0.02, 0.0625
SHOWN = 6
"""Attributes of which the table tells."""

FIGURES = ("accuracy", "nmi", "ari")

_SIZE = 32  # what discover brings larger pictures to

Fill = Callable[[Path, Options, int], None]
"""Writes the pictures of one discovery into a folder that is there: the folder, the options, the seed."""

Labelled = Callable[[Path, Options], Dataset]
"""From the folder of pictures to images with labels or attributes: training images, and test images apart."""


@dataclass(frozen=True)
class Trial:
    """One kind of images.

    Attributes:
        name: of the experiment.
        minutes: what each discovery is given.
        discoveries: how many, each from other seeds.
        fill: writes the pictures.
        labelled: what to measure on; None: nothing is there to be found.
        metrics: that say what was found; the last of them also of the runs that were not chosen.
    """

    name: str
    minutes: float
    discoveries: int
    fill: Fill
    labelled: Labelled | None
    metrics: tuple[str, ...] = ()


@experiment("discover-fashion", takes=("quick",))
def fashion(options: Options) -> None:
    """Fashion-MNIST's 60,000 training pictures as PNG files without labels, 20 minutes; beside k-means."""
    _try(
        Trial("discover-fashion", FASHION_MINUTES, 1, _fashion_files, _fashion, ("baselines", "clustering")),
        options,
    )


@experiment("discover-celeba", takes=("quick",))
def celeba(options: Options) -> None:
    """3,000 faces of CelebA as PNG files, 20 minutes; AUC of attributes on its test images."""
    _try(Trial("discover-celeba", CELEBA_MINUTES, 1, _celeba_files, _celeba, ("attributes",)), options)


@experiment("discover-own", takes=("quick",))
def own(options: Options) -> None:
    """400 colour pictures of three sizes, two of them torn, 10 minutes; kinds on 900 others."""
    _try(Trial("discover-own", OWN_MINUTES, 1, _own_files, _own, ("baselines", "clustering")), options)


@experiment("discover-noise", takes=("quick",))
def noise(options: Options) -> None:
    """Ten folders of white noise, grey and coloured by turns, 3 minutes each: nothing is to be found."""
    _try(Trial("discover-noise", NOISE_MINUTES, NOISE_DISCOVERIES, _noise_files, None), options)


def _try(trial: Trial, options: Options) -> None:
    if options.steps is not None:
        raise UsageError(
            f"--steps {options.steps}: {trial.name} is told minutes, {trial.minutes:g} of them",
            "no --steps",
            f"infogan discover FOLDER --minutes {trial.minutes:g}, for other minutes",
        )
    folder = options.out or next_free(Path("runs"), trial.name)
    first = FIRST_SEED if options.seed is None else options.seed
    count = options.seeds or (1 if options.quick else trial.discoveries)
    for seed in range(first, first + APART * count, APART):
        _row(trial, options, folder, seed)
    rows = [json.loads(path.read_text()) for path in sorted((folder / "rows").glob("*.json"))]
    publish(folder, trial.name, {"rows": rows}, table(trial.name, rows))


def _row(trial: Trial, options: Options, folder: Path, seed: int) -> None:
    """One discovery and what labels say of it, unless its file is there."""
    word = f"{'quick-' if options.quick else ''}seed-{seed}"
    path, found = folder / "rows" / f"{word}.json", folder / word
    if path.exists():
        return
    # Noise is other noise each time; photographs are the same ones.
    files = folder / f"pictures-{word}" if trial.labelled is None or options.quick else folder / "pictures"
    _filled(trial, options, files, seed)
    if not (found / "discovery.json").exists():
        shutil.rmtree(found, ignore_errors=True)  # one that was stopped: a discovery cannot go on
        small = [f"network.width={QUICK_WIDTH}", "training.batch_size=16"] if options.quick else []
        discover(
            files,
            minutes=QUICK_MINUTES if options.quick else trial.minutes,
            out=found,
            seed=seed,
            settings=[*small, *options.settings],
            progress=print,
        )
    result = json.loads((found / "discovery.json").read_text())
    run = RunDirectory.open(Path(result["run"]))
    row = {"seed": seed, "machine": json.loads(run.environment_path.read_text()), "discovery": result}
    if trial.labelled is not None:
        dataset, model = trial.labelled(files, options), InfoGAN.from_pretrained(run.path)
        row["scores"] = evaluation.evaluate(model, dataset, only=trial.metrics)
        row["others"] = {
            name: evaluation.evaluate(
                InfoGAN.from_pretrained(found / "runs" / name), dataset, only=trial.metrics[-1:]
            )
            for name in result["runs"]
            if name != result["chosen"]
        }
    with storage.writing(path, 0):
        path.parent.mkdir(parents=True, exist_ok=True)
    storage.write_text(path, json.dumps(row, indent=1) + "\n")


# --- the pictures ----------------------------------------------------------------------------------------


def _filled(trial: Trial, options: Options, files: Path, seed: int) -> None:
    """The folder of pictures, written aside and renamed, unless it is there."""
    if files.is_dir():
        return
    aside = files.with_name(f"{files.name}.part")
    with storage.writing(files, 0):
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        trial.fill(aside, options, seed)
        aside.rename(files)


def _write_pictures(folder: Path, images: UInt8[np.ndarray, "n h w c"]) -> None:
    for number, image in enumerate(images):
        Image.fromarray(image.squeeze(-1) if image.shape[-1] == 1 else image).save(
            folder / f"{number:05d}.png"
        )


def _fashion(_: Path, options: Options) -> Dataset:
    path = None if options.data is None else str(options.data)
    return data.load(DataConfig(source="fashion-mnist", path=path))


def _fashion_files(folder: Path, options: Options, _: int) -> None:
    images = _fashion(folder, options).train.images
    _write_pictures(folder, images[: QUICK_COUNT if options.quick else None])


def _faces(options: Options, size: int) -> Dataset:
    preset = api.configure("celeba", data=options.data)
    return data.load(preset.data.model_copy(update={"size": size}))


def _celeba(_: Path, options: Options) -> Dataset:
    return _faces(options, _SIZE)


def _celeba_files(folder: Path, options: Options, _: int) -> None:
    images = _faces(options, CELEBA_SIDE).train.images
    _write_pictures(folder, images[: QUICK_COUNT if options.quick else CELEBA_COUNT])


def _own_files(folder: Path, options: Options, _: int) -> None:
    drawn = folder / "drawn"
    draw_folder(drawn, QUICK_COUNT if options.quick else OWN_COUNT, seed=0)
    for picture in drawn.rglob("*.*"):  # one folder of files: kinds are in no name
        picture.rename(folder / picture.name)
    shutil.rmtree(drawn)


def _own(files: Path, options: Options) -> Dataset:
    """Training images are the pictures at hand, drawn once more with their kinds; test images are others."""
    with_kinds, others = (files.with_name(f"{files.name}-{word}") for word in ("with-kinds", "others"))
    draw_folder(with_kinds, QUICK_COUNT if options.quick else OWN_COUNT, seed=0)
    draw_folder(others, QUICK_COUNT if options.quick else OWN_TEST_COUNT, seed=1)
    first, second = (
        data.load(DataConfig(source="folder", path=str(path), size=_SIZE)) for path in (with_kinds, others)
    )
    return replace(first, test=second.train)


def _noise_files(folder: Path, options: Options, seed: int) -> None:
    draw = numpy_generator(seed, "experiments/discovering")
    side, channels = (32, 3) if seed // APART % 2 else (28, 1)
    count = QUICK_COUNT if options.quick else NOISE_COUNT
    _write_pictures(folder, draw.integers(256, size=(count, side, side, channels), dtype=np.uint8))


# --- what came out ---------------------------------------------------------------------------------------


def table(name: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """Every discovery in Markdown: what it found, its minutes, and what labels say of it."""
    lines = [
        "| seed | images | categories (agreement in the sweep) | found, in how many of its runs | minutes |",
        "|---|---|---|---|---|",
    ]
    for one in rows:
        result = one["discovery"]
        sweep = ", ".join(f"{size}: {value:.2f}" for size, value in result["sweep"].items())
        found = ", ".join(f"{code} {count}/{len(result['runs'])}" for code, count in result["found"].items())
        lines.append(
            f"| {one['seed']} | {result['images']:,} | {result['categories']} ({sweep}) "
            f"| {found or 'nothing'} | {result['minutes_spent']:.1f} of {result['minutes']:g} |"
        )
    nothing = sum(not one["discovery"]["found"] for one in rows)
    lines += ["", f"{name}: nothing was found in {nothing} of {len(rows)}."]
    return "\n".join([*lines, *_clusters(rows), *_attributes(rows)])


def _clusters(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    some = [one for one in rows if "clustering" in one.get("scores", {})]
    if not some:
        return []
    lines = ["", "| seed | | accuracy (95 %) | NMI (95 %) | ARI (95 %) |", "|---|---|---|---|---|"]
    for one in some:
        found = {"discover": one["scores"]["clustering"]}
        found |= {f"{name}, not chosen": other["clustering"] for name, other in one["others"].items()}
        found |= {
            name: base["clustering"]
            for name, base in one["scores"]["baselines"].items()
            if "clustering" in base
        }
        for who, figures in found.items():
            cells = [with_interval(figures[key], figures[f"{key}_interval"], 3) for key in FIGURES]
            lines.append(f"| {one['seed']} | {who} | {' | '.join(cells)} |")
    return lines


def _attributes(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The attributes that a code tells best on the images that chose, without those of colour."""
    some = [one for one in rows if one.get("scores", {}).get("attributes")]
    if not some:
        return []
    lines = ["", "| seed | attribute | code | AUC (95 %) | baselines |", "|---|---|---|---|---|"]
    for one in some:
        own = {key: value for key, value in one["scores"]["attributes"].items() if key not in COLOURS}
        for name in sorted(own, key=lambda key: -float(own[key]["auc_choosing"]))[:SHOWN]:
            beside = ", ".join(
                f"{who} {base['attributes'][name]['auc']:.3f}"
                for who, base in one["scores"].get("baselines", {}).items()
                if name in base.get("attributes", {})
            )
            figure = with_interval(own[name]["auc"], own[name]["auc_interval"], 3)
            lines.append(f"| {one['seed']} | {name} | {own[name]['code']} | {figure} | {beside} |")
    return lines
