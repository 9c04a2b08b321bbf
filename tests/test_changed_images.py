"""A run and its images, after the images have changed."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import infogan
from infogan import api, config, storage
from infogan.cli import main
from infogan.errors import DataError
from infogan.runs.directory import RunDirectory

SETTINGS = {"steps": 2, "batch_size": 4, "network.width": 0.05, "objective.neighbours": 0, "noise": 4}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """60 gray images of 16x16 pixels."""
    images = np.random.default_rng(0).integers(0, 256, (60, 16, 16), dtype=np.uint8)
    (tmp_path / "images").mkdir()
    for number, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / "images" / f"{number}.png")
    return tmp_path / "images"


@pytest.fixture
def run(folder: Path, tmp_path: Path) -> Path:
    infogan.train(folder, settings=SETTINGS, out=tmp_path / "run", progress=False)
    return tmp_path / "run"


def add(folder: Path, count: int) -> None:
    images = np.random.default_rng(1).integers(0, 256, (count, 16, 16), dtype=np.uint8)
    for number, image in enumerate(images):
        Image.fromarray(image).save(folder / f"0-more-{number}.png")


def contents(images: np.ndarray) -> set[bytes]:
    return {image.tobytes() for image in images}


def test_a_run_records_its_split_and_finds_it_again(
    run: Path, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recorded = RunDirectory(run).read_config().data
    dataset = infogan.data.load(config.DataConfig(source="folder", path=str(folder)))
    assert (recorded.split_version, recorded.split_at) == (2, dataset.split_at)
    assert api.training_images(api.load(run)).fingerprint == dataset.fingerprint
    assert not caplog.records


def test_added_images_leave_no_image_of_training_among_the_test_images(
    run: Path, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = api.load(run)
    trained = contents(api.training_images(model).train.images)
    add(folder, 37)
    (folder / "11.png").unlink()
    dataset = api.training_images(model)
    assert len(dataset.train.images) + len(dataset.test.images) == 96
    assert not contents(dataset.test.images) & trained
    assert "the images are not exactly those of training" in caplog.text
    assert "of 54 training images that were checked were found" in caplog.text


@pytest.mark.parametrize("command", ["evaluate", "report"])
def test_commands_say_that_images_were_added(
    command: str, run: Path, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    add(folder, 1)
    samples = ["--samples", "20"] if command == "evaluate" else []
    assert main([command, str(run), *samples]) == 0
    assert "54 of 54 training images that were checked" in caplog.text


def test_images_that_were_saved_in_another_form_are_noticed(
    run: Path, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for path in folder.iterdir():
        Image.open(path).save(path.with_suffix(".jpg"), quality=80)
        path.unlink()
    api.training_images(api.load(run))
    assert "none of 54 training images that were checked was found" in caplog.text


def test_a_changed_folder_is_not_resumed(run: Path, folder: Path) -> None:
    add(folder, 1)
    with pytest.raises(DataError, match="not those that"):
        infogan.resume(run, steps=4, progress=False)
    infogan.resume(run, steps=4, override=True, progress=False)
    assert api.load(run).provenance["steps"] == 4


def older(run: Path) -> None:
    """Make a run what earlier releases wrote: configurations of version 2, and no record in the model."""
    model = infogan.load(run)
    del model.provenance["data"], model.provenance["data_sample"]
    model.save_pretrained(run / "model")
    for path in (run / "config.toml", run / "model" / "config.toml"):
        lines = path.read_text().replace("version = 3", "version = 2", 1).splitlines()
        path.write_text("\n".join(line for line in lines if not line.startswith("split_")))
    files = {path.name: path.read_bytes() for path in (run / "model").iterdir() if path.name[0] != "M"}
    storage.write_folder(run / "model", files)


def test_a_run_of_an_earlier_release_keeps_its_split_and_refuses_other_images(
    folder: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    settings = {**SETTINGS, "data.split_version": 1}
    infogan.train(folder, settings=settings, out=run, progress=False)
    before = api.training_images(api.load(run))
    older(run)
    model = api.load(run)
    assert model.config.data.split_version == 1
    assert api.training_images(model).fingerprint == before.fingerprint
    infogan.resume(run, steps=3, progress=False)
    older(run)
    add(folder, 1)
    with pytest.raises(DataError) as caught:
        api.training_images(api.load(run))
    assert "test images may be training images" in caught.value.happened
    assert "--data" in caught.value.for_command_line


def write_mnist(folder: Path, seed: int) -> Path:
    """Write the four files of MNIST with a few random images."""
    rng = np.random.default_rng(seed)
    folder.mkdir(exist_ok=True)
    for part, count in (("train", 12), ("t10k", 6)):
        images = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        header = struct.pack(">4I", 0x803, *images.shape)
        (folder / f"{part}-images-idx3-ubyte").write_bytes(header + images.tobytes())
        labels = struct.pack(">2I", 0x801, count) + bytes(range(count))
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(labels)
    return folder


@pytest.mark.parametrize("command", ["evaluate", "report", "resume"])
def test_a_run_of_a_named_data_set_refuses_other_files_of_it(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, files = tmp_path / "run", write_mnist(tmp_path / "mnist", seed=0)
    settings = {**SETTINGS, "data.path": str(files)}
    infogan.train("mnist", settings=settings, recipe="paper", out=run, progress=False)
    write_mnist(files, seed=1)
    steps = ["--steps", "3"] if command == "resume" else []
    assert main([command, str(run), *steps]) == DataError.exit_code
    error = capsys.readouterr().err
    assert "not th" in error and "sha256" in error
    assert "--data" in error or "--override" in error
