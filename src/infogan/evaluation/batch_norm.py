"""Running statistics of batch norm in networks that have seen few batches."""

from __future__ import annotations

from torch import nn

from infogan.networks.normalization import BatchNorm


def average_batches(module: nn.Module, seen: int) -> None:
    """Set the weight of the next training batch in the running statistics of `module`.

    Running statistics start at those of standard normal features, which at a momentum of 0.1 outweigh the
    variances of newly initialised layers (about 1e-5) for a hundred batches. Here the first ten batches are
    averaged equally; then the momentum is the usual one.

    Args:
        module: a network; its batch norms at any depth are set.
        seen: number of training batches before the next one.
    """
    for part in module.modules():
        if isinstance(part, BatchNorm):
            part.momentum = max(BatchNorm.momentum, 1 / (seen + 1))
