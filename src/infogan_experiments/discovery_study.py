"""The results of `infogan discover` on data sets with known labels or attributes, and on noise.

Images are written as files into one folder, as a user would have them. Labels and attributes are used for
evaluation only, on test images that no discovery used.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from infogan import configuring, data, evaluation, storage
from infogan.config import DataConfig
from infogan.data import Dataset
from infogan.discovery import discover
from infogan.errors import ConfigError, DivergenceError, UsageError
from infogan.evaluation.resampling import numpy_generator
from infogan.model import InfoGAN
from infogan.reporting.markdown import markdown_table
from infogan.representation.coordinate_search import permuted_images
from infogan.runs.directory import RunDirectory
from infogan_experiments.attribute_tables import attributes_table
from infogan_experiments.experiment import EXPERIMENTS, Experiment, Options
from infogan_experiments.own_images import render_folder
from infogan_experiments.result_tables import Result, estimate, results_table, share, value
from infogan_experiments.results import publish, write_result

SPACING = 10
"""Difference between the seeds of two discoveries: each trains several runs with consecutive seeds."""

CELEBA_SIDE, NOISE_SIDE = 64, 8
OWN_TEST_COUNT = 1_000
QUICK_COUNT, QUICK_MINUTES, QUICK_WIDTH = 210, 0.02, 0.0625
SHOWN = 6
"""Number of attributes in the table."""

SIDE = 32
"""The size to which `infogan discover` resizes larger images."""


@dataclass(frozen=True)
class Trial:
    """A data set for discovery.

    Attributes:
        name: of the experiment.
        summary: one line.
        minutes: time budget of each discovery.
        count: number of images.
        write: writes the images of one discovery into an empty folder.
        labelled: loads images with labels or attributes, for training and test; None: nothing to find.
        metrics: to evaluate the run with.
        discoveries: number of discoveries, with different seeds.
        takes_data: supports `--data`.
    """

    name: str
    summary: str
    minutes: float
    count: int
    write: Callable[[Job, Path], None]
    labelled: Callable[[Job], Dataset] | None
    metrics: tuple[str, ...] = ("baselines", "clustering")
    discoveries: int = 1
    takes_data: bool = False


@dataclass(frozen=True)
class Job:
    """One discovery of a trial.

    Attributes:
        trial: the data set.
        options: of the command line.
        path: of the discovery, in the experiment's folder.
        seed: random seed.
        minutes: time budget.
        count: number of images.
    """

    trial: Trial
    options: Options
    path: Path
    seed: int
    minutes: float
    count: int

    @property
    def files(self) -> Path:
        """The folder of images; those of a null differ between discoveries, photographs do not."""
        own = self.trial.labelled is None or self.options.quick
        return self.path.with_name(f"pictures-{self.path.name}" if own else "pictures")


def run_trial(trial: Trial, options: Options) -> None:
    """Run the discoveries of a trial, evaluate them and publish the results.

    Raises:
        UsageError: an option does not apply to the trial.
    """
    if options.steps is not None:
        raise UsageError(
            f"--steps {options.steps}: {trial.name} has a time budget of {trial.minutes:g} minutes",
            "no --steps",
            f"infogan discover FOLDER --minutes {trial.minutes:g}, for another budget",
        )
    if options.data is not None and not trial.takes_data:
        raise UsageError(
            f"--data {options.data}: {trial.name} has its own images",
            "no --data",
            f"infogan discover {options.data} --minutes {trial.minutes:g}, for your images",
        )
    folder = options.folder(trial.name)
    seeds = options.seed_range(1 if options.quick else trial.discoveries, spacing=SPACING)
    minutes, count, prefix = trial.minutes, trial.count, ""
    if options.quick:
        minutes, count, prefix = QUICK_MINUTES, QUICK_COUNT, "quick-"
    results = [
        _result(Job(trial, options, folder / f"{prefix}seed-{seed}", seed, minutes, count)) for seed in seeds
    ]
    publish(folder, trial.name, {"rows": results}, discovery_tables(trial.name, results))


def _result(job: Job) -> dict[str, Any]:
    """Return the result of a discovery, from its file if there is one.

    Raises:
        ConfigError: the file has other settings.
    """
    quick = {"network.width": QUICK_WIDTH, "training.batch_size": 16} if job.options.quick else {}
    settings = {**quick, **job.options.settings}
    facts = {"seed": job.seed, "minutes": job.minutes, "settings": Options(settings=settings).assignments}
    path = job.path.with_name("rows") / f"{job.path.name}.json"
    if path.exists():
        result: dict[str, Any] = json.loads(path.read_text())
        if {key: result[key] for key in facts} != facts:
            raise _other_settings(path)
        return result
    if not job.files.is_dir():
        with storage.prepared_folder(job.files) as part:
            job.trial.write(job, part)
    result = facts | _discover(job, settings)
    write_result(path, result)
    return result


def _other_settings(path: Path) -> ConfigError:
    return ConfigError(
        f"{path} is of a discovery with other settings",
        "the same command as before, to resume",
        "another --out",
    )


def _discover(job: Job, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Run or resume the discovery, and evaluate its run."""
    path, trial = job.path, job.trial
    try:
        discovery = discover(
            job.files,
            minutes=job.minutes,
            out=path,
            seed=job.seed,
            settings=settings,
            progress=partial(print, file=sys.stderr),
        )
    except DivergenceError as error:
        return {"diverged": error.happened}
    discovery = {key: value for key, value in discovery.items() if key != "run"}  # a path on this machine
    result: dict[str, Any] = {"discovery": discovery}
    if not (path / "run").is_dir():
        return result
    run = RunDirectory.open(path / "run")
    model = InfoGAN.from_pretrained(run.path)
    result |= {"machine": run.read_environment(), "steps": model.provenance["steps"]}
    if trial.labelled is not None:
        result["scores"] = evaluation.evaluate(model, trial.labelled(job), only=trial.metrics)
    return result


# --- the images ------------------------------------------------------------------------------------------


def _write_images(images: UInt8[np.ndarray, "n h w c"], folder: Path) -> None:
    for number, image in enumerate(images):
        picture = Image.fromarray(image.squeeze(-1) if image.shape[-1] == 1 else image)
        picture.save(folder / f"{number:05d}.png")


def _fashion(job: Job) -> Dataset:
    return data.load(DataConfig(source="fashion-mnist"))


def _digits(job: Job) -> Dataset:
    return data.load(configuring.configure("digits").data)


def _celeba(job: Job, size: int = SIDE) -> Dataset:
    config = configuring.configure("celeba", data=job.options.data)
    return data.load(config.data.model_copy(update={"size": size}))


def _own(job: Job) -> Dataset:
    """Load the training images again, with their classes, and test images that no discovery used."""
    parts = {
        "with-kinds": (job.count, 0),
        "others": (QUICK_COUNT if job.options.quick else OWN_TEST_COUNT, 1),
    }
    datasets = []
    for name, (count, seed) in parts.items():
        path = job.files.with_name(f"{job.files.name}-{name}")
        render_folder(path, count, seed=seed)
        datasets.append(data.load(DataConfig(source="folder", path=str(path), size=SIDE)))
    return replace(datasets[0], test=datasets[1].train)


def _write_training_images(job: Job, folder: Path, load: Callable[[Job], Dataset]) -> None:
    _write_images(load(job).train.images[: job.count], folder)


def _write_own(job: Job, folder: Path) -> None:
    rendered = folder / "rendered"
    render_folder(rendered, job.count, seed=0)
    for picture in rendered.rglob("*.*"):  # one folder of files: no name contains a class
        picture.rename(folder / picture.name)
    shutil.rmtree(rendered)


def _write_noise(job: Job, folder: Path) -> None:
    rng = numpy_generator(job.seed, "experiments/discovering")
    channels = 3 if job.seed // SPACING % 2 else 1
    images = rng.integers(256, size=(job.count, NOISE_SIDE, NOISE_SIDE, channels), dtype=np.uint8)
    _write_images(images, folder)


def _write_permuted(job: Job, folder: Path) -> None:
    """Write digits with each pixel permuted across images, which keeps nothing but its distribution."""
    rng = numpy_generator(job.seed, "experiments/permuting")
    _write_images(permuted_images(_digits(job).train.images[: job.count], rng), folder)


TRIALS = (
    Trial(
        "discover-fashion",
        "Discover factors in 60,000 images of Fashion-MNIST in 20 minutes; compared with k-means.",
        minutes=20.0,
        count=60_000,
        write=partial(_write_training_images, load=_fashion),
        labelled=_fashion,
    ),
    Trial(
        "discover-celeba",
        "Discover factors in 3,000 CelebA faces in 20 minutes; AUC of attributes on test images.",
        minutes=20.0,
        count=3_000,
        write=partial(_write_training_images, load=partial(_celeba, size=CELEBA_SIDE)),
        labelled=_celeba,
        metrics=("attributes",),
        takes_data=True,
    ),
    Trial(
        "discover-own",
        "Discover factors in 400 colour images in 10 minutes; compared with classes of 900 test images.",
        minutes=10.0,
        count=400,
        write=_write_own,
        labelled=_own,
    ),
    Trial(
        "discover-noise",
        "Discover factors in ten folders of white noise in 1.5 minutes each; none should be found.",
        minutes=1.5,
        count=1_500,
        write=_write_noise,
        labelled=None,
        discoveries=10,
    ),
    Trial(
        "discover-permuted",
        "Discover factors in ten folders of digits with permuted pixels in 1.5 minutes each; none are there.",
        minutes=1.5,
        count=1_500,
        write=_write_permuted,
        labelled=None,
        discoveries=10,
    ),
    Trial(
        "discover-digits",
        "Discover factors in 1,500 of scikit-learn's digits in 1.5 minutes, as for discover-noise.",
        minutes=1.5,
        count=1_500,
        write=partial(_write_training_images, load=_digits),
        labelled=_digits,
    ),
)

for _trial in TRIALS:
    EXPERIMENTS.add(_trial.name, Experiment(partial(run_trial, _trial), _trial.summary, frozenset({"quick"})))


# --- tables ----------------------------------------------------------------------------------------------


def discovery_tables(name: str, results: Sequence[Result]) -> str:
    """Return tables of the factors that each discovery found, and of scores measured with labels."""
    complete = [result for result in results if "diverged" not in result]
    rows = [[one["seed"], "", "", one["diverged"], "", ""] for one in results if "diverged" in one]
    rows += [_discovery_row(result) for result in complete]
    head = ["seed", "images", "categories", "found (stability)"]
    parts = [markdown_table([*head, "steps", "minutes"], rows)]
    measured = [result for result in complete if "scores" in result]
    if complete and not measured:
        hits = sum(bool(result["discovery"]["found"]) for result in complete)
        parts.append(
            f"{name}: something was found in {hits} of {len(complete)}, "
            f"a share of {share(hits, len(complete)).text(2)}."
        )
    parts += [_clustering_table(complete), attributes_table(measured, SHOWN)]
    return "\n\n".join(part for part in parts if part)


def _discovery_row(result: Result) -> list[object]:
    found = result["discovery"]
    codes = ", ".join(f"{code} ({entry['stability']:.2f})" for code, entry in found["found"].items())
    return [
        result["seed"],
        f"{found['images']:,}",
        found["found"].get("type", {}).get("categories", ""),
        codes or "nothing",
        f"{result['steps']:,}" if "steps" in result else "",
        f"{found['minutes_spent']:.1f} of {found['minutes']:g}",
    ]


CLUSTERING_COLUMNS = {
    "seed": value("seed"),
    "": value("name"),
    "accuracy, one category a class (95 %)": estimate("clustering.accuracy"),
    "by majority": value("clustering.accuracy_majority", ".3f"),  # absent where it equals the accuracy
    "NMI (95 %)": estimate("clustering.nmi"),
    "ARI (95 %)": estimate("clustering.ari"),
}


def _clustering_table(results: Sequence[Result]) -> str:
    """Return the clustering scores of the run and of the baselines."""
    found = []
    for result in results:
        named = {"discover": result.get("scores", {})}
        named |= named["discover"].get("baselines", {})
        found += [{**scores, "seed": result["seed"], "name": name} for name, scores in named.items()]
    found = [scores for scores in found if "clustering" in scores]
    return results_table(found, CLUSTERING_COLUMNS) if found else ""
