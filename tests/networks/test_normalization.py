"""Spectral norm and the networks that stand on it: bounded layers, no batch in an image's logit, any size."""

from __future__ import annotations

import copy
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from infogan import networks, streams
from infogan.config import Categorical, Config, DataConfig, LatentsConfig, NetworkConfig, Uniform
from infogan.model import InfoGAN
from infogan.networks.normalization import (
    BatchNorm,
    SharedIterations,
    SpectralNorm,
    begin_spectrum,
    raw_weight,
    spectral,
)

BOUND = 1.5


def build(size: int, *, table: str = "generic", normalization: str = "spectral", seed: int = 0) -> InfoGAN:
    config = Config(
        data=DataConfig(source="digits", size=size, channels=3),
        latents=LatentsConfig(noise=4, codes={"kind": Categorical(3), "style": Uniform()}),
        network=NetworkConfig(architecture=table, normalization=normalization, width=0.125),
    )
    return InfoGAN(config.model_copy(update={"training": config.training.model_copy(update={"seed": seed})}))


def numbers(*shape: int) -> Tensor:
    return torch.randn(shape, generator=streams.generator(0, "test"))


def spread(layer: nn.Module, towards: float) -> None:
    """A weight whose singular values are from `towards` down to nearly nothing."""
    weight = raw_weight(layer)
    left, _, right = torch.linalg.svd(weight.detach().flatten(1), full_matrices=False)
    values = towards * 0.7 ** torch.arange(left.shape[1])
    with torch.no_grad():
        weight.copy_((left * values @ right).view_as(weight))


def changed(towards: float) -> nn.Module:
    """A layer whose weight is no longer the one that its vector was begun with."""
    layer = spectral(nn.Linear(12, 7), BOUND)
    begin_spectrum(layer, streams.generator(0, "test"))
    spread(layer, towards)
    return layer


def largest(layer: nn.Module) -> float:
    assert isinstance(layer.weight, Tensor)
    return float(torch.linalg.matrix_norm(layer.weight.detach().flatten(1), 2))


@pytest.mark.parametrize("layer", [nn.Linear(12, 7), nn.Conv2d(3, 8, 4)], ids=["dense", "conv"])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_a_weight_of_any_size_magnifies_alike(layer: nn.Module, scale: float) -> None:
    normalized = spectral(copy.deepcopy(layer), BOUND)
    spread(normalized, scale)
    begin_spectrum(normalized, streams.generator(0, "test"))
    assert largest(normalized.eval()) == pytest.approx(BOUND, rel=1e-3)


def test_the_norm_follows_a_weight_that_changes_in_training() -> None:
    layer = changed(5.0)
    for _ in range(30):
        layer(numbers(2, 12))
    assert largest(layer.eval()) == pytest.approx(BOUND, rel=1e-3)


def test_reading_a_layer_outside_of_training_changes_nothing() -> None:
    layer = changed(5.0).eval()
    before = layer.get_buffer("parametrizations.weight.0.vector").clone()
    first, second = layer(numbers(2, 12)), layer(numbers(2, 12))
    assert torch.equal(first, second)
    assert torch.equal(layer.get_buffer("parametrizations.weight.0.vector"), before)


def test_the_gradient_is_that_of_the_divided_weight() -> None:
    """Not of the raw one: a longer raw weight is the same function, so there is no gradient along it."""
    layer = changed(2.0)
    for _ in range(50):
        layer(numbers(2, 12))
    layer.eval()(numbers(5, 12)).square().sum().backward()
    weight = raw_weight(layer)
    assert weight.grad is not None
    along = nn.functional.cosine_similarity(weight.grad.flatten(), weight.detach().flatten(), dim=0)
    assert abs(along.item()) < 1e-3


def test_spectral_norm_stands_on_every_layer_of_d_and_the_trunk_alone() -> None:
    model = build(16)
    plain = {
        name
        for name, part in model.named_modules()
        if isinstance(part, nn.Linear | nn.Conv2d) and not hasattr(part, "parametrizations")
    }
    assert {name.split(".")[0] for name in plain} == {"generator", "recognition"}
    assert not [part for part in model.trunk.modules() if isinstance(part, BatchNorm)]
    for network in (model.generator, model.recognition):
        assert not [part for part in network.modules() if isinstance(part, SpectralNorm)]


def test_without_batch_norm_an_image_is_judged_by_itself_alone_while_training() -> None:
    images = numbers(6, 3, 16, 16)

    def logits(model: InfoGAN, shown: Tensor) -> Tensor:
        for part in model.modules():  # both passes by the same weights
            if isinstance(part, SpectralNorm):
                part.iterate = lambda _: None  # type: ignore[method-assign]
        return model.discriminator(model.trunk(shown, ("real",)))

    alone = {
        kind: logits(build(16, normalization=kind).train(), images[:3]) for kind in ("spectral", "batch")
    }
    in_company = {kind: logits(build(16, normalization=kind).train(), images)[:3] for kind in alone}
    assert torch.allclose(alone["spectral"], in_company["spectral"], atol=1e-6)
    assert not torch.allclose(alone["batch"], in_company["batch"], atol=1e-6)


@pytest.mark.parametrize("size", [8, 9, 15, 16, 28, 31, 32, 47, 64, 97, 128])
@pytest.mark.parametrize("normalization", ["spectral", "batch"])
def test_residual_networks_draw_and_read_any_size(size: int, normalization: str) -> None:
    model = build(size, table="residual", normalization=normalization)
    made = model.sample(2)
    assert made.shape == (2, size, size, 3)
    assert model.encode(made)["kind"].shape == (2, 3)
    image = torch.rand(1, 3, size, size, generator=streams.generator(0, "test")).requires_grad_()
    model.discriminator(model.trunk(image, ("real",))).sum().backward()
    assert image.grad is not None
    assert (image.grad != 0).float().mean() > 0.95


def test_residual_blocks_lead_from_half_the_image_to_four_pixels_or_a_little_more() -> None:
    for size in (16, 28, 32, 64, 100, 128):
        table = networks.residual_table(size)
        shrinking = sum(row.kind == "shrink" for row in table.trunk)
        assert 4 <= size // 2 // 2**shrinking < 8
        growing = sum(row.kind == "grow" for row in table.generator)
        assert growing == shrinking
        widths = [row.width for row in table.trunk]
        assert all(low <= high for low, high in pairwise(widths))


def test_the_same_seed_draws_the_same_networks_and_another_seed_others() -> None:
    first, again, other = (build(16, table="residual", seed=seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[name], again[name]) for name in first)
    vectors = [name for name, value in first.items() if name.endswith("vector") and len(value) > 1]
    assert vectors
    assert not any(torch.equal(first[name], other[name]) for name in vectors)


def test_an_evaluation_inside_a_step_has_the_gradient_of_the_statistics_that_it_used() -> None:
    """Q evaluates generated images before a pass of real ones changes the running statistics."""
    norm = BatchNorm(3, ("real",))
    networks.initialise(norm, streams.generator(0, "test"))
    x = numbers(5, 3).requires_grad_()
    expected = norm.weight.detach() / (1 + norm.eps) ** 0.5
    out = norm.eval()(x, ("real",))
    norm.train()(4 * numbers(6, 3), ("real",))
    out.sum().backward()
    torch.testing.assert_close(x.grad, expected.expand(5, 3))


def test_one_iteration_per_step_serves_all_passes_and_finds_the_norm() -> None:
    layers = nn.ModuleList([spectral(nn.Linear(12, 8), BOUND), spectral(nn.Conv2d(3, 5, 4), BOUND)])
    for layer in layers:
        spread(layer, towards=7.0)
        begin_spectrum(layer, streams.generator(0, "spectrum"))
    iterations = SharedIterations(layers.train())
    for _ in range(40):
        iterations.iterate()
    vectors = {name: value.clone() for name, value in layers.named_buffers()}
    for layer in layers:
        first, second = layer.weight, layer.weight
        assert torch.equal(first, second)
        assert torch.linalg.matrix_norm(first.flatten(1), 2).item() == pytest.approx(BOUND, rel=1e-3)
    assert all(torch.equal(value, vectors[name]) for name, value in layers.named_buffers())


def test_one_iteration_per_step_is_that_of_the_first_pass() -> None:
    layer = spectral(nn.Linear(12, 8), BOUND)
    begin_spectrum(layer, streams.generator(0, "spectrum"))
    shared = copy.deepcopy(layer)
    first = layer.train().weight
    SharedIterations(nn.ModuleList([shared]).train()).iterate()
    torch.testing.assert_close(shared.weight, first)
    loss = (numbers(8, 12) * first).sum()
    (wanted,) = torch.autograd.grad(loss, raw_weight(layer))
    (found,) = torch.autograd.grad((numbers(8, 12) * shared.weight).sum(), raw_weight(shared))
    torch.testing.assert_close(found, wanted)
    torch.testing.assert_close(shared.eval().weight, layer.eval().weight)
