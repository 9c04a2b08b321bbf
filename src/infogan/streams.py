"""Randomness as a function: everything random is drawn from (seed, stream, step), never from a global state.

A run that is resumed at step t draws what it would have drawn without the stop, and a new use of chance
gets a stream of its own and moves no other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Int64
from torch import Tensor


def generator(seed: int, stream: str, step: int = 0, device: torch.device | str = "cpu") -> torch.Generator:
    """A fresh random generator for one use of chance.

    Args:
        seed: of the run, 0 or more.
        stream: what is drawn, for example "noise" or "shuffle".
        step: the step, epoch or index within the stream.
        device: where the numbers are drawn; other devices give other numbers.
    """
    key = hashlib.sha256(f"{seed}/{stream}/{step}".encode()).digest()
    # torch's CPU generator uses 32 bits of its seed: two steps of a long run may draw the same numbers,
    # which is harmless, while neighbouring seeds and steps have nothing in common.
    return torch.Generator(device).manual_seed(int.from_bytes(key[:8], "big") >> 1)


def batch_indices(seed: int, step: int, batch_size: int, count: int) -> torch.Tensor:
    """int64 [batch_size]: which of `count` images the `step`-th batch holds (steps count from 0).

    The batches run through one endless sequence of shuffled epochs, so that every image is seen equally
    often and the last batch of an epoch is filled from the next one: no batch is smaller than the others.
    """
    start = step * batch_size
    epochs = range(start // count, (start + batch_size - 1) // count + 1)
    order = torch.cat([torch.randperm(count, generator=generator(seed, "shuffle", e)) for e in epochs])
    offset = start - epochs[0] * count
    return order[offset : offset + batch_size]


def partners(
    indices: Int64[Tensor, " n"], nearest: Int64[Tensor, "all k"] | None, share: float, seed: int, step: int
) -> Int64[Tensor, " n"]:
    """For each image a neighbour of it, drawn anew in every step, or the image itself.

    Args:
        indices: which images.
        nearest: the neighbours of all images; None: every image stands for itself.
        share: of the images that get a neighbour; the others stand for themselves.
        seed: of the run.
        step: of the run.
    """
    if nearest is None:
        return indices
    draw = generator(seed, "neighbours", step)
    chosen = torch.randint(nearest.shape[1], indices.shape, generator=draw)
    replaced = torch.rand(indices.shape, generator=draw) < share
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
