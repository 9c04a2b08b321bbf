"""What may befall a training, through the command line: killed, stopped, filled up, damaged, misled."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch

from infogan import InfoGAN, cli, data, signals
from infogan.errors import Interrupted, StorageError
from infogan.reporting import pictures
from infogan.runs import checkpoint
from infogan.runs.directory import RunDirectory
from infogan.training.randomness import Randomness
from infogan.training.step import Losses, Step
from infogan.training.step_settings import StepSettings

# 160 training images: an epoch is 10 steps. The average starts at step 30.
TINY = """
preset = "tiny"
[data]
source = "digits"
held_out = 1637
[latents]
noise = 6
[latents.codes.digit]
kind = "categorical"
size = 4
[latents.codes.style]
kind = "uniform"
info_weight = 0.1
[network]
width = 0.0625
[training]
steps = 60
batch_size = 16
ema_decay = 0.9
ema_start = 30
save_every = 20
sample_every = 1000
precision = "float32"
device = "cpu"
"""
THREE_PARTS = re.compile(r"infogan: (.+)\n  expected: .+\n  try: (.+)\n", re.DOTALL)
FOREIGN = {"seconds", "images_per_second"}  # the clock's share of a line of metrics


def run(*arguments: object) -> int:
    return cli.main([str(argument) for argument in arguments])


def weights(path: Path) -> bytes:
    return (path / "model" / "model.safetensors").read_bytes()


def lines(path: Path) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl without what a clock says."""
    whole = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key not in FOREIGN} for line in whole]


def steps_kept(path: Path) -> list[int]:
    return sorted(checkpoint.listed(path / "checkpoints"))


def assert_same(path: Path, undisturbed: Path) -> None:
    """The same weights and the same figures, to the last bit."""
    assert weights(path) == weights(undisturbed)
    assert lines(path) == lines(undisturbed)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("config") / "tiny.toml"
    path.write_text(TINY)
    return path


@pytest.fixture(scope="module")
def undisturbed(config: Path) -> Path:
    """A run of 60 steps that nothing happened to."""
    path = config.parent / "undisturbed"
    assert run("train", config, "--out", path) == 0
    assert [line["step"] for line in lines(path)] == [20, 40, 60]
    return path


@pytest.fixture(scope="module")
def half(config: Path) -> Path:
    """The same, up to step 40, with checkpoints of steps 20 and 40; tests work on copies."""
    path = config.parent / "half"
    assert run("train", config, "--out", path, "--steps", 40) == 0
    assert steps_kept(path) == [20, 40]
    return path


@pytest.fixture
def begun(half: Path, tmp_path: Path) -> Path:
    shutil.copytree(half, tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture(autouse=True)
def _survive_signals() -> Iterator[None]:
    """A signal that the command does not catch fails its test, and ends nothing else."""

    def uncaught(number: int, _frame: object) -> None:
        raise AssertionError(f"nobody caught signal {number}")

    before = {number: signal.signal(number, uncaught) for number in signals.STOPPING}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


PATIENCE = 300
"""Seconds after which a command hangs, also on a machine with much else to do."""

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Runs a command in a process of its own, with `script` before it."""
    started: list[subprocess.Popen[str]] = []

    def begin(*arguments: object, script: str = "", fault: str | None = None) -> subprocess.Popen[str]:
        one_thread = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}  # as in the process of the tests
        environment = {**os.environ, **one_thread, **({"INFOGAN_FAULT_POINT": fault} if fault else {})}
        whole = f"{script}\nimport sys\nfrom infogan import cli\nsys.exit(cli.main(sys.argv[1:]))\n"
        process = subprocess.Popen(
            [sys.executable, "-c", whole, *map(str, arguments)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
        )  # fmt: skip
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def wait_for(what: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not what():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


# --- 12: stopped and gone on -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "stops",
    [
        pytest.param([1], id="first step", marks=pytest.mark.slow),
        pytest.param([10], id="end of an epoch", marks=pytest.mark.slow),
        pytest.param([20], id="step of a line of metrics", marks=pytest.mark.slow),
        pytest.param([25], id="step between two lines"),
        pytest.param([30], id="start of the average"),
        pytest.param([47], id="later", marks=pytest.mark.slow),
        pytest.param([7, 29, 31, 59], id="four stops", marks=pytest.mark.slow),
    ],
)
def test_resumed_training_equals_the_undisturbed_one(
    stops: list[int], config: Path, undisturbed: Path, tmp_path: Path
) -> None:
    path = tmp_path / "run"
    first, *later = [*stops, 60]
    assert run("train", config, "--out", path, "--steps", first) == 0
    for stop in later:
        assert run("resume", path, "--steps", stop) == 0
    assert_same(path, undisturbed)
    assert (path / "config.toml").read_text() == (undisturbed / "config.toml").read_text()


@pytest.mark.slow
def test_a_resumed_training_under_spectral_norm_is_the_same(config: Path, tmp_path: Path) -> None:
    """The vectors that follow the singular values are state, too."""
    kind = (
        "--set",
        "normalization=spectral",
        "--set",
        "architecture=residual",
        "--set",
        "augmentation.shift=0.1",
    )
    assert run("train", config, *kind, "--out", tmp_path / "whole", "--steps", 12) == 0
    assert run("train", config, *kind, "--out", tmp_path / "parts", "--steps", 5) == 0
    assert run("resume", tmp_path / "parts", "--steps", 12) == 0
    assert weights(tmp_path / "parts") == weights(tmp_path / "whole")


def test_a_stop_ends_with_a_line_and_a_model(config: Path, tmp_path: Path) -> None:
    assert run("train", config, "--out", tmp_path / "run", "--steps", 25) == 0
    assert [line["step"] for line in lines(tmp_path / "run")] == [20, 25]
    assert InfoGAN.from_pretrained(tmp_path / "run").provenance["steps"] == 25


# --- 1, 3, 4: a save that does not end -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "kept"),
    [
        ("file:optimizer.safetensors:2", [20]),
        pytest.param("prune:1", [40, 60], marks=pytest.mark.slow),
        # The first config.toml is the run's own, the second the model's.
        pytest.param("file:config.toml:2", [40, 60], marks=pytest.mark.slow),
    ],
)
def test_killed_while_saving(
    fault: str, kept: list[int], config: Path, undisturbed: Path, tmp_path: Path, start: Start
) -> None:
    path = tmp_path / "run"
    process = start("train", config, "--out", path, fault=f"{fault}=kill")
    _, stderr = process.communicate(timeout=PATIENCE)
    assert process.returncode == -signal.SIGKILL, stderr
    assert steps_kept(path) == kept
    assert run("resume", path) == 0
    assert_same(path, undisturbed)
    left = [entry.name for entry in path.rglob(".*") if entry.name != ".lock"]
    assert left == []


@pytest.mark.parametrize(
    "point",
    ["file:model.safetensors", *(pytest.param(p, marks=pytest.mark.slow) for p in ("manifest", "rename"))],
)
def test_a_save_that_fails_once_costs_only_itself(
    point: str,
    config: Path,
    undisturbed: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    reach = checkpoint.storage.reach
    failed: list[str] = []

    def failing_once(name: str) -> None:
        if name == point and not failed:
            failed.append(name)
            raise RuntimeError("the serializer is out of order")
        reach(name)

    monkeypatch.setattr(checkpoint.storage, "reach", failing_once)
    path = tmp_path / "run"
    with pytest.warns(RuntimeWarning, match="step 20 was not saved"):
        assert run("train", config, "--out", path) == 0
    assert (
        "warning: step 20 was not saved (RuntimeError('the serializer is out of order')"
        in capsys.readouterr().err
    )
    assert steps_kept(path) == [40, 60]
    assert_same(path, undisturbed)


def test_a_full_disk_stops_with_the_last_checkpoint(
    begun: Path, undisturbed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = {step: checkpoint.load(path) for step, path in checkpoint.listed(begun / "checkpoints").items()}
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))  # a checkpoint's files are larger
    try:
        assert run("resume", begun, "--steps", 60) == 4
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    message = THREE_PARTS.search(capsys.readouterr().err)
    assert message
    assert f"{begun}/checkpoints/step-00000060" in message[1]
    assert re.search(r"[\d,]{7,} bytes needed, [\d,]+ bytes free", message[1])
    assert f"infogan resume {begun}" in message[2]
    for step, old in before.items():
        assert checkpoint.load(begun / "checkpoints" / f"step-{step:08d}").state == old.state
    assert run("resume", begun) == 0
    assert_same(begun, undisturbed)


# --- 6, 7, 8: damaged files ------------------------------------------------------------------------------


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize("name", [checkpoint.MODEL, checkpoint.OPTIMIZER, checkpoint.STATE, "MANIFEST.json"])
@pytest.mark.parametrize(
    "damage",
    [flip, *(pytest.param(damage, marks=pytest.mark.slow) for damage in (cut, Path.unlink))],
)
def test_a_damaged_checkpoint_is_named_and_the_one_before_used(
    damage: Callable[[Path], None],
    name: str,
    begun: Path,
    undisturbed: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    damage(begun / "checkpoints" / "step-00000040" / name)
    assert run("resume", begun, "--steps", 60) == 0
    told = capsys.readouterr().err
    assert re.search(rf"warning: .*step-00000040/{re.escape(name)} is damaged", told)
    assert "resumed from step-00000020" in told
    assert_same(begun, undisturbed)


def test_no_intact_checkpoint_is_refused(begun: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = lines(begun)
    for step in (20, 40):
        flip(begun / "checkpoints" / f"step-000000{step}" / checkpoint.MODEL)
    assert run("resume", begun, "--steps", 60) == 4
    message = capsys.readouterr().err
    assert "all 2 checkpoints" in message
    assert "step-00000020" in message and "step-00000040" in message
    assert lines(begun) == before


@pytest.mark.parametrize("name", ["model.safetensors", "config.toml", "provenance.json", "MANIFEST.json"])
def test_a_damaged_model_is_refused(name: str, begun: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flip(begun / "model" / name)
    with pytest.raises(StorageError, match=re.escape(f"{begun}/model/{name} is damaged")):
        InfoGAN.from_pretrained(begun)
    assert run("sample", begun) == 4
    assert THREE_PARTS.fullmatch(capsys.readouterr().err)


@pytest.mark.parametrize("torn", ['{"step": 4', '{"step": 60, "loss": {"disc\n', "\x00\x00\x00", "\n"])
def test_a_torn_line_of_metrics_is_dropped(torn: str, begun: Path, undisturbed: Path) -> None:
    with (begun / "metrics.jsonl").open("a") as file:
        file.write(torn)
    assert run("resume", begun, "--steps", 60) == 0
    assert_same(begun, undisturbed)


def test_lines_behind_the_checkpoint_are_written_again(begun: Path, undisturbed: Path) -> None:
    """The last save may be older than the last line: no step may then stand twice."""
    shutil.rmtree(begun / "checkpoints" / "step-00000040")
    assert [line["step"] for line in lines(begun)] == [20, 40]
    assert run("resume", begun, "--steps", 60) == 0
    assert_same(begun, undisturbed)


# --- 9, 10: the run's folder -----------------------------------------------------------------------------


def test_a_deleted_run_stops_the_training(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "run"
    during_step(monkeypatch, 5, lambda: shutil.rmtree(path))
    assert run("train", config, "--out", path) == 4
    message = THREE_PARTS.search(capsys.readouterr().err)
    assert message and f"{path}/checkpoints" in message[1]


def test_a_second_process_is_refused_with_the_holder(begun: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = weights(begun)
    with RunDirectory.open(begun).lock():
        assert run("resume", begun, "--steps", 60) == 2  # the kernel sees two owners, as of two processes
    message = THREE_PARTS.fullmatch(capsys.readouterr().err)
    assert message
    assert f"{begun} is in use by process {os.getpid()} on {socket.gethostname()}" in message[1]
    assert weights(begun) == before
    assert run("resume", begun, "--steps", 41) == 0  # and the lock is free again


# --- 11: another configuration, other images -------------------------------------------------------------


def test_a_changed_configuration_is_shown_and_refused(
    begun: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (begun / "config.toml").read_text()
    changed = ["--steps", 60, "--set", "batch_size=8", "--set", "objective.info_weight=0.5"]
    assert run("resume", begun, *changed) == 2
    told = capsys.readouterr().err
    assert THREE_PARTS.fullmatch(told)
    assert "training.batch_size: 16 -> 8" in told
    assert "objective.info_weight: 1.0 -> 0.5" in told
    assert "training.steps:" not in told  # that one is free
    assert "--override" in told
    assert (begun / "config.toml").read_text() == before
    assert steps_kept(begun) == [20, 40]


def test_override_goes_on_with_another_configuration(begun: Path, undisturbed: Path) -> None:
    assert run("resume", begun, "--steps", 60, "--set", "batch_size=8", "--override") == 0
    assert RunDirectory(begun).read_config().training.batch_size == 8
    assert InfoGAN.from_pretrained(begun).provenance["steps"] == 60
    assert weights(begun) != weights(undisturbed)


def test_a_configuration_edited_by_hand_is_shown_and_refused(
    begun: Path, undisturbed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = begun / "config.toml"
    whole = path.read_text()
    path.write_text(whole.replace("batch_size = 16", "batch_size = 8"))
    assert run("resume", begun, "--steps", 60) == 2
    message = THREE_PARTS.search(capsys.readouterr().err)
    assert message
    assert f"{begun}/checkpoints/step-00000040" in message[1]
    assert "training.batch_size: 16 -> 8" in message[1] and "--override" in message[2]
    assert run("resume", begun, "--steps", 45, "--override") == 0
    assert run("resume", begun, "--steps", 60) == 0  # the change is now the run's own
    assert weights(begun) != weights(undisturbed)


def test_other_conditions_are_logged_and_kept(begun: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import torch

    torch.set_num_threads(2)
    try:
        assert run("resume", begun, "--steps", 44) == 0
    finally:
        torch.set_num_threads(1)
    assert (
        "saved with torch.set_num_threads(1); this session has torch.set_num_threads(2)"
        in capsys.readouterr().err
    )
    environment = json.loads((begun / "environment.json").read_text())
    assert environment["threads"] == 2
    assert [(e["threads"], e["up_to_step"]) for e in environment["earlier_sessions"]] == [(1, 40)]


@pytest.mark.parametrize("free", ["save_every=7", "keep=1", "sample_every=50", "device=auto"])
def test_free_keys_change_nothing(free: str, begun: Path, undisturbed: Path) -> None:
    if free == "device=auto" and cuda_is_there():
        pytest.skip("auto is another device here, which gives other sums")
    assert run("resume", begun, "--steps", 60, "--set", free) == 0
    assert weights(begun) == weights(undisturbed)
    key, _, value = free.partition("=")
    assert str(getattr(RunDirectory(begun).read_config().training, key)) == value


def cuda_is_there() -> bool:
    import torch

    return torch.cuda.is_available()


def test_other_images_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 1), dtype=np.uint8)
    place, path = tmp_path / "images.npy", tmp_path / "run"
    np.save(place, images)
    small = ["--device", "cpu", "--set", "width=0.125", "--set", "batch_size=8"]
    assert run("train", place, "--out", path, "--steps", 2, *small) == 0
    images[3, 4, 4, 0] ^= 1
    np.save(place, images)
    before = weights(path)
    capsys.readouterr()
    assert run("resume", path, "--steps", 4) == 5
    told = capsys.readouterr().err
    assert "the training images are not those" in told and str(path) in told
    assert weights(path) == before
    assert run("resume", path, "--steps", 4, "--override") == 0


def test_images_that_moved_are_the_same_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 1), dtype=np.uint8)
    place, moved, other, path = (tmp_path / name for name in ("images.npy", "moved.npy", "other.npy", "run"))
    np.save(place, images)
    np.save(other, 255 - images)
    small = ["--device", "cpu", "--set", "width=0.125", "--set", "batch_size=8"]
    assert run("train", place, "--out", path, "--steps", 2, *small) == 0
    place.rename(moved)
    assert run("resume", path, "--steps", 4) == 5
    assert run("resume", path, "--steps", 4, "--data", other) == 5  # looked at, and found to be others
    assert run("resume", path, "--steps", 4, "--data", moved) == 0
    assert RunDirectory(path).read_config().data.path == str(moved)


# --- 14, 15: signals -------------------------------------------------------------------------------------


def during_step(monkeypatch: pytest.MonkeyPatch, step: int, action: Callable[[], object]) -> None:
    """Do something in the middle of a step, between its two updates."""
    losses = Step.generator_losses

    def watched(self: Step, update: str, randomness: Randomness, settings: StepSettings) -> Losses:
        calls.append(update)
        if len(calls) == step:
            action()
        return losses(self, update, randomness, settings)

    calls: list[str] = []
    monkeypatch.setattr(Step, "generator_losses", watched)


def send(number: int) -> Callable[..., None]:
    return lambda *_: os.kill(os.getpid(), number)


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129), (signal.SIGXCPU, 152)],
)
def test_a_signal_in_a_step_saves_and_stops(
    number: int,
    code: int,
    config: Path,
    undisturbed: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "run"
    with monkeypatch.context() as patched:
        during_step(patched, 23, send(number))
        assert run("train", config, "--out", path) == code
    shown = capsys.readouterr()
    assert f"infogan resume {path}\n" in shown.err
    assert "trained" not in shown.out
    assert steps_kept(path) == [20, 23]  # the step was not torn
    assert InfoGAN.from_pretrained(path).provenance["steps"] == 23
    assert run("resume", path) == 0
    assert_same(path, undisturbed)


def test_a_second_sigterm_changes_nothing(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A process manager, and a shell beside it, may both send one."""
    path, save = tmp_path / "run", InfoGAN.save_pretrained

    def save_and_signal(model: InfoGAN, folder: Path) -> None:
        save(model, folder)
        send(signal.SIGTERM)()

    monkeypatch.setattr(InfoGAN, "save_pretrained", save_and_signal)
    farewell = cli._farewell

    def signal_and_say(request: Interrupted, plugins: Sequence[str]) -> str:
        send(signal.SIGTERM)()
        return farewell(request, plugins)

    monkeypatch.setattr(cli, "_farewell", signal_and_say)
    during_step(monkeypatch, 3, send(signal.SIGTERM))
    assert run("train", config, "--out", path) == 143
    assert f"infogan resume {path}\n" in capsys.readouterr().err
    assert steps_kept(path) == [3]


def test_a_signal_while_a_picture_is_drawn(
    config: Path,
    undisturbed: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "run"
    with monkeypatch.context() as patched:
        patched.setattr(pictures, "sample_grid", send(signal.SIGTERM))
        assert run("train", config, "--out", path, "--set", "sample_every=15") == 143
    assert f"infogan resume {path}\n" in capsys.readouterr().err
    assert steps_kept(path) == [15]
    assert list((path / "samples").iterdir()) == []
    assert run("resume", path, "--set", "sample_every=1000") == 0
    assert weights(path) == weights(undisturbed)


def test_a_signal_while_images_are_loaded(
    config: Path,
    begun: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(data, "load", send(signal.SIGTERM))
    assert run("train", config, "--out", tmp_path / "new") == 143
    assert "nothing to resume" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
    assert run("resume", begun, "--steps", 60) == 143  # here there is something to go on with
    assert f"infogan resume {begun}\n" in capsys.readouterr().err
    assert steps_kept(begun) == [20, 40]


def test_a_signal_after_the_training(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from infogan import evaluation

    monkeypatch.setattr(evaluation, "sorting_line", send(signal.SIGTERM))
    assert run("train", config, "--out", tmp_path / "run", "--steps", 3) == 143
    assert f"infogan resume {tmp_path / 'run'}\n" in capsys.readouterr().err
    assert InfoGAN.from_pretrained(tmp_path / "run").provenance["steps"] == 3


@pytest.mark.slow
def test_sigterm_from_outside(config: Path, undisturbed: Path, tmp_path: Path, start: Start) -> None:
    path = tmp_path / "run"
    process = start("train", config, "--out", path, "--steps", 1_000_000)
    wait_for((path / "metrics.jsonl").is_file, process)
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=PATIENCE)
    assert process.returncode == 143
    assert "Traceback" not in told
    assert f"infogan resume {path}\n" in told
    done = max(steps_kept(path))
    assert InfoGAN.from_pretrained(path).provenance["steps"] == done >= 20
    assert lines(path)[0] == lines(undisturbed)[0]


@pytest.mark.slow
def test_sigint_twice_ends_at_once_though_a_save_hangs(config: Path, tmp_path: Path, start: Start) -> None:
    path, hanging = tmp_path / "run", tmp_path / "hanging"
    hang = (
        "import time, pathlib\n"
        "from infogan import storage\n"
        "def hang(name):\n"
        "    if name == 'file:optimizer.safetensors':\n"
        f"        pathlib.Path({str(hanging)!r}).touch()\n"
        "        time.sleep(1000)\n"
        "storage.reach = hang\n"
    )
    process = start("train", config, "--out", path, script=hang)
    wait_for(hanging.is_file, process)
    process.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=0.5)  # the first one waits for the save
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=PATIENCE) == 130
    assert run("resume", path, "--steps", 1) == 0  # nothing is in the way of a new start


# --- 18, 33: numbers that run away, a configuration that does not fit ------------------------------------


# 1,000 times the usual rates leave these small networks, with their batch norm, alive: 10,000 times do not.
WILD = ["--set", "learning_rate_generator=10.0", "--set", "learning_rate_discriminator=2.0"]


def test_divergence_names_step_and_remedy_and_keeps_the_checkpoint(
    begun: Path, undisturbed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("resume", begun, "--steps", 60, *WILD, "--override") == 3
    shown = capsys.readouterr()
    message = THREE_PARTS.search(shown.err)
    assert message
    assert re.search(r"training diverged at step 4\d: \S+ is -?[\d.e+]+ nats", message[1])
    assert f"the last checkpoint is {begun}/checkpoints/step-00000040" in message[1]
    assert "training.learning_rate_generator = 2 and training.learning_rate_discriminator = 0.4" in message[2]
    assert "trained" not in shown.out
    usual = ["--set", "learning_rate_generator=0.001", "--set", "learning_rate_discriminator=0.0002"]
    assert run("resume", begun, *usual, "--override") == 0
    assert_same(begun, undisturbed)


def test_divergence_from_the_start(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("train", config, "--out", tmp_path / "run", *WILD) == 3
    assert "there is no earlier checkpoint" in capsys.readouterr().err
    assert not (tmp_path / "run" / "model").exists()


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ("save_every = 20", "save_evry = 20", ["'training.save_evry'", "did you mean 'save_every'?"]),
        ("batch_size = 16", 'batch_size = "16"', ["training.batch_size = '16'"]),
        ("batch_size = 16", "batch_size = 1", ["training.batch_size = 1"]),
        ("batch_size = 16", f"batch_size = {10**30}", ["training.batch_size = 1000"]),
        ('kind = "uniform"', 'kind = "unifrm"', ["latents.codes.style"]),
        ("version = 1", "version = 4", ["version = 4"]),
    ],
)
def test_a_configuration_that_does_not_fit(
    old: str, new: str, parts: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, bad = f"version = 1{TINY}", tmp_path / "bad.toml"
    assert text.count(old) == 1
    bad.write_text(text.replace(old, new))
    assert run("train", bad, "--out", tmp_path / "run") == 2
    message = THREE_PARTS.fullmatch(capsys.readouterr().err)
    assert message
    line = text[: text.index(old)].count("\n") + 1
    # A code's kind is reported where its table begins.
    place = f"{bad}:{line - 1 if 'kind' in old else line}: "
    assert message[1].startswith(place), message[1]
    assert all(part in message[1] for part in parts), message[1]
    assert not (tmp_path / "run").exists()


# --- 32: weights that do not fit -------------------------------------------------------------------------


def test_weights_of_another_configuration_are_named(begun: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tensors = safetensors.torch.load((begun / "model" / "model.safetensors").read_bytes())
    name = "discriminator.output.weight"
    tensors[name] = tensors[name].double()
    files = {
        "model.safetensors": safetensors.torch.save(tensors),
        **{name: (begun / "model" / name).read_bytes() for name in ("config.toml", "provenance.json")},
    }
    checkpoint.storage.write_folder(begun / "model", files)
    assert run("sample", begun) == 4
    message = THREE_PARTS.fullmatch(capsys.readouterr().err)
    assert message and f"{name} is torch.float64" in message[1]
