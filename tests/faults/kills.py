"""SIGKILL at random times, over training, several seeds, discover and prepare.

    python -m tests.faults --kills 100

A command is killed and given again until it ends; its result must be that of an undisturbed one, to the last
bit. Each process is forked from this one, so that torch is imported once.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

_MOST_KILLS = 6  # before a command may end undisturbed
_DEADLINE = 300.0  # seconds, for one command


@dataclass(frozen=True)
class Work:
    """A command that is killed.

    Attributes:
        name: in the table.
        share: of the kills.
        command: runs it, in a folder; also again after a kill.
        result: what must be equal in the end.
    """

    name: str
    share: float
    command: Callable[[Path], int]
    result: Callable[[Path], Any]


@dataclass
class Row:
    """The result of one work: kills, commands that were ended by them, and results that differ."""

    work: str
    kills: int = 0
    finished: int = 0
    lost: int = 0
    example: str = ""


_SETTINGS = {
    "width": 0.0625, "noise": 6, "batch_size": 16, "held_out": 1637, "prune_steps": [20, 40], "steps": 60,
    "save_every": 10, "sample_every": 1000, "precision": "float32", "device": "cpu",
}  # fmt: skip


def _begin_or_resume(*arguments: str) -> Callable[[Path], int]:
    def command(folder: Path) -> int:
        from infogan import cli
        from infogan.runs.directory import is_run

        out = folder / "run"
        if is_run(out):
            return cli.main(["resume", str(out)])
        shutil.rmtree(out, ignore_errors=True)  # killed before there was anything to resume
        settings = [part for key, value in _SETTINGS.items() for part in ("--set", f"{key}={value}")]
        return cli.main(["train", "digits", "--recipe", "robust", *settings, "--out", str(out), *arguments])

    return command


def _trained(folder: Path) -> Any:
    run = folder / "run"
    lines = []
    for path in sorted(run.rglob("metrics.jsonl")):
        whole = [json.loads(line) for line in path.read_text().splitlines()]
        lines.append(
            [{k: v for k, v in line.items() if k not in ("seconds", "images_per_second")} for line in whole]
        )
    left = [str(path) for path in run.rglob(".tmp-*")]
    return (run / "model" / "model.safetensors").read_bytes(), lines, left


def _discover(folder: Path) -> int:
    from infogan.discovery.discover import discover

    images = folder / "blobs.npz"
    if not images.exists():
        rng = np.random.default_rng(0)
        x, y = rng.uniform(2, 9, 400), rng.uniform(5, 6, 400)
        rows, columns = np.mgrid[:12, :12]
        distance = (columns - x[:, None, None]) ** 2 + (rows - y[:, None, None]) ** 2
        np.savez(folder / "new.npz", images=(255 * np.exp(-distance / 4)).astype(np.uint8)[..., None])
        (folder / "new.npz").rename(images)
    narrow = {"network.width": 0.25}
    os.chdir(folder)
    # The number of steps follows the clock, which stands still here.
    discover("blobs.npz", minutes=0.02, out="out", categories=0, settings=narrow, clock=lambda: 0.0)
    return 0


def _discovered(folder: Path) -> Any:
    found = json.loads((folder / "out" / "discovery.json").read_text())
    found["scores"].pop("train_seconds", None)
    return found, (folder / "out" / "codes.csv").read_bytes(), (folder / "out" / "encoder-training").exists()


def _prepare(folder: Path) -> int:
    from infogan import cli

    pictures = folder / "pictures"
    if not pictures.exists():
        (folder / "new").mkdir(exist_ok=True)
        rng = np.random.default_rng(0)
        for number in range(400):
            image = Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8))
            image.save(folder / "new" / f"{number}.png")
            os.utime(folder / "new" / f"{number}.png", (0, 0))
        (folder / "new").rename(pictures)
    os.environ["INFOGAN_CACHE"] = str(folder / "cache")
    return cli.main(["data", "prepare", str(pictures)])


def _prepared(folder: Path) -> Any:
    parent = folder / "cache" / "prepared"
    names = sorted(path.name for path in parent.iterdir() if not path.name.startswith(".lock"))
    files = {path.name: path.read_bytes() for path in parent.glob("folder-*/*.npy")}
    return len(names), files


WORKS = (
    Work("training", 0.4, _begin_or_resume(), _trained),
    Work("several seeds", 0.25, _begin_or_resume("--seeds", "3"), _trained),
    Work("discover", 0.15, _discover, _discovered),
    Work("prepare", 0.2, _prepare, _prepared),
)


def run(count: int, folder: Path) -> list[Row]:
    """Kill `count` processes; print and return the rows."""
    rows = []
    for work in WORKS:
        row = _work(work, max(1, round(work.share * count)), folder / work.name.replace(" ", "-"))
        rows.append(row)
        print(
            f"{row.work:16} {row.kills:4} kills  {row.finished:3} commands ended  {row.lost:2} lost  "
            f"{row.example}",
            flush=True,
        )
    return rows


def _work(work: Work, count: int, folder: Path) -> Row:
    row, rng = Row(work.name), np.random.default_rng(len(work.name))
    undisturbed = folder / "undisturbed"
    undisturbed.mkdir(parents=True)
    began = time.monotonic()
    if _wait(_start(work, undisturbed), _DEADLINE) != 0:
        return Row(work.name, lost=1, example="the undisturbed command failed")
    usual, expected = time.monotonic() - began, work.result(undisturbed)
    while row.kills < count:
        own = folder / f"{row.finished}"
        own.mkdir()
        for attempt in range(_MOST_KILLS + 1):
            pid = _start(work, own)
            if attempt < _MOST_KILLS and row.kills < count:
                code = _wait(pid, float(rng.uniform(0, usual)))
                row.kills += code is None
            else:
                code = _wait(pid, _DEADLINE)
            if code is not None:
                break
        row.finished += 1
        problem = _problem(work, own, code, expected)
        row.lost += bool(problem)
        row.example = row.example or problem
        if not problem:
            shutil.rmtree(own)
    return row


def _problem(work: Work, folder: Path, code: int | None, expected: Any) -> str:
    if code != 0:
        return f"exit code {code}: see {folder / 'output.txt'}"
    try:
        return "" if work.result(folder) == expected else f"another result in {folder}"
    except (OSError, ValueError) as error:
        return f"no result in {folder}: {error}"


def _start(work: Work, folder: Path) -> int:
    if (pid := os.fork()) == 0:
        code = 1
        try:
            output = os.open(folder / "output.txt", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
            os.dup2(output, 1)
            os.dup2(output, 2)
            code = work.command(folder)
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            with contextlib.suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)
    return pid


def _wait(pid: int, seconds: float) -> int | None:
    """Return the exit code of a process; None if it was killed after some seconds."""
    for _ in _ticks(seconds):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
    os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    return None if code == -signal.SIGKILL else code


def _ticks(seconds: float) -> Iterator[None]:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield
        time.sleep(min(0.01, max(0.0, end - time.monotonic())))
