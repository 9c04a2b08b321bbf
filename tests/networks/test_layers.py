"""The layers that train fastest on a CPU are torch's own in all but the order of their sums."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from infogan.networks.layers import Conv, Dense, Resize, Up

CASES = [
    ((5, 30), Dense(30, 7), nn.Linear(30, 7)),
    ((5, 30), Dense(30, 2048), nn.Linear(30, 2048)),  # wide enough for blocks
    ((4, 3, 9, 9), Conv(3, 8, 4, 2, padding=1), nn.Conv2d(3, 8, 4, 2, padding=1)),
    ((4, 8, 10, 10), Conv(8, 16, 4, 2, padding=1), nn.Conv2d(8, 16, 4, 2, padding=1)),
    ((4, 8, 5, 5), Up(8, 16, 4, 2, padding=1), nn.ConvTranspose2d(8, 16, 4, 2, padding=1)),
    ((4, 8, 5, 5), Up(8, 1, 4, 2, padding=1), nn.ConvTranspose2d(8, 1, 4, 2, padding=1)),
    (
        (4, 8, 5, 5),
        Up(8, 3, 4, 2, padding=1, output_padding=1),
        nn.ConvTranspose2d(8, 3, 4, 2, padding=1, output_padding=1),
    ),
]


def results(layer: nn.Module, x: Tensor) -> list[Tensor]:
    """Output, and the gradients of input, weight and bias, of a loss that no symmetry hides."""
    x = x.clone().requires_grad_(True)
    output = layer(x)
    (output.sin() * torch.arange(output.numel()).view_as(output) / output.numel()).sum().backward()
    gradients = [x.grad, *(parameter.grad for parameter in layer.parameters())]
    return [output.detach(), *(gradient for gradient in gradients if gradient is not None)]


@pytest.mark.parametrize("last", [False, True], ids=["contiguous", "channels last"])
@pytest.mark.parametrize(("shape", "ours", "torchs"), CASES, ids=lambda value: type(value).__name__)
def test_outputs_and_gradients_are_those_of_torch(
    shape: tuple[int, ...], ours: nn.Module, torchs: nn.Module, last: bool
) -> None:
    generator = torch.Generator().manual_seed(0)
    for parameter in torchs.parameters():
        nn.init.normal_(parameter, std=0.1, generator=generator)
    ours.load_state_dict(torchs.state_dict())
    x = torch.randn(shape, generator=generator)
    if last and x.ndim == 4:
        x = x.to(memory_format=torch.channels_last)
    for layer in (ours, torchs):
        layer.zero_grad()
    for mine, theirs in zip(results(ours, x), results(torchs, x), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("layer", [ours for _, ours, _ in CASES], ids=lambda layer: type(layer).__name__)
def test_a_frozen_layer_passes_gradients_on_and_keeps_none(layer: nn.Module) -> None:
    shape = next(shape for shape, ours, _ in CASES if ours is layer)
    x = torch.ones(shape, requires_grad=True)
    layer.zero_grad()
    layer.requires_grad_(False)
    layer(x).square().sum().backward()
    layer.requires_grad_(True)
    assert x.grad is not None and all(parameter.grad is None for parameter in layer.parameters())


@pytest.mark.parametrize("odd", [False, True])
def test_resize_is_upsampling_and_a_convolution(odd: bool) -> None:
    """In training on a CPU it is computed in another way, with the same images and gradients."""
    layer = Resize(3, 5, odd)
    results = []
    for training in (True, False):
        x = torch.randn(2, 3, 4, 6, generator=torch.Generator().manual_seed(0)).requires_grad_()
        image = layer.train(training)(x)
        gradients = torch.autograd.grad(image.square().sum(), [x, *layer.parameters()])
        results.append([image, *gradients])
    assert results[0][0].shape == (2, 5, 8 + odd, 12 + odd)
    repeated = torch.nn.functional.interpolate(x, scale_factor=2.0)
    padded = torch.nn.functional.pad(repeated, (0, odd, 0, odd), mode="replicate") if odd else repeated
    plain = torch.nn.functional.conv2d(padded, layer.weight, layer.bias, padding=1)
    torch.testing.assert_close(results[0][0], plain, atol=1e-5, rtol=1e-5)
    for fast, slow in zip(*results, strict=True):
        torch.testing.assert_close(fast, slow, atol=1e-4, rtol=1e-4)
