"""Differentiable augmentation: rotation, shift, scale, shear, flip, brightness, contrast and noise.

The recipe `robust` augments every image that D and Q see, real or generated, independently in each pass.
Gradients pass through to the generator, so that its own images need not look augmented (Zhao et al. 2020:
DiffAugment).
Augmentations express prior knowledge: what the policy varies does not decide the category of an image.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from torch.autograd import Function

from infogan.config import AugmentationConfig


@dataclass(frozen=True)
class AugmentationSample:
    """The randomness of one augmentation of a batch.

    Attributes:
        uniform: on [-1, 1], eight numbers per image: rotation, scale, shear, flip, two shifts, contrast and
            brightness.
        noise: normal, with the std of the policy; None if the policy adds no noise to pixels.
    """

    uniform: Float[Tensor, "n 8"]
    noise: Float[Tensor, "n c h w"] | None = None


def sample_augmentation(
    shape: Sequence[int], pixel_noise: float | Float[Tensor, ""] | None, rng: torch.Generator
) -> AugmentationSample:
    """Sample the randomness of one augmentation, on the device of `rng`.

    Args:
        shape: shape of the images, [N, C, H, W].
        pixel_noise: std of the noise added to pixels; None: no noise.
        rng: the random number generator.
    """
    # All numbers are sampled for any policy, so that a change of one range does not change the others.
    uniform = torch.rand(shape[0], 8, generator=rng, device=rng.device) * 2 - 1
    if pixel_noise is None:
        return AugmentationSample(uniform)
    noise = torch.randn(tuple(shape), generator=rng, device=rng.device)
    return AugmentationSample(uniform, pixel_noise * noise)


def augment(
    images: Float[Tensor, "n c h w"],
    policy: AugmentationConfig,
    sample: AugmentationSample | torch.Generator,
) -> Float[Tensor, "n c h w"]:
    """Augment each image independently; differentiable in the images, and in their own range.

    Geometric changes interpolate bilinearly and repeat the border.

    Args:
        images: in any range.
        policy: the ranges of the augmentations; the std of the pixel noise is that of the sample.
        sample: from `sample_augmentation`, or a random number generator on the images' device.
    """
    if isinstance(sample, torch.Generator):
        sample = sample_augmentation(images.shape, policy.pixel_noise or None, sample)
    uniform, changed = sample.uniform, images
    if policy.moves or policy.flip:
        # In bfloat16 the grid would be off by a tenth of a pixel.
        with torch.autocast(images.device.type, enabled=False):
            grid = F.affine_grid(inverse_maps(uniform, policy), list(images.shape), align_corners=False)
            sampled: Tensor = (
                _SampledInOrder.apply(changed.float(), grid)  # type: ignore[no-untyped-call]
                if images.is_cuda and torch.are_deterministic_algorithms_enabled()
                else _grid_sample(changed.float(), grid)
            )
            changed = sampled
    if policy.contrast:
        mean = changed.mean((1, 2, 3), keepdim=True)
        changed = mean + (changed - mean) * (1 + policy.contrast * uniform[:, 6, None, None, None])
    if policy.brightness:
        changed = changed + policy.brightness * uniform[:, 7, None, None, None]
    if sample.noise is not None:
        changed = changed + sample.noise
    return changed.contiguous(memory_format=torch.channels_last)


def still(images: Float[Tensor, "n c h w"], policy: AugmentationConfig) -> Float[Tensor, "n c h w"]:
    """Blur images that are not augmented as much as augmentation blurs on average.

    Bilinear interpolation softens an augmented image. D and Q that never saw a sharp one misread it: codes of
    stroke width are off by up to a fifth of their range. Averaged over all offsets between two pixels, the
    weights of the interpolation are 1/8, 3/4 and 1/8 along each axis.

    Args:
        images: in any range.
        policy: augmentation policy of the training; images are returned unchanged if it has no geometric
            augmentation of all images.
    """
    if not (policy.moves and policy.all_images):
        return images
    line = torch.tensor([0.125, 0.75, 0.125], device=images.device)
    kernel = (line[:, None] * line).expand(images.shape[1], 1, 3, 3)
    soft = F.conv2d(F.pad(images, (1, 1, 1, 1), mode="replicate"), kernel, groups=images.shape[1])
    return soft.contiguous(memory_format=torch.channels_last)


def inverse_maps(draws: Float[Tensor, "n 8"], policy: AugmentationConfig) -> Float[Tensor, "n 2 3"]:
    """Return the map from each pixel of the augmented image to the original, in units of half the side.

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


def _grid_sample(
    images: Float[Tensor, "n c h w"], grid: Float[Tensor, "n h w 2"]
) -> Float[Tensor, "n c h w"]:
    """Interpolate bilinearly at the points of a grid; the border is repeated."""
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


class _SampledInOrder(Function):
    """`_grid_sample` whose gradient is summed in a fixed order.

    On a GPU the gradient of `grid_sample` adds up in any order, so that the last bits differ from run to run.
    The grid gets no gradient.
    """

    @staticmethod
    def forward(ctx: Any, images: Tensor, grid: Tensor) -> Tensor:
        ctx.save_for_backward(grid)
        ctx.shape = images.shape
        return _grid_sample(images, grid)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (grid,) = ctx.saved_tensors
        count, channels, height, width = ctx.shape
        sides = torch.stack([torch.full_like(grid[..., 0], side) for side in (width, height)], -1)
        point = (((grid + 1) * sides - 1) / 2).clamp_min(0).minimum(sides - 1)
        corner = point.floor()
        share = point - corner
        first = torch.arange(count, device=grid.device)[:, None, None] * (height * width)
        rows, parts = [], []
        for right in (0, 1):
            for below in (0, 1):
                x = (corner[..., 0] + right).clamp_max(width - 1)
                y = (corner[..., 1] + below).clamp_max(height - 1)
                weight = (share[..., 0] if right else 1 - share[..., 0]) * (
                    share[..., 1] if below else 1 - share[..., 1]
                )
                rows.append((first + (y * width + x).long()).flatten())
                parts.append((gradient * weight[:, None]).permute(0, 2, 3, 1).reshape(-1, channels))
        total = gradient.new_zeros(count * height * width, channels)
        # With `accumulate`, this sorts the indices first.
        total.index_put_((torch.cat(rows),), torch.cat(parts), accumulate=True)
        return total.view(count, height, width, channels).permute(0, 3, 1, 2), None
