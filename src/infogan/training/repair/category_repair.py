"""The remedy inside a run: a stuck categorical code is split and merged, and the operation is kept or undone.

It looks at set steps. An operation is on trial for some hundred steps, and must do what it was made for: the
two categories that it parted must lie farther apart, measured by what is usual, than the two that it found
too close, and the information on real images must have risen, as it does in these steps in any case. Else
networks and optimisers go back to what they were before it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from infogan import objective, streams
from infogan.config import TrainingConfig
from infogan.latents import Place
from infogan.model import InfoGAN
from infogan.training.real_statistics import RealReading
from infogan.training.repair import repartition, split_merge

TRIAL = 200
"""Steps after which an operation is judged."""

_BEFORE = "before."  # prefix of what a checkpoint keeps for undoing


class Remedy:
    """When a run is looked at, what was done to it, and what is still on trial.

    Args:
        training: its seed, its steps `repair_start`, `repair_end` and `repair_every`, and
            `repair_components`.
        model: in training.
        real: what Q makes of real images.
        survey: reads many real images and their moved copies for one place.
    """

    def __init__(
        self,
        training: TrainingConfig,
        model: InfoGAN,
        real: RealReading,
        survey: Callable[[Place], repartition.Survey],
    ) -> None:
        self.training, self.model, self.real, self.survey = training, model, real, survey
        self.trial: dict[str, Any] | None = None
        self.before: dict[str, Tensor] = {}

    def act(
        self,
        step: int,
        optimizers: Mapping[str, torch.optim.Optimizer],
        tensors: Callable[[], Mapping[str, Tensor]],
    ) -> tuple[list[str], dict[str, Tensor] | None]:
        """What is due after `step` steps.

        Args:
            step: steps done.
            optimizers: of "discriminator" and "generator"; an operation resets some of their moments.
            tensors: gives all of the run's state, to be kept in case the operation must be undone.

        Returns:
            Sentences for people, and the state to go back to where an operation is undone.
        """
        if self.trial is not None:
            return self._judge(step) if step >= self.trial["step"] + TRIAL else ([], None)
        training = self.training
        due = training.repair_start <= step <= training.repair_end
        if not due or step % training.repair_every:
            return [], None
        for place in list(self.real.tables):
            if not 3 <= len(self.real.usage[place]) <= split_merge.MOST_CATEGORIES:
                continue
            joint = self.real.category_table(place)
            found: split_merge.Diagnosis | repartition.Division | None
            found = split_merge.diagnose(joint, self.real.tables[place])
            if not found.stuck:
                found = self._divided(step, place, split_merge.suspect(joint))
            if found is not None and found.stuck:
                state = tensors().items()
                self.before = {f"{_BEFORE}{key}": value.detach().clone() for key, value in state}
                return [self._operate(step, place, found, optimizers)], None
        return [], None

    def _divided(self, step: int, place: Place, pair: tuple[int, int] | None) -> repartition.Division | None:
        """The best division of two categories that lie suspiciously close."""
        if pair is None:
            return None
        draw = streams.generator(self.training.seed, "redivide", step)
        return repartition.divide(self.survey(place), pair, draw, self.training.repair_components)

    def _operate(
        self,
        step: int,
        place: Place,
        found: split_merge.Diagnosis | repartition.Division,
        optimizers: Mapping[str, torch.optim.Optimizer],
    ) -> str:
        if isinstance(found, repartition.Division):
            close = parted = found.pair
        else:
            close, parted = found.twins, (found.twins[1], found.double)
        draw = streams.generator(self.training.seed, "remedy", step)
        self.trial = {
            "step": step,
            "place": list(place),
            "information_nats": self._information(place),
            "parted": list(parted),
            "distance": self._distance(place, close),
        }
        name = self.model.latents.place_name(place)
        self.real.forget(place)
        if isinstance(found, repartition.Division):
            repartition.operate(self.model, optimizers, place, found, draw)
            return (
                f"step {step}: categories {found.pair[0]} and {found.pair[1]} of {name} divide two kinds "
                f"along the wrong line ({found.present:.3f} nats within the two; another line keeps "
                f"{found.found:.3f}): they were divided anew"
            )
        split_merge.operate(self.model, optimizers, place, found, draw)
        return (
            f"step {step}: categories {found.twins[0]} and {found.twins[1]} of {name} share one cluster "
            f"({found.loss:.3f} nats apart) and category {found.double} holds two ({found.gain:.3f} nats): "
            f"the first two were merged, and category {found.twins[1]} takes half of category {found.double}"
        )

    def _judge(self, step: int) -> tuple[list[str], dict[str, Tensor] | None]:
        trial = self.trial
        assert trial is not None
        name, index = trial["place"]
        now, before = self._information((name, index)), trial["information_nats"]
        apart = self._distance((name, index), (trial["parted"][0], trial["parted"][1]))
        kept = now > before and apart > trial["distance"]
        undo = None if kept else {key.removeprefix(_BEFORE): value for key, value in self.before.items()}
        self.trial, self.before = None, {}
        if not kept:
            self.real.forget((name, index))
        verdict = "is kept" if kept else "is undone"
        return [
            f"step {step}: the change of step {trial['step']} {verdict}: the distance of its two categories "
            f"went from {trial['distance']:.2f} to {apart:.2f} of what is usual, and the information on real "
            f"images from {before:.3f} to {now:.3f} nats"
        ], undo

    def _information(self, place: Place) -> float:
        return float(objective.table_information(self.real.category_table(place)))

    def _distance(self, place: Place, pair: tuple[int, int]) -> float:
        return split_merge.distance(self.real.category_table(place), pair)

    # --- what a checkpoint keeps -----------------------------------------------------------------------

    def restore(self, trial: Mapping[str, Any] | None, tensors: Mapping[str, Tensor]) -> None:
        """Goes back to what `trial` and `before` were; other tensors are not looked at."""
        self.trial = None if trial is None else dict(trial)
        self.before = {key: value.clone() for key, value in tensors.items() if key.startswith(_BEFORE)}
