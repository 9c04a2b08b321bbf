"""Several processes train as one does; they stop together, and a run resumes with any number of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from infogan import config as configuration
from infogan.config import Config
from infogan.data import Dataset, Split
from infogan.errors import ConfigError, DataError
from infogan.model import InfoGAN
from infogan.runs import checkpoint, metrics_log
from infogan.runs.directory import RunDirectory
from infogan.training import launcher, runner
from infogan.training.distributed import Ranks
from tests.training.step_builders import with_training

ROOT = Path(__file__).resolve().parent.parent.parent
WORKER = ["-m", "tests.training.distributed_worker"]
TINY = ["--set", "network.width=0.125", "--set", "sample_every=100000", "--recipe", "paper"]


def worker(ranks: int, recipe: str, dtype: str, out: Path) -> list[dict[str, float]]:
    """Train by some processes, and return the sums of all values after each of 20 steps."""
    port = str(launcher._free_port())
    shared = {
        "WORLD_SIZE": str(ranks),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": port,
        "OMP_NUM_THREADS": "1",
    }
    processes = [
        subprocess.Popen(
            [sys.executable, *WORKER, recipe, "20", dtype, str(out)],
            cwd=ROOT,
            env={**os.environ, **shared, "RANK": str(rank)},
        )
        for rank in range(ranks)
    ]
    assert [process.wait(300) for process in processes] == [0] * ranks
    lines: list[dict[str, float]] = json.loads(out.read_text())
    return lines


@pytest.mark.parametrize(
    ("recipe", "ranks"),
    [
        pytest.param("paper", 2, marks=pytest.mark.slow),
        pytest.param("robust", 2, marks=pytest.mark.slow),
        pytest.param("cr", 3, marks=pytest.mark.long),
    ],
)
def test_several_processes_train_as_one_does(recipe: str, ranks: int, tmp_path: Path) -> None:
    """A third of 128 images, from which continuous codes are predicted, is not even divided evenly."""
    alone = worker(1, recipe, "float64", tmp_path / "alone.json")
    divided = worker(ranks, recipe, "float64", tmp_path / "divided.json")
    for one, other in zip(alone, divided, strict=True):
        assert other == pytest.approx(one, rel=1e-9, abs=1e-9)


@pytest.mark.long
def test_in_single_precision_the_first_steps_differ_by_rounding_alone(tmp_path: Path) -> None:
    alone = worker(1, "paper", "float32", tmp_path / "alone.json")
    divided = worker(2, "paper", "float32", tmp_path / "divided.json")
    for one, other in zip(alone[:4], divided[:4], strict=True):
        assert other == pytest.approx(one, rel=1e-5, abs=1e-5)


# --- the command -----------------------------------------------------------------------------------------


def started(run: Path, *arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "infogan", "train", "digits", "--out", str(run), "--devices", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([*command, *TINY, *arguments], env=environment, stdout=subprocess.DEVNULL)


def wait_for(condition: Callable[[], Any], seconds: float = 240) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def children(pid: int) -> dict[str, int]:
    """Return the process ids of a launcher's children by their RANK."""
    ids = map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
    found = {}
    for child in ids:
        for entry in Path(f"/proc/{child}/environ").read_bytes().split(b"\0"):
            if entry.startswith(b"RANK="):
                found[entry.removeprefix(b"RANK=").decode()] = child
    return found


def resumed(run: Path, devices: int, steps: int) -> int:
    command = [sys.executable, "-m", "infogan", "resume", str(run), "--devices", str(devices)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(
        [*command, "--steps", str(steps)],
        check=False,
        env=environment,
        stdout=subprocess.DEVNULL,
        timeout=300,
    )
    return ended.returncode


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs /proc, to find the processes")
@pytest.mark.parametrize("killed", ["0", "1"])
def test_when_one_process_is_killed_the_other_ends_and_the_checkpoint_is_good(
    killed: str, tmp_path: Path
) -> None:
    run = RunDirectory(tmp_path / "run")
    process = started(run.path, "--steps", "100000", "--set", "save_every=10")
    wait_for(lambda: run.checkpoints.is_dir() and checkpoint.listed(run.checkpoints))
    ranks = children(process.pid)
    os.kill(ranks[killed], signal.SIGKILL)
    assert process.wait(60) == 128 + signal.SIGKILL
    assert not any(Path(f"/proc/{pid}").exists() for pid in ranks.values())
    last = max(checkpoint.listed(run.checkpoints))
    assert resumed(run.path, 1, last + 5) == 0  # on another number of processes
    assert max(checkpoint.listed(run.checkpoints)) == last + 5


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs /proc, to find the processes")
@pytest.mark.parametrize("receiver", ["launcher", "1"])
def test_a_signal_to_any_process_saves_the_run_at_one_step(receiver: str, tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    process = started(run.path, "--steps", "100000", "--set", "save_every=100000")
    wait_for(lambda: run.metrics_path.is_file() and run.metrics_path.stat().st_size)
    os.kill(process.pid if receiver == "launcher" else children(process.pid)[receiver], signal.SIGTERM)
    assert process.wait(60) == 143
    (last,) = checkpoint.listed(run.checkpoints)
    assert resumed(run.path, 3, last + 3) == 0
    assert metrics_log.read(run.metrics_path)[-1]["step"] == last + 3


def test_an_error_of_the_command_keeps_its_exit_code(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "infogan", "train", "no-such-preset", "--devices", "2"]
    ended = subprocess.run(command, check=False, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 2
    assert "no-such-preset" in ended.stderr


def test_a_process_with_other_images_is_refused_before_the_first_step(tiny_config: Config) -> None:
    class Received(Ranks):
        def receive(self) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
            return {"config": configuration.to_toml(tiny_config), "data": "0" * 64}, {}

    def load(config: Config) -> Dataset:
        assert config == tiny_config  # the configuration is that of process 0
        images = np.zeros((8, 8, 8, 1), np.uint8)
        return Dataset("folder", Split(images), Split(images))

    with pytest.raises(DataError, match="process 1: the training images are not those of process 0"):
        runner.follow(Received(1, 2, None), load)


# --- what cannot be divided ------------------------------------------------------------------------------


def test_a_batch_needs_three_images_per_device(tiny_config: Config) -> None:
    config = with_training(tiny_config)  # of 8 images
    Ranks(0, 2, None).check(config)
    with pytest.raises(ConfigError, match="batch_size = 8 for 3 devices"):
        Ranks(0, 3, None).check(config)


def test_batch_norm_of_a_plugin_is_refused(tiny_config: Config) -> None:
    model = InfoGAN(tiny_config)
    model.trunk.add_module("more", nn.BatchNorm2d(3))
    with pytest.raises(ConfigError, match="BatchNorm2d"):
        Ranks(0, 2, None).divide(model)


def test_parts_of_a_batch_are_disjoint_and_divide_each_domain() -> None:
    batch = torch.arange(2 * 43)  # 43 real and 43 generated images
    parts = [Ranks(rank, 4, None).part(batch, 2) for rank in range(4)]
    assert torch.cat(parts).sort().values.tolist() == batch.tolist()
    for part in parts:
        real, generated = part.chunk(2)
        assert (real + 43).tolist() == generated.tolist()
    assert {len(part) for part in parts} <= {20, 22}
