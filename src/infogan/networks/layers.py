"""Dense layers, stride-2 convolutions and upsampling, implemented to train fast on a CPU.

They have the parameters and the results of torch's own layers, up to rounding. Measured with MKL and oneDNN,
on two threads at batch 128:

- a batch of products of a few hundred columns each is 1.1 to 1.5 times as fast as one product of thousands,
  since MKL then gives each thread separate blocks;
- oneDNN adds the bias of a transposed convolution in a separate slow pass, a fifth of that layer's time;
  its sums for the gradients of biases are slow, too;
- its transposed convolution to images of one channel runs on one thread; a product and `fold` do not.

Everything but float32 training on a CPU uses torch's own layers.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import Function

_COLUMNS = 800  # largest number per block
_FEW_CHANNELS = 4
_STRIDE, _PADDING = 2, 1


class Dense(nn.Linear):
    """A fast `nn.Linear`."""

    def forward(self, input: Tensor) -> Tensor:
        """Return the output of torch's layer."""
        if not _on_cpu(self, input):
            return super().forward(input)
        output: Tensor = _Dense.apply(input, self.weight, self.bias)  # type: ignore[no-untyped-call]
        return output


class Conv(nn.Conv2d):
    """A fast `nn.Conv2d` of stride 2 and padding 1."""

    def forward(self, input: Tensor) -> Tensor:
        """Return the output of torch's layer."""
        if not _on_cpu(self, input):
            return super().forward(input)
        output: Tensor = _Conv.apply(input, self.weight, self.bias)  # type: ignore[no-untyped-call]
        return output


class Up(nn.ConvTranspose2d):
    """A fast `nn.ConvTranspose2d` of stride 2 and padding 1."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        """Return the output of torch's layer."""
        if not _on_cpu(self, input):
            return super().forward(input, output_size)
        odd = [int(padding) for padding in self.output_padding]
        size = [_STRIDE * side + more for side, more in zip(input.shape[2:], odd, strict=True)]
        output: Tensor = _Up.apply(input, self.weight, self.bias, size)  # type: ignore[no-untyped-call]
        return output


class Resize(nn.Conv2d):
    """Nearest-neighbour upsampling that doubles the size, then a 3x3 convolution (Odena et al. 2016).

    On a CPU both are one transposed convolution, whose 4x4 kernel sums the 3x3 one over the four copies of a
    pixel: the same linear map, with 16 products per pixel instead of 36.

    Args:
        inputs: channels.
        outputs: channels.
        odd: one more row and column, which repeat the last ones before the convolution.
    """

    def __init__(self, inputs: int, outputs: int, odd: bool) -> None:
        super().__init__(inputs, outputs, 3, padding=1)
        self.enlarge = enlarge(odd)
        self.odd = odd

    def forward(self, input: Tensor) -> Tensor:
        """Return the enlarged feature maps."""
        if self.odd or not _on_cpu(self, input):
            return super().forward(self.enlarge(input))
        kernel = self.weight.flip(2, 3).transpose(0, 1)
        copies = [F.pad(kernel, (x, 1 - x, y, 1 - y)) for x in (0, 1) for y in (0, 1)]
        weight = torch.stack(copies).sum(0).contiguous(memory_format=torch.channels_last)
        return F.conv_transpose2d(input, weight, self.bias, _STRIDE, _PADDING)


def enlarge(odd: bool) -> nn.Module:
    """Return nearest-neighbour upsampling that doubles the size, and adds 1 if `odd`."""
    twice = nn.Upsample(scale_factor=2)
    return nn.Sequential(twice, nn.ReplicationPad2d((0, 1, 0, 1))) if odd else twice


def _on_cpu(layer: nn.Module, input: Tensor) -> bool:
    return (
        layer.training
        and input.device.type == "cpu"
        and input.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
    )


class _Dense(Function):
    @staticmethod
    def forward(ctx: Any, input: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(input, weight)
        return _product(input, weight.t()).add_(bias)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        input, weight = ctx.saved_tensors
        needed = ctx.needs_input_grad
        return (
            _product(grad, weight) if needed[0] else None,
            grad.t() @ input if needed[1] else None,
            grad.sum(0) if needed[2] else None,
        )


class _Conv(Function):
    @staticmethod
    def forward(ctx: Any, input: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(input, weight)
        return F.conv2d(input, weight, bias, _STRIDE, _PADDING)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        input, weight = ctx.saved_tensors
        needed = ctx.needs_input_grad
        return (
            _enlarge(grad, weight, input.shape[2:]) if needed[0] else None,
            _weight_gradient(input, grad, weight) if needed[1] else None,
            grad.sum((0, 2, 3)) if needed[2] else None,
        )


class _Up(Function):
    @staticmethod
    def forward(ctx: Any, input: Tensor, weight: Tensor, bias: Tensor, size: list[int]) -> Tensor:
        ctx.save_for_backward(input, weight)
        return _enlarge(input, weight, size).add_(bias[:, None, None])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        input, weight = ctx.saved_tensors
        needed = ctx.needs_input_grad
        return (
            F.conv2d(grad, weight, None, _STRIDE, _PADDING) if needed[0] else None,
            _weight_gradient(grad, input, weight) if needed[1] else None,
            grad.sum((0, 2, 3)) if needed[2] else None,
            None,
        )


def _product(rows: Tensor, matrix: Tensor) -> Tensor:
    """Return rows @ matrix; for many columns as a batch of products of a few hundred columns each."""
    columns = matrix.shape[1]
    even = range(2, columns // 256 + 1, 2)  # the same number of blocks for two threads
    blocks = next((count for count in even if columns % count == 0 and columns // count <= _COLUMNS), None)
    if blocks is None:
        return rows @ matrix
    batch = matrix.unflatten(1, (blocks, -1)).transpose(0, 1)
    return torch.bmm(rows.expand(blocks, *rows.shape), batch).transpose(0, 1).flatten(1)


def _enlarge(small: Tensor, weight: Tensor, size: Any) -> Tensor:
    """Return the transposed convolution to images of `size`, without a bias."""
    channels, kernel = weight.shape[1], weight.shape[2:]
    if channels > _FEW_CHANNELS:
        odd = [full - _STRIDE * side for full, side in zip(size, small.shape[2:], strict=True)]
        return F.conv_transpose2d(small, weight, None, _STRIDE, _PADDING, odd)
    columns = small.permute(0, 2, 3, 1).flatten(1, 2) @ weight.flatten(1)
    return F.fold(columns.transpose(1, 2), tuple(size), tuple(kernel), padding=_PADDING, stride=_STRIDE)


def _weight_gradient(large: Tensor, small: Tensor, weight: Tensor) -> Tensor:
    """Return the weight gradient of a convolution from large to small, or of a transposed one back."""
    stride, padding, needed = [_STRIDE] * 2, [_PADDING] * 2, [False, True, False]
    gradient: Tensor = torch.ops.aten.convolution_backward(
        small, large, weight, [0], stride, padding, [1, 1], False, [0, 0], 1, needed
    )[1]
    return gradient
