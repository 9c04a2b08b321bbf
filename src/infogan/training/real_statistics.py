"""What Q makes of the real images in training: how often each category, and how surely.

A table P(c, c') of an image's code and its moved copy's tells, without any label, whether categories are
clusters of the data: it is kept as a moving mean over steps for each place, a categorical code's dimension.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from infogan import objective
from infogan.config import ObjectiveConfig
from infogan.latents import Latents, Place
from infogan.training.repair import split_merge

_DECAY = 0.98
"""Of the moving means: they hold about the last 50 steps."""


class RealReading:
    """Moving means of Q's answers to real images.

    Args:
        latents: the codes; only categorical ones are read.
        weights: of the terms on real images.

    Attributes:
        tables: by place, P(c, c') over categories times sub-codes, [2K, 2K]; [K, K] without sub-codes.
        usage: by place, how often each category is read, [K].
    """

    def __init__(self, latents: Latents, weights: ObjectiveConfig) -> None:
        self.latents, self.weights = latents, weights
        self.tables: dict[Place, Tensor] = {}
        self.usage: dict[Place, Tensor] = {}
        self._seen: dict[Place, int] = {}  # steps in the means

    def information(
        self, raw: Float[Tensor, "n outputs"], subcodes: Float[Tensor, "n subcodes"] | None
    ) -> dict[str, Float[Tensor, ""]]:
        """The terms on real images, as sums over all places; their tables enter the moving means.

        Args:
            raw: Q's outputs for images, and behind them for their moved copies.
            subcodes: its outputs for the sub-codes.
        """
        terms: dict[str, Tensor] = {}
        fine = {} if subcodes is None else self._split_subcodes(subcodes)
        for place, probabilities in self.latents.category_probabilities(raw).items():
            first, second = probabilities.chunk(2)
            self._see(place, probabilities)
            terms.setdefault("real_information", torch.zeros((), device=raw.device))
            joint = objective.joint_table(first, second)
            # The weight favours equally frequent categories, which contradicts unequal probabilities.
            weighted = self.latents.categorical[place[0]].code.probabilities is None
            terms["real_information"] = terms["real_information"] + objective.table_information(
                joint, self.weights.marginal_weight if weighted else 1.0
            )
            if place in fine:
                parts = fine[place].chunk(2)
                joint = objective.joint_table(
                    objective.subcode_probabilities(first, parts[0]),
                    objective.subcode_probabilities(second, parts[1]),
                )
                # Plain information: halves of a category need not be of one size, as categories should be.
                term = objective.table_information(joint)
                terms["subcode_information"] = terms.get("subcode_information", 0) + term
            self._follow(self.tables, place, joint)
        return terms

    def observe(self, raw: Float[Tensor, "n outputs"]) -> None:
        """Only how often each category is read, where nothing is learned from real images."""
        for place, probabilities in self.latents.category_probabilities(raw).items():
            self._see(place, probabilities)

    def forget(self, place: Place) -> None:
        """Starts the means of a place anew, after its categories have changed their meaning."""
        del self.tables[place], self.usage[place], self._seen[place]

    def category_table(self, place: Place) -> Float[Tensor, "k k"]:
        """P(c, c') over categories alone."""
        size = len(self.usage[place])
        table: Tensor = self.tables[place].unflatten(0, (size, -1)).sum(1).unflatten(1, (size, -1)).sum(2)
        return table

    def report(self) -> dict[str, Any]:
        """By place: `usage`, and with moved copies `information_nats` and what `split_merge.report` says."""
        found: dict[str, Any] = {}
        for place in self.latents.categorical_places:
            entry: dict[str, Any] = {}
            if place in self.usage:
                entry["usage"] = [round(float(share), 5) for share in self.usage[place]]
            if place in self.tables:
                categories = self.category_table(place)
                entry["information_nats"] = float(objective.table_information(categories))
                entry |= split_merge.report(categories, self.tables[place])
            found[self.latents.place_name(place)] = entry
        return found

    def tensors(self) -> dict[str, Tensor]:
        """What a checkpoint keeps."""
        seen = {place: torch.tensor(float(count)) for place, count in self._seen.items()}
        kept = {"table": self.tables, "usage": self.usage, "seen": seen}
        return {
            f"real.{what}.{name}.{index}": value
            for what, values in kept.items()
            for (name, index), value in values.items()
        }

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """The inverse of `tensors`; other keys are not looked at."""
        self.tables, self.usage, self._seen = {}, {}, {}
        for key, value in tensors.items():
            if key.startswith("real."):
                _, what, name, index = key.split(".")
                place = name, int(index)
                if what == "seen":
                    self._seen[place] = int(value)
                else:
                    (self.tables if what == "table" else self.usage)[place] = value.clone()

    def _split_subcodes(self, raw: Tensor) -> dict[Place, Float[Tensor, "n k 2"]]:
        parts = raw.float().split([2 * prior.width for prior in self.latents.categorical.values()], dim=1)
        return {
            (name, index): part.unflatten(1, (prior.code.dim, -1, 2))[:, index].softmax(-1)
            for (name, prior), part in zip(self.latents.categorical.items(), parts, strict=True)
            for index in range(prior.code.dim)
        }

    def _see(self, place: Place, probabilities: Float[Tensor, "n k"]) -> None:
        self._seen[place] = self._seen.get(place, 0) + 1
        self._follow(self.usage, place, probabilities.mean(0))

    def _follow(self, means: dict[Place, Tensor], place: Place, value: Tensor) -> None:
        """A plain mean at first, then a moving one: no batch weighs more than others."""
        value = value.detach()
        # What a checkpoint gave back lies on the CPU.
        before = means[place].to(value.device) if place in means else torch.zeros_like(value)
        means[place] = torch.lerp(before, value, max(1 - _DECAY, 1 / self._seen[place]))
