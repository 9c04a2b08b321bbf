"""Random numbers as a function of (seed, stream, step); there is no global random state.

A resumed run samples the same numbers as one that was not interrupted. A new use of randomness gets its own
stream, and does not change the numbers of the others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Int64
from torch import Tensor


def generator(seed: int, stream: str, step: int = 0, device: torch.device | str = "cpu") -> torch.Generator:
    """Return a new random generator for one stream and step.

    Args:
        seed: random seed of the run, 0 or more.
        stream: the use of the numbers, for example "noise" or "shuffle".
        step: the step, epoch or index within the stream.
        device: where the numbers are generated; they depend on the type of device.
    """
    return restart(torch.Generator(device), seed, stream, step)


def restart(rng: torch.Generator, seed: int, stream: str, step: int = 0) -> torch.Generator:
    """Seed a generator again, for one stream and step; it then gives the numbers of a new one."""
    key = hashlib.sha256(f"{seed}/{stream}/{step}".encode()).digest()
    # torch's CPU generator uses 32 bits of its seed: two steps of a long run may share their numbers, which
    # is harmless. Neighbouring seeds and steps have nothing in common.
    return rng.manual_seed(int.from_bytes(key[:8], "big") >> 1)


class BatchOrder:
    """The images of each batch: consecutive parts of an endless sequence of shuffled epochs.

    Every image is seen equally often, and a batch at the end of an epoch is completed from the next one. The
    permutation of the current epoch is kept, so that a step costs as much as its batch; it takes 8 bytes per
    image.

    Args:
        seed: random seed of the run.
        batch_size: number of images per batch.
        count: number of images of an epoch.
    """

    def __init__(self, seed: int, batch_size: int, count: int) -> None:
        self.seed, self.batch_size, self.count = seed, batch_size, count
        self._epochs: dict[int, Int64[Tensor, " count"]] = {}

    def indices(self, step: int) -> Int64[Tensor, " batch"]:
        """Return the indices of the images in the `step`-th batch, counted from 0."""
        start = step * self.batch_size
        epochs = range(start // self.count, (start + self.batch_size - 1) // self.count + 1)
        self._epochs = {epoch: self._epoch(epoch) for epoch in epochs}
        offset = start - epochs[0] * self.count
        parts, needed = [], self.batch_size
        for order in self._epochs.values():
            parts.append(order[offset : offset + needed])
            needed -= len(parts[-1])
            offset = 0
        return torch.cat(parts)

    def _epoch(self, epoch: int) -> Int64[Tensor, " count"]:
        if epoch in self._epochs:
            return self._epochs[epoch]
        return torch.randperm(self.count, generator=generator(self.seed, "shuffle", epoch))


def batch_indices(seed: int, step: int, batch_size: int, count: int) -> Int64[Tensor, " batch_size"]:
    """Return the indices of the images in one batch; for consecutive batches, `BatchOrder` is faster."""
    return BatchOrder(seed, batch_size, count).indices(step)


def partners(
    indices: Int64[Tensor, " n"], nearest: Int64[Tensor, "all k"] | None, share: float, seed: int, step: int
) -> Int64[Tensor, " n"]:
    """Replace a random share of the images by one of their neighbours each.

    Args:
        indices: indices of the images.
        nearest: the neighbours of all images; None: no image is replaced.
        share: share of the images that are replaced, 0..1.
        seed: random seed of the run.
        step: of the run.
    """
    if nearest is None:
        return indices
    rng = generator(seed, "neighbours", step)
    chosen = torch.randint(nearest.shape[1], indices.shape, generator=rng)
    replaced = torch.rand(indices.shape, generator=rng) < share
    return torch.where(replaced, nearest[indices, chosen], indices)


@contextmanager
def seeded(seed: int, stream: str) -> Iterator[None]:
    """Seed torch's global random state inside the block, and restore it afterwards.

    Only for code from outside the package that uses the global state, such as the default initialisation of
    `torch.nn` layers; everything else takes a generator.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(generator(seed, stream).initial_seed())
        yield
