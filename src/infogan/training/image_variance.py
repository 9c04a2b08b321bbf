"""How different images are from one another: real ones, generated ones, and those of the same codes.

Looking changes nothing: batch norm uses its running statistics, and all chance is of streams of its own. The
latents and the real images are the same at every step, so that two figures of a run differ by the generator
alone.
"""

from __future__ import annotations

import torch
from jaxtyping import Float64, UInt8
from torch import Tensor

from infogan import streams
from infogan.model import InfoGAN

REAL = 256
"""Training images looked at, or all where there are fewer."""

CODES, NOISES = 16, 8
"""Draws of all codes, and of noise for each of them."""


def pixel_variance(model: InfoGAN, images: UInt8[Tensor, "n h w c"]) -> dict[str, float]:
    """Variances summed over pixels, each pixel in [0, 1].

    Args:
        model: its generator in training is looked at, not the moving average.
        images: all training images, two or more.

    Returns:
        `real`: of training images. `generated`: over codes and noise. `noise`: of the noise alone, at fixed
        codes; absent where there is no noise. From 0 to a quarter of the number of pixels, or little more as
        sample variances are; `generated` is never below `noise`.
    """
    seed = model.config.training.seed
    chosen = torch.randperm(len(images), generator=streams.generator(seed, "health/real"))[:REAL]
    noise, drawn = model.draw(CODES * NOISES, seed=seed, stream="health")
    codes = {name: values[::NOISES].repeat_interleave(NOISES, 0) for name, values in drawn.items()}
    generated = torch.from_numpy(model.generate(noise, codes, weights="raw"))
    groups = _pixels(generated).unflatten(0, (CODES, NOISES))
    within = float(groups.var(1).sum(1).mean())
    # The means of eight images vary by an eighth of the noise's variance, too: what is left is the codes'.
    between = max(float(groups.mean(1).var(0).sum()) - within / NOISES, 0.0)
    found = {
        "real": float(_pixels(images[chosen.to(images.device)].cpu()).var(0).sum()),
        "generated": within + between,
    }
    return found | ({"noise": within} if model.latents.noise else {})


def _pixels(images: UInt8[Tensor, "n h w c"]) -> Float64[Tensor, "n pixels"]:
    return images.flatten(1).double() / 255
