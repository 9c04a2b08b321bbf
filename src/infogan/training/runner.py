"""The training loop of a run: metrics, checkpoints, pictures, interruption and resuming."""

from __future__ import annotations

import csv
import io
import time
import warnings
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from infogan import config as configuration
from infogan import plugins, signals, storage
from infogan.config import Config
from infogan.data import SOURCES, Dataset, splits
from infogan.errors import ConfigError, DataError, DivergenceError, Interrupted, StorageError
from infogan.file_listing import harmless
from infogan.model import InfoGAN
from infogan.networks import NETWORKS, check_architecture
from infogan.reporting import pictures
from infogan.reporting.traversals import traversal_picture
from infogan.runs import checkpoint, health, metrics_log, representation_files
from infogan.runs.directory import RunDirectory
from infogan.runs.representation_files import Representation
from infogan.sinks import OpenSinks
from infogan.training import engine, final_statistics, resumption
from infogan.training.anchoring import Phase, load_representation
from infogan.training.anchors import Anchors
from infogan.training.distributed import Ranks
from infogan.training.progress import Output, Progress
from infogan.training.side_by_side import finish
from infogan.training.terms import TERMS
from infogan.training.trainer import METRICS_EVERY, Trainer, nearest_images

RESOLVED_KEYS = frozenset(
    {
        *(f"data.{key}" for key in ("size", "channels", "crop", "split_version", "split_at")),
        "training.precision",
    }
)
"""Keys that `resolve` sets."""

_PICTURE_SEED = 0  # the same noise at every step, so that pictures of a run can be compared


@dataclass(frozen=True)
class Trained:
    """The result of training: the model, its run directory and the data that it was trained on."""

    model: InfoGAN
    run: RunDirectory
    dataset: Dataset

    def __post_init__(self) -> None:
        self.model.run = self.run.path


Training = Generator[None, None, Trained]
"""A training that yields after each step."""


def resolve(config: Config, dataset: Dataset) -> Config:
    """Return `config` with the values that depend on data and machine: images, split, precision and plug-ins.

    Raises:
        ConfigError: the machine does not have the device, or no networks have the configured name.
        UsageError: a loss term is not registered.
        DataError: the images are not square, or do not have 1, 3 or 4 channels.
    """
    count, height, width, channels = dataset.train.images.shape
    if count < 2:
        raise DataError(
            f"{dataset.name}: {count} of {count + len(dataset.test.images)} images is left for training",
            "at least 3 images, of which one is held out; some hundred to find factors of variation",
            "a folder with more images",
        )
    if height != width or channels not in (1, 3, 4):
        raise DataError(
            f"{dataset.name}: the images are {count} of {height}x{width} pixels and {channels} channels",
            "square images of 1, 3 or 4 channels",
            "size=64, which crops and resizes the images of a file or folder",
            command="--size 64, which crops and resizes",
        )
    device = engine.choose_device(config.training.device)
    precision = engine.choose_precision(config.training.precision, device)
    engine.check_codes(config.latents.codes, device)
    check_architecture(config.network.architecture)
    for name in config.objective.terms:
        TERMS.find(name)
    config = config.model_copy(update={"plugins": used_plugins(config)})
    images = {"size": height, "channels": channels, "crop": dataset.crop}
    if dataset.value_range is not None:
        images["range"] = dataset.value_range  # percentiles, as they were measured
    if dataset.revision is not None:
        images["revision"] = dataset.revision  # the commit of a branch
    images |= {"split_version": dataset.split_version, "split_at": dataset.split_at}
    if dataset.split_at is not None:
        images["held_out"] = None  # the recorded boundary replaces it
    return config.replace(data=images, training={"precision": precision})


def used_plugins(config: Config) -> dict[str, str]:
    """Return name and SHA-256 of the loaded plug-ins that training with this configuration uses."""
    terms = [(TERMS, name) for name in config.objective.terms]
    return plugins.used([(SOURCES, config.data.source), (NETWORKS, config.network.architecture), *terms])


def train(  # noqa: PLR0913 - a configuration, its data and folder, and how to train
    config: Config,
    dataset: Dataset,
    run: RunDirectory,
    *,
    representation: Representation | None = None,
    output: Output | None = None,
    ranks: Ranks | None = None,
) -> Trained:
    """Train a new model in a new run directory, as `training` does, to its end."""
    return finish(training(config, dataset, run, representation=representation, output=output, ranks=ranks))


def training(  # noqa: PLR0913 - a configuration, its data, and where to report
    config: Config,
    dataset: Dataset,
    run: RunDirectory,
    *,
    representation: Representation | None = None,
    output: Output | None = None,
    ranks: Ranks | None = None,
) -> Training:
    """Train a new model in a new run directory, one step at a time.

    Args:
        config: from `resolve`.
        dataset: only its training images are used, without labels.
        run: from `RunDirectory.create`.
        representation: anchors of codes, and the encoder that Q's starts from. It is written to
            RUN/representation, where `resume` finds it; if left out, one that lies there is used.
        output: where to report, in addition to the files of the run; None: to stderr.
        ranks: the processes of the training, if there are several; this one is process 0, and the others call
            `follow`.

    Raises:
        ConfigError: the anchors do not fit the codes or the images.
        DivergenceError: a loss or weight diverged; earlier checkpoints are intact.
        StorageError: the disk is full or the run directory is gone; earlier checkpoints are intact.
        Interrupted: a signal came; the state was saved.

    Yields:
        after each step.
    """
    with run.lock():
        run.write_config(config)
        if representation is not None:
            representation_files.save(run.representation, representation)
        with resumable(run):
            config = _with_representation(config, dataset, run, output)
            model = yield from _Session(config, dataset, run, output or Output(), ranks).steps_to_end()
            return Trained(model, run, dataset)


def _with_representation(
    config: Config, dataset: Dataset, run: RunDirectory, output: Output | None
) -> Config:
    """Complete the phase before training, if the run has one, and write the codes that it found."""
    progress = Progress(config.training.steps, log_path=run.log_path, output=output)
    resolved = Phase(config, dataset, run, progress.say).complete()
    if resolved != config:
        run.write_config(resolved)
    return resolved


def resume(  # noqa: PLR0913 - a run, its data, and how to train
    run: RunDirectory,
    load_data: Callable[[Config], Dataset],
    *,
    settings: Mapping[str, Any] | None = None,
    allow_changes: bool = False,
    output: Output | None = None,
    ranks: Ranks | None = None,
) -> Trained:
    """Resume from the newest intact checkpoint, as `resumed_training` does, to the end of the training."""
    return finish(
        resumed_training(
            run, load_data, settings=settings, allow_changes=allow_changes, output=output, ranks=ranks
        )
    )


def resumed_training(  # noqa: PLR0913 - a run, its data, and what may differ
    run: RunDirectory,
    load_data: Callable[[Config], Dataset],
    *,
    settings: Mapping[str, Any] | None = None,
    allow_changes: bool = False,
    output: Output | None = None,
    ranks: Ranks | None = None,
) -> Training:
    """Resume from the newest intact checkpoint, one step at a time.

    The result is that of a run without interruption.

    Args:
        run: the run directory.
        load_data: returns the data of a configuration; called while the run is locked.
        settings: changed values of the run's configuration, by key.
        allow_changes: also allow changes of keys that change the result.
        output: as in `train`.
        ranks: as in `train`; their number may differ from that of the training so far.

    Raises:
        ConfigError: a setting changes the result, and `allow_changes` is False.
        UsageError: a plug-in that the run uses is not loaded, or has changed.
        StorageError: every checkpoint is damaged, or RUN/representation is missing or has changed.

    Yields:
        after each step.
    """
    with run.lock(), resumable(run):
        before = configuration.read(run.config_path)
        check_plugins(run, before, allow_changes)
        config = configuration.override(before, settings or {})
        resumption.check_changes(before, config, allow_changes)
        if allow_changes:
            config = config.model_copy(update={"plugins": used_plugins(config)})
        dataset = load_data(config)
        config = _with_representation(config, dataset, run, output)
        session = _Session(config, dataset, run, output or Output(), ranks)
        changed = session.restore(allow_changes)
        if config != before:
            run.write_config(config)
        if changed:
            session.save_checkpoint()  # the next session compares its configuration with this one
        model = yield from session.steps_to_end()
        return Trained(model, run, dataset)


def follow(ranks: Ranks, load_data: Callable[[Config], Dataset]) -> Trained:
    """Train as process 0 does, without writing anything: configuration and state come from there.

    Args:
        ranks: the processes of the training; this one is not process 0.
        load_data: returns the data of a configuration.

    Raises:
        DataError: the images are not those of process 0.
        DistributedError: another process has ended.
        DivergenceError, Interrupted: as in `train`, in all processes at the same step.
    """
    facts, tensors = ranks.receive()
    config = configuration.parse(facts["config"], "the configuration of process 0")
    dataset = load_data(config)
    if dataset.fingerprint != facts["data"]:
        raise DataError(
            f"process {ranks.rank}: the training images are not those of process 0 "
            f"(sha256 {dataset.fingerprint[:12]}, there {facts['data'][:12]})",
            "the same images on all machines",
            "a copy of the same files",
        )
    engine.keep_freed_memory()
    device = ranks.device(engine.choose_device(config.training.device))
    anchors = _named(tensors, "anchors")
    trainer = Trainer(
        InfoGAN(config),
        torch.from_numpy(np.asarray(dataset.train.images)),
        device=device,
        precision=engine.choose_precision(config.training.precision, device),
        nearest=nearest_images(config, dataset.train, tensors.get("neighbours")),
        anchors=Anchors(anchors) if anchors else None,
        ranks=ranks,
    )
    trainer.restore(_named(tensors, "model"), _named(tensors, "optimizer"), facts["trainer"])
    with resumable(RunDirectory(facts["run"])), signals.deferred():
        while trainer.step < config.training.steps:
            ranks.stop_together()
            trainer.advance()
            if trainer.step % METRICS_EVERY == 0:
                trainer.check()
    return Trained(trainer.model, RunDirectory(facts["run"]), dataset)


def _named(tensors: Mapping[str, torch.Tensor], group: str) -> dict[str, torch.Tensor]:
    """Return the tensors of one group of what process 0 sends, by their names."""
    prefix = f"{group}."
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def check_plugins(run: RunDirectory, config: Config, allowed: bool) -> None:
    """Raise UsageError if a plug-in of the run is not loaded, or has changed without being `allowed` to."""
    plugins.check(config.plugins, used_plugins(config), str(run.path), allow_changes=allowed)


@contextmanager
def resumable(run: RunDirectory) -> Iterator[None]:
    """Add the run directory to an `Interrupted` raised in the block, for the advice on how to resume."""
    try:
        yield
    except Interrupted as request:
        request.run = run.path
        raise


class _Session:
    """Trains one run, from its start or a checkpoint to its end or an interruption."""

    def __init__(
        self, config: Config, dataset: Dataset, run: RunDirectory, output: Output, ranks: Ranks | None = None
    ) -> None:
        engine.keep_freed_memory()
        self.ranks = ranks
        self.config, self.run, self.data = config, run, dataset.fingerprint
        self.data_sample = [] if dataset.split_at is None else splits.sample(dataset.train.images).tolist()
        self.steps, self.images = config.training.steps, np.asarray(dataset.train.images)
        self.progress = Progress(self.steps, log_path=run.log_path, output=output)
        self._new_sinks, self.sinks = output.sinks, OpenSinks((), run, config, self.progress.say)
        device = engine.choose_device(config.training.device)
        device = device if ranks is None else ranks.device(device)
        precision = engine.choose_precision(config.training.precision, device)
        if config.seeks_neighbours and not config.learns_neighbours:
            count = config.objective.neighbours
            self.progress.say(f"finding the {count} nearest neighbours of each image")
        self.representation = representation_files.load(run.representation)
        with engine.memory_errors(config.training.batch_size, self._last_checkpoint):
            self.trainer = Trainer(
                self._model(),
                torch.from_numpy(self.images),  # a memory map is not copied
                device=device,
                precision=precision,
                nearest=nearest_images(config, dataset.train, self._learned_neighbours()),
                anchors=self._anchors(),
                log=self.progress.say,
                ranks=ranks,
            )
        self.recorded = resumption.recorded(config, device, precision)
        self.metrics = metrics_log.MetricsLog(run.metrics_path, self.progress.say)
        self.health = health.Health()
        self.seconds = 0.0  # of training in earlier sessions
        self._started = self._window_started = time.perf_counter()
        self._window_step = 0
        self._announce(dataset, f"{device}, {precision}")

    def _announce(self, dataset: Dataset, where: str) -> None:
        """Say what is trained and how, and which files could not be read."""
        config, threads = self.config, torch.get_num_threads()
        self.progress.say(
            f"{config.preset}: {len(dataset.train.images):,} images of "
            f"{config.data.size}x{config.data.size}x{config.data.channels}, {where}, "
            f"{threads} thread{'s' if threads > 1 else ''}, seed {config.training.seed}"
            + (f", {self.ranks.size} processes" if self.ranks is not None else "")
        )
        if dataset.skipped:
            write_skipped(self.run, dataset)
            count = len(dataset.skipped)
            files = "1 file" if count == 1 else f"{count:,} files"
            self.progress.say(f"warning: {files} could not be read; see {self.run.path}/skipped.csv")

    def _anchors(self) -> Anchors | None:
        known = self.representation
        return Anchors(known.anchors) if known is not None and known.anchors else None

    def _learned_neighbours(self) -> torch.Tensor | None:
        return None if self.representation is None else self.representation.neighbours

    def _model(self) -> InfoGAN:
        """Return the model before its first step, with the encoder of the run's representation."""
        model, known = InfoGAN(self.config), self.representation
        if known is None and self.config.objective.anchor_weight:
            self.progress.say("warning: objective.anchor_weight has no effect, as the run has no anchors")
        if known is not None:
            load_representation(model, known, str(self.run.representation / representation_files.ENCODER))
        return model

    # --- the loop ------------------------------------------------------------------------------------

    def steps_to_end(self) -> Generator[None, None, InfoGAN]:
        """Train up to the last step, unless it has been reached, and return the stored model."""
        trainer = self.trainer
        if self.ranks is not None:
            self._send(self.ranks)
        if trainer.step == self.steps and (self.run.model / "model.safetensors").is_file():
            stored = InfoGAN.from_pretrained(self.run.path)
            if stored.provenance["steps"] == self.steps:
                return stored
        if trainer.step < self.steps or not self.run.environment_path.exists():
            conditions = engine.conditions(trainer.device, trainer.precision)
            if self.ranks is not None:
                conditions["processes"] = self.ranks.size
            self.run.write_environment(trainer.step, **conditions, data=self.data)
        self.sinks = OpenSinks(self._new_sinks, self.run, self.config, self.progress.say)
        self._started = self._window_started = time.perf_counter()
        self._window_step = trainer.step
        # Several processes stop at the same step: none may leave the others waiting in the middle of one.
        together = nullcontext() if self.ranks is None else signals.deferred()
        try:
            with together:
                yield from self._train()
                self._save()
            for message in self.health.summary():
                self._say(message)
        except Interrupted:
            signals.acknowledge()
            self._save()
            raise
        except DivergenceError as error:
            raise self._with_last_checkpoint(error) from None
        finally:
            self.progress.close()
            self.sinks.close()
        return trainer.model

    def _train(self) -> Generator[None, None, None]:
        """Make all steps that are left, with metrics, checkpoints and pictures."""
        trainer, training = self.trainer, self.config.training
        while trainer.step < self.steps:
            if self.ranks is not None:
                self.ranks.stop_together()
            with signals.deferred(), engine.memory_errors(training.batch_size, self._last_checkpoint):
                trainer.advance()
                self._log()
            if trainer.step < self.steps and trainer.step % training.save_every == 0:
                self._try_to_save_checkpoint()
            if trainer.step % training.sample_every == 0 or trainer.step == self.steps:
                self._write_pictures()
            if trainer.step == self._window_step:  # images/s excludes saves and pictures
                self._window_started = time.perf_counter()
            before = time.perf_counter()
            yield
            self._started += time.perf_counter() - before  # other trainings took this time

    def _send(self, ranks: Ranks) -> None:
        """Send the configuration and the state before the next step to the other processes."""
        trainer, anchors = self.trainer, self._anchors()
        facts = {
            "config": configuration.to_toml(self.config),
            "run": str(self.run.path),
            "data": self.data,
            "trainer": trainer.state(),
        }
        tensors = {f"model.{name}": value for name, value in trainer.model.state_dict().items()}
        tensors |= {f"optimizer.{name}": value for name, value in trainer.optimizer_tensors().items()}
        if anchors is not None:
            tensors |= {f"anchors.{name}": value for name, value in anchors.targets.items()}
        if (neighbours := self._learned_neighbours()) is not None:
            tensors["neighbours"] = neighbours
        ranks.send(facts, tensors)

    def restore(self, allow_changes: bool) -> bool:
        """Load the newest intact checkpoint, or start from step 0 if there is none.

        Returns:
            True if the configuration is another one than that of the checkpoint.
        """
        saved = checkpoint.newest(self.run.checkpoints, lambda error: self.progress.say(f"warning: {error}"))
        if saved is None:
            self.progress.say("the run has no checkpoint yet: starting from step 0")
            metrics_log.truncate(self.run.metrics_path, 0, METRICS_EVERY)
            return False
        changed = resumption.check_checkpoint(saved.state, self.config, saved.path, allow_changes)
        if saved.state["data"] != self.data and not allow_changes:
            raise DataError(
                f"the training images are not those that {self.run.path} was trained on "
                f"(sha256 {self.data[:12]}, was {saved.state['data'][:12]})",
                "the same images",
                "data.path of the same images, or override=True to resume with these",
                command="--data FILES with the same images, or --override to resume with these",
            )
        if not allow_changes:
            trained_with = saved.state.get("representation", {})
            representation_files.check(self.run.representation, self.representation, trained_with)
        self.trainer.restore(saved.model, saved.optimizer, saved.state["trainer"])
        self.seconds = saved.state["seconds"]
        if self.trainer.step > self.steps:
            raise ConfigError(
                f"{self.run.path} has already reached step {self.trainer.step}, past step {self.steps}",
                f"a number of steps above {self.trainer.step}",
                f"infogan.resume({str(self.run.path)!r}, steps={self.trainer.step * 2})",
                command=f"infogan resume {self.run.path} --steps {self.trainer.step * 2}",
            )
        # Keep the last line of a finished run, whose step may not be a multiple of METRICS_EVERY.
        if self.trainer.step < self.steps:
            metrics_log.truncate(self.run.metrics_path, self.trainer.step, METRICS_EVERY)
        self.health = health.replay(metrics_log.read(self.run.metrics_path))
        self.progress.say(f"resumed from {saved.path.name}")
        if note := resumption.other_conditions(saved.state, self.recorded):
            self.progress.say(note)
        return changed

    def _log(self) -> None:
        trainer = self.trainer
        regular = trainer.step % METRICS_EVERY == 0
        if not regular and trainer.step != self.steps:
            return
        now = time.perf_counter()
        steps = trainer.step - self._window_step
        batch = self.config.training.batch_size
        line = {
            "step": trainer.step,
            "images_seen": trainer.step * batch,
            "seconds": round(self._elapsed(), 3),
            "images_per_second": round(steps * batch / max(now - self._window_started, 1e-9), 2),
            # If the last step lies between two regular lines, keep the window, because the run may be
            # resumed.
            **(trainer.take_window() if regular else trainer.peek_window()),
        }
        self._window_started, self._window_step = now, trainer.step
        warnings_changed = self.health.update(line)
        line["health"] = self.health.active
        self.metrics.append(line)
        self.progress.update(line)
        self.sinks.metrics(line)
        for message in [*line.get("notes", ()), *warnings_changed]:
            self._say(message)

    def _say(self, message: str) -> None:
        self.progress.say(message)
        self.sinks.message(message)

    def _elapsed(self) -> float:
        return self.seconds + time.perf_counter() - self._started

    # --- saving --------------------------------------------------------------------------------------

    def _try_to_save_checkpoint(self) -> None:
        """Save a checkpoint during training.

        Errors are logged, except for those of storage and divergence.
        """
        try:
            with signals.deferred():
                self.save_checkpoint()
        except (StorageError, DivergenceError):
            raise
        except Exception as error:
            message = (
                f"step {self.trainer.step} was not saved ({error!r}); training continues to the next save"
            )
            warnings.warn(message, RuntimeWarning, stacklevel=2)
            self.progress.say(f"warning: {message}")

    def _save(self) -> None:
        with signals.deferred():
            self.save_checkpoint()
            model, training = self.trainer.model, self.config.training
            if training.final_statistics:
                final_statistics.estimate(
                    model, self.images, batches=training.final_statistics, batch_size=training.batch_size
                )
            model.provenance = {
                "steps": self.trainer.step,
                "images_seen": self.trainer.step * training.batch_size,
                "train_seconds": round(self._elapsed(), 3),
                "dataset": self.config.preset,
                "data": self.data,
                "data_sample": self.data_sample,
            }
            model.save_pretrained(self.run.model)

    def save_checkpoint(self) -> None:
        """Save a checkpoint of this step.

        Raises:
            DivergenceError: a weight is not finite; nothing is written.
            StorageError: it cannot be written.
        """
        self.trainer.check()
        tensors = self.trainer.model.state_dict()
        bad = [name for name, value in tensors.items() if not bool(torch.isfinite(value).all())]
        if bad:
            raise DivergenceError(
                f"training diverged by step {self.trainer.step}: {bad[0]} has values that are not finite",
                "finite weights; the checkpoint was not written",
                "smaller learning rates, for example divided by two",
            )
        self.metrics.sync()  # metrics of all steps reach the disk before the checkpoint does
        state = {
            "trainer": self.trainer.state(), "seconds": self._elapsed(), "data": self.data, **self.recorded
        }  # fmt: skip
        if self.representation is not None:
            state["representation"] = dict(self.representation.sha256 or {})
        checkpoint.save(
            self.run.checkpoints,
            self.trainer.step,
            tensors,
            self.trainer.optimizer_tensors(),
            state,
            self.config.training.keep,
        )

    def _with_last_checkpoint(self, error: DivergenceError) -> DivergenceError:
        return DivergenceError(f"{error.happened}; {self._last_checkpoint()}", error.expected, error.advice)

    def _last_checkpoint(self) -> str:
        saved = checkpoint.listed(self.run.checkpoints)
        return f"the last checkpoint is {saved[max(saved)]}" if saved else "there is no earlier checkpoint"

    # --- pictures ------------------------------------------------------------------------------------

    def _write_pictures(self) -> None:
        """Write samples and traversals of this step; an error is logged."""
        try:
            self.trainer.check()
            written = draw_pictures(self.trainer.model, self.run, self.trainer.step)
        except OSError as error:
            self.progress.say(f"warning: a picture could not be written ({error}); training continues")
        else:
            self.sinks.pictures(self.trainer.step, written)


def write_skipped(run: RunDirectory, dataset: Dataset) -> None:
    """Write skipped.csv: the files that could not be read, and the reasons."""
    text = io.StringIO()
    rows = [(harmless(file.path), harmless(file.reason)) for file in dataset.skipped]
    csv.writer(text, lineterminator="\n").writerows([("path", "reason"), *rows])
    content = text.getvalue().encode("utf-8", "surrogateescape")  # names may be of any bytes
    storage.write_file(run.path / "skipped.csv", content)


def draw_pictures(model: InfoGAN, run: RunDirectory, step: int) -> dict[str, Path]:
    """Write samples/step-N.png and traversals/step-N-CODE.png.

    Returns:
        their paths, under "samples" and "traversals/CODE".
    """
    written = {"samples": run.samples / f"step-{step:08d}.png"}
    pictures.save_png(pictures.sample_grid(model.sample(64, seed=_PICTURE_SEED)), written["samples"])
    for name in model.latents.priors:
        path = written[f"traversals/{name}"] = run.traversals / f"step-{step:08d}-{name}.png"
        pictures.save_png(traversal_picture(model, name), path)
    return written
