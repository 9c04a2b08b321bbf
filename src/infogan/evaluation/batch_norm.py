"""Running statistics of networks that have seen few batches."""

from __future__ import annotations

from torch import nn

from infogan.networks.normalization import BatchNorm


def average_batches(module: nn.Module, seen: int) -> None:
    """Sets how much the next training batch weighs in the running statistics of `module`.

    Running statistics start as those of standard normal features, and at a constant momentum of 0.1 that
    start outweighs the variances of freshly initialised layers (about 1e-5) for a hundred batches. Here the
    first ten batches are averaged equally, and from then on the momentum is the usual one.

    Args:
        module: whose batch norms, at any depth, are set.
        seen: training batches before the next one.
    """
    for part in module.modules():
        if isinstance(part, BatchNorm):
            part.momentum = max(BatchNorm.momentum, 1 / (seen + 1))
