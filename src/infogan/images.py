"""Convert images between uint8 [N, H, W, C] at the public interface and float [N, C, H, W] in the networks.

The float range is that of the generator's last nonlinearity, so that real and generated images agree: [0, 1]
for a sigmoid, [-1, 1] for tanh.
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

Output = Literal["sigmoid", "tanh"]


def to_float(images: UInt8[Tensor, "n h w c"], output: Output) -> Float[Tensor, "n c h w"]:
    """Return inputs of the networks: float32 in the range of `output`, in the memory format channels_last."""
    scaled = images.permute(0, 3, 1, 2).to(torch.float32).div_(255)
    return scaled if output == "sigmoid" else scaled.mul_(2).sub_(1)


def to_uint8(images: Float[Tensor, "n c h w"], output: Output) -> UInt8[Tensor, "n h w c"]:
    """Return displayable images: rounded to the nearest of 256 levels and clipped to 0..255."""
    scaled = images.float() if output == "sigmoid" else (images.float() + 1) / 2
    return scaled.mul(255).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()
