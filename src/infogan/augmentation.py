"""Random augmentation of images: rotation, shift, scale, shear, flip, brightness, contrast and noise.

With the recipe `robust`, D and Q see a new augmented view of every image, real or generated, in each pass.
Gradients propagate through the augmentation to the generator, so that its images need not look augmented
(Zhao et al. 2020: DiffAugment). The policy is prior knowledge about the data: it declares that these
augmentations do not change the category of an image.
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
    """Return a randomly augmented view of each image, in the same range; differentiable in the images.

    Geometric augmentations use bilinear interpolation and repeat the pixels of the border.

    Args:
        images: in any range.
        policy: the ranges of the augmentations.
        generator: on the images' device.
    """
    count = len(images)
    # All numbers are always sampled, so that one range does not affect the numbers of the others.
    draws = torch.rand(count, 8, generator=generator, device=generator.device) * 2 - 1
    changed = images
    if policy.moves or policy.flip:
        # In bfloat16 the grid is off by a tenth of a pixel.
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
    """Return the images without augmentation but with its blur, for networks trained on augmented views.

    Bilinear interpolation blurs an augmented view. Networks that were trained only on these mispredict a
    sharp image: codes of stroke width are off by as much as a fifth of their range. Averaged over all offsets
    between two pixels, the weights are 1/8, 3/4 and 1/8 along each axis.

    Args:
        images: in any range.
        policy: that the networks were trained with; without geometric augmentations of all images the
            images are returned as they are.
    """
    if not (policy.moves and policy.everything):
        return images
    line = torch.tensor([0.125, 0.75, 0.125], device=images.device)
    kernel = (line[:, None] * line).expand(images.shape[1], 1, 3, 3)
    soft = F.conv2d(F.pad(images, (1, 1, 1, 1), mode="replicate"), kernel, groups=images.shape[1])
    return soft.contiguous(memory_format=torch.channels_last)


def inverse_maps(draws: Float[Tensor, "n 8"], policy: AugmentationConfig) -> Float[Tensor, "n 2 3"]:
    """Return the affine maps from pixels of the augmented view to those of the image, in half image sides.

    Args:
        draws: uniform on [-1, 1].
        policy: the ranges of the augmentations.
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
