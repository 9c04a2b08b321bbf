"""The networks of appendix C as tables, and the one builder that turns any table into modules.

Every block is a layer, then batch norm, then a nonlinearity (in one table the last two change places). All
kernels are 4x4. A table names no image
size: the pictures that a generator starts from follow from the image's size and the table's strides (7x7
for MNIST, 2x2 for SVHN, as in the paper), so that one table serves any size from 8 to 256.

Beyond the paper: any table's D and Q can have spectral norm in place of batch norm, and the table
`residual` is made of residual blocks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from infogan.errors import ConfigError, did_you_mean
from infogan.images import Output
from infogan.layers import Conv, Dense, Up
from infogan.normalization import AnyLayer, BatchNorm, Domain, begin_spectrum, bounded, raw_weight

KERNEL = 4
STD = 0.02
"""Of the first weights (the authors' code)."""

# --- tables ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Layer:
    """One row of a table.

    Attributes:
        kind: "dense"; "picture", a dense layer whose outputs become a small image of `width` channels;
            "conv"; "up", a transposed convolution; or "shrink" and "grow", residual blocks that halve and
            double a picture.
        width: units or channels, before the width factor.
        stride: of convolutions.
        norm: whether batch norm stands before the layer's nonlinearity, or behind it.
        leak: slope of the generator's nonlinearity below zero; D and Q have one for all layers.
    """

    kind: Literal["dense", "picture", "conv", "up", "shrink", "grow"]
    width: int
    stride: int = 1
    norm: bool = True
    leak: float = 0.0


@dataclass(frozen=True)
class Architecture:
    """A table of appendix C. The last layers (one logit, the raw posterior, the image) are implied.

    Attributes:
        trunk: what D and Q share.
        recognition: Q's own hidden layers on top of the trunk.
        generator: from the latents to the last hidden picture; a stride-2 layer to the image follows.
        output: the generator's last nonlinearity, which sets the range of all images.
        leak: slope of the leaky ReLU below zero in D and Q.
        norm_last: whether the generator's batch norm stands behind the nonlinearity.
    """

    trunk: tuple[Layer, ...]
    recognition: tuple[Layer, ...]
    generator: tuple[Layer, ...]
    output: Output = "sigmoid"
    leak: float = 0.1
    norm_last: bool = False


def _dense(width: int) -> Layer:
    return Layer("dense", width)


def _picture(width: int) -> Layer:
    return Layer("picture", width)


def _conv(width: int, stride: int = 2, norm: bool = True) -> Layer:
    return Layer("conv", width, stride, norm)


def _up(width: int, stride: int = 2, norm: bool = True, leak: float = 0.0) -> Layer:
    return Layer("up", width, stride, norm, leak)


_COLOUR = Architecture(
    trunk=(_conv(64, norm=False), _conv(128), _conv(256)),
    recognition=(_dense(128),),
    generator=(_picture(448), _up(256), _up(128, norm=False), _up(64, norm=False)),
    output="tanh",
)

TABLES: dict[str, Architecture] = {
    # Table 1 (C.1)
    "mnist": Architecture(
        trunk=(_conv(64, norm=False), _conv(128), _dense(1024)),
        recognition=(_dense(128),),
        generator=(_dense(1024), _picture(128), _up(64)),
    ),
    # Table 2 (C.2) and Table 3 (C.3), which are one
    "svhn": _COLOUR,
    "celeba": _COLOUR,
    # Tables 4 and 5 (C.4): only the last layer differs for D and Q
    "faces": Architecture(
        trunk=(_conv(64, norm=False), _conv(128), _dense(1024)),
        recognition=(),
        generator=(_dense(1024), _picture(128), _up(64)),
    ),
    # Tables 6 and 7 (C.5)
    "chairs": Architecture(
        trunk=(_conv(64, norm=False), _conv(128), _conv(256), _conv(256, 1), _conv(256, 1), _dense(1024)),
        recognition=(),
        generator=(_dense(1024), _picture(256), _up(256, 1), _up(256, 1), _up(128), _up(64)),
    ),
    # Beyond the paper: Lin et al. 2020 (InfoGAN-CR), dSprites
    "dsprites": Architecture(
        trunk=(_conv(32, norm=False), _conv(32), _conv(64), _conv(64), _dense(128)),
        recognition=(_dense(128),),
        generator=(_dense(128), _picture(64), _up(64, leak=0.2), _up(32, leak=0.2), _up(32, leak=0.2)),
        leak=0.2,
        norm_last=True,
    ),
}


def generic_table(size: int) -> Architecture:
    """The MNIST table carried to any size: halved until fewer than 8 pixels are left, 64 to 512 channels."""
    widths: list[int] = []
    while size >= 8:
        size //= 2
        widths.append(min(64 * 2 ** len(widths), 512))
    return Architecture(
        trunk=(*(_conv(w, norm=i > 0) for i, w in enumerate(widths)), _dense(1024)),
        recognition=(_dense(128),),
        generator=(_dense(1024), _picture(widths[-1]), *(_up(w) for w in reversed(widths[:-1]))),
    )


def residual_table(size: int) -> Architecture:
    """Residual blocks between a convolution at the image's own size and 4 pixels or a little more.

    The layers next to the image are plain ones, of stride 2: residual blocks there would be nearly all of
    the cost.
    """
    widths: list[int] = []
    size //= 2
    while size >= 8:
        size //= 2
        widths.append(min(128 * 2 ** len(widths), 512))
    first = widths[-1] if widths else 128
    return Architecture(
        trunk=(_conv(64, norm=False), *(Layer("shrink", w) for w in widths)),
        recognition=(_dense(128),),
        generator=(_picture(first), *(Layer("grow", w) for w in (*reversed(widths[:-1]), 64) if widths)),
    )


_BY_SIZE: dict[str, Callable[[int], Architecture]] = {"generic": generic_table, "residual": residual_table}


def architecture(name: str, size: int) -> Architecture:
    """The table of that name for images of `size` pixels.

    Raises:
        ConfigError: no table has that name.
    """
    if name in _BY_SIZE:
        return _BY_SIZE[name](size)
    if name not in TABLES:
        known = [*_BY_SIZE, *TABLES]
        raise ConfigError(
            f"network.architecture = {name!r}: no such table{did_you_mean(name, known)}",
            f"one of {', '.join(known)}",
            "--set architecture=generic",
        )
    return TABLES[name]


# --- building --------------------------------------------------------------------------------------------


class _Flatten(nn.Module):
    """[N, C, H, W] to [N, H*W*C]: the order in which channels-last pictures already lie in memory."""

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(0, 2, 3, 1).flatten(1)


class _Unflatten(nn.Module):
    """[N, H*W*C] to a channels-last picture [N, C, H, W]."""

    def __init__(self, size: int, channels: int) -> None:
        super().__init__()
        self.shape = (size, size, channels)

    def forward(self, x: Tensor) -> Tensor:
        return x.view(-1, *self.shape).permute(0, 3, 1, 2)


class _SameConv(nn.Conv2d):
    """Stride 1 with an even kernel keeps the size by one more row and column of padding at the end."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(F.pad(input, (1, 2, 1, 2)))


class _SameUp(nn.ConvTranspose2d):
    """The transposed twin of `_SameConv`."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        return super().forward(input)[..., 1:-2, 1:-2]


class Stack(nn.Module):
    """Blocks of layer, batch norm, nonlinearity, built from the rows of a table."""

    def __init__(self, blocks: Sequence[nn.Module]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)

    def forward(self, x: Tensor, domains: Sequence[Domain]) -> Tensor:
        for block in self.blocks:
            x = block(x, domains) if isinstance(block, BatchNorm | _Residual) else block(x)
        return x


@dataclass(frozen=True)
class Style:
    """How the layers of D and Q are built.

    Attributes:
        factor: on every hidden width.
        leak: slope of the leaky ReLU below zero.
        bound: of their layers under spectral norm; None: batch norm keeps them in bounds.
    """

    factor: float
    leak: float
    bound: float | None = None

    def normalized(self, layer: AnyLayer) -> AnyLayer:
        """The layer itself, or under spectral norm."""
        return bounded(layer, self.bound)

    def after(self, width: int, norm: bool) -> list[nn.Module]:
        """What follows a layer: batch norm, where it has one, and the nonlinearity."""
        batch = [BatchNorm(width, ("real", "fake"))] if norm and self.bound is None else []
        return [*batch, nn.LeakyReLU(self.leak, inplace=True)]


class _Residual(nn.Module):
    """A picture changed in size, plus what two convolutions make of it (He et al. 2016, pre-activation)."""

    def __init__(self, resize: nn.Module, around: nn.Module, inside: Stack) -> None:
        super().__init__()
        self.resize, self.around, self.inside = resize, around, inside

    def forward(self, x: Tensor, domains: Sequence[Domain]) -> Tensor:
        total: Tensor = self.around(self.resize(x)) + self.inside(x, domains)
        return total


def _shrink(inputs: int, outputs: int, style: Style) -> _Residual:
    """Half the size, without batch norm: a block of D and Q."""
    inside = [
        nn.LeakyReLU(style.leak),
        style.normalized(nn.Conv2d(inputs, outputs, 3, padding=1)),
        nn.LeakyReLU(style.leak, inplace=True),
        style.normalized(Conv(outputs, outputs, KERNEL, 2, padding=1)),
    ]
    return _Residual(nn.AvgPool2d(2), style.normalized(nn.Conv2d(inputs, outputs, 1)), Stack(inside))


def _grow(inputs: int, outputs: int, odd: bool) -> _Residual:
    """Twice the size, or one more: a block of G."""
    enlarge: nn.Module = nn.Upsample(scale_factor=2)
    if odd:
        enlarge = nn.Sequential(enlarge, nn.ReplicationPad2d((0, 1, 0, 1)))
    inside = [
        _up_layer(inputs, outputs, 2, odd),
        BatchNorm(outputs, ("fake",)),
        nn.ReLU(inplace=True),
        nn.Conv2d(outputs, outputs, 3, padding=1),
    ]
    return _Residual(enlarge, nn.Conv2d(inputs, outputs, 1), Stack(inside))


def _conv_layer(inputs: int, outputs: int, stride: int) -> nn.Module:
    if stride == 1:
        return _SameConv(inputs, outputs, KERNEL)
    return Conv(inputs, outputs, KERNEL, stride, padding=1)


def _up_layer(inputs: int, outputs: int, stride: int, odd: bool) -> nn.Module:
    if stride == 1:
        return _SameUp(inputs, outputs, KERNEL)
    return Up(inputs, outputs, KERNEL, stride, padding=1, output_padding=int(odd))


def _scaled(width: int, factor: float) -> int:
    """A hidden width times the width factor, as a multiple of 8."""
    return max(8, round(width * factor / 8) * 8)


def _downward(rows: Sequence[Layer], channels: int, size: int, style: Style) -> tuple[list[nn.Module], int]:
    """Blocks of D and Q from an image (or, at size 1, from features), and the features they end in."""
    blocks: list[nn.Module] = []
    picture = False
    for row in rows:
        width = _scaled(row.width, style.factor)
        if row.kind == "shrink":
            blocks.append(_shrink(channels, width, style))
            size //= 2
        elif row.kind == "conv":
            blocks.append(style.normalized(_conv_layer(channels, width, row.stride)))
            blocks += style.after(width, row.norm)
            size //= row.stride
        else:
            blocks += [_Flatten()] if picture else []
            blocks.append(style.normalized(Dense(channels * size * size, width)))
            blocks += style.after(width, row.norm)
            size = 1
        picture = row.kind in ("conv", "shrink")
        channels = width
    if rows and rows[-1].kind == "shrink":
        blocks.append(nn.LeakyReLU(style.leak, inplace=True))
    if picture:
        blocks.append(_Flatten())
    return blocks, channels * size * size


class Trunk(Stack):
    """What D and Q share: images [N, C, H, W] to features [N, F] (appendix C).

    Args:
        table: the architecture.
        channels: of the images.
        size: of the images.
        style: how its layers are built.
    """

    def __init__(self, table: Architecture, channels: int, size: int, style: Style) -> None:
        blocks, features = _downward(table.trunk, channels, size, style)
        super().__init__(blocks)
        self.features = features


class Discriminator(nn.Module):
    """D's head: features to one logit, log D/(1 - D). The sigmoid lives in the loss."""

    def __init__(self, features: int, bound: float | None = None) -> None:
        super().__init__()
        self.output = bounded(nn.Linear(features, 1), bound)

    def forward(self, features: Float[Tensor, "n features"]) -> Float[Tensor, " n"]:
        logits: Tensor = self.output(features)
        return logits.flatten()


class Recognition(nn.Module):
    """Q's head: features to the raw outputs of all posteriors.

    Args:
        table: the architecture.
        features: of the trunk.
        outputs: raw outputs of all posteriors.
        style: how its layers are built; batch norm keeps them in bounds also above a trunk without.
        subcodes: raw outputs of all sub-codes, which only training on real images reads; 0: none.
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
        raw: Tensor = self.output(self.hidden(features, domains))
        return raw

    def read(
        self, features: Float[Tensor, "n features"], domains: Sequence[Domain]
    ) -> tuple[Float[Tensor, "n outputs"], Float[Tensor, "n subcodes"] | None]:
        """The same, with the raw outputs of the sub-codes where there are some."""
        hidden = self.hidden(features, domains)
        return self.output(hidden), None if self.subcodes is None else self.subcodes(hidden)


class PairClassifier(nn.Module):
    """Says which code two generated images share (Lin et al. 2020: the CR discriminator).

    D's trunk once more, over both images as channels of one, and a dense layer.

    Args:
        trunk: of images with the channels of two.
        places: codes that could be shared.
    """

    def __init__(self, trunk: Trunk, places: int) -> None:
        super().__init__()
        self.trunk = trunk
        self.output = nn.Linear(trunk.features, places)

    def forward(
        self, first: Float[Tensor, "n c h w"], second: Float[Tensor, "n c h w"]
    ) -> Float[Tensor, "n places"]:
        logits: Tensor = self.output(self.trunk(torch.cat([first, second], dim=1), ("fake",)))
        return logits


_UPWARD = ("up", "grow")


class Generator(nn.Module):
    """Latents [N, L] to images [N, C, H, W] in the range of the table's output."""

    def __init__(self, table: Architecture, latents: int, channels: int, size: int, width: float) -> None:
        super().__init__()
        strides = [2 if row.kind == "grow" else row.stride for row in table.generator if row.kind in _UPWARD]
        strides.append(2)
        sizes = [size]  # from the image back to the first picture
        for stride in reversed(strides):
            sizes.append(sizes[-1] // stride)
        if sizes[-1] < 1:
            raise ConfigError(
                f"network.architecture: {len(strides)} up-convolutions reach below one pixel at size {size}",
                f"images of at least {math.prod(strides)} pixels",
                "--set architecture=generic",
            )
        blocks, inputs = self._blocks(table, latents, list(reversed(sizes)), width)
        self.hidden = Stack(blocks)
        self.output = _up_layer(inputs, channels, 2, odd=size % 2 == 1)
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
                blocks.append(_grow(inputs, width, odd))
                features = width
            elif row.kind == "up":
                blocks.append(_up_layer(inputs, width, row.stride, odd))
                features = width
            else:
                features = width * (sizes[0] ** 2 if row.kind == "picture" else 1)
                blocks.append(Dense(inputs, features))
            # A picture is normalised before it is one: each of its outputs apart (6,272 on MNIST).
            after: list[nn.Module] = [BatchNorm(features, ("fake",))] if row.norm else []
            after.append(nn.LeakyReLU(row.leak, inplace=True) if row.leak else nn.ReLU(inplace=True))
            blocks += reversed(after) if table.norm_last else after
            blocks += [_Unflatten(sizes[0], width)] if row.kind == "picture" else []
            inputs = width
        return blocks, inputs

    def forward(self, latents: Float[Tensor, "n latents"]) -> Float[Tensor, "n c h w"]:
        images: Tensor = self.nonlinearity(self.output(self.hidden(latents, ("fake",))))
        return images


def initialise(module: nn.Module, generator: torch.Generator) -> None:
    """Every weight of `module`, drawn anew as in the authors' code, in the order of its submodules.

    Convolutions N(0, .02) truncated at two standard deviations, other layers N(0, .02), batch norm gains
    N(1, .02), biases 0, running statistics those of standard normal features; vectors of spectral norm from
    a random start.
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
    """Gives the dense weights of a `module` that was just initialised another standard deviation."""
    with torch.no_grad():
        for part in module.modules():
            if isinstance(part, nn.Linear):
                raw_weight(part).mul_(std / STD)
