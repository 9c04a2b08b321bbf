from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import infogan
from infogan import InfoGAN
from infogan.config import Config, TrainingConfig
from infogan.data import Dataset, Split
from infogan.errors import ConfigError, DataError, DivergenceError, StorageError
from infogan.reporting import pictures
from infogan.runs import metrics_log, representation_files
from infogan.runs.directory import RunDirectory
from infogan.runs.representation_files import Representation
from infogan.training import engine, runner
from infogan.training.trainer import Trainer

KEYS = "step images_seen seconds images_per_second loss mutual_information ceiling terms real scores health"


def dataset(count: int = 40, size: int = 8) -> Dataset:
    images = np.random.default_rng(0).integers(0, 256, (count, size, size, 1), dtype=np.uint8)
    return Dataset("noise", Split(images), Split(images[:4]))


def configure(base: Config, **training: Any) -> Config:
    settings = {"steps": 45, "batch_size": 8, "device": "cpu", "precision": "float32", **training}
    return base.model_copy(update={"preset": "noise", "training": TrainingConfig(**settings)})


def train(config: Config, path: Path) -> RunDirectory:
    return runner.train(config, dataset(), RunDirectory.create(path)).run


def test_metrics_lines_are_as_documented(tiny_config: Config, tmp_path: Path) -> None:
    run = train(configure(tiny_config), tmp_path / "run")
    lines = [json.loads(line) for line in run.metrics_path.read_text().splitlines()]
    assert [line["step"] for line in lines] == [20, 40, 45]  # every 20 and at the last
    for line in lines:
        assert " ".join(line) == KEYS
        assert set(line["loss"]) == {"discriminator", "generator"}
        assert set(line["mutual_information"]) == {"digit", "style"}
        assert set(line["scores"]) == {"real", "fake"} and line["health"] == []
        assert line["ceiling"] == {"digit": math.log(4)}  # a continuous code has none
        assert line["images_seen"] == line["step"] * 8
        assert line["images_per_second"] > 0
        assert line["mutual_information"]["digit"] < math.log(4)
    seconds = [line["seconds"] for line in lines]
    assert sorted(seconds) == seconds and seconds[0] > 0


def test_what_a_training_leaves(tiny_config: Config, tmp_path: Path) -> None:
    run = train(configure(tiny_config, save_every=20, sample_every=30, keep=2), tmp_path / "run")
    names = {str(path.relative_to(run.path)) for path in run.path.rglob("*") if path.is_file()}
    drawn = {
        f"{folder}/step-000000{step}{code}.png"
        for step in (30, 45)
        for folder, code in (("samples", ""), ("traversals", "-digit"), ("traversals", "-style"))
    }
    kept = {
        f"checkpoints/step-000000{step}/{name}"
        for step in (40, 45)
        for name in ("model.safetensors", "optimizer.safetensors", "state.json", "MANIFEST.json")
    }
    model = {f"model/{name}" for name in (
        "model.safetensors", "config.toml", "provenance.json", "MANIFEST.json",
    )}  # fmt: skip
    own = {"config.toml", "environment.json", "metrics.jsonl", "log.txt", ".lock"}
    assert names == drawn | kept | model | own
    provenance = InfoGAN.from_pretrained(run.path).provenance
    assert (provenance["steps"], provenance["images_seen"], provenance["dataset"]) == (45, 360, "noise")
    environment = json.loads(run.environment_path.read_text())
    assert (environment["device"], environment["precision"]) == ("cpu", "float32")
    assert environment["threads"] == torch.get_num_threads() and "accelerator" not in environment


def test_a_gpu_is_named_where_one_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"GPU {device.index}")
    named = engine.conditions(torch.device("cuda:1"), "bfloat16")
    assert (named["device"], named["accelerator"]) == ("cuda:1", "GPU 1")
    assert "accelerator" not in engine.conditions(torch.device("mps"), "float32")


def test_resolve_settles_what_was_left_open(tiny_config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "multiplies_bfloat16", lambda device: True)
    open_data = tiny_config.data.model_copy(update={"size": None, "channels": None})
    config = configure(tiny_config, precision="auto").model_copy(update={"data": open_data})
    settled = runner.resolve(config, dataset(size=12))
    assert (settled.data.size, settled.data.channels, settled.training.precision) == (12, 1, "bfloat16")


def test_resolve_names_images_that_no_network_fits(tiny_config: Config) -> None:
    images = np.zeros((3, 8, 9, 1), np.uint8)
    with pytest.raises(DataError, match="3 of 8x9 pixels and 1 channels"):
        runner.resolve(configure(tiny_config), Dataset("flat", Split(images), Split(images)))


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has the device that should be missing")
def test_a_device_that_is_not_there(tiny_config: Config) -> None:
    with pytest.raises(ConfigError, match="device = 'cuda'"):
        runner.resolve(configure(tiny_config, device="cuda"), dataset())


def test_a_picture_that_cannot_be_written_costs_only_itself(
    tiny_config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pictures, "save_png", full)
    run = train(configure(tiny_config, steps=3), tmp_path / "run")
    assert "a picture could not be written" in run.log_path.read_text()
    assert InfoGAN.from_pretrained(run.path).provenance["steps"] == 3


def test_lines_that_cannot_be_written_cost_only_themselves(tiny_config: Config, tmp_path: Path) -> None:
    directory = RunDirectory.create(tmp_path / "run")
    directory.metrics_path.mkdir()  # nothing can be appended to a folder
    run = runner.train(configure(tiny_config, steps=20), dataset(), directory).run
    assert "training continues" in run.log_path.read_text()
    assert InfoGAN.from_pretrained(run.path).provenance["steps"] == 20


@pytest.mark.parametrize("part", ["ema.", "generator.", "trunk."])
def test_weights_that_are_not_finite_are_never_saved(
    part: str, tiny_config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    advance = Trainer.advance

    def broken(self: Trainer) -> None:
        advance(self)
        if self.step == 4:
            name = next(name for name in self.model.state_dict() if name.startswith(part))
            self.model.state_dict()[name].view(-1)[0] = math.nan

    monkeypatch.setattr(Trainer, "advance", broken)
    path = tmp_path / "run"
    with pytest.raises(DivergenceError, match=rf"by step 4: {part}.*step-00000002"):
        train(configure(tiny_config, save_every=2, ema_decay=0.5), path)
    assert [folder.name for folder in (path / "checkpoints").iterdir()] == ["step-00000002"]
    assert not (path / "model").exists()


def test_a_run_that_was_never_saved_begins_again(tiny_config: Config, tmp_path: Path) -> None:
    config = configure(tiny_config, steps=20)
    whole = train(config, tmp_path / "whole")
    directory = RunDirectory.create(tmp_path / "begun")
    directory.write_config(config)
    directory.metrics_path.write_text('{"step": 20, "left over": true}\n')
    run = runner.resume(directory, lambda _: dataset()).run
    assert "starting from step 0" in run.log_path.read_text()
    (line,) = metrics_log.read(run.metrics_path)
    assert "left over" not in line
    assert (run.model / "model.safetensors").read_bytes() == (whole.model / "model.safetensors").read_bytes()


def test_a_finished_run_keeps_the_machine_that_trained_it(
    tiny_config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = train(configure(tiny_config), tmp_path / "run")
    elsewhere = engine.conditions(torch.device("cpu"), "float32") | {"accelerator": "another"}
    monkeypatch.setattr(engine, "conditions", lambda *_: elsewhere)
    before = run.environment_path.read_text()
    runner.resume(run, lambda _: dataset())
    (run.model / "model.safetensors").unlink()  # stopped between the last checkpoint and the model
    runner.resume(run, lambda _: dataset())
    assert run.environment_path.read_text() == before
    runner.resume(run, lambda _: dataset(), settings={"training.steps": 46})
    assert json.loads(run.environment_path.read_text())["accelerator"] == "another"


def test_a_finished_run_resumes_to_itself_and_no_further_back(tiny_config: Config, tmp_path: Path) -> None:
    run = train(configure(tiny_config, steps=20), tmp_path / "run")
    before = (run.model / "model.safetensors").read_bytes()
    runner.resume(run, lambda _: dataset())
    assert (run.model / "model.safetensors").read_bytes() == before
    with pytest.raises(ConfigError, match="already reached step 20, past step 10"):
        runner.resume(run, lambda _: dataset(), settings={"steps": 10})
    assert run.read_config().training.steps == 20


def test_a_run_directory_that_goes_away_stops_the_training(
    tiny_config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    advance = Trainer.advance

    def moving(self: Trainer) -> None:
        advance(self)
        if self.step == 2:
            (tmp_path / "run").rename(tmp_path / "elsewhere")

    monkeypatch.setattr(Trainer, "advance", moving)
    with pytest.raises(StorageError, match="run/checkpoints"):
        train(configure(tiny_config, steps=30, save_every=10), tmp_path / "run")


def test_the_api_trains_an_array(tmp_path: Path) -> None:
    settings = {"width": 0.125, "batch_size": 8, "device": "cpu"}
    codes = {"kind": infogan.Categorical(3), "tilt": infogan.Uniform()}
    images = dataset().train.images
    model = infogan.train(images, out=tmp_path / "run", codes=codes, steps=2, seed=5, settings=settings)
    assert {name: array.shape for name, array in model.encode(images).items()} == {
        "kind": (40, 3),
        "tilt": (40,),
    }
    assert (model.config.training.seed, model.provenance["steps"]) == (5, 2)


# --- a run with anchors ----------------------------------------------------------------------------------


def with_anchors(base: Config, **training: Any) -> Config:
    return configure(base, steps=6, save_every=2, **training).replace(
        network={"architecture": "anchored", "normalization": "spectral", "width": 0.0625},
        objective={"anchor_weight": 1.0},
    )


def representation(config: Config, seed: int = 0) -> Representation:
    rng = torch.Generator().manual_seed(seed)
    encoder = InfoGAN(config.replace(training={"seed": 5})).encoder
    assert encoder is not None
    return Representation({"style": 2 * torch.rand(40, 1, generator=rng) - 1}, encoder.state_dict())


def anchored_run(config: Config, path: Path) -> RunDirectory:
    created = RunDirectory.create(path)
    return runner.train(config, dataset(), created, representation=representation(config)).run


def test_a_run_starts_from_its_encoder_and_learns_its_anchors(tiny_config: Config, tmp_path: Path) -> None:
    config = with_anchors(tiny_config, learning_rate_discriminator=1e-12)
    run = anchored_run(config, tmp_path / "run")
    encoder, weights = InfoGAN.from_pretrained(run.path).encoder, representation(config).encoder
    assert encoder is not None and weights is not None
    for name, value in encoder.named_parameters():
        torch.testing.assert_close(value, weights[name])
    (line,) = metrics_log.read(run.metrics_path)
    assert math.isfinite(line["terms"]["anchors"])


def test_a_resumed_run_finds_its_anchors(tiny_config: Config, tmp_path: Path) -> None:
    whole = anchored_run(with_anchors(tiny_config), tmp_path / "whole")
    half = anchored_run(with_anchors(tiny_config).replace(training={"steps": 3}), tmp_path / "half")
    runner.resume(half, lambda _: dataset(), settings={"training.steps": 6})
    assert (half.model / "model.safetensors").read_bytes() == (whole.model / "model.safetensors").read_bytes()


def test_a_run_is_not_resumed_without_its_anchors_or_with_others(tiny_config: Config, tmp_path: Path) -> None:
    config = with_anchors(tiny_config)
    run = anchored_run(config, tmp_path / "run")
    more = {"training.steps": 8}
    representation_files.save(run.representation, representation(config, seed=1))
    with pytest.raises(StorageError, match=r"changed since.*anchors\.safetensors"):
        runner.resume(run, lambda _: dataset(), settings=more)
    run.representation.rename(tmp_path / "away")
    with pytest.raises(StorageError, match="representation is missing"):
        runner.resume(run, lambda _: dataset(), settings=more)
    (tmp_path / "away").rename(run.representation)
    resumed = runner.resume(run, lambda _: dataset(), settings=more, allow_changes=True)
    assert resumed.model.provenance["steps"] == 8


def test_a_weight_of_anchors_without_anchors_is_a_warning(tiny_config: Config, tmp_path: Path) -> None:
    run = train(with_anchors(tiny_config), tmp_path / "run")
    assert "anchor_weight has no effect" in run.log_path.read_text()
    assert not run.representation.exists()
