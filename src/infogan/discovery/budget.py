"""The time budget of a discovery, over all sessions of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

ENCODER_SHARE = 0.4
"""Share of the time for training that the contrastive encoder gets; the generator gets the rest."""

_RESERVE, _LEAST_RESERVE = 0.08, 8.0  # share of the budget, and seconds: for the search, metrics and pages


@dataclass
class Budget:
    """A number of seconds, and how many of them are spent.

    Attributes:
        seconds: the whole budget.
        before: seconds that earlier sessions spent.
        clock: monotonic clock, in seconds.
    """

    seconds: float
    before: float = 0.0
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self._started = self.clock()

    @property
    def spent(self) -> float:
        """Seconds spent in all sessions."""
        return self.before + self.clock() - self._started

    @property
    def for_training(self) -> float:
        """Seconds left for training."""
        return max(0.0, self.seconds - max(_RESERVE * self.seconds, _LEAST_RESERVE) - self.spent)


def steps_within(seconds: float, seconds_per_step: float, least: int, multiple: int = 20) -> int:
    """Return the number of steps that fit into a time, a multiple of 20, and at least `least`."""
    return max(least, int(seconds / max(seconds_per_step, 1e-6)) // multiple * multiple)
