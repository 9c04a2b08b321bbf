"""Build the generator, the trunk and the heads of D and Q from a table."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from infogan.errors import ConfigError
from infogan.networks.architectures import Architecture, Layer
from infogan.networks.blocks import (
    Flatten,
    Stack,
    Style,
    Unflatten,
    conv_layer,
    grow,
    shrink,
    up_layer,
)
from infogan.networks.layers import Dense, Resize
from infogan.networks.normalization import BatchNorm, Domain, begin_spectrum, bounded, raw_weight

STD = 0.02
"""Standard deviation of initial weights (the authors' code)."""


def _scaled(width: int, factor: float) -> int:
    """Return a hidden width times the width factor, rounded to a multiple of 8."""
    return max(8, round(width * factor / 8) * 8)


def _downward(rows: Sequence[Layer], channels: int, size: int, style: Style) -> tuple[list[nn.Module], int]:
    """Return blocks of D and Q, and the number of their output features.

    Args:
        rows: the layers of a table.
        channels: channels of the input images; at size 1, number of input features.
        size: size of the input images.
        style: how the layers are built.
    """
    blocks: list[nn.Module] = []
    picture = False
    for row in rows:
        width = _scaled(row.width, style.factor)
        if row.kind == "shrink":
            blocks.append(shrink(channels, width, style))
            size //= 2
        elif row.kind == "conv":
            after = style.after(width, row.norm)
            bias = not isinstance(after[0], BatchNorm)
            layer = conv_layer(channels, width, row.stride, row.kernel, bias=bias)
            blocks += [style.normalized(layer), *after]
            size = -(-size // row.stride) if row.kernel == 3 else size // row.stride
        elif row.kind == "pool":
            blocks += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
            width, size = channels, 1
        else:
            blocks += [Flatten()] if picture else []
            blocks.append(style.normalized(Dense(channels * size * size, width)))
            blocks += style.after(width, row.norm)
            size = 1
        picture = row.kind in ("conv", "shrink")
        channels = width
    if rows and rows[-1].kind == "shrink":
        blocks.append(nn.LeakyReLU(style.leak, inplace=True))
    if picture:
        blocks.append(Flatten())
    return blocks, channels * size * size


class Trunk(Stack):
    """The layers that D and Q share: images [N, C, H, W] to features [N, F] (appendix C).

    Args:
        table: the architecture.
        channels: of the images.
        size: of the images.
        style: how the layers are built.
        encoder: build Q's own encoder instead, which has the same interface.
    """

    def __init__(
        self, table: Architecture, channels: int, size: int, style: Style, *, encoder: bool = False
    ) -> None:
        rows = table.encoder if encoder else table.trunk
        blocks, features = _downward(rows, channels, size, style)
        super().__init__(blocks)
        self.features = features


class Discriminator(nn.Module):
    """D's head: features to one logit, log D/(1 - D). The loss applies the sigmoid.

    With codes it sees pairs of an image and its codes, by a projection (Miyato and Koyama 2018, equation 3):
    the logit is that of the image alone plus the inner product of the features and an embedding of the codes.

    Args:
        features: number of features of the trunk.
        bound: largest singular value under spectral norm; None: no spectral norm.
        codes: number of inputs of the generator for all codes; 0: D sees the image alone.
    """

    def __init__(self, features: int, bound: float | None = None, *, codes: int = 0) -> None:
        super().__init__()
        self.output = bounded(nn.Linear(features, 1), bound)
        self.embedding = bounded(nn.Linear(codes, features, bias=False), bound) if codes else None

    def forward(
        self, features: Float[Tensor, "n features"], codes: Float[Tensor, "n codes"] | None = None
    ) -> Float[Tensor, " n"]:
        """Return logits of images, or of pairs of an image and standardised codes."""
        logits: Tensor = self.output(features).flatten()
        if self.embedding is None or codes is None:
            return logits
        projection: Tensor = (self.embedding(codes) * features).sum(1)
        return logits + projection


class Recognition(nn.Module):
    """Q's head: features to the raw outputs of all posteriors.

    Args:
        table: the architecture.
        features: number of features of the trunk.
        outputs: number of raw outputs of all posteriors.
        style: how its layers are built.
        subcodes: number of raw outputs of all sub-codes, which the loss on real images uses; 0: none.
    """

    def __init__(
        self, table: Architecture, features: int, outputs: int, style: Style, *, subcodes: int = 0
    ) -> None:
        super().__init__()
        blocks, features = _downward(table.recognition, features, 1, style)
        self.hidden = Stack(blocks)
        self.output = style.normalized(nn.Linear(features, outputs))
        self.subcodes = nn.Linear(features, subcodes) if subcodes else None

    def forward(
        self, features: Float[Tensor, "n features"], domains: Sequence[Domain]
    ) -> Float[Tensor, "n outputs"]:
        """Return the raw outputs of all posteriors."""
        raw: Tensor = self.output(self.hidden(features, domains))
        return raw

    def read(
        self, features: Float[Tensor, "n features"], domains: Sequence[Domain]
    ) -> tuple[Float[Tensor, "n outputs"], Float[Tensor, "n subcodes"] | None]:
        """Return the raw outputs of all posteriors and of the sub-codes; None if there are no sub-codes."""
        hidden = self.hidden(features, domains)
        return self.output(hidden), None if self.subcodes is None else self.subcodes(hidden)


class PairClassifier(nn.Module):
    """Predicts which code dimension two generated images share (Lin et al. 2020: the CR discriminator).

    A trunk like that of D, applied to both images stacked along the channels, and a dense layer.

    Args:
        trunk: for images with twice the channels.
        code_dimensions: number of code dimensions to choose from.
    """

    def __init__(self, trunk: Trunk, code_dimensions: int) -> None:
        super().__init__()
        self.trunk = trunk
        self.output = nn.Linear(trunk.features, code_dimensions)

    def forward(
        self, first: Float[Tensor, "n c h w"], second: Float[Tensor, "n c h w"]
    ) -> Float[Tensor, "n code_dimensions"]:
        logits: Tensor = self.output(self.trunk(torch.cat([first, second], dim=1), ("fake",)))
        return logits


_UPWARD = ("up", "grow", "resize")


class Generator(nn.Module):
    """G: latents [N, L] to images [N, C, H, W] in the range of the table's output.

    Raises:
        ConfigError: the images are too small for the table.
    """

    def __init__(self, table: Architecture, latents: int, channels: int, size: int, width: float) -> None:
        super().__init__()
        strides = [row.stride if row.kind == "up" else 2 for row in table.generator if row.kind in _UPWARD]
        strides += [2] if table.image_layer == "up" else []
        sizes = [size]  # of feature maps, from the image backwards
        for stride in reversed(strides):
            sizes.append(sizes[-1] // stride)
        if sizes[-1] < 1:
            raise ConfigError(
                f"network.architecture: {len(strides)} up-convolutions reach below one pixel at size {size}",
                f"images of at least {math.prod(strides)} pixels",
                "network.architecture = 'generic', which fits any image size",
                command="--set architecture=generic",
            )
        blocks, inputs = self._blocks(table, latents, list(reversed(sizes)), width)
        self.hidden = Stack(blocks)
        self.output = (
            up_layer(inputs, channels, 2, odd=size % 2 == 1)
            if table.image_layer == "up"
            else conv_layer(inputs, channels, 1, kernel=3)
        )
        self.nonlinearity = nn.Sigmoid() if table.output == "sigmoid" else nn.Tanh()

    @staticmethod
    def _blocks(
        table: Architecture, inputs: int, sizes: list[int], factor: float
    ) -> tuple[list[nn.Module], int]:
        blocks: list[nn.Module] = []
        position = 0
        for row in table.generator:
            width = _scaled(row.width, factor)
            position += row.kind in _UPWARD
            odd = sizes[position] % 2 == 1
            if row.kind == "grow":
                blocks.append(grow(inputs, width, odd, row.kernel))
                features = width
            elif row.kind == "resize":
                blocks.append(Resize(inputs, width, odd))
                features = width
            elif row.kind == "up":
                blocks.append(up_layer(inputs, width, row.stride, odd))
                features = width
            else:
                features = width * (sizes[0] ** 2 if row.kind == "picture" else 1)
                blocks.append(Dense(inputs, features))
            # The authors' code normalises each output of this dense layer, 6,272 on MNIST, not each channel.
            after: list[nn.Module] = [BatchNorm(features, ("fake",))] if row.norm else []
            after.append(nn.LeakyReLU(row.leak, inplace=True) if row.leak else nn.ReLU(inplace=True))
            blocks += reversed(after) if table.norm_last else after
            blocks += [Unflatten(sizes[0], width)] if row.kind == "picture" else []
            inputs = width
        return blocks, inputs

    def forward(self, latents: Float[Tensor, "n latents"]) -> Float[Tensor, "n c h w"]:
        images: Tensor = self.nonlinearity(self.output(self.hidden(latents, ("fake",))))
        return images


def initialise(module: nn.Module, generator: torch.Generator) -> None:
    """Initialise all weights of `module` as in the authors' code, in the order of its submodules.

    Convolutions: N(0, 0.02) truncated at two standard deviations. Other layers: N(0, 0.02). Batch norm: gains
    N(1, 0.02), running means 0 and variances 1. Biases: 0. Singular vectors of spectral norm: random, then
    refined.
    """
    with torch.no_grad():
        for part in module.modules():
            if isinstance(part, nn.Conv2d):
                nn.init.trunc_normal_(raw_weight(part), std=STD, a=-2 * STD, b=2 * STD, generator=generator)
            elif isinstance(part, nn.ConvTranspose2d | nn.Linear):
                nn.init.normal_(raw_weight(part), std=STD, generator=generator)
            elif isinstance(part, BatchNorm):
                nn.init.normal_(part.weight, mean=1.0, std=0.02, generator=generator)
                for name, buffer in part.named_buffers(recurse=False):
                    buffer.fill_(1.0 if name.endswith("_var") else 0.0)
            else:
                continue
            if isinstance(part.bias, Tensor):
                part.bias.zero_()
            begin_spectrum(part, generator)


def rescale(module: nn.Module, std: float) -> None:
    """Set the standard deviation of the dense weights of a newly initialised `module`."""
    with torch.no_grad():
        for part in module.modules():
            if isinstance(part, nn.Linear):
                raw_weight(part).mul_(std / STD)
