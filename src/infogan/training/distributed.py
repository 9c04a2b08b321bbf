"""Training by several processes, each with its own device; the result is that of one process.

Every process runs the same step on the whole batch: it samples the same latents, loads the same images and
computes the same losses. Only the passes through generator, trunk, encoder and contrastive classifier are
divided: a process computes its part of the batch, and the outputs of all parts are gathered. Therefore every
term of the loss sees the whole batch, whether it is a mean over images or not. Batch norm inside of these
networks takes its statistics over all parts. This pair of operations is that of tensor parallelism
(Shoeybi et al. 2019: Megatron-LM, section 3): the backward pass of gathering takes a part, and the backward
pass of taking a part gathers.

`torchrun`, `srun` or `infogan train --devices N` start the processes, which find one another by the variables
RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and MASTER_PORT. Process 0 alone writes files.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.autograd import Function

from infogan import processes, signals
from infogan.config import Config
from infogan.errors import ConfigError, DistributedError, Interrupted
from infogan.model import InfoGAN
from infogan.networks.normalization import BatchNorm

STEP_TIMEOUT = timedelta(seconds=60)
"""Longest wait for another process within a step."""

WAIT_TIMEOUT = timedelta(hours=12)
"""Longest wait between steps, while process 0 prepares images or writes files. A process that ends is noticed
at once, because its connections close."""

LEAST_IMAGES = 3
"""Images of a batch per process: a third of them is left where continuous codes are predicted separately."""

DIVIDED = ("generator", "trunk", "encoder", "contrastive")
"""The networks of `InfoGAN` whose batches are divided among the processes."""


@contextmanager
def joined() -> Iterator[Ranks | None]:
    """Connect the processes that a launcher has started; yields None if this process is alone."""
    if not processes.started():
        yield None
        return
    on_gpu = torch.cuda.is_available()
    if on_gpu:
        torch.cuda.set_device(processes.local_rank() % torch.cuda.device_count())
    with _watched():
        dist.init_process_group("cpu:gloo,cuda:nccl" if on_gpu else "gloo", timeout=STEP_TIMEOUT)
        waiting = dist.new_group(backend="gloo", timeout=WAIT_TIMEOUT)
    ranks = Ranks(dist.get_rank(), dist.get_world_size(), waiting)
    del waiting
    try:
        yield ranks
    finally:
        ranks.leave()
        dist.destroy_process_group()


@contextmanager
def _watched() -> Iterator[None]:
    """Turn the error of a failed communication into one for users."""
    try:
        yield
    except (RuntimeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise DistributedError(
            f"the connection to another process of this training was lost ({reason})",
            "all processes running until the end",
            "infogan.resume(RUN), with any number of devices: the newest checkpoint is complete",
            command="infogan resume RUN, with any number of --devices: the newest checkpoint is complete",
        ) from None


class Ranks:
    """The processes of one training.

    Args:
        rank: number of this process, from 0.
        size: number of processes, 2 or more.
        waiting: group of all processes, for the time between steps.
    """

    def __init__(self, rank: int, size: int, waiting: Any) -> None:
        self.rank, self.size, self._waiting = rank, size, waiting
        self._dividing = False

    def leave(self) -> None:
        """Forget the group of all processes, before it is destroyed.

        A group that Python still refers to is not destroyed, and the threads of gloo may then end the process
        with SIGABRT when it exits.
        """
        self._waiting = None

    def check(self, config: Config) -> None:
        """Raise ConfigError if the batch is too small to be divided, or the networks cannot be."""
        least, batch = LEAST_IMAGES * self.size, config.training.batch_size
        if batch < least:
            raise ConfigError(
                f"training.batch_size = {batch} for {self.size} devices",
                f"a batch of at least {least} images, {LEAST_IMAGES} per device",
                "fewer devices",
                command=f"--devices {batch // LEAST_IMAGES}",
            )

    def device(self, device: torch.device) -> torch.device:
        """Return the device of this process: its own GPU, if the training uses GPUs."""
        if device.type != "cuda":
            return device
        return torch.device("cuda", processes.local_rank() % torch.cuda.device_count())

    # --- a step ------------------------------------------------------------------------------------------

    def divide(self, model: InfoGAN) -> None:
        """Divide the batches of a model's networks among the processes, inside of `dividing()`.

        Raises:
            ConfigError: a network of a plug-in has torch's batch norm, whose statistics would be of a part.
        """
        for name in DIVIDED:
            network = getattr(model, name)
            if network is None:
                continue
            for part in network.modules():
                if isinstance(part, nn.modules.batchnorm._BatchNorm):
                    raise ConfigError(
                        f"the {name} of {model.config.network.architecture!r} has {type(part).__name__}, "
                        "whose statistics would be those of each device's part of a batch",
                        "networks without torch's batch norm, or one device",
                        "devices=1",
                        command="--devices 1",
                    )
                if isinstance(part, BatchNorm):
                    part.total = self._total
            _Divided(network, self)

    @contextmanager
    def dividing(self) -> Iterator[None]:
        """Divide batches inside the block, which all processes enter at the same steps."""
        self._dividing = True
        try:
            yield
        finally:
            self._dividing = False

    @property
    def divides(self) -> bool:
        """True inside of `dividing()`."""
        return self._dividing

    def _total(self, value: Tensor) -> Tensor:
        """Return the sum of a tensor over the processes, with gradients."""
        if not self._dividing:
            return value
        total: Tensor = _Total.apply(value)  # type: ignore[no-untyped-call]
        return total

    def average(self, gradients: Sequence[Tensor], values: Tensor) -> Tensor:
        """Replace gradients by their means over the processes, in one reduction; return that of `values`."""
        flat = torch.cat([values, *(gradient.flatten().float() for gradient in gradients)])
        with _watched():
            dist.all_reduce(flat)
        flat /= self.size
        sizes = [len(values), *(gradient.numel() for gradient in gradients)]
        parts: tuple[Tensor, ...] = flat.split(sizes)
        for gradient, part in zip(gradients, parts[1:], strict=True):
            gradient.copy_(part.view(gradient.shape))
        return parts[0]

    # --- between steps -----------------------------------------------------------------------------------

    def stop_together(self) -> None:
        """Raise `Interrupted` in all processes if any of them has received a signal."""
        signum = torch.tensor(signals.requested() or 0)
        with _watched():
            dist.all_reduce(signum, dist.ReduceOp.MAX, self._waiting)
        if int(signum):
            raise Interrupted(int(signum))

    def send(self, facts: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        """Send JSON and tensors from process 0 to all others, which call `receive`."""
        forms = [[name, str(value.dtype).removeprefix("torch."), list(value.shape)] for name, value in
                 tensors.items()]  # fmt: skip
        text = json.dumps({"facts": facts, "tensors": forms}).encode()
        self._broadcast(torch.tensor(len(text)))
        self._broadcast(torch.frombuffer(bytearray(text), dtype=torch.uint8))
        for value in tensors.values():
            self._broadcast(value.detach().cpu().contiguous())

    def receive(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Return what process 0 sends."""
        length = self._broadcast(torch.tensor(0))
        text = self._broadcast(torch.empty(int(length), dtype=torch.uint8))
        message = json.loads(text.numpy().tobytes())
        tensors = {
            name: self._broadcast(torch.empty(shape, dtype=getattr(torch, dtype)))
            for name, dtype, shape in message["tensors"]
        }
        return message["facts"], tensors

    def _broadcast(self, value: Tensor) -> Tensor:
        with _watched():
            dist.broadcast(value, 0, self._waiting)
        return value

    # --- parts of a batch --------------------------------------------------------------------------------

    def part(self, batch: Tensor, domains: int) -> Tensor:
        """Return this process's part of a batch that holds equally many images of each domain."""
        start, end = self._bounds(len(batch) // domains, self.rank)
        return batch if domains < 1 else batch.unflatten(0, (domains, -1))[:, start:end].flatten(0, 1)

    def whole(self, part: Tensor, count: int, domains: int) -> Tensor:
        """Return the batch of `count` images of which each process has a part."""
        images = part.ndim == 4
        local = (part.permute(0, 2, 3, 1) if images else part).contiguous()  # images are channels last
        most = -(-(count // domains) // self.size)
        padded = local.new_zeros(domains, most, *local.shape[1:])
        padded[:, : len(local) // domains] = local.unflatten(0, (domains, -1))
        parts = [torch.empty_like(padded) for _ in range(self.size)]
        with _watched():
            dist.all_gather(parts, padded)
        lengths = [
            end - start for start, end in (self._bounds(count // domains, r) for r in range(self.size))
        ]
        whole = torch.cat([p[:, :length] for p, length in zip(parts, lengths, strict=True)], 1).flatten(0, 1)
        return whole.permute(0, 3, 1, 2) if images else whole

    def _bounds(self, count: int, rank: int) -> tuple[int, int]:
        return rank * count // self.size, (rank + 1) * count // self.size


class _Divided:
    """Hooks of a network: it receives this process's part of a batch, and returns the whole output."""

    def __init__(self, network: nn.Module, ranks: Ranks) -> None:
        self.ranks = ranks
        self._batch: tuple[int, int] | None = None  # images and domains of the present pass
        network.register_forward_pre_hook(self._before)
        network.register_forward_hook(self._after)

    def _before(self, _network: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...] | None:
        if not self.ranks.divides:
            return None
        domains = next((len(given) for given in inputs if not isinstance(given, Tensor)), 1)
        self._batch = len(inputs[0]), domains
        return tuple(
            _Part.apply(given, self.ranks, domains) if isinstance(given, Tensor) else given  # type: ignore[no-untyped-call]
            for given in inputs
        )

    def _after(self, _network: nn.Module, _inputs: tuple[Any, ...], output: Tensor) -> Tensor | None:
        if self._batch is None:
            return None
        (count, domains), self._batch = self._batch, None
        whole: Tensor = _Whole.apply(output, self.ranks, count, domains)  # type: ignore[no-untyped-call]
        return whole


# Gradients of parts are `size` times as large as those of the whole, so that the mean of the processes'
# gradients of a weight is its gradient, whether it belongs to a divided network or not.


class _Part(Function):
    @staticmethod
    def forward(ctx: Any, batch: Tensor, ranks: Ranks, domains: int) -> Tensor:
        ctx.ranks, ctx.domains, ctx.count = ranks, domains, len(batch)
        return ranks.part(batch, domains)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        return ctx.ranks.whole(grad, ctx.count, ctx.domains) / ctx.ranks.size, None, None


class _Whole(Function):
    @staticmethod
    def forward(ctx: Any, part: Tensor, ranks: Ranks, count: int, domains: int) -> Tensor:
        ctx.ranks, ctx.domains = ranks, domains
        return ranks.whole(part, count, domains)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        return ctx.ranks.part(grad, ctx.domains) * ctx.ranks.size, None, None, None


class _Total(Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        return _reduced(value)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return _reduced(grad)


def _reduced(value: Tensor) -> Tensor:
    total = value.clone(memory_format=torch.contiguous_format)
    with _watched():
        dist.all_reduce(total)
    return total
