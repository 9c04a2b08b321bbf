"""The matrix products of one training step, in the shapes of its layers.

The rate of large square products (matrix_rate.py) is a machine's best. The layers multiply matrices of other
shapes, which some processors multiply more slowly; how well the implementation of the layers uses them is the
time of these products alone, relative to that of the step. A convolution counts as the product of its
unfolded images and its weight.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from benchmarks.operations import layer_calls
from infogan.model import InfoGAN

Shape = tuple[int, int, int]
"""Rows, inner dimension and columns of a product."""


def step_products(model: InfoGAN, batch: int) -> Counter[Shape]:
    """Return how often a step of the recipe `paper` needs each product, by the passes of operations.py.

    Args:
        model: the networks.
        batch: images per batch.
    """
    size, channels = model.config.data.size, model.config.data.channels
    assert size is not None
    assert channels is not None
    image, features = torch.zeros(1, channels, size, size), torch.zeros(1, model.trunk.features)
    found: Counter[Shape] = Counter()
    for network, inputs, in_d_step, parts in (
        (model.generator, (torch.zeros(1, model.latents.width),), False, 1),
        (model.trunk, (image, ("fake",)), True, 2),
        (model.discriminator, (features,), True, 2),
        (model.recognition, (features, ("fake",)), True, 1),
    ):
        takes_data = network in (model.trunk, model.generator)  # whose first layer needs no input gradient
        for number, shape in enumerate(_layers(network, *inputs)):
            needs = not (takes_data and number == 0)
            if in_d_step:
                found.update(_passes(shape, parts * batch, weights=True, inputs=needs))
                found.update(_passes(shape, batch, weights=False, inputs=True))
            else:  # the generator, whose images the D step only needs forward
                found.update(_passes(shape, batch, weights=False, inputs=False))
                found.update(_passes(shape, batch, weights=True, inputs=needs))
    return found


def _passes(shape: Shape, batch: int, *, weights: bool, inputs: bool) -> Iterator[Shape]:
    rows, inner, columns = shape
    rows *= batch
    yield rows, inner, columns
    if inputs:
        yield rows, columns, inner
    if weights:
        yield inner, rows, columns


def _layers(network: nn.Module, *inputs: object) -> list[Shape]:
    """Return rows per image, inner dimension and columns of each layer's forward product."""
    return [_product_of(*called) for called in layer_calls(network, *inputs)]


def _product_of(layer: nn.Module, given: Tensor, output: Tensor) -> Shape:
    weight = layer.get_parameter("weight")
    if isinstance(layer, nn.Linear):
        return 1, weight.shape[1], weight.shape[0]
    if isinstance(layer, nn.ConvTranspose2d):
        return given.shape[2] * given.shape[3], len(weight), weight[0].numel()
    return output.shape[2] * output.shape[3], weight[0].numel(), len(weight)


def multiply_adds(products: Counter[Shape]) -> int:
    """Return the multiply-adds of all products."""
    return sum(times * rows * inner * columns for (rows, inner, columns), times in products.items())


class Products:
    """Random matrices of these shapes, multiplied by torch's `mm`."""

    def __init__(self, products: Counter[Shape]) -> None:
        self._products = products
        rng = torch.Generator().manual_seed(0)
        most = max(max(r * i, i * c) for r, i, c in products)
        self._left, self._right = (torch.randn(most, generator=rng) for _ in range(2))

    def seconds(self) -> float:
        """Return the CPU time of all products of a step; each shape is timed once, after a first time."""
        total = 0.0
        for (rows, inner, columns), times in self._products.items():
            left = self._left[: rows * inner].view(rows, inner)
            right = self._right[: inner * columns].view(inner, columns)
            start = time.process_time()
            torch.mm(left, right)
            total += times * (time.process_time() - start)
        return total
