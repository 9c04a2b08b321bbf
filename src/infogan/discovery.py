"""infogan discover: from a folder of images to what varies in them, within a budget of minutes.

A short sweep trains two seeds for each number of categories, and takes the number at which the two divide the
images most alike. Its runs go on, with a third seed beside them; one of the three is chosen without labels;
and only what the chosen run shows in pictures and another run found, too, counts as found.
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
from infogan.report import page, tables
from infogan.runs.directory import RunDirectory, next_free

CATEGORIES = (5, 10, 20)
"""Numbers of categories that the sweep tries."""

SWEEP_SEEDS, SEEDS = 2, 3
SIZE = 32
"""Height and width to which larger images are brought, where none is asked: what a CPU trains in minutes."""

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
_LONGER = 4  # a run of the population is so many times as long as one of the sweep
_RESERVE, _LEAST_RESERVE = 0.05, 8.0  # of the budget, and seconds: for figures, page and table
_READ_FOR_FIGURES = 40_000  # images, by whatever is read to choose a run and to measure it
_BEGINNING = 1.0  # seconds of a run in which it does not train
_SAMPLES = 2_000
_REMEDY = (
    f"{SWEEP_SEEDS} runs or more, to hold beside each other",
    "smaller rates, --set learning_rate_generator=0.0003 --set learning_rate_discriminator=0.0001",
)
_READ = 4_000


@dataclass
class Budget:
    """The time that is left.

    Attributes:
        seconds: in all.
        clock: seconds that only go forward.
        reserve: seconds that figures, page and table will take.
    """

    seconds: float
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self.started = self.clock()
        self.reserve = max(_RESERVE * self.seconds, _LEAST_RESERVE)

    @property
    def spent(self) -> float:
        """Seconds since it began."""
        return self.clock() - self.started

    @property
    def for_training(self) -> float:
        """Seconds left, less what figures, page and table will take."""
        return max(0.0, self.seconds - self.reserve - self.spent)


def sweep_steps(left: float, seconds_a_step: float) -> int:
    """Steps of each run of the sweep, such that a population of `_LONGER` times as many fits behind it."""
    runs = len(CATEGORIES) * SWEEP_SEEDS - SWEEP_SEEDS + SEEDS * _LONGER
    return max(_LEAST_STEPS, int(left / seconds_a_step / runs))


def population_steps(left: float, seconds_a_step: float, done: int) -> int:
    """Steps at which each run of the population ends, of which the sweep's have `done` so many."""
    return max(done + _LEAST_STEPS, int((left / seconds_a_step + SWEEP_SEEDS * done) / SEEDS))


def discover(  # noqa: PLR0913 - what the command takes, and the clock
    path: str | Path,
    *,
    minutes: float = 10.0,
    out: str | Path | None = None,
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
    progress: Progress = silent,
    clock: Callable[[], float] = time.monotonic,
) -> dict[str, Any]:
    """What varies in a set of images, without labels.

    Args:
        path: a folder, archive or array of images.
        minutes: how long it may take, in all.
        out: its folder; runs/discover-001 and so on when left out.
        seed: of the first run; the others follow.
        settings: "KEY=VALUE" texts for every run, as `--set` takes them.
        progress: is told what begins.
        clock: seconds that only go forward.

    Returns:
        What OUT/discovery.json holds: `found`, by code of the chosen run in how many runs it was found,
        empty where nothing was; `run`, the chosen one; `categories`, and the `sweep` that chose them; `runs`
        and `shared`, as of `model_selection.choose`; `minutes` and `minutes_spent`. Beside it lie
        report.html and codes.csv.

    Raises:
        UsageError: too few images, or no time.
        InfoGANError: as of `api.train_config`.
    """
    if not minutes > 0:
        raise UsageError(f"minutes = {minutes:g}", "more than 0", "--minutes 10")
    budget = Budget(60 * minutes, clock)
    base, dataset = _configured(path, seed, settings or {}, progress)
    folder = _folder(out)
    count = len(dataset.train.images) + len(dataset.test.images)
    if count < model_selection.FEWEST:
        raise UsageError(
            f"{path} holds {count} images",
            f"{model_selection.FEWEST} or more",
            "more images of the same kind",
        )
    progress(f"{count:,} images of {dataset.train.images.shape[1:]}; {minutes:g} minutes for all of it")
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
        raise UsageError(f"{folder} is not an empty folder", "a new or empty folder", "another --out")
    return folder


def _configured(
    path: str | Path, seed: int, settings: Mapping[str, Any], progress: Progress
) -> tuple[Config, Dataset]:
    """The configuration of the first run, and its images: in their own size, or SIZE where that is less."""
    codes = f"{CODE}:10 style1:u style2:u"
    config = api.configure(path, codes=codes, settings=settings)
    changed = configuration.changes(api.configure(path, codes=codes), config)
    own = sorted(key for key in changed if key in _OWN or key.startswith(_OWN_SECTIONS))
    if own:
        raise UsageError(
            f"--set {own[0]}: discover sets it itself", "another key", "infogan train, to set all"
        )
    if config.data.path is None:
        raise UsageError(
            f"{path} is no images", "a folder, archive or array of images", "infogan train, for a preset"
        )
    dataset = data.load(config.data)
    native = int(dataset.train.images.shape[1])
    if config.data.size is None and native > SIZE:
        smaller = config.data.model_copy(update={"size": SIZE})
        try:
            config, dataset = config.model_copy(update={"data": smaller}), data.load(smaller)
        except InfoGANError:  # images that were prepared in one size
            progress(
                f"the images stay {native}x{native}, as they were prepared: fewer steps than at {SIZE}x{SIZE}"
            )
    training = config.training.model_copy(update={"seed": seed})
    return config.model_copy(update={"training": training}), dataset


def _with_categories(config: Config, **changes: Any) -> Config:
    """The same with a changed categorical code."""
    code = config.latents.codes[CODE]
    assert isinstance(code, Categorical)
    return config.with_codes({CODE: replace(code, **changes)})


# --- the trainings ---------------------------------------------------------------------------------------


class _Made(NamedTuple):
    """A run that was trained, and the seconds that it took."""

    path: Path
    seconds: float


@dataclass
class _Field:
    """What every training of one discovery needs."""

    folder: Path
    base: Config
    dataset: Dataset
    budget: Budget
    progress: Progress
    seconds_a_step: float = 0.0

    def path(self, categories: int, number: int) -> Path:
        return self.folder / "runs" / f"{categories}-categories-seed-{self.base.training.seed + number}"

    def train(self, categories: int, number: int, steps: int, fall: tuple[int, int] | None = None) -> Path:
        """One run to a step, gone on with where it has begun.

        A run of the sweep that goes on has seen its rates fall before; one that is new has not.

        Args:
            categories: of its categorical code.
            number: of the run.
            steps: where this training ends.
            fall: the steps between which its rates fall; over the second half of `steps` when left out.
        """
        path = self.path(categories, number)
        start, end = fall or (steps // 2, steps)
        schedule = {
            "learning_rate_schedule": [
                [start, 1.0],
                [end, self.base.training.learning_rate_schedule.values[-1]],
            ],
            "repair_end": 0,
            "save_every": max(steps, 1),
        }
        schedule |= {"sample_every": max(steps, 1)}
        if path.exists():
            settings = {f"training.{key}": value for key, value in {**schedule, "steps": steps}.items()}
            api.resume_run(path, settings=settings, override=True)
            return path
        config = _with_categories(self.base, size=categories)
        training = {**schedule, "steps": steps, "seed": self.base.training.seed + number}
        config = config.model_copy(update={"training": self.base.training.model_copy(update=training)})
        api.train_config(config, out=path)
        return path

    def will_read(self, seconds: float) -> None:
        """Keeps time for figures and table, where so many seconds went into reading some images."""
        train = len(self.dataset.train.images)
        read = SWEEP_SEEDS * min(_READ, train)
        to_come = _READ_FOR_FIGURES + train + len(self.dataset.test.images)
        self.budget.reserve = max(self.budget.reserve, _LEAST_RESERVE + to_come * seconds / read)

    def train_all(
        self, categories: int, numbers: Iterable[int], steps: int, fall: tuple[int, int] | None = None
    ) -> dict[int, _Made]:
        """These runs by their numbers, without those that diverged."""
        made = {}
        for number in numbers:
            began = self.budget.spent
            try:
                path = self.train(categories, number, steps, fall)
            except DivergenceError as error:
                self.progress(f"{self.path(categories, number).name} is left out: {error.happened}")
            else:
                made[number] = _Made(path, self.budget.spent - began)
        return made


def _trained(field: _Field) -> tuple[dict[int, float], int, dict[str, Path]]:
    """What the sweep found, the number of categories that it chose, and the runs of the population."""
    try:
        sweep, short = _sweep(field)
        categories = max(sweep, key=sweep.__getitem__)
        agreements = _agreements(sweep)
        field.progress(f"{categories} categories: two runs divide the images most alike ({agreements})")
        return sweep, categories, _population(field, categories, short)
    except Interrupted as request:
        request.run = None  # one of its runs could go on, and not the discovery
        field.progress(
            f"a discovery that was stopped cannot go on; {field.folder} holds the runs that there are"
        )
        raise


def _sweep(field: _Field) -> tuple[dict[int, float], int]:
    """How alike two seeds divide the images, by number of categories; and the steps of each run.

    Raises:
        DivergenceError: of no number of categories there are two runs.
    """
    trial = field.train(CATEGORIES[0], 0, _TRIAL_STEPS)
    field.seconds_a_step = _seconds_a_step(trial)
    shutil.rmtree(trial)  # what a run does when must not depend on how short the trial was
    beginnings = _BEGINNING * (len(CATEGORIES) * SWEEP_SEEDS + 2 * SEEDS)
    steps = sweep_steps(field.budget.for_training - beginnings, field.seconds_a_step)
    if steps == _LEAST_STEPS:
        field.progress("that is too little time for so many images of that size: it will take longer")
    found, paces = {}, []
    for categories in CATEGORIES:
        field.progress(f"{categories} categories, {SWEEP_SEEDS} runs of {steps:,} steps")
        runs = [one.path for one in field.train_all(categories, range(SWEEP_SEEDS), steps).values()]
        paces += [_seconds_a_step(run) for run in runs]
        if len(runs) == SWEEP_SEEDS:
            began = field.budget.spent
            found[categories] = _alike(runs, field.dataset)
            field.will_read(field.budget.spent - began)
    if not found:
        raise DivergenceError("runs of every number of categories diverged", *_REMEDY)
    field.seconds_a_step = float(np.median(paces))  # one run may have been beside other work
    return found, steps


def _seconds_a_step(run: Path) -> float:
    """Of the training itself, by the run's own clock."""
    facts = InfoGAN.from_pretrained(run).provenance
    return float(facts["train_seconds"]) / int(facts["steps"])


def _alike(runs: Sequence[Path], dataset: Dataset) -> float:
    """The adjusted Rand index of two runs' categories on real images: 1 the same division, 0 chance."""
    images = dataset.train.images
    chosen = drawn_subset(len(images), _READ, seed=0, stream="discovery/sweep")
    first, second = (_categories(InfoGAN.from_pretrained(run), np.asarray(images[chosen])) for run in runs)
    if min(len(np.unique(first)), len(np.unique(second))) < 2:
        return 0.0  # all images in one category is no division, however well two runs agree on it
    return float(ari(contingency(first, second, int(first.max()) + 1, np.unique(second))))


def _categories(model: InfoGAN, images: UInt8[np.ndarray, "n h w c"]) -> np.ndarray:
    return np.asarray(model.latents.posteriors(model.recognise(images))[CODE].mean.argmax(1).numpy())


def _population(field: _Field, categories: int, short: int) -> dict[str, Path]:
    """The runs to choose from, all of one length: as long as the time allows.

    Up to the step from which rates fall nothing depends on how long a run will be: there the pace is looked
    at once more, which may have changed since the sweep.
    """
    left = field.budget.for_training - 2 * SEEDS * _BEGINNING
    steps = population_steps(left, field.seconds_a_step, short)
    field.progress(f"{SEEDS} runs of some {steps:,} steps")
    half = max(steps // 2, short)
    new = {number: not field.path(categories, number).exists() for number in range(SEEDS)}
    made = _enough(field.train_all(categories, range(SEEDS), half, (half, half + 1)), categories)
    trained = sum(half - (0 if new[number] else short) for number in made)
    pace = sum(one.seconds for one in made.values()) / trained if trained else field.seconds_a_step
    steps = half + max(_LEAST_STEPS, int(field.budget.for_training / pace / len(made)))
    field.progress(f"{len(made)} go on to {steps:,} steps")
    made = _enough(field.train_all(categories, made, steps, (half, steps)), categories)
    return {one.path.name: one.path for one in made.values()}


def _enough(made: dict[int, _Made], categories: int) -> dict[int, _Made]:
    """The same, if two or more are left; else DivergenceError."""
    if len(made) < SWEEP_SEEDS:
        raise DivergenceError(
            f"{SEEDS - len(made)} of {SEEDS} runs of {categories} categories diverged", *_REMEDY
        )
    return made


# --- what is found ---------------------------------------------------------------------------------------


def _written(
    field: _Field, models: Mapping[str, InfoGAN], choice: Mapping[str, Any], runs: Mapping[str, Path]
) -> dict[str, Any]:
    """Figures, page and table of the chosen run, and which of its codes count as found."""
    name = choice["chosen"]
    model, run = models[name], RunDirectory.open(runs[name])
    field.progress(f"{name} is chosen; figures, page and table")
    scores = evaluation.evaluate(model, field.dataset, samples=_SAMPLES, only=METRICS)
    run.write_text(run.evaluation_path.name, json.dumps(scores, indent=2) + "\n")
    found = found_codes(name, scores, choice)
    report = page.write(run, model, field.dataset, found=found, runs=len(models))
    storage.write_text(field.folder / "report.html", report.read_text(encoding="utf-8"))
    _write_codes(field, model)
    return {"run": str(runs[name]), "chosen": name, "found": found}


def found_codes(name: str, scores: Mapping[str, Any], choice: Mapping[str, Any]) -> dict[str, int]:
    """The codes of a run that pictures show and that another run found, too; with the number of runs."""
    seen = {
        code
        for code, figures in scores["codes"].items()
        if figures["verdict"] == "used" and figures["effect"] >= INVISIBLE
    }
    shared = {one["codes"][name]: one["found_in"] for one in choice["shared"] if name in one["codes"]}
    return {code: count for code, count in shared.items() if code in seen}


def _write_codes(field: _Field, model: InfoGAN) -> None:
    """codes.csv: what the chosen run reads from every image."""
    images, names = data.load_all(field.base.data)
    tables.write_codes(field.folder / "codes.csv", names, model.encode(images), {CODE})


def _agreements(sweep: Mapping[int, float]) -> str:
    return ", ".join(f"{size}: {value:.2f}" for size, value in sweep.items())


def summary(result: Mapping[str, Any]) -> str:
    """What `infogan discover` says at its end."""
    runs = len(result["runs"])
    spent = f"{result['minutes_spent']:.1f} of {result['minutes']:g} minutes"
    if not result["found"]:
        return (
            f"nothing was found in {result['images']:,} images ({spent}): "
            f"no code that can be seen was found by two of {runs} runs. "
            "More images, or more minutes, may show something; or there is nothing."
        )
    lines = [
        f"found in {result['images']:,} images, {result['categories']} categories, {runs} runs ({spent}):"
    ]
    lines += [f"  {code}: found in {count} of {runs} runs" for code, count in result["found"].items()]
    return "\n".join([*lines, f"the run: {result['run']}"])
