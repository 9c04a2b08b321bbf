"""Running means of logged values; sums stay on the device until they are logged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor


class MetricsWindow:
    """Sums of logged values since the last line of metrics.jsonl, by name.

    Args:
        device: the device of the values.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        # MPS has no float64.
        self._dtype = torch.float32 if device.type == "mps" else torch.float64
        self.clear()

    def clear(self) -> None:
        """Reset all sums."""
        self._names: list[str] = []
        self._steps: dict[str, int] = {}
        self._totals = torch.zeros(0, dtype=self._dtype, device=self._device)
        self._columns: dict[tuple[str, ...], Tensor] = {}
        self.steps = 0

    def add(self, names: Sequence[str], values: Float[Tensor, " values"]) -> None:
        """Add the values of one step, one per name. A term that first occurs in this window starts at 0."""
        key = tuple(names)
        if key not in self._columns:
            self._extend([name for name in names if name not in self._steps])
            columns = [self._names.index(name) for name in names]
            self._columns[key] = torch.tensor(columns, device=self._device)
        self._totals.index_add_(0, self._columns[key], values.to(self._dtype))
        self.steps += 1
        for name in names:
            self._steps[name] += 1

    def means(self) -> dict[str, float]:
        """Return the mean of each value over the steps that have it. Waits for the device."""
        totals = zip(self._names, self._totals.tolist(), strict=True)
        return {name: total / self._steps[name] for name, total in totals}

    def state(self) -> dict[str, float]:
        """Return the state for a checkpoint: sums by name, `steps`, and `steps.NAME` of incomplete values."""
        sums: dict[str, float] = dict(zip(self._names, self._totals.tolist(), strict=True))
        sums |= {f"steps.{name}": float(count) for name, count in self._steps.items() if count != self.steps}
        return sums | ({"steps": float(self.steps)} if self.steps else {})

    def restore(self, state: Mapping[str, float]) -> None:
        """Restore what `state` returned."""
        self.clear()
        self.steps = int(state.get("steps", 0))
        names = [name for name in state if name != "steps" and not name.startswith("steps.")]
        self._extend(names)
        self._totals.copy_(torch.tensor([state[name] for name in names], dtype=self._dtype))
        self._steps |= {name: int(state.get(f"steps.{name}", self.steps)) for name in names}

    def _extend(self, names: Sequence[str]) -> None:
        self._names += names
        self._steps |= dict.fromkeys(names, 0)
        more = torch.zeros(len(names), dtype=self._dtype, device=self._device)
        self._totals = torch.cat([self._totals, more])
