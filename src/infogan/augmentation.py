"""Small random changes of images: rotation, shift, scale, shear, flip, brightness, contrast and noise.

The recipe `robust` shows D and Q every image, real or generated, changed anew in each pass. Gradients pass
through to the generator, so that its images need not look changed (Zhao et al. 2020: DiffAugment). What the
policy varies is thereby declared to be no matter of category: that is prior knowledge about the data.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from infogan.config import AugmentationConfig


def augment(
    images: Float[Tensor, "n c h w"], policy: AugmentationConfig, generator: torch.Generator
) -> Float[Tensor, "n c h w"]:
    """Every image changed by a draw of its own; differentiable in the images, and in their own range.

    Geometry is read bilinearly; what comes in from outside repeats the nearest pixel of the border.

    Args:
        images: in any range.
        policy: how large the changes may be.
        generator: on the images' device.
    """
    count = len(images)
    # All is always drawn, so that a change of one range does not move the others' draws.
    draws = torch.rand(count, 8, generator=generator, device=generator.device) * 2 - 1
    changed = images
    if policy.moves or policy.flip:
        # In bfloat16 the grid is a tenth of a pixel off: generated images would be moved more coarsely.
        with torch.autocast(images.device.type, enabled=False):
            grid = F.affine_grid(inverse_maps(draws, policy), list(images.shape), align_corners=False)
            changed = F.grid_sample(changed.float(), grid, padding_mode="border", align_corners=False)
    if policy.contrast:
        mean = changed.mean((1, 2, 3), keepdim=True)
        changed = mean + (changed - mean) * (1 + policy.contrast * draws[:, 6, None, None, None])
    if policy.brightness:
        changed = changed + policy.brightness * draws[:, 7, None, None, None]
    if policy.pixel_noise:
        grain = torch.randn(changed.shape, generator=generator, device=generator.device)
        changed = changed + policy.pixel_noise * grain
    return changed.contiguous(memory_format=torch.channels_last)


def still(images: Float[Tensor, "n c h w"], policy: AugmentationConfig) -> Float[Tensor, "n c h w"]:
    """Images as networks that have only seen changed ones should be shown them: not moved, but as soft.

    Bilinear reading between pixels softens a moved image. Where D and Q never saw a sharp one, they misread
    it: codes of stroke width are off by as much as a fifth of their range. Over all offsets between two
    pixels the weights are on average 1/8, 3/4 and 1/8 along each axis.

    Args:
        images: in any range.
        policy: that the networks were trained with; without geometry for all images nothing is done.
    """
    if not (policy.moves and policy.all_images):
        return images
    line = torch.tensor([0.125, 0.75, 0.125], device=images.device)
    kernel = (line[:, None] * line).expand(images.shape[1], 1, 3, 3)
    soft = F.conv2d(F.pad(images, (1, 1, 1, 1), mode="replicate"), kernel, groups=images.shape[1])
    return soft.contiguous(memory_format=torch.channels_last)


def inverse_maps(draws: Float[Tensor, "n 8"], policy: AugmentationConfig) -> Float[Tensor, "n 2 3"]:
    """Where each pixel of the changed image comes from, in units of half the side.

    Args:
        draws: uniform on [-1, 1].
        policy: the ranges.
    """
    angle = draws[:, 0] * math.radians(policy.rotation)
    zoom = 1 / (1 + draws[:, 1] * policy.scale)
    shear = draws[:, 2] * policy.shear
    mirror = torch.where(draws[:, 3] < 0, -1.0, 1.0) if policy.flip else torch.ones_like(zoom)
    cosine, sine = angle.cos() * zoom, angle.sin() * zoom
    across = torch.stack(
        [mirror * cosine, mirror * (shear * cosine - sine), draws[:, 4] * 2 * policy.shift], 1
    )
    down = torch.stack([sine, shear * sine + cosine, draws[:, 5] * 2 * policy.shift], 1)
    return torch.stack([across, down], 1)
