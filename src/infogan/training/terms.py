"""Loss terms beyond the paper: their interface, their registry, and the terms of the recipes.

A plug-in adds a term with a decorated function:

    @infogan.term("brightness", player="generator", weight=0.1)
    def brightness(inputs):
        \"\"\"Keep generated images from getting dark.\"\"\"
        return (0.5 - inputs.generated.mean()).relu()
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from infogan import regularizers
from infogan.config import Config
from infogan.config.codes import NAME
from infogan.config.schedule import Schedule
from infogan.latents import Codes
from infogan.model import InfoGAN
from infogan.registry import Registry

Player = Literal["discriminator", "generator"]
"""The networks that minimise a term: "discriminator" for D, Q and the trunk together, or "generator"."""


@dataclass(frozen=True)
class TermInputs:
    """The inputs of a loss term.

    Attributes:
        model: the networks. In the generator's update, all networks except the generator are frozen.
        views: augmented real images [N, C, H, W] that D receives; if Q is trained on real images, also a
            second augmented view of each. Empty in the generator's update.
        generated: generated images [N, C, H, W], not augmented. They have gradients only in the generator's
            update.
        latents: the generator's input, [N, width], noise first.
        codes: the codes in the latents, by name.
        features: the trunk's features of the augmented generated images, [N, F]; those of D if Q has its own
            encoder.
        samples: the result of the term's `sample` function for this step.
        real_terms: the information on real images and the loss of anchors; only in the discriminator's
            update.
        contrastive_loss: a function that computes the contrastive term; only in the generator's update.
    """

    model: InfoGAN
    views: tuple[Float[Tensor, "n c h w"], ...]
    generated: Float[Tensor, "n c h w"]
    latents: Float[Tensor, "n width"]
    codes: Codes
    features: Float[Tensor, "n features"]
    samples: Mapping[str, Tensor]
    real_terms: Mapping[str, Tensor]
    contrastive_loss: Callable[[], Tensor] | None = None


Compute = Callable[[TermInputs], Tensor]
Sample = Callable[[torch.Generator, int], Mapping[str, Tensor]]


@dataclass(frozen=True)
class Term:
    """A loss term: `player` minimises `weight` times the value of `compute`.

    Attributes:
        name: the name of the term in metrics.jsonl (`terms.NAME`) and in the configuration.
        player: the networks that minimise the term.
        compute: maps `TermInputs` to a scalar, the mean over the batch. It must not copy values of tensors to
            the host (`.item()`, `if tensor:`), so that a step can run without waiting for the device.
        weight: default weight, a number or a schedule [[step, weight], ...].
        maximized: True if the player maximises the term instead.
        sample: samples random numbers for the term before the step. Its arguments are a random number
            generator and the batch size.
    """

    name: str
    player: Player
    compute: Compute
    weight: Schedule
    maximized: bool = False
    sample: Sample | None = None


TERMS: Registry[Term] = Registry("loss term", advice="infogan presets PRESET, to see the terms of a run")
"""All loss terms by name, those of infogan and of plug-ins."""

_BUILT_IN = {
    "real_information": "real_information_weight",
    "subcode_information": "subcode_weight",
    "contrastive": "contrastive_weight",
    "mode_seeking": "mode_seeking_weight",
    "anchors": "anchor_weight",
}
"""Terms that have their own key in the section `objective` of the configuration."""

_OF_REAL_IMAGES = {"real_information", "subcode_information"}


def term(
    name: str,
    *,
    player: Player,
    weight: float | list[tuple[int, float]] = 1.0,
    maximized: bool = False,
    sample: Sample | None = None,
) -> Callable[[Compute], Term]:
    """Register the decorated function as a loss term. The arguments are those of `Term`.

    Raises:
        ValueError: a term with this name is registered already.
    """

    if player not in ("discriminator", "generator") or not NAME.fullmatch(name) or name == "steps":
        raise ValueError(
            f"term {name!r} with player {player!r}: expected a name of lower-case letters, digits and _, "
            "other than 'steps', and the player 'discriminator' or 'generator'"
        )

    def register(compute: Compute) -> Term:
        entry = Term(name, player, compute, Schedule.of(weight), maximized, sample)
        return TERMS.add(name, entry, compute)

    return register


def with_term(config: Config, name: str, weight: Schedule) -> Config:
    """Return `config` with a term and its weight."""
    if name in _BUILT_IN:
        return config.replace(objective={_BUILT_IN[name]: weight})
    return config.replace(objective={"terms": {**config.objective.terms, name: weight}})


def weight_of(name: str, config: Config) -> Schedule:
    """Return the weight of a term in a configuration; 0 if the term is not used."""
    if name in _OF_REAL_IMAGES and not config.reads_real:  # no categorical code
        return Schedule.of(0.0)
    if name in _BUILT_IN:
        weight: Schedule = getattr(config.objective, _BUILT_IN[name])
        return weight
    return config.objective.terms.get(name, Schedule.of(0.0))


# --- the terms of infogan: each function is in infogan.regularizers, with its source -----------------------


@term("real_information", player="discriminator", maximized=True)
def _real_information(inputs: TermInputs) -> Tensor:
    return inputs.real_terms["real_information"]


@term("subcode_information", player="discriminator", maximized=True)
def _subcode_information(inputs: TermInputs) -> Tensor:
    return inputs.real_terms["subcode_information"]


@term("anchors", player="discriminator")
def _anchors(inputs: TermInputs) -> Tensor:
    return inputs.real_terms["anchors"]


@term("contrastive", player="generator")
def _contrastive(inputs: TermInputs) -> Tensor:
    assert inputs.contrastive_loss is not None
    return inputs.contrastive_loss()


@term("mode_seeking", player="generator")
def _mode_seeking(inputs: TermInputs) -> Tensor:
    """Compute mode seeking; the two halves of the batch have the same codes and different noise."""
    half = len(inputs.latents) // 2
    noise, images = inputs.latents[:, : inputs.model.latents.noise], inputs.generated
    return regularizers.mode_seeking((noise[:half], noise[-half:]), (images[:half], images[-half:]))
