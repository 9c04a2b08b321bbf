"""Presets: the paper's experiments and others, as data. A plug-in adds one to `PRESETS`."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from infogan.config import CONTINUOUS_WEIGHT, Categorical, Code, Config, Periodic, Uniform, flatten, validate
from infogan.errors import ConfigError
from infogan.recipes import FINAL_STATISTICS, RECIPES, Changes, find
from infogan.registry import Registry

DEFAULT_RECIPE = "robust"


@dataclass(frozen=True)
class Preset:
    """An experiment by name: data, codes and networks as in the paper, and what recipes change for it.

    Attributes:
        name: the name that users type.
        summary: one or two sentences about what `infogan train NAME` trains and which result to expect.
        config: sections of the configuration, with the paper's networks, before a recipe is applied.
        recipe: name of the default recipe.
        changes: values that override those of a recipe for these images, by recipe.
        codes: codes that replace those of the same name, by recipe.
    """

    name: str
    summary: str
    config: Changes
    recipe: str = DEFAULT_RECIPE
    changes: Mapping[str, Changes] = field(default_factory=dict)
    codes: Mapping[str, Mapping[str, Code]] = field(default_factory=dict)

    def load(self) -> Config:
        """Return the configuration before a recipe is applied."""
        return validate({"preset": self.name, **self.config})

    def apply(self, config: Config, recipe: str, *, own_codes: bool = True) -> Config:
        """Return `config` with a recipe and with the changes of this preset for the recipe.

        Args:
            config: the configuration from `load`; its data and codes may have been changed.
            recipe: name of the recipe.
            own_codes: use the preset's codes for this recipe; False if a user chose the codes.

        Raises:
            UsageError: no recipe has this name.
        """
        found = find(recipe)
        if own_codes:
            config = config.with_codes(self.codes.get(recipe, {}))
        return found.apply(config).replace(**self.changes.get(recipe, {}))

    def configuration(self, recipe: str | None = None) -> Config:
        """Return the configuration with a recipe, by default the preset's own recipe."""
        return self.apply(self.load(), recipe or self.recipe)


def load(name: str) -> Config:
    """Return the configuration of a preset, with the paper's networks, before a recipe is applied.

    Raises:
        UsageError: no preset has that name.
    """
    return PRESETS.find(name).load()


def recipe_table(preset: Preset) -> list[str]:
    """Return the lines of a table of the keys whose values differ between the recipes of a preset."""
    configs = {}
    for name in sorted(RECIPES, key=lambda name: name != preset.recipe):
        with suppress(ConfigError):  # cr needs two codes, and figure1 has one
            configs[name] = preset.configuration(name)
    flat = [flatten(config.model_dump(mode="json")) for config in configs.values()]
    keys = dict.fromkeys(key for values in flat for key in values)
    rows = [["key", *configs]]
    for key in keys:
        values = [values.get(key) for values in flat]
        cells = ["-" if value is None else str(value) for value in values]
        if key != "training.recipe" and len(set(cells)) > 1:
            rows.append([key, *cells])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def merged(*parts: Changes) -> dict[str, dict[str, Any]]:
    """Merge nested mappings; later values override earlier ones."""
    result: dict[str, dict[str, Any]] = {}
    for part in parts:
        for section, values in part.items():
            result[section] = {**result.get(section, {}), **values}
    return result


def _codes(name: str, count: int, code: Code) -> dict[str, Code]:
    """Return `count` equal codes, named name1, name2 and so on."""
    return {f"{name}{number}": code for number in range(1, count + 1)}


_STYLE = Uniform(info_weight=CONTINUOUS_WEIGHT)
_DIGIT_CODES = {"digit": Categorical(10), "rotation": _STYLE, "width": _STYLE}
_TYPE_CODES = {"type": Categorical(10), "style1": _STYLE, "style2": _STYLE}

_BOUNDED: Changes = {
    "network": {"normalization": "spectral"},
    "training": {"learning_rate_discriminator": 0.001, "learning_rate_generator": 0.001},
}
"""Spectral norm with suitable learning rates, so that the discriminator does not become too strong."""

_PHOTOGRAPHS: Changes = {
    # The generator of appendix C for photographs has layers without batch norm, and is slow.
    "network": {"architecture": "generic"},
    # At full weight, several codes lead to textures that Q can predict before images form.
    "objective": {"real_information_weight": 0.1, "subcode_weight": 0.0},
    "training": {"repair_end": 0},
}

_NO_NEIGHBOURS: Changes = {"objective": {"neighbour_share": 0.0}}
"""Changes for images whose nearest neighbours often have another category, such as photographs."""


def _steps(steps: int, fall: int) -> Changes:
    """Return changes to `steps`, with learning rates that fall from the step `fall` to the end."""
    return {"training": {"steps": steps, "learning_rate_schedule": [[fall, 1.0], [steps, 0.02]]}}


def _falling_noise(first: float, last: float, start: int = 1_500, end: int = 2_500) -> dict[str, Any]:
    """Return `code_noise` that is high until continuous codes have found their factors, and then falls."""
    return {"code_noise": [[start, first], [end, last]]}


def _digits(name: str, summary: str, source: str, *parts: Changes, **options: Any) -> Preset:
    """Return a preset of 28x28 digits with the codes and networks of appendix C.1."""
    base: Changes = {
        "data": {"source": source, "size": 28, "channels": 1},
        "latents": {"noise": 62, "codes": _DIGIT_CODES},
        "network": {"architecture": "mnist"},
    }
    return Preset(name, summary, merged(base, *parts), **options)


def _faces(variation: str, weight: float, rates: tuple[float, float]) -> Preset:
    """Return a preset of appendix C.4, whose rates and lambda differ by factor (Table 5)."""
    return Preset(
        f"faces-{variation}",
        f"3D faces, 5 Unif(-1, 1) of lambda {weight:g}, 5,000 steps with spectral norm. In appendix C.4 "
        f"(Table 5) the best of 5 runs finds the {variation}.",
        {
            "data": {"source": "faces", "size": 32, "channels": 1},
            "latents": {"noise": 128, "codes": _codes("style", 5, Uniform(info_weight=weight))},
            "network": {"architecture": "faces"},
            # Only a small shift, because all other augmentations would hide a factor.
            "augmentation": {"shift": 0.03, **_falling_noise(1.0, 0.4)},
            "objective": {"neighbour_share": 0.0},
            "training": {
                "steps": 20_000,
                "learning_rate_discriminator": rates[0],
                "learning_rate_generator": rates[1],
            },
        },
        changes={"robust": merged(_BOUNDED, {"training": {"steps": 5_000}})},
    )


def _chairs(
    variation: str, summary: str, weights: tuple[float, float], architecture: str, code: Code
) -> Preset:
    """Return a preset of appendix C.5, with three Cat(20) and one Unif(-1, 1).

    Section 7.2 states four discrete codes, but the input size of 189 in Table 6 fits three.

    Args:
        variation: the factor after which the continuous code is named.
        summary: summary of the preset.
        weights: lambda of the discrete and of the continuous codes (Table 7).
        architecture: architecture with the recipe `robust`.
        code: continuous code with the recipe `robust`.
    """
    discrete, continuous = weights
    own = _codes("kind", 3, Categorical(20, info_weight=discrete))
    return Preset(
        f"chairs-{variation}",
        summary,
        {
            "data": {"source": "chairs", "size": 64, "channels": 1},
            "latents": {"noise": 128, "codes": {**own, variation: Uniform(info_weight=continuous)}},
            "network": {"architecture": "chairs"},
            "augmentation": {
                "shift": 0.03,
                "flip": variation == "width",
                **_falling_noise(1.5, 0.5, 1_000, 2_000),
            },
            "objective": {"neighbour_share": 0.0},
            "training": {"steps": 20_000},
        },
        changes={
            "robust": merged(
                _BOUNDED, _PHOTOGRAPHS, _steps(2_500, 1_500), {"network": {"architecture": architecture}}
            )
        },
        codes={"robust": {variation: code, **_codes("kind", 3, Categorical(20, info_weight=0.3))}},
    )


_TABLE = (
    _digits(
        "mnist",
        "60,000 MNIST digits (appendix C.1): Cat(10) and two Unif(-1, 1), 5,000 steps. Expect 2.2 of 2.3 "
        "nats or more in the digit code.",
        "mnist",
    ),
    _digits(
        "fashion-mnist",
        "Fashion-MNIST (Xiao et al. 2017), beyond the paper: Cat(10) and two Unif(-1, 1), 3,000 steps of "
        "generic networks. Expect clustering accuracy of about two thirds (ClusterGAN: 61.2 +- 2.3 %).",
        "fashion-mnist",
        {"latents": {"codes": _TYPE_CODES}},
        # Nearest neighbours have the same brightness, but often another class.
        _NO_NEIGHBOURS,
        changes={
            "robust": merged(
                _BOUNDED,
                _steps(3_000, 1_500),
                # The same architecture as for a folder of unknown images.
                {"network": {"architecture": "generic"}, "training": {"repair_end": 0}},
            )
        },
    ),
    _digits(
        "mnist-5k",
        "5,000 real MNIST digits from an installed package, no download: 1,000 steps, a few minutes on two "
        "CPU "
        "cores.",
        "mnist-5k",
        {
            "data": {"held_out": 1_000},
            "training": {"steps": 1_000, "save_every": 200, "sample_every": 200},
        },
        # A pair of categories has fewer images than there are features, so that a partition in all features
        # would be random. Codes have formed by step 400, which leaves time for two trials.
        changes={"robust": {"training": {"repair_components": 20, "repair_start": 400}}},
    ),
    Preset(
        "digits",
        "scikit-learn's 1,797 real 8x8 digits with small networks, 1,500 steps: for first tries and tests.",
        {
            "data": {"source": "digits", "size": 8, "channels": 1},
            "latents": {"noise": 16, "codes": _DIGIT_CODES},
            # A quarter of the paper's width has too few features for category repair.
            "network": {"width": 0.5},
            "training": {"steps": 1_500},
        },
    ),
    # Section 7.2 states two continuous codes, but the input size of 168 in Table 2 fits four.
    Preset(
        "svhn",
        "SVHN house numbers (appendix C.2): 4 Cat(10) and 4 Unif(-1, 1), 6,000 steps of generic networks "
        "with spectral norm. Expect brightness as a continuous code.",
        {
            "data": {"source": "svhn", "size": 32, "channels": 3},
            "latents": {
                "noise": 124,
                "codes": _codes("kind", 4, Categorical(10)) | _codes("style", 4, _STYLE),
            },
            "network": {"architecture": "svhn"},
            # Brightness is the factor that a code should find: no augmentation changes it.
            "augmentation": {
                "rotation": 5.0, "shift": 0.05, "scale": 0.1, "shear": 0.05, **_falling_noise(1.5, 0.4)
            },
            "objective": {"neighbour_share": 0.0},  # nearest neighbours have the same brightness
            "training": {"steps": 20_000},
        },
        changes={
            "robust": merged(_BOUNDED, _PHOTOGRAPHS, _steps(6_000, 3_000), {"objective": {"info_weight":
            0.1}})
        },
    ),
    Preset(
        "celeba",
        "CelebA celebrities (appendix C.3): 10 Cat(10), 6,000 steps of generic networks with spectral norm. "
        "Expect categories that predict men, beards and hats; the paper found pose, glasses, hair and "
        "emotion.",
        {
            "data": {"source": "celeba", "size": 32, "channels": 3},
            "latents": {"noise": 128, "codes": _codes("kind", 10, Categorical(10))},
            "network": {"architecture": "celeba"},
            # No flip: the direction in which a face looks is a factor.
            "augmentation": {"shift": 0.05, "scale": 0.1, "brightness": 0.1, "contrast": 0.2},
            "objective": {"neighbour_share": 0.0},
            "training": {"steps": 20_000},
        },
        changes={
            "robust": merged(_BOUNDED, _PHOTOGRAPHS, _steps(6_000, 3_000), {"objective": {"info_weight":
            0.3}})
        },
    ),
    _faces("azimuth", 0.2, (2e-4, 5e-4)),
    _faces("elevation", 0.1, (4e-4, 3e-4)),
    _faces("lighting", 0.1, (8e-4, 3e-4)),
    _faces("width", 0.1, (8e-4, 3e-4)),
    _chairs(
        "rotation",
        "3D chairs (appendix C.5, Table 7): 3 Cat(20) and one periodic code, 2,500 steps of residual "
        "networks. On 50 chair meshes, the periodic code finds the full rotation; the paper has Unif(-1, 1) "
        "of lambda 10.",
        (1.0, 10.0),
        "residual",  # with plain convolutions, the code mostly covers half a turn
        Periodic(info_weight=0.5),  # a full turn returns to its start, unlike Unif(-1, 1)
    ),
    _chairs(
        "width",
        "3D chairs (appendix C.5, Table 7): 3 Cat(20) of lambda .3 and one Unif(-1, 1) of .2, 2,500 steps of "
        "generic networks. Half of the images are mirrored, so that no code can represent a turn to the left "
        "or right.",
        (2.0, 0.05),
        "generic",
        _STYLE,
    ),
    Preset(
        "sprites",
        "Sprites on the dSprites grid, beyond the paper: 5 Unif(-1, 1) and 5 noise dimensions, 5,000 steps.",
        {
            "data": {"source": "sprites", "size": 64, "channels": 1},
            "latents": {"noise": 5, "codes": _codes("style", 5, _STYLE)},
            # Position, size and angle are factors, so that almost no augmentation is possible.
            "augmentation": {"shift": 0.01},
            "objective": {"neighbour_share": 0.0},
            "training": {"steps": 20_000},
        },
        changes={"robust": {"training": {"steps": 5_000}}},
    ),
    Preset(
        "folder",
        "Your own images, from a folder, an archive or an array file: Cat(10) and two Unif(-1, 1), 5,000 "
        "steps of generic networks with spectral norm.",
        # Nearest neighbours help only if one object fills the image in a fixed position.
        {"data": {"source": "folder"}, "latents": {"codes": _TYPE_CODES}, **_NO_NEIGHBOURS},
        # The images may have a constant background.
        changes={"robust": merged(_BOUNDED, {"training": {"final_statistics": FINAL_STATISTICS}})},
    ),
    _digits(
        "figure1",
        "The control experiment (section 7.1, Figure 1): MNIST with Cat(10) alone, 935 steps with the recipe "
        "paper.",
        "mnist",
        {"latents": {"codes": {"digit": Categorical(10)}}, "training": {"steps": 935}},
        recipe="paper",
    ),
)  # fmt: skip

PRESETS: Registry[Preset] = Registry("preset", advice="infogan presets, to see what each one does")
for _preset in _TABLE:
    PRESETS.add(_preset.name, _preset)
