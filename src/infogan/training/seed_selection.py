"""Several seeds, one answer: all are trained up to set points, where the worst are dropped without labels.

    for each set point but the last:  every seed left trains up to it;  the worse half is dropped, two stay
    at the last set point:            all but the best are dropped
    the best trains to the end

RUN/seeds/seed-0, seed-1 ... are ordinary runs. Nothing that a seed computes depends on the others: it ends in
the same bytes as the same seed trained alone. RUN/selection.json says who was dropped when and why; RUN/model
and RUN/config.toml are the best's. Whatever a crash left out is decided again from the runs' own metrics.

The score is the information on real images: nats between the code of an image and that of its moved copy. It
is measured while Q learns from real images, and needs no label.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from infogan import config as configuration
from infogan import signals, storage
from infogan.config import Categorical, Config, TrainingConfig
from infogan.data import Dataset
from infogan.errors import ConfigError, DivergenceError, StorageError, UsageError
from infogan.runs import checkpoint, metrics_log
from infogan.runs.directory import RunDirectory, is_run
from infogan.runs.selection import Round, Selection, read, write
from infogan.training import runner
from infogan.training.progress import Progress
from infogan.training.runner import Trained

MOST_SEEDS = 100
SCORED_STEPS = 100
"""The score is a mean over the lines of that many steps before the set point."""


# --- the rules -------------------------------------------------------------------------------------------


def check(config: Config, count: int) -> None:
    """Whether so many seeds can be trained and told apart.

    Raises:
        UsageError: `count` is not from 1 to 100.
        ConfigError: there are several seeds, and a run would not measure their score.
    """
    if not 1 <= count <= MOST_SEEDS:
        raise UsageError(f"seeds = {count}", f"1 to {MOST_SEEDS} seeds", "--seeds 4")
    if count == 1:
        return
    if not any(isinstance(code, Categorical) for code in config.latents.codes.values()):
        raise ConfigError(
            f"--seeds {count}: no code is categorical, but {', '.join(config.latents.codes)}: "
            "nothing tells the seeds apart without labels",
            "a categorical code, whose information on real images is the score",
            'for example --codes "type:10 style:u"',
        )
    if not config.reads_real:
        raise ConfigError(
            f"--seeds {count}: with training.recipe = {config.training.recipe!r} and no weight of the "
            "information on real images, nothing tells the seeds apart without labels",
            "a recipe that measures the information on real images, which is the score",
            "--recipe robust",
        )


def set_points(training: TrainingConfig) -> tuple[int, ...]:
    """The steps at which seeds are dropped; the last leaves one.

    Those of `prune_steps` that lie before the end; where some do not, or there is none, also the end.

    Earlier points save more, but choose worse: at first the score tells who is fast, and not who ends well.
    """
    early = [step for step in training.prune_steps if step < training.steps]
    if len(early) < len(training.prune_steps) or not early:
        early.append(training.steps)
    return tuple(early)


def real_information(path: Path, step: int) -> float:
    """A run's score at a step: nats of information on real images, summed over the categorical codes.

    Args:
        path: of metrics.jsonl.
        step: the mean is over the lines of the last 100 steps up to this one.

    Raises:
        StorageError: the file has no such line, or cannot be read.
    """
    found = [
        information
        for line in metrics_log.read(path)
        if step - SCORED_STEPS < line["step"] <= step and (information := _information(line)) is not None
    ]
    if not found:
        raise StorageError(
            f"{path} has no information on real images for the {SCORED_STEPS} steps up to step {step}",
            "lines with real.CODE.information_nats, as training writes them",
            f"delete the folder {path.parent}, then infogan resume trains this seed again",
        )
    return sum(found) / len(found)


def _information(line: Mapping[str, Any]) -> float | None:
    """Nats over all places of a line of metrics; None where one of them has none."""
    found = [place.get("information_nats") for place in line.get("real", {}).values()]
    return sum(map(float, found)) if found and None not in found else None


def _decide(step: int, scores: Mapping[int, float], diverged: Mapping[int, str], keep: int) -> Round:
    """Who goes on: the `keep` highest scores, the lower seed where two are equal."""
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
class _Field:
    """The seeds in training: their common folder, configuration and data."""

    run: RunDirectory
    config: Config
    dataset: Dataset
    allow_changes: bool = False
    progress: Progress = field(kw_only=True)

    def run_of(self, seed: int) -> RunDirectory:
        return RunDirectory(self.run.seeds / f"seed-{seed}")

    def reached(self, seed: int) -> int:
        """The step of a seed's newest checkpoint."""
        return max(checkpoint.listed(self.run_of(seed).checkpoints), default=0)

    def train(self, seed: int, step: int) -> Trained:
        """One seed up to a step, from wherever it stands."""
        run, config = self.run_of(seed), of_seed(self.config, seed, step)
        if not is_run(run.path):
            if run.path.exists() and not checkpoint.listed(run.checkpoints):
                storage.remove_folder(run.path)  # killed before it had even a configuration
            return runner.train(config, self.dataset, RunDirectory.create(run.path))
        changed = configuration.changes(run.read_config(), config)
        settings = [
            f"{key}={json.dumps(new, ensure_ascii=False)}"
            for key, (_, new) in changed.items()
            if new is not None
        ]
        return runner.resume(run, lambda _: self.dataset, settings=settings, allow_changes=self.allow_changes)


def of_seed(config: Config, seed: int, steps: int) -> Config:
    """The configuration of one seed, trained alone.

    Raises:
        ConfigError: there is no such seed, or no such number of steps.
    """
    return configuration.override(config, [f"training.seed={seed}", f"training.steps={steps}"])


def train(config: Config, dataset: Dataset, run: RunDirectory, count: int) -> Trained:
    """Trains seeds from `training.seed` on in a new run directory, and keeps the best.

    Args:
        config: from `runner.resolve`, with which `check` has nothing against `count` seeds.
        dataset: only its training images are used; labels never are.
        run: as `RunDirectory.create` gives it with `seeds`.
        count: how many seeds.

    Returns:
        The best seed's model, with the run directory of all.

    Raises:
        DivergenceError: all seeds diverged, or the best one did after the others had been dropped.
        StorageError: the disk is full, or a seed's metrics are lost; what was saved before is whole.
        Interrupted: a signal came; the state was saved.
    """
    check(config, count)
    first = config.training.seed
    selection = Selection(tuple(range(first, first + count)))
    of_seed(config, selection.seeds[-1], config.training.steps)  # fails now, and not when its turn comes
    with run.lock():
        with signals.deferred():
            write(run, selection)
            run.write_config(config)
        with runner.resumable(run):
            field = _Field(run, config, dataset, progress=_progress(run, config))
            *early, last = set_points(config.training)
            field.progress.say(
                f"seeds {_listed(selection.seeds)}: "
                + "".join(f"the worse half is dropped at step {step}, " for step in early)
                + f"all but the best at step {last}"
            )
            return _to_the_end(field, selection)


def resume(
    run: RunDirectory,
    load_data: Callable[[Config], Dataset],
    *,
    settings: Sequence[str] = (),
    allow_changes: bool = False,
) -> Trained:
    """Goes on with the seeds that are left; after the end, with the best.

    Args:
        run: the run directory of all seeds.
        load_data: gives the data of a configuration; called under the run's lock.
        settings: as in `runner.resume`; they hold for every seed that is left.
        allow_changes: as in `runner.resume`.

    Raises:
        ConfigError: a setting that changes the result, without `allow_changes`; other seeds; or fewer steps
            than a seed has done.
        StorageError: selection.json is damaged, or as in `train`.
        DivergenceError: as in `train`.
    """
    with run.lock(), runner.resumable(run):
        before = run.read_config()
        config = configuration.override(before, settings)
        runner.check_changes(before, config, allow_changes)
        selection = read(run)
        if config.training.seed != before.training.seed:
            raise ConfigError(
                f"training.seed = {config.training.seed}: the seeds of {run.path} are "
                f"{_listed(selection.seeds)}",
                "the seeds that it began with",
                "infogan train with --seeds and another --out, for other seeds",
            )
        field = _Field(
            run, config, load_data(config), allow_changes=allow_changes, progress=_progress(run, config)
        )
        reached = max(map(field.reached, selection.left))
        if reached > config.training.steps:
            raise ConfigError(
                f"{run.path} has already reached step {reached}, past step {config.training.steps}",
                f"a number of steps of at least {reached}",
                f"infogan resume {run.path} --steps {reached * 2}",
            )
        if config != before:
            run.write_config(config)
        return _to_the_end(field, selection)


def _to_the_end(field: _Field, selection: Selection) -> Trained:
    *early, last = set_points(field.config.training)
    for step in early:
        # The last point alone, which knows most, decides between two.
        keep = max(2, (len(selection.left) + 1) // 2)
        if len(selection.left) > keep and all(done.step != step for done in selection.rounds):
            selection = _round(field, selection, step, keep)
    if len(selection.left) > 1:
        selection = _round(field, selection, last, 1)
    (best,) = selection.left
    try:
        trained = field.train(best, field.config.training.steps)
    except DivergenceError as error:
        raise _with_runner_up(field, selection, error) from None
    _publish(field, trained)
    selection = replace(selection, best=best, seconds=_seconds(field, selection))
    with signals.deferred():
        write(field.run, selection)
    field.progress.say(
        f"step {field.config.training.steps}: seed {best} is the best of {len(selection.seeds)}; "
        f"its model is {field.run.model}"
    )
    return Trained(trained.model, field.run, field.dataset)


def _round(field: _Field, selection: Selection, step: int, keep: int) -> Selection:
    """All seeds that are left up to a set point; the selection with what was decided there."""
    scores: dict[int, float] = {}
    diverged: dict[int, DivergenceError] = {}
    for seed in selection.left:
        try:
            if field.reached(seed) < step:
                field.train(seed, step)
            scores[seed] = real_information(field.run_of(seed).metrics_path, step)
        except DivergenceError as error:
            diverged[seed] = error
            field.progress.say(f"seed {seed}: {error.happened}")
    if not scores:
        last = diverged[selection.left[-1]]
        raise DivergenceError(
            f"all seeds that were left ({_listed(selection.left)}) diverged; the last: {last.happened}",
            last.expected,
            last.advice,
        )
    decided = _decide(step, scores, {seed: error.happened for seed, error in diverged.items()}, keep)
    selection = replace(selection, rounds=(*selection.rounds, decided))
    with signals.deferred():
        write(field.run, selection)
        for seed, why in decided.dropped.items():
            field.progress.say(
                f"step {step}: seed {seed} dropped: {why}; its run stays in {field.run_of(seed).path}"
            )
        left = selection.left
        field.progress.say(f"step {step}: {'seed' if len(left) == 1 else 'seeds'} {_listed(left)} left")
    return selection


def _with_runner_up(field: _Field, selection: Selection, error: DivergenceError) -> DivergenceError:
    """The best one diverged when it was alone: the second best of the last round is still there."""
    scores = selection.rounds[-1].scores
    others = [seed for seed in scores if seed not in selection.left]
    if not others:
        return error
    second = max(others, key=lambda seed: (scores[seed], -seed))
    return DivergenceError(
        error.happened,
        error.expected,
        f"infogan resume {field.run_of(second).path} --steps {field.config.training.steps}, the second best; "
        f"or {error.advice}",
    )


def _publish(field: _Field, trained: Trained) -> None:
    """The best's model, configuration and pictures, where those of any run are."""
    run = field.run
    with signals.deferred():
        trained.model.save_pretrained(run.model)
        run.write_config(trained.run.read_config())
    try:
        runner.draw_pictures(trained.model, run, trained.model.provenance["steps"])
    except OSError as error:
        field.progress.say(f"warning: a picture was not written ({error})")


def _seconds(field: _Field, selection: Selection) -> float:
    """Of training, over all seeds, as their last lines of metrics say."""
    lines = [metrics_log.read(field.run_of(seed).metrics_path)[-1:] for seed in selection.seeds]
    return round(sum(float(line["seconds"]) for last in lines for line in last), 3)


def _progress(run: RunDirectory, config: Config) -> Progress:
    return Progress(config.training.steps, log_path=run.log_path)


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))
