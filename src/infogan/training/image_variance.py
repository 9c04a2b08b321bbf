"""The pixel variance of real images, of generated images, and of generated images with the same codes.

The measurement does not influence training: batch norm uses its running statistics, and random numbers come
from separate streams. Latents and real images are the same at every step, so that values of a run differ by
the generator alone.
"""

from __future__ import annotations

import torch
from jaxtyping import Float64, UInt8
from torch import Tensor

from infogan import streams
from infogan.model import InfoGAN

REAL = 256
"""Number of training images that are measured, or all if there are fewer."""

CODES, NOISES = 16, 8
"""Number of sampled codes, and of sampled noise vectors for each."""


def compared_images(images: UInt8[Tensor, "all h w c"], seed: int) -> UInt8[Tensor, "n h w c"]:
    """Return the training images that are measured, the same ones at every step, on the host.

    Args:
        images: all training images.
        seed: random seed of the run.
    """
    chosen = torch.randperm(len(images), generator=streams.generator(seed, "health/real"))[:REAL]
    return images[chosen.to(images.device)].cpu()


def pixel_variance(model: InfoGAN, real: UInt8[Tensor, "n h w c"]) -> dict[str, float]:
    """Compute variances summed over pixels from 0 to 1.

    Args:
        model: the generator's raw weights are measured, not their moving average.
        real: two or more real images, from `compared_images`.

    Returns:
        `real`, of training images; `generated`, over codes and noise; `noise`, at fixed codes, absent if the
        model has no noise. All are sample variances, from 0 to about a quarter of the number of pixels;
        `generated` is never below `noise`.
    """
    seed = model.config.training.seed
    noise, sampled = model.draw(CODES * NOISES, seed=seed, stream="health")
    codes = {name: values[::NOISES].repeat_interleave(NOISES, 0) for name, values in sampled.items()}
    generated = torch.from_numpy(model.generate(noise, codes, weights="raw"))
    groups = _pixels(generated).unflatten(0, (CODES, NOISES))
    within = float(groups.var(1).sum(1).mean())
    # The mean of eight images also varies by an eighth of the noise's variance.
    between = max(float(groups.mean(1).var(0).sum()) - within / NOISES, 0.0)
    variances = {
        "real": float(_pixels(real).var(0).sum()),
        "generated": within + between,
    }
    return variances | ({"noise": within} if model.latents.noise else {})


def _pixels(images: UInt8[Tensor, "n h w c"]) -> Float64[Tensor, "n pixels"]:
    return images.flatten(1).double() / 255
