"""The typed configuration: read, validate, override, write. Imports no torch, so that commands start at once.

A configuration says everything a run depends on. It is frozen, every unknown key is refused, and
`to_toml` and `read` are inverses. The codes are declared here as data; what they mean as distributions is
in `infogan.latents`.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, get_args, get_origin

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, Strict, ValidationError, field_validator, model_validator
from pydantic.dataclasses import dataclass

from infogan.errors import ConfigError, did_you_mean

_STRICT = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
_CODE = ConfigDict(extra="forbid", allow_inf_nan=False)  # strict dataclasses would refuse TOML's tables
_Int = Annotated[int, Strict()]
_Float = Annotated[float, Strict()]
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_FARTHEST = 1e6  # of a code's values from 0; a float32 still tells a millionth of it
_MOST_STEPS = 10**9  # far above any run; refuses numbers that would fill a disk or overflow an int64


# --- the codes -------------------------------------------------------------------------------------------


def _check_limits(least: float, most: float) -> None:
    if least > most:
        raise ValueError(f"std_min ({least}) must not lie above std_max ({most})")


@dataclass(frozen=True, config=_CODE, kw_only=True)
class Gaussian:
    """A diagonal Gaussian posterior, std = exp(output) as in appendix C.

    `std` is "learned", clamped to [std_min, std_max], or a fixed number (the authors' MNIST code: 1). All
    three are in units of half the range of a uniform code: 1 for Unif(-1, 1).
    """

    family: Literal["gaussian"] = "gaussian"
    std: Literal["learned"] | Annotated[_Float, Field(gt=0, le=100)] = "learned"
    std_min: _Float = Field(default=0.1, gt=0, le=100)
    std_max: _Float = Field(default=2.0, gt=0, le=100)

    def __post_init__(self) -> None:
        _check_limits(self.std_min, self.std_max)


@dataclass(frozen=True, config=_CODE, kw_only=True)
class TruncatedGaussian:
    """A Gaussian cut to the support of a uniform code and renormalised: its bound can become tight.

    A Gaussian posterior always leaves mass outside the support; this one leaves none, and in the limit of a
    large std it is the prior itself, whose bound is 0 and not -0.18 nats.
    """

    family: Literal["truncated_gaussian"] = "truncated_gaussian"
    std_min: _Float = Field(default=0.01, gt=0, le=100)
    std_max: _Float = Field(default=10.0, gt=0, le=100)

    def __post_init__(self) -> None:
        _check_limits(self.std_min, self.std_max)


@dataclass(frozen=True, config=_CODE, kw_only=True)
class VonMises:
    """The Gaussian of the circle: a direction that Q learns, and a concentration kappa up to a limit.

    The limit is stated as `std_min`, in half turns, so that it reads as that of a `Gaussian`: the least
    circular standard deviation, sqrt(-2 ln |E exp(i angle)|) / pi (Mardia and Jupp 2000, section 2.3). 0.3,
    0.1 and 0.03 are 54, 18 and 5.4 degrees and a kappa of at most 1.7, 10.7 and 113. Errors of such a std are
    worth within 0.011 nats what they are worth to a Gaussian of a uniform code. A largest std is not needed:
    without any concentration this is the prior itself, whose bound is 0.
    """

    family: Literal["von_mises"] = "von_mises"
    std_min: _Float = Field(default=0.1, ge=1e-4, le=1)


@dataclass(frozen=True, config=_CODE)
class Categorical:
    """`dim` independent codes that each take one of `size` values, uniformly: Cat(K = size, p = 1/size).

    With `prior` "learned" the shares p follow, from step `learned_from` on, how often Q reads each category
    from real images: for sets whose kinds are not equally frequent. `entropy_floor`, in units of the entropy
    of equal shares, is the least that their entropy falls to, and each keeps a twentieth of an equal share.
    """

    size: _Int = Field(ge=2, le=10_000)
    dim: _Int = Field(default=1, ge=1, le=1_000)
    info_weight: _Float | None = Field(default=None, ge=0, le=1_000, kw_only=True)
    prior: Literal["uniform", "learned"] = Field(default="uniform", kw_only=True)
    entropy_floor: _Float = Field(default=0.7, ge=0, le=1, kw_only=True)
    learned_from: _Int = Field(default=200, ge=0, le=_MOST_STEPS, kw_only=True)
    kind: Literal["categorical"] = Field(default="categorical", kw_only=True)


@dataclass(frozen=True, config=_CODE)
class Uniform:
    """`dim` independent codes, uniform on [low, high]: Unif(-1, 1) in the paper."""

    low: _Float = Field(default=-1.0, ge=-_FARTHEST, le=_FARTHEST)
    high: _Float = Field(default=1.0, ge=-_FARTHEST, le=_FARTHEST)
    dim: _Int = Field(default=1, ge=1, le=1_000)
    info_weight: _Float | None = Field(default=None, ge=0, le=1_000, kw_only=True)
    posterior: Annotated[Gaussian | TruncatedGaussian, Field(discriminator="family")] = Field(
        default_factory=Gaussian, kw_only=True
    )
    kind: Literal["uniform"] = Field(default="uniform", kw_only=True)

    def __post_init__(self) -> None:
        if self.high - self.low < 1e-6 * max(1.0, abs(self.low), abs(self.high)):
            raise ValueError(f"low ({self.low}) must lie below high ({self.high})")


@dataclass(frozen=True, config=_CODE)
class Normal:
    """`dim` independent standard normal codes."""

    dim: _Int = Field(default=1, ge=1, le=1_000)
    info_weight: _Float | None = Field(default=None, ge=0, le=1_000, kw_only=True)
    posterior: Gaussian = Field(default_factory=Gaussian, kw_only=True)
    kind: Literal["normal"] = Field(default="normal", kw_only=True)


@dataclass(frozen=True, config=_CODE)
class Periodic:
    """`dim` independent angles, uniform on the circle: for what comes back to itself after one full turn.

    Values are half turns, from -1 to 1, both of them the same angle: pi times a value is the angle in
    radians. So the range, the entropy of ln 2 and the unit of limits are those of Unif(-1, 1), and the two
    can be held side by side. A value beyond wraps around: 1.25 is -0.75.
    """

    low: ClassVar[float] = -1.0
    high: ClassVar[float] = 1.0
    dim: _Int = Field(default=1, ge=1, le=1_000)
    info_weight: _Float | None = Field(default=None, ge=0, le=1_000, kw_only=True)
    posterior: VonMises = Field(default_factory=VonMises, kw_only=True)
    kind: Literal["periodic"] = Field(default="periodic", kw_only=True)


@dataclass(frozen=True, config=_CODE)
class Bernoulli:
    """`dim` independent codes that are 1 with `probability`, else 0."""

    dim: _Int = Field(default=1, ge=1, le=1_000)
    probability: _Float = Field(default=0.5, gt=0, lt=1, kw_only=True)
    info_weight: _Float | None = Field(default=None, ge=0, le=1_000, kw_only=True)
    kind: Literal["bernoulli"] = Field(default="bernoulli", kw_only=True)


Discrete = Categorical | Bernoulli
Continuous = Uniform | Normal | Periodic
"""Which codes are continuous: the one place that says so. All others ask `isinstance(code, Continuous)`."""

Code = Annotated[Discrete | Continuous, Field(discriminator="kind")]

CONTINUOUS_WEIGHT = 0.1
"""lambda of continuous codes on MNIST and SVHN; the paper says only "smaller" than 1 (appendix C)."""


_LETTERS: dict[str, type[Uniform | Normal | Periodic | Bernoulli]] = {
    "u": Uniform,
    "n": Normal,
    "p": Periodic,
    "b": Bernoulli,
}


def parse_codes(text: str) -> dict[str, Discrete | Continuous]:
    """Codes from the short form of the command line: "digit:10 rotation:u width:u".

    A number is a categorical code of that many values; u, n, p and b are uniform on [-1, 1], standard normal,
    periodic and Bernoulli, with a dimension behind the letter where it is not one (u3). Continuous codes get
    the information weight of the paper's MNIST experiment.

    Raises:
        ConfigError: a part is not of that form, or a name stands twice.
    """
    codes: dict[str, Discrete | Continuous] = {}
    for part in text.split():
        name, _, kind = part.partition(":")
        match = re.fullmatch(rf"([0-9]{{1,5}})|([{''.join(_LETTERS)}])([0-9]{{1,4}})?", kind)
        if not match or not _NAME.fullmatch(name) or name == "noise" or name in codes:
            why = "stands twice" if name in codes else "is not NAME:KIND"
            letters = ", ".join(_LETTERS)
            raise ConfigError(
                f"--codes {text!r}: the part {part!r} {why}",
                f"names in small letters (not noise), each once, with a number of categories or {letters}",
                '--codes "digit:10 rotation:u width:u"',
            )
        size, letter, dim = match.group(1), match.group(2), int(match.group(3) or 1)
        try:
            if size:
                codes[name] = Categorical(int(size))
            elif issubclass(kind_of := _LETTERS[letter], Continuous):
                codes[name] = kind_of(dim=dim, info_weight=CONTINUOUS_WEIGHT)
            else:
                codes[name] = kind_of(dim=dim)
        except ValidationError as error:
            raise ConfigError(
                f"--codes {text!r}: the part {part!r}: {error.errors()[0]['msg']}",
                "at least 2 categories, and a dimension of at least 1",
                '--codes "digit:10 rotation:u width:u"',
            ) from None
    if not codes:
        raise ConfigError(
            f"--codes {text!r} names no code", "at least one NAME:KIND", '--codes "type:10 style:u"'
        )
    return codes


# --- the sections ----------------------------------------------------------------------------------------


class Section(BaseModel):
    """A part of the configuration: frozen, strict about types, without unknown keys."""

    model_config = _STRICT


class DataConfig(Section):
    """Where the images come from, and how they are brought to one form."""

    source: str = Field(description="a name in the registry of infogan.data: mnist, digits, folder, ...")
    path: str | None = Field(default=None, description="a file or folder; None: a cache or a package")
    size: int | None = Field(default=None, ge=8, le=256, description="height and width in pixels")
    channels: Literal[1, 3, 4] | None = Field(default=None, description="None: as the source has it")
    crop: int | None = Field(
        default=None, ge=8, le=100_000, description="side of the central square of a picture that is used"
    )
    count: int | None = Field(
        default=None, ge=2, le=10**7, description="images to draw, by sources that draw them"
    )
    held_out: int | None = Field(
        default=None, ge=1, le=10**7, description="images of the test split where the source has none"
    )
    validation: int | None = Field(
        default=None,
        ge=1,
        le=10**7,
        description="so many last training images, judged in place of test images and not trained on",
    )


class LatentsConfig(Section):
    """What the generator reads: incompressible noise, and the named codes (section 4 of the paper)."""

    noise: int = Field(default=62, ge=0, le=100_000, description="dimensions of the noise")
    noise_prior: Literal["uniform", "normal"] = "uniform"
    codes: dict[str, Code] = Field(min_length=1)

    @field_validator("codes")
    @classmethod
    def _names(cls, codes: dict[str, Any]) -> dict[str, Any]:
        for name in codes:
            if not _NAME.fullmatch(name) or name == "noise":
                raise ValueError(f"a code cannot be named {name!r}: small letters, digits and _, not 'noise'")
        return codes


class NetworkConfig(Section):
    """Which table of networks.py, and how wide."""

    architecture: str = Field(
        default="generic", description="mnist, svhn, celeba, faces, chairs, dsprites, generic or residual"
    )
    normalization: Literal["batch", "spectral"] = Field(
        default="batch", description="of D and the trunk: batch norm, as in the paper, or spectral norm"
    )
    spectral_bound: float = Field(
        default=1.5, gt=0, le=100, description="largest singular value of a weight under spectral norm"
    )
    spectral_recognition: bool = Field(
        default=False, description="whether Q's own layers are under spectral norm, too, without batch norm"
    )
    width: float = Field(default=1.0, gt=0, le=8, description="factor on every hidden width")
    recognition_std: float = Field(
        default=0.02, gt=0, le=1, description="of the first weights of Q's own layers"
    )


class AugmentationConfig(Section):
    """The policy of small random changes: what it varies is declared to be no matter of category.

    Drawn anew for every image and every pass; all ranges go both ways and are uniform.
    """

    rotation: float = Field(default=0.0, ge=0, le=180, description="degrees")
    shift: float = Field(default=0.0, ge=0, le=0.5, description="share of the image's side, along each axis")
    scale: float = Field(default=0.0, ge=0, lt=1, description="0.12: from 0.88 to 1.12 times the size")
    shear: float = Field(default=0.0, ge=0, le=1, description="columns moved for each row")
    flip: bool = Field(default=False, description="left and right exchanged, half of the time")
    brightness: float = Field(
        default=0.0, ge=0, le=1, description="added to all pixels, which lie in [0, 1] or [-1, 1]"
    )
    contrast: float = Field(default=0.0, ge=0, lt=1, description="factor on the distance from the mean")
    pixel_noise: float = Field(
        default=0.0, ge=0, le=16, description="std of normal noise added to pixels, in [0, 1] or [-1, 1]"
    )
    everything: bool = Field(
        default=True, description="D and Q see no image unchanged; False: only real images' moved copies"
    )
    code_rotation: float | None = Field(
        default=None,
        ge=0,
        le=180,
        description="the most where continuous codes are read; unset: rotation",
    )
    code_shear: float | None = Field(
        default=None, ge=0, le=1, description="the most where continuous codes are read; unset: shear"
    )
    code_noise: float | None = Field(
        default=None, ge=0, le=16, description="noise where continuous codes are read; unset: pixel_noise"
    )
    code_noise_last: float | None = Field(
        default=None, ge=0, le=16, description="what that falls to, linearly; unset: it stays"
    )
    code_noise_start: int = Field(default=0, ge=0, le=_MOST_STEPS, description="step from which it falls")
    code_noise_end: int = Field(default=0, ge=0, le=_MOST_STEPS, description="step at which it has fallen")

    @model_validator(mode="after")
    def _falls_forward(self) -> AugmentationConfig:
        if self.code_noise_last is None:
            return self
        if self.code_noise is None:
            raise ValueError("code_noise_last needs code_noise, from which it falls")
        if self.code_noise_end <= self.code_noise_start:
            raise ValueError(
                f"code_noise falls from step {self.code_noise_start} to step {self.code_noise_end}: "
                "code_noise_end must be the later one"
            )
        return self

    @property
    def moves(self) -> bool:
        """Whether images are read between their pixels, which softens them; a flip does not."""
        return any((self.rotation, self.shift, self.scale, self.shear))

    @property
    def active(self) -> bool:
        """Whether anything is changed at all."""
        apart = {key for key in type(self).model_fields if key.startswith("code_")}
        return any(self.model_dump(exclude={"everything", *apart}).values())

    def for_codes(self, step: int) -> AugmentationConfig:
        """The policy for generated images from which continuous codes are read, at a step."""
        rotation = self.rotation if self.code_rotation is None else min(self.rotation, self.code_rotation)
        shear = self.shear if self.code_shear is None else min(self.shear, self.code_shear)
        noise = self.pixel_noise if self.code_noise is None else self.code_noise
        if self.code_noise_last is not None:
            span = self.code_noise_end - self.code_noise_start
            fallen = (step - self.code_noise_start) / span
            noise += min(max(fallen, 0.0), 1.0) * (self.code_noise_last - noise)
        return self.model_copy(update={"rotation": rotation, "shear": shear, "pixel_noise": noise})


class ObjectiveConfig(Section):
    """Weights of the objective's terms (equation 6)."""

    info_weight: float = Field(default=1.0, ge=0, le=1_000, description="lambda of codes without their own")
    generator_information: bool = Field(
        default=True, description="False: the control arm of Figure 1, whose generator ignores the bound"
    )
    real_information_weight: float = Field(
        default=0.0, ge=0, le=1_000, description="of the information between a real image and its moved copy"
    )
    neighbours: int = Field(
        default=0,
        ge=0,
        le=1_000,
        description="the moved copy is that of one of so many nearest images; 0: the image's own",
    )
    neighbour_share: float = Field(
        default=1.0,
        ge=0,
        le=1,
        description="of images whose moved copy is a neighbour's; the rest: their own",
    )
    marginal_weight: float = Field(
        default=1.0,
        ge=0,
        le=100,
        description="of the marginal entropies in it: above 1 keeps categories used",
    )
    subcode_weight: float = Field(
        default=0.0, ge=0, le=1_000, description="of the same for each category's two sub-codes; 0: none"
    )
    mode_seeking_weight: float = Field(
        default=0.0, ge=0, le=1_000, description="of the distance of two noises over that of their images"
    )
    mode_seeking_start: int = Field(
        default=0, ge=0, le=_MOST_STEPS, description="step up to which that weight is 0"
    )
    mode_seeking_full: int = Field(
        default=0, ge=0, le=_MOST_STEPS, description="step from which it is whole; linear in between"
    )
    contrastive_weight: float = Field(
        default=0.0, ge=0, le=1_000, description="of telling which one code two generated images share"
    )
    contrastive_start: int = Field(
        default=0, ge=0, le=_MOST_STEPS, description="step up to which that weight is 0"
    )


class TrainingConfig(Section):
    """How long, how fast, and what is kept on the way."""

    recipe: str = "paper"
    steps: int = Field(
        default=5_000, ge=1, le=_MOST_STEPS, description="one D update and generator_updates of G each"
    )
    batch_size: int = Field(default=128, ge=2, le=65_536)
    learning_rate_discriminator: float = Field(default=2e-4, gt=0, le=1e6)
    learning_rate_generator: float = Field(default=1e-3, gt=0, le=1e6)
    beta1: float = Field(default=0.5, ge=0, lt=1)
    generator_updates: int = Field(
        default=1, ge=1, le=100, description="of G for each of D, every one on latents drawn anew"
    )
    decay_start: int = Field(
        default=0, ge=0, le=_MOST_STEPS, description="step from which both learning rates fall, linearly"
    )
    decay_end: int = Field(
        default=0, ge=0, le=_MOST_STEPS, description="step at which they have fallen; 0: they never fall"
    )
    decay_to: float = Field(default=0.0, ge=0, le=1, description="share of the rates that is left then")
    remedy_start: int = Field(
        default=0, ge=0, le=_MOST_STEPS, description="step from which a stuck code is split and merged"
    )
    remedy_end: int = Field(default=0, ge=0, le=_MOST_STEPS, description="the last such step; 0: never")
    remedy_every: int = Field(default=100, ge=1, le=_MOST_STEPS)
    remedy_components: int = Field(
        default=0,
        ge=0,
        le=1_000,
        description="principal components in which a new division is sought, where images are few; 0: all",
    )
    seed: int = Field(default=0, ge=0, lt=2**63)
    seeds_drop: tuple[Annotated[_Int, Field(ge=1, le=_MOST_STEPS)], ...] = Field(
        default=(1_250, 2_250),  # the second after the last trial of a remedy
        strict=False,  # TOML's lists are no tuples
        description="with --seeds: steps where the worse half is dropped; at the last, all but the best",
    )
    ema_decay: float = Field(default=0.0, ge=0, lt=1, description="of the generator's weights; 0: no EMA")
    ema_start: int = Field(default=0, ge=0, le=_MOST_STEPS, description="step from which the EMA follows")
    save_every: int = Field(default=500, ge=1, le=_MOST_STEPS)
    keep: int = Field(default=2, ge=1, le=1_000, description="checkpoints kept")
    sample_every: int = Field(default=500, ge=1, le=_MOST_STEPS)
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    device: str = Field(default="auto", pattern=r"^(auto|cpu|cuda(:\d+)?|mps)$")

    @field_validator("seeds_drop")
    @classmethod
    def _rising(cls, steps: tuple[int, ...]) -> tuple[int, ...]:
        if any(later <= sooner for sooner, later in pairwise(steps)):
            raise ValueError("steps in rising order, each once, as in [1000, 1500]")
        return steps


class Config(Section):
    """Everything a run depends on."""

    version: Literal[1] = 1
    preset: str = Field(default="custom", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    data: DataConfig
    latents: LatentsConfig
    network: NetworkConfig = NetworkConfig()
    objective: ObjectiveConfig = ObjectiveConfig()
    augmentation: AugmentationConfig = AugmentationConfig()
    training: TrainingConfig = TrainingConfig()

    @model_validator(mode="after")
    def _whole(self) -> Config:
        training, objective = self.training, self.objective
        if training.ema_start and not training.ema_decay:
            raise ValueError("training.ema_start has no effect without training.ema_decay")
        if training.decay_end and training.decay_end <= training.decay_start:
            raise ValueError("training.decay_end must lie above training.decay_start")
        if training.remedy_end and training.remedy_end < training.remedy_start:
            raise ValueError("training.remedy_end must not lie below training.remedy_start")
        if objective.mode_seeking_full < objective.mode_seeking_start:
            raise ValueError("objective.mode_seeking_full must not lie below objective.mode_seeking_start")
        real = objective.real_information_weight or objective.subcode_weight
        if real and not self.augmentation.active:
            raise ValueError(
                "some change of images in [augmentation], such as shift=0.05, since the recipe learns from "
                "moved copies of real images; or --recipe paper, which does not"
            )
        if objective.contrastive_weight and sum(code.dim for code in self.latents.codes.values()) < 2:
            raise ValueError("objective.contrastive_weight needs two codes or more, to tell them apart")
        if training.remedy_end and self.network.spectral_recognition:
            raise ValueError(
                "training.remedy_end = 0 with network.spectral_recognition: the remedy moves rows of Q's "
                "weights, which spectral norm computes anew"
            )
        if training.remedy_end and not objective.subcode_weight:
            raise ValueError("training.remedy_end needs sub-codes: set objective.subcode_weight")
        return self

    @property
    def reads_real(self) -> bool:
        """Whether Q learns from real images, too: categories alone can."""
        weighted = self.objective.real_information_weight or self.objective.subcode_weight
        return bool(weighted) and any(isinstance(c, Categorical) for c in self.latents.codes.values())

    @property
    def reads_codes_apart(self) -> bool:
        """Whether continuous codes are read from images of their own, that are changed otherwise."""
        policy = self.augmentation
        return bool(self.continuous) and policy.everything and policy.for_codes(0) != policy

    @property
    def reads_through_noise(self) -> bool:
        """Whether they are read through noise."""
        return self.reads_codes_apart and self.augmentation.code_noise is not None

    @property
    def continuous(self) -> list[str]:
        """The names of the continuous codes."""
        return [name for name, code in self.latents.codes.items() if isinstance(code, Continuous)]

    @property
    def seeks_neighbours(self) -> bool:
        """Whether an image's moved copy may be that of another image."""
        return self.reads_real and self.objective.neighbours > 0 and self.objective.neighbour_share > 0

    def with_codes(self, codes: Mapping[str, Code]) -> Config:
        """The same with these codes in place of those of the same names, and behind them those of others."""
        latents = self.latents.model_copy(update={"codes": {**self.latents.codes, **codes}})
        return self.model_copy(update={"latents": latents})

    def info_weights(self) -> dict[str, float]:
        """lambda_i of each code, by name: its own, or the one for all."""
        shared = self.objective.info_weight
        return {
            name: shared if code.info_weight is None else code.info_weight
            for name, code in self.latents.codes.items()
        }


# --- reading and writing ---------------------------------------------------------------------------------


def to_toml(config: Config) -> str:
    """The configuration as TOML that `read` takes back. Keys that are not set stand there as comments."""
    values = config.model_dump(mode="json")
    lines = tomli_w.dumps(_without_none(values)).split("\n")
    for key in (key for key, value in flatten(values).items() if value is None):
        table, _, leaf = key.rpartition(".")
        lines.insert(lines.index(f"[{table}]") + 1, f"# {leaf} is not set")
    return "\n".join(lines) + "\n"


def read(path: str | Path) -> Config:
    """The configuration in a TOML file.

    Raises:
        ConfigError: the file is missing or is no TOML, or a key or value in it is wrong; with file and line.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"cannot read the configuration {path}: {error}",
            "a TOML file",
            "infogan train mnist --dry-run > config.toml",
        ) from None
    return parse(text, str(path))


def parse(text: str, name: str) -> Config:
    """The configuration in a TOML text; `name` is the file that messages speak of.

    Raises:
        ConfigError: the text is no TOML, or a key or value in it is wrong; with file and line.
    """
    try:
        values = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # TOMLDecodeError, and what tomllib lets through
        raise ConfigError(
            f"{name} is not TOML: {error}",
            "key = value lines under [sections]",
            "infogan train mnist --dry-run, to see a whole configuration",
        ) from None
    return validate(values, _Where(name, text))


def validate(values: Mapping[str, Any], where: _Where | None = None) -> Config:
    """A checked configuration from nested mappings.

    Raises:
        ConfigError: with the place, the value, and the nearest known key.
    """
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        raise _config_error(error, where or _Where("configuration", "")) from None


def override(config: Config, assignments: Sequence[str]) -> Config:
    """`config` with `KEY=VALUE` settings, as `--set` takes them.

    A key is dotted (training.save_every) or the last part alone where it is the only one of its name at its
    height (save_every). Values are TOML; what is no TOML value is taken as text.

    Raises:
        ConfigError: an assignment is not of that form, a key is unknown, or a value does not fit.
    """
    values = config.model_dump(mode="json")
    for assignment in assignments:
        key, equals, raw = assignment.partition("=")
        if not equals or not key.strip():
            raise ConfigError(f"--set {assignment!r} has no '='", "KEY=VALUE", "--set save_every=500")
        *parents, leaf = _resolve(key.strip(), values)
        section = values
        for parent in parents:
            section = section[parent]
        value = _parse_value(raw.strip())
        if leaf in ("kind", "family") and section[leaf] != value:
            section.clear()  # its other keys belong to the kind before
        section[leaf] = value
    return validate(_without_none(values), _Where(f"--set {' '.join(assignments)}", ""))


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one, with dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


def changes(before: Config, after: Config) -> dict[str, tuple[Any, Any]]:
    """Dotted keys whose values differ, each with the value before and after."""
    old, new = flatten(before.model_dump(mode="json")), flatten(after.model_dump(mode="json"))
    return {key: (old.get(key), new.get(key)) for key in old | new if old.get(key) != new.get(key)}


def _resolve(key: str, values: Mapping[str, Any]) -> tuple[str, ...]:
    known = flatten(values)
    if key in known:
        return tuple(key.split("."))
    matches = [full for full in known if full.endswith(f".{key}")]
    nearest = min((full.count(".") for full in matches), default=0)
    matches = [full for full in matches if full.count(".") == nearest]  # info_weight: that of all codes
    if len(matches) == 1:
        return tuple(matches[0].split("."))
    if matches:
        raise ConfigError(
            f"--set {key}: {len(matches)} keys end so: {', '.join(matches)}",
            "a key that is the only one of its name, or a dotted one",
            f"--set {matches[0]}=...",
        )
    leaves = {full.rsplit(".", 1)[-1]: full for full in known}
    near = difflib.get_close_matches(key, [*known, *leaves], n=1, cutoff=0.6)
    raise ConfigError(
        f"--set {key}: no such key{did_you_mean(key, [*known, *leaves])}",
        "a key of the configuration",
        f"--set {near[0]}=..." if near else "infogan train PRESET --dry-run, to see all keys",
    )


def _parse_value(raw: str) -> Any:
    if re.fullmatch(r"[-+]?\.[0-9]+", raw):  # .5, which TOML writes 0.5
        return float(raw)
    try:
        return tomllib.loads(f"value = {raw}")["value"]
    except (ValueError, RecursionError):
        return raw


def _without_none(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    return value


class _Where:
    """Names the file and line of a key, for messages."""

    def __init__(self, name: str, text: str) -> None:
        self.name, self.lines = name, text.splitlines()

    def line(self, keys: Iterable[str]) -> str:
        """`file:line` of a dotted key, as near as the text tells."""
        *tables, leaf = keys
        current: list[str] = []
        best = None
        for number, line in enumerate(self.lines, start=1):
            if header := re.match(r"\s*\[+\s*([^\]]+?)\s*\]+", line):
                current = [part.strip().strip("\"'") for part in header.group(1).split(".")]
                if current == [*tables, leaf]:
                    return f"{self.name}:{number}"
                if current == tables:
                    best = number
            elif (match := re.match(r"\s*([\w.\"'-]+?)\s*=", line)) is not None:
                dotted = [*current, *(part.strip("\"'") for part in match.group(1).split("."))]
                if dotted in ([*tables, leaf], tables):
                    return f"{self.name}:{number}"
        return f"{self.name}:{best}" if best else self.name


def _config_error(error: ValidationError, where: _Where) -> ConfigError:
    """The first problem of a pydantic error in three parts; the number of others behind it."""
    unknown = ("extra_forbidden", "unexpected_keyword_argument")
    problems = error.errors(include_url=False)
    # A misspelt key is also a missing one: the misspelling is what helps.
    problem = next((p for p in problems if p["type"] in unknown), problems[0])
    keys, known = _walk([str(part) for part in problem["loc"]])
    place, key = where.line(keys) if keys else where.name, ".".join(keys)
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    advice = "infogan train PRESET --dry-run, to see a whole configuration"
    if problem["type"] in unknown:
        return ConfigError(
            f"{place}: unknown key {key!r}{did_you_mean(keys[-1], known)}{more}",
            f"one of {', '.join(known)}",
            advice,
        )
    if problem["type"] == "missing":
        return ConfigError(f"{place}: the key {key!r} is missing{more}", "a value for it", advice)
    expected = str(problem["msg"]).removeprefix("Value error, ")
    if keys and keys[-1] == "std" and problem["type"] == "literal_error":
        expected = "'learned', or a number above 0 and up to 100"
    if key == "version":
        expected, advice = "version 1, the one that this infogan reads", "the infogan that wrote the file"
    if not key:  # two settings that do not go together: the message names them
        return ConfigError(f"{place}: the settings do not fit together{more}", expected, advice)
    shown = repr(problem.get("input"))
    shown = shown if len(shown) <= 60 else f"{shown[:57]}..."
    return ConfigError(f"{place}: {key} = {shown} does not fit{more}", expected, advice)


def _walk(location: Sequence[str]) -> tuple[list[str], list[str]]:
    """A pydantic location without the tags of its unions, and the keys known where its last part stands."""
    keys: list[str] = []
    known: list[str] = []
    here: Any = Config
    for part in location:
        if get_origin(here) is Annotated:
            here = get_args(here)[0]
        if get_origin(here) is dict:
            known, here = [], get_args(here)[1]
        elif members := get_args(here):  # a union: the part is the tag of one of its members
            here = next((m for m in members if part in _tags(m)), None)
            continue
        else:
            fields = getattr(here, "__pydantic_fields__", {})
            known, here = sorted(fields), getattr(fields.get(part), "annotation", None)
        keys.append(part)
    return keys, known


def _tags(member: Any) -> list[Any]:
    fields = getattr(member, "__pydantic_fields__", {})
    return [fields[key].default for key in ("kind", "family") if key in fields]
