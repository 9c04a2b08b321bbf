"""Blocks of networks: a layer with batch norm and nonlinearity, and residual blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from infogan.networks.layers import Conv, Resize, Up, enlarge
from infogan.networks.normalization import AnyLayer, BatchNorm, Domain, bounded

KERNEL = 4
"""Side of every convolution of appendix C."""


class Flatten(nn.Module):
    """[N, C, H, W] to [N, H*W*C], which is the memory order of channels-last feature maps."""

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(0, 2, 3, 1).flatten(1)


class Unflatten(nn.Module):
    """[N, H*W*C] to channels-last feature maps [N, C, H, W]."""

    def __init__(self, size: int, channels: int) -> None:
        super().__init__()
        self.shape = (size, size, channels)

    def forward(self, x: Tensor) -> Tensor:
        return x.view(-1, *self.shape).permute(0, 3, 1, 2)


class SameConv(nn.Conv2d):
    """A convolution of stride 1 that keeps the size: an even kernel needs unequal padding."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(F.pad(input, (1, 2, 1, 2)))


class SameUp(nn.ConvTranspose2d):
    """A transposed convolution of stride 1 that keeps the size."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        return super().forward(input)[..., 1:-2, 1:-2]


class Stack(nn.Module):
    """Blocks of layer, batch norm, nonlinearity, built from the rows of a table."""

    def __init__(self, blocks: Sequence[nn.Module]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)

    def forward(self, x: Tensor, domains: Sequence[Domain]) -> Tensor:
        for block in self.blocks:
            x = block(x, domains) if isinstance(block, BatchNorm | Residual) else block(x)
        return x


@dataclass(frozen=True)
class Style:
    """Width, slope and normalization of the layers of D and Q.

    Attributes:
        factor: width factor of hidden layers.
        leak: slope of the leaky ReLU below zero.
        bound: largest singular value under spectral norm; None: batch norm instead.
        domains: of the images whose statistics batch norm keeps.
    """

    factor: float
    leak: float
    bound: float | None = None
    domains: tuple[Domain, ...] = ("real", "fake")

    def normalized(self, layer: AnyLayer) -> AnyLayer:
        """Return the layer, with spectral norm if this style has it."""
        return bounded(layer, self.bound)

    def after(self, width: int, norm: bool) -> list[nn.Module]:
        """Return the modules after a layer: batch norm, if it has one, and the nonlinearity."""
        batch_norm = [BatchNorm(width, self.domains)] if norm and self.bound is None else []
        return [*batch_norm, nn.LeakyReLU(self.leak, inplace=True)]


class Residual(nn.Module):
    """A pre-activation residual block that changes the size of feature maps (He et al. 2016)."""

    def __init__(self, resize: nn.Module, around: nn.Module, inside: Stack) -> None:
        super().__init__()
        self.resize, self.around, self.inside = resize, around, inside

    def forward(self, x: Tensor, domains: Sequence[Domain]) -> Tensor:
        total: Tensor = self.around(self.resize(x)) + self.inside(x, domains)
        return total


def shrink(inputs: int, outputs: int, style: Style) -> Residual:
    """Return a residual block of D and Q that halves the size, without batch norm."""
    inside = [
        nn.LeakyReLU(style.leak),
        style.normalized(nn.Conv2d(inputs, outputs, 3, padding=1)),
        nn.LeakyReLU(style.leak, inplace=True),
        style.normalized(Conv(outputs, outputs, KERNEL, 2, padding=1)),
    ]
    return Residual(nn.AvgPool2d(2), style.normalized(nn.Conv2d(inputs, outputs, 1)), Stack(inside))


def grow(inputs: int, outputs: int, odd: bool, kernel: int = KERNEL) -> Residual:
    """Return a residual block of G that doubles the size, and adds 1 if `odd`.

    Its first layer is `up_layer` for a kernel of 4, and `Resize` for one of 3.
    """
    inside = [
        up_layer(inputs, outputs, 2, odd) if kernel == KERNEL else Resize(inputs, outputs, odd),
        BatchNorm(outputs, ("fake",)),
        nn.ReLU(inplace=True),
        nn.Conv2d(outputs, outputs, 3, padding=1),
    ]
    return Residual(enlarge(odd), nn.Conv2d(inputs, outputs, 1), Stack(inside))


def conv_layer(
    inputs: int, outputs: int, stride: int, kernel: int = KERNEL, *, bias: bool = True
) -> nn.Module:
    """Return a convolution that divides the size by its stride, 1 or 2.

    Args:
        inputs: channels.
        outputs: channels.
        stride: 1 or 2.
        kernel: its side, 3 or 4; with 4, an odd size is rounded down, with 3 up.
        bias: of kernel 3, False where batch norm would remove it; kernel 4 always has one.
    """
    if kernel == 3:
        return nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=bias)
    if stride == 1:
        return SameConv(inputs, outputs, KERNEL)
    return Conv(inputs, outputs, KERNEL, stride, padding=1)


def up_layer(inputs: int, outputs: int, stride: int, odd: bool) -> nn.Module:
    """Return a transposed convolution that multiplies the size by its stride, and adds 1 if `odd`."""
    if stride == 1:
        return SameUp(inputs, outputs, KERNEL)
    return Up(inputs, outputs, KERNEL, stride, padding=1, output_padding=int(odd))
