"""The rate of the machine's float32 matrix product, with which training is compared.

The product is that of two square matrices of 2,048 rows in torch, with as many threads as training: large
enough to be limited by arithmetic, small enough to be timed often. Products and training steps alternate in
one process, so that both are affected if the machine slows down; the median over all turns is used.
"""

from __future__ import annotations

import time

import torch

SIZE = 2_048
FLOPS = 2 * SIZE**3


class MatrixProduct:
    """Two fixed random matrices and their product."""

    def __init__(self) -> None:
        rng = torch.Generator().manual_seed(0)
        self._left, self._right = (torch.randn(SIZE, SIZE, generator=rng) for _ in range(2))
        self._product = torch.empty(SIZE, SIZE)

    def seconds(self) -> float:
        """Return the seconds of one product."""
        start = time.perf_counter()
        torch.mm(self._left, self._right, out=self._product)
        return time.perf_counter() - start
