"""The networks as they are exported: plain functions of arrays, with every conversion inside.

A user of an exported network knows neither torch nor this package. Images are therefore uint8 [N, H, W, C],
and codes are in their own units and by name. `ports` lists every input and output.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn.utils import parametrize

from infogan import images as edge
from infogan import streams
from infogan.augmentation import still
from infogan.config import Bernoulli, Categorical, Periodic
from infogan.export.posterior_moments import moments
from infogan.latents import Prior
from infogan.model import NOISE_FIELDS, InfoGAN

IMAGE, PIXELS, SOURCE, FEATURES, NOISE = "image.uint8", "image.float32", "image", "features", "noise"
"""Names of inputs and outputs. Names of codes have no dot, and no code is named noise."""


@dataclass(frozen=True)
class Port:
    """An input or output of an exported network.

    Attributes:
        name: its name.
        shape: its shape without the batch, which comes first and has any size.
        text: a description for people.
        dtype: "float32" or "uint8".
    """

    name: str
    shape: tuple[int, ...]
    text: str
    dtype: str = "float32"


def generator_inputs(model: InfoGAN) -> list[Port]:
    """Return the inputs of the exported generator: the noise, then every code."""
    prior = "uniform on [-1, 1]" if model.latents.noise_prior == "uniform" else "standard normal"
    noise = Port(NOISE, (model.latents.noise,), f"noise, sampled {prior}")
    return [
        noise,
        *(Port(name, _shape(code), _input_text(code)) for name, code in model.latents.priors.items()),
    ]


def generator_outputs(model: InfoGAN) -> list[Port]:
    """Return the outputs of the exported generator: the image twice, to show and to compute with."""
    shape = (model.size, model.size, model.channels)
    return [
        Port(IMAGE, shape, "generated image, 0 to 255", "uint8"),
        Port(PIXELS, shape, "the same image before rounding, 0 to 1"),
    ]


def recognition_inputs(model: InfoGAN) -> list[Port]:
    """Return the input of the exported recognition network."""
    shape = (model.size, model.size, model.channels)
    return [Port(SOURCE, shape, "real image, 0 to 255", "uint8")]


def recognition_outputs(model: InfoGAN) -> list[Port]:
    """Return the outputs of the exported recognition network: posteriors of every code, then features."""
    ports = [port for name, prior in model.latents.priors.items() for port in _posterior_ports(name, prior)]
    features = (model.feature_extractor.features,)
    return [*ports, Port(FEATURES, features, "features from which the codes are predicted")]


def _shape(prior: Prior) -> tuple[int, ...]:
    """Return the shape of values of a code: [K] of a categorical code, [dim, K] of one with dimensions."""
    code = prior.code
    if isinstance(code, Categorical):
        return (code.size,) if code.dim == 1 else (code.dim, code.size)
    return (int(code.dim),)


def _input_text(prior: Prior) -> str:
    code = prior.code
    if isinstance(code, Categorical):
        return f"one-hot category, one of {code.size}"
    if isinstance(code, Bernoulli):
        return "0 or 1"
    if isinstance(code, Periodic):
        return "angle in half turns, -1 to 1; other values wrap around"
    low, high = getattr(code, "low", None), getattr(code, "high", None)
    return "standard normal" if low is None else f"uniform on [{low:g}, {high:g}] in training"


def _posterior_ports(name: str, prior: Prior) -> Iterator[Port]:
    code, shape = prior.code, _shape(prior)
    if isinstance(code, Categorical):
        yield Port(f"{name}.probabilities", shape, "probability of every category")
    elif isinstance(code, Bernoulli):
        yield Port(f"{name}.probability", shape, "probability of 1")
    else:
        unit = "in half turns" if isinstance(code, Periodic) else "in units of the code"
        yield Port(f"{name}.mean", shape, f"mean of the posterior, {unit}")
        yield Port(f"{name}.std", shape, f"standard deviation of the posterior, {unit}")


class GeneratorGraph(nn.Module):
    """The generator: noise and codes to images.

    Args:
        model: its default weights are used, the moving average if there is one.
    """

    def __init__(self, model: InfoGAN) -> None:
        super().__init__()
        self.network = _plain(model.generator if model.ema is None else model.ema)
        self.priors = nn.ModuleList(model.latents.priors.values())
        self.output = model.table.output

    def forward(self, noise: Tensor, codes: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Return images as uint8 0..255 and as float32 0..1, both [N, H, W, C]."""
        parts = [noise]
        for prior, value in zip(self.priors, codes, strict=True):
            assert isinstance(prior, Prior)
            parts.append(prior.standardise(value.flatten(1)))
        images = self.network(torch.cat(parts, dim=1))
        pixels = images if self.output == "sigmoid" else (images + 1) / 2
        return edge.to_uint8(images, self.output), pixels.permute(0, 2, 3, 1).contiguous()


class RecognitionGraph(nn.Module):
    """The recognition network: real images to posteriors of every code, and to features.

    It computes what `InfoGAN.encode` does, including the mean over noise fields where training used noise.

    Args:
        model: the model.
    """

    fields: Tensor

    def __init__(self, model: InfoGAN) -> None:
        super().__init__()
        self.extractor, self.head = _plain(model.feature_extractor), _plain(model.recognition)
        self.priors = nn.ModuleList(model.latents.priors.values())
        self.output, self.policy = model.table.output, model.config.augmentation
        continuous = {
            prior for name, prior in model.latents.priors.items() if name in model.config.continuous
        }
        self.through_noise = [prior in continuous for prior in model.latents.priors.values()]
        shape, std = (model.channels, model.size, model.size), model.code_noise
        fields = [
            std * torch.randn(shape, generator=streams.generator(0, "encode/noise", number))
            for number in range(NOISE_FIELDS if std else 0)
        ]
        self.register_buffer("fields", torch.stack(fields) if fields else torch.zeros(0, *shape))

    def forward(self, image: UInt8[Tensor, "n h w c"]) -> tuple[Tensor, ...]:
        """Return the outputs of `recognition_outputs`."""
        x = still(edge.to_float(image, self.output), self.policy)
        features = self.extractor(x, ("real",))
        clean = self._by_code(self.head(features, ("real",)))
        noisy = self._by_code(self._from_noisy(x)) if len(self.fields) else clean
        outputs: list[Tensor] = []
        for prior, through_noise, parts in zip(
            self.priors, self.through_noise, zip(clean, noisy, strict=True), strict=True
        ):
            assert isinstance(prior, Prior)
            mean, std = moments(prior.posterior(parts[through_noise]))
            outputs.append(mean.unflatten(1, _shape(prior)))
            outputs += [] if std is None else [std]
        return (*outputs, features)

    def _from_noisy(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n outputs"]:
        """Return the mean raw outputs over all noise fields."""
        noisy = (x[:, None] + self.fields).flatten(0, 1)
        raw: Tensor = self.head(self.extractor(noisy, ("noisy",)), ("noisy",))
        averaged: Tensor = raw.unflatten(0, (-1, len(self.fields))).mean(1)
        return averaged

    def _by_code(self, raw: Float[Tensor, "n outputs"]) -> tuple[Tensor, ...]:
        widths = [prior.posterior_width for prior in self.priors if isinstance(prior, Prior)]
        parts: tuple[Tensor, ...] = raw.split(widths, dim=1)
        return parts


def _plain(network: nn.Module) -> nn.Module:
    """Return a copy in evaluation mode, whose spectral norm is applied to the weights once and for all."""
    network = copy.deepcopy(network).cpu().float().eval()
    for part in list(network.modules()):
        if parametrize.is_parametrized(part, "weight"):
            weight = part.weight
            assert isinstance(weight, Tensor)
            # torch's removal of a parametrization would change the class that the original shares.
            part.__class__ = type(part).__bases__[0]
            del part.parametrizations
            part.register_parameter("weight", nn.Parameter(weight.detach().clone()))
    return network
