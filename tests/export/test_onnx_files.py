from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

import infogan
from benchmarks.exports import with_varied_weights
from infogan import InfoGAN, Networks, NetworkShape
from infogan.config import Categorical, Config, parse_codes
from infogan.errors import StorageError, UsageError
from infogan.export import interface, onnx_check, onnx_files
from infogan.networks import NETWORKS
from infogan.presets import PRESETS
from infogan.runs.code_names import CodeNames, Note

pytestmark = pytest.mark.slow


def describe(model: InfoGAN) -> dict[str, Any]:
    return interface.describe(model, CodeNames(model.config.latents.codes))


def session(path: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])


def metadata(path: Path) -> dict[str, Any]:
    (entry,) = onnx.load(path).metadata_props
    assert entry.key == "infogan"
    return json.loads(entry.value)


@pytest.fixture
def exported(model_folder: Path) -> Path:
    out = infogan.export_model(model_folder, "onnx")
    assert out == model_folder / "export" / "onnx"
    return out


def test_an_engineer_without_torch_generates_and_encodes_images(
    exported: Path, varied_model: InfoGAN
) -> None:
    """The example of docs/export.md."""
    generator = session(exported / "generator.onnx")
    noise = np.random.default_rng(0).uniform(-1, 1, (5, 6)).astype("float32")
    digit = np.eye(4, dtype="float32")[[0, 1, 2, 3, 0]]
    style = np.linspace(-1, 1, 5, dtype="float32")[:, None]
    (images,) = generator.run(["image.uint8"], {"noise": noise, "digit": digit, "style": style})
    codes = {"digit": torch.from_numpy(digit), "style": torch.from_numpy(style)}
    expected = varied_model.generate(torch.from_numpy(noise), codes)
    assert images.shape == (5, 8, 8, 1) and images.dtype == np.uint8
    assert np.abs(images.astype(int) - expected).max() <= 1

    recognition = session(exported / "recognition.onnx")
    probabilities, mean, std = recognition.run(
        ["digit.probabilities", "style.mean", "style.std"], {"image": expected}
    )
    encoded = varied_model.encode(expected)
    np.testing.assert_allclose(probabilities, encoded["digit"], atol=1e-4)
    np.testing.assert_allclose(mean[:, 0], encoded["style"], atol=1e-4)
    assert std.shape == (5, 1) and (std > 0).all()


def test_one_image_and_many_have_the_same_result(exported: Path) -> None:
    recognition = session(exported / "recognition.onnx")
    images = np.random.default_rng(0).integers(0, 256, (9, 8, 8, 1), dtype=np.uint8)
    many = recognition.run(None, {"image": images})
    one = recognition.run(None, {"image": images[4:5]})
    for all_of_them, single in zip(many, one, strict=True):
        np.testing.assert_allclose(all_of_them[4:5], single, atol=1e-5)


def test_the_metadata_say_what_every_input_and_output_means(
    model_folder: Path, varied_model: InfoGAN
) -> None:
    codes = varied_model.config.latents.codes
    names = CodeNames(codes, {"digit": Note("shape", "The shape.", {2: "ring"}), "style": Note("slant")})
    names.write(model_folder)
    scores = {"steps": 7, "dataset": "rings", "clustering": {"code": "digit", "matching": [3, -1, 0, 1]}}
    (model_folder / "evaluation.json").write_text(json.dumps(scores))
    out = infogan.export_model(model_folder, "onnx", out=model_folder.parent / "a" / "b")
    about = metadata(out / "generator.onnx")
    assert (about["network"], about["precision"]) == ("generator", "float32")
    assert about["image"] == {
        "height": 8, "width": 8, "channels": 1, "colours": "gray", "layout": "N, height, width, channels"
    }  # fmt: skip
    assert about["noise"] == {"size": 6, "prior": "uniform"}
    digit, style = about["codes"]
    assert (digit["name"], digit["shown_name"], digit["description"]) == ("digit", "shape", "The shape.")
    assert digit["categories"][2] == {"index": 2, "name": "ring", "class": "0"}
    assert [category["class"] for category in digit["categories"]] == ["3", "", "0", "1"]
    assert (style["shown_name"], style["low"], style["high"]) == ("slant", -1.0, 1.0)
    assert [port["name"] for port in about["inputs"]] == ["noise", "digit", "style"]
    assert metadata(out / "recognition.onnx")["outputs"][1] == {
        "name": "style.mean", "dtype": "float32", "shape": ["N", 1],
        "text": "mean of the posterior, in units of the code",
    }  # fmt: skip
    assert json.loads((out / "interface.json").read_text())["training"]["dataset"] == "rings"


def test_netron_and_other_readers_see_shapes_and_texts(exported: Path) -> None:
    graph = onnx.load(exported / "generator.onnx").graph
    shapes = {
        value.name: [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in [*graph.input, *graph.output]
    }
    assert shapes == {
        "noise": ["N", 6], "digit": ["N", 4], "style": ["N", 1],
        "image.uint8": ["N", 8, 8, 1], "image.float32": ["N", 8, 8, 1],
    }  # fmt: skip
    assert graph.input[1].doc_string == "one-hot category, one of 4"


def test_no_path_of_this_machine_is_in_the_files(exported: Path) -> None:
    here = str(Path(infogan.__file__).parent).encode()
    for name in ("generator.onnx", "recognition.onnx"):
        content = (exported / name).read_bytes()
        assert here not in content and b"site-packages" not in content


def test_the_moving_average_is_what_is_exported(tiny_config: Config) -> None:
    config = tiny_config.replace(training={"ema_decay": 0.9})
    model = with_varied_weights(InfoGAN(config))
    assert model.ema is not None
    networks = onnx_files.convert(model, describe(model))
    assert onnx_check.compare(model, networks).largest < 1e-4
    model.ema = None  # now the raw weights are the model's own
    assert onnx_check.compare(model, networks).of["image.float32"] > 0.01


def test_a_network_that_differs_from_the_model_is_refused(
    model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    convert = onnx_files.convert

    def wrong(model: InfoGAN, *arguments: Any, **options: Any) -> onnx_files.OnnxNetworks:
        return convert(with_varied_weights(InfoGAN(model.config), seed=2), *arguments, **options)

    monkeypatch.setattr(onnx_files, "convert", wrong)
    with pytest.raises(StorageError, match=r"differs from the model by .* in "):
        infogan.export_model(model_folder, "onnx")
    assert not (model_folder / "export" / "onnx").exists()


def test_exporting_leaves_the_model_as_it_was(tiny_config: Config) -> None:
    spectral = tiny_config.replace(network={"normalization": "spectral", "spectral_recognition": True})
    model = with_varied_weights(InfoGAN(spectral))
    images = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 1), dtype=np.uint8)
    before = model.encode(images), {name: value.clone() for name, value in model.state_dict().items()}
    onnx_files.convert(model, describe(model))
    after = model.encode(images), model.state_dict()
    torch.testing.assert_close(after, before, rtol=0, atol=0)


def test_a_network_of_a_plug_in_is_exported_or_refused_with_advice(tiny_config: Config) -> None:
    class Choosing(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.flatten(1) if x.sum() > 0 else -x.flatten(1)

    def build(trunk: nn.Module) -> InfoGAN:
        with NETWORKS.restored():
            NETWORKS.add("own", lambda shape: Networks(trunk=trunk))
            return InfoGAN(tiny_config.replace(network={"architecture": "own"}))

    shape = NetworkShape(1, 1, 8)
    model = with_varied_weights(build(nn.Sequential(nn.Flatten(), nn.Linear(shape.size**2, 16), nn.Tanh())))
    assert onnx_check.compare(model, onnx_files.convert(model, describe(model))).largest < 1e-4
    with pytest.raises(UsageError, match="cannot be converted to ONNX"):
        onnx_files.convert(build(Choosing()), {})


ALL_CODES = "digit:4 style:u2 angle:p turn:p2 bit:b2 bell:n"


def test_every_sort_of_code_is_exported(tiny_config: Config) -> None:
    codes = parse_codes(ALL_CODES) | {
        "kind": Categorical(3, dim=2, probabilities=(0.5, 0.3, 0.2)),
        "range": infogan.Uniform(low=100.0, high=300.0, posterior=infogan.TruncatedGaussian()),
        "near": infogan.Uniform(posterior=infogan.Gaussian(std=1.0, reach=1.5)),
    }
    model = with_varied_weights(
        InfoGAN(tiny_config.replace(latents={"codes": codes, "noise_prior": "normal"}))
    )
    errors = onnx_check.compare(model, onnx_files.convert(model, describe(model)), latents=200)
    assert {"kind.probabilities", "bit.probability", "turn.std", "range.mean", "near.std"} <= set(errors.of)
    assert errors.largest < 1e-4


def configuration(preset: str, recipe: str) -> Config:
    config = PRESETS[preset].configuration(recipe)
    if config.data.size is None or config.data.channels is None:
        config = config.replace(data={"size": 45, "channels": 3})  # an odd size
    return config.replace(network={"width": 0.125})


@pytest.mark.parametrize(
    ("preset", "recipe"), [("mnist", "robust"), ("folder", "anchored"), ("sprites", "cr")]
)
def test_networks_agree_with_torch_over_1000_latents(preset: str, recipe: str) -> None:
    """tests/long has every preset."""
    model = with_varied_weights(InfoGAN(configuration(preset, recipe)))
    model.provenance["steps"] = model.config.training.steps
    networks = onnx_files.convert(model, describe(model))
    assert onnx_check.compare(model, networks, latents=1_000).largest < 1e-4
    half = onnx_files.OnnxNetworks(*map(onnx_files.halved, (networks.generator, networks.recognition)))
    errors = onnx_check.compare(model, half, latents=1_000)
    assert errors.of["image.float32"] < 2 / 255
    assert len(half.generator) < 0.75 * len(networks.generator)
