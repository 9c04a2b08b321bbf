"""The real images of each training step: gathered on the device, or on the host one step ahead."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from infogan import streams
from infogan.config import Config
from infogan.training import engine

_RESIDENT_SHARE = 0.5  # of a GPU's free memory that the images may take
_AHEAD_BYTES = 2**30  # a larger array may be a memory map whose pages have to be read from disk


@dataclass(frozen=True)
class RealBatch:
    """The real images of one step.

    Attributes:
        indices: of the first batch, on the host.
        images: one batch; if Q is trained on real images, also a second one, whose views are paired with
            those of the first: the same images, or neighbours of them.
    """

    indices: Int64[Tensor, " n"]
    images: list[UInt8[Tensor, "n h w c"]]


class RealBatches:
    """Gathers the real images of any step of a run; a function of the seed and the step.

    On a GPU all images are kept in its memory if they take at most half of what is free. Otherwise they stay
    on the host, and a thread gathers the batch of the next step while the device works on this one. The
    memory that this takes does not grow with the number of images: a memory map stays on disk.

    Args:
        config: the configuration of the run.
        images: all training images, on the host.
        nearest: their nearest neighbours, if second views are taken from neighbours.
        device: device of the training.
    """

    def __init__(
        self,
        config: Config,
        images: UInt8[Tensor, "n h w c"],
        nearest: Int64[Tensor, "n k"] | None,
        device: torch.device,
    ) -> None:
        training = config.training
        self.config, self.nearest, self.device = config, nearest, device
        resident = _fits(images, device)
        self.images = images.to(device) if resident else images
        self._order = streams.BatchOrder(training.seed, training.batch_size, len(images))
        ahead = not resident or (device.type == "cpu" and images.nbytes > _AHEAD_BYTES)
        # One thread: it alone uses the order of the images.
        self._thread = ThreadPoolExecutor(1, "infogan-batches") if ahead else None
        self._next: tuple[int, Future[RealBatch]] | None = None
        self._last: tuple[int, RealBatch] | None = None

    def at(self, step: int) -> RealBatch:
        """Return the batch of a step, with the images on the device."""
        if self._last is None or self._last[0] != step:
            self._last = step, self._on_device(step)
        return self._last[1]

    def _on_device(self, step: int) -> RealBatch:
        if self._thread is None:
            return self._gather(step)
        if self._next is None or self._next[0] != step:  # the first step, or after a resume
            self._next = step, self._thread.submit(self._gather, step)
        batch = self._next[1].result()
        self._next = step + 1, self._thread.submit(self._gather, step + 1)
        return RealBatch(batch.indices, [part.to(self.device, non_blocking=True) for part in batch.images])

    def _gather(self, step: int) -> RealBatch:
        indices = self._order.indices(step)
        batches = [self._of(indices)]
        if self.config.reads_real:
            share, seed = self.config.objective.neighbour_share, self.config.training.seed
            batches.append(self._of(streams.partners(indices, self.nearest, share, seed, step)))
        return RealBatch(indices, batches)

    def _of(self, indices: Int64[Tensor, " n"]) -> UInt8[Tensor, "n h w c"]:
        if self.images.device.type != "cpu" or self.device.type != "cuda":
            return self.images.index_select(0, engine.sent(indices, self.images.device))
        shape = (len(indices), *self.images.shape[1:])
        pinned = torch.empty(shape, dtype=torch.uint8, pin_memory=True)  # so that the copy does not wait
        return torch.index_select(self.images, 0, indices, out=pinned)


def _fits(images: Tensor, device: torch.device) -> bool:
    """Return True if all images are kept on the device."""
    if device.type != "cuda":
        return True
    free, _ = torch.cuda.mem_get_info(device)
    return images.nbytes <= _RESIDENT_SHARE * free
