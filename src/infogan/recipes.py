"""Recipes: named sets of training settings, as data. A plug-in adds one to `RECIPES`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from infogan.config import (
    CONTINUOUS_WEIGHT,
    AugmentationConfig,
    Code,
    Config,
    Continuous,
    Gaussian,
    NetworkConfig,
    Normal,
    ObjectiveConfig,
    RepresentationConfig,
    TrainingConfig,
    Uniform,
    VonMises,
)
from infogan.errors import ConfigError, UsageError, did_you_mean, nearest
from infogan.registry import Registry

Changes = Mapping[str, Mapping[str, Any]]
"""Values of a configuration by section and key."""

LEAST_STD, SOFT_WEIGHT = 0.3, 0.2
"""Smallest std of the posterior of continuous codes in `robust`, in half ranges, and their lambda."""

CR_STEPS, CR_START = 322_560, 288_000
REGULARISED_FROM = CR_START / CR_STEPS
"""Share of the steps of `cr` after which the contrastive regularizer starts (code of Lin et al. 2020)."""

ANCHORED_STEPS = 2_000

ANCHORED_UNTIL = [[200, 1.0], [500, 0.0]]
"""Schedule of the anchors in `anchored-categories`.

They decide which categories form; the information on real images then refines them.
"""

RECOGNITION_RATE = 0.1
"""Factor on Q's learning rate in `anchored`: Q has learned before, and G follows Q in evaluation mode.

With a factor of 1, weights move faster than the running statistics of batch norm follow, where the background
is constant: Q forgot its categories, and G learned to obey noise (docs/lab-notes/recognition-rate.md).
"""

FINAL_STATISTICS = 100
"""Batches from which the running statistics of the stored model are estimated, for images of any kind."""

UNIFORM_STD, REACH, CIRCLE_STD, CIRCLE_WEIGHT = 0.577, 1.5, 0.3, 0.5
"""Posteriors in `anchored`: the std of Unif(-1, 1), 1 / sqrt(3), the limit of its mean, and the least std and
lambda of an angle.

With lambda 1 and a fixed std s the bound's gradient is that of the squared error / (2 s^2). At this std it is
half of the squared error relative to the variance of the code: a code that Q predicts perfectly gains 0.5
nats over one of which it knows nothing, with no incentive to predict it ever more sharply. A von Mises
posterior of a kappa of at most 1.7, its limit at a std of 0.3, gains 1.1 nats, hence a lambda of 0.5.

The mean is limited, since Q normalises generated images by the statistics of real ones: the first images of G
are far from these, and without a limit their bound fell to -1,000 nats.
"""

CR_WEIGHT = 0.05
"""Lambda of continuous codes in `cr`."""


@dataclass(frozen=True)
class Recipe:
    """A set of training settings, applied to a configuration with the paper's networks and codes.

    To apply a recipe, all settings beyond the paper are reset first (`PAPER`), and then the changes are made.

    Attributes:
        name: the name that users type.
        summary: one or two sentences for `infogan presets NAME`.
        changes: values by section and key.
        augmentation: the augmentation policy for presets without their own; None: no augmentation.
        max_width: upper limit of `network.width`.
        code: returns a code with the recipe's settings. Its second argument is True if continuous codes are
            predicted from noisy images.
    """

    name: str
    summary: str
    changes: Changes = field(default_factory=dict)
    augmentation: Mapping[str, Any] | None = None
    max_width: float = 8.0
    code: Callable[[Code, bool], Code] | None = None

    def apply(self, config: Config) -> Config:
        """Return `config` with this recipe.

        Raises:
            ConfigError: `config` has a recipe other than this one or `paper`. Its codes and networks may
                differ from those of the preset, so the result would match neither recipe.
        """
        before = config.training.recipe
        if before not in (self.name, "paper"):
            raise ConfigError(
                f"recipe {self.name}: this configuration has the codes and settings of recipe {before}",
                "a preset, or a configuration of the recipe paper",
                f"infogan.configure({config.preset!r}, recipe={self.name!r})",
                command=f"infogan train {config.preset} --recipe {self.name}",
            )
        policy = config.augmentation
        if self.code is not None:
            noisy = policy.code_noise is not None
            config = config.with_codes(
                {name: self.code(code, noisy) for name, code in config.latents.codes.items()}
            )
        config = config.replace(**PAPER)
        if self.augmentation is not None:
            own = policy if policy.active else {**self.augmentation, "code_noise": policy.code_noise}
            config = config.replace(augmentation=dict(own))
        width = min(config.network.width, self.max_width)
        config = config.replace(network={"width": width}, training={"recipe": self.name})
        return config.replace(**self.changes)


def find(name: str) -> Recipe:
    """Return the recipe of that name.

    Raises:
        UsageError: no recipe has this name; the message suggests the most similar name.
    """
    if name not in RECIPES:
        near = nearest(name, RECIPES) or "robust"
        raise UsageError(
            f"no recipe is named {name!r}{did_you_mean(name, RECIPES)}",
            f"one of {', '.join(RECIPES)}",
            f"recipe={near!r}",
            command=f"--recipe {near}",
        )
    return RECIPES[name]


def _with_fixed_std(code: Code, noisy: bool) -> Code:
    """Return a continuous code with std 1 and lambda .05; values that a user chose are kept."""
    if not isinstance(code, Uniform | Normal):
        return code
    posterior = Gaussian(std=1.0) if code.posterior == Gaussian() else code.posterior
    weight = CR_WEIGHT if code.info_weight == CONTINUOUS_WEIGHT else code.info_weight
    return replace(code, info_weight=weight, posterior=posterior)  # type: ignore[arg-type]  # its own family


def _softer(code: Code, noisy: bool) -> Code:
    """Return a continuous code with weight `SOFT_WEIGHT` and a posterior std of at least `LEAST_STD`.

    If codes have to be predicted with a smaller std, the generator cannot use the noise. If codes are
    predicted from noisy images, the pixel noise already limits the precision. Values that a user chose are
    kept.
    """
    if not isinstance(code, Continuous):
        return code
    posterior = code.posterior
    fits = isinstance(posterior, VonMises) or posterior.std_max >= LEAST_STD
    if not noisy and fits and posterior.std_min == type(posterior)().std_min:
        posterior = replace(posterior, std_min=LEAST_STD)
    weight = SOFT_WEIGHT if code.info_weight == CONTINUOUS_WEIGHT else code.info_weight
    return replace(code, info_weight=weight, posterior=posterior)  # type: ignore[arg-type]  # its own family


def _with_code_std(code: Code, noisy: bool) -> Code:
    """Return a continuous code as `anchored` trains it; values that a user chose are kept."""
    if not isinstance(code, Continuous):
        return code
    posterior: Any = code.posterior
    if posterior == Gaussian():
        uniform = isinstance(code, Uniform)
        posterior = Gaussian(std=UNIFORM_STD, reach=REACH) if uniform else Gaussian(std=1.0, reach=2 * REACH)
    elif posterior == VonMises():
        posterior = VonMises(std_min=CIRCLE_STD)
    own = CIRCLE_WEIGHT if isinstance(posterior, VonMises) else 1.0
    weight = own if code.info_weight == CONTINUOUS_WEIGHT else code.info_weight
    return replace(code, info_weight=weight, posterior=posterior)


PAPER: Changes = {
    "latents": {"noise_prior": "uniform", "joint": "independent"},
    "network": {"recognition_init_std": NetworkConfig().recognition_init_std, "pairs": False},
    # Lambda and the control experiment are part of the paper; useful neighbours depend on the images.
    "objective": {
        key: value
        for key, value in dict(ObjectiveConfig()).items()
        if key not in ("info_weight", "generator_information", "neighbour_share")
    },
    "augmentation": dict(AugmentationConfig()),
    "representation": dict(RepresentationConfig()),
    "training": {
        key: getattr(TrainingConfig(), key)
        for key in (
            "recipe", "batch_size", "generator_updates", "beta1", "beta2", "ema_decay", "ema_start",
            "recognition_rate", "final_statistics", "learning_rate_schedule", "repair_start", "repair_end",
        )
    },
}  # fmt: skip
"""The settings of appendix C, or of the authors' code if the paper does not state them.

Codes, width and learning rates are those of the preset, since they differ between the paper's experiments.
"""

_ROBUST: Changes = {
    "network": {"recognition_init_std": 0.08},
    "objective": {
        "real_information_weight": 1.0,
        "neighbours": 10,
        "marginal_weight": 2.0,
        "subcode_weight": 1.0,
        "mode_seeking_weight": 0.005,
    },
    "training": {
        "learning_rate_discriminator": 4e-4,
        "learning_rate_schedule": [[2_500, 1.0], [5_000, 0.02]],
        "repair_start": 500,
        "repair_end": 2_000,
    },
}
_AUGMENTATION: Mapping[str, Any] = {
    "rotation": 15.0,
    "shift": 0.07,
    "scale": 0.12,
    "shear": 0.15,
    "code_rotation": 10.0,
    "code_shear": 0.0,
}

_TABLE = (
    Recipe("paper", "Appendix C of the InfoGAN paper (Chen et al. 2016), without any additions."),
    Recipe(
        "robust",
        "Q is also trained on augmented real images, so that codes are meaningful with every seed "
        "(docs/recipe.md).",
        changes=_ROBUST,
        augmentation=_AUGMENTATION,
        max_width=0.5,
        code=_softer,
    ),
    Recipe(
        "anchored-categories",
        "The recipe robust, with categories that start from clusters of the real images. For images with a "
        "categorical code of known size.",
        changes={
            "network": _ROBUST["network"],
            "objective": {**_ROBUST["objective"], "anchor_weight": ANCHORED_UNTIL},
            "representation": {"contrastive_steps": 0, "codes": "given"},
            "training": {**_ROBUST["training"], "repair_start": 0, "repair_end": 0},
        },
        augmentation=_AUGMENTATION,
        max_width=0.5,
        code=_softer,
    ),
    Recipe(
        "anchored",
        "Q has its own encoder and also learns anchors: values of codes that were found in the real images "
        "before. G upsamples without transposed convolutions. Without anchors it is a plain InfoGAN of these "
        "networks.",
        changes={
            "latents": {"noise_prior": "normal", "joint": "empirical"},
            "network": {
                "architecture": "anchored",
                "pairs": True,
                "normalization": "spectral",
                "spectral_bound": 1.0,
                "recognition_init_std": 0.08,
            },
            "objective": {"anchor_weight": 1.0, "anchored_information": 0.0},
            "augmentation": {"code_noise": None},
            "representation": {"fit_steps": 1_500, "contrastive_steps": 2_000},
            "training": {
                "steps": ANCHORED_STEPS,
                "batch_size": 64,
                "learning_rate_discriminator": 1e-3,
                "learning_rate_generator": 1e-3,
                "recognition_rate": RECOGNITION_RATE,
                "final_statistics": FINAL_STATISTICS,
                "learning_rate_schedule": [[ANCHORED_STEPS // 2, 1.0], [ANCHORED_STEPS, 0.05]],
                "beta2": 0.99,
                "ema_decay": 0.99,
                "ema_start": 100,
            },
        },
        augmentation={"shift": 0.03},
        code=_with_code_std,
    ),
    Recipe(
        "cr",
        "InfoGAN-CR (Lin et al. 2020) with its settings for dSprites: spectral norm, and a contrastive "
        "regularizer in the last 34,560 of 322,560 steps. For a shorter run, also set "
        "objective.contrastive_weight, so that it starts at 89 % of the steps.",
        changes={
            "network": {
                "architecture": "dsprites",
                "normalization": "spectral",
                "spectral_bound": 1.0,
                "spectral_recognition": True,
                "width": 1.0,
            },
            "objective": {"contrastive_weight": [[CR_START, 0.0], [CR_START, 2.0]]},
            "training": {
                "steps": CR_STEPS,
                "batch_size": 64,
                "learning_rate_discriminator": 2e-3,
                "learning_rate_generator": 1e-3,
                "generator_updates": 2,
            },
        },
        code=_with_fixed_std,
    ),
)

RECIPES: Registry[Recipe] = Registry("recipe")
for _recipe in _TABLE:
    RECIPES.add(_recipe.name, _recipe)
