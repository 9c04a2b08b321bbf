"""Rows of numbers in which the page sends latents: the noise, then one number for each code dimension.

The number is the index of a category, 0 or 1 of a Bernoulli code, or the value of a continuous code.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from infogan.config import Bernoulli, Categorical, Code, Normal, Periodic
from infogan.errors import UsageError
from infogan.latents import Codes, Latents

REACH = 4.0
"""How far a continuous code can be moved, in half ranges from its centre."""

MOST_ROWS = 256
"""Largest number of images in one request."""


@dataclass(frozen=True)
class Control:
    """One code dimension of the page.

    Attributes:
        code: configured name of the code.
        index: of the dimension within the code.
        kind: categorical, uniform, normal, periodic or bernoulli.
        size: number of categories; 0 for other codes.
        low: least value in training; -2 for a normal code.
        high: largest value in training; 2 for a normal code.
    """

    code: str
    index: int
    kind: str
    size: int
    low: float
    high: float

    @property
    def least(self) -> float:
        """The least value that is rendered."""
        return self._limit(-1)

    @property
    def most(self) -> float:
        """The largest value that is rendered."""
        return self._limit(1)

    def _limit(self, sign: int) -> float:
        if self.kind in ("categorical", "bernoulli", "periodic"):
            return self.low if sign < 0 else self.high
        centre, unit = (self.low + self.high) / 2, (self.high - self.low) / 2
        return centre + sign * REACH * unit


def controls(latents: Latents) -> list[Control]:
    """Return every code dimension in the order of a row."""
    return [
        Control(name, index, prior.code.kind, *_range(prior.code))
        for name, prior in latents.priors.items()
        for index in range(prior.code.dim)
    ]


def _range(code: Code) -> tuple[int, float, float]:
    match code:
        case Categorical():
            return code.size, 0.0, float(code.size - 1)
        case Bernoulli():
            return 0, 0.0, 1.0
        case Normal():
            return 0, -2.0, 2.0
        case Periodic():
            return 0, -1.0, 1.0
        case _:
            return 0, code.low, code.high


def parse(latents: Latents, body: bytes) -> tuple[Float32[Tensor, "n noise"], Codes]:
    """Return noise and codes of rows of float32 numbers. All numbers are clamped to their ranges.

    Args:
        latents: of the model.
        body: little-endian float32 numbers, at most `MOST_ROWS` rows.

    Raises:
        UsageError: the body has another length, or a number is not finite.
    """
    columns = controls(latents)
    width = latents.noise + len(columns)
    count, rest = divmod(len(body), 4 * width)
    if rest or not 1 <= count <= MOST_ROWS:
        raise UsageError(
            f"{len(body)} bytes are not rows of {width} float32 numbers",
            f"1 to {MOST_ROWS} rows of {4 * width} bytes",
            "reload the page of this model",
        )
    rows = np.frombuffer(body, "<f4").reshape(count, width).astype(np.float32)
    if not np.isfinite(rows).all():
        raise UsageError("a latent is not a finite number", "finite numbers", "reload the page")
    limit = 1.0 if latents.noise_prior == "uniform" else 6.0
    noise = torch.from_numpy(rows[:, : latents.noise].clip(-limit, limit))
    numbers = [
        rows[:, latents.noise + position].clip(control.least, control.most)
        for position, control in enumerate(columns)
    ]
    return noise, dict(_values(columns, numbers))


def _values(columns: list[Control], numbers: list[np.ndarray]) -> Iterator[tuple[str, Tensor]]:
    for name in dict.fromkeys(control.code for control in columns):
        parts = []
        for control, column in zip(columns, numbers, strict=True):
            if control.code != name:
                continue
            value = torch.from_numpy(column)
            if control.kind == "categorical":
                parts.append(torch.nn.functional.one_hot(value.round().long(), control.size).float())
            else:
                parts.append((value.round() if control.kind == "bernoulli" else value)[:, None])
        yield name, torch.cat(parts, dim=1)


def row(noise: np.ndarray, numbers: Any) -> bytes:
    """Return one row as the page sends it."""
    return np.concatenate([np.ravel(noise), np.asarray(numbers)]).astype("<f4").tobytes()
