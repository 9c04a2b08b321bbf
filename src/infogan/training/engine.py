"""Device, precision and memory of training, independent of the method.

The choice of "auto" depends on the features of the processor and not on measured times, so that a run is
reproducible.
"""

from __future__ import annotations

import ctypes
import os
import platform
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from infogan.config import Code, Periodic, TruncatedGaussian
from infogan.errors import ConfigError, UsageError

Precision = Literal["float32", "tf32", "bfloat16"]
_CPU_FLAGS = Path("/proc/cpuinfo")
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
_KEEP_BYTES = 2**30

MOST_STREAMED = 16
"""Trainings that run at the same time on a GPU, each with a stream of its own. torch has 32 streams, which it
hands out in turn. Graphs that were captured on the same stream share the workspace of cuBLAS, so they must
not run at the same time."""


def choose_device(name: str) -> torch.device:
    """Return the device with this name; "auto" selects a GPU if there is one.

    Raises:
        ConfigError: the machine has no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(name)
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not available[device.type] or (
        device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count()
    ):
        raise ConfigError(
            f"device = {name!r}: this machine has no such device",
            "auto or cpu",
            "device='cpu'",
            command="--device cpu",
        )
    return device


def conditions(device: torch.device, precision: Precision) -> dict[str, Any]:
    """Return `device`, `precision`, `threads` and the `accelerator`'s name for environment.json."""
    named = {"accelerator": torch.cuda.get_device_name(device)} if device.type == "cuda" else {}
    return {"device": str(device), **named, "precision": precision, "threads": torch.get_num_threads()}


def choose_precision(requested: str, device: torch.device) -> Precision:
    """Return the precision of the layers on a device.

    "auto" selects bfloat16 if the hardware supports it natively. "tf32" is float32 where there are no tensor
    cores for it.

    Raises:
        ConfigError: bfloat16 is requested on mps.
    """
    if requested == "auto":
        return "bfloat16" if multiplies_bfloat16(device) else "float32"
    if requested == "tf32":
        return "tf32" if device.type == "cuda" and has_matrix_units(device) else "float32"
    if requested == "bfloat16" and device.type == "mps":
        raise ConfigError(
            "precision = 'bfloat16' on mps: training on Apple's GPUs is computed in float32 only",
            "float32, or another device",
            "precision='float32'",
            command="--precision float32",
        )
    return "bfloat16" if requested == "bfloat16" else "float32"


def check_codes(codes: Mapping[str, Code], device: torch.device) -> None:
    """Check that a device has the numbers that the posteriors of all codes need.

    Raises:
        ConfigError: a periodic code or a truncated Gaussian needs float64, which Apple's GPUs lack.
    """
    if device.type != "mps":
        return
    for name, code in codes.items():
        if isinstance(code, Periodic) or isinstance(getattr(code, "posterior", None), TruncatedGaussian):
            raise ConfigError(
                f"the code {name!r} on mps: its posterior needs float64, which Apple's GPUs do not have",
                "a uniform code with a Gaussian posterior, or another device",
                "device='cpu'",
                command="--device cpu",
            )


def multiplies_bfloat16(device: torch.device, cpu_flags: Path = _CPU_FLAGS) -> bool:
    """Return True if the hardware multiplies bfloat16 natively, in matrix or in vector units.

    Other CPUs emulate it and train about ten times slower. With AVX512-BF16 alone the networks of
    appendix C train 1.4 to 1.5 times as fast as at float32 (`make bench`).
    """
    has_vectors = device.type == "cpu" and "avx512_bf16" in _flags(cpu_flags)
    return has_vectors or has_matrix_units(device, cpu_flags)


def has_matrix_units(device: torch.device, cpu_flags: Path = _CPU_FLAGS) -> bool:
    """Return True if there are matrix units for bfloat16: AMX on a CPU, or tensor cores since Ampere."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return device.type == "cpu" and {"amx_tile", "amx_bf16"} <= _flags(cpu_flags)


def _flags(cpu_flags: Path) -> set[str]:
    """Return the feature flags of the first processor; empty if the system does not list them."""
    if not cpu_flags.is_file():
        return set()
    lines = cpu_flags.read_text().splitlines()
    return set(next((line for line in lines if line.startswith("flags")), "").split())


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager[object]:
    """Return a context that computes layers in `precision`; weights, losses and statistics stay float32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")


@contextmanager
def memory_errors(batch_size: int, last_checkpoint: Callable[[], str]) -> Iterator[None]:
    """Turn the errors of Python and torch that say that no memory is left into one with smaller values.

    Args:
        batch_size: that is tried in the block.
        last_checkpoint: returns a sentence on the last checkpoint.

    Raises:
        UsageError: out of memory.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        words = ("DefaultCPUAllocator", "out of memory", "can't allocate memory")
        known = isinstance(error, MemoryError | torch.OutOfMemoryError)
        if not known and not any(word in str(error) for word in words):
            raise
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        smaller = max(2, batch_size // 2)
        raise UsageError(
            f"out of memory with training.batch_size = {batch_size}: {reason[:200]}; {last_checkpoint()}",
            "images, networks and batches that fit into the memory",
            f"settings={{'training.batch_size': {smaller}}}, or a smaller network.width or size",
            command=f"--set batch_size={smaller}, or a smaller --set width=0.5 or --size",
        ) from None


@contextmanager
def numerics(device: torch.device, precision: Precision, deterministic: bool) -> Iterator[None]:
    """Set torch's global switches for a GPU inside the block, and restore them afterwards.

    With "float32", matrix products have the precision of float32, and convolutions that of TF32 where the GPU
    has it, which is torch's default. With "tf32", both have that of TF32. With `deterministic`, equal inputs
    give equal bits.
    """
    if device.type != "cuda":
        yield
        return
    products = torch.get_float32_matmul_precision()
    try:
        if precision == "tf32":
            torch.set_float32_matmul_precision("high")
        with _same_bits() if deterministic else nullcontext():
            yield
    finally:
        torch.set_float32_matmul_precision(products)


@contextmanager
def _same_bits() -> Iterator[None]:
    """Make torch choose algorithms inside the block that give equal bits for equal inputs.

    Only where it is needed: torch's switch imports its compiler, which takes seconds.
    """
    before = torch.are_deterministic_algorithms_enabled()
    warns_only = torch.is_deterministic_algorithms_warn_only_enabled()
    cudnn = torch.backends.cudnn
    cudnn_before = cudnn.deterministic
    # cuBLAS reads it when it is first used.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # Without `warn_only`, operations that have no such form would stop the training.
    torch.use_deterministic_algorithms(True, warn_only=True)
    cudnn.deterministic = True
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=warns_only)
        cudnn.deterministic = cudnn_before


def sent(tensor: Tensor, device: torch.device) -> Tensor:
    """Return a tensor of the CPU on a device. The copy to a GPU does not make the host wait for its work."""
    if device.type != "cuda" or tensor.is_cuda:
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def new_stream(device: torch.device) -> Callable[[], AbstractContextManager[object]]:
    """Return a context for blocks whose work goes to a stream of their own, on a GPU.

    Trainings on streams of their own compute at the same time.
    """
    if device.type != "cuda":
        return nullcontext
    stream = torch.cuda.Stream(device)
    return lambda: torch.cuda.stream(stream)


def use_threads(count: int | None) -> int:
    """Set torch's number of threads in this process, and return it; None leaves it as it is.

    Two threads on two cores that are busy with something else are several times slower than one, since they
    wait for each other after every operation.

    Raises:
        ConfigError: `count` is below 1.
    """
    if count is not None:
        if count < 1:
            raise ConfigError(f"threads = {count}", "1 or more", "threads=1", command="--threads 1")
        torch.set_num_threads(count)
    return torch.get_num_threads()


def keep_freed_memory() -> None:
    """Make glibc keep freed blocks: mapping large tensors again in each step costs page faults."""
    if platform.system() != "Linux" or platform.libc_ver()[0] != "glibc":
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(_M_MMAP_THRESHOLD, _KEEP_BYTES)
    libc.mallopt(_M_TRIM_THRESHOLD, _KEEP_BYTES)
