"""The sections of the configuration: typed, frozen, and strict about unknown keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    field_validator,
    model_validator,
)

from infogan.config.codes import MOST_STEPS, NAME, Categorical, Code, Continuous
from infogan.config.schedule import Schedule, bounded
from infogan.config.validation import validated
from infogan.config.value_range import ValueRange, parse_colour


def _checked(parse: Callable[[str], Any]) -> Callable[[str], str]:
    """Return a validator that keeps a text if `parse` accepts it."""

    def check(text: str) -> str:
        parse(text)
        return text

    return check


_STRICT = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
_Step = Annotated[int, Strict(), Field(ge=1, le=MOST_STEPS)]
_Count = Annotated[int, Field(ge=1, le=10**7)]
_Weight = Annotated[Schedule, bounded(0, 1_000)]
_Noise = Annotated[Schedule, bounded(0, 16)]
_Factor = Annotated[Schedule, bounded(0, 1)]
_Range = Annotated[str, AfterValidator(_checked(ValueRange.parse))]
_Background = Annotated[str, AfterValidator(_checked(parse_colour))]
_Patterns = Annotated[
    tuple[Annotated[str, Field(min_length=1)], ...],
    BeforeValidator(lambda given: (given,) if isinstance(given, str) else tuple(given)),
]
_OFF, _WHOLE = Schedule.of(0.0), Schedule.of(1.0)

AnySection = TypeVar("AnySection", bound="Section")


class Section(BaseModel):
    """A part of the configuration: frozen, strict about types, without unknown keys."""

    model_config = _STRICT

    def model_copy(
        self: AnySection, *, update: Mapping[str, Any] | None = None, deep: bool = False
    ) -> AnySection:
        """Return a copy with other values, which are validated.

        Raises:
            pydantic.ValidationError: a value does not fit.
        """
        return type(self).model_validate({**dict(self), **(update or {})})


class DataConfig(Section):
    """The images and their preprocessing."""

    source: str = Field(description="data source, such as mnist, digits or folder; see infogan data list")
    path: str | None = Field(
        default=None,
        description="file or folder of the images; unset: downloaded, or from an installed package",
    )
    size: int | None = Field(
        default=None, ge=8, le=256, description="height and width in pixels; unset: those of the source"
    )
    channels: Literal[1, 3, 4] | None = Field(
        default=None, description="1 (gray), 3 (colour) or 4 (with alpha); unset: those of the source"
    )
    crop: int | None = Field(
        default=None,
        ge=8,
        le=100_000,
        description="crop images to a central square of this side, in pixels; unset: that of the source, or "
        "else the largest square",
    )
    fit: Literal["crop", "pad", "stretch"] | None = Field(
        default=None,
        description="how an image becomes a square: crop its centre, pad it to a square with the background, "
        "or stretch it; unset: crop",
    )
    range: _Range | None = Field(
        default=None,
        description="values that become black and white, LOW:HIGH in the units of the files, or percentiles "
        "of all images, p0.1:p99.9; unset: those of the files' type",
    )
    background: _Background | None = Field(
        default=None,
        description="colour behind transparent pixels and around padded images: white, black, grey or R,G,B; "
        "unset: white",
    )
    frames: Literal["first", "all"] | None = Field(
        default=None,
        description="frames of an animation, or pages of a TIFF file, that are images; unset: first",
    )
    exclude: _Patterns | None = Field(
        default=None, description="patterns of file names or paths that are left out, such as *_mask.png"
    )
    allow_unreadable: _Count | Annotated[float, Field(ge=0, lt=1)] | None = Field(
        default=None,
        description="number (integer) or share (0.05) of files that may be unreadable; unset: 0.01",
    )
    follow_links: bool | None = Field(
        default=None,
        description="follow symbolic links that lead out of the folder of images; unset: false, such links "
        "are listed as unreadable",
    )
    split_by: Literal["content", "folder", "prefix"] | None = Field(
        default=None,
        description="images that stay on one side of the split: identical ones, those of one folder, or "
        "those whose names differ only in their last number; unset: content",
    )
    revision: str | None = Field(
        default=None,
        pattern=r"^[\w./-]+$",
        description="branch, tag or commit of a data set of the Hugging Face Hub; a run records the commit; "
        "unset: the newest one when the images are prepared",
    )
    count: int | None = Field(
        default=None, ge=2, le=10**7, description="number of images to render, for sources that render them"
    )
    held_out: _Count | None = Field(
        default=None, description="size of the test split, for sources without one"
    )
    split_version: Literal[1, 2] | None = Field(
        default=None,
        description="how test images are chosen, for sources without any: 1 by the number of images, 2 by "
        "their content; unset: 2 for your own images, 1 for named data sets",
    )
    split_at: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="boundary between training and test images of split version 2; recorded by a run, "
        "instead of held_out",
    )
    validation: _Count | None = Field(
        default=None,
        description="number of training images, the last ones, that are held out and used for evaluation "
        "instead of the test split",
    )


class LatentsConfig(Section):
    """The input of the generator: noise, and the named codes (section 4 of the paper)."""

    noise: int = Field(default=62, ge=0, le=100_000, description="number of noise dimensions")
    noise_prior: Literal["uniform", "normal"] = Field(
        default="uniform", description="distribution of the noise: uniform on [-1, 1], or standard normal"
    )
    joint: Literal["independent", "empirical"] = Field(
        default="independent",
        description="joint distribution of the codes in training: independent priors; or empirical, those "
        "with anchors from the anchors of a random training image",
    )
    codes: dict[str, Code] = Field(min_length=1, description="the codes, by name")

    @field_validator("codes")
    @classmethod
    def _names(cls, codes: dict[str, Any]) -> dict[str, Any]:
        for name in codes:
            if not NAME.fullmatch(name) or name == "noise":
                raise ValueError(
                    f"a code cannot be named {name!r}: lower-case letters, digits and _, not 'noise'"
                )
        return codes


class NetworkConfig(Section):
    """The networks: generator, shared trunk of D and Q, and their heads."""

    architecture: str = Field(
        default="generic",
        description="table of layers: mnist, svhn, celeba, faces, chairs, dsprites, generic, residual, "
        "anchored or anchored-residual",
    )
    normalization: Literal["batch", "spectral"] = Field(
        default="batch", description="normalization of D and the trunk: batch, as in the paper, or spectral"
    )
    spectral_bound: float = Field(
        default=1.5, gt=0, le=100, description="largest singular value of a weight under spectral norm"
    )
    spectral_iterations: Literal["pass", "step"] = Field(
        default="pass",
        description="power iterations of spectral norm: one in each pass through a layer; or one per "
        "training step, which needs fewer operations",
    )
    spectral_recognition: bool = Field(
        default=False, description="apply spectral norm, without batch norm, to Q's own layers, too"
    )
    width: float = Field(
        default=1.0, gt=0, le=8, description="factor on the number of features of hidden layers"
    )
    recognition_init_std: float = Field(
        default=0.02, gt=0, le=1, description="std of the initial weights of Q's own layers"
    )
    pairs: bool = Field(
        default=False,
        description="D sees pairs: a real image with its anchors, a generated one with the codes that it was "
        "generated from",
    )


class AugmentationConfig(Section):
    """The augmentation policy. Categories become invariant to these augmentations.

    For every image and every pass, each augmentation is sampled uniformly, in both directions.
    """

    rotation: float = Field(default=0.0, ge=0, le=180, description="largest angle in degrees")
    shift: float = Field(
        default=0.0, ge=0, le=0.5, description="largest shift along each axis, as a share of the image's side"
    )
    scale: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="largest relative change of size; 0.12 means 0.88 to 1.12 times the size",
    )
    shear: float = Field(default=0.0, ge=0, le=1, description="largest shear, in columns per row")
    flip: bool = Field(default=False, description="mirror half of the images left to right")
    brightness: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="largest value added to all pixels, which lie in [0, 1] or [-1, 1]",
    )
    contrast: float = Field(
        default=0.0, ge=0, lt=1, description="largest relative change of the distance from the image's mean"
    )
    pixel_noise: float = Field(
        default=0.0,
        ge=0,
        le=16,
        description="std of normal noise added to pixels, which lie in [0, 1] or [-1, 1]",
    )
    all_images: bool = Field(
        default=True,
        description="augment every image that D and Q see; false: only the second views of real images",
    )
    code_rotation: float | None = Field(
        default=None,
        ge=0,
        le=180,
        description="limit of rotation for images from which continuous codes are predicted; unset: rotation",
    )
    code_shear: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="limit of shear for images from which continuous codes are predicted; unset: shear",
    )
    code_noise: _Noise | None = Field(
        default=None,
        description="schedule of the pixel noise in images from which continuous codes are predicted; "
        "unset: pixel_noise",
    )

    @property
    def moves(self) -> bool:
        """True if an augmentation interpolates between pixels, which blurs the image; a flip does not."""
        return any((self.rotation, self.shift, self.scale, self.shear))

    @property
    def active(self) -> bool:
        """True if the policy changes anything."""
        apart = {key for key in type(self).model_fields if key.startswith("code_")}
        return any(self.model_dump(exclude={"all_images", *apart}).values())

    def for_codes(self, step: int) -> AugmentationConfig:
        """Return the policy for generated images from which continuous codes are predicted, at a step."""
        rotation = self.rotation if self.code_rotation is None else min(self.rotation, self.code_rotation)
        shear = self.shear if self.code_shear is None else min(self.shear, self.code_shear)
        noise = self.pixel_noise if self.code_noise is None else self.code_noise.at(step)
        return self.model_copy(update={"rotation": rotation, "shear": shear, "pixel_noise": noise})


class ObjectiveConfig(Section):
    """The weights of the objective's terms (equation 6). A term whose weight is 0 is not computed."""

    info_weight: float = Field(
        default=1.0, ge=0, le=1_000, description="lambda of codes without their own info_weight"
    )
    generator_information: bool = Field(
        default=True,
        description="the generator maximises the information bound; false: the control experiment of Figure "
        "1",
    )
    real_information_weight: _Weight = Field(
        default=_OFF,
        description="schedule: weight of the information between the categories of two augmented views of a "
        "real image",
    )
    neighbours: int = Field(
        default=0,
        ge=0,
        le=1_000,
        description="number of nearest neighbours from which the second view may be taken; 0: always the "
        "image itself",
    )
    neighbour_search: Literal["exact", "index"] = Field(
        default="exact",
        description="exact: all pairs of images are compared; index: above 50,000 images an approximate "
        "index is searched, which needs the extra infogan[index]",
    )
    neighbour_space: Literal["pixels", "joint"] = Field(
        default="pixels",
        description="pixels: images are compared by principal components of the pixels; joint: by these and "
        "the features of the contrastive encoder, which is trained first (representation.contrastive_steps)",
    )
    neighbour_share: float = Field(
        default=1.0, ge=0, le=1, description="share of images whose second view is of a neighbour"
    )
    marginal_weight: float = Field(
        default=1.0,
        ge=0,
        le=100,
        description="weight of the marginal entropies in the information on real images; above 1, all "
        "categories stay in use",
    )
    subcode_weight: _Weight = Field(
        default=_OFF,
        description="schedule: weight of the information on real images between two sub-codes per category; "
        "0: none",
    )
    mode_seeking_weight: _Weight = Field(
        default=_OFF,
        description="schedule: weight of mode seeking, the distance of two noise vectors divided by that of "
        "their images",
    )
    contrastive_weight: _Weight = Field(
        default=_OFF,
        description="schedule: weight of the contrastive term, whose classifier predicts the code that two "
        "generated images share",
    )
    anchor_weight: _Weight = Field(
        default=_OFF,
        description="schedule: weight of -log Q(anchor | augmented real image), the mean over the codes that "
        "have anchors",
    )
    anchored_information: _Factor = Field(
        default=_WHOLE,
        description="schedule: factor on lambda of codes with anchors in the update of Q; 0: Q learns these "
        "codes from real images alone, and G follows Q",
    )
    terms: dict[str, _Weight] = Field(
        default={}, description="schedules: weights of loss terms that plug-ins register, by the term's name"
    )


class TrainingConfig(Section):
    """The length of training, the optimizer, and checkpoints."""

    recipe: str = Field(
        default="paper",
        description="name of the recipe that these values come from; setting it applies no other recipe",
    )
    steps: int = Field(
        default=5_000,
        ge=1,
        le=MOST_STEPS,
        description="training steps, each with one update of D and generator_updates of G",
    )
    batch_size: int = Field(default=128, ge=2, le=65_536, description="images per update")
    learning_rate_discriminator: float = Field(
        default=2e-4, gt=0, le=1e6, description="Adam's learning rate for D, Q and their trunk"
    )
    learning_rate_generator: float = Field(
        default=1e-3, gt=0, le=1e6, description="Adam's learning rate for G"
    )
    recognition_rate: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="factor on the learning rate of Q if Q has its own encoder, which has learned before",
    )
    final_statistics: int = Field(
        default=0,
        ge=0,
        le=100_000,
        description="batches of real images, without augmentation, from which Q's running statistics are "
        "estimated again for the stored model; 0: those of training",
    )
    beta1: float = Field(default=0.5, ge=0, lt=1, description="Adam's beta1")
    beta2: float = Field(default=0.999, ge=0, lt=1, description="Adam's beta2")
    generator_updates: int = Field(
        default=1, ge=1, le=100, description="updates of G per update of D, each on new latents"
    )
    learning_rate_schedule: _Factor = Field(
        default=_WHOLE, description="schedule: factor on both learning rates"
    )
    repair_start: int = Field(
        default=0,
        ge=0,
        le=MOST_STEPS,
        description="first step at which merged or split categories are repaired",
    )
    repair_end: int = Field(
        default=0, ge=0, le=MOST_STEPS, description="last step of category repair; 0: no repair"
    )
    repair_every: _Step = Field(default=100, description="steps between two repairs")
    repair_components: int = Field(
        default=0,
        ge=0,
        le=1_000,
        description="principal components of the features in which images are re-partitioned; 0: all "
        "features",
    )
    seed: int = Field(default=0, ge=0, lt=2**63, description="random seed")
    prune_steps: tuple[_Step, ...] = Field(
        default=(1_250, 2_250),  # the second after the last trial of a repair
        strict=False,  # TOML has lists, not tuples
        description="steps at which the worse half of several seeds is pruned; at the last one, all but the "
        "best are pruned",
    )
    ema_decay: float = Field(
        default=0.0, ge=0, lt=1, description="decay of the moving average (EMA) of G's weights; 0: no EMA"
    )
    ema_start: int = Field(default=0, ge=0, le=MOST_STEPS, description="first step of the EMA")
    save_every: _Step = Field(default=500, description="steps between two checkpoints")
    keep: int = Field(default=2, ge=1, le=1_000, description="number of newest checkpoints that are kept")
    sample_every: _Step = Field(default=500, description="steps between two pictures of samples")
    precision: Literal["auto", "float32", "tf32", "bfloat16"] = Field(
        default="auto",
        description="precision of the layers; auto: bfloat16 if the hardware multiplies it natively; tf32: "
        "float32 whose products are rounded, on GPUs that have it",
    )
    graph: bool | Literal["auto"] = Field(
        default="auto",
        description="capture a training step as a CUDA graph and replay it; auto: on NVIDIA GPUs; on a "
        "CPU, true copies the inputs of each step into static buffers, for tests",
    )
    seeds_at_once: Annotated[int, Field(ge=1, le=100)] | Literal["auto"] = Field(
        default="auto",
        description="number of seeds that are trained at the same time, each with the result that it has "
        "alone, at most 16 on a GPU; auto: up to 16 on a GPU, one after the other on a CPU",
    )
    deterministic: bool = Field(
        default=False,
        description="use only operations whose result is the same bits each time; on a GPU they are slower",
    )
    device: str = Field(
        default="auto", pattern=r"^(auto|cpu|cuda(:\d+)?|mps)$", description="auto, cpu, cuda, cuda:N or mps"
    )

    @field_validator("prune_steps")
    @classmethod
    def _rising(cls, steps: tuple[int, ...]) -> tuple[int, ...]:
        if any(later <= sooner for sooner, later in pairwise(steps)):
            raise ValueError("steps in ascending order, each once, as in [1000, 1500]")
        return steps


class RepresentationConfig(Section):
    """The phase before training, which learns from the real images what the codes should mean."""

    fit_steps: int = Field(
        default=0,
        ge=0,
        le=MOST_STEPS,
        description="steps in which Q is fitted to what was found; 0: nothing is searched for, unless codes "
        'is "given"',
    )
    contrastive_steps: int = Field(
        default=0,
        ge=0,
        le=MOST_STEPS,
        description="steps of the contrastive encoder; 0: categories from principal components of the pixels",
    )
    categories: int | None = Field(
        default=None,
        ge=0,
        le=1_000,
        description="number of categories; unset: chosen by stability; 0: no categories",
    )
    flip: bool = Field(default=False, description="mirror images are the same to the contrastive encoder")
    codes: Literal["found", "given"] = Field(
        default="found",
        description="found: what is found replaces the configured categorical codes; given: the configured "
        "codes stay, and clusters of the images, one for each category, are anchors of the categorical code",
    )


class Config(Section):
    """The configuration of a run."""

    version: Literal[3] = Field(default=3, description="version of this file format")
    preset: str = Field(
        default="custom",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
        description="name of the preset that these values come from; run directories are named after it",
    )
    data: DataConfig = Field(description="the images")
    latents: LatentsConfig = Field(description="noise and codes")
    network: NetworkConfig = Field(default=NetworkConfig(), description="the networks")
    objective: ObjectiveConfig = Field(default=ObjectiveConfig(), description="weights of the terms")
    augmentation: AugmentationConfig = Field(default=AugmentationConfig(), description="the policy")
    representation: RepresentationConfig = Field(
        default=RepresentationConfig(), description="the phase before training"
    )
    training: TrainingConfig = Field(default=TrainingConfig(), description="length and optimizer")
    plugins: dict[str, Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]] = Field(
        default={}, description="plug-ins that the run uses: name, and SHA-256 of the file"
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
                "an augmentation policy, such as augmentation.shift=0.05, since the recipe compares two "
                "augmented views of real images; or the recipe paper, which does not"
            )
        if objective.contrastive_weight and sum(code.dim for code in self.latents.codes.values()) < 2:
            raise ValueError("objective.contrastive_weight needs two codes or more, to distinguish them")
        if training.repair_end and self.network.spectral_recognition:
            raise ValueError(
                "training.repair_end = 0 with network.spectral_recognition: category repair edits Q's "
                "weights, which spectral norm computes again"
            )
        if objective.neighbour_space == "joint" and not self.representation.contrastive_steps:
            raise ValueError('objective.neighbour_space = "joint" needs representation.contrastive_steps')
        if self.representation.codes == "given" and self._given_categories is None:
            raise ValueError('representation.codes = "given" needs exactly one categorical code of dim 1')
        if self.representation.codes == "given" and self.representation.fit_steps:
            raise ValueError('representation.codes = "given" has no fit: set representation.fit_steps = 0')
        if training.repair_end and not objective.subcode_weight:
            raise ValueError("training.repair_end needs sub-codes: set objective.subcode_weight")
        return self

    @property
    def reads_real(self) -> bool:
        """True if Q also learns from real images, for which it needs a categorical code."""
        weighted = self.objective.real_information_weight or self.objective.subcode_weight
        return bool(weighted) and any(isinstance(c, Categorical) for c in self.latents.codes.values())

    @property
    def reads_codes_apart(self) -> bool:
        """True if continuous codes are predicted from images with a separate augmentation policy."""
        policy = self.augmentation
        return bool(self.continuous) and policy.all_images and policy.for_codes(0) != policy

    @property
    def reads_through_noise(self) -> bool:
        """True if continuous codes are predicted from noisy images."""
        return self.reads_codes_apart and self.augmentation.code_noise is not None

    @property
    def continuous(self) -> list[str]:
        """The names of the continuous codes."""
        return [name for name, code in self.latents.codes.items() if isinstance(code, Continuous)]

    @property
    def seeks_neighbours(self) -> bool:
        """True if the second view of an image may be taken from a neighbour."""
        return self.reads_real and self.objective.neighbours > 0 and self.objective.neighbour_share > 0

    @property
    def learns_neighbours(self) -> bool:
        """True if neighbours are searched for in features that are learned before training."""
        return self.seeks_neighbours and self.objective.neighbour_space == "joint"

    @property
    def learns_first(self) -> bool:
        """True if there is a phase before training that learns from the real images."""
        settings = self.representation
        return bool(settings.fit_steps) or self.learns_neighbours or settings.codes == "given"

    @property
    def given_categories(self) -> tuple[str, int]:
        """Name and size of the categorical code that gets anchors with `representation.codes` "given"."""
        assert self._given_categories is not None  # checked when the configuration was made
        return self._given_categories

    @property
    def _given_categories(self) -> tuple[str, int] | None:
        found = {name: c for name, c in self.latents.codes.items() if isinstance(c, Categorical)}
        if len(found) != 1:
            return None
        ((name, code),) = found.items()
        return (name, code.size) if code.dim == 1 else None

    def replace(self, **values: Mapping[str, Any] | str) -> Config:
        """Return a copy with other values: `config.replace(training={"steps": 100}, preset="mine")`.

        Args:
            **values: by section, the values that differ; or a value outside of sections.

        Raises:
            ConfigError: a section, key or value does not fit.
        """
        whole: dict[str, Any] = dict(self)
        for name, value in values.items():
            whole[name] = {**dict(whole.get(name, {})), **value} if isinstance(value, Mapping) else value
        return validated(type(self), whole)

    def with_codes(self, codes: Mapping[str, Code]) -> Config:
        """Return a copy with more codes; one of the same name is replaced in its position."""
        return self.replace(latents={"codes": {**self.latents.codes, **codes}})

    def info_weights(self) -> dict[str, float]:
        """Return lambda_i of each code, by name: its own, or the one for all."""
        shared = self.objective.info_weight
        return {
            name: shared if code.info_weight is None else code.info_weight
            for name, code in self.latents.codes.items()
        }
