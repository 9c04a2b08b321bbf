"""Cost of training against the number of images: `python -m benchmarks.data_size`.

`steps` measures the time of a training step for 10,000 to ten million images in a memory map, in turn, so
that a change of the machine's speed affects all of them. `memory` makes a million images, and runs `data
prepare`, `train`, `evaluate` and `encode` in processes of their own, whose anonymous memory is sampled:
RssAnon of /proc/PID/status. Pages of memory-mapped files do not count, since the kernel can drop them at any
time.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
COUNTS = (10_000, 100_000, 1_000_000, 10_000_000)
FLAT = 1.1
"""Largest time of a step with ten million images, relative to ten thousand."""

MOST_ANONYMOUS = 2e9
FIRST_STEP = 10.0
_SIDE, _CHUNK = 64, 1_000
_SAMPLE = 0.05  # seconds


# --- the time of a step ----------------------------------------------------------------------------------


def step_of(count: int, folder: Path) -> Callable[[], None]:
    """Return a function that trains on `count` images of 8x8 pixels for one step."""
    import torch

    from infogan import presets, recipes
    from infogan.model import InfoGAN
    from infogan.training.trainer import Trainer

    path = folder / f"{count}.npy"
    if not path.is_file():
        images = np.lib.format.open_memmap(path, "w+", np.uint8, (count, 8, 8, 1))
        rng = np.random.Generator(np.random.Philox(key=0))
        for start in range(0, count, 100_000):
            images[start : start + 100_000] = rng.integers(0, 256, images[start : start + 100_000].shape)
        images.flush()
    config = recipes.find("paper").apply(presets.load("digits")).replace(network={"width": 0.5})
    images = np.load(path, mmap_mode="c")
    trainer = Trainer(
        InfoGAN(config), torch.from_numpy(np.asarray(images)), device=torch.device("cpu"), precision="float32"
    )
    return trainer.advance


def measure_steps(folder: Path, rounds: int, steps: int) -> dict[str, Any]:
    """Return the milliseconds of a step for each number of images, and of a permutation of all images.

    Returns:
        by number of images, `step_ms`, the median over the rounds, `relative`, the median of its ratio to the
        smallest number in the same round, and `permutation_ms`, which each step cost before it was kept.
    """
    import torch

    torch.set_num_threads(1)
    advance = {count: step_of(count, folder) for count in COUNTS}
    for step in advance.values():
        for _ in range(5):
            step()
    seconds: dict[int, list[float]] = {count: [] for count in COUNTS}
    for number in range(rounds):
        for count in COUNTS if number % 2 == 0 else reversed(COUNTS):
            start = time.process_time()  # another process on the same core does not count
            for _ in range(steps):
                advance[count]()
            seconds[count].append((time.process_time() - start) / steps)
    rng = torch.Generator().manual_seed(0)
    result = {}
    for count in COUNTS:
        start = time.process_time()
        torch.randperm(count, generator=rng)
        permutation = time.process_time() - start
        ratios = [mine / least for mine, least in zip(seconds[count], seconds[COUNTS[0]], strict=True)]
        result[str(count)] = {
            "step_ms": round(1e3 * statistics.median(seconds[count]), 3),
            "relative": round(statistics.median(ratios), 3),
            "permutation_ms": round(1e3 * permutation, 2),
        }
    return result


# --- the memory of a million images ----------------------------------------------------------------------


def make_images(path: Path, count: int) -> None:
    """Write `count` different colour images of 64x64 pixels: coarse random squares under fine noise."""
    images = np.lib.format.open_memmap(path, "w+", np.uint8, (count, _SIDE, _SIDE, 3))
    rng = np.random.Generator(np.random.Philox(key=0))
    noise = rng.integers(0, 32, (_CHUNK, _SIDE, _SIDE, 3), dtype=np.uint8)
    for start in range(0, count, _CHUNK):
        part = images[start : start + _CHUNK]
        coarse = rng.integers(0, 224, (len(part), 8, 8, 3), dtype=np.uint8)
        part[:] = coarse.repeat(8, 1).repeat(8, 2) + noise[: len(part)]
    images.flush()


def peak_of(command: Sequence[str], log: Path) -> dict[str, float]:
    """Run `python COMMAND`; return its seconds and the largest anonymous memory of the process in GB."""
    start, peak = time.monotonic(), 0
    with log.open("ab") as output:
        process = subprocess.Popen([sys.executable, *command], cwd=ROOT, stdout=output, stderr=output)
        while process.poll() is None:
            peak = max(peak, *_anonymous(process.pid))
            time.sleep(_SAMPLE)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}; see {log}")
    return {"seconds": round(time.monotonic() - start, 1), "anonymous_gb": round(peak / 1e9, 3)}


def _anonymous(pid: int) -> Iterator[int]:
    yield 0
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:  # it has ended
        return
    yield from (int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("RssAnon"))


def measure_memory(folder: Path, count: int, steps: int, width: float) -> dict[str, Any]:
    """Make images, prepare them, train, evaluate and encode; return seconds and memory of each command.

    The results are kept in FOLDER/measured.json after each command. Commands that are measured there are not
    run again, so that a measurement that was interrupted is completed by the same call.
    """
    os.environ["INFOGAN_CACHE"] = str(folder / "cache")
    images, prepared, log = folder / "images.npy", folder / "prepared", folder / "commands.log"
    kept = folder / "measured.json"
    facts = {"images": count, "steps": steps, "width": width, "bytes": count * _SIDE * _SIDE * 3}
    measured: dict[str, Any] = json.loads(kept.read_text()) if kept.is_file() else facts
    if {name: measured[name] for name in facts} != facts:
        raise SystemExit(f"{kept} is of {measured['images']:,} images; use another folder")
    if "prepare" not in measured and not images.is_file():
        _say(f"making {count:,} images")
        unfinished = folder / "unfinished.npy"
        make_images(unfinished, count)
        unfinished.rename(images)
    for name, command in _commands(folder, steps, width).items():
        if name in measured:
            continue
        _say(f"{name}: python {' '.join(command)}")
        result: dict[str, Any] = peak_of(command, log)
        if name == "first step":
            result["first_step_seconds"] = float(_last_line(log, "first step after"))
        _say(f"  {result}")
        measured[name] = result
        kept.write_text(json.dumps(measured, indent=1))
        if name == "prepare":
            images.unlink()  # so that the disk holds the images once
            assert prepared.is_dir()
    return measured


def _commands(folder: Path, steps: int, width: float) -> dict[str, Sequence[str]]:
    """Return the arguments of Python for each command, by what it does."""
    prepared, run, infogan = str(folder / "prepared"), str(folder / "run"), ("-m", "infogan")
    settings = ("--recipe", "paper", "--steps", str(steps), "--set", f"network.width={width}")
    return {
        "prepare": (*infogan, "data", "prepare", str(folder / "images.npy"), "--out", prepared),
        "first step": ("-m", "benchmarks.data_size", "first-step", prepared, f"--width={width}"),
        "train": (*infogan, "train", prepared, "--out", run, *settings),
        "evaluate": (*infogan, "evaluate", run, "--samples", "1000"),
        "encode": (*infogan, "encode", run, prepared, "--out", str(folder / "codes.csv")),
    }


def _last_line(log: Path, start: str) -> str:
    lines = [line for line in log.read_text().splitlines() if line.startswith(start)]
    return lines[-1].split()[-2]


def first_step(prepared: Path, width: float, began: float) -> None:
    """Print the seconds since `began` after the first step of a training on prepared images."""
    from infogan import api
    from infogan.training.trainer import Trainer

    advance = Trainer.advance

    def timed(trainer: Trainer) -> None:
        advance(trainer)
        print(f"first step after {time.time() - began:.2f} s", flush=True)

    Trainer.advance = timed  # type: ignore[method-assign]
    with tempfile.TemporaryDirectory() as folder:
        settings = {"training.steps": 1, "network.width": width}
        api.train(prepared, recipe="paper", out=Path(folder) / "run", settings=settings, progress=False)


# --- the command -----------------------------------------------------------------------------------------


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _measured_steps(folder: Path, rounds: int, steps: int) -> bool:
    table = measure_steps(folder, rounds, steps)
    print(f"{'images':>12}{'step, ms':>12}{'relative':>12}{'permutation, ms':>18}")
    for count, row in table.items():
        values = f"{row['step_ms']:12.2f}{row['relative']:12.3f}{row['permutation_ms']:18.2f}"
        print(f"{int(count):12,}{values}")
    return bool(table[str(COUNTS[-1])]["relative"] <= FLAT)


def _measured_memory(folder: Path, count: int, steps: int, width: float) -> bool:
    measured = measure_memory(folder, count, steps, width)
    print(json.dumps(measured, indent=2))
    parts = [value for value in measured.values() if isinstance(value, dict)]
    first: float = measured["first step"]["first_step_seconds"]
    return first <= FIRST_STEP and all(part["anonymous_gb"] * 1e9 < MOST_ANONYMOUS for part in parts)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; return 1 if a target is missed."""
    began = time.time()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.data_size", description=__doc__)
    parser.add_argument("what", choices=("steps", "memory", "first-step"))
    parser.add_argument("paths", nargs="*", type=Path, help="for first-step, which memory runs")
    parser.add_argument(
        "--folder", type=Path, help="for the images, up to 37 GB for a million; default: temporary"
    )
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--steps", type=int, default=200, help="training steps for memory")
    parser.add_argument("--width", type=float, default=0.25, help="of the networks for memory")
    parser.add_argument("--rounds", type=int, default=15)
    given = parser.parse_args(arguments)
    if given.what == "first-step":
        first_step(given.paths[0], given.width, began)
        return 0
    folder = given.folder or Path(tempfile.mkdtemp(prefix="infogan-data-size-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        if given.what == "steps":
            return 0 if _measured_steps(folder, given.rounds, 20) else 1
        return 0 if _measured_memory(folder, given.images, given.steps, given.width) else 1
    finally:
        if given.folder is None:
            shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main())
