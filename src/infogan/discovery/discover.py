"""Find the factors of variation in a set of images within a time budget: first in the real images.

1. Without training, search for categories in the principal components of the pixels, and for coordinates and
   components. Write the first page.
2. Train a contrastive encoder. Search for categories again, in its features or in features and pixels
   together, and for coordinates within the categories.
3. Fit Q to what was found, and train a generator that follows it.
4. Encode generated images with an independent encoder, for the verdicts. With an hour or more, train
   generators with two or three seeds, and show the one whose codes this encoder predicts best.

Every phase is kept on disk. A discovery that was stopped at any moment is resumed by the same command.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import safetensors.torch
import torch

from infogan import api, configuring, evaluation, networks, signals, storage
from infogan import config as configuration
from infogan.config import Config
from infogan.data import Dataset, image_collection
from infogan.data.preprocessing import Form
from infogan.discovery.budget import ENCODER_SHARE, Budget, steps_within
from infogan.discovery.candidate_verdicts import agreements, independent_encoder, verdicts
from infogan.discovery.given_images import GivenImages
from infogan.discovery.outcome import Outcome, Shown, Stage
from infogan.discovery.state import AUDIT, RESULT, State, open_state
from infogan.encoding import code_table
from infogan.errors import Interrupted, UsageError
from infogan.evaluation.subject import Progress, silent
from infogan.model import InfoGAN
from infogan.representation import learning
from infogan.representation.candidates import Candidate
from infogan.representation.contrastive import ContrastiveTraining, Encoder
from infogan.representation.learning import Learned
from infogan.runs.directory import RunDirectory
from infogan.runs.representation_files import Representation
from infogan.training import engine, runner
from infogan.training.anchoring import Phase, contrastive_settings, fit_recognition, train_encoder, with_codes
from infogan.training.anchors import Anchors
from infogan.training.progress import Output
from infogan.training.trainer import Trainer

if TYPE_CHECKING:
    from infogan.api import Images

SIZE = 32
"""Height and width to which larger images are resized, if no size is set: a CPU trains on it in minutes."""

FREE_CODES = "style1:u style2:u"
"""Codes without anchors: the generator finds their meaning."""

METRICS = ("mutual information", "variance within categories")

_OWN_SECTIONS = ("latents.", "representation.")
_OWN = ("training.seed", "training.steps", "training.learning_rate_schedule")
_TRIAL_STEPS = 3
_LEAST_STEPS = 20
_MOST_ENCODER_STEPS, _MOST_FIT_STEPS = 20_000, 1_500
_FIT_SHARE = 0.1  # of the time left for training, for each of the two encoders that are fitted
_SAMPLES = 2_000
_MORE_GENERATORS = (60, 90)  # minutes from which one more generator is trained


@signals.handled_in_python()
def discover(  # noqa: PLR0913 - the options of the command, and the clock
    path: str | Path | Images,
    *,
    minutes: float = 10.0,
    out: str | Path | None = None,
    seed: int = 0,
    categories: int | None = None,
    settings: Mapping[str, Any] | None = None,
    threads: int | None = None,
    progress: Progress = silent,
    clock: Callable[[], float] = time.monotonic,
) -> dict[str, Any]:
    """Find the factors of variation in a set of images, without labels.

    Args:
        path: a folder, archive or array file of images; or the images themselves, as in `infogan.train`.
        minutes: time budget.
        out: the folder to write; if it holds a stopped discovery of the same images and options, that is
            resumed. When left out, the newest such discovery in runs/, or the next free of runs/discover-001.
        seed: random seed.
        categories: number of categories; None: chosen by stability; 0: none.
        settings: values by key for the generator's run, as in `infogan.configure`.
        threads: number of threads; None: that of the discovery so far, or torch's own. 1 is fastest if other
            processes keep the cores busy.
        progress: called with a message when a part begins.
        clock: monotonic clock, in seconds.

    Returns:
        The content of OUT/discovery.json: `found`, figures and verdict of each code; `categories`, how their
        number was chosen; `run`, the generator's run; `scores` of the run; `minutes` and `minutes_spent`. OUT
        also holds report.html and codes.csv.

    Raises:
        UsageError: too few images, no time, OUT holds something else, or another process works in it.
        StorageError: discovery-state.json is damaged.
        KeyboardInterrupt: Ctrl-C; the same call resumes, as after any other stop.
        InfoGANError: as in `api.train_config`.
    """
    if not minutes > 0:
        raise UsageError(f"minutes = {minutes:g}", "more than 0", "minutes=10", command="--minutes 10")
    budget = Budget(60 * minutes, clock=clock)
    images = GivenImages(path)
    config, dataset = configured(images, seed, settings or {}, progress)
    identity = {
        "images": dataset.fingerprint,
        "minutes": minutes,
        "categories": categories,
        "configuration": hashlib.sha256(configuration.to_toml(config).encode()).hexdigest(),
    }
    state = open_state(out, identity)
    with RunDirectory(state.folder).lock():
        return _run(_Discovery(state, config, images, dataset, budget, categories, progress, threads))


def _run(job: _Discovery) -> dict[str, Any]:
    """Do what is left of a discovery; its folder is locked."""
    state, budget, progress = job.state, job.budget, job.progress
    if (state.folder / RESULT).is_file():
        progress(f"{state.folder} is complete")
        finished: dict[str, Any] = json.loads((state.folder / RESULT).read_text(encoding="utf-8"))
        return finished
    budget.before = state.facts["seconds"]
    recorded = state.facts.get("threads")
    wanted = job.threads if recorded is None or job.threads is not None else int(recorded)
    used = engine.use_threads(wanted)
    state.write(threads=used)
    progress(f"threads: {used}" + ("; threads=1 is faster if the cores are busy" if used > 1 else ""))
    try:
        job.audit()
        return job.run()
    except Interrupted as request:
        request.run = None
        request.advice = f"the same command resumes the discovery in {state.folder}"
        raise
    finally:
        state.write(seconds=budget.spent)


def configured(
    images: GivenImages, seed: int, settings: Mapping[str, Any], progress: Progress
) -> tuple[Config, Dataset]:
    """Return the configuration of the generator's run, and the images: in their own size, at most SIZE.

    Args:
        images: as the user gave them.
        seed: random seed.
        settings: values by key.
        progress: called with messages.

    Raises:
        UsageError: a key that discover sets itself, too few images, or a network without an encoder.
    """
    plain = configuring.configure(images.source, recipe="anchored", codes=FREE_CODES)
    config = configuring.configure(images.source, recipe="anchored", codes=FREE_CODES, settings=settings)
    changed = configuration.changes(plain, config)
    own = sorted(key for key in changed if key in _OWN or key.startswith(_OWN_SECTIONS))
    if own:
        raise UsageError(
            f"setting {own[0]!r}: discover sets it itself", "another key", "infogan train, to set all"
        )
    if config.data.path is None and not images.in_memory:
        raise UsageError(
            f"{images} is not a set of images",
            "a folder, archive or array of images",
            "infogan train, for a preset",
        )
    name = config.network.architecture
    networks.check_architecture(name)
    if name in networks.NETWORKS or not networks.architecture(name, SIZE).encoder:
        raise UsageError(
            f"network.architecture = {name!r}: Q has no encoder",
            "anchored or anchored-residual",
            "architecture=anchored",
            command="--set architecture=anchored",
        )
    if config.data.size is None:
        native, given = images.native_size(config.data)
        if native > SIZE and given:
            progress(f"the images were prepared in {native}x{native}: fewer steps fit than in {SIZE}x{SIZE}")
        elif native > SIZE:
            config = config.replace(data={"size": SIZE})
    dataset = images.load(config.data)
    if dataset.problem is not None:
        raise dataset.problem
    count = len(dataset.train.images) + len(dataset.test.images)
    if count < learning.FEWEST:
        raise UsageError(f"{images} holds {count} images", f"{learning.FEWEST} or more", "more images")
    progress(f"{count:,} images of {dataset.train.images.shape[1:]}")
    return runner.resolve(config.replace(training={"seed": seed}), dataset), dataset


def stored_encoder(out: Path, config: Config) -> Encoder | None:
    """Return the encoder that a discovery trained; None if there is none yet.

    Args:
        out: the folder of the discovery.
        config: of its run, with the form of the images and the width of the networks.
    """
    folder = out / "encoder"
    if not folder.exists():
        return None
    size, channels = config.data.size, config.data.channels
    assert size is not None and channels is not None
    encoder = Encoder(channels, size, width=config.network.width)
    encoder.load_state_dict(safetensors.torch.load(storage.read_folder(folder)["encoder.safetensors"]))
    return encoder.eval()


@dataclass
class _Discovery:
    """The phases of one discovery; each returns what is on disk if it is complete.

    Attributes:
        state: on disk.
        config: of the generator's run, with free codes only.
        given: the images as the user gave them.
        dataset: only its training images are used, without labels.
        budget: over all sessions.
        categories: number of categories, if it is given.
        progress: called with messages.
    """

    state: State
    config: Config
    given: GivenImages
    dataset: Dataset
    budget: Budget
    categories: int | None
    progress: Progress
    threads: int | None = None

    def audit(self) -> None:
        """Report the audit of the images, and keep it."""
        path = self.state.folder / AUDIT
        if not path.is_file():
            lines = self.given.audit_lines(self.config.data, self.dataset)
            storage.write_text(path, "".join(f"{line}\n" for line in lines))
            for line in lines:
                self.progress(line)

    def run(self) -> dict[str, Any]:
        """Do all phases, and return the content of discovery.json."""
        first = self._first()
        self._outcome(first, "first").write(self.state.folder)
        self.progress(f"first page: {self.state.folder / 'report.html'}")
        encoder = self._encoder()
        learned = self._learned(first, encoder)
        if learned.empty:
            return self._outcome(learned, "nothing").write(self.state.folder)
        self._outcome(learned, "features").write(self.state.folder)
        models = [self._generator(learned, encoder, number) for number in range(self._generators)]
        return self._judged(learned, models).write(self.state.folder)

    def _judged(self, learned: Learned, models: Sequence[InfoGAN]) -> Outcome:
        """Return the outcome with the model that agrees best with an independent encoder; write codes.csv."""
        self.progress("fitting an independent encoder, and encoding generated images with it")
        encoder = independent_encoder(models[0], self.dataset, learned, int(self.state.facts["fit_steps"]))
        agreed = [agreements(model, encoder, learned.anchors()) for model in models]
        best = max(range(len(models)), key=lambda number: sum(agreed[number].values()))
        model = models[best]
        scores = evaluation.evaluate(model, self.dataset, samples=_SAMPLES, only=METRICS)
        images, names = self.given.load_all(self.config.data)
        form = Form(model.size, model.channels)
        collection = image_collection.of_array(images, form, names)
        code_table.write_codes(model, collection, self.state.folder / "codes.csv")
        self.progress("fitting a fresh Q to generated images")
        steps = int(self.state.facts["fit_steps"]) // 2
        budget = evaluation.Budget(max_steps=steps, held_out=_SAMPLES)
        fresh = evaluation.fit_recognition(model, budget=budget, samples=_SAMPLES)["codes"]
        entries = verdicts(learned, agreed, best)
        for name, entry in entries.items():
            entry["bound_nats"] = scores["codes"][name]["mutual_information_nats"]
            entry["fresh_bound_nats"] = fresh[name]["mutual_information_nats"]
        shown = Shown(self._run(best), model, scores)
        return self._outcome(learned, "generator", entries, shown)

    @property
    def _generators(self) -> int:
        """Number of generators: one; two with a budget of 60 minutes, three with 90."""
        return 1 + sum(self.budget.seconds >= 60 * minutes for minutes in _MORE_GENERATORS)

    def _run(self, number: int) -> Path:
        return self.state.folder / ("run" if number == 0 else f"run-{number + 1}")

    @property
    def _images(self) -> np.ndarray:
        return np.asarray(self.dataset.train.images)

    def _first(self) -> Learned:
        """Return what is found in the images without training."""
        return self._kept("first", self._learn)

    def _learned(self, first: Learned, encoder: Encoder) -> Learned:
        """Return what is found with learned features; the candidates from the pixels are kept."""
        self.progress("searching for categories in learned features")
        return self._kept(
            "learned",
            lambda: self._learn(encoder.features(self._images), [*first.candidates, *first.categorical]),
        )

    def _learn(
        self, features: np.ndarray | None = None, candidates: Sequence[Candidate] | None = None
    ) -> Learned:
        return learning.learn(
            self._images,
            features=features,
            categories=self.categories,
            candidates=candidates,
            within=features is not None,
            search=self.config.objective.neighbour_search,
            seed=self.config.training.seed,
            progress=self.progress,
        )

    def _kept(self, name: str, compute: Callable[[], Learned]) -> Learned:
        """Return the result of a phase from its folder, or compute it and write it there."""
        folder = self.state.folder / name
        if folder.exists():
            return Learned.from_files(storage.read_folder(folder))
        learned = compute()
        storage.write_folder(folder, learned.files())
        self.state.write(seconds=self.budget.spent)
        return learned

    def _encoder(self) -> Encoder:
        """Return the contrastive encoder, trained for its share of the time that is left."""
        folder = self.state.folder / "encoder"
        if (stored := stored_encoder(self.state.folder, self.config)) is not None:
            return stored
        if "encoder_steps" not in self.state.facts:
            trial = ContrastiveTraining(self._images, contrastive_settings(self.config, 1_000))
            pace = self._pace(trial.train_step)
            seconds = ENCODER_SHARE * self.budget.for_training
            steps = min(steps_within(seconds, pace, _LEAST_STEPS), _MOST_ENCODER_STEPS)
            self.state.write(encoder_steps=steps)
        steps = int(self.state.facts["encoder_steps"])
        self.progress(f"training the contrastive encoder, {steps:,} steps")
        unfinished = self.state.folder / "encoder-training"
        settings = contrastive_settings(self.config, steps)
        encoder = train_encoder(self._images, settings, unfinished, self.progress)
        tensors = {name: value.contiguous() for name, value in encoder.state_dict().items()}
        storage.write_folder(folder, {"encoder.safetensors": safetensors.torch.save(tensors)})
        if unfinished.exists():
            storage.remove_folder(unfinished)
        self.state.write(seconds=self.budget.spent)
        return encoder

    def _generator(self, learned: Learned, encoder: Encoder, number: int) -> InfoGAN:
        """Return a generator that follows what was learned, trained for its share of the time left.

        Each starts from the same encoder and anchors, with a seed of its own.
        """
        path = self._run(number)
        if (path / "representation").exists():
            self.progress(f"resuming the generator in {path.name}")
            return api.resume_run(path, dataset=self.dataset, output=Output(quiet=True)).model
        if path.exists():  # stopped before the run was complete enough to be resumed
            storage.remove_folder(path)
        anchors = Anchors(learned.anchors())
        facts = {**learned.facts(), "empty": False, "dependence": learned.dependence()}
        own = self.config.replace(training={"seed": (self.config.training.seed + number) % 2**63})
        config = with_codes(own, Representation(anchors.targets, None, facts))
        fit_steps = self._fit_steps(config, anchors)
        config = config.replace(representation={"fit_steps": fit_steps, "contrastive_steps": 0})
        representation = Phase(config, self.dataset, RunDirectory(path), self.progress).fit(learned, encoder)
        steps = self._generator_steps(config, anchors)
        self.progress(f"training the generator, {steps:,} steps")
        training = {
            "steps": steps,
            "learning_rate_schedule": [[steps // 2, 1.0], [steps, 0.05]],
            "sample_every": steps,
            "save_every": max(100, steps // 10),
        }
        run = RunDirectory.create(path)
        config = config.replace(training=training)
        quiet = Output(quiet=True)
        trained = runner.train(config, self.dataset, run, representation=representation, output=quiet)
        self.state.write(seconds=self.budget.spent)
        return trained.model

    def _fit_steps(self, config: Config, anchors: Anchors) -> int:
        """Return the steps in which an encoder is fitted to the anchors, and keep them."""
        if "fit_steps" not in self.state.facts:
            model = InfoGAN(config)
            pace = self._pace(lambda: fit_recognition(model, self._images, anchors, 1))
            steps = steps_within(_FIT_SHARE * self.budget.for_training, pace, _LEAST_STEPS)
            self.state.write(fit_steps=min(steps, _MOST_FIT_STEPS), fit_pace=pace)
        return int(self.state.facts["fit_steps"])

    def _generator_steps(self, config: Config, anchors: Anchors) -> int:
        """Return the steps of the generator within the time left, without that of the independent encoder."""
        if "generator_steps" not in self.state.facts:
            training = config.training
            trainer = Trainer(
                InfoGAN(config),
                torch.from_numpy(self._images),
                device=engine.choose_device(training.device),
                precision=engine.choose_precision(training.precision, engine.choose_device(training.device)),
                anchors=anchors,
            )
            pace = self._pace(trainer.advance)
            reading = 2 * self.state.facts["fit_steps"] * self.state.facts["fit_pace"]  # by two encoders
            seconds = self.budget.for_training - reading
            self.state.write(generator_steps=steps_within(seconds / self._generators, pace, _LEAST_STEPS))
        return int(self.state.facts["generator_steps"])

    def _pace(self, step: Callable[[], object]) -> float:
        """Return the seconds of one step, after a first one that is not measured."""
        step()
        began = self.budget.clock()
        for _ in range(_TRIAL_STEPS):
            step()
        return (self.budget.clock() - began) / _TRIAL_STEPS

    def _outcome(
        self,
        learned: Learned,
        stage: Stage,
        entries: Mapping[str, Mapping[str, Any]] | None = None,
        shown: Shown | None = None,
    ) -> Outcome:
        return Outcome(
            learned,
            verdicts(learned) if entries is None else entries,
            self._images,
            audit=(self.state.folder / AUDIT).read_text(encoding="utf-8").splitlines(),
            stage=stage,
            minutes=self.budget.seconds / 60,
            minutes_spent=self.budget.spent / 60,
            shown=shown,
        )
