"""Divergence, detected on the device: a flag that stops all later updates, and a message with the cause."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from infogan.errors import DivergenceError

_LIMIT = 1e3  # nats; a healthy adversarial loss stays below 20


class DivergenceGuard:
    """A sticky flag: once a value or gradient is not finite, or a value is far too large, it stays 1.

    The flag lives on the device and is passed to the optimizers, so that no update follows; the host reads it
    when it logs or saves.

    Args:
        limits: by name, how many times the usual limit of 1,000 nats a value may reach; 1 for other names.
        device: of the training.
    """

    def __init__(self, limits: Mapping[str, float], device: torch.device) -> None:
        self._limits, self._device = limits, device
        self.failed = torch.zeros((), device=device)
        self._step = torch.zeros((), dtype=torch.int64, device=device)
        self._first = torch.zeros((), dtype=torch.int64, device=device)
        self._bounds: dict[tuple[str, ...], Tensor] = {}
        self._recorded: dict[str, tuple[Sequence[str], Tensor]] = {}

    def begin_step(self) -> None:
        """Count a step."""
        self._step += 1

    def check(
        self, update: str, names: Sequence[str], values: Float[Tensor, " n"], gradients: Sequence[Tensor]
    ) -> Float[Tensor, ""]:
        """Set the flag if a value or a gradient of an update is bad; return the flag, 0 or 1."""
        norm = nn.utils.get_total_norm(gradients)
        finite = torch.isfinite(norm) & (values.abs() <= self._bounds_of(names)).all()  # NaN is never below
        newly = (self.failed == 0) & ~finite
        self.failed = torch.maximum(self.failed, newly.float())
        self._first = torch.where(newly, self._step, self._first)
        before = self._recorded.get(update, (names, torch.zeros_like(values)))
        if list(before[0]) != list(names):
            before = (names, torch.zeros_like(values))
        self._recorded[update] = (names, torch.where(newly, values, before[1]))
        return self.failed

    def set_step(self, step: int) -> None:
        """Set the number of steps done, at the start and after a resume."""
        self._step.fill_(step)

    def raise_if_failed(self, learning_rates: Mapping[str, float]) -> None:
        """Wait for the device and read the flag.

        Args:
            learning_rates: by name of the configuration's key, for the advice.

        Raises:
            DivergenceError: with the first bad step and what was wrong in it.
        """
        if not float(self.failed):
            return
        cause = next(filter(None, map(self._cause, self._recorded)), "a gradient is not finite")
        smaller = " and ".join(f"{name} = {rate / 5:.3g}" for name, rate in learning_rates.items())
        raise DivergenceError(
            f"training diverged at step {int(self._first)}: {cause}",
            f"finite gradients, and finite terms below {_LIMIT:.0f} nats",
            f"smaller learning rates, such as {smaller}",
        )

    def _cause(self, update: str) -> str | None:
        names, values = self._recorded[update]
        for name, value in zip(names, values.tolist(), strict=True):
            if not math.isfinite(value) or abs(value) > _LIMIT * self._limits.get(name, 1):
                return f"{name} is {value:.6g} nats"
        return None

    def _bounds_of(self, names: Sequence[str]) -> Tensor:
        key = tuple(names)
        if key not in self._bounds:
            limits = [_LIMIT * self._limits.get(name, 1) for name in names]
            self._bounds[key] = torch.tensor(limits, device=self._device)
        return self._bounds[key]
