"""The experiments as functions. A preset's docstring says where it stands in the paper and what to expect.

A new preset is one function here; a new recipe likewise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from infogan.config import (
    CONTINUOUS_WEIGHT,
    AugmentationConfig,
    Categorical,
    Code,
    Config,
    Continuous,
    DataConfig,
    Gaussian,
    LatentsConfig,
    NetworkConfig,
    Normal,
    ObjectiveConfig,
    Periodic,
    Schedule,
    TrainingConfig,
    Uniform,
    VonMises,
)
from infogan.errors import ConfigError, UsageError, did_you_mean, nearest

PRESETS: dict[str, Callable[[], Config]] = {}
RECIPES: dict[str, Callable[[Config], Config]] = {}
_OWN_RECIPES: dict[str, str] = {}
_OWN_SETTINGS: dict[str, tuple[str, ...]] = {}
_OWN_CODES: dict[str, dict[str, Code]] = {}
DEFAULT_RECIPE = "robust"
SOFTEST, SOFT_WEIGHT = 0.3, 0.2
"""Of continuous codes in `robust`: the least std of their posterior, in half ranges, and their lambda."""


_CR_STEPS, _CR_START = 322_560, 288_000
REGULARISED_FROM = _CR_START / _CR_STEPS
"""Share of the steps of `cr` after which its contrastive regulariser acts (the code of Lin et al. 2020)."""

CR_WEIGHT = 0.05
"""lambda of continuous codes in `cr`."""

_LONGER = ("training.steps=6000", "training.learning_rate_schedule=[[3000, 1.0], [6000, 0.02]]")
"""The paper's experiments of 20,000 steps: by `robust` rates fall sooner, and a run ends where they have."""

_BOUNDED = (
    "network.normalization=spectral",
    "training.learning_rate_discriminator=0.001",
    "training.learning_rate_generator=0.001",
)
"""Spectral norm, and rates that are no longer too large for D: it stays near the generator."""


_PHOTOGRAPHS = (
    "network.architecture=generic",  # appendix C's generator has layers without batch norm, and is slow
    # Several codes at full weight pay for textures that can be read, long before there is a picture.
    "objective.real_information_weight=0.1",
    "objective.subcode_weight=0.0",
    "training.repair_end=0",
)


def preset(
    name: str,
    *,
    recipe: str = DEFAULT_RECIPE,
    robust: Sequence[str] = (),
    codes: Mapping[str, Code] | None = None,
) -> Callable[[Callable[[], Config]], Callable[[], Config]]:
    """Enters a function into the registry of presets.

    Args:
        name: as users type it.
        recipe: that it is trained by when none is asked for.
        robust: "KEY=VALUE" texts: what the recipe `robust` does otherwise on these images.
        codes: those that it replaces by others of the same name.
    """

    def enter(function: Callable[[], Config]) -> Callable[[], Config]:
        PRESETS[name] = function
        _OWN_RECIPES[name] = recipe
        _OWN_SETTINGS[name] = tuple(robust)
        _OWN_CODES[name] = dict(codes or {})
        return function

    return enter


def recipe(name: str) -> Callable[[Callable[[Config], Config]], Callable[[Config], Config]]:
    """Enters a function into the registry of recipes."""

    def enter(function: Callable[[Config], Config]) -> Callable[[Config], Config]:
        RECIPES[name] = function
        return function

    return enter


def load(name: str) -> Config:
    """The configuration of a preset, with the paper's networks, before a recipe is applied.

    Raises:
        UsageError: no preset has that name.
    """
    if name not in PRESETS:
        raise UsageError(
            f"{name!r} is no preset{did_you_mean(name, PRESETS)}",
            f"one of {', '.join(PRESETS)}",
            "infogan presets, to see what each one does",
        )
    return PRESETS[name]()


def own_recipe(name: str) -> str:
    """The recipe that a preset is trained by when none is asked for."""
    return _OWN_RECIPES[name]


def own_settings(name: str, recipe: str) -> tuple[str, ...]:
    """What a recipe does otherwise on a preset's images, as "KEY=VALUE" texts."""
    return _OWN_SETTINGS[name] if recipe == "robust" else ()


def with_own_codes(config: Config, recipe: str) -> Config:
    """A preset's configuration with the codes that a recipe has in place of the paper's."""
    own = _OWN_CODES[config.preset] if recipe == "robust" else {}
    return config.with_codes(own)


def apply_recipe(config: Config, name: str) -> Config:
    """`config` trained by the recipe of that name.

    Raises:
        ConfigError: no recipe has that name; or another one but `paper` has changed codes and networks.
    """
    check_recipe(name)
    before = config.training.recipe
    if before not in (name, "paper"):
        raise ConfigError(
            f"recipe {name}: this configuration is of recipe {before}, with codes and networks of its own",
            "a preset, or a configuration of the recipe paper",
            f"infogan train {config.preset if config.preset in PRESETS else 'PRESET'} --recipe {name}",
        )
    return RECIPES[name](config)


def check_recipe(name: str) -> None:
    """Raises ConfigError unless a recipe has that name."""
    if name not in RECIPES:
        raise ConfigError(
            f"training.recipe = {name!r} is no recipe{did_you_mean(name, RECIPES)}",
            f"one of {', '.join(RECIPES)}",
            f"--recipe {nearest(name, RECIPES) or DEFAULT_RECIPE}",
        )


@recipe("paper")
def paper(config: Config) -> Config:
    """Appendix C; with the authors' code where the paper is silent; fresh latents in both updates.

    All that other recipes add is off. Codes and width are left as they are: they are no matter of training.
    So are the learning rates, since the paper has others for each experiment: those of a preset are its.
    """
    updates = {
        "recipe": "paper",
        "batch_size": 128,
        "generator_updates": 1,
        "beta1": 0.5,
        "ema_decay": 0.0,
        "ema_start": 0,
        "learning_rate_schedule": 1.0,
        "repair_start": 0,
        "repair_end": 0,
    }
    # What the paper knows of is kept; the rest is off, as it is by default. Whether neighbours may stand for
    # each other is a matter of the images, and does nothing here.
    kept = {"info_weight", "generator_information", "neighbour_share"}
    objective = config.objective.model_dump(include=kept)
    return config.model_copy(
        update={
            "latents": config.latents.model_copy(update={"noise_prior": "uniform"}),
            "network": config.network.model_copy(
                update={"recognition_init_std": NetworkConfig().recognition_init_std}
            ),
            "objective": ObjectiveConfig(**objective),
            "augmentation": AugmentationConfig(),
            "training": config.training.model_copy(update=updates),
        }
    )


@recipe("robust")
def robust(config: Config) -> Config:
    """Q learns from real images, too: codes that mean something in every run. docs/recipe.md tells all."""
    objective = {
        "real_information_weight": 1.0,
        "neighbours": 10,
        "marginal_weight": 2.0,
        "subcode_weight": 1.0,
        "mode_seeking_weight": 0.005,
    }
    augmentation = config.augmentation
    if not augmentation.active:
        augmentation = AugmentationConfig(
            rotation=15.0,
            shift=0.07,
            scale=0.12,
            shear=0.15,
            code_rotation=10.0,
            code_shear=0.0,
            code_noise=augmentation.code_noise,
        )
    training = {
        "recipe": "robust",
        "learning_rate_discriminator": 4e-4,
        "learning_rate_schedule": [[2_500, 1.0], [5_000, 0.02]],
        "repair_start": 500,
        "repair_end": 2_000,
    }
    network = {"width": min(config.network.width, 0.5), "recognition_init_std": 0.08}
    # Noise in the pictures from which they are read bounds how sharply codes can be read, too.
    floor = augmentation.code_noise is None
    codes = {name: _softer(code, floor) for name, code in config.latents.codes.items()}
    config = paper(config).with_codes(codes)
    return config.model_copy(
        update={
            "network": config.network.model_copy(update=network),
            "objective": config.objective.model_copy(update=objective),
            "augmentation": augmentation,
            "training": config.training.model_copy(update=training),
        }
    )


@recipe("cr")
def cr(config: Config) -> Config:
    """InfoGAN-CR (Lin et al. 2020) as for dSprites: spectral norm, and late a contrastive regulariser.

    322,560 steps, of which the last 34,560 with the regulariser. A shorter run wants `--steps` and
    `--set contrastive_weight=[[S,0],[S,2.0]]`, with S at 89 % of them.
    """
    config = paper(config)
    config = config.with_codes({name: _of_cr(code) for name, code in config.latents.codes.items()})
    network = {
        "architecture": "dsprites",
        "normalization": "spectral",
        "spectral_bound": 1.0,
        "spectral_recognition": True,
        "width": 1.0,
    }
    training = {
        "recipe": "cr",
        "steps": _CR_STEPS,
        "batch_size": 64,
        "learning_rate_discriminator": 2e-3,
        "learning_rate_generator": 1e-3,
        "generator_updates": 2,
    }
    objective = {
        "contrastive_weight": [[_CR_START, 0.0], [_CR_START, 2.0]],
    }
    return config.model_copy(
        update={
            "network": config.network.model_copy(update=network),
            "objective": config.objective.model_copy(update=objective),
            "training": config.training.model_copy(update=training),
        }
    )


def _of_cr(code: Code) -> Code:
    """A code with a fixed std of 1 and lambda .05; a weight or posterior that somebody chose stays."""
    if not isinstance(code, Uniform | Normal):
        return code
    weight = CR_WEIGHT if code.info_weight == CONTINUOUS_WEIGHT else code.info_weight
    if code.posterior == Gaussian():
        return replace(code, info_weight=weight, posterior=Gaussian(std=1.0))
    return replace(code, info_weight=weight)


def _softer(code: Code, floor: bool) -> Code:
    """A continuous code that may not be read more sharply than leaves room for noise.

    With its weight in any case, and with `floor` by a least std of its posterior. Only what is as the
    presets have it is changed: a weight or limit that somebody chose stays.
    """
    if not isinstance(code, Continuous):
        return code
    posterior = code.posterior
    fits = isinstance(posterior, VonMises) or posterior.std_max >= SOFTEST
    if floor and fits and posterior.std_min == type(posterior)().std_min:
        posterior = replace(posterior, std_min=SOFTEST)
    weight = SOFT_WEIGHT if code.info_weight == CONTINUOUS_WEIGHT else code.info_weight
    return replace(code, info_weight=weight, posterior=posterior)  # type: ignore[arg-type]  # its own family


def _kinds(count: int, size: int, weight: float | None = None) -> dict[str, Code]:
    """So many categorical codes, kind1 and so on."""
    return {f"kind{number}": Categorical(size, info_weight=weight) for number in range(1, count + 1)}


def _through_noise(first: float, last: float, start: int = 1_500, end: int = 2_500) -> dict[str, Any]:
    """Noise where continuous codes are read: much while they find their directions, less once they have."""
    return {"code_noise": Schedule.of([[start, first], [end, last]])}


def _digit_codes() -> LatentsConfig:
    """1 Cat(10) + 2 Unif(-1, 1) + 62 noise (C.1)."""
    return LatentsConfig(
        noise=62,
        codes={
            "digit": Categorical(10),
            "rotation": Uniform(info_weight=CONTINUOUS_WEIGHT),
            "width": Uniform(info_weight=CONTINUOUS_WEIGHT),
        },
    )


def _type_codes() -> dict[str, Code]:
    """One Cat(10) and two Unif(-1, 1), of images whose factors nobody has named."""
    return {
        "type": Categorical(10),
        "style1": Uniform(info_weight=CONTINUOUS_WEIGHT),
        "style2": Uniform(info_weight=CONTINUOUS_WEIGHT),
    }


@preset("mnist")
def mnist() -> Config:
    """MNIST, appendix C.1: 60,000 digits, Cat(10) and two Unif(-1, 1). Expect 2.2 of 2.3 nats or more."""
    return Config(
        preset="mnist",
        data=DataConfig(source="mnist", size=28, channels=1),
        latents=_digit_codes(),
        network=NetworkConfig(architecture="mnist"),
    )


@preset(
    "fashion-mnist",
    robust=(
        *_BOUNDED,
        "network.architecture=generic",  # as a folder of unknown images has it
        "training.steps=3000",
        "training.learning_rate_schedule=[[1500, 1.0], [3000, 0.02]]",
        "training.repair_end=0",
    ),
)
def fashion_mnist() -> Config:
    """Fashion-MNIST (Xiao et al. 2017): beyond the paper, with MNIST's codes and by `paper` its networks.

    Expect two thirds of the pictures in a category of their class. Elsewhere: ClusterGAN 61.2 +- 2.3 %.
    """
    base = mnist()
    return base.model_copy(
        update={
            "preset": "fashion-mnist",
            "data": base.data.model_copy(update={"source": "fashion-mnist"}),
            "latents": LatentsConfig(noise=62, codes=_type_codes()),
            # The pixels that are most alike are of the same shade, not of the same kind of shoe.
            "objective": ObjectiveConfig(neighbour_share=0.0),
        }
    )


@preset(
    "mnist-5k",
    robust=(
        # In a pair of its categories fewer images than features: in all of these the remedy found by luck.
        "training.repair_components=20",
        "training.repair_start=400",  # codes have formed by then: time for two trials
    ),
)
def mnist_5k() -> Config:
    """5,000 real MNIST digits that come inside a package: no download. Some minutes on two cores."""
    return Config(
        preset="mnist-5k",
        data=DataConfig(source="mnist-5k", size=28, channels=1, held_out=1_000),
        latents=_digit_codes(),
        network=NetworkConfig(architecture="mnist"),
        training=TrainingConfig(steps=1_000, save_every=200, sample_every=200),
    )


@preset("digits")
def digits() -> Config:
    """scikit-learn's 1,797 real 8x8 digits with small networks: for trying things out and for tests."""
    return Config(
        preset="digits",
        data=DataConfig(source="digits", size=8, channels=1),
        latents=_digit_codes().model_copy(update={"noise": 16}),
        # A quarter of the paper's width holds too few features for a stuck code to be mended by.
        network=NetworkConfig(width=0.5),
        training=TrainingConfig(steps=1_500),
    )


@preset(
    "svhn",
    robust=(
        *_LONGER,
        *_BOUNDED,
        *_PHOTOGRAPHS,
        "objective.info_weight=0.1",
    ),
)
def svhn() -> Config:
    """SVHN, appendix C.2: house numbers, 4 Cat(10), 4 Unif(-1, 1).

    By `robust` expect light by a continuous code.

    Section 7.2 names two continuous codes; the input of 168 that Table 2 states has room for four.
    """
    return Config(
        preset="svhn",
        data=DataConfig(source="svhn", size=32, channels=3),
        latents=LatentsConfig(noise=124, codes=_kinds(4, 10) | _styles(4, CONTINUOUS_WEIGHT)),
        network=NetworkConfig(architecture="svhn"),
        # Light is what a code is to find: no change touches it. Neighbours by pixels share it.
        augmentation=AugmentationConfig(
            rotation=5.0, shift=0.05, scale=0.1, shear=0.05, **_through_noise(1.5, 0.4)
        ),
        objective=ObjectiveConfig(neighbour_share=0.0),
        training=TrainingConfig(steps=20_000),
    )


@preset(
    "celeba",
    robust=(
        *_LONGER,
        *_BOUNDED,
        *_PHOTOGRAPHS,
        "objective.info_weight=0.3",
    ),
)
def celeba() -> Config:
    """CelebA, appendix C.3: celebrities, 10 Cat(10); the paper found pose, glasses, hair and emotion.

    By `robust` expect what goes with men, beards and hats.
    """
    return Config(
        preset="celeba",
        data=DataConfig(source="celeba", size=32, channels=3),
        latents=LatentsConfig(noise=128, codes=_kinds(10, 10)),
        network=NetworkConfig(architecture="celeba"),
        # No flip: which way a face looks is what a code may find.
        augmentation=AugmentationConfig(shift=0.05, scale=0.1, brightness=0.1, contrast=0.2),
        objective=ObjectiveConfig(neighbour_share=0.0),
        training=TrainingConfig(steps=20_000),
    )


_FACES = (*_BOUNDED, "training.steps=5000")  # the rates have fallen by then


def _faces(variation: str, weight: float, rates: tuple[float, float]) -> Config:
    """Five Unif(-1, 1) on faces (C.4); the paper tuned rates and lambda for what it looked for (Table 5)."""
    return Config(
        preset=f"faces-{variation}",
        data=DataConfig(source="faces", size=32, channels=1),
        latents=LatentsConfig(noise=128, codes=_styles(5, weight)),
        network=NetworkConfig(architecture="faces"),
        # A small shift alone: everything else is a factor. Codes are read through noise (docs/recipe.md).
        augmentation=AugmentationConfig(shift=0.03, **_through_noise(1.0, 0.4)),
        objective=ObjectiveConfig(neighbour_share=0.0),
        training=_rates(20_000, rates),
    )


@preset("faces-azimuth", robust=_FACES)
def faces_azimuth() -> Config:
    """3D faces, appendix C.4, Table 5: 5 Unif(-1, 1), lambda .2. The paper: azimuth, best of 5 runs."""
    return _faces("azimuth", 0.2, (2e-4, 5e-4))


@preset("faces-elevation", robust=_FACES)
def faces_elevation() -> Config:
    """3D faces, appendix C.4, Table 5: 5 Unif(-1, 1), lambda .1. The paper: elevation, best of 5 runs."""
    return _faces("elevation", 0.1, (4e-4, 3e-4))


@preset("faces-lighting", robust=_FACES)
def faces_lighting() -> Config:
    """3D faces, appendix C.4, Table 5: 5 Unif(-1, 1), lambda .1. The paper: light, best of 5 runs."""
    return _faces("lighting", 0.1, (8e-4, 3e-4))


@preset("faces-width", robust=_FACES)
def faces_width() -> Config:
    """3D faces, appendix C.4, Table 5: 5 Unif(-1, 1), lambda .1. The paper: width, best of 5 runs."""
    return _faces("width", 0.1, (8e-4, 3e-4))


def _chairs(variation: str, discrete: float, continuous: float, *, flip: bool = False) -> Config:
    """Three Cat(20) and one Unif(-1, 1) on chairs (C.5), lambda by what was looked for (Table 7).

    Section 7.2 names four discrete codes; the input of 189 that Table 6 states has room for three.
    """
    codes = {name: replace(code, info_weight=discrete) for name, code in _kinds(3, 20).items()}
    return Config(
        preset=f"chairs-{variation}",
        data=DataConfig(source="chairs", size=64, channels=1),
        latents=LatentsConfig(noise=128, codes={**codes, variation: Uniform(info_weight=continuous)}),
        network=NetworkConfig(architecture="chairs"),
        augmentation=AugmentationConfig(shift=0.03, flip=flip, **_through_noise(1.5, 0.5, 1_000, 2_000)),
        objective=ObjectiveConfig(neighbour_share=0.0),
        training=TrainingConfig(steps=20_000),
    )


_CHAIRS = (
    *_BOUNDED,
    *_PHOTOGRAPHS,
    "training.steps=2500",
    "training.learning_rate_schedule=[[1500, 1.0], [2500, 0.02]]",
)


@preset(
    "chairs-rotation",
    # Plain convolutions mostly come to half a turn: they leave front and back to other codes.
    robust=(*_CHAIRS, "network.architecture=residual"),
    # A full turn comes back to itself, which Unif(-1, 1) cannot.
    codes={"rotation": Periodic(info_weight=0.5), **_kinds(3, 20, 0.3)},
)
def chairs_rotation() -> Config:
    """3D chairs, appendix C.5, Table 7: 3 Cat(20), one Unif(-1, 1) of lambda 10 for the rotation.

    By `robust` the rotation is a periodic code. It turned 50 chair meshes all the way round.
    """
    return _chairs("rotation", 1.0, 10.0)


@preset(
    "chairs-width",
    robust=_CHAIRS,
    codes={"width": Uniform(info_weight=CONTINUOUS_WEIGHT), **_kinds(3, 20, 0.3)},
)
def chairs_width() -> Config:
    """3D chairs, appendix C.5, Table 7: 3 Cat(20) of lambda 2, one Unif(-1, 1) of .05.

    By `robust` lambda is .3 and .2, and every picture is mirrored half of the time: no code can then be the
    turn to left or right.
    """
    return _chairs("width", 2.0, 0.05, flip=True)


@preset("sprites", robust=("training.steps=5000",))
def sprites() -> Config:
    """Sprites on the dSprites grid: beyond the paper, 5 Unif(-1, 1) and 5 noise, as later work has it."""
    return Config(
        preset="sprites",
        data=DataConfig(source="sprites", size=64, channels=1),
        latents=LatentsConfig(noise=5, codes=_styles(5, CONTINUOUS_WEIGHT)),
        # Place, size and turn are the factors: next to nothing may be changed.
        augmentation=AugmentationConfig(shift=0.01),
        objective=ObjectiveConfig(neighbour_share=0.0),
        training=TrainingConfig(steps=20_000),
    )


def _styles(count: int, weight: float) -> dict[str, Code]:
    """So many Unif(-1, 1), style1 and so on."""
    return {f"style{number}": Uniform(info_weight=weight) for number in range(1, count + 1)}


def _rates(steps: int, rates: tuple[float, float]) -> TrainingConfig:
    """Steps, and the learning rates of D and G."""
    return TrainingConfig(steps=steps, learning_rate_discriminator=rates[0], learning_rate_generator=rates[1])


@preset("folder", robust=_BOUNDED)
def folder() -> Config:
    """One's own images, from a folder or an .npy or .npz file: one Cat(10) and two Unif(-1, 1)."""
    return Config(
        preset="folder",
        data=DataConfig(source="folder"),
        latents=LatentsConfig(codes=_type_codes()),
        # Only images in which one thing fills the frame in one place have neighbours by their pixels.
        objective=ObjectiveConfig(neighbour_share=0.0),
    )


@preset("figure1", recipe="paper")
def figure1() -> Config:
    """The control experiment, section 7.1 and Figure 1: MNIST with Cat(10) alone, 935 steps."""
    base = mnist()
    return base.model_copy(
        update={
            "preset": "figure1",
            "latents": LatentsConfig(noise=62, codes={"digit": Categorical(10)}),
            "objective": ObjectiveConfig(),
            "training": TrainingConfig(steps=935),
        }
    )
