"""Find the noise with which the generator comes closest to an image, for codes that Q predicts."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from infogan import images as edge
from infogan.latents import Codes
from infogan.model import InfoGAN, evaluating

_CANDIDATES, _KEPT = 64, 4
_STEPS, _LEARNING_RATE = 80, 0.1
_NORMAL_WEIGHT = 1e-4  # of the squared length of noise from a normal distribution


@dataclass(frozen=True)
class Inversion:
    """The result of `invert`.

    Attributes:
        noise: float32 [noise].
        error: root mean squared difference of the pixels, 0..1.
        steps: optimisation steps that were taken.
    """

    noise: Float[np.ndarray, " noise"]
    error: float
    steps: int


def invert(
    model: InfoGAN, image: UInt8[np.ndarray, "h w c"], codes: Mapping[str, Tensor], *, seconds: float = 5.0
) -> Inversion:
    """Optimise the noise so that the generated image is close to a given one; the codes stay unchanged.

    The start is the best of 64 random samples of the noise. The best four are then optimised by Adam.

    Args:
        model: the model.
        image: of the model's size and channels.
        codes: values of every code, [1, width].
        seconds: time limit of the optimisation.
    """
    end = time.monotonic() + seconds
    network = model.generator if model.ema is None else model.ema
    target = edge.to_float(torch.from_numpy(image[None]), model.table.output).to(model.device)
    noise, _ = model.draw(_CANDIDATES, seed=0, stream="explore/invert")
    noise = noise.to(model.device)
    taken = 0
    with evaluating(network):
        with torch.no_grad():
            error = _errors(network(_latents(model, noise, codes)), target)
        noise = noise[error.argsort()[:_KEPT]].clone().requires_grad_()
        optimizer = torch.optim.Adam([noise], lr=_LEARNING_RATE)
        while taken < _STEPS and time.monotonic() < end:
            loss = _errors(network(_latents(model, noise, codes)), target).sum()
            if model.latents.noise_prior == "normal":
                loss = loss + _NORMAL_WEIGHT * noise.square().sum()
            (noise.grad,) = torch.autograd.grad(loss, [noise])
            optimizer.step()
            if model.latents.noise_prior == "uniform":
                noise.data.clamp_(-1, 1)
            taken += 1
        with torch.no_grad():
            error = _errors(network(_latents(model, noise, codes)), target)
    best = int(error.argmin())
    scale = 1.0 if model.table.output == "sigmoid" else 0.5
    return Inversion(noise[best].detach().cpu().numpy(), scale * float(error[best].sqrt()), taken)


def _latents(model: InfoGAN, noise: Float[Tensor, "n noise"], codes: Mapping[str, Tensor]) -> Tensor:
    repeated: Codes = {name: value.expand(len(noise), -1).to(noise) for name, value in codes.items()}
    return model.latents.join(noise, repeated)


def _errors(images: Float[Tensor, "n c h w"], target: Float[Tensor, "1 c h w"]) -> Float[Tensor, " n"]:
    return (images.float() - target).square().mean(dim=(1, 2, 3))
