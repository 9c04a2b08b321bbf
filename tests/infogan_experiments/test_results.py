"""Results of trainings: what is resumed, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from infogan import api
from infogan.errors import ConfigError
from infogan_experiments.results import reached_step, train_to

TINY = {
    "data.source": "digits", "data.size": 8, "network.architecture": "generic", "network.width": 0.125,
    "training.batch_size": 16, "latents.noise": 6,
}  # fmt: skip


def test_a_run_past_the_required_step_is_refused(tmp_path: Path) -> None:
    config = api.configure("mnist", recipe="paper", settings=TINY)
    train_to(config, 4, tmp_path / "run")
    with pytest.raises(ConfigError, match="was trained to step 4, past step 2") as caught:
        train_to(config, 2, tmp_path / "run")
    assert "another --out" in caught.value.advice
    assert train_to(config, 4, tmp_path / "run").model.provenance["steps"] == 4
    with pytest.raises(ConfigError, match="another configuration"):  # this is reported first
        train_to(api.configure("mnist", recipe="robust", settings=TINY), 2, tmp_path / "run")


def test_a_run_resumes_from_its_newest_complete_checkpoint(tmp_path: Path) -> None:
    settings = {**TINY, "training.save_every": 2}
    config = api.configure("mnist", recipe="paper", settings=settings)
    run = train_to(config, 4, tmp_path / "run").run
    (run.checkpoints / "step-00000004" / "model.safetensors").write_bytes(b"torn")
    assert reached_step(run.path) == 2
    assert train_to(config, 3, run.path).model.provenance["steps"] == 3
