"""Moving averages of Q's predictions for real images during training.

The joint distribution P(c, c') of the categories of two views of an image shows, without labels, whether
categories are clusters of the data. It is averaged over steps for each dimension of each categorical code.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from infogan import regularizers
from infogan.config import ObjectiveConfig
from infogan.latents import CodeDimension, Latents
from infogan.training.repair import split_merge

_DECAY = 0.98
"""Decay of the moving averages, which cover about 50 steps."""


class RealStatistics:
    """Moving averages of Q's predictions for real images.

    Args:
        latents: the codes; only categorical ones have statistics.
        weights: weights of the terms on real images.

    Attributes:
        tables: by code dimension, P(c, c') over categories times sub-codes, [2K, 2K]; [K, K] without
            sub-codes.
        usage: by code dimension, the mean probability of each category, [K].
    """

    def __init__(self, latents: Latents, weights: ObjectiveConfig) -> None:
        self.latents, self.weights = latents, weights
        self.tables: dict[CodeDimension, Tensor] = {}
        self.usage: dict[CodeDimension, Tensor] = {}
        self._seen: dict[CodeDimension, Tensor] = {}  # steps in the means

    def information(
        self, raw: Float[Tensor, "n outputs"], subcodes: Float[Tensor, "n subcodes"] | None
    ) -> dict[str, Float[Tensor, ""]]:
        """Compute the terms on real images, summed over code dimensions, and update the moving averages.

        Args:
            raw: Q's outputs for a first view of each image, followed by those for the second views.
            subcodes: Q's outputs for the sub-codes, in the same order.
        """
        terms: dict[str, Tensor] = {}
        fine = {} if subcodes is None else self._subcode_probabilities(subcodes)
        for dimension, probabilities in self.latents.category_probabilities(raw).items():
            first, second = probabilities.chunk(2)
            self._see(dimension, probabilities)
            terms.setdefault("real_information", torch.zeros((), device=raw.device))
            joint = regularizers.joint_table(first, second)
            # The weight favours equally frequent categories, which contradicts unequal probabilities.
            weighted = self.latents.categorical[dimension[0]].code.probabilities is None
            terms["real_information"] = terms["real_information"] + regularizers.table_information(
                joint, self.weights.marginal_weight if weighted else 1.0
            )
            if dimension in fine:
                parts = fine[dimension].chunk(2)
                joint = regularizers.joint_table(
                    regularizers.subcode_probabilities(first, parts[0]),
                    regularizers.subcode_probabilities(second, parts[1]),
                )
                # Without marginal weight: the two halves of a category need not have the same size.
                term = regularizers.table_information(joint)
                terms["subcode_information"] = terms.get("subcode_information", 0) + term
            self._follow(self.tables, dimension, joint)
        return terms

    def observe(self, raw: Float[Tensor, "n outputs"]) -> None:
        """Update the usage of categories only, for a Q that does not learn from real images."""
        for dimension, probabilities in self.latents.category_probabilities(raw).items():
            self._see(dimension, probabilities)

    def forget(self, dimension: CodeDimension) -> None:
        """Reset the averages of a code dimension whose categories have changed their meaning."""
        del self.tables[dimension], self.usage[dimension], self._seen[dimension]

    def category_table(self, dimension: CodeDimension) -> Float[Tensor, "k k"]:
        """Return P(c, c') over categories, summed over sub-codes."""
        size = len(self.usage[dimension])
        table: Tensor = self.tables[dimension].unflatten(0, (size, -1)).sum(1).unflatten(1, (size, -1)).sum(2)
        return table

    def report(self) -> dict[str, Any]:
        """Return, by code dimension, `usage`, `information_nats` and what `split_merge.report` returns."""
        result: dict[str, Any] = {}
        for dimension in self.latents.categorical_dimensions:
            entry: dict[str, Any] = {}
            if dimension in self.usage:
                entry["usage"] = [round(float(share), 5) for share in self.usage[dimension]]
            if dimension in self.tables:
                categories = self.category_table(dimension)
                entry["information_nats"] = float(regularizers.table_information(categories))
                entry |= split_merge.report(categories, self.tables[dimension])
            result[self.latents.dimension_name(dimension)] = entry
        return result

    def tensors(self) -> dict[str, Tensor]:
        """Return the averages as named tensors, for a checkpoint."""
        averages = {"table": self.tables, "usage": self.usage, "seen": self._seen}
        return {
            f"real.{what}.{name}.{index}": value
            for what, values in averages.items()
            for (name, index), value in values.items()
        }

    def restore(self, tensors: Mapping[str, Tensor], device: torch.device) -> None:
        """Restore what `tensors` returned; other keys are ignored."""
        self.tables, self.usage, self._seen = {}, {}, {}
        for key, value in tensors.items():
            if key.startswith("real."):
                _, what, name, index = key.split(".")
                averages = {"table": self.tables, "usage": self.usage, "seen": self._seen}[what]
                averages[name, int(index)] = value.to(device, copy=True)

    def _subcode_probabilities(self, raw: Tensor) -> dict[CodeDimension, Float[Tensor, "n k 2"]]:
        parts = raw.float().split([2 * prior.width for prior in self.latents.categorical.values()], dim=1)
        return {
            (name, index): part.unflatten(1, (prior.code.dim, -1, 2))[:, index].softmax(-1)
            for (name, prior), part in zip(self.latents.categorical.items(), parts, strict=True)
            for index in range(prior.code.dim)
        }

    def _see(self, dimension: CodeDimension, probabilities: Float[Tensor, "n k"]) -> None:
        usage = probabilities.mean(0)
        if dimension not in self._seen:
            self._seen[dimension] = usage.new_zeros(())
        self._seen[dimension] += 1
        self._follow(self.usage, dimension, usage)

    def _follow(self, means: dict[CodeDimension, Tensor], dimension: CodeDimension, value: Tensor) -> None:
        """Update an average in place: a plain mean over the first steps, then a moving average."""
        value = value.detach()
        if dimension not in means:
            means[dimension] = torch.zeros_like(value)
        means[dimension].lerp_(value, (1 / self._seen[dimension]).clamp_min(1 - _DECAY))
