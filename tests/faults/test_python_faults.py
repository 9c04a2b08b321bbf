"""Fault 58: Ctrl-C in a script or a notebook that called infogan.train."""

from __future__ import annotations

import logging
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import infogan
from infogan import cli
from infogan.errors import DataError, InfoGANError, UsageError
from infogan.runs.directory import RunDirectory
from infogan.training.randomness import Randomness
from infogan.training.step import Losses, Step
from infogan.training.step_settings import StepSettings

SMALL = {
    "network.width": 0.125,
    "training.batch_size": 8,
    "training.save_every": 1000,
    "training.sample_every": 1000,
}


def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (40, 8, 8, 1), dtype=np.uint8)


@pytest.fixture
def during_step(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, Callable[[], object]], None]:
    """Do something in the middle of a step."""
    losses, calls = Step.generator_losses, []

    def patch(step: int, action: Callable[[], object]) -> None:
        def watched(self: Step, update: str, randomness: Randomness, settings: StepSettings) -> Losses:
            calls.append(update)
            if len(calls) == step:
                action()
            return losses(self, update, randomness, settings)

        monkeypatch.setattr(Step, "generator_losses", watched)

    return patch


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def train(path: Path, **more: object) -> infogan.InfoGAN:
    return infogan.train(images(), out=path, steps=60, device="cpu", settings=SMALL, progress=False, **more)


def test_ctrl_c_saves_and_returns_the_model_of_that_step(
    during_step: Callable[..., None], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = signal.getsignal(signal.SIGINT)  # shells ignore it in the background
    during_step(7, interrupt)
    with caplog.at_level(logging.WARNING):
        model = train(tmp_path / "run")
    assert model.provenance["steps"] == 7
    assert f"infogan.resume({str(tmp_path / 'run')!r})" in caplog.text
    assert infogan.resume(tmp_path / "run", progress=False).provenance["steps"] == 60
    assert signal.getsignal(signal.SIGINT) is before


def test_ctrl_c_in_a_training_of_several_seeds_names_the_run(
    during_step: Callable[..., None], tmp_path: Path
) -> None:
    during_step(7, interrupt)
    with pytest.raises(KeyboardInterrupt, match=r"the run is saved: infogan\.resume\('.*run'\)"):
        train(tmp_path / "run", seeds=2, codes="digit:4 style:u")
    assert RunDirectory(tmp_path / "run").seeds.is_dir()


def test_ctrl_c_before_training_is_a_plain_keyboard_interrupt(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from infogan import data

    monkeypatch.setattr(data, "load", lambda _: interrupt())
    with pytest.raises(KeyboardInterrupt, match=r"^stopped by SIGINT$"):
        infogan.train("digits", out=tmp_path / "run", steps=4)
    assert not (tmp_path / "run").exists()


NOTEBOOK = """
import numpy as np, infogan, logging
images = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 1), dtype=np.uint8)
settings = {settings!r}
model = infogan.train(images, out={out!r}, steps=1_000_000, device="cpu", settings=settings, progress=False)
print("returned", model.provenance["steps"])
"""


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the kernel's client, which are not ours
def test_the_stop_button_of_a_notebook_saves_and_the_kernel_lives(tmp_path: Path) -> None:
    manager = pytest.importorskip("jupyter_client.manager")
    kernel, client = manager.start_new_kernel(kernel_name="python3")
    try:
        out = tmp_path / "run"
        client.execute(NOTEBOOK.format(settings=SMALL, out=str(out)))
        metrics = out / "metrics.jsonl"
        texts: list[str] = []
        interrupted = False
        for _ in range(600):
            if metrics.is_file() and not interrupted:
                kernel.interrupt_kernel()
                interrupted = True
            try:
                message = client.get_iopub_msg(timeout=0.2)
            except Exception:  # queue.Empty, while the cell trains
                continue
            content = message["content"]
            texts.append(content.get("text") or " ".join(content.get("traceback", ())))
            if message["msg_type"] == "status" and content["execution_state"] == "idle" and interrupted:
                break
        said = "".join(texts)
        assert "returned" in said, said
        assert "infogan.resume(" in said
        assert kernel.is_alive()
    finally:
        client.stop_channels()
        kernel.shutdown_kernel(now=True)


# --- trained on an array, used anywhere ------------------------------------------------------------------


@pytest.fixture(scope="module")
def from_array(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("from-array") / "run"
    infogan.train(images(), out=path, steps=4, device="cpu", settings=SMALL, progress=False)
    return path


def test_a_run_trained_on_an_array_is_evaluated_reported_and_resumed_from_anywhere(
    from_array: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = tmp_path / "elsewhere" / "run"
    moved.parent.mkdir()
    shutil.copytree(from_array, moved)
    monkeypatch.chdir(moved.parent)
    assert cli.main(["evaluate", "run", "--samples", "32"]) == 0
    assert cli.main(["report", "run"]) == 0
    assert cli.main(["resume", "run", "--steps", "6"]) == 0
    monkeypatch.chdir(tmp_path)
    model = infogan.resume(moved, steps=8, progress=False)
    assert "clustering" not in infogan.evaluate(model, samples=32, only=["mutual information"])
    assert infogan.load(moved).provenance["steps"] == 8


def test_an_array_may_be_given_to_resume(from_array: Path, tmp_path: Path) -> None:
    shutil.copytree(from_array, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "images")
    assert (
        infogan.resume(tmp_path / "run", dataset=images(), steps=6, progress=False).provenance["steps"] == 6
    )
    with pytest.raises(DataError, match="not those that"):
        infogan.resume(tmp_path / "run", dataset=255 - images(), steps=8, progress=False)


@pytest.mark.slow
def test_one_of_several_seeds_finds_the_images_of_all(tmp_path: Path) -> None:
    path = tmp_path / "run"
    infogan.train(
        images(),
        out=path,
        steps=20,
        seeds=2,
        codes="digit:4 style:u",
        device="cpu",
        settings=SMALL,
        progress=False,
    )
    assert not (path / "seeds" / "seed-0" / "images").exists()
    for run in (path, path / "seeds" / "seed-1"):
        infogan.evaluate(infogan.load(run), samples=32, only=["mutual information"])
    assert cli.main(["resume", str(path), "--steps", "24"]) == 0


# --- memory, and few images ------------------------------------------------------------------------------


def test_out_of_memory_names_a_smaller_batch_and_the_checkpoint(
    during_step: Callable[..., None], tmp_path: Path
) -> None:
    """A real failure of the allocator, in the middle of a step."""
    during_step(7, lambda: torch.empty(1 << 50))
    often = {**SMALL, "training.save_every": 5}
    with pytest.raises(UsageError) as caught:
        infogan.train(images(), out=tmp_path / "run", steps=9, device="cpu", settings=often, progress=False)
    assert "out of memory with training.batch_size = 8" in caught.value.happened
    assert (
        f"the last checkpoint is {tmp_path / 'run' / 'checkpoints' / 'step-00000005'}"
        in caught.value.happened
    )
    assert "'training.batch_size': 4" in caught.value.advice
    assert "--set batch_size=4" in caught.value.for_command_line
    assert infogan.resume(tmp_path / "run", progress=False).provenance["steps"] == 9


def test_networks_that_do_not_fit_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from infogan.training import runner

    monkeypatch.setattr(runner, "InfoGAN", lambda _: torch.empty(1 << 50))
    with pytest.raises(UsageError, match=r"out of memory.*there is no earlier checkpoint"):
        train(tmp_path / "run")


@pytest.mark.parametrize("count", [2, 3, 9])
def test_fewer_images_than_a_batch_are_trained_or_refused(count: int, tmp_path: Path) -> None:
    few = images()[:count]
    try:
        model = infogan.train(
            few,
            out=tmp_path / "run",
            steps=3,
            device="cpu",
            settings={**SMALL, "training.batch_size": 16},
            progress=False,
        )
    except InfoGANError as error:
        assert f"{count - 1} of {count} images is left" in error.happened
    else:
        assert np.isfinite(next(model.parameters()).detach().numpy()).all()
