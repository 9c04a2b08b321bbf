"""The networks of appendix C as tables of data. `builder` builds modules from a table.

A block is a layer, followed by batch norm and a nonlinearity; in the table `dsprites`, the last two are
swapped. The paper's kernels are 4x4. A table does not depend on the image size: the size of the generator's
first feature maps follows from the image size and the strides (7x7 for MNIST, 2x2 for SVHN, as in the paper).
Sizes range from 8 to 256. Three things are not in the paper: D and Q of any table can have spectral norm
instead of batch norm, the table `residual` has residual blocks, and in the tables `anchored` and
`anchored-residual` Q has its own encoder.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal

from infogan.errors import ConfigError, did_you_mean
from infogan.images import Output
from infogan.registry import Registry


@dataclass(frozen=True)
class Layer:
    """One row of a table.

    Attributes:
        kind: "dense"; "picture", a dense layer whose outputs become feature maps with `width` channels;
            "conv"; "up", a transposed convolution; "resize", nearest-neighbour upsampling and a 3x3
            convolution; "shrink" or "grow", residual blocks that halve or double the size; or "pool", global
            average pooling.
        width: number of units or channels, before the width factor.
        stride: stride of a convolution.
        norm: True if the layer has batch norm.
        leak: slope below zero of the generator's nonlinearity; D and Q have one slope for all layers.
        kernel: side of the kernels of "conv": 4, or 3, with which an odd size is rounded up. With 3, "grow"
            has nearest-neighbour upsampling and a 3x3 convolution instead of a transposed one.
    """

    kind: Literal["dense", "picture", "conv", "up", "resize", "shrink", "grow", "pool"]
    width: int
    stride: int = 1
    norm: bool = True
    leak: float = 0.0
    kernel: Literal[3, 4] = 4


@dataclass(frozen=True)
class Architecture:
    """A table of layers. The last layers (one logit, the raw posterior, the image) are not listed.

    Attributes:
        trunk: layers that D and Q share; those of D alone if Q has an encoder.
        recognition: Q's own hidden layers on top of the trunk or encoder.
        generator: hidden layers, without the one to the image.
        output: the generator's last nonlinearity, which sets the range of all images.
        leak: slope of the leaky ReLU below zero in D and Q.
        norm_last: True if the generator's batch norm follows the nonlinearity.
        encoder: layers of Q's own trunk; empty if Q shares that of D, as in the paper.
        image_layer: the generator's last layer: "up", a transposed convolution with stride 2; or "conv", a
            3x3 convolution of feature maps that have the size of the image.
    """

    trunk: tuple[Layer, ...]
    recognition: tuple[Layer, ...]
    generator: tuple[Layer, ...]
    output: Output = "sigmoid"
    leak: float = 0.1
    norm_last: bool = False
    encoder: tuple[Layer, ...] = ()
    image_layer: Literal["up", "conv"] = "up"


def _dense(width: int) -> Layer:
    return Layer("dense", width)


def _picture(width: int) -> Layer:
    return Layer("picture", width)


def _conv(width: int, stride: int = 2, norm: bool = True) -> Layer:
    return Layer("conv", width, stride, norm)


def _up(width: int, stride: int = 2, norm: bool = True, leak: float = 0.0) -> Layer:
    return Layer("up", width, stride, norm, leak)


def _resize(width: int) -> Layer:
    return Layer("resize", width)


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
    # Tables 2 (C.2) and 3 (C.3) are the same
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
    """Return a table like that of MNIST for any size: convolutions halve it until it is below 8 pixels."""
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
    """Return a table of residual blocks, down to feature maps of 4 to 7 pixels.

    The layers next to the image are plain convolutions with stride 2, because residual blocks would be too
    slow there.
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


def encoder_rows(size: int) -> tuple[Layer, ...]:
    """Return the layers of the contrastive encoder for images of `size` pixels: 3x3 convolutions, batch norm.

    They have 32, 64, 128 and 256 channels, halve the size three times at 32 pixels, and end with feature maps
    of 4 to 6 pixels at every size: larger images first pass narrow layers, which would dominate the cost.
    """
    halvings = 0
    while size > 6:
        size = (size + 1) // 2
        halvings += 1
    first = ((8, 2), (8, 2), (16, 2))[max(0, 6 - halvings) :]
    strides = (2 if halvings > 2 else 1, 2 if halvings > 1 else 1, 1, 2 if halvings else 1)
    rows = [*first, *zip((32, 64, 128, 256), strides, strict=True)]
    return tuple(Layer("conv", width, stride, kernel=3) for width, stride in rows)


def anchored_table(size: int) -> Architecture:
    """Return the table of the recipe `anchored`: Q has its own encoder, and G no transposed convolution.

    Transposed convolutions leave a checkerboard, upsampling before a 3x3 convolution does not (Odena et al.
    2016). The trunk is for spectral norm, without batch norm.
    """
    widths: list[int] = []
    rest = size
    while rest >= 8:
        rest //= 2
        widths.append(min(48 * 2 ** len(widths), 192))
    return Architecture(
        trunk=tuple(_conv(w, norm=i > 0) for i, w in enumerate(widths)),
        recognition=(_dense(128),),
        generator=(_picture(widths[-1]), *map(_resize, (*reversed(widths[:-1]), 48))),
        output="tanh",
        encoder=encoder_rows(size),
        image_layer="conv",
    )


def anchored_residual_table(size: int) -> Architecture:
    """Return a table as `anchored_table`, with residual blocks in D and G for photographs.

    The layers next to the image are plain, as in `residual_table`.
    """
    plain = residual_table(size)
    rows = [Layer("grow", row.width, kernel=3) for row in plain.generator if row.kind == "grow"]
    return Architecture(
        trunk=plain.trunk,
        recognition=(_dense(128),),
        generator=(plain.generator[0], *rows, _resize(48)),
        output="tanh",
        encoder=encoder_rows(size),
        image_layer="conv",
    )


ARCHITECTURES: Registry[Callable[[int], Architecture]] = Registry("network table")
"""Tables by name, as functions of the image size; those of the paper fit any size."""


def _any_size(table: Architecture) -> Callable[[int], Architecture]:
    return lambda size: table


for _name, _table in TABLES.items():
    ARCHITECTURES.add(_name, _any_size(_table))
ARCHITECTURES.add("generic", generic_table)
ARCHITECTURES.add("residual", residual_table)
ARCHITECTURES.add("anchored", anchored_table)
ARCHITECTURES.add("anchored-residual", anchored_residual_table)


def architecture(name: str, size: int) -> Architecture:
    """Return the table with this name for images of `size` pixels.

    Raises:
        ConfigError: no table has this name.
    """
    check_architecture(name, ARCHITECTURES)
    return ARCHITECTURES[name](size)


def check_architecture(name: str, known: Collection[str] | None = None) -> None:
    """Raise ConfigError if no networks have that name; `known` are all tables and networks of plug-ins."""
    from infogan.networks.custom import NETWORKS

    known = [*ARCHITECTURES, *NETWORKS] if known is None else known
    if name not in known:
        raise ConfigError(
            f"network.architecture = {name!r}: no networks have that name{did_you_mean(name, known)}",
            f"one of {', '.join(known)}",
            "network.architecture = 'generic', which fits any image size",
        )
