"""What the machine can do: the rate of its own float32 matrix product.

Defined as the product of two square matrices of 2,048 rows by torch, at the same number of threads as the
training beside it: large enough to be bound by arithmetic, small enough to be timed often. It takes turns
with the training in one process, so that a machine that slows down slows down both; the median over all
turns counts.
"""

from __future__ import annotations

import time

import torch

SIZE = 2_048
FLOPS = 2 * SIZE**3


class MatrixProduct:
    """Two fixed matrices, and the seconds that each of their products took."""

    def __init__(self) -> None:
        draw = torch.Generator().manual_seed(0)
        self._left, self._right = (torch.randn(SIZE, SIZE, generator=draw) for _ in range(2))
        self._product = torch.empty(SIZE, SIZE)

    def seconds(self) -> float:
        """Of one product."""
        start = time.perf_counter()
        torch.mm(self._left, self._right, out=self._product)
        return time.perf_counter() - start
