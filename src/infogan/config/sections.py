"""The sections of the configuration: typed, frozen, and strict about unknown keys."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, Strict, field_validator, model_validator

from infogan.config.codes import MOST_STEPS, NAME, Categorical, Code, Continuous
from infogan.config.schedule import Schedule, bounded

_STRICT = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
_Int = Annotated[int, Strict()]
_Weight = Annotated[Schedule, bounded(0, 1_000)]
_OFF, _WHOLE = Schedule.of(0.0), Schedule.of(1.0)


AnySection = TypeVar("AnySection", bound="Section")


class Section(BaseModel):
    """A part of the configuration: frozen, strict about types, without unknown keys."""

    model_config = _STRICT

    def model_copy(
        self: AnySection, *, update: Mapping[str, Any] | None = None, deep: bool = False
    ) -> AnySection:
        """Return a copy with other values, validated as any configuration is.

        Raises:
            pydantic.ValidationError: a value does not fit.
        """
        return type(self).model_validate({**dict(self), **(update or {})})


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
            if not NAME.fullmatch(name) or name == "noise":
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
    recognition_init_std: float = Field(
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
    all_images: bool = Field(
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
    code_noise: Annotated[Schedule, bounded(0, 16)] | None = Field(
        default=None, description="noise where continuous codes are read; unset: pixel_noise"
    )

    @property
    def moves(self) -> bool:
        """Whether images are read between their pixels, which softens them; a flip does not."""
        return any((self.rotation, self.shift, self.scale, self.shear))

    @property
    def active(self) -> bool:
        """Whether anything is changed at all."""
        apart = {key for key in type(self).model_fields if key.startswith("code_")}
        return any(self.model_dump(exclude={"all_images", *apart}).values())

    def for_codes(self, step: int) -> AugmentationConfig:
        """The policy for generated images from which continuous codes are read, at a step."""
        rotation = self.rotation if self.code_rotation is None else min(self.rotation, self.code_rotation)
        shear = self.shear if self.code_shear is None else min(self.shear, self.code_shear)
        noise = self.pixel_noise if self.code_noise is None else self.code_noise.at(step)
        return self.model_copy(update={"rotation": rotation, "shear": shear, "pixel_noise": noise})


class ObjectiveConfig(Section):
    """Weights of the objective's terms (equation 6)."""

    info_weight: float = Field(default=1.0, ge=0, le=1_000, description="lambda of codes without their own")
    generator_information: bool = Field(
        default=True, description="False: the control arm of Figure 1, whose generator ignores the bound"
    )
    real_information_weight: _Weight = Field(
        default=_OFF, description="of the information between a real image and its moved copy"
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
    subcode_weight: _Weight = Field(
        default=_OFF, description="of the same for each category's two sub-codes; 0: none"
    )
    mode_seeking_weight: _Weight = Field(
        default=_OFF, description="of the distance of two noises over that of their images"
    )
    contrastive_weight: _Weight = Field(
        default=_OFF, description="of telling which one code two generated images share"
    )
    terms: dict[str, _Weight] = Field(
        default={}, description="weights of loss terms that plug-ins register, by the term's name"
    )


class TrainingConfig(Section):
    """How long, how fast, and what is kept on the way."""

    recipe: str = "paper"
    steps: int = Field(
        default=5_000, ge=1, le=MOST_STEPS, description="one D update and generator_updates of G each"
    )
    batch_size: int = Field(default=128, ge=2, le=65_536)
    learning_rate_discriminator: float = Field(default=2e-4, gt=0, le=1e6)
    learning_rate_generator: float = Field(default=1e-3, gt=0, le=1e6)
    beta1: float = Field(default=0.5, ge=0, lt=1)
    generator_updates: int = Field(
        default=1, ge=1, le=100, description="of G for each of D, every one on latents drawn anew"
    )
    learning_rate_schedule: Annotated[Schedule, bounded(0, 1)] = Field(
        default=_WHOLE, description="factor on both learning rates"
    )
    repair_start: int = Field(
        default=0, ge=0, le=MOST_STEPS, description="step from which a stuck code is split and merged"
    )
    repair_end: int = Field(default=0, ge=0, le=MOST_STEPS, description="the last such step; 0: never")
    repair_every: int = Field(default=100, ge=1, le=MOST_STEPS)
    repair_components: int = Field(
        default=0,
        ge=0,
        le=1_000,
        description="principal components in which a new division is sought, where images are few; 0: all",
    )
    seed: int = Field(default=0, ge=0, lt=2**63)
    prune_steps: tuple[Annotated[_Int, Field(ge=1, le=MOST_STEPS)], ...] = Field(
        default=(1_250, 2_250),  # the second after the last trial of a remedy
        strict=False,  # TOML's lists are no tuples
        description="with --seeds: steps where the worse half is dropped; at the last, all but the best",
    )
    ema_decay: float = Field(default=0.0, ge=0, lt=1, description="of the generator's weights; 0: no EMA")
    ema_start: int = Field(default=0, ge=0, le=MOST_STEPS, description="step from which the EMA follows")
    save_every: int = Field(default=500, ge=1, le=MOST_STEPS)
    keep: int = Field(default=2, ge=1, le=1_000, description="checkpoints kept")
    sample_every: int = Field(default=500, ge=1, le=MOST_STEPS)
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    device: str = Field(default="auto", pattern=r"^(auto|cpu|cuda(:\d+)?|mps)$")

    @field_validator("prune_steps")
    @classmethod
    def _rising(cls, steps: tuple[int, ...]) -> tuple[int, ...]:
        if any(later <= sooner for sooner, later in pairwise(steps)):
            raise ValueError("steps in rising order, each once, as in [1000, 1500]")
        return steps


class Config(Section):
    """Everything a run depends on."""

    version: Literal[2] = 2
    preset: str = Field(default="custom", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    data: DataConfig
    latents: LatentsConfig
    network: NetworkConfig = NetworkConfig()
    objective: ObjectiveConfig = ObjectiveConfig()
    augmentation: AugmentationConfig = AugmentationConfig()
    training: TrainingConfig = TrainingConfig()
    plugins: dict[str, Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]] = Field(
        default={}, description="the plug-ins that the run uses: name, and SHA-256 of the file"
    )

    @model_validator(mode="after")
    def _whole(self) -> Config:
        training, objective = self.training, self.objective
        if training.ema_start and not training.ema_decay:
            raise ValueError("training.ema_start has no effect without training.ema_decay")
        if training.repair_end and training.repair_end < training.repair_start:
            raise ValueError("training.repair_end must not lie below training.repair_start")
        real = objective.real_information_weight or objective.subcode_weight
        if real and not self.augmentation.active:
            raise ValueError(
                "some change of images in [augmentation], such as shift=0.05, since the recipe learns from "
                "moved copies of real images; or --recipe paper, which does not"
            )
        if objective.contrastive_weight and sum(code.dim for code in self.latents.codes.values()) < 2:
            raise ValueError("objective.contrastive_weight needs two codes or more, to tell them apart")
        if training.repair_end and self.network.spectral_recognition:
            raise ValueError(
                "training.repair_end = 0 with network.spectral_recognition: the remedy moves rows of Q's "
                "weights, which spectral norm computes anew"
            )
        if training.repair_end and not objective.subcode_weight:
            raise ValueError("training.repair_end needs sub-codes: set objective.subcode_weight")
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
        return bool(self.continuous) and policy.all_images and policy.for_codes(0) != policy

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

    def replace(self, **sections: Mapping[str, Any]) -> Config:
        """Return a copy with other values: `config.replace(training={"steps": 100})`.

        Args:
            **sections: by section, the values that differ.

        Raises:
            ConfigError: a section, key or value does not fit.
        """
        from infogan.config.toml import validate  # late: that module is built on this one

        values: dict[str, Any] = {
            name: dict(getattr(self, name))
            for name in type(self).model_fields
            if isinstance(getattr(self, name), Section)
        }
        plain = {name: getattr(self, name) for name in type(self).model_fields if name not in values}
        for name, changed in sections.items():
            values[name] = {**values.get(name, {}), **changed}
        return validate({**plain, **values})

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
