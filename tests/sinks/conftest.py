"""A run directory and a training that is small enough to log in a test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import infogan
from infogan.runs.directory import RunDirectory

SMALL = {"network.width": 0.0625, "training.batch_size": 16, "training.sample_every": 20}
LINE = {
    "step": 20,
    "images_seen": 320,
    "loss": {"generator": 0.5, "discriminator": 1.5},
    "mutual_information": {"digit": 2.0},
    "health": ["a name"],
    "saved": True,
}


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory.create(tmp_path / "digits-001")


@pytest.fixture
def config() -> infogan.Config:
    return infogan.configure("digits", recipe="paper", settings=SMALL)


def train(out: Path, steps: int, **more: Any) -> infogan.InfoGAN:
    """Train on scikit-learn's digits in a second."""
    return infogan.train("digits", recipe="paper", steps=steps, out=out, settings=SMALL, **more)
