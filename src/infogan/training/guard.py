"""Detect divergence on the device: a flag stops all later updates, and the error states the cause."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from infogan.errors import DivergenceError

_LIMIT = 1e3  # nats; a healthy adversarial loss stays below 20
_NETWORKS = {"contrastive": "contrastive classifier"}


class DivergenceGuard:
    """A flag that is set when training diverges: a value or gradient is not finite, or a value is far too
    large.

    Once set, the flag stays set. It is kept on the device and passed to the optimizers, which then make no
    update. The host reads it when it logs or saves.

    Args:
        limits: factors on the limit of 1,000 nats, by the name of the value; other values have the factor 1.
        device: the device of the training.
    """

    def __init__(self, limits: Mapping[str, float], device: torch.device) -> None:
        self._limits, self._device = limits, device
        self.failed = torch.zeros((), device=device)
        self._step = torch.zeros((), dtype=torch.int64, device=device)
        self._first = torch.zeros((), dtype=torch.int64, device=device)
        self._bounds: dict[tuple[str, ...], Tensor] = {}
        self._causes: dict[tuple[str, ...], Tensor] = {}  # 1 and the values of the first bad update

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
        # In place: a captured step writes to the same memory each time.
        self.failed.copy_(torch.maximum(self.failed, newly.float()))
        self._first.copy_(torch.where(newly, self._step, self._first))
        cause = torch.cat([torch.ones_like(values[:1]), values])
        # The names are stored, too: the terms of an update change when a schedule begins, and the cause must
        # stay.
        key = (update, *names)
        if key not in self._causes:
            self._causes[key] = torch.zeros_like(cause)
        self._causes[key].copy_(torch.where(newly, cause, self._causes[key]))
        return self.failed

    def set_step(self, step: int) -> None:
        """Set the number of steps done, at the start and after a resume."""
        self._step.fill_(step)

    def raise_if_failed(self, learning_rates: Mapping[str, float]) -> None:
        """Wait for the device and read the flag.

        Args:
            learning_rates: learning rates by their key in the configuration, for the advice.

        Raises:
            DivergenceError: training has diverged; the message names the first bad step and the cause.
        """
        if not float(self.failed):
            return
        cause = next(filter(None, map(self._cause, self._causes)))
        smaller = " and ".join(f"{name} = {rate / 5:.3g}" for name, rate in learning_rates.items())
        raise DivergenceError(
            f"training diverged at step {int(self._first)}: {cause}",
            f"finite gradients, and finite terms below {_LIMIT:.0f} nats",
            f"smaller learning rates, such as {smaller}",
        )

    def _cause(self, key: tuple[str, ...]) -> str | None:
        update, *names = key
        bad, *values = self._causes[key].tolist()
        if not bad:
            return None
        for name, value in zip(names, values, strict=True):
            if not math.isfinite(value) or abs(value) > _LIMIT * self._limits.get(name, 1):
                return f"{name} is {value:.6g} nats"
        return f"a gradient in the update of the {_NETWORKS.get(update, update)} is not finite"

    def _bounds_of(self, names: Sequence[str]) -> Tensor:
        key = tuple(names)
        if key not in self._bounds:
            limits = [_LIMIT * self._limits.get(name, 1) for name in names]
            self._bounds[key] = torch.tensor(limits, device=self._device)
        return self._bounds[key]
