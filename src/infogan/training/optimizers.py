"""Adam optimizers that skip updates after divergence, without waiting for the host."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import groupby

import torch
from jaxtyping import Float
from torch import Tensor, nn

from infogan.errors import StorageError

_STATE_KEYS = {"step", "exp_avg", "exp_avg_sq"}
_FACTOR = "factor"  # of a group of parameters, on the learning rate


def adam(  # noqa: PLR0913 - Adam's hyperparameters, and how they are kept
    module: nn.Module,
    learning_rate: float,
    beta1: float,
    beta2: float = 0.999,
    *,
    factors: Mapping[nn.Module, float] | None = None,
    captured: bool = False,
) -> torch.optim.Adam:
    """Return Adam over the parameters of a module, fused into one kernel.

    Args:
        module: whose parameters are trained.
        learning_rate: of the first step.
        beta1: decay of the mean of gradients.
        beta2: decay of the mean of squared gradients.
        factors: factors on the learning rate of parts of the module, where it is not 1.
        captured: True if updates are recorded (`infogan.training.graph`). The learning rate is then a tensor,
            as always on a GPU, so that the updates are the same either way.
    """
    device = next(module.parameters()).device

    def rate(factor: float) -> float | Tensor:
        if not captured and device.type != "cuda":
            return learning_rate * factor
        # The kernels read float32 on a GPU, and float64 on a CPU.
        dtype = torch.float32 if device.type == "cuda" else torch.float64
        return torch.tensor(learning_rate * factor, dtype=dtype, device=device)

    groups = [
        {"params": list(group), "lr": rate(factor), _FACTOR: factor}
        for factor, group in groupby(module.parameters(), _factor_of(factors or {}))
    ]
    optimizer = torch.optim.Adam(
        groups,
        lr=rate(1.0),
        betas=(beta1, beta2),
        fused=device.type != "meta",
        capturable=captured and device.type == "cuda",
    )
    # The first steps of a training are not captured, about which torch would warn.
    optimizer._warned_capturable_if_run_uncaptured = True
    return optimizer


def _factor_of(factors: Mapping[nn.Module, float]) -> Callable[[nn.Parameter], float]:
    """Return a function from a parameter to the factor on its learning rate."""
    known = {id(weight): factor for part, factor in factors.items() for weight in part.parameters()}
    return lambda parameter: known.get(id(parameter), 1.0)


def parameters(optimizer: torch.optim.Optimizer) -> list[nn.Parameter]:
    """Return all parameters of an optimizer, in the order of their index in its state."""
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of the next update, without waiting for the device."""
    for group in optimizer.param_groups:
        own = rate * group.get(_FACTOR, 1.0)
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(own)
        else:
            group["lr"] = own


def update(optimizer: torch.optim.Optimizer, failed: Float[Tensor, ""]) -> None:
    """Make an optimizer step. If `failed` is 1, weights, moments and step counts stay unchanged.

    Fused Adam reads the flag on the device, as for `torch.amp.GradScaler`, so that the host need not wait.
    """
    if optimizer.defaults["fused"]:
        optimizer.found_inf = failed  # type: ignore[attr-defined]
    optimizer.step()


def moments(optimizers: Mapping[str, torch.optim.Optimizer]) -> dict[str, Tensor]:
    """Return Adam's moments and step counts, named OPTIMIZER.INDEX.KEY; INDEX is that of the parameter."""
    return {
        f"{name}.{index}.{key}": value
        for name, optimizer in optimizers.items()
        for index, state in optimizer.state_dict()["state"].items()
        for key, value in state.items()
    }


def load_moments(optimizers: Mapping[str, torch.optim.Optimizer], tensors: Mapping[str, Tensor]) -> None:
    """Restore what `moments` returned; an optimizer that had made no step is reset.

    Raises:
        StorageError: the state of an optimizer is missing, or that of a parameter is incomplete.
    """
    for name, optimizer in optimizers.items():
        if name == "contrastive" and not any(key.startswith("contrastive.") for key in tensors):
            optimizer.state.clear()
            continue
        for index, parameter in enumerate(parameters(optimizer)):
            prefix = f"{name}.{index}."
            loaded = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
            if not loaded and any(key.startswith(f"{name}.") for key in tensors):
                optimizer.state.pop(parameter, None)  # it never had a gradient: the loss does not use it
                continue
            if set(loaded) != _STATE_KEYS:
                raise StorageError(
                    f"the checkpoint's optimizer.safetensors has no complete state {prefix}*",
                    "Adam's step, exp_avg and exp_avg_sq of every parameter",
                    "an older checkpoint, or a run of this version",
                )
            # Moments must have their parameter's memory layout, or the fused update changes its sums.
            # On a GPU, the step count must be on the parameter's device.
            optimizer.state[parameter] = {
                key: value.to(parameter.device, copy=True)
                if key == "step"
                else torch.empty_like(parameter).copy_(value)
                for key, value in loaded.items()
            }
