"""Replay a function of tensors, captured once as a CUDA graph and then started by one call of the host.

A training step launches about 2,000 small operations, and launching them takes longer than computing them on
a GPU. A captured function reads its inputs from static buffers and writes its results to the same
memory each time. The Python code of the function runs only while it is captured. So everything that changes
between two steps is a tensor that is changed in place, or an input: a tensor, or a float such as a scheduled
weight. All other parts of the inputs are its structure; each structure is captured separately.

The function must not copy the value of a tensor to the host. If it does, it cannot be captured; this is
logged once, and the function is then called as it is.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from infogan.training import engine

Function = Callable[..., Any]
Rngs = MutableMapping[str, torch.Generator]
Replay = Callable[[Function, Rngs], Function]
"""Returns a function with the same results. Its second argument are the random number generators that the
function uses, by stream; they are seeded before each call."""

Log = Callable[[str], None]

_WARM_UPS = 3
"""Calls before a capture. They create the state that is kept between steps, such as Adam's moments, and let
libraries choose their algorithms."""


def direct(function: Function, rngs: Rngs) -> Function:
    """Return the function itself."""
    return function


class Recorder(ABC):
    """Records a function on one type of device.

    Attributes:
        warm_ups: number of calls before the function is recorded.
    """

    warm_ups: int = 0

    def warm_up(self, function: Callable[[], Any]) -> Any:
        """Call a function that is to be recorded later."""
        return function()

    @abstractmethod
    def record(self, function: Callable[[], Any], rngs: Mapping[str, torch.Generator]) -> Callable[[], Any]:
        """Return a function that replays the call; recording alone changes no tensor."""


class CpuRecorder(Recorder):
    """Replays by calling: on a CPU there is nothing to capture, but inputs have static buffers."""

    def record(self, function: Callable[[], Any], rngs: Mapping[str, torch.Generator]) -> Callable[[], Any]:
        """Return the function."""
        return function


class CudaRecorder(Recorder):
    """Captures CUDA graphs.

    Args:
        device: the GPU.
    """

    warm_ups = _WARM_UPS

    def __init__(self, device: torch.device) -> None:
        current = torch.cuda.current_stream(device)
        # The default stream cannot be captured. A training with a stream of its own captures on this one.
        alone = current == torch.cuda.default_stream(device)
        self._stream = torch.cuda.Stream(device) if alone else current

    def warm_up(self, function: Callable[[], Any]) -> Any:
        """Call the function on the stream of captures, as captures require."""
        self._stream.wait_stream(torch.cuda.current_stream(self._stream.device))
        with torch.cuda.stream(self._stream):
            result = function()
        torch.cuda.current_stream(self._stream.device).wait_stream(self._stream)
        return result

    def record(self, function: Callable[[], Any], rngs: Mapping[str, torch.Generator]) -> Callable[[], Any]:
        """Capture the function. Each replay reads the seeds that the generators then have."""
        captured = torch.cuda.CUDAGraph()
        for rng in rngs.values():
            captured.register_generator_state(rng)
        # torch leaves the stream of captures as the current one if a capture breaks off.
        unchanged = torch.cuda.stream(torch.cuda.current_stream(self._stream.device))
        # "thread_local": other threads, such as one that loads images, may go on.
        capture = torch.cuda.graph(captured, stream=self._stream, capture_error_mode="thread_local")
        with unchanged, capture:
            result = function()

        def replay() -> Any:
            captured.replay()
            return result

        return replay


def recorder(device: torch.device, setting: bool | Literal["auto"]) -> Recorder | None:
    """Return the recorder for a device, or None if steps are not recorded.

    Args:
        device: the device of the training.
        setting: `training.graph`; "auto" records on NVIDIA GPUs only.
    """
    if setting is False or (setting == "auto" and device.type != "cuda"):
        return None
    return CudaRecorder(device) if device.type == "cuda" else CpuRecorder()


class Graphs:
    """Functions that are recorded and replayed.

    Args:
        recorder: records on the device; None: functions are called as they are.
        device: the device.
        log: called with one message if a function cannot be captured.
    """

    def __init__(self, recorder: Recorder | None, device: torch.device, log: Log) -> None:
        self.recorder, self.device, self.log = recorder, device, log
        self._replayed: list[_Replayed] = []

    def replayed(self, function: Function, rngs: Rngs) -> Function:
        """Return a function with the same results, which is recorded and replayed."""
        if self.recorder is None:
            return function
        self._replayed.append(_Replayed(function, rngs, self, self.recorder))
        return self._replayed[-1]

    @property
    def capturing(self) -> bool:
        """True if functions are recorded, and no recording has failed."""
        return self.recorder is not None and not any(function.failed for function in self._replayed)

    def clear(self) -> None:
        """Forget all records. Call this after tensors that the functions use have been replaced."""
        for function in self._replayed:
            function.forget()


class _Replayed:
    """A function that is recorded once for each structure of its inputs."""

    def __init__(self, function: Function, rngs: Rngs, graphs: Graphs, recorder: Recorder) -> None:
        self.function, self.rngs, self.graphs, self.recorder = function, rngs, graphs, recorder
        self.records: dict[Hashable, _Record] = {}
        self.failed = False
        self._known: dict[int, tuple[Any, Hashable, list[Tensor | float]]] = {}  # inputs of the last call

    def __call__(self, *inputs: Any) -> Any:
        if self.failed:
            return self.function(*inputs)
        leaves: list[Tensor | float] = []
        key = self._structure_of(inputs, leaves)
        record = self.records.get(key)
        if record is None:
            record = self.records[key] = _Record(inputs, leaves, self.graphs.device)
        record.fill(leaves)
        call = lambda: self.function(*record.inputs)  # noqa: E731 - one line, used twice
        if record.replay is None and record.calls < self.recorder.warm_ups:
            record.calls += 1
            return self.recorder.warm_up(call)
        if record.replay is None:
            try:
                record.replay = self.recorder.record(call, self.rngs)
            except RuntimeError as error:
                return self._uncaptured(error, inputs)
        return record.replay()

    def forget(self) -> None:
        """Drop all records, and the tensors of the last call."""
        self.records.clear()
        self._known.clear()

    def _structure_of(self, inputs: Sequence[Any], leaves: list[Tensor | float]) -> Hashable:
        """Append all tensors and floats of the inputs to `leaves`, and return the rest.

        What another replayed function returns is the same object each time, and is taken apart once.
        """
        keys = []
        for number, value in enumerate(inputs):
            known = self._known.get(number)
            if known is None or known[0] is not value or not _is_frozen(value):
                own: list[Tensor | float] = []
                known = self._known[number] = value, _structure(value, own), own
            keys.append(known[1])
            leaves += known[2]
        return tuple(keys)

    def _uncaptured(self, error: RuntimeError, inputs: Sequence[Any]) -> Any:
        """Log the reason and call the function. The failed capture has computed nothing."""
        self.failed = True
        self.forget()
        self.rngs.clear()  # they may still expect the capture to end
        name = getattr(self.function, "__qualname__", "the function")
        self.graphs.log(
            f"{name} was not captured as a CUDA graph ({_reason(error)}); training continues without it"
        )
        return self.function(*inputs)


def _reason(error: BaseException) -> str:
    """Return the first line of the error that came first: ending a capture that broke off raises another."""
    while error.__context__ is not None:
        error = error.__context__
    return str(error).strip().partition("\n")[0] or type(error).__name__


class _Record:
    """One structure of inputs: its static buffers, and how to replay the function on them.

    Args:
        inputs: the inputs of the first call.
        leaves: their tensors and floats, from `_structure`.
        device: of the tensors that hold the floats.
    """

    def __init__(self, inputs: Any, leaves: Sequence[Tensor | float], device: torch.device) -> None:
        self.calls = 0
        self.replay: Callable[[], Any] | None = None
        self._buffers = [leaf.clone() for leaf in leaves if isinstance(leaf, Tensor)]
        self._values = [leaf for leaf in leaves if not isinstance(leaf, Tensor)]
        self._numbers = torch.tensor(self._values, dtype=torch.float32, device=device)
        buffers, numbers = iter(self._buffers), iter(self._numbers.unbind())
        static = [next(buffers if isinstance(leaf, Tensor) else numbers) for leaf in leaves]
        self.inputs = _rebuilt(inputs, iter(static))

    def fill(self, leaves: Sequence[Tensor | float]) -> None:
        """Copy inputs of the same structure into the static buffers, without waiting for the device."""
        values = [leaf for leaf in leaves if not isinstance(leaf, Tensor)]
        if values != self._values:
            changed = torch.tensor(values, dtype=torch.float32)
            self._numbers.copy_(engine.sent(changed, self._numbers.device))
            self._values = values
        groups: defaultdict[torch.dtype, tuple[list[Tensor], list[Tensor]]] = defaultdict(lambda: ([], []))
        tensors = (leaf for leaf in leaves if isinstance(leaf, Tensor))
        for buffer, tensor in zip(self._buffers, tensors, strict=True):
            groups[buffer.dtype][0].append(buffer)
            groups[buffer.dtype][1].append(tensor)
        for targets, sources in groups.values():
            torch._foreach_copy_(targets, sources)  # one operation for all tensors of a type


def _is_frozen(value: Any) -> bool:
    """Return True for an object of a frozen dataclass."""
    parameters = getattr(value, "__dataclass_params__", None)
    return parameters is not None and bool(parameters.frozen)


def _structure(value: Any, leaves: list[Tensor | float]) -> Hashable:
    """Append the tensors and floats in a value to `leaves`, and return all the rest."""
    if isinstance(value, Tensor):
        leaves.append(value)
        return (value.dtype, *value.shape)
    if isinstance(value, float):
        leaves.append(value)
        return float
    if isinstance(value, Mapping):
        return (type(value), *((key, _structure(item, leaves)) for key, item in value.items()))
    if isinstance(value, list | tuple):
        return (type(value), *(_structure(item, leaves) for item in value))
    if is_dataclass(value) and not isinstance(value, type):
        names = (field.name for field in fields(value))
        return (type(value), *(_structure(getattr(value, name), leaves) for name in names))
    if isinstance(value, Hashable):
        return value
    raise TypeError(f"{type(value).__name__} cannot be an input of a captured function")


def _rebuilt(value: Any, leaves: Iterator[Tensor]) -> Any:
    """Return a value of the same structure, whose tensors and floats are replaced by `leaves`."""
    if isinstance(value, Tensor | float):
        return next(leaves)
    if isinstance(value, Mapping):
        return {key: _rebuilt(item, leaves) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_rebuilt(item, leaves) for item in value)
    if is_dataclass(value) and not isinstance(value, type):
        items = {field.name: _rebuilt(getattr(value, field.name), leaves) for field in fields(value)}
        return type(value)(**items)
    return value
