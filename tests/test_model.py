from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

import infogan
from infogan import InfoGAN, networks, storage
from infogan.config import Bernoulli, Categorical, Config, Normal, TrainingConfig, Uniform
from infogan.errors import ConfigError, StorageError, UsageError


def with_codes(config: Config, **codes: Any) -> Config:
    return config.model_copy(update={"latents": config.latents.model_copy(update={"codes": codes})})


@pytest.fixture
def averaged(tiny_config: Config) -> InfoGAN:
    """A model whose averaged generator is another than the raw one."""
    training = TrainingConfig(ema_decay=0.9)
    model = InfoGAN(tiny_config.model_copy(update={"training": training}))
    with torch.no_grad():
        for parameter in model.generator.parameters():
            parameter.add_(0.5)
    return model


def uneven(model: InfoGAN, seed: int = 1) -> InfoGAN:
    """The same model with larger weights, so that codes and noise show in the images."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for value in model.generator.parameters():
            value.add_(0.3 * torch.randn(value.shape, generator=generator))
    return model


def real(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 8, 8, 1), dtype=np.uint8)


# --- names -----------------------------------------------------------------------------------------------


def test_importing_infogan_imports_nothing_heavy() -> None:
    script = (
        "import sys, infogan\n"
        "dir(infogan), infogan.__version__, infogan.InfoGANError\n"
        "sys.exit(str({'torch', 'numpy', 'pydantic'} & set(sys.modules) or ''))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stderr.strip() == ""


def test_public_names_resolve() -> None:
    assert {"InfoGAN", "train", "resume", "evaluate", "Config", "Categorical", "Uniform"} <= set(
        infogan.__all__
    )
    for name in infogan.__all__:
        assert getattr(infogan, name) is not None
        assert name in dir(infogan)
    with pytest.raises(AttributeError, match="No infogan attribute trian"):
        infogan.trian  # noqa: B018


# --- sample ----------------------------------------------------------------------------------------------


def test_the_seed_decides_the_samples(tiny_model: InfoGAN) -> None:
    model = uneven(tiny_model)
    torch.manual_seed(1)
    first = model.sample(5, seed=3)
    torch.manual_seed(2)
    assert np.array_equal(model.sample(5, seed=3), first)
    assert not np.array_equal(model.sample(5, seed=4), first)
    assert (first.dtype, first.shape) == (np.uint8, (5, 8, 8, 1))
    assert len(np.unique(first, axis=0)) == 5
    (noise, codes), (other_noise, other_codes) = (model.draw(5, seed=seed) for seed in (3, 4))
    assert not torch.isin(noise, other_noise).any()
    assert not torch.isin(codes["style"], other_codes["style"]).any()
    assert not model.training


def test_many_samples_are_made_in_parts_without_a_seam(tiny_model: InfoGAN) -> None:
    model = uneven(tiny_model)
    noise, codes = model.draw(300, seed=0)
    assert np.array_equal(model.sample(300), model.generate(noise, codes))
    last = {name: value[-1:] for name, value in codes.items()}
    alone = model.generate(noise[-1:], last).astype(int)
    assert (
        np.abs(alone - model.sample(300)[-1:].astype(int)).max() <= 1
    )  # sums of another batch size round otherwise


def test_fixed_codes_are_held_and_the_others_drawn(
    tiny_model: InfoGAN, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, Any] = {}
    generate = InfoGAN.generate

    def watched(self: InfoGAN, noise: torch.Tensor, codes: Any, **options: Any) -> np.ndarray:
        seen.update(codes, noise=noise)
        return generate(self, noise, codes, **options)

    monkeypatch.setattr(InfoGAN, "generate", watched)
    tiny_model.sample(6, seed=1, codes={"digit": 2})
    free_noise, free_codes = tiny_model.draw(6, seed=1)
    assert torch.equal(seen["digit"], torch.eye(4)[2].expand(6, 4))
    assert torch.equal(seen["style"], free_codes["style"])
    assert torch.equal(seen["noise"], free_noise)
    tiny_model.sample(6, seed=1, codes={"style": -0.25})
    assert torch.equal(seen["style"], torch.full((6, 1), -0.25))
    assert torch.equal(seen["digit"], free_codes["digit"])


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        ({"digt": 1}, "'digt'.*did you mean 'digit'"),
        ({"digit": 4}, "digit = 4"),
        ({"digit": -1}, "digit = -1"),
        ({"digit": 1.5}, "digit = 1.5"),
        ({"digit": float("nan")}, "digit = nan"),
        ({"style": [0.1, 0.2]}, r"style = \[0.1, 0.2\]"),
    ],
)
def test_codes_that_do_not_fit_are_named(tiny_model: InfoGAN, codes: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        tiny_model.sample(2, codes=codes)


# --- traverse --------------------------------------------------------------------------------------------


def test_a_row_of_a_traversal_shares_all_but_its_code(
    tiny_model: InfoGAN, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, torch.Tensor] = {}
    generate = InfoGAN.generate

    def watched(self: InfoGAN, noise: torch.Tensor, codes: Any, **options: Any) -> np.ndarray:
        seen.update(codes, noise=noise)
        return generate(self, noise, codes, **options)

    monkeypatch.setattr(InfoGAN, "generate", watched)
    pictures = tiny_model.traverse("style", rows=3, seed=2, values=[-2, 0, 2, 4])
    assert (pictures.shape, pictures.dtype) == ((3, 4, 8, 8, 1), np.uint8)
    noise, codes = tiny_model.draw(3, seed=2)
    grid = {name: value.reshape(3, 4, -1) for name, value in seen.items()}
    for column in range(4):
        assert torch.equal(grid["noise"][:, column], noise)
        assert torch.equal(grid["digit"][:, column], codes["digit"])
        assert torch.equal(grid["style"][:, column], torch.full((3, 1), [-2.0, 0.0, 2.0, 4.0][column]))


def test_a_traversal_shows_the_samples_of_its_values(tiny_model: InfoGAN) -> None:
    model = uneven(tiny_model)
    rows = model.traverse("digit", rows=2, seed=7)
    assert rows.shape == (2, 4, 8, 8, 1)
    for category in range(4):
        alone = model.sample(2, seed=7, codes={"digit": category})
        assert np.abs(rows[:, category].astype(int) - alone.astype(int)).max() <= 1
    assert len(np.unique(rows[0], axis=0)) == 4  # the code does something


@pytest.mark.parametrize(
    ("code", "columns", "first", "last"),
    [
        (Categorical(3), 3, [1, 0, 0], [0, 0, 1]),
        (Categorical(3, dim=2), 3, [1, 0, 0, 1, 0, 0], [0, 0, 1, 1, 0, 0]),
        (Uniform(), 9, [-2], [2]),
        (Uniform(0, 4, dim=2), 9, [-2, 2], [6, 2]),
        (Normal(dim=2), 9, [-2, 0], [2, 0]),
        (Bernoulli(dim=2), 2, [0, 0], [1, 0]),
    ],
)
def test_default_values_of_a_traversal(
    tiny_config: Config, code: Any, columns: int, first: list[float], last: list[float]
) -> None:
    line = InfoGAN(with_codes(tiny_config, code=code)).traversal_values("code")
    assert (len(line), line[0].tolist(), line[-1].tolist()) == (columns, first, last)


def test_a_traversal_of_an_unknown_code(tiny_model: InfoGAN) -> None:
    with pytest.raises(UsageError, match=r"'styl'.*did you mean 'style'"):
        tiny_model.traverse("styl")


# --- encode ----------------------------------------------------------------------------------------------


def test_encode_gives_an_array_a_code(tiny_config: Config) -> None:
    codes = {"kind": Categorical(3), "pair": Categorical(3, dim=2), "tilt": Uniform(), "pose": Normal(dim=2),
             "glass": Bernoulli()}  # fmt: skip
    model = InfoGAN(with_codes(tiny_config, **codes))
    found = model.encode(real(70))
    shapes = {"kind": (70, 3), "pair": (70, 6), "tilt": (70,), "pose": (70, 2), "glass": (70,)}
    assert {name: array.shape for name, array in found.items()} == shapes
    assert all(array.dtype == np.float32 for array in found.values())
    assert np.allclose(found["kind"].sum(1), 1, atol=1e-5)
    assert np.allclose(found["pair"].reshape(70, 2, 3).sum(2), 1, atol=1e-5)
    assert found["glass"].min() >= 0 and found["glass"].max() <= 1
    assert {name: len(array) for name, array in model.encode(real(0)).items()} == dict.fromkeys(shapes, 0)


def test_an_image_has_one_code_in_any_company(tiny_model: InfoGAN) -> None:
    images = real(70)
    together = tiny_model.encode(images)
    for index in (0, 63, 64, 69):
        alone = tiny_model.encode(images[index : index + 1])
        for name, array in alone.items():
            assert np.array_equal(array[0], together[name][index])


def test_encoding_changes_nothing(tiny_model: InfoGAN) -> None:
    before = {name: value.clone() for name, value in tiny_model.state_dict().items()}
    tiny_model.train()
    first = tiny_model.encode(real(9))
    assert tiny_model.training  # as it was
    tiny_model.eval()
    assert all(np.array_equal(array, first[name]) for name, array in tiny_model.encode(real(9)).items())
    assert all(torch.equal(value, before[name]) for name, value in tiny_model.state_dict().items())


def test_each_domain_has_its_own_statistics(tiny_model: InfoGAN) -> None:
    with torch.no_grad():
        for name, value in tiny_model.named_buffers():
            if name.endswith("fake_mean"):
                value.add_(0.5)
    real_reading, fake_reading = (
        tiny_model.encode(real(4), domain=domain)["style"] for domain in ("real", "fake")
    )
    assert not np.allclose(real_reading, fake_reading)


@pytest.mark.parametrize("shape", [(3, 8, 8), (3, 8, 9, 1), (3, 16, 16, 1), (3, 8, 8, 3), (3, 1, 8, 8)])
def test_images_of_another_shape_are_named(tiny_model: InfoGAN, shape: tuple[int, ...]) -> None:
    # Below `encode`, whose annotation the tests' own type checker would complain about first.
    with pytest.raises(UsageError, match=re.escape(f"uint8 {list(shape)}")) as caught:
        tiny_model._forward(np.zeros(shape, np.uint8), "real", want=("raw",))
    assert "uint8 [N, 8, 8, 1]" in caught.value.expected


def test_floats_are_not_taken_for_bytes(tiny_model: InfoGAN) -> None:
    with pytest.raises(UsageError, match="float64"):
        tiny_model._forward(np.zeros((3, 8, 8, 1)), "real", want=("raw",))


# --- raw and averaged ------------------------------------------------------------------------------------


def test_the_average_is_drawn_from_where_there_is_one(averaged: InfoGAN) -> None:
    assert averaged.weights == "ema"
    chosen, raw, ema = (averaged.sample(4, weights=weights) for weights in (None, "raw", "ema"))
    assert np.array_equal(chosen, ema)
    assert not np.array_equal(raw, ema)
    rows, raw_rows = (averaged.traverse("digit", rows=1, weights=weights) for weights in (None, "raw"))
    assert not np.array_equal(rows, raw_rows)


@pytest.mark.parametrize("weights", ["ema", "best"])
def test_weights_that_are_not_there(tiny_model: InfoGAN, weights: str) -> None:
    assert tiny_model.weights == "raw"
    with pytest.raises(UsageError, match=f"weights = '{weights}'"):
        tiny_model.sample(2, weights=weights)


# --- saved and loaded ------------------------------------------------------------------------------------


def test_a_model_comes_back_exactly(averaged: InfoGAN, tmp_path: Path) -> None:
    averaged.provenance = {"steps": 7, "images_seen": 56, "dataset": "tiny"}
    averaged.save_pretrained(tmp_path / "model")
    back = InfoGAN.from_pretrained(tmp_path / "model")
    assert back.config == averaged.config
    assert back.provenance == averaged.provenance
    own, other = averaged.state_dict(), back.state_dict()
    assert list(own) == list(other)
    assert all(torch.equal(value, other[name]) for name, value in own.items())
    assert np.array_equal(back.sample(4), averaged.sample(4))
    assert all(
        np.array_equal(array, averaged.encode(real(4))[name]) for name, array in back.encode(real(4)).items()
    )
    assert not back.training


def test_a_run_is_read_like_its_model_folder(tiny_model: InfoGAN, tmp_path: Path) -> None:
    tiny_model.save_pretrained(tmp_path / "model")
    assert np.array_equal(InfoGAN.from_pretrained(tmp_path).sample(2), tiny_model.sample(2))
    assert np.array_equal(InfoGAN.from_pretrained(str(tmp_path)).sample(2), tiny_model.sample(2))


def test_a_run_without_a_model_yet(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(UsageError, match="holds no model yet") as caught:
        InfoGAN.from_pretrained(tmp_path)
    assert caught.value.advice == f"infogan resume {tmp_path}"


def test_nothing_is_a_model(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no model"):
        InfoGAN.from_pretrained(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (
            "discriminator.output.weight",
            lambda value: value[:, :-1].contiguous(),
            r"is torch.float32 \[1, \d+\], not",
        ),
        ("generator.output.bias", torch.Tensor.double, "is torch.float64"),
        ("trunk.blocks.0.weight", None, "is missing"),
    ],
)
def test_weights_that_do_not_fit_are_named(
    name: str, change: Any, message: str, tiny_model: InfoGAN, tmp_path: Path
) -> None:
    tiny_model.save_pretrained(tmp_path)
    files = storage.read_folder(tmp_path)
    tensors = safetensors.torch.load(files["model.safetensors"])
    value = tensors.pop(name)
    if change:
        tensors[name] = change(value)
    storage.write_folder(tmp_path, {**files, "model.safetensors": safetensors.torch.save(tensors)})
    with pytest.raises(StorageError, match=rf"model.safetensors does not fit .*: {name} {message}"):
        InfoGAN.from_pretrained(tmp_path)


def test_only_the_first_misfits_are_listed_and_none_is_taken_over(
    tiny_model: InfoGAN, tiny_config: Config
) -> None:
    wider = tiny_config.model_copy(update={"network": tiny_config.network.model_copy(update={"width": 0.25})})
    before = {name: value.clone() for name, value in tiny_model.state_dict().items()}
    with pytest.raises(StorageError, match=r"(;.*){2} and \d+ more"):
        tiny_model.load_tensors(InfoGAN(wider).state_dict(), "a file")
    assert all(torch.equal(value, before[name]) for name, value in tiny_model.state_dict().items())


def test_a_pickle_is_not_opened(tiny_model: InfoGAN, tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "executed",)

    tiny_model.save_pretrained(tmp_path / "model")
    files = storage.read_folder(tmp_path / "model")
    torch.save({"weights": Trap()}, tmp_path / "trap.pt")
    content = (tmp_path / "trap.pt").read_bytes()
    storage.write_folder(tmp_path / "model", {**files, "model.safetensors": content})
    with pytest.raises(StorageError, match="cannot be read"):
        InfoGAN.from_pretrained(tmp_path / "model")
    with pytest.raises(UsageError, match="holds no model"):
        InfoGAN.from_pretrained(tmp_path / "trap.pt")
    assert not (tmp_path / "executed").exists()


def test_a_model_without_a_size_cannot_be_built(tiny_config: Config) -> None:
    unsettled = tiny_config.model_copy(update={"data": tiny_config.data.model_copy(update={"size": None})})
    with pytest.raises(ConfigError, match=r"data\.size"):
        InfoGAN(unsettled)


# --- codes that were read through noise --------------------------------------------------------------------


def noisy(config: Config, **noise: Any) -> InfoGAN:
    policy = config.augmentation.model_copy(update=noise)
    model = uneven(InfoGAN(config.model_copy(update={"augmentation": policy})))
    model.provenance = {"steps": 900}
    return model


def test_codes_that_were_read_through_noise_are_read_through_it_again(tiny_config: Config) -> None:
    """Continuous ones alone, and with the noise of the step at which training stood."""
    clean, model = noisy(tiny_config), noisy(tiny_config, code_noise=0.5)
    images, latents = real(5), model.latents
    expected, found = latents.posteriors(clean.recognise(images)), latents.posteriors(model.recognise(images))
    for name, prior in latents.priors.items():
        assert torch.equal(expected[name].mean, found[name].mean) == prior.discrete, name
    fallen = noisy(tiny_config, code_noise=[[0, 2.0], [900, 0.5]])
    assert torch.equal(model.recognise(images), fallen.recognise(images))
    gone = noisy(tiny_config, code_noise=[[0, 2.0], [900, 0.0]])
    assert torch.equal(clean.recognise(images), gone.recognise(images))


def test_an_image_read_through_noise_does_not_depend_on_its_batch(tiny_config: Config) -> None:
    model, images = noisy(tiny_config, code_noise=0.5), real(300)
    assert torch.equal(model.recognise(images)[7:8], model.recognise(images[7:8]))
    assert torch.equal(model.recognise(images), model.recognise(images))


# --- Q's own encoder -------------------------------------------------------------------------------------


@pytest.fixture
def with_encoder(tiny_config: Config) -> InfoGAN:
    return uneven(InfoGAN(tiny_config.replace(network={"architecture": "anchored"})))


def test_with_its_own_encoder_q_predicts_generated_images_as_real_ones(with_encoder: InfoGAN) -> None:
    assert with_encoder.feature_extractor is with_encoder.encoder
    as_real, as_fake = (with_encoder.encode(real(5), domain=domain) for domain in ("real", "fake"))
    assert all(np.array_equal(value, as_fake[name]) for name, value in as_real.items())
    assert with_encoder.features(real(5)).shape == (5, with_encoder.encoder.features)
    assert not any("fake_" in name for name in with_encoder.encoder.state_dict())


def test_tables_without_an_encoder_have_the_names_of_before(tiny_model: InfoGAN) -> None:
    assert tiny_model.encoder is None and tiny_model.feature_extractor is tiny_model.trunk
    parts = {name.partition(".")[0] for name in tiny_model.state_dict()}
    assert parts == {"generator", "trunk", "discriminator", "recognition"}


def test_a_pretrained_encoder_is_loaded_and_saved_with_the_model(
    with_encoder: InfoGAN, tmp_path: Path
) -> None:
    other = InfoGAN(with_encoder.config.replace(training={"seed": 2})).encoder
    tensors = {**other.state_dict(), "blocks.1.fake_mean": torch.zeros(8)}
    with_encoder.load_encoder(tensors)
    with_encoder.save_pretrained(tmp_path / "model")
    back = InfoGAN.from_pretrained(tmp_path / "model").encoder
    assert all(torch.equal(value, back.state_dict()[name]) for name, value in other.state_dict().items())


def test_an_encoder_of_another_form_is_refused(with_encoder: InfoGAN, tiny_model: InfoGAN) -> None:
    before = {name: value.clone() for name, value in with_encoder.state_dict().items()}
    wide = InfoGAN(with_encoder.config.replace(network={"width": 1.0})).encoder.state_dict()
    with pytest.raises(StorageError, match=r"RUN/encoder.*blocks\.0\.weight is .* not"):
        with_encoder.load_encoder(wide, "RUN/encoder")
    assert all(torch.equal(value, before[name]) for name, value in with_encoder.state_dict().items())
    with pytest.raises(ConfigError, match="no encoder"):
        tiny_model.load_encoder(wide)


def test_code_noise_is_refused_with_an_encoder(tiny_config: Config) -> None:
    config = tiny_config.replace(
        network={"architecture": "anchored"}, augmentation={"shift": 0.1, "code_noise": 0.5}
    )
    with pytest.raises(ConfigError, match="own encoder"):
        InfoGAN(config)


def test_the_trunk_of_a_contrastive_encoder_fits(with_encoder: InfoGAN) -> None:
    """It ends with global average pooling, which has no weights, and may know generated images."""
    rows = (*networks.encoder_rows(8), networks.Layer("pool", 0))
    width = with_encoder.config.network.width
    trunk = networks.Trunk(networks.Architecture(rows, (), ()), 1, 8, networks.Style(width, 0.0))
    networks.initialise(trunk, torch.Generator().manual_seed(1))
    with_encoder.load_encoder(trunk.state_dict())
    weight = with_encoder.state_dict()["encoder.blocks.0.weight"]
    assert torch.equal(weight, trunk.state_dict()["blocks.0.weight"])
