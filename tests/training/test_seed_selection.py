"""Training with several seeds: which are pruned when; interruptions and crashes change nothing."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from infogan import InfoGAN, api, cli
from infogan import config as configuration
from infogan.config import Config, TrainingConfig
from infogan.errors import ConfigError, DivergenceError, StorageError, UsageError
from infogan.reporting import pictures
from infogan.runs import selection as selection_file
from infogan.runs.directory import RunDirectory
from infogan.training import seed_selection
from infogan.training.trainer import Trainer

SMALL = {
    "width": 0.125, "noise": 6, "batch_size": 16, "held_out": 1637, "prune_steps": [13, 25], "steps": 45,
    "save_every": 10, "sample_every": 1000, "precision": "float32", "device": "cpu",
}  # fmt: skip
# Seeds 1 and 3 are equal: the lower one is kept.
SCORES = {0: 0.625, 1: 2.125, 2: 1.5, 3: 2.125}
FOREIGN = {"seconds", "images_per_second"}  # the clock's share of a line of metrics


def run(*arguments: object) -> int:
    return cli.main([str(argument) for argument in arguments])


def begin(path: Path, *more: object) -> int:
    settings = [part for key, value in SMALL.items() for part in ("--set", f"{key}={value}")]
    return run("train", "digits", "--recipe", "robust", "--seeds", 4, *settings, "--out", path, *more)


def configure(**settings: Any) -> Config:
    return api.configure("digits", recipe="robust", settings={**SMALL, **settings})


def selection(path: Path) -> dict[str, Any]:
    """selection.json without what a clock says."""
    values = json.loads((path / "selection.json").read_text())
    values.pop("seconds", None)
    return values


def weights(path: Path) -> bytes:
    return (path / "model" / "model.safetensors").read_bytes()


def figures(path: Path) -> list[dict[str, Any]]:
    whole = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key not in FOREIGN} for line in whole]


def known_score(path: Path, step: int) -> float:
    return SCORES[int(path.parent.name.removeprefix("seed-"))]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of four seeds whose scores are known; tests only read it."""
    path = tmp_path_factory.mktemp("finished") / "run"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(seed_selection, "real_information", known_score)
        assert begin(path) == 0
    return path


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seed_selection, "real_information", known_score)


# --- which seeds are pruned ------------------------------------------------------------------------------


def test_the_worse_half_is_pruned_then_all_but_the_best(finished: Path) -> None:
    assert selection(finished) == {
        "seeds": [0, 1, 2, 3],
        "rounds": [
            {
                "step": 13,
                "scores": {"0": 0.625, "1": 2.125, "2": 1.5, "3": 2.125},
                "dropped": {
                    "0": "its information on real images is 0.625 nats, the best has 2.125 (seed 1)",
                    "2": "its information on real images is 1.5 nats, the best has 2.125 (seed 1)",
                },
            },
            {
                "step": 25,
                "scores": {"1": 2.125, "3": 2.125},
                "dropped": {"3": "its information on real images is 2.125 nats, the best has 2.125 (seed 1)"},
            },
        ],
        "best": 1,
    }
    assert json.loads((finished / "selection.json").read_text())["seconds"] > 0
    steps = [InfoGAN.from_pretrained(finished / f"seeds/seed-{s}").provenance["steps"] for s in range(4)]
    assert steps == [13, 45, 13, 25]


def test_the_log_has_the_reasons(finished: Path) -> None:
    log = (finished / "log.txt").read_text()
    why = "its information on real images is 1.5 nats, the best has 2.125 (seed 1)"
    assert f"step 13: seed 2 pruned: {why}; its run is kept in {finished}/seeds/seed-2\n" in log
    assert "step 13: remaining seeds: 1, 3\n" in log
    assert "step 25: remaining seed: 1\n" in log
    assert f"step 45: seed 1 is the best of 4; its model is {finished}/model\n" in log


def test_the_best_is_the_same_seed_trained_alone(finished: Path, tmp_path: Path) -> None:
    """It was stopped twice, between two lines of metrics."""
    alone = api.train_config(configure(seed=1), out=tmp_path / "alone").run.path
    inside = finished / "seeds" / "seed-1"
    assert weights(finished) == weights(inside) == weights(alone)
    assert figures(inside) == figures(alone)
    assert RunDirectory(inside).read_config() == RunDirectory(alone).read_config()
    assert RunDirectory(finished).read_config() == RunDirectory(alone).read_config()
    optimizer = "checkpoints/step-00000045/optimizer.safetensors"
    assert (inside / optimizer).read_bytes() == (alone / optimizer).read_bytes()


def test_a_run_of_several_seeds_is_used_like_any_other(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = shutil.copytree(finished, tmp_path / "run")
    assert (whole / "samples" / "step-00000045.png").is_file()
    assert run("sample", whole) == 0
    assert run("traverse", whole, "--code", "digit", "--rows", 2) == 0
    assert run("encode", whole, whole / "samples", "--out", tmp_path / "codes.csv") == 0
    assert run("evaluate", whole, "--json", "--samples", 20) == 0
    assert json.loads((whole / "evaluation.json").read_text())["steps"] == 45
    assert run("train", "digits", "--out", whole) == 2
    assert "already holds a run" in capsys.readouterr().err


def test_the_score_is_what_the_metrics_say(tmp_path: Path) -> None:
    path = tmp_path / "run"
    result = api.train("digits", recipe="robust", settings=SMALL, seeds=2, out=path)
    best = result.config.training.seed
    (decided,) = selection(path)["rounds"]  # between two only the last set point decides
    assert (decided["step"], list(decided["dropped"])) == (25, [str(1 - best)])
    assert decided["scores"][str(best)] > decided["scores"][str(1 - best)] > 0
    lines = figures(path / f"seeds/seed-{1 - best}")
    assert [line["step"] for line in lines] == [20, 25]
    mean = sum(line["real"]["digit"]["information_nats"] for line in lines) / 2
    assert decided["scores"][str(1 - best)] == pytest.approx(mean)


def test_a_score_is_the_sum_over_codes_and_the_mean_over_100_steps(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    lines = [
        {"step": step, "real": {f"kind[{i}]": {"information_nats": nats} for i, nats in enumerate(both)}}
        for step in range(20, 221, 20)
        if (both := (step / 100, 1))
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert seed_selection.real_information(path, 200) == pytest.approx(2.6)  # 120, 140, 160, 180, 200
    assert seed_selection.real_information(path, 40) == pytest.approx(1.3)
    path.write_text(json.dumps({"step": 20, "real": {"kind": {"usage": [1.0]}}}) + "\n")
    with pytest.raises(StorageError, match=re.escape(f"{path} has no information")):
        seed_selection.real_information(path, 20)


@pytest.mark.parametrize(
    ("drop", "steps", "points"),
    [
        ([500, 1000], 5000, (500, 1000)),
        ([500, 1000], 1001, (500, 1000)),
        ([500, 1000], 1000, (500, 1000)),
        ([500, 1000], 800, (500, 800)),
        ([500, 1000], 500, (500,)),
        ([500, 1000], 300, (300,)),
        ([], 300, (300,)),
    ],
)
def test_pruning_steps_beyond_the_end_are_at_the_end(
    drop: list[int], steps: int, points: tuple[int, ...]
) -> None:
    assert seed_selection.set_points(TrainingConfig(steps=steps, prune_steps=tuple(drop))) == points


# --- what is refused -------------------------------------------------------------------------------------


def test_seeds_that_cannot_be_compared_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("train", "digits", "--recipe", "paper", "--seeds", 2) == 2
    message = capsys.readouterr().err
    assert "training.recipe = 'paper'" in message and message.endswith("try: --recipe robust\n")
    assert run("train", "digits", "--recipe", "robust", "--codes", "style:u", "--seeds", 2) == 2
    assert "no code is categorical, but style" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("count", ["0", "101", "-1", "two"])
def test_numbers_of_seeds_that_are_refused(count: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("train", "digits", "--recipe", "robust", "--seeds", count, "--dry-run") == 2
    shown = capsys.readouterr()
    assert "--seeds" in shown.err and not shown.out


@pytest.mark.parametrize("count", [0, 101])
def test_numbers_of_seeds_that_python_refuses(count: int) -> None:
    with pytest.raises(UsageError, match=f"seeds = {count}"):
        api.train_config(configure(), seeds=count)


def test_one_seed_is_an_ordinary_run(tmp_path: Path) -> None:
    path = api.train_config(configure(steps=1), out=tmp_path / "run", seeds=1).run.path
    assert not (path / "seeds").exists() and (path / "checkpoints").is_dir()


def test_a_dry_run_is_as_before(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("train", "digits", "--dry-run") == 0
    before = capsys.readouterr().out
    assert run("train", "digits", "--seeds", 4, "--dry-run") == 0
    assert capsys.readouterr().out == before
    assert "--seeds" not in before and "prune_steps" in before


@pytest.mark.parametrize("value", [[1000, 500], [500, 500], [0], [1.5], 500, ["a"]])
def test_pruning_steps_that_are_refused(value: object) -> None:
    with pytest.raises(ConfigError, match=r"training\.prune_steps"):
        configure(prune_steps=value)


def test_pruning_steps_are_written_and_read() -> None:
    config = configure(prune_steps=[7])
    assert configuration.parse(configuration.to_toml(config), "config.toml") == config


# --- resuming --------------------------------------------------------------------------------------------


def once(action: Callable[[], object], when: Callable[..., bool], then: Callable[..., Any]) -> Any:
    """`then`, but the first time that `when` is true `action` comes before it."""
    done = []

    def watched(*arguments: Any, **options: Any) -> Any:
        if not done and when(*arguments):
            done.append(True)
            action()
        return then(*arguments, **options)

    return watched


def in_step(step: int, seed: int) -> Callable[..., bool]:
    return lambda trainer, *_: trainer.step == step - 1 and trainer.config.training.seed == seed


PLACES = {
    "a step of the second seed": (Trainer, "advance", in_step(7, 1)),
    "the second seed's start": (RunDirectory, "write_environment", lambda run, *_: run.path.name == "seed-1"),
    "the first decision": (seed_selection, "real_information", lambda path, _: path.parent.name == "seed-2"),
    "what the first decision says": (selection_file, "_by_text", lambda values: True),
    "a step of the best alone": (Trainer, "advance", in_step(31, 1)),
    "the first picture": (pictures, "sample_grid", lambda _: True),
}


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_an_interruption_changes_nothing(
    place: str,
    number: int,
    code: int,
    finished: Path,
    known: None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if (number == signal.SIGINT) == (list(PLACES).index(place) % 2 == 0):
        pytest.skip("each place once, and each signal three times")
    path = tmp_path / "run"
    owner, name, when = PLACES[place]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(owner, name, once(lambda: os.kill(os.getpid(), number), when, getattr(owner, name)))
        assert begin(path) == code
    told = capsys.readouterr().err
    assert f"to resume: infogan resume {path}\n" in told and "Traceback" not in told
    assert run("resume", path) == 0
    assert selection(path) == selection(finished)
    assert weights(path) == weights(finished)


@pytest.mark.slow
def test_seeds_that_are_trained_at_the_same_time_have_the_bytes_of_single_ones(
    finished: Path, known: None, tmp_path: Path
) -> None:
    path = tmp_path / "run"
    with pytest.MonkeyPatch.context() as patched:
        advance = once(
            lambda: os.kill(os.getpid(), signal.SIGTERM),
            lambda trainer: trainer.step == 9 and trainer.config.training.seed == 1,
            Trainer.advance,
        )
        patched.setattr(Trainer, "advance", advance)
        assert begin(path, "--set", "seeds_at_once=3") == 143
    steps = {seed: sorted(path.glob(f"seeds/seed-{seed}/checkpoints/step-*"))[-1].name for seed in (0, 1, 2)}
    assert steps == {0: "step-00000010", 1: "step-00000010", 2: "step-00000009"}
    assert not (path / "seeds" / "seed-3").exists()
    assert run("resume", path) == 0
    assert selection(path) == selection(finished)
    assert weights(path) == weights(finished)
    for seed in range(4):
        ours, theirs = (figures(folder / "seeds" / f"seed-{seed}") for folder in (path, finished))
        assert ours == theirs


class CrashError(Exception):
    """An unexpected error."""


def crash() -> None:
    raise CrashError


CRASHES = {
    "before the first decision is written": (seed_selection, "write", lambda _, s: len(s.rounds) == 1),
    "before the second is": (seed_selection, "write", lambda _, s: len(s.rounds) == 2 and s.best is None),
    "before the end is": (seed_selection, "write", lambda _, s: s.best is not None),
    "before the model is": (InfoGAN, "save_pretrained", lambda _, folder: folder.parent.name == "run"),
    "before a seed has a configuration": (
        RunDirectory, "write_config", lambda run, _: run.path.name == "seed-2",
    ),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("place", CRASHES)
def test_a_crash_between_two_writes_changes_nothing(
    place: str, finished: Path, known: None, tmp_path: Path
) -> None:
    path = tmp_path / "run"
    owner, name, when = CRASHES[place]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(owner, name, once(crash, when, getattr(owner, name)))
        with pytest.raises(CrashError):
            begin(path)
    assert run("resume", path) == 0
    assert selection(path) == selection(finished)
    assert weights(path) == weights(finished)


def test_after_the_end_the_best_is_resumed(finished: Path, tmp_path: Path) -> None:
    path = shutil.copytree(finished, tmp_path / "run")
    assert run("resume", path, "--steps", 50) == 0
    assert selection(path) == selection(finished)
    assert InfoGAN.from_pretrained(path).provenance["steps"] == 50
    assert weights(path) == weights(path / "seeds" / "seed-1") != weights(finished)
    assert RunDirectory(path).read_config().training.steps == 50
    seconds = [json.loads((p / "selection.json").read_text())["seconds"] for p in (finished, path)]
    assert seconds[0] < seconds[1]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--steps", 30], 2, "has already reached step 45, past step 30"),
        (["--set", "seed=3"], 2, "training.seed: 1 -> 3"),
        (["--set", "seed=3", "--override"], 2, "the seeds of"),
        (["--set", "beta1=0.4"], 2, "training.beta1"),
    ],
)
def test_a_resume_that_would_be_another_run(
    arguments: list[object], code: int, said: str, finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (finished / "config.toml").read_bytes()
    assert run("resume", finished, *arguments) == code
    assert said in capsys.readouterr().err
    assert (finished / "config.toml").read_bytes() == before


@pytest.mark.parametrize("text", ["", "{}", '{"seeds": [0], "rounds": [{"step": 5}]}', "[1]"])
def test_a_damaged_selection_is_named(
    text: str, finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = shutil.copytree(finished, tmp_path / "run", ignore=shutil.ignore_patterns("seeds"))
    (path / "selection.json").write_text(text)
    assert run("resume", path) == 4
    assert f"{path}/selection.json is damaged" in capsys.readouterr().err


# --- seeds that diverge ----------------------------------------------------------------------------------


def diverging(monkeypatch: pytest.MonkeyPatch, steps: dict[int, int]) -> None:
    """Each seed named diverges at its step."""
    advance = Trainer.advance

    def broken(self: Trainer) -> None:
        if self.step + 1 == steps.get(self.config.training.seed):
            raise DivergenceError(f"training diverged at step {self.step + 1}", "finite terms", "less")
        advance(self)

    monkeypatch.setattr(Trainer, "advance", broken)


@pytest.mark.slow
def test_a_seed_that_diverges_is_pruned_and_the_others_continue(
    known: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    diverging(monkeypatch, {1: 12, 3: 20})
    path = tmp_path / "run"
    assert begin(path) == 0
    first, second = selection(path)["rounds"]
    assert first["dropped"]["1"].startswith("training diverged at step 12; the last checkpoint is ")
    assert set(first["dropped"]) == {"0", "1"} and set(first["scores"]) == {"0", "2", "3"}
    assert set(second["dropped"]) == {"3"} and set(second["scores"]) == {"2"}
    assert selection(path)["best"] == 2
    assert "seed 1 pruned: training diverged at step 12" in (path / "log.txt").read_text()


def test_if_all_seeds_diverge_the_run_fails(
    known: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    diverging(monkeypatch, dict.fromkeys(range(4), 3))
    assert begin(tmp_path / "run") == 3
    shown = capsys.readouterr().err
    assert "all remaining seeds (0, 1, 2, 3) diverged" in shown
    assert run("sample", tmp_path / "run") == 2
    assert f"infogan resume {tmp_path / 'run'}" in capsys.readouterr().err


@pytest.mark.slow
def test_when_the_best_alone_diverges_the_second_best_is_named(
    known: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    diverging(monkeypatch, {1: 30})
    path = tmp_path / "run"
    assert begin(path) == 3
    assert f"infogan resume {path}/seeds/seed-3 --steps 45" in capsys.readouterr().err
    assert "best" not in selection(path)


# --- seeds at the same time ------------------------------------------------------------------------------


class PlainValues(ThreadPoolExecutor):
    """Runs jobs in this process, and keeps their arguments: what another process would receive."""

    def __init__(self) -> None:
        super().__init__(1)
        self.given: list[tuple[Any, ...]] = []

    def submit(self, job: Callable[..., Any], /, *given: Any, **named: Any) -> Future[Any]:
        self.given.append(given)
        return super().submit(job, *given, **named)


def test_jobs_train_the_same_seeds(finished: Path, tmp_path: Path, known: None) -> None:
    path = tmp_path / "run"
    with PlainValues() as executor:
        model = api.train(configure(), seeds=4, out=path, executor=executor, progress=False)
    assert selection(path) == selection(finished)
    assert weights(path) == weights(finished)
    assert model.provenance["steps"] == 45
    for seed in range(4):
        inside = f"seeds/seed-{seed}"
        assert figures(path / inside) == figures(finished / inside)
    assert len(executor.given) == 4 + 2 + 1
    assert {type(value) for given in executor.given for value in given} == {str, bool, tuple}


def test_a_job_reports_a_seed_that_diverged(tmp_path: Path, known: None) -> None:
    path = tmp_path / "run"
    config = configure(learning_rate_generator=1e6, learning_rate_discriminator=1e6)
    with PlainValues() as executor, pytest.raises(DivergenceError, match="all remaining seeds"):
        api.train(config, seeds=4, out=path, executor=executor, progress=False)


def test_jobs_need_images_in_files_and_several_seeds(tmp_path: Path) -> None:
    images = np.zeros((40, 8, 8), np.uint8)
    settings = {key: value for key, value in SMALL.items() if key != "held_out"}
    with PlainValues() as executor:
        for given, seeds in ((images, 4), (configure(), 1)):
            with pytest.raises(UsageError, match="executor"):
                api.train(
                    given, recipe="robust", seeds=seeds, out=tmp_path / "run", executor=executor,
                    codes="digit:4 style:u", settings=settings, progress=False,
                )  # fmt: skip
        assert executor.given == []
