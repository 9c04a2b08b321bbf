"""Training on a GPU, where there is one: what lies on two devices shows nowhere else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from infogan import api
from infogan.data import Dataset, Split
from infogan.model import InfoGAN
from infogan.runs import checkpoint
from infogan.runs.directory import RunDirectory
from infogan.training import engine, runner
from infogan.training.engine import Precision
from infogan.training.step_settings import settings_at
from infogan.training.trainer import Trainer, nearest_images

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU")

DEVICE = "cuda"
SMALL = {"network.width": 0.0625, "training.batch_size": 16, "training.steps": 6, "training.device": DEVICE}
CASES = {
    "paper": ("mnist", "paper", {}),
    "robust": ("mnist", "robust", {"objective.mode_seeking_weight": [[2, 0], [4, 0.005]]}),
    "unequal categories": ("mnist", "robust", {"latents.codes.digit.probabilities": [0.19, *9 * [0.09]]}),
    "noise": (
        "faces-azimuth", "robust",
        {"augmentation.code_noise": [[1, 1.0], [5, 0.4]]},
    ),
    "contrastive": ("sprites", "cr", {"objective.contrastive_weight": [[4, 0], [4, 2]]}),
}  # fmt: skip


@pytest.mark.parametrize("preset, recipe, settings", CASES.values(), ids=CASES)
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_run_resumes_from_its_checkpoint(
    preset: str, recipe: str, settings: dict[str, Any], precision: Precision, tmp_path: Path
) -> None:
    asked = {**SMALL, **settings, "training.precision": precision}
    config = api.configure(preset, recipe=recipe, settings=asked)
    size = {"mnist": 28, "faces-azimuth": 32, "sprites": 64}[preset]
    images = np.random.default_rng(0).integers(0, 256, (80, size, size, 1), dtype=np.uint8)
    dataset = Dataset("noise", Split(images), Split(images[:4]))
    run = runner.train(runner.resolve(config, dataset), dataset, RunDirectory.create(tmp_path / "run")).run
    assert json.loads(run.environment_path.read_text())["accelerator"] == torch.cuda.get_device_name()

    saved = checkpoint.newest(run.checkpoints, lambda error: pytest.fail(str(error)))
    assert saved is not None
    trainer = Trainer(
        InfoGAN(run.read_config()),
        torch.from_numpy(images),
        device=torch.device(DEVICE),
        precision=precision,
        nearest=nearest_images(config, dataset.train),
    )
    trainer.restore(saved.model, saved.optimizer, saved.state["trainer"])
    for expected, found in (
        (saved.model, trainer.model.state_dict()),
        (saved.optimizer, trainer.optimizer_tensors()),
    ):
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[name].cpu(), value) for name, value in expected.items())

    # To the same bits as without the stop only on a CPU: some sums on a GPU come in no fixed order.
    went_on = runner.resume(run, lambda config: dataset, settings={"training.steps": 12})
    stored = InfoGAN.from_pretrained(run.path)
    assert stored.provenance["steps"] == 12
    for name, read in went_on.model.encode(images[:8]).items():  # on the GPU, and here on the CPU
        np.testing.assert_allclose(read, stored.encode(images[:8])[name], atol=0.05)


@pytest.mark.parametrize("preset, recipe, settings", CASES.values(), ids=CASES)
def test_a_step_does_not_wait_for_the_gpu(preset: str, recipe: str, settings: dict[str, Any]) -> None:
    values = {
        **SMALL,
        "objective.neighbours": 0,
        "training.ema_decay": 0.9,
        "training.graph": False,
        **settings,
    }
    config = api.configure(preset, recipe=recipe, settings=values)
    size = {"mnist": 28, "faces-azimuth": 32, "sprites": 64}[preset]
    images = torch.randint(0, 256, (80, size, size, 1), dtype=torch.uint8)
    dataset = Dataset("noise", Split(images.numpy()), Split(images[:4].numpy()))
    model = InfoGAN(runner.resolve(config, dataset))
    trainer = Trainer(model, images, device=torch.device(DEVICE), precision="bfloat16")
    for trainer.step in (0, 5):  # the first step of each phase makes tables that later steps keep
        for _ in range(2):
            settings_now = settings_at(trainer.config, trainer.step)
            inputs = trainer.batches(), trainer.sampler.sample(trainer.step, settings_now), settings_now
            trainer.make_step(*inputs)
        torch.cuda.synchronize()
        torch.cuda.set_sync_debug_mode("error")
        try:
            trainer.make_step(*inputs)
        finally:
            torch.cuda.set_sync_debug_mode("default")
    trainer.check()


# --- captured steps --------------------------------------------------------------------------------------


def trainer_of(preset: str, recipe: str, settings: dict[str, Any], **training: Any) -> Trainer:
    """Return a trainer on random images; a log line, such as one about a failed capture, fails the test."""
    own = {f"training.{key}": value for key, value in training.items()}
    values = {**SMALL, "objective.neighbours": 0, "training.ema_decay": 0.9, **settings, **own}
    config = api.configure(preset, recipe=recipe, settings=values)
    size = config.data.size
    assert size is not None
    rng = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (80, size, size, 1), dtype=torch.uint8, generator=rng)
    return Trainer(
        InfoGAN(config), images, device=torch.device(DEVICE), precision="bfloat16", log=pytest.fail
    )


@pytest.mark.parametrize("preset, recipe, settings", CASES.values(), ids=CASES)
def test_captured_steps_are_those_of_an_eager_training(
    preset: str, recipe: str, settings: dict[str, Any]
) -> None:
    eager, captured = (
        trainer_of(preset, recipe, settings, deterministic=True, graph=graph) for graph in (False, True)
    )
    for _ in range(16):
        eager.advance()
        captured.advance()
    for trainer in (eager, captured):
        trainer.check()
    assert_same_tensors(eager, captured)
    assert eager.peek_window() == captured.peek_window()


@pytest.mark.parametrize("preset, recipe, settings", CASES.values(), ids=CASES)
def test_a_deterministic_captured_training_resumes_to_the_same_bits(
    preset: str, recipe: str, settings: dict[str, Any]
) -> None:
    whole, first, second = (trainer_of(preset, recipe, settings, deterministic=True) for _ in range(3))
    for _ in range(16):
        whole.advance()
    for _ in range(9):
        first.advance()
    model, moments = (
        {name: value.detach().cpu().clone() for name, value in tensors.items()}
        for tensors in (first.model.state_dict(), first.optimizer_tensors())
    )
    second.restore(model, moments, first.state())
    for _ in range(16 - 9):
        second.advance()
    assert_same_tensors(whole, second)


def test_trainings_on_streams_of_their_own_are_those_of_single_trainings() -> None:
    device = torch.device(DEVICE)
    alone, together = (
        [trainer_of(*CASES["paper"], deterministic=True, seed=seed) for seed in range(3)] for _ in range(2)
    )
    for trainer in alone:
        for _ in range(10):
            trainer.advance()
    streams = [engine.new_stream(device) for _ in together]
    torch.cuda.synchronize()
    for _ in range(10):
        for trainer, stream in zip(together, streams, strict=True):
            with stream():
                trainer.advance()
    torch.cuda.synchronize()
    for one, other in zip(alone, together, strict=True):
        assert_same_tensors(one, other)


def assert_same_tensors(first: Trainer, second: Trainer) -> None:
    theirs = second.model.state_dict() | second.optimizer_tensors()
    ours = first.model.state_dict() | first.optimizer_tensors()
    assert list(ours) == list(theirs)
    for name, value in ours.items():
        assert torch.equal(value, theirs[name]), name
