"""The paper's experiments as presets: each number of appendix C, and one step of each network."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import nn
from torch.nn.utils import parametrize

from infogan import api, data, presets, recipes
from infogan.config import CONTINUOUS_WEIGHT, Categorical, Config, Continuous, Periodic, Uniform
from infogan.errors import ConfigError
from infogan.model import InfoGAN
from infogan.networks.normalization import BatchNorm, SpectralNorm
from infogan.runs.directory import RunDirectory

PAPER = {
    # name: noise, inputs of G, categories of each discrete code, continuous codes, size, channels
    "mnist": (62, 74, [10], 2, 28, 1),
    "svhn": (124, 168, [10] * 4, 4, 32, 3),
    "celeba": (128, 228, [10] * 10, 0, 32, 3),
    "faces-azimuth": (128, 133, [], 5, 32, 1),
    "faces-elevation": (128, 133, [], 5, 32, 1),
    "faces-lighting": (128, 133, [], 5, 32, 1),
    "faces-width": (128, 133, [], 5, 32, 1),
    "chairs-rotation": (128, 189, [20] * 3, 1, 64, 1),
    "chairs-width": (128, 189, [20] * 3, 1, 64, 1),
}
"""PAPER: appendix C, the input widths that it states among them."""

RATES = {
    # name: learning rates of D and G, lambda of discrete and of continuous codes
    "mnist": (2e-4, 1e-3, 1, 0.1),
    "svhn": (2e-4, 1e-3, 1, 0.1),
    "celeba": (2e-4, 1e-3, 1, None),
    "faces-azimuth": (2e-4, 5e-4, None, 0.2),
    "faces-elevation": (4e-4, 3e-4, None, 0.1),
    "faces-lighting": (8e-4, 3e-4, None, 0.1),
    "faces-width": (8e-4, 3e-4, None, 0.1),
    "chairs-rotation": (2e-4, 1e-3, 1, 10),
    "chairs-width": (2e-4, 1e-3, 2, 0.05),
}
"""Appendix C and its tables 5 and 7."""


def conv(inputs: int, outputs: int) -> int:
    return 16 * inputs * outputs + outputs


def dense(inputs: int, outputs: int) -> int:
    return inputs * outputs + outputs


def norm(features: int) -> int:
    return 2 * features


COLOUR_TRUNK = conv(3, 64) + conv(64, 128) + norm(128) + conv(128, 256) + norm(256)
COLOUR_HEADS = dense(4 * 4 * 256, 1) + dense(4 * 4 * 256, 128) + norm(128)
COLOUR_UPS = norm(1792) + conv(448, 256) + norm(256) + conv(256, 128) + conv(128, 64) + conv(64, 3)
FACES = conv(1, 64) + conv(64, 128) + norm(128)
CHAIRS = FACES + conv(128, 256) + norm(256) + 2 * (conv(256, 256) + norm(256))
SEAT = 8 * 8 * 256

GENERATORS = {
    "svhn": dense(168, 1792) + COLOUR_UPS,
    "celeba": dense(228, 1792) + COLOUR_UPS,
    "faces-azimuth": (
        dense(133, 1024) + norm(1024) + dense(1024, 8192) + norm(8192)
        + conv(128, 64) + norm(64) + conv(64, 1)
    ),
    "chairs-rotation": (
        dense(189, 1024) + norm(1024) + dense(1024, SEAT) + norm(SEAT) + 2 * (conv(256, 256) + norm(256))
        + conv(256, 128) + norm(128) + conv(128, 64) + norm(64) + conv(64, 1)
    ),
}  # fmt: skip
"""Parameters by hand, from tables 2 to 7."""

READERS = {
    "svhn": COLOUR_TRUNK + COLOUR_HEADS + dense(128, 4 * 10 + 4 * 2),
    "celeba": COLOUR_TRUNK + COLOUR_HEADS + dense(128, 10 * 10),
    "faces-azimuth": FACES + dense(8192, 1024) + norm(1024) + dense(1024, 1 + 5 * 2),
    "chairs-rotation": CHAIRS + dense(SEAT, 1024) + norm(1024) + dense(1024, 1 + 3 * 20 + 2),
}
"""The same of D and Q with their trunk."""


DIGESTS = {
    "celeba": "0d591e7947f08de9 2fb0841df4a499ca 6f1b6076867409bb da383eaf4c457dad",
    "chairs-rotation": "cdea4d8cb2138e10 1c3d09a577ef0d03 90c2fee89af792b3 09d93f7c3c1e3904",
    "chairs-width": "d40441776cc696e0 04feb2daa32231a3 aeb0f7eced29242b 1f29fb0f431797bb",
    "digits": "591d9a520acdce1d dd98798d095a9aa7 b95d1463dfa1b379 c212dcfbef2f5c92",
    "faces-azimuth": "17d46e35bc3e0361 1007f0cff2f4cdc9 26137466913ce881 09501607e1d13d4a",
    "faces-elevation": "b8a2bc45fd97d451 f72fabe785b7e7c9 735dc6936e8bbe77 3d9292261d0bee52",
    "faces-lighting": "2dc5eaf83d53ac7f 54e283a370a804d7 963adc1b6f0eee86 8aac863c05552bcd",
    "faces-width": "8d84e73eaa70fee2 5c2e24f6153459f0 7c07918789c6847b 3771573c5a7bd0b3",
    "fashion-mnist": "20077e85af3169bc 9671b0b4ea7f4291 f9e039c1249c253e badd1c24ce721049",
    "figure1": "613c27379eb9f140 refused 749cac02ef2254b7 4b5c25c940a83457",
    "folder": "0883383f10346214 ce1394b2a23bab83 3d09c139298cdc46 52e49ef7ca19d7e6",
    "mnist": "278f481e03b1259f f047637221e25277 e5ecda90e3888530 700bde1191ad95ad",
    "mnist-5k": "a833e320e24a30b8 21f90164d22aac94 6e4731caf33f1a24 6c391366eeaaf526",
    "sprites": "fd52cdc8d26418a9 56789cb6c15702ef 369bc6c167076ce1 1a04d2b43e9aa362",
    "svhn": "c3d571d0e445caba 6b7241683f5fe895 3b0e54fefd26baf2 26604f3084ac3794",
}
"""By preset, the beginning of the SHA-256 of its configuration as JSON, by the recipes anchored, cr, paper
and robust.

Published results were made with these. A new key of the configuration changes all of them.
"""


def paper(name: str, **training: int) -> Config:
    return api.configure(
        name, recipe="paper", settings={f"training.{key}": value for key, value in training.items()}
    )


@pytest.mark.parametrize("name", PAPER)
def test_codes_and_inputs_are_the_paper_s(name: str) -> None:
    noise, inputs, categories, continuous, size, channels = PAPER[name]
    config = paper(name)
    codes = config.latents.codes.values()
    assert config.latents.noise == noise
    assert [
        code.size for code in codes if isinstance(code, Categorical) for _ in range(code.dim)
    ] == categories
    assert sum(code.dim for code in codes if isinstance(code, Continuous)) == continuous
    assert noise + sum(categories) + continuous == inputs  # the paper's own sum
    assert (config.data.size, config.data.channels) == (size, channels)


@pytest.mark.parametrize("name", RATES)
def test_rates_and_lambda_are_the_paper_s(name: str) -> None:
    discriminator, generator, discrete, continuous = RATES[name]
    config = paper(name)
    training = config.training
    assert training.learning_rate_discriminator == discriminator
    assert training.learning_rate_generator == generator
    weights = {True: set(), False: set()}
    for code, weight in zip(config.latents.codes.values(), config.info_weights().values(), strict=True):
        weights[isinstance(code, Categorical)].add(weight)
    assert weights[True] == (set() if discrete is None else {discrete})
    assert weights[False] == (set() if continuous is None else {continuous})


@pytest.mark.parametrize("name", GENERATORS)
def test_networks_have_the_tables_numbers_of_parameters(name: str) -> None:
    model = InfoGAN(paper(name))

    def parameters(*parts: object) -> int:
        return sum(one.numel() for part in parts for one in part.parameters())  # type: ignore[attr-defined]

    assert parameters(model.generator) == GENERATORS[name]
    assert parameters(model.trunk, model.discriminator, model.recognition) == READERS[name]


def test_cr_has_the_published_networks_and_settings() -> None:
    """Lin et al. 2020: 5 + 5 latents, every layer of D and Q under spectral norm, no batch norm there."""
    model = InfoGAN(api.configure("sprites", recipe="cr"))

    def parameters(*parts: object) -> int:
        return sum(one.numel() for part in parts for one in part.parameters())  # type: ignore[attr-defined]

    assert parameters(model.generator) == (
        dense(10, 128) + norm(128) + dense(128, 1024) + norm(1024)
        + conv(64, 64) + norm(64) + conv(64, 32) + norm(32) + conv(32, 32) + norm(32) + conv(32, 1)
    )  # fmt: skip
    trunk = conv(32, 32) + conv(32, 64) + conv(64, 64) + dense(1024, 128)
    assert parameters(model.trunk, model.discriminator, model.recognition) == (
        conv(1, 32) + trunk + dense(128, 1) + dense(128, 128) + dense(128, 5)
    )
    assert parameters(model.contrastive) == conv(2, 32) + trunk + dense(128, 5)
    config, training = model.config, model.config.training
    assert (training.batch_size, training.generator_updates, training.steps) == (64, 2, 322_560)
    assert (training.learning_rate_discriminator, training.learning_rate_generator) == (2e-3, 1e-3)
    assert set(config.info_weights().values()) == {0.05}
    assert all(prior.has_fixed_std for prior in model.latents.priors.values())
    assert config.objective.contrastive_weight.points == ((288_000, 0.0), (288_000, 2.0))
    layers = [*model.trunk.modules(), *model.discriminator.modules(), *model.recognition.modules()]
    assert not any(isinstance(layer, BatchNorm) for layer in layers)
    weighted = [layer for layer in layers if isinstance(layer, nn.Conv2d | nn.Linear)]
    assert len(weighted) == 8 and all(parametrize.is_parametrized(layer) for layer in weighted)
    assert {layer.bound for layer in layers if isinstance(layer, SpectralNorm)} == {1.0}


@pytest.mark.parametrize("name", sorted(set(PAPER) - {"mnist"}))
def test_by_robust_whatever_is_no_digit_has_a_discriminator_without_batch_norm(name: str) -> None:
    """With the paper's networks it came to one picture on chairs, and to none on faces of people."""
    assert api.configure(name, recipe="robust").network.normalization == "spectral"
    assert api.configure(name, recipe="paper").network.normalization == "batch"


def test_only_robust_mirrors_chairs_whose_width_is_looked_for() -> None:
    flips = {
        recipe: api.configure("chairs-width", recipe=recipe).augmentation.flip
        for recipe in ("robust", "paper")
    }
    assert flips == {"robust": True, "paper": False}
    assert not api.configure("chairs-rotation", recipe="robust").augmentation.flip


def test_what_turns_chairs_all_the_way_round_is_residual() -> None:
    assert api.configure("chairs-rotation", recipe="robust").network.architecture == "residual"
    assert api.configure("chairs-rotation", recipe="paper").network.architecture == "chairs"


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist", "digits"])
def test_the_demo_s_remedy_is_its_own(name: str) -> None:
    """Published figures of these are of the remedy as it was before the demo's."""
    training, demo = (api.configure(preset).training for preset in (name, "mnist-5k"))
    assert (training.repair_start, training.repair_components) == (500, 0)
    assert (demo.repair_start, demo.repair_components) == (400, 20)


@pytest.mark.parametrize(
    ("name", "recipe"),
    [
        pytest.param(name, recipe, marks=[] if recipe == preset.recipe else pytest.mark.slow)
        for name, preset in presets.PRESETS.items()
        for recipe in recipes.RECIPES
        if name not in ("figure1", "folder")
    ],
)
def test_every_preset_trains_by_every_recipe(name: str, recipe: str, tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        "steps": 2,
        "batch_size": 4,
        "network.width": 0.05,
        "objective.neighbours": 0,
    }
    if recipe == "anchored-categories":
        codes = api.configure(name, recipe="robust").latents.codes.values()
        if sum(code.dim for code in codes if isinstance(code, Categorical)) != 1:
            with pytest.raises(ConfigError, match="exactly one categorical code"):
                api.configure(name, recipe=recipe)
            return
        settings["representation.contrastive_steps"] = 2
    if (name, recipe) == ("digits", "cr"):  # 8 pixels cannot be halved four times: its message says this
        settings["network.architecture"] = "generic"
    if recipe == "anchored":
        settings |= {"representation.contrastive_steps": 2, "representation.fit_steps": 2}
    config = api.configure(name, recipe=recipe, settings=settings)
    size, channels = config.data.size, config.data.channels
    assert size is not None and channels is not None
    draw = np.random.Generator(np.random.Philox(key=0))
    images = draw.integers(0, 256, (12, size, size, channels), dtype=np.uint8)
    in_memory = config.model_copy(
        update={"data": config.data.model_copy(update={"source": "folder", "held_out": 2})}
    )
    trained = api.train_config(
        in_memory, dataset=data.from_array(images, in_memory.data), out=tmp_path / "run"
    )
    assert trained.model.provenance["steps"] == 2
    assert trained.model.sample(3).shape == (3, size, size, channels)
    line = list(RunDirectory.open(tmp_path / "run").metrics_path.read_text().splitlines())[-1]
    assert all(f'"{code}"' in line for code in config.latents.codes)


@pytest.mark.parametrize("name", presets.PRESETS)
def test_no_run_of_robust_goes_on_long_after_its_rates_have_fallen(name: str) -> None:
    """Steps at a fiftieth of the rates change next to nothing, and are as dear as others."""
    training = api.configure(name, recipe="robust").training
    assert training.steps <= 1.2 * training.learning_rate_schedule.points[-1][0]


PUBLISHED = ("anchored", "cr", "paper", "robust")
"""The recipes of the digests, in their order."""


@pytest.mark.parametrize("name", DIGESTS)
def test_configurations_stay_as_they_were_published(name: str) -> None:
    for recipe, digest in zip(PUBLISHED, DIGESTS[name].split(), strict=True):
        if digest == "refused":  # cr needs two codes
            with pytest.raises(ConfigError, match="two codes"):
                presets.PRESETS[name].configuration(recipe)
        else:
            configuration = presets.PRESETS[name].configuration(recipe)
            newer: Any = {  # keys of later releases, at their defaults
                "data": {
                    "split_version", "split_at", "fit", "range", "background", "frames", "exclude",
                    "allow_unreadable", "follow_links", "split_by", "revision",
                },
                "network": {"spectral_iterations"},
                "objective": {"neighbour_search", "neighbour_space"},
                "training": {
                    "graph", "seeds_at_once", "deterministic", "recognition_rate", "final_statistics"
                },
                "representation": True,
            }  # fmt: skip
            text = configuration.model_dump_json(exclude=newer)
            text = text.replace('"version":3', '"version":2', 1)
            assert hashlib.sha256(text.encode()).hexdigest()[:16] == digest, recipe


def test_a_plug_in_adds_a_preset_and_a_recipe() -> None:
    sections = {"data": {"source": "digits"}, "latents": {"codes": {"digit": Categorical(10)}}}
    slow = recipes.Recipe("slow", "Half the rates.", {"training": {"learning_rate_schedule": 0.5}})
    with presets.PRESETS.restored(), recipes.RECIPES.restored():
        presets.PRESETS.add("mine", presets.Preset("mine", "Mine.", sections, recipe="slow"))
        recipes.RECIPES.add("slow", slow)
        training = api.configure("mine").training
        assert (training.recipe, training.learning_rate_schedule.at(0)) == ("slow", 0.5)
        assert api.configure("mnist", recipe="slow").network.architecture == "mnist"


def test_the_summary_of_a_preset_says_what_its_default_recipe_runs() -> None:
    for preset in presets.PRESETS.values():
        config = preset.configuration()
        steps = re.search(r"([\d,]+) steps", preset.summary)
        assert steps and int(steps[1].replace(",", "")) == config.training.steps, preset.name
        for architecture in ("generic", "residual"):
            if f"{architecture} networks" in preset.summary:
                assert config.network.architecture == architecture, preset.name


def test_recipes_of_a_preset_are_compared_key_by_key() -> None:
    header, *lines = presets.recipe_table(presets.PRESETS["svhn"])
    assert header.split() == ["key", "robust", "anchored", "cr", "paper"]
    rows = {line.split()[0]: line.split()[1:] for line in lines}
    assert rows["network.architecture"] == ["generic", "anchored", "dsprites", "svhn"]
    assert rows["training.steps"] == ["6000", "2000", "322560", "20000"]
    assert "latents.noise" not in rows


def test_a_preset_overrides_settings_of_the_recipe() -> None:
    own, plain = api.configure("fashion-mnist"), api.configure("mnist")
    assert (own.network.normalization, plain.network.normalization) == ("spectral", "batch")
    assert api.configure("fashion-mnist", recipe="paper").network.normalization == "batch"
    batch = api.configure("fashion-mnist", settings={"normalization": "batch"})
    assert batch.network.normalization == "batch"


def test_anchored_trains_continuous_codes_as_its_documentation_says() -> None:
    """With lambda 1 and the std of Unif(-1, 1), the bound falls by 1.5 times the squared error."""
    style = Uniform(info_weight=CONTINUOUS_WEIGHT)
    codes = {
        "kind": Categorical(4),
        "style": style,
        "mine": Uniform(info_weight=0.3),
        "angle": Periodic(info_weight=CONTINUOUS_WEIGHT),
    }
    config = recipes.find("anchored").apply(presets.load("digits").replace(latents={"codes": codes}))
    weights = config.info_weights()
    assert weights == {"kind": 1.0, "style": 1.0, "mine": 0.3, "angle": 0.5}
    posterior = config.latents.codes["style"].posterior
    assert weights["style"] / (2 * posterior.std**2) == pytest.approx(1.5, rel=2e-3)
    training = config.training
    factors = [training.learning_rate_schedule.at(step) for step in (0, 1_000, 2_000)]
    assert factors == pytest.approx([1.0, 1.0, 0.05])
    assert (training.batch_size, training.beta2, training.ema_decay, training.ema_start) == (
        64,
        0.99,
        0.99,
        100,
    )
    assert InfoGAN(config).encoder is not None
    assert config.objective.anchor_weight.at(0) == 1.0
