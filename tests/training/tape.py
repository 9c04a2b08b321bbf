"""A recorder that replays the tensor operations of a call on a CPU, as a CUDA graph does on a GPU.

Nothing of the Python code runs again, and every operation reads and writes the memory of the recorded call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from infogan.training.graph import Recorder

_FORBIDDEN = {
    "aten::_local_scalar_dense": "a value is read on the host",
    "aten::nonzero": "a shape depends on values",
    "aten::lift_fresh": "a tensor is made from numbers of the host",
}


class NotCapturedError(RuntimeError):
    """The function does what a capture does not allow."""


class Tape(Recorder):
    """Records all operations of a call; each replay makes them again.

    Attributes:
        records: number of recorded calls.
        replays: number of replays.
        operations: number of operations of the newest record.
    """

    warm_ups = 2

    def __init__(self) -> None:
        self.records = self.replays = self.operations = 0

    def record(self, function: Callable[[], Any], rngs: Mapping[str, torch.Generator]) -> Callable[[], Any]:
        recording = _Recording()
        with recording:
            result = function()
        self.records += 1
        self.operations = len(recording.calls)
        done = True  # recording has made the operations once

        def replay() -> Any:
            nonlocal done
            self.replays += 1
            if not done:
                recording.replay()
            done = False
            return result

        return replay


class _Recording(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, Any, Any, Any]] = []
        self._before: list[tuple[Tensor, Tensor]] = []

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        name = function.name().partition(".")[0]
        if name in _FORBIDDEN:
            self._undo()
            raise NotCapturedError(f"{name}: {_FORBIDDEN[name]}")
        kwargs = kwargs or {}
        if torch.Tag.inplace_view in function.tags:
            return function(*args, **kwargs)  # it changes a shape, and no memory
        # Aliases, since the shape of the tensors themselves may change later.
        inputs = alias(args), alias(kwargs)
        if function._schema.is_mutable or "batch_norm" in name:
            self._before += [(tensor, tensor.clone()) for tensor in tensors(inputs)]
        result = function(*args, **kwargs)
        self.calls.append((function, *inputs, alias(result)))
        return result

    @torch.no_grad()
    def _undo(self) -> None:
        """Restore all tensors, as a capture that breaks off has computed nothing."""
        for tensor, value in reversed(self._before):
            tensor.copy_(value)

    @torch.no_grad()
    def replay(self) -> None:
        for function, args, kwargs, recorded in self.calls:
            result = function(*args, **kwargs)
            inputs = {memory(tensor) for tensor in tensors((args, kwargs))}
            for old, new in zip(tensors(recorded), tensors(result), strict=True):
                if memory(new) not in inputs:  # neither a view of an input nor an input changed in place
                    old.copy_(new)


def alias(value: Any) -> Any:
    """Return nested containers in which each tensor is a view of the original one."""
    if isinstance(value, Tensor):
        return value.detach()
    if isinstance(value, Mapping):
        return {key: alias(item) for key, item in value.items()}
    return type(value)(map(alias, value)) if isinstance(value, list | tuple) else value


def tensors(value: Any) -> Iterator[Tensor]:
    """Yield all tensors in nested containers and dataclasses."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from tensors(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from tensors(item)
    elif hasattr(value, "__dataclass_fields__"):
        for name in value.__dataclass_fields__:
            yield from tensors(getattr(value, name))


def memory(tensor: Tensor) -> int:
    """Return the address of a tensor's storage."""
    return tensor.untyped_storage().data_ptr()
