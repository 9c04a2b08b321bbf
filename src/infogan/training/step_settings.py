"""The scheduled settings, as plain numbers for one step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from infogan.config import AugmentationConfig, Config
from infogan.training.terms import TERMS, weight_of


@dataclass(frozen=True)
class StepSettings:
    """The scheduled settings of one step.

    Attributes:
        learning_rates: learning rates by optimizer.
        weights: weights by loss term.
        code_policy: augmentation policy for the generated images from which continuous codes are predicted.
        ema_decay: decay of the moving average of the generator's weights; 0: the average equals the weights.
        anchored_information: factor on lambda of codes with anchors in the update of Q.
    """

    learning_rates: Mapping[str, float]
    weights: Mapping[str, float]
    code_policy: AugmentationConfig
    ema_decay: float
    anchored_information: float = 1.0

    def weight(self, term: str) -> float:
        """Return the weight of a loss term; 0 if it is not used."""
        return self.weights.get(term, 0.0)


def settings_at(config: Config, step: int) -> StepSettings:
    """Return the scheduled settings of a step, which do not depend on the length of the run."""
    training = config.training
    factor = training.learning_rate_schedule.at(step)
    discriminator = training.learning_rate_discriminator * factor
    return StepSettings(
        learning_rates={
            "discriminator": discriminator,
            "generator": training.learning_rate_generator * factor,
            "contrastive": discriminator,
        },
        weights={name: weight.at(step) for name in TERMS if (weight := weight_of(name, config))},
        code_policy=config.augmentation.for_codes(step),
        ema_decay=training.ema_decay if step >= training.ema_start else 0.0,
        anchored_information=config.objective.anchored_information.at(step),
    )
