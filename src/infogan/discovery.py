"""Find the factors of variation in a folder of images, within a budget of minutes.

A short sweep trains two seeds for each number of categories, and selects the number for which the two
partition the images most alike (adjusted Rand index). These two runs are resumed, and a third seed is
trained. One of the three is chosen without labels. A code counts as a factor if its effect is visible in the
chosen run and another run has a matching code.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt8

from infogan import api, data, evaluation, storage
from infogan import config as configuration
from infogan.config import Categorical, Config
from infogan.data import Dataset
from infogan.errors import DivergenceError, InfoGANError, Interrupted, UsageError
from infogan.evaluation import model_selection
from infogan.evaluation.clustering import ari, contingency
from infogan.evaluation.subject import Progress, drawn_subset, silent
from infogan.evaluation.verdicts import INVISIBLE
from infogan.model import InfoGAN
from infogan.reporting import page, tables
from infogan.runs.directory import RunDirectory, next_free

CATEGORIES = (5, 10, 20)
"""Numbers of categories that the sweep tries."""

SWEEP_SEEDS, SEEDS = 2, 3
SIZE = 32
"""Height and width to which larger images are resized, if no size is set: a CPU trains on it in minutes."""

CODE = "type"
METRICS = ("mutual information", "information on real images", "variance within categories", "verdicts")

_OWN = (
    "training.seed",
    "training.steps",
    "training.learning_rate_schedule",
    "training.repair_end",
)
_OWN_SECTIONS = ("latents.",)
_TRIAL_STEPS, _LEAST_STEPS = 12, 24
_LONGER = 4  # length of a run of the population, in lengths of a run of the sweep
_RESERVE, _LEAST_RESERVE = 0.05, 8.0  # share of the budget, and seconds: for metrics, report and table
_ENCODED_LATER = 40_000  # images that are encoded to choose and measure a run
_STARTUP = 1.0  # seconds of a run before it trains
_SAMPLES = 2_000
_COMPARED = 4_000  # images on which the categories of two runs are compared


@dataclass
class Budget:
    """The time budget of a discovery.

    Attributes:
        seconds: the whole budget.
        clock: monotonic clock, in seconds.
        reserve: seconds kept for metrics, report and table.
    """

    seconds: float
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self.started = self.clock()
        self.reserve = max(_RESERVE * self.seconds, _LEAST_RESERVE)

    @property
    def spent(self) -> float:
        """Seconds since the start."""
        return self.clock() - self.started

    @property
    def for_training(self) -> float:
        """Seconds left for training: without the reserve."""
        return max(0.0, self.seconds - self.reserve - self.spent)


def sweep_steps(left: float, seconds_a_step: float) -> int:
    """Return the steps of each run of the sweep; a run of the population is `_LONGER` times as long."""
    runs = len(CATEGORIES) * SWEEP_SEEDS - SWEEP_SEEDS + SEEDS * _LONGER
    return max(_LEAST_STEPS, int(left / seconds_a_step / runs))


def population_steps(left: float, seconds_a_step: float, done: int) -> int:
    """Return the step at which each run of the population ends; those of the sweep are at step `done`."""
    return max(done + _LEAST_STEPS, int((left / seconds_a_step + SWEEP_SEEDS * done) / SEEDS))


def discover(  # noqa: PLR0913 - the options of the command, and the clock
    path: str | Path,
    *,
    minutes: float = 10.0,
    out: str | Path | None = None,
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
    progress: Progress = silent,
    clock: Callable[[], float] = time.monotonic,
) -> dict[str, Any]:
    """Find the factors of variation in a set of images, without labels.

    Args:
        path: a folder, archive or array of images.
        minutes: time budget.
        out: the folder to write; the next free of runs/discover-001 and so on when left out.
        seed: random seed of the first run; the others follow.
        settings: values by key for every run, as in `infogan.api.configure`.
        progress: called with a message when a part begins.
        clock: monotonic clock, in seconds.

    Returns:
        The content of OUT/discovery.json: `found`, the number of runs that have each found code, by code of
        the chosen run; `run`, the chosen run; `categories`, and the `sweep` that selected their number;
        `runs` and `shared`, as in `model_selection.choose`; `minutes` and `minutes_spent`. OUT also holds
        report.html and codes.csv.

    Raises:
        UsageError: too few images, or no time.
        InfoGANError: as in `api.train_config`.
    """
    if not minutes > 0:
        raise UsageError(f"minutes = {minutes:g}", "more than 0", "minutes=10", command="--minutes 10")
    budget = Budget(60 * minutes, clock)
    base, dataset = _configured(path, seed, settings or {}, progress)
    folder = _folder(out)
    count = len(dataset.train.images) + len(dataset.test.images)
    if count < model_selection.FEWEST:
        raise UsageError(
            f"{path} holds {count} images",
            f"{model_selection.FEWEST} or more",
            "more images",
        )
    progress(f"{count:,} images of {dataset.train.images.shape[1:]}; time budget {minutes:g} minutes")
    field = _Field(folder, base, dataset, budget, progress)
    sweep, categories, runs = _trained(field)
    models = {name: InfoGAN.from_pretrained(run) for name, run in runs.items()}
    choice = model_selection.choose(models, model_selection.images_to_read(dataset), seed=seed)
    result = {
        "images": count,
        "categories": categories,
        "sweep": {str(size): value for size, value in sweep.items()},
        **_written(field, models, choice, runs),
        "runs": choice["runs"],
        "shared": choice["shared"],
        "minutes": minutes,
        "minutes_spent": budget.spent / 60,
    }
    storage.write_text(folder / "discovery.json", json.dumps(result, indent=2) + "\n")
    return result


def _folder(out: str | Path | None) -> Path:
    folder = next_free(Path("runs"), "discover") if out is None else Path(out)
    if folder.is_file() or (folder.exists() and any(folder.iterdir())):
        raise UsageError(
            f"{folder} is not an empty folder",
            "a new or empty folder",
            "another folder as out",
            command="another --out",
        )
    return folder


def _configured(
    path: str | Path, seed: int, settings: Mapping[str, Any], progress: Progress
) -> tuple[Config, Dataset]:
    """Return the configuration of the first run, and the images: in their own size, at most SIZE."""
    codes = f"{CODE}:10 style1:u style2:u"
    config = api.configure(path, codes=codes, settings=settings)
    changed = configuration.changes(api.configure(path, codes=codes), config)
    own = sorted(key for key in changed if key in _OWN or key.startswith(_OWN_SECTIONS))
    if own:
        raise UsageError(
            f"setting {own[0]!r}: discover sets it itself", "another key", "infogan train, to set all"
        )
    if config.data.path is None:
        raise UsageError(
            f"{path} is not a set of images",
            "a folder, archive or array of images",
            "infogan train, for a preset",
        )
    dataset = data.load(config.data)
    native = int(dataset.train.images.shape[1])
    if config.data.size is None and native > SIZE:
        smaller = config.replace(data={"size": SIZE})
        try:
            config, dataset = smaller, data.load(smaller.data)
        except InfoGANError:  # images that were prepared in one size
            progress(f"the images were prepared in {native}x{native}: fewer steps fit than in {SIZE}x{SIZE}")
    return config.replace(training={"seed": seed}), dataset


# --- the trainings ---------------------------------------------------------------------------------------


class _Made(NamedTuple):
    """A trained run, and the seconds that training took."""

    path: Path
    seconds: float


@dataclass
class _Field:
    """The common state of the trainings of one discovery."""

    folder: Path
    base: Config
    dataset: Dataset
    budget: Budget
    progress: Progress
    seconds_a_step: float = 0.0

    def path(self, categories: int, number: int) -> Path:
        return self.folder / "runs" / f"{categories}-categories-seed-{self.base.training.seed + number}"

    def train(self, categories: int, number: int, steps: int, fall: tuple[int, int] | None = None) -> Path:
        """Train a run up to a step, or resume it; return its directory.

        Args:
            categories: number of categories.
            number: index of the run.
            steps: the step at which this training ends.
            fall: the steps between which learning rates fall; the second half of `steps` when left out. In a
                resumed run of the sweep they have fallen once before.
        """
        path = self.path(categories, number)
        start, end = fall or (steps // 2, steps)
        last = self.base.training.learning_rate_schedule.values[-1]
        training = {
            "steps": steps,
            "learning_rate_schedule": [[start, 1.0], [end, last]],
            "repair_end": 0,
            "save_every": steps,
            "sample_every": steps,
        }
        if path.exists():
            settings = {f"training.{key}": value for key, value in training.items()}
            api.resume_run(path, settings=settings, override=True)
            return path
        code = self.base.latents.codes[CODE]
        assert isinstance(code, Categorical)
        config = self.base.with_codes({CODE: replace(code, size=categories)})
        seed = self.base.training.seed + number
        api.train_config(config.replace(training={**training, "seed": seed}), out=path)
        return path

    def will_encode(self, seconds: float) -> None:
        """Reserve time for metrics and table, given the seconds that encoding for one comparison took."""
        train = len(self.dataset.train.images)
        encoded = SWEEP_SEEDS * min(_COMPARED, train)
        to_come = _ENCODED_LATER + train + len(self.dataset.test.images)
        self.budget.reserve = max(self.budget.reserve, _LEAST_RESERVE + to_come * seconds / encoded)

    def train_all(
        self, categories: int, numbers: Iterable[int], steps: int, fall: tuple[int, int] | None = None
    ) -> dict[int, _Made]:
        """Train runs up to a step; return them by their numbers, without those that diverged."""
        trained = {}
        for number in numbers:
            began = self.budget.spent
            try:
                path = self.train(categories, number, steps, fall)
            except DivergenceError as error:
                self.progress(f"{self.path(categories, number).name} is left out: {error.happened}")
            else:
                trained[number] = _Made(path, self.budget.spent - began)
        return trained


def _trained(field: _Field) -> tuple[dict[int, float], int, dict[str, Path]]:
    """Return the sweep's agreements, the number of categories that it selects, and the population's runs."""
    try:
        sweep, short = _sweep(field)
        categories = max(sweep, key=sweep.__getitem__)
        agreements = _agreements(sweep)
        field.progress(f"{categories} categories have the highest agreement between two runs ({agreements})")
        return sweep, categories, _population(field, categories, short)
    except Interrupted as request:
        request.run = None  # a run can be resumed, but not the discovery
        field.progress(f"a stopped discovery cannot be resumed; {field.folder} holds its runs")
        raise


def _sweep(field: _Field) -> tuple[dict[int, float], int]:
    """Return the agreement of two seeds by number of categories, and the steps of each run.

    Raises:
        DivergenceError: no number of categories has two runs that did not diverge.
    """
    trial = field.train(CATEGORIES[0], 0, _TRIAL_STEPS)
    field.seconds_a_step = _seconds_a_step(trial)
    shutil.rmtree(trial)  # a run's schedule must not depend on the length of the trial
    startup = _STARTUP * (len(CATEGORIES) * SWEEP_SEEDS + 2 * SEEDS)
    steps = sweep_steps(field.budget.for_training - startup, field.seconds_a_step)
    if steps == _LEAST_STEPS:
        field.progress("the budget is too small for these images: it will take longer")
    agreements, paces = {}, []
    for categories in CATEGORIES:
        field.progress(f"{categories} categories, {SWEEP_SEEDS} runs of {steps:,} steps")
        runs = [run.path for run in field.train_all(categories, range(SWEEP_SEEDS), steps).values()]
        paces += [_seconds_a_step(run) for run in runs]
        if len(runs) == SWEEP_SEEDS:
            began = field.budget.spent
            agreements[categories] = _agreement(runs, field.dataset)
            field.will_encode(field.budget.spent - began)
    if not agreements:
        raise _divergence("runs of every number of categories diverged")
    field.seconds_a_step = float(np.median(paces))  # other processes may have slowed down one run
    return agreements, steps


def _divergence(happened: str) -> DivergenceError:
    smaller = "learning_rate_generator=0.0003", "learning_rate_discriminator=0.0001"
    return DivergenceError(
        happened,
        f"{SWEEP_SEEDS} runs or more, to compare",
        f"smaller learning rates, such as {' and '.join(smaller)}",
        command=" ".join(f"--set {setting}" for setting in smaller),
    )


def _seconds_a_step(run: Path) -> float:
    """Return the seconds per step of training alone, as the run measured them."""
    facts = InfoGAN.from_pretrained(run).provenance
    return float(facts["train_seconds"]) / int(facts["steps"])


def _agreement(runs: Sequence[Path], dataset: Dataset) -> float:
    """Return the adjusted Rand index of two runs' categories of real images: 1 if equal, 0 at chance."""
    images = dataset.train.images
    chosen = drawn_subset(len(images), _COMPARED, seed=0, stream="discovery/sweep")
    first, second = (_categories(InfoGAN.from_pretrained(run), np.asarray(images[chosen])) for run in runs)
    if min(len(np.unique(first)), len(np.unique(second))) < 2:
        return 0.0  # all images in one category is not a partition
    return float(ari(contingency(first, second, int(first.max()) + 1, np.unique(second))))


def _categories(model: InfoGAN, images: UInt8[np.ndarray, "n h w c"]) -> np.ndarray:
    return np.asarray(model.latents.posteriors(model.recognise(images))[CODE].mean.argmax(1).numpy())


def _population(field: _Field, categories: int, short: int) -> dict[str, Path]:
    """Train the runs to choose from, all to the same step, within the time left.

    The length matters only from the step at which learning rates begin to fall. At this step the seconds per
    step are measured again, since they may have changed since the sweep.
    """
    left = field.budget.for_training - 2 * SEEDS * _STARTUP
    steps = population_steps(left, field.seconds_a_step, short)
    field.progress(f"{SEEDS} runs of about {steps:,} steps")
    half = max(steps // 2, short)
    new = {number: not field.path(categories, number).exists() for number in range(SEEDS)}
    made = _enough(field.train_all(categories, range(SEEDS), half, (half, half + 1)), categories)
    trained = sum(half - (0 if new[number] else short) for number in made)
    pace = sum(run.seconds for run in made.values()) / trained if trained else field.seconds_a_step
    steps = half + max(_LEAST_STEPS, int(field.budget.for_training / pace / len(made)))
    field.progress(f"{len(made)} runs are resumed, to step {steps:,}")
    made = _enough(field.train_all(categories, made, steps, (half, steps)), categories)
    return {run.path.name: run.path for run in made.values()}


def _enough(made: dict[int, _Made], categories: int) -> dict[int, _Made]:
    """Return the runs; raise DivergenceError if fewer than two are left."""
    if len(made) < SWEEP_SEEDS:
        raise _divergence(f"{SEEDS - len(made)} of {SEEDS} runs of {categories} categories diverged")
    return made


# --- the result ---------------------------------------------------------------------------------------


def _written(
    field: _Field, models: Mapping[str, InfoGAN], choice: Mapping[str, Any], runs: Mapping[str, Path]
) -> dict[str, Any]:
    """Write metrics, report and table of the chosen run; return it with the codes that count as found."""
    name = choice["chosen"]
    model, run = models[name], RunDirectory.open(runs[name])
    field.progress(f"{name} is selected; writing metrics, report and table")
    scores = evaluation.evaluate(model, field.dataset, samples=_SAMPLES, only=METRICS)
    run.write_text(run.evaluation_path.name, json.dumps(scores, indent=2) + "\n")
    found = found_codes(name, scores, choice)
    report = page.write(run, model, field.dataset, found=found, runs=len(models))
    storage.write_text(field.folder / "report.html", report.read_text(encoding="utf-8"))
    _write_codes(field, model)
    return {"run": str(runs[name]), "chosen": name, "found": found}


def found_codes(name: str, scores: Mapping[str, Any], choice: Mapping[str, Any]) -> dict[str, int]:
    """Return the codes with a visible effect that other runs share, each with its number of runs."""
    visible = {
        code
        for code, figures in scores["codes"].items()
        if figures["verdict"] == "used" and figures["effect"] >= INVISIBLE
    }
    shared = {match["codes"][name]: match["found_in"] for match in choice["shared"] if name in match["codes"]}
    return {code: count for code, count in shared.items() if code in visible}


def _write_codes(field: _Field, model: InfoGAN) -> None:
    """Write codes.csv: the codes that the chosen run predicts for every image."""
    images, names = data.load_all(field.base.data)
    tables.write_codes(field.folder / "codes.csv", names, model.encode(images), {CODE})


def _agreements(sweep: Mapping[int, float]) -> str:
    return ", ".join(f"{size}: {value:.2f}" for size, value in sweep.items())


def summary(result: Mapping[str, Any]) -> str:
    """Return the text that `infogan discover` prints at its end."""
    runs = len(result["runs"])
    spent = f"{result['minutes_spent']:.1f} of {result['minutes']:g} minutes"
    if not result["found"]:
        return (
            f"no factor found in {result['images']:,} images ({spent}): "
            f"two of {runs} runs share no code with a visible effect. "
            "More images or a larger time budget may help."
        )
    lines = [
        f"found in {result['images']:,} images, {result['categories']} categories, {runs} runs ({spent}):"
    ]
    lines += [f"  {code}: found in {count} of {runs} runs" for code, count in result["found"].items()]
    return "\n".join([*lines, f"selected run: {result['run']}"])
