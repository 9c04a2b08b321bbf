"""What `infogan discover` finds in images that it is given without labels, within its minutes.

Each set is written as files into one folder, as a user would have them; kinds and attributes are looked at
afterwards, on test images that no discovery saw.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from infogan import api, data, evaluation, storage
from infogan.config import DataConfig, parse_assignments
from infogan.data import Dataset
from infogan.discovery import discover
from infogan.errors import ConfigError, DivergenceError, UsageError
from infogan.evaluation.resampling import numpy_generator
from infogan.model import InfoGAN
from infogan.runs.directory import RunDirectory, next_free
from infogan_experiments.celeba_figure import COLOURS, auc_cell, beside, where
from infogan_experiments.experiment import Options, experiment
from infogan_experiments.own_images import draw_folder
from infogan_experiments.results import (
    CLUSTERING,
    FIRST_SEED,
    publish,
    share_interval,
    with_interval,
    write_row,
)

APART = 10
"""Seeds of two discoveries lie so far apart: each trains several runs with seeds that follow its own."""

FASHION_MINUTES, CELEBA_MINUTES, OWN_MINUTES, NOISE_MINUTES = 20.0, 20.0, 10.0, 1.5
CELEBA_COUNT, CELEBA_SIDE = 3_000, 64
OWN_COUNT, OWN_TEST_COUNT = 400, 1_000
NOISE_COUNT, NOISE_SIDE, NOISE_DISCOVERIES = 1_500, 8, 10
QUICK_COUNT, QUICK_MINUTES, QUICK_WIDTH = 210, 0.02, 0.0625
SHOWN = 6
"""Attributes of which the table tells."""

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
        reads_data: whether the images may lie at `--data`.
    """

    name: str
    minutes: float
    discoveries: int
    fill: Fill
    labelled: Labelled | None
    metrics: tuple[str, ...] = ()
    reads_data: bool = False


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
    _try(
        Trial("discover-celeba", CELEBA_MINUTES, 1, _celeba_files, _celeba, ("attributes",), reads_data=True),
        options,
    )


@experiment("discover-own", takes=("quick",))
def own(options: Options) -> None:
    """400 colour pictures of three sizes, two of them torn, 10 minutes; kinds on 900 others."""
    _try(Trial("discover-own", OWN_MINUTES, 1, _own_files, _own, ("baselines", "clustering")), options)


@experiment("discover-noise", takes=("quick",))
def noise(options: Options) -> None:
    """Ten folders of white noise, grey and coloured by turns, 1.5 minutes each: nothing is to be found."""
    _try(Trial("discover-noise", NOISE_MINUTES, NOISE_DISCOVERIES, _noise_files, None), options)


@experiment("discover-digits", takes=("quick",))
def digits(options: Options) -> None:
    """scikit-learn's digits, as many, as small and as long as white noise: here something is to be found."""
    _try(
        Trial("discover-digits", NOISE_MINUTES, 1, _digits_files, _digits, ("baselines", "clustering")),
        options,
    )


def _try(trial: Trial, options: Options) -> None:
    _check(trial, options)
    folder = options.out or next_free(Path("runs"), trial.name)
    first = FIRST_SEED if options.seed is None else options.seed
    count = options.seeds or (1 if options.quick else trial.discoveries)
    seeds = range(first, first + APART * count, APART)
    rows = [_row(_Asked(trial, options, folder, seed)) for seed in seeds]
    publish(folder, trial.name, {"rows": rows}, table(trial.name, rows))


@dataclass(frozen=True)
class _Asked:
    """One discovery of a trial, and where what it needs and leaves lies in the experiment's folder."""

    trial: Trial
    options: Options
    folder: Path
    seed: int

    @property
    def word(self) -> str:
        return f"{'quick-' if self.options.quick else ''}seed-{self.seed}"

    @property
    def row(self) -> Path:
        return self.folder / "rows" / f"{self.word}.json"

    @property
    def found(self) -> Path:
        return self.folder / self.word

    @property
    def files(self) -> Path:
        """Noise is other noise each time; photographs are the same ones."""
        own = self.trial.labelled is None or self.options.quick
        return self.folder / (f"pictures-{self.word}" if own else "pictures")

    @property
    def minutes(self) -> float:
        return QUICK_MINUTES if self.options.quick else self.trial.minutes

    @property
    def settings(self) -> list[str]:
        small = [f"network.width={QUICK_WIDTH}", "training.batch_size=16"] if self.options.quick else []
        return [*small, *self.options.settings]


def _check(trial: Trial, options: Options) -> None:
    """Raises UsageError for options that mean nothing to the trial."""
    if options.steps is not None:
        raise UsageError(
            f"--steps {options.steps}: {trial.name} is told minutes, {trial.minutes:g} of them",
            "no --steps",
            f"infogan discover FOLDER --minutes {trial.minutes:g}, for other minutes",
        )
    if options.data is not None and not trial.reads_data:
        raise UsageError(
            f"--data {options.data}: {trial.name} has pictures of its own",
            "no --data",
            f"infogan discover {options.data} --minutes {trial.minutes:g}, for yours",
        )


def _row(asked: _Asked) -> dict[str, Any]:
    """One discovery and what labels say of it; read from its file, where that is there.

    Raises:
        ConfigError: what is there was asked for otherwise.
    """
    facts = {"seed": asked.seed, "minutes": asked.minutes, "settings": asked.settings}
    path = asked.row
    if path.exists():
        row: dict[str, Any] = json.loads(path.read_text())
        if {key: row[key] for key in facts} != facts:
            raise _other(path)
        return row
    _filled(asked)
    row = facts | _discovered(asked)
    write_row(path, row)
    return row


def _other(path: Path) -> ConfigError:
    return ConfigError(
        f"{path} is of a discovery that was asked for otherwise",
        "the same command as before, to go on",
        "another --out",
    )


def _discovered(asked: _Asked) -> dict[str, Any]:
    """The discovery, made unless it is there, and what labels say of its runs."""
    found, trial = asked.found, asked.trial
    if not (found / "discovery.json").exists():
        _clear(found)
        try:
            discover(
                asked.files,
                minutes=asked.minutes,
                out=found,
                seed=asked.seed,
                settings=parse_assignments(asked.settings),
                progress=_tell,
            )
        except DivergenceError as error:
            return {"diverged": error.happened}
    result = json.loads((found / "discovery.json").read_text())
    if result["minutes"] != asked.minutes:
        raise _other(found)
    del result["run"]  # where it lies on this machine
    runs = {name: RunDirectory.open(found / "runs" / name) for name in result["runs"]}
    chosen = runs.pop(result["chosen"])
    model = InfoGAN.from_pretrained(chosen.path)
    row = {"machine": chosen.read_environment(), "discovery": result}
    row["steps"] = model.provenance["steps"]
    if trial.labelled is not None:
        dataset = trial.labelled(asked.files, asked.options)
        row["scores"] = evaluation.evaluate(model, dataset, only=trial.metrics)
        row["others"] = {
            name: evaluation.evaluate(InfoGAN.from_pretrained(run.path), dataset, only=trial.metrics[-1:])
            for name, run in runs.items()
        }
    return row


def _clear(found: Path) -> None:
    """Deletes a discovery that was stopped, for it cannot go on.

    Raises:
        UsageError: another process works on it, or the folder holds something else.
    """
    if not found.exists():
        return
    if {path.name for path in found.iterdir()} - {"runs"}:
        raise UsageError(
            f"{found} holds other files than a discovery that was stopped",
            "a folder of runs",
            "another --out",
        )
    for run in (found / "runs").glob("*"):
        with RunDirectory(run).lock():
            pass
    shutil.rmtree(found)


def _tell(text: str) -> None:
    print(text, file=sys.stderr)


# --- the pictures ----------------------------------------------------------------------------------------


def _filled(asked: _Asked) -> None:
    """The folder of pictures, written aside and renamed, unless it is there."""
    files = asked.files
    if files.is_dir():
        return
    aside = files.with_name(f"{files.name}.part")
    with storage.writing(files, 0):
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
    asked.trial.fill(aside, asked.options, asked.seed)
    with storage.writing(files, 0):
        aside.rename(files)


def _write_pictures(folder: Path, images: UInt8[np.ndarray, "n h w c"]) -> None:
    with storage.writing(folder, 0):
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


def _digits(_: Path, __: Options) -> Dataset:
    return data.load(api.configure("digits").data)


def _digits_files(folder: Path, options: Options, _: int) -> None:
    images = _digits(folder, options).train.images
    _write_pictures(folder, images[: QUICK_COUNT if options.quick else NOISE_COUNT])


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
    count, channels = QUICK_COUNT if options.quick else NOISE_COUNT, 3 if seed // APART % 2 else 1
    _write_pictures(
        folder, draw.integers(256, size=(count, NOISE_SIDE, NOISE_SIDE, channels), dtype=np.uint8)
    )


# --- what came out ---------------------------------------------------------------------------------------


def table(name: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """Every discovery in Markdown: what it found, its minutes, and what labels say of it."""
    lines = [
        "| seed | images | categories (agreement in the sweep) | found, in how many of its runs | steps "
        "| minutes |",
        "|---|---|---|---|---|---|",
    ]
    whole = [one for one in rows if "diverged" not in one]
    lines += [f"| {one['seed']} | | | {one['diverged']} | | |" for one in rows if "diverged" in one]
    for one in whole:
        result = one["discovery"]
        sweep = ", ".join(f"{size}: {value:.2f}" for size, value in result["sweep"].items())
        found = ", ".join(f"{code} {count}/{len(result['runs'])}" for code, count in result["found"].items())
        lines.append(
            f"| {one['seed']} | {result['images']:,} | {result['categories']} ({sweep}) "
            f"| {found or 'nothing'} | {one['steps']:,} "
            f"| {result['minutes_spent']:.1f} of {result['minutes']:g} |"
        )
    if whole and not any("scores" in one for one in whole):
        lines += ["", f"{name}: {_silences(whole)}"]
    return "\n".join([*lines, *_clusters(whole), *_attributes(whole)])


def _silences(rows: Sequence[Mapping[str, Any]]) -> str:
    """In how many of these something was found, with the exact 95 % interval of that share."""
    found = sum(bool(one["discovery"]["found"]) for one in rows)
    share = with_interval(found / len(rows), share_interval(found, len(rows)), 2)
    return f"something was found in {found} of {len(rows)}, a share of {share}."


def _clusters(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    some = [one for one in rows if "clustering" in one.get("scores", {})]
    if not some:
        return []
    lines = [
        "",
        "| seed | | accuracy, one category a class (95 %) | by majority | NMI (95 %) | ARI (95 %) |",
        "|---|---|---|---|---|---|",
    ]
    for one in some:
        found = {"discover": one["scores"]["clustering"]}
        found |= {f"{name}, not chosen": other["clustering"] for name, other in one["others"].items()}
        found |= {
            name: base["clustering"]
            for name, base in one["scores"]["baselines"].items()
            if "clustering" in base
        }
        for who, figures in found.items():
            accuracy, nmi, ari = (
                with_interval(figures[key], figures[f"{key}_interval"], 3) for key in CLUSTERING
            )
            # Where there are as many categories as classes, one figure says both.
            majority = f"{figures['accuracy_majority']:.3f}" if "accuracy_majority" in figures else ""
            lines.append(f"| {one['seed']} | {who} | {accuracy} | {majority} | {nmi} | {ari} |")
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
            baselines = beside(one["scores"], name)
            others = ", ".join(f"{who} {auc_cell(figures)}" for who, figures in baselines.items())
            lines.append(
                f"| {one['seed']} | {name} | {where(own[name])} | {auc_cell(own[name])} | {others} |"
            )
    return lines
