"""The number of multiply-adds of one step of the `paper` recipe, counted from the networks.

A layer costs, for one image and one pass,

    dense                   inputs * outputs
    convolution             4 * 4 * channels in * channels out * positions of its output
    transposed convolution  4 * 4 * channels in * channels out * positions of its input

(including taps on padding, as usual). Its forward pass, its backward pass to the weights
and its backward pass to the inputs cost the same. With G, T (trunk), D and Q the sums over all layers of a
network, and G1 and T1 those of its first layer alone, a step needs for each image of its batch

    D step, on one real and one generated image:
        G                               the generated image, without gradients
        2 T + 2 D + Q                   forward; Q predicts codes of generated images only
        2 T + 2 D + Q                   backward to the weights
        2 (T - T1) + 2 D + Q            backward to the inputs, except those of the first layer: images
    G step, on another generated image, through a frozen trunk, D and Q:
        G                               forward
        T + D + Q                       forward
        T + D + Q                       backward to the inputs, down to the image
        G                               backward to the weights
        G - G1                          backward to the inputs, except those of the first layer: latents

in all 4 G - G1 + 8 T - 2 T1 + 8 D + 5 Q multiply-adds, with two floating-point operations each. Not
counted are batch norm, nonlinearities, losses, optimizers and data, and the pass of real features through Q,
which only updates statistics.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from infogan.model import InfoGAN

FLOPS = 2
"""Floating-point operations of one multiply-add."""


@dataclass(frozen=True)
class Networks:
    """Multiply-adds of one pass of one image, for each layer of a network in order."""

    generator: tuple[int, ...]
    trunk: tuple[int, ...]
    discriminator: tuple[int, ...]
    recognition: tuple[int, ...]


def count(model: InfoGAN) -> Networks:
    """Return the multiply-adds of every layer of `model`, from the shapes of its inputs and outputs."""
    size, channels = model.config.data.size, model.config.data.channels
    if size is None or channels is None:
        raise ValueError("the model has no image size")
    image, features = torch.zeros(1, channels, size, size), torch.zeros(1, model.trunk.features)
    return Networks(
        generator=_layers(model.generator, torch.zeros(1, model.latents.width)),
        trunk=_layers(model.trunk, image, ("fake",)),
        discriminator=_layers(model.discriminator, features),
        recognition=_layers(model.recognition, features, ("fake",)),
    )


def step_operations(networks: Networks) -> int:
    """Return the multiply-adds of one step of `paper` for each image of its batch: the sum above."""
    generator, trunk = sum(networks.generator), sum(networks.trunk)
    discriminator, recognition = sum(networks.discriminator), sum(networks.recognition)
    heads = 2 * discriminator + recognition
    d_step = generator + 3 * (2 * trunk + heads) - 2 * networks.trunk[0]
    g_step = 3 * generator - networks.generator[0] + 2 * (trunk + discriminator + recognition)
    return d_step + g_step


def _layers(network: nn.Module, *inputs: object) -> tuple[int, ...]:
    return tuple(_multiply_adds(*called) for called in layer_calls(network, *inputs))


def layer_calls(network: nn.Module, *inputs: object) -> list[tuple[nn.Module, Tensor, Tensor]]:
    """Return the counted layers of a pass in the order of their calls, each with its input and output."""
    calls: list[tuple[nn.Module, Tensor, Tensor]] = []

    def enter(layer: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> None:
        calls.append((layer, given[0], output))

    counted = nn.Linear | nn.Conv2d | nn.ConvTranspose2d
    hooks = [m.register_forward_hook(enter) for m in network.modules() if isinstance(m, counted)]
    try:
        with torch.inference_mode():
            network(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return calls


def _multiply_adds(layer: nn.Module, given: Tensor, output: Tensor) -> int:
    if isinstance(layer, nn.Linear):
        return layer.weight.numel()
    if not isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        raise TypeError(f"{type(layer).__name__} is not a counted layer")
    at = given if isinstance(layer, nn.ConvTranspose2d) else output
    return layer.weight.numel() * at.shape[-2] * at.shape[-1]
