"""The scheduled settings, as numbers for one step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from infogan.config import Config
from infogan.training.terms import TERMS, weight_of

Number = float | Float[Tensor, ""]
"""A scheduled number: a float, or inside a captured step a tensor on the device."""


@dataclass(frozen=True)
class StepSettings:
    """The scheduled settings of one step.

    Attributes:
        learning_rates: learning rates by optimizer.
        weights: weights by loss term; terms with a weight of 0 are left out.
        code_noise: std of the pixel noise through which continuous codes are predicted; None: no noise.
        ema_rate: weight of a step in the moving average of the generator's weights, 1 - decay; 1: the average
            equals the weights.
        anchored_weights: lambda of each code in the update of Q, if the code has anchors.
    """

    learning_rates: Mapping[str, float]
    weights: Mapping[str, Number]
    code_noise: Number | None
    ema_rate: Number
    anchored_weights: Mapping[str, Number]

    def weight(self, term: str) -> Number:
        """Return the weight of a loss term; 0 if it is not active."""
        return self.weights.get(term, 0.0)

    def active(self, term: str) -> bool:
        """Return True if the weight of a loss term is not 0. It never reads a tensor."""
        return term in self.weights


def settings_at(config: Config, step: int) -> StepSettings:
    """Return the scheduled settings of a step, which do not depend on the length of the run."""
    training = config.training
    factor = training.learning_rate_schedule.at(step)
    discriminator = training.learning_rate_discriminator * factor
    anchored = config.objective.anchored_information.at(step)
    return StepSettings(
        learning_rates={
            "discriminator": discriminator,
            "generator": training.learning_rate_generator * factor,
            "contrastive": discriminator,
        },
        weights={name: weight for name in TERMS if (weight := weight_of(name, config).at(step))},
        code_noise=config.augmentation.for_codes(step).pixel_noise or None,
        ema_rate=1 - (training.ema_decay if step >= training.ema_start else 0.0),
        anchored_weights={name: weight * anchored for name, weight in config.info_weights().items()},
    )
