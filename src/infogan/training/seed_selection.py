"""Training with several seeds: weak seeds are pruned early with a label-free score, and the best is kept.

At each pruning step except the last one, the worse half of the seeds is pruned, but at least two remain. At
the last pruning step, all seeds but the best are pruned. The best seed is trained to the end.

RUN/seeds/seed-0, seed-1 ... are ordinary runs. Seeds do not influence each other: each run has the same bytes
as a run of this seed alone, also if several are trained at the same time (`training.seeds_at_once`).
RUN/selection.json records which seed was pruned when and why; RUN/model and RUN/config.toml are the best
seed's. After a crash, missing decisions are made from the metrics of the runs.

The score is the information on real images: the mutual information, in nats, between the predicted categories
of an image and of its augmented view. It needs no labels, and is available if Q is trained on real images.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from infogan import config as configuration
from infogan import data, signals, storage
from infogan.config import Categorical, Config, TrainingConfig
from infogan.data import Dataset
from infogan.errors import ConfigError, DivergenceError, StorageError, UsageError
from infogan.plugins import load_plugin
from infogan.runs import checkpoint, metrics_log
from infogan.runs.directory import RunDirectory, is_run
from infogan.runs.selection import Round, Selection, read, write
from infogan.training import engine, resumption, runner
from infogan.training.progress import Output, Progress
from infogan.training.runner import Trained
from infogan.training.side_by_side import finish, train_together

MAX_SEEDS = 100
SCORED_STEPS = 100
"""Number of steps before the pruning step over which the score is averaged."""


# --- the rules -------------------------------------------------------------------------------------------


def check(config: Config, count: int) -> None:
    """Check that this number of seeds can be trained and compared.

    Raises:
        UsageError: `count` is not from 1 to 100.
        ConfigError: there are several seeds, and the configuration does not measure their score.
    """
    if not 1 <= count <= MAX_SEEDS:
        raise UsageError(f"seeds = {count}", f"1 to {MAX_SEEDS} seeds", "seeds=4", command="--seeds 4")
    if count == 1:
        return
    if not any(isinstance(code, Categorical) for code in config.latents.codes.values()):
        raise ConfigError(
            f"seeds = {count}: no code is categorical, but {', '.join(config.latents.codes)}: "
            "seeds cannot be compared without labels",
            "a categorical code, whose information on real images is the score",
            "for example codes='type:10 style:u'",
            command='for example --codes "type:10 style:u"',
        )
    if not config.reads_real:
        raise ConfigError(
            f"seeds = {count}: with training.recipe = {config.training.recipe!r} and no weight of the "
            "information on real images, seeds cannot be compared without labels",
            "a recipe that measures the information on real images, which is the score",
            "recipe='robust'",
            command="--recipe robust",
        )


def set_points(training: TrainingConfig) -> tuple[int, ...]:
    """Return the steps at which seeds are pruned; after the last one, one seed remains.

    These are the steps of `prune_steps` that lie before the end of training. The end is added if there are
    none, or if some lie beyond it. Earlier steps save time but select less reliably: at first, the score
    shows which seed learns fast, not which one ends best.
    """
    early = [step for step in training.prune_steps if step < training.steps]
    if len(early) < len(training.prune_steps) or not early:
        early.append(training.steps)
    return tuple(early)


def real_information(path: Path, step: int) -> float:
    """Return the score of a run: nats of information on real images, summed over the categorical codes.

    Args:
        path: path of metrics.jsonl.
        step: the score is the mean over the lines of the 100 steps up to this one.

    Raises:
        StorageError: the file has no such line, or cannot be read.
    """
    nats = [
        information
        for line in metrics_log.read(path)
        if step - SCORED_STEPS < line["step"] <= step and (information := _information(line)) is not None
    ]
    if not nats:
        raise StorageError(
            f"{path} has no information on real images for the {SCORED_STEPS} steps up to step {step}",
            "lines with real.CODE.information_nats, as written by training",
            f"delete the folder {path.parent}; infogan resume then trains this seed again",
        )
    return sum(nats) / len(nats)


def _information(line: Mapping[str, Any]) -> float | None:
    """Return the sum over the codes in a line of metrics, or None if one has no value."""
    nats = [entry.get("information_nats") for entry in line.get("real", {}).values()]
    return sum(map(float, nats)) if nats and None not in nats else None


def _decide(step: int, scores: Mapping[int, float], diverged: Mapping[int, str], keep: int) -> Round:
    """Return the decision that keeps the seeds with the `keep` highest scores; ties prefer the lower seed."""
    ranked = sorted(scores, key=lambda seed: (-scores[seed], seed))
    best = ranked[0]
    reasons = {
        seed: f"its information on real images is {scores[seed]:.4g} nats, "
        f"the best has {scores[best]:.4g} (seed {best})"
        for seed in ranked[keep:]
    }
    return Round(step, dict(scores), dict(sorted((dict(diverged) | reasons).items())))


# --- training --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Jobs:
    """Processes that train several seeds at the same time.

    Attributes:
        executor: its processes see the same files as this one; it is not shut down.
        plugins: files or installed plug-ins that each job imports first.
    """

    executor: Executor
    plugins: tuple[str, ...] = ()


def train_job(path: str, config: str, allow_changes: bool, plugins: tuple[str, ...]) -> list[str] | None:
    """Train one seed in a process of an executor; arguments and result are plain values.

    Args:
        path: the run directory.
        config: the configuration of the seed, as TOML.
        allow_changes: as in `runner.resume`.
        plugins: of `Jobs`.

    Returns:
        The three parts of the error if training diverged; else None.
    """
    for plugin in plugins:
        load_plugin(plugin)
    parsed = configuration.parse(config, f"the configuration of {path}")
    try:
        dataset = data.load(parsed.data)
        finish(_seed_training(RunDirectory(path), parsed, dataset, allow_changes, output=Output(quiet=True)))
    except DivergenceError as error:
        return [error.happened, error.expected, error.advice]
    return None


def _seed_training(
    run: RunDirectory, config: Config, dataset: Dataset, allow_changes: bool, *, output: Output | None
) -> runner.Training:
    """Train one seed up to the last step of its configuration, from its newest checkpoint."""
    if not is_run(run.path):
        if run.path.exists() and not checkpoint.listed(run.checkpoints):
            storage.remove_folder(run.path)  # left by a crash before it had a configuration
        created = RunDirectory.create(run.path)
        return (yield from runner.training(config, dataset, created, output=output))
    changed = configuration.changes(run.read_config(), config)
    settings = {key: new for key, (_, new) in changed.items() if new is not None}
    return (
        yield from runner.resumed_training(
            run, lambda _: dataset, settings=settings, allow_changes=allow_changes, output=output
        )
    )


@dataclass(frozen=True)
class _Seeds:
    """The common folder, configuration and data of the seeds in training."""

    run: RunDirectory
    config: Config
    dataset: Dataset
    allow_changes: bool = False
    output: Output | None = None
    jobs: Jobs | None = None

    @cached_property
    def progress(self) -> Progress:
        return Progress(self.config.training.steps, log_path=self.run.log_path, output=self.output)

    def run_of(self, seed: int) -> RunDirectory:
        return RunDirectory(self.run.seeds / f"seed-{seed}")

    def reached(self, seed: int) -> int:
        """Return the step of the newest checkpoint of a seed, or 0."""
        return max(checkpoint.listed(self.run_of(seed).checkpoints), default=0)

    def train(self, seed: int, step: int) -> Trained:
        """Train one seed up to a step, from its newest checkpoint."""
        return finish(self._training(seed, step, output=self.output))

    def train_all(self, seeds: Sequence[int], step: int) -> dict[int, DivergenceError]:
        """Train seeds up to a step, in this process or by jobs; return errors of those that diverged."""
        if self.jobs is not None:
            return self._train_by_jobs(self.jobs, seeds, step)
        training = self.config.training
        device = engine.choose_device(training.device)
        on_gpu, wanted = device.type == "cuda", training.seeds_at_once
        at_once = (engine.MOST_STREAMED if on_gpu else 1) if wanted == "auto" else wanted
        at_once = min(at_once, engine.MOST_STREAMED) if on_gpu else at_once
        # Of seeds that are trained at the same time, only the first reports in the terminal.
        trainings = {
            seed: self._training(seed, step, output=self._output(at_once > 1 and seed != seeds[0]))
            for seed in seeds
        }
        trained = train_together(trainings, device, at_once)
        return {seed: result for seed, result in trained.items() if isinstance(result, DivergenceError)}

    def _output(self, silent: bool) -> Output | None:
        output = self.output or Output()
        return replace(output, quiet=True, notify=None) if silent else output

    def _training(self, seed: int, step: int, *, output: Output | None) -> runner.Training:
        config = of_seed(self.config, seed, step)
        return _seed_training(self.run_of(seed), config, self.dataset, self.allow_changes, output=output)

    def _train_by_jobs(self, jobs: Jobs, seeds: Sequence[int], step: int) -> dict[int, DivergenceError]:
        self.progress.say(f"training seeds {_listed(seeds)} up to step {step} by jobs")
        futures = {
            seed: jobs.executor.submit(
                train_job,
                str(self.run_of(seed).path.absolute()),
                configuration.to_toml(of_seed(self.config, seed, step)),
                self.allow_changes,
                jobs.plugins,
            )
            for seed in seeds
        }
        try:
            errors = {seed: future.result() for seed, future in futures.items()}
        finally:
            for future in futures.values():  # after an error or a signal, those that have not begun
                future.cancel()
        return {seed: DivergenceError(*parts) for seed, parts in errors.items() if parts is not None}


def of_seed(config: Config, seed: int, steps: int) -> Config:
    """Return the configuration of one seed, trained alone.

    Raises:
        ConfigError: there is no such seed, or no such number of steps.
    """
    return configuration.override(config, {"training.seed": seed, "training.steps": steps})


def train(  # noqa: PLR0913 - a configuration, its data and folder, and how to train
    config: Config,
    dataset: Dataset,
    run: RunDirectory,
    count: int,
    *,
    output: Output | None = None,
    jobs: Jobs | None = None,
) -> Trained:
    """Train several seeds, from `training.seed` on, in a new run directory and keep the best.

    Args:
        config: from `runner.resolve`; passes `check`.
        dataset: only its training images are used, without labels.
        run: from `RunDirectory.create` with `seeds=True`.
        count: number of seeds.
        output: as in `runner.train`.
        jobs: train the seeds at the same time; if left out, they are trained in this process: one after the
            other on a CPU, up to 16 at the same time on a GPU.

    Returns:
        The best seed's model, with the run directory of all seeds.

    Raises:
        DivergenceError: all seeds diverged, or the best one after the others were pruned.
        StorageError: the disk is full, or a seed's metrics are lost; earlier files are intact.
        Interrupted: a signal came; the state was saved.
    """
    check(config, count)
    first = config.training.seed
    selection = Selection(tuple(range(first, first + count)))
    of_seed(
        config, selection.seeds[-1], config.training.steps
    )  # raises before training starts if the last seed is too large
    with run.lock():
        with signals.deferred():
            write(run, selection)
            run.write_config(config)
        with runner.resumable(run):
            seeds = _Seeds(run, config, dataset, output=output, jobs=jobs)
            *early, last = set_points(config.training)
            halves = "".join(f"the worse half is pruned at step {step}, " for step in early)
            seeds.progress.say(
                f"seeds {_listed(selection.seeds)}: {halves}all but the best are pruned at step {last}"
            )
            return _train_to_end(seeds, selection)


def resume(  # noqa: PLR0913 - a run, its data, and how to train
    run: RunDirectory,
    load_data: Callable[[Config], Dataset],
    *,
    settings: Mapping[str, Any] | None = None,
    allow_changes: bool = False,
    output: Output | None = None,
    jobs: Jobs | None = None,
) -> Trained:
    """Resume the seeds that were not pruned; after the end of training, the best.

    Args:
        run: the run directory of all seeds.
        load_data: returns the data of a configuration; called while the run is locked.
        settings: as in `runner.resume`; they apply to every remaining seed.
        allow_changes: as in `runner.resume`.
        output: as in `runner.train`.
        jobs: as in `train`.

    Raises:
        ConfigError: a setting changes the result, without `allow_changes`; the seeds differ; or a seed has
            already done more steps.
        StorageError: selection.json is damaged, or as in `train`.
        DivergenceError: as in `train`.
    """
    with run.lock(), runner.resumable(run):
        before = run.read_config()
        runner.check_plugins(run, before, allow_changes)
        config = configuration.override(before, settings or {})
        resumption.check_changes(before, config, allow_changes)
        selection = read(run)
        if config.training.seed != before.training.seed:
            raise ConfigError(
                f"training.seed = {config.training.seed}: the seeds of {run.path} are "
                f"{_listed(selection.seeds)}",
                "the seeds that the run was started with",
                "infogan.train with seeds= and another out=, for other seeds",
                command="infogan train with --seeds and another --out, for other seeds",
            )
        seeds = _Seeds(run, config, load_data(config), allow_changes, output, jobs)
        reached = max(map(seeds.reached, selection.left))
        if reached > config.training.steps:
            raise ConfigError(
                f"{run.path} has already reached step {reached}, past step {config.training.steps}",
                f"a number of steps of at least {reached}",
                f"infogan.resume({str(run.path)!r}, steps={reached * 2})",
                command=f"infogan resume {run.path} --steps {reached * 2}",
            )
        if config != before:
            run.write_config(config)
        return _train_to_end(seeds, selection)


def _train_to_end(seeds: _Seeds, selection: Selection) -> Trained:
    steps = seeds.config.training.steps
    *early, last = set_points(seeds.config.training)
    for step in early:
        # The last pruning step has the most information: only it chooses between two seeds.
        keep = max(2, (len(selection.left) + 1) // 2)
        if len(selection.left) > keep and all(done.step != step for done in selection.rounds):
            selection = _prune(seeds, selection, step, keep)
    if len(selection.left) > 1:
        selection = _prune(seeds, selection, last, 1)
    (best,) = selection.left
    try:
        if seeds.jobs is not None and seeds.reached(best) < steps:
            for error in seeds.train_all([best], steps).values():
                raise error
        trained = seeds.train(best, steps)
    except DivergenceError as error:
        raise _with_runner_up(seeds, selection, error) from None
    _publish(seeds, trained)
    lines = [metrics_log.read(seeds.run_of(seed).metrics_path)[-1:] for seed in selection.seeds]
    seconds = round(sum(float(line["seconds"]) for last_line in lines for line in last_line), 3)
    with signals.deferred():
        write(seeds.run, replace(selection, best=best, seconds=seconds))
    seeds.progress.say(
        f"step {steps}: seed {best} is the best of {len(selection.seeds)}; its model is {seeds.run.model}"
    )
    return Trained(trained.model, seeds.run, seeds.dataset)


def _prune(seeds: _Seeds, selection: Selection, step: int, keep: int) -> Selection:
    """Train the remaining seeds up to a step, and prune all but the `keep` best."""
    diverged = seeds.train_all([seed for seed in selection.left if seeds.reached(seed) < step], step)
    for seed, error in diverged.items():
        seeds.progress.say(f"seed {seed}: {error.happened}")
    scores = {
        seed: real_information(seeds.run_of(seed).metrics_path, step)
        for seed in selection.left
        if seed not in diverged
    }
    if not scores:
        last = diverged[selection.left[-1]]
        raise DivergenceError(
            f"all remaining seeds ({_listed(selection.left)}) diverged; the last: {last.happened}",
            last.expected,
            last.advice,
        )
    decided = _decide(step, scores, {seed: error.happened for seed, error in diverged.items()}, keep)
    selection = replace(selection, rounds=(*selection.rounds, decided))
    with signals.deferred():
        write(seeds.run, selection)
        for seed, reason in decided.dropped.items():
            path = seeds.run_of(seed).path
            seeds.progress.say(f"step {step}: seed {seed} pruned: {reason}; its run is kept in {path}")
        left = selection.left
        remaining = "seed" if len(left) == 1 else "seeds"
        seeds.progress.say(f"step {step}: remaining {remaining}: {_listed(left)}")
    return selection


def _with_runner_up(seeds: _Seeds, selection: Selection, error: DivergenceError) -> DivergenceError:
    """Return the error of the best seed with advice to resume the second best, which was pruned last."""
    scores = selection.rounds[-1].scores
    pruned = [seed for seed in scores if seed not in selection.left]
    if not pruned:
        return error
    second = max(pruned, key=lambda seed: (scores[seed], -seed))
    path, steps = seeds.run_of(second).path, seeds.config.training.steps
    return DivergenceError(
        error.happened,
        error.expected,
        f"infogan.resume({str(path)!r}, steps={steps}), the second best; or {error.advice}",
        command=f"infogan resume {path} --steps {steps}, the second best; or {error.advice}",
    )


def _publish(seeds: _Seeds, trained: Trained) -> None:
    """Write the best seed's model, configuration and pictures into the common run directory."""
    run = seeds.run
    with signals.deferred():
        trained.model.save_pretrained(run.model)
        run.write_config(trained.run.read_config())
    try:
        runner.draw_pictures(trained.model, run, trained.model.provenance["steps"])
    except OSError as error:
        seeds.progress.say(f"warning: a picture could not be written ({error})")


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))
