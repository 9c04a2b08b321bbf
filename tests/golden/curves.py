"""Golden training curves: short trainings whose logged figures and final weights were recorded once.

Each scenario is a configuration NAME.toml next to this file, and NAME.json holds what its training logged.
`python -m tests.golden` compares them, `python -m tests.golden record` writes them again.
"""

from __future__ import annotations

import hashlib
import json
import math
import platform
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from infogan import config as configuration
from infogan import data
from infogan.data import Dataset
from infogan.model import InfoGAN
from infogan.runs import metrics_log
from infogan.runs.directory import RunDirectory, processor
from infogan.training import runner

FOLDER = Path(__file__).parent
SCENARIOS = sorted(path.stem for path in FOLDER.glob("*.toml"))
UNSTABLE = {"seconds", "images_per_second"}
"""Keys of metrics.jsonl that depend on the machine's speed."""

SAME_PLATFORM, ELSEWHERE, EARLY_STEPS = 1e-6, 0.4, 20
"""Relative tolerances where the scenario was recorded, and elsewhere. There only real numbers up to step 20
are compared, since differences in rounding grow: with AVX2 for AVX512 a loss of `blobs-cr` is 0.2 off."""


def recorded(name: str) -> dict[str, Any]:
    """The recorded curve of a scenario: `platform`, `weights` (sha256) and `lines` of metrics.jsonl."""
    return dict(json.loads((FOLDER / f"{name}.json").read_text()))


def train(name: str, folder: Path) -> dict[str, Any]:
    """Train a scenario on one thread and return its curve, in the form of `recorded`."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        config = configuration.read(FOLDER / f"{name}.toml")
        dataset = data.load(config.data) if config.data.source != "folder" else blobs(config.data)
        run = RunDirectory.create(folder / name)
        model = runner.train(runner.resolve(config, dataset), dataset, run).model
    finally:
        torch.set_num_threads(threads)
    lines = [_stable(line) for line in metrics_log.read(run.metrics_path)]
    return {"platform": this_platform(), "weights": weights_sha256(model), "lines": lines}


def _stable(line: Mapping[str, Any]) -> dict[str, Any]:
    """A line of metrics.jsonl without speeds, and with the steps of its notes for their words."""
    kept = {key: value for key, value in line.items() if key not in UNSTABLE}
    if "notes" in kept:
        kept["notes"] = [int(note.partition(":")[0].removeprefix("step ")) for note in kept["notes"]]
    return kept


def blobs(config: configuration.DataConfig) -> Dataset:
    """64 gray images of 16x16 pixels: a bright ellipse of random position, size and direction."""
    rng = np.random.Generator(np.random.Philox(7))
    rows, columns = np.mgrid[0:16, 0:16] - 7.5
    images = []
    for x, y, angle, long in zip(*rng.uniform(-1, 1, (4, 64)), strict=True):
        along = (columns - 3 * x) * math.cos(math.pi * angle) + (rows - 3 * y) * math.sin(math.pi * angle)
        across = (rows - 3 * y) * math.cos(math.pi * angle) - (columns - 3 * x) * math.sin(math.pi * angle)
        images.append(255 * np.exp(-((along / (4 + 2 * long)) ** 2) - (across / 2) ** 2))
    return data.from_array(np.stack(images).astype(np.uint8)[..., None], config)


def weights_sha256(model: InfoGAN) -> str:
    """sha256 over the bytes of all weights and statistics, in the order of their names."""
    digest = hashlib.sha256()
    for _, tensor in sorted(model.state_dict().items()):
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def this_platform() -> dict[str, str]:
    """What decides the last bits of a sum."""
    return {
        "machine": platform.machine(),
        "processor": processor(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "torch": torch.__version__.partition("+")[0],
    }


def differences(expected: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """Every figure of `found` that is not the recorded one, within the tolerance of this platform."""
    same = expected["platform"] == found["platform"]
    wrong = []
    if same and expected["weights"] != found["weights"]:
        wrong.append(f"weights: {found['weights']}, recorded {expected['weights']}")
    limit, last = (SAME_PLATFORM, math.inf) if same else (ELSEWHERE, EARLY_STEPS)
    curves = [
        {line["step"]: line for line in curve["lines"] if line["step"] <= last} for curve in (expected, found)
    ]
    before, after = (dict(_flat(curve)) for curve in curves)
    for key in before | after:
        one, other = before.get(key), after.get(key)
        numbers = isinstance(one, float) and isinstance(other, float)
        if not (
            math.isclose(one, other, rel_tol=limit, abs_tol=limit) if numbers else one == other or not same
        ):
            wrong.append(f"step {key}: {other}, recorded {one}")
    return wrong


def _flat(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Every leaf of nested values with its dotted key; whole numbers of losses are floats, too."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _flat(item, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list) and not all(isinstance(item, str) for item in value):
        for index, item in enumerate(value):
            yield from _flat(item, f"{key}.{index}")
    else:
        yield key, value
