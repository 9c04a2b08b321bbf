"""Augmented views of images: two views of one image should have the same features.

The augmentations express prior knowledge: features become invariant to what they vary. By default this is
position, size, small rotations, light and colour. Mirror images stay different, since a mirrored hand sign or
digit means something else.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

_NUMBERS = 12
_TINT = 0.3
"""Range of the shift of one colour channel, as a share of the range of the other colour changes."""


@dataclass(frozen=True)
class Views:
    """The ranges of the augmentations (crop, rotation, flip and colours after Chen et al. 2020: SimCLR).

    Attributes:
        crop: smallest share of the image's area that a view shows, 0..1; 1: the whole image.
        rotation: largest angle in degrees, either way.
        flip: views are mirrored left to right with probability 1/2.
        colour: range of the relative changes of brightness and contrast, and of saturation and tint where
            there are colours, 0..1.
        gray: probability that a view of a colour image has no colour.
    """

    crop: float = 0.5
    rotation: float = 15.0
    flip: bool = False
    colour: float = 0.4
    gray: float = 0.2


def sample_views(count: int, rng: torch.Generator) -> Float[Tensor, "count 12"]:
    """Sample the randomness of one view each of `count` images, uniform on [0, 1), on the device of `rng`.

    All numbers are sampled for any ranges, so that a change of one range does not change the others. The
    columns are size, angle, mirroring, two shifts, brightness, contrast, saturation, three
    tints and gray.
    """
    return torch.rand(count, _NUMBERS, generator=rng, device=rng.device)


def apply_views(
    images: Float[Tensor, "n c h w"], views: Views, sample: Float[Tensor, "n 12"]
) -> Float[Tensor, "n c h w"]:
    """Return one view of each image, of the same size and in the memory format channels_last.

    Differentiable in the images. Rotations and crops interpolate bilinearly and reflect the border. With four
    channels the last one, the transparency, moves with the others and keeps its values.

    Args:
        images: float32 in [-1, 1]; 1, 3 or 4 channels. Views may leave the range.
        views: the ranges.
        sample: from `sample_views`.
    """
    grid = F.affine_grid(_inverse_maps(views, sample), list(images.shape), align_corners=False)
    moved = F.grid_sample(images.contiguous(), grid, padding_mode="reflection", align_corners=False)
    colours, rest = moved[:, :3], moved[:, 3:]
    changed = _change_colours(colours, views, sample)
    changed = torch.cat([changed, rest], 1) if rest.shape[1] else changed
    return changed.contiguous(memory_format=torch.channels_last)


def _inverse_maps(views: Views, sample: Float[Tensor, "n 12"]) -> Float[Tensor, "n 2 3"]:
    """Return the map from each pixel of a view to the image, in units of half the side."""
    scale = (views.crop + (1 - views.crop) * sample[:, 0]).sqrt()
    angle = (2 * sample[:, 1] - 1) * math.radians(views.rotation)
    mirror = torch.where(sample[:, 2] < (0.5 if views.flip else 0.0), -1.0, 1.0)
    shift = (2 * sample[:, 3:5] - 1) * (1 - scale)[:, None]
    cosine, sine = scale * angle.cos(), scale * angle.sin()
    across = torch.stack([cosine * mirror, -sine, shift[:, 0]], 1)
    down = torch.stack([sine * mirror, cosine, shift[:, 1]], 1)
    return torch.stack([across, down], 1)


def _change_colours(
    images: Float[Tensor, "n c h w"], views: Views, sample: Float[Tensor, "n 12"]
) -> Float[Tensor, "n c h w"]:
    """Change brightness and contrast; saturation, tint and gray of images with three channels.

    Together they are one affine map of the colours of an image, which is applied in one pass.
    """
    count, channels = images.shape[:2]
    change = (2 * sample - 1) * views.colour
    brightness, contrast, saturation = (1 + change[:, 5:8, None]).unbind(1)
    mean = images.mean((1, 2, 3))[:, None]
    matrix, offset = (brightness * contrast)[:, :, None], mean * brightness * (1 - contrast)
    if channels == 3:
        same = torch.eye(3, device=images.device)
        gray = torch.full_like(same, 1 / 3)
        last = torch.where((sample[:, 11] < views.gray)[:, None, None], gray, same)
        matrix = matrix * (last @ (saturation[:, :, None] * same + (1 - saturation[:, :, None]) * gray))
        offset = (last @ (offset + change[:, 8:11] * _TINT)[:, :, None])[:, :, 0]
    changed = torch.baddbmm(offset[:, :, None], matrix, images.flatten(2))
    return changed.view(count, channels, *images.shape[2:])
