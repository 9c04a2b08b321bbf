"""A cost model of training by several devices, from measured pieces: `python -m benchmarks.scaling`.

Measured on this machine: the time of a step as a function of the batch and of the part of it that a device
computes, with a `Ranks` that communicates nothing; the bytes and the number of collective operations of a
step; and what two gloo processes on this machine need for them. Assumed: the bandwidth and latency of a
network, which are labelled so. A step of N devices on a batch of B images then takes

    fixed + divided * B / N + repeated * B + 2 (N - 1) / N * bytes / bandwidth + calls * latency

`divided` are the passes through the networks; `repeated` is what every device computes for the whole batch:
augmentation, heads and losses.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from infogan import presets, recipes
from infogan.model import InfoGAN
from infogan.training import distributed, engine, launcher
from infogan.training.distributed import Ranks
from infogan.training.trainer import Trainer

ROOT = Path(__file__).resolve().parent.parent
POINTS = ((48, 1), (128, 1), (128, 2), (128, 4), (192, 2))
"""Batches and numbers of devices at which steps are measured."""

DEVICES = (1, 2, 4, 8, 16, 32, 64)
PER_DEVICE = 128


@dataclass(frozen=True)
class Network:
    """A network between devices: assumed figures.

    Attributes:
        name: of the network.
        bandwidth: bytes per second of one device's link in each direction.
        latency: seconds of a small collective operation of two devices; it grows with log2 of their number.
    """

    name: str
    bandwidth: float
    latency: float


NETWORKS = (
    Network("NVLink, assumed 200 GB/s, 15 us", 200e9, 15e-6),
    Network("PCIe, assumed 20 GB/s, 20 us", 20e9, 20e-6),
    Network("100 Gbit Ethernet, assumed 10 GB/s, 40 us", 10e9, 40e-6),
    Network("10 Gbit Ethernet, assumed 1 GB/s, 80 us", 1e9, 80e-6),
)


class Silent(Ranks):
    """Process 0 of several that do not exist: it computes its part, and counts what it would communicate."""

    def __init__(self, size: int) -> None:
        super().__init__(0, size, None)
        self.calls, self.gathered, self.reduced = 0, 0, 0

    def whole(self, part: Tensor, count: int, domains: int) -> Tensor:
        """Return a batch made of copies of this process's part."""
        self.calls += 1
        local = part.unflatten(0, (domains, -1))
        rows = torch.arange(count // domains) % local.shape[1]
        whole = local[:, rows].flatten(0, 1)
        self.gathered += whole.nbytes
        return whole.contiguous(memory_format=torch.channels_last) if whole.ndim == 4 else whole

    def average(self, gradients: Sequence[Tensor], values: Tensor) -> Tensor:
        """Return the values of this process alone."""
        self.calls += 1
        self.reduced += sum(4 * gradient.numel() for gradient in gradients) + values.nbytes
        return values

    def _total(self, value: Tensor) -> Tensor:
        self.calls += 2 if torch.is_grad_enabled() else 1  # its backward pass is one more
        self.reduced += value.nbytes
        return value * self.size if self.divides else value


def trainer_of(preset: str, recipe: str, batch: int, ranks: Ranks | None, width: float) -> Trainer:
    """Return a trainer of a preset on random images."""
    config = recipes.find(recipe).apply(presets.load(preset))
    config = config.replace(training={"batch_size": batch}, network={"width": width})
    size, channels = config.data.size, config.data.channels
    rng = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (1_000, size, size, channels), dtype=torch.uint8, generator=rng)
    nearest = torch.randint(1_000, (1_000, max(1, config.objective.neighbours)), generator=rng)
    device = engine.choose_device("auto")
    return Trainer(InfoGAN(config), images, device=device, precision="float32", nearest=nearest, ranks=ranks)


def seconds_of(trainer: Trainer, steps: int) -> float:
    """Return the least time of a step: on a CPU that of the process, which other processes do not change."""
    on_gpu = trainer.device.type == "cuda"
    clock = time.perf_counter if on_gpu else time.process_time
    trainer.advance()
    times = []
    for _ in range(steps):
        start = clock()
        trainer.advance()
        if on_gpu:
            torch.cuda.synchronize()
        times.append(clock() - start)
    return min(times)


def measure(preset: str, recipe: str, steps: int, width: float) -> dict[str, Any]:
    """Measure the pieces of the model."""
    torch.set_num_threads(1)
    rows, seconds = [], []
    facts: dict[str, Any] = {}
    for batch, devices in POINTS:
        ranks = Silent(devices) if devices > 1 else None
        trainer = trainer_of(preset, recipe, batch, ranks, width)
        seconds.append(seconds_of(trainer, steps))
        rows.append((1.0, batch / devices, batch))
        print(f"{batch} images, {devices} devices: {1e3 * seconds[-1]:.1f} ms", file=sys.stderr, flush=True)
        if ranks is not None:
            made = steps + 1
            facts = {
                "calls": ranks.calls // made,
                "gathered_bytes_per_image": ranks.gathered // made // batch,
                "reduced_bytes": ranks.reduced // made,
            }
    weights = 1 / np.array(seconds)  # relative errors
    (fixed, divided, repeated), *_ = np.linalg.lstsq(
        np.array(rows) * weights[:, None], np.ones(len(rows)), rcond=None
    )
    return {
        "preset": preset, "recipe": recipe, "width": width,
        "fixed_seconds": fixed, "divided_seconds_per_image": divided, "repeated_seconds_per_image": repeated,
        "measured": [[*point, value] for point, value in zip(POINTS, seconds, strict=True)],
        "gloo": measure_gloo(facts["reduced_bytes"]),
        **facts,
    }  # fmt: skip


def seconds_at(pieces: dict[str, Any], batch: int, devices: int, network: Network) -> float:
    """Return the seconds of a step by the model."""
    compute = (
        pieces["fixed_seconds"]
        + pieces["divided_seconds_per_image"] * batch / devices
        + pieces["repeated_seconds_per_image"] * batch
    )
    if devices == 1:
        return float(compute)
    share = (devices - 1) / devices
    moved = 2 * share * pieces["reduced_bytes"] + share * pieces["gathered_bytes_per_image"] * batch
    return float(compute + moved / network.bandwidth + pieces["calls"] * network.latency * np.log2(devices))


def measure_gloo(size: int) -> dict[str, float]:
    """Return the seconds of a reduction of a few bytes and of `size` bytes by two processes."""
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(launcher._free_port())}
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.scaling", "--gloo", str(size)],
            cwd=ROOT,
            env={**os.environ, **shared, "RANK": str(rank)},
            stdout=subprocess.PIPE,
        )
        for rank in range(2)
    ]
    outputs = [process.communicate()[0] for process in processes]
    measured: dict[str, float] = json.loads(outputs[0])
    return measured


def gloo(size: int) -> None:
    """Print the seconds of two reductions, as JSON."""
    import torch.distributed as dist

    with distributed.joined():
        result = {}
        for name, count in (("small_seconds", 8), ("gradients_seconds", size // 4)):
            value = torch.ones(count)
            times = []
            for _ in range(10):
                dist.barrier()
                start = time.perf_counter()
                dist.all_reduce(value)
                times.append(time.perf_counter() - start)
            result[name] = min(times)
    print(json.dumps(result))


def table(pieces: dict[str, Any]) -> str:
    """Return steps and images per second for each network and number of devices."""
    lines = [
        f"{pieces['preset']}, {pieces['recipe']}: {1e3 * pieces['fixed_seconds']:.1f} ms fixed, "
        f"{1e6 * pieces['divided_seconds_per_image']:.0f} us per image divided, "
        f"{1e6 * pieces['repeated_seconds_per_image']:.0f} us per image repeated; "
        f"{pieces['reduced_bytes'] / 1e6:.1f} MB reduced, "
        f"{pieces['gathered_bytes_per_image'] / 1e3:.1f} kB per image gathered, {pieces['calls']} calls",
    ]
    for title, batch_of in (
        (f"images/s, a batch of {PER_DEVICE} per device", lambda n: PER_DEVICE * n),
        ("images/s, one batch of 1,024", lambda _: 1_024),
    ):
        lines += ["", f"{title:45}" + "".join(f"{devices:>9}" for devices in DEVICES)]
        for network in NETWORKS:
            rates = [batch_of(n) / seconds_at(pieces, batch_of(n), n, network) for n in DEVICES]
            lines.append(f"{network.name:45}" + "".join(f"{rate:9,.0f}" for rate in rates))
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=__doc__)
    parser.add_argument("--preset", default="mnist")
    parser.add_argument("--recipe", default="paper")
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--gloo", type=int, help="one of two processes that reduce this number of bytes")
    given = parser.parse_args(arguments)
    if given.gloo:
        gloo(given.gloo)
        return
    pieces = measure(given.preset, given.recipe, given.steps, given.width)
    print(json.dumps(pieces, indent=1))
    print(table(pieces))


if __name__ == "__main__":
    main()
