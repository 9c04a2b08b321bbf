"""Category repair during training: find merged or split categories, correct them, and keep what helped.

Codes are examined at fixed steps. A repair is on trial for `TRIAL` steps and is kept if the two categories
that it separated are then farther apart, relative to a typical pair, than the two that it found too close,
and if the information on real images has risen. Otherwise networks and optimizers are restored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from infogan import regularizers, streams
from infogan.config import TrainingConfig
from infogan.latents import CodeDimension
from infogan.model import InfoGAN
from infogan.training.real_statistics import RealStatistics
from infogan.training.repair import repartition, split_merge
from infogan.training.repair.survey import Survey

TRIAL = 200
"""Steps after which a repair is kept or undone."""

_BEFORE = "before."  # prefix of the tensors that a checkpoint keeps for undoing a repair


class CategoryRepair:
    """Examines categorical codes, repairs them, and keeps the repair on trial.

    Args:
        training: the seed and the keys `repair_*` of the configuration.
        model: in training.
        statistics: of Q's predictions for real images.
        survey: encodes many real images and their second views, for one code dimension after a step.
    """

    def __init__(
        self,
        training: TrainingConfig,
        model: InfoGAN,
        statistics: RealStatistics,
        survey: Callable[[CodeDimension, int], Survey],
    ) -> None:
        self.training, self.model, self.statistics, self.survey = training, model, statistics, survey
        self.trial: dict[str, Any] | None = None
        self.before: dict[str, Tensor] = {}

    def due(self, step: int) -> bool:
        """Return True if codes are examined, or a trial ends, after `step` steps."""
        if self.trial is not None:
            return bool(step >= self.trial["step"] + TRIAL)
        training = self.training
        return training.repair_start <= step <= training.repair_end and step % training.repair_every == 0

    def act(
        self,
        step: int,
        optimizers: Mapping[str, torch.optim.Optimizer],
        tensors: Callable[[], Mapping[str, Tensor]],
    ) -> tuple[list[str], dict[str, Tensor] | None]:
        """Start, keep or undo a repair, if that is due after `step` steps.

        Args:
            step: steps done.
            optimizers: "discriminator" and "generator"; a repair resets some of their moments.
            tensors: returns networks and moments, to restore them if the repair is undone.

        Returns:
            Sentences for the log, and the tensors to restore if a repair is undone.
        """
        if not self.due(step):
            return [], None
        if self.trial is not None:
            return self._end_trial(step)
        for dimension in list(self.statistics.tables):
            if not 3 <= len(self.statistics.usage[dimension]) <= split_merge.MOST_CATEGORIES:
                continue
            joint = self.statistics.category_table(dimension)
            found: split_merge.Diagnosis | repartition.Partition | None
            found = split_merge.diagnose(joint, self.statistics.tables[dimension])
            if not found.stuck:
                found = self._partition(step, dimension, split_merge.suspect(joint))
            if found is not None and found.stuck:
                state = tensors().items()
                self.before = {f"{_BEFORE}{key}": value.detach().clone() for key, value in state}
                return [self._operate(step, dimension, found, optimizers)], None
        return [], None

    def _partition(
        self, step: int, dimension: CodeDimension, pair: tuple[int, int] | None
    ) -> repartition.Partition | None:
        """Find the best partition of the images of two categories that are suspiciously close."""
        if pair is None:
            return None
        rng = streams.generator(self.training.seed, "redivide", step)
        return repartition.find_partition(
            self.survey(dimension, step), pair, rng, self.training.repair_components
        )

    def _operate(
        self,
        step: int,
        dimension: CodeDimension,
        found: split_merge.Diagnosis | repartition.Partition,
        optimizers: Mapping[str, torch.optim.Optimizer],
    ) -> str:
        if isinstance(found, repartition.Partition):
            close = parted = found.pair
        else:
            close, parted = found.twins, (found.twins[1], found.double)
        rng = streams.generator(self.training.seed, "remedy", step)
        self.trial = {
            "step": step,
            "dimension": list(dimension),
            "information_nats": self._information(dimension),
            "parted": list(parted),
            "distance": self._distance(dimension, close),
        }
        name = self.model.latents.dimension_name(dimension)
        self.statistics.forget(dimension)
        if isinstance(found, repartition.Partition):
            repartition.operate(self.model, optimizers, dimension, found, rng)
            first, second = found.pair
            return (
                f"step {step}: category repair: re-partitioned categories {first} and {second} of {name}: "
                f"another boundary keeps {found.found:.3f} nats of information, before {found.present:.3f}"
            )
        kept, freed = found.twins
        split_merge.operate(self.model, optimizers, dimension, found, rng)
        return (
            f"step {step}: category repair: merged categories {kept} and {freed} of {name}, which shared one "
            f"cluster ({found.loss:.3f} nats apart), and split category {found.double}, which held two "
            f"({found.gain:.3f} nats), into itself and category {freed}"
        )

    def _end_trial(self, step: int) -> tuple[list[str], dict[str, Tensor] | None]:
        trial = self.trial
        assert trial is not None
        name, index = trial["dimension"]
        now, before = self._information((name, index)), trial["information_nats"]
        apart = self._distance((name, index), (trial["parted"][0], trial["parted"][1]))
        kept = now > before and apart > trial["distance"]
        undo = None if kept else {key.removeprefix(_BEFORE): value for key, value in self.before.items()}
        self.trial, self.before = None, {}
        if not kept:
            self.statistics.forget((name, index))
        verdict = "is kept" if kept else "is undone"
        return [
            f"step {step}: the repair of step {trial['step']} {verdict}: the distance of the two categories "
            f"changed from {trial['distance']:.2f} to {apart:.2f} of a typical pair's, and the information "
            f"on real images from {before:.3f} to {now:.3f} nats"
        ], undo

    def _information(self, dimension: CodeDimension) -> float:
        return float(regularizers.table_information(self.statistics.category_table(dimension)))

    def _distance(self, dimension: CodeDimension, pair: tuple[int, int]) -> float:
        return split_merge.distance(self.statistics.category_table(dimension), pair)

    def restore(self, trial: Mapping[str, Any] | None, tensors: Mapping[str, Tensor]) -> None:
        """Restore `trial` and `before`; other tensors are ignored."""
        self.trial = None if trial is None else dict(trial)
        self.before = {key: value.clone() for key, value in tensors.items() if key.startswith(_BEFORE)}
