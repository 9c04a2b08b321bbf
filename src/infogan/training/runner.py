"""A run from start to end: the loop, what is saved when, and how a stopped run goes on."""

from __future__ import annotations

import csv
import io
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from infogan import config as configuration
from infogan import signals
from infogan.config import Config
from infogan.data import Dataset
from infogan.errors import ConfigError, DataError, DivergenceError, Interrupted, StorageError
from infogan.model import InfoGAN
from infogan.report import pictures
from infogan.report.traversals import traversal_picture
from infogan.runs import checkpoint, health, metrics_log
from infogan.runs.directory import RunDirectory
from infogan.training import engine
from infogan.training.progress import Progress
from infogan.training.trainer import METRICS_EVERY, Trainer, nearest_images

FREE_KEYS = frozenset(
    {"data.path", *(f"training.{key}" for key in ("steps", "save_every", "sample_every", "keep", "device"))}
)
"""Keys that a resumed run may change freely: they do not change what a step computes. That the images at
another path are the same is checked by their fingerprint."""

RESOLVED_KEYS = frozenset({"data.size", "data.channels", "data.crop", "training.precision"})
"""Keys that `resolve` settles where they were left open."""

_PICTURE_SEED = 0  # the same noise in every picture of a run, so that progress can be seen


@dataclass(frozen=True)
class Trained:
    """What a training leaves: the model, where all of it is kept, and the data that it was trained on."""

    model: InfoGAN
    run: RunDirectory
    dataset: Dataset


def resolve(config: Config, dataset: Dataset) -> Config:
    """`config` with all that was left open settled: the images' form, and the precision on this machine.

    Raises:
        ConfigError: the machine has no such device.
        DataError: the images are not square, or do not have 1, 3 or 4 channels.
    """
    count, height, width, channels = dataset.train.images.shape
    if height != width or channels not in (1, 3, 4) or count < 2:
        raise DataError(
            f"{dataset.name}: the images are {count} of {height}x{width} pixels and {channels} channels",
            "at least 2 square images of 1, 3 or 4 channels",
            "--size 64, which crops and resizes",
        )
    device = engine.choose_device(config.training.device)
    precision = engine.choose_precision(config.training.precision, device)
    return config.model_copy(
        update={
            "data": config.data.model_copy(
                update={"size": height, "channels": channels, "crop": dataset.crop}
            ),
            "training": config.training.model_copy(update={"precision": precision}),
        }
    )


def train(
    config: Config, dataset: Dataset, run: RunDirectory, *, progress: Progress | None = None
) -> Trained:
    """Trains a new model in a new run directory.

    Args:
        config: from `resolve`.
        dataset: only its training images are used; labels never are.
        run: as `RunDirectory.create` gives it.
        progress: where to tell how it goes; stderr and the run's log.txt when left out.

    Raises:
        DivergenceError: the numbers ran away; checkpoints before that are whole.
        StorageError: the disk is full or the run directory is gone; checkpoints before that are whole.
        Interrupted: a signal came; the state was saved.
    """
    with run.lock():
        run.write_config(config)
        with resumable(run):
            return Trained(_Session(config, dataset, run, progress).run_to_end(), run, dataset)


def resume(
    run: RunDirectory,
    load_data: Callable[[Config], Dataset],
    *,
    settings: Sequence[str] = (),
    allow_changes: bool = False,
    progress: Progress | None = None,
) -> Trained:
    """Goes on from the newest whole checkpoint, exactly as if there had been no stop.

    Args:
        run: the run directory.
        load_data: gives the data of a configuration; called under the run's lock.
        settings: KEY=VALUE assignments that differ from the run's configuration.
        allow_changes: whether keys that change the result may differ, too.
        progress: as in `train`.

    Raises:
        ConfigError: a setting that changes the result, without `allow_changes`.
        StorageError: every checkpoint is damaged.
    """
    with run.lock(), resumable(run):
        before = configuration.read(run.config_path)
        config = configuration.override(before, settings)
        check_changes(before, config, allow_changes)
        dataset = load_data(config)
        session = _Session(config, dataset, run, progress)
        session.restore(allow_changes)
        if config != before:
            run.write_config(config)
        return Trained(session.run_to_end(), run, dataset)


@contextmanager
def resumable(run: RunDirectory) -> Iterator[None]:
    """Whoever is interrupted in the block is told of the run that can be gone on with."""
    try:
        yield
    except Interrupted as request:
        request.run = run.path
        raise


def check_changes(before: Config, after: Config, allowed: bool) -> None:
    """Raises ConfigError if a run that goes on as `after` would be another, unless that is `allowed`."""
    changed = configuration.changes(before, after)
    closed = {key: pair for key, pair in changed.items() if key not in FREE_KEYS}
    if closed and not allowed:
        raise ConfigError(
            "resuming with another configuration would be another run:\n"
            + "\n".join(f"    {key}: {old} -> {new}" for key, (old, new) in closed.items()),
            f"the run's own configuration, but for {', '.join(sorted(FREE_KEYS))}",
            "--override, to go on all the same; or infogan train, for a new run",
        )


class _Session:
    """One process's share of a run: trainer, log, clock."""

    def __init__(
        self, config: Config, dataset: Dataset, run: RunDirectory, progress: Progress | None
    ) -> None:
        engine.keep_freed_memory()
        self.config, self.run, self.data = config, run, dataset.fingerprint
        self.steps = config.training.steps
        self.progress = progress or Progress(self.steps, log_path=run.log_path)
        device = engine.choose_device(config.training.device)
        precision = engine.choose_precision(config.training.precision, device)
        if config.seeks_neighbours:
            count = config.objective.neighbours
            self.progress.say(f"looking for the {count} nearest neighbours of each image")
        self.trainer = Trainer(
            InfoGAN(config),
            torch.from_numpy(np.asarray(dataset.train.images)),  # a memory map stays one
            device=device,
            precision=precision,
            nearest=nearest_images(config, dataset.train),
        )
        self.metrics = metrics_log.MetricsLog(run.metrics_path, self.progress.say)
        self.health = health.Health()
        self.seconds = 0.0  # of training, over all sessions of the run
        self._started = self._window_started = time.perf_counter()
        self._window_step = 0
        self.progress.say(
            f"{config.preset}: {len(dataset.train.images):,} images of "
            f"{config.data.size}x{config.data.size}x{config.data.channels}, "
            f"{device}, {precision}, {_threads()}, seed {config.training.seed}"
        )
        if dataset.skipped:
            write_skipped(run, dataset)
            self.progress.say(
                f"warning: {len(dataset.skipped):,} files could not be read; {run.path}/skipped.csv says why"
            )

    # --- the loop ------------------------------------------------------------------------------------

    def run_to_end(self) -> InfoGAN:
        """Trains up to the last step, or finds that this was done, and gives the model as it is stored."""
        trainer, training = self.trainer, self.config.training
        if trainer.step == self.steps and (self.run.model / "model.safetensors").is_file():
            stored = InfoGAN.from_pretrained(self.run.path)
            if stored.provenance["steps"] == self.steps:
                return stored
        if trainer.step < self.steps or not self.run.environment_path.exists():
            conditions = engine.conditions(trainer.device, trainer.precision)
            self.run.write_environment(**conditions, data=self.data)  # of the last that trained
        self._started = self._window_started = time.perf_counter()
        self._window_step = trainer.step
        try:
            while trainer.step < self.steps:
                with signals.deferred():
                    trainer.advance()
                    self._log()
                if trainer.step < self.steps and trainer.step % training.save_every == 0:
                    self._save_and_go_on()
                if trainer.step % training.sample_every == 0 or trainer.step == self.steps:
                    self._draw()
                if trainer.step == self._window_step:  # images/s leaves saves and pictures out
                    self._window_started = time.perf_counter()
            self._save()
            for text in self.health.summary():
                self.progress.say(text)
        except Interrupted:
            signals.acknowledge()
            self._save()
            raise
        except DivergenceError as error:
            raise self._with_last_checkpoint(error) from None
        finally:
            self.progress.close()
        return trainer.model

    def restore(self, allow_changes: bool) -> None:
        """The newest whole checkpoint, or the start where none was written yet."""
        found = checkpoint.newest(self.run.checkpoints, lambda error: self.progress.say(f"warning: {error}"))
        if found is None:
            self.progress.say("no checkpoint was written yet: starting from step 0")
            metrics_log.truncate(self.run.metrics_path, 0, METRICS_EVERY)
            return
        if found.state["data"] != self.data and not allow_changes:
            raise DataError(
                f"the training images are not those that {self.run.path} was trained on "
                f"(sha256 {self.data[:12]}, then {found.state['data'][:12]})",
                "the same images, or the run would silently become another",
                "--data FILES with the images of before, or --override to go on with these",
            )
        self.trainer.restore(found.model, found.optimizer, found.state["trainer"])
        self.seconds = found.state["seconds"]
        if self.trainer.step > self.steps:
            raise ConfigError(
                f"{self.run.path} has already reached step {self.trainer.step}, past step {self.steps}",
                f"a number of steps above {self.trainer.step}",
                f"infogan resume {self.run.path} --steps {self.trainer.step * 2}",
            )
        # A run that has ended keeps its last line, which may be off the grid.
        if self.trainer.step < self.steps:
            metrics_log.truncate(self.run.metrics_path, self.trainer.step, METRICS_EVERY)
        self.health = health.replay(metrics_log.read(self.run.metrics_path))
        self.progress.say(f"going on from {found.path.name}")

    def _log(self) -> None:
        trainer = self.trainer
        on_grid = trainer.step % METRICS_EVERY == 0
        if not on_grid and trainer.step != self.steps:
            return
        now = time.perf_counter()
        steps = trainer.step - self._window_step
        batch = self.config.training.batch_size
        line = {
            "step": trainer.step,
            "images_seen": trainer.step * batch,
            "seconds": round(self._elapsed(), 3),
            "images_per_second": round(steps * batch / max(now - self._window_started, 1e-9), 2),
            # The window stays at a last step off the grid: a longer run must find it as if this one
            # had not ended here.
            **(trainer.take_window() if on_grid else trainer.peek_window()),
        }
        self._window_started, self._window_step = now, trainer.step
        told = self.health.update(line)
        self.metrics.append({**line, "health": self.health.active})
        self.progress.update(line)
        for text in [*line.get("notes", ()), *told]:
            self.progress.say(text)

    def _elapsed(self) -> float:
        return self.seconds + time.perf_counter() - self._started

    # --- saving --------------------------------------------------------------------------------------

    def _save_and_go_on(self) -> None:
        """A save on the way: one that fails for a reason other than the disk costs only itself."""
        try:
            with signals.deferred():
                self._save_checkpoint()
        except (StorageError, DivergenceError):
            raise
        except Exception as error:
            message = f"step {self.trainer.step} was not saved ({error!r}); training goes on to the next save"
            warnings.warn(message, RuntimeWarning, stacklevel=2)
            self.progress.say(f"warning: {message}")

    def _save(self) -> None:
        with signals.deferred():
            self._save_checkpoint()
            model = self.trainer.model
            model.provenance = {
                "steps": self.trainer.step,
                "images_seen": self.trainer.step * self.config.training.batch_size,
                "train_seconds": round(self._elapsed(), 3),
                "dataset": self.config.preset,
            }
            model.save_pretrained(self.run.model)

    def _save_checkpoint(self) -> None:
        tensors = self.trainer.model.state_dict()
        bad = [name for name, value in tensors.items() if not bool(torch.isfinite(value).all())]
        if bad:
            raise DivergenceError(
                f"training diverged by step {self.trainer.step}: {bad[0]} holds numbers that are not finite",
                "finite weights; the checkpoint was not written",
                "smaller learning rates, for example half of them",
            )
        self.metrics.sync()  # a power cut must not leave a checkpoint whose log is shorter than its steps
        state = {"trainer": self.trainer.state(), "seconds": self._elapsed(), "data": self.data}
        checkpoint.save(
            self.run.checkpoints,
            self.trainer.step,
            tensors,
            self.trainer.optimizer_tensors(),
            state,
            self.config.training.keep,
        )

    def _with_last_checkpoint(self, error: DivergenceError) -> DivergenceError:
        found = checkpoint.listed(self.run.checkpoints)
        kept = (
            f"; the last checkpoint is {found[max(found)]}" if found else "; no checkpoint was written before"
        )
        return DivergenceError(error.happened + kept, error.expected, error.advice)

    # --- pictures ------------------------------------------------------------------------------------

    def _draw(self) -> None:
        """Samples and traversals of this step; a picture that cannot be written costs only itself."""
        try:
            draw_pictures(self.trainer.model, self.run, self.trainer.step)
        except OSError as error:
            self.progress.say(f"warning: a picture was not written ({error}); training goes on")


def write_skipped(run: RunDirectory, dataset: Dataset) -> None:
    """Writes skipped.csv: the files that could not be read, and why."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([("path", "reason"), *dataset.skipped])
    run.write_text("skipped.csv", text.getvalue())


def draw_pictures(model: InfoGAN, run: RunDirectory, step: int) -> list[Path]:
    """Writes samples/step-N.png and traversals/step-N-CODE.png; the paths written."""
    written = [run.samples / f"step-{step:08d}.png"]
    pictures.save_png(pictures.sample_grid(model.sample(64, seed=_PICTURE_SEED)), written[0])
    for name in model.latents.priors:
        written.append(run.traversals / f"step-{step:08d}-{name}.png")
        pictures.save_png(traversal_picture(model, name), written[-1])
    return written


def _threads() -> str:
    count = torch.get_num_threads()
    return f"{count} thread" + ("s" if count > 1 else "")
