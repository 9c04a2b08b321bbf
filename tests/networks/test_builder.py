"""The tables of appendix C as modules: sizes, order, initialisation, batch norm that keeps kinds apart."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from infogan import networks, streams
from infogan.config import (
    Categorical,
    Config,
    DataConfig,
    LatentsConfig,
    NetworkConfig,
    TrainingConfig,
    Uniform,
)
from infogan.errors import ConfigError
from infogan.model import InfoGAN
from infogan.networks import Stack, Style
from infogan.networks.blocks import conv_layer, up_layer
from infogan.networks.layers import Resize
from infogan.networks.normalization import BatchNorm


def categories(count: int, size: int) -> dict[str, Any]:
    return {f"category{i}": Categorical(size) for i in range(count)}


def uniforms(count: int) -> dict[str, Any]:
    return {f"uniform{i}": Uniform() for i in range(count)}


PAPER: dict[str, tuple[int, int, int, dict[str, Any]]] = {
    # size, channels, noise and codes of appendix C
    "mnist": (28, 1, 62, categories(1, 10) | uniforms(2)),
    "svhn": (32, 3, 124, categories(4, 10) | uniforms(4)),
    "celeba": (32, 3, 128, categories(10, 10)),
    "faces": (32, 1, 128, uniforms(5)),
    "chairs": (64, 1, 128, categories(3, 20) | uniforms(1)),
}


def build(
    size: int,
    channels: int = 1,
    *,
    table: str = "generic",
    width: float = 0.125,
    noise: int = 4,
    codes: dict[str, Any] | None = None,
    seed: int = 0,
) -> InfoGAN:
    return InfoGAN(
        Config(
            data=DataConfig(source="digits", size=size, channels=channels),
            latents=LatentsConfig(noise=noise, codes=codes or categories(1, 3) | uniforms(1)),
            network=NetworkConfig(architecture=table, width=width),
            training=TrainingConfig(seed=seed),
        )
    )


@pytest.fixture(scope="module")
def paper() -> dict[str, InfoGAN]:
    """The five tables at their full width, built once."""
    return {
        name: build(size, channels, table=name, width=1.0, noise=noise, codes=codes)
        for name, (size, channels, noise, codes) in PAPER.items()
    }


def parameters(*modules: nn.Module) -> int:
    return sum(parameter.numel() for module in modules for parameter in module.parameters())


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=streams.generator(seed, "test"))


def pictures(count: int, size: int, channels: int, seed: int = 0) -> np.ndarray:
    drawn = torch.randint(256, (count, size, size, channels), generator=streams.generator(seed, "test"))
    return drawn.to(torch.uint8).numpy()


def described(stack: Stack) -> list[str]:
    """Each block in a word; what only moves axes is left out."""
    words: list[str] = []
    for block in stack.blocks:
        match block:
            case nn.Linear():
                words.append(f"FC{block.out_features}")
            case nn.ConvTranspose2d():
                words.append(f"up{block.out_channels}s{block.stride[0]}")
            case nn.Conv2d():
                words.append(f"conv{block.out_channels}s{block.stride[0]}")
            case BatchNorm():
                words.append("BN")
            case nn.ReLU():
                words.append("R")
            case nn.LeakyReLU():
                words.append(f"lR{block.negative_slope}")
    return words


# --- the contrastive encoder -----------------------------------------------------------------------------


@pytest.mark.parametrize("size", [8, 13, 16, 28, 32, 37, 48, 64, 96, 128, 256])
def test_the_encoder_ends_with_feature_maps_of_four_to_six_pixels_at_every_size(size: int) -> None:
    table = networks.Architecture(trunk=networks.encoder_rows(size), recognition=(), generator=())
    trunk = networks.Trunk(table, 3, size, Style(1.0, 0.0))
    networks.initialise(trunk, streams.generator(0, "weights"))
    features = trunk(torch.zeros(2, 3, size, size), ("real",))
    assert features.shape == (2, trunk.features)
    assert trunk.features in {256 * side**2 for side in (4, 5, 6)}


def test_the_encoder_at_32_pixels_halves_the_size_three_times() -> None:
    table = networks.Architecture(trunk=networks.encoder_rows(32), recognition=(), generator=())
    blocks = described(networks.Trunk(table, 1, 32, Style(1.0, 0.0)))
    assert [block for block in blocks if "conv" in block] == [
        "conv32s2",
        "conv64s2",
        "conv128s1",
        "conv256s2",
    ]
    assert blocks.count("BN") == 4


def test_pooling_turns_feature_maps_into_one_number_per_channel() -> None:
    rows = (*networks.encoder_rows(32), networks.Layer("pool", 256))
    trunk = networks.Trunk(networks.Architecture(rows, (), ()), 1, 32, Style(1.0, 0.0))
    networks.initialise(trunk, streams.generator(0, "weights"))
    maps = networks.Trunk(networks.Architecture(rows[:-1], (), ()), 1, 32, Style(1.0, 0.0))
    maps.load_state_dict(trunk.state_dict())
    images = torch.rand(3, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    mean = maps.eval()(images, ("real",)).unflatten(1, (16, 256)).mean(1)
    torch.testing.assert_close(trunk.eval()(images, ("real",)), mean)


# --- the paper's tables ----------------------------------------------------------------------------------


def test_mnist_has_the_known_numbers_of_parameters(paper: dict[str, InfoGAN]) -> None:
    mnist = paper["mnist"]
    assert parameters(mnist.generator) == 6_652_481
    assert parameters(mnist.trunk, mnist.discriminator, mnist.recognition) == 6_692_431
    assert mnist.latents.posterior_width == 14


@pytest.mark.parametrize(
    ("name", "inputs"), [("mnist", 74), ("svhn", 168), ("celeba", 228), ("faces", 133), ("chairs", 189)]
)
def test_the_generator_reads_as_many_numbers_as_the_paper_says(
    name: str, inputs: int, paper: dict[str, InfoGAN]
) -> None:
    first = paper[name].generator.hidden.blocks[0]
    assert isinstance(first, nn.Linear)
    assert paper[name].latents.width == first.in_features == inputs


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("mnist", (128, 7, 7)),
        ("svhn", (448, 2, 2)),
        ("celeba", (448, 2, 2)),
        ("faces", (128, 8, 8)),
        ("chairs", (256, 8, 8)),
    ],
)
def test_the_generator_starts_from_the_paper_s_picture(
    name: str, shape: tuple[int, ...], paper: dict[str, InfoGAN]
) -> None:
    model = paper[name]
    seen: list[tuple[int, ...]] = []
    up = next(block for block in model.generator.hidden.blocks if isinstance(block, nn.ConvTranspose2d))
    handle = up.register_forward_pre_hook(lambda _, inputs: seen.append(tuple(inputs[0].shape[1:])))
    with torch.no_grad():
        images = model.generator(numbers(2, model.latents.width))
    handle.remove()
    assert seen == [shape]
    assert images.shape == (2, PAPER[name][1], PAPER[name][0], PAPER[name][0])


L = "lR0.1"
TABLES = {
    "mnist": (
        f"conv64s2 {L} conv128s2 BN {L} FC1024 BN {L}",
        f"FC128 BN {L}",
        "FC1024 BN R FC6272 BN R up64s2 BN R",
    ),
    "svhn": (
        f"conv64s2 {L} conv128s2 BN {L} conv256s2 BN {L}",
        f"FC128 BN {L}",
        "FC1792 BN R up256s2 BN R up128s2 R up64s2 R",
    ),
    "faces": (f"conv64s2 {L} conv128s2 BN {L} FC1024 BN {L}", "", "FC1024 BN R FC8192 BN R up64s2 BN R"),
    "chairs": (
        f"conv64s2 {L} conv128s2 BN {L} conv256s2 BN {L} conv256s1 BN {L} conv256s1 BN {L} FC1024 BN {L}",
        "",
        "FC1024 BN R FC16384 BN R up256s1 BN R up256s1 BN R up128s2 BN R up64s2 BN R",
    ),
}
TABLES["celeba"] = TABLES["svhn"]


@pytest.mark.parametrize("name", PAPER)
def test_layers_stand_in_the_paper_s_order(name: str, paper: dict[str, InfoGAN]) -> None:
    """Layer, then batch norm, then nonlinearity; the first of D and two of SVHN's G have no norm."""
    model = paper[name]
    trunk, recognition, generator = TABLES[name]
    assert " ".join(described(model.trunk)) == trunk
    assert " ".join(described(model.recognition.hidden)) == recognition
    assert " ".join(described(model.generator.hidden)) == generator


def test_the_generator_of_dsprites_has_batch_norm_behind_its_nonlinearities() -> None:
    model = build(64, table="dsprites", width=1.0, noise=5, codes=uniforms(5))
    leaky = "lR0.2 BN"
    assert " ".join(described(model.generator.hidden)) == (
        f"FC128 R BN FC1024 R BN up64s2 {leaky} up32s2 {leaky} up32s2 {leaky}"
    )
    assert " ".join(described(model.recognition.hidden)) == "FC128 BN lR0.2"


@pytest.mark.parametrize("name", PAPER)
def test_the_image_and_the_answers_come_from_a_last_layer_without_norm(
    name: str, paper: dict[str, InfoGAN]
) -> None:
    model, (_, channels, _, _) = paper[name], PAPER[name]
    output = model.generator.output
    assert isinstance(output, nn.ConvTranspose2d)
    assert (output.out_channels, output.stride) == (channels, (2, 2))
    assert model.discriminator.output.out_features == 1
    assert model.recognition.output.out_features == model.latents.posterior_width
    ends = {"svhn": nn.Tanh, "celeba": nn.Tanh}
    assert isinstance(model.generator.nonlinearity, ends.get(name, nn.Sigmoid))


@pytest.mark.parametrize("name", PAPER)
def test_every_kernel_is_four_by_four_and_every_layer_has_a_bias(
    name: str, paper: dict[str, InfoGAN]
) -> None:
    for part in paper[name].modules():
        if isinstance(part, nn.Conv2d | nn.ConvTranspose2d):
            assert part.kernel_size == (4, 4)
        if isinstance(part, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            assert part.bias is not None


def test_a_picture_is_normalised_in_each_of_its_outputs(paper: dict[str, InfoGAN]) -> None:
    norms = [block for block in paper["mnist"].generator.hidden.blocks if isinstance(block, BatchNorm)]
    assert [norm.weight.numel() for norm in norms] == [1_024, 6_272, 64]


def test_an_unknown_table_is_an_error_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match="did you mean 'mnist'"):
        networks.architecture("mnistt", 28)


# --- any size --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "channels"),
    [
        (8, 1),
        (9, 1),
        (10, 3),
        (15, 4),
        (16, 1),
        (28, 1),
        (31, 3),
        (33, 4),
        (50, 1),
        (97, 3),
        (255, 1),
        (256, 3),
    ],
)
def test_any_size_is_drawn_and_read(size: int, channels: int) -> None:
    model = build(size, channels, width=0.03)  # every layer 8 to 32 wide
    made = model.sample(2, seed=0)
    assert (made.dtype, made.shape) == (np.uint8, (2, size, size, channels))
    codes = model.encode(made)
    assert {name: value.shape for name, value in codes.items()} == {"category0": (2, 3), "uniform0": (2,)}
    # Every pixel has a say, down to the last row and column of an odd size.
    image = torch.rand(1, channels, size, size, generator=streams.generator(0, "test")).requires_grad_()
    model.recognition(model.trunk(image, ("real",)), ("real",)).square().sum().backward()
    assert image.grad is not None
    assert (image.grad != 0).float().mean() > 0.95


@pytest.mark.parametrize("size", [29, 30, 31])
@pytest.mark.parametrize("table", ["mnist", "svhn", "faces", "chairs"])
def test_a_table_serves_other_sizes_than_its_own(table: str, size: int) -> None:
    model = build(size, 3, table=table)
    assert model.sample(2, seed=0).shape == (2, size, size, 3)
    assert np.isfinite(model.encode(model.sample(2, seed=0))["category0"]).all()


def test_an_image_too_small_for_its_table_is_refused() -> None:
    with pytest.raises(ConfigError, match="below one pixel") as caught:
        build(8, 3, table="svhn")
    assert "16 pixels" in caught.value.expected
    assert build(16, 3, table="svhn").sample(1).shape == (1, 16, 16, 3)


def test_the_width_factor_scales_hidden_layers_alone() -> None:
    half, whole = build(28, table="mnist", width=0.5), build(28, table="mnist", width=1.0)
    assert re.findall(r"\d+", " ".join(described(half.trunk)).replace(L, "")) == ["32", "2", "64", "2", "512"]
    assert half.trunk.features * 2 == whole.trunk.features
    assert half.latents.width == whole.latents.width
    assert half.sample(1).shape == whole.sample(1).shape
    # Most parameters lie between two hidden layers, so a half of the width is a quarter of them.
    assert parameters(half) / parameters(whole) == pytest.approx(0.25, abs=0.02)


def test_no_layer_is_scaled_away() -> None:
    assert re.findall(r"\d+", " ".join(described(build(8, width=1e-3).trunk)).replace(L, "")) == [
        "8",
        "2",
        "8",
    ]


def test_a_size_or_number_of_channels_that_is_not_set_is_refused() -> None:
    with pytest.raises(ConfigError, match="not set"):
        InfoGAN(Config(data=DataConfig(source="folder"), latents=LatentsConfig(codes=categories(1, 2))))


def test_stride_one_keeps_the_size_and_its_twin_undoes_the_shift() -> None:
    """An even kernel cannot be centred; the pair of layers must not let pictures drift."""
    down, up = conv_layer(1, 1, 1), up_layer(1, 1, 1, odd=False)
    picture = torch.zeros(1, 1, 9, 9)
    picture[0, 0, 4, 4] = 1
    with torch.no_grad():
        for layer in (down, up):
            layer.weight.zero_()
            layer.weight[0, 0, 1, 1] = 1  # the tap on the pixel itself
            layer.bias.zero_()
            assert torch.equal(layer(picture), picture)


# --- the tables of the recipe anchored -------------------------------------------------------------------


@pytest.mark.parametrize("table", ["anchored", "anchored-residual"])
@pytest.mark.parametrize("size", [8, 9, 15, 28, 33, 64, 97, 255, 256])
def test_a_generator_without_transposed_convolutions_fits_any_size(table: str, size: int) -> None:
    model = build(size, 3, table=table, width=0.03)
    assert not any(isinstance(part, nn.ConvTranspose2d) for part in model.generator.modules())
    assert model.sample(2).shape == (2, size, size, 3)
    assert model.encode(model.sample(2))["uniform0"].shape == (2,)


def test_the_anchored_table_at_32_pixels() -> None:
    model = build(32, table="anchored", width=1.0)
    assert described(model.trunk) == ["conv48s2", L, "conv96s2", "BN", L, "conv192s2", "BN", L]
    resized = [block.out_channels for block in model.generator.hidden.blocks if isinstance(block, Resize)]
    assert resized == [96, 48, 48]
    assert isinstance(model.generator.nonlinearity, nn.Tanh)
    output = model.generator.output
    assert isinstance(output, nn.Conv2d) and output.kernel_size == (3, 3)
    assert [word for word in described(model.encoder) if word.startswith("conv")] == [
        "conv32s2",
        "conv64s2",
        "conv128s1",
        "conv256s2",
    ]


def test_upsampling_and_convolution_leave_no_checkerboard() -> None:
    """Constant feature maps become constant inside, whatever the weights are; transposed ones do not."""
    resize, transposed = Resize(3, 2, odd=False), up_layer(3, 2, 2, odd=False)
    for layer in (resize, transposed):
        torch.nn.init.normal_(layer.weight)
    constant = torch.ones(1, 3, 8, 8)
    with torch.no_grad():
        inside = [layer(constant)[..., 3:-3, 3:-3].flatten(2).std(2).max() for layer in (resize, transposed)]
    assert inside[0] < 1e-5 < 0.1 < inside[1]


def test_the_logit_of_a_pair_adds_the_projection_of_its_codes() -> None:
    head = networks.Discriminator(6, 1.0, codes=2)
    networks.initialise(head, streams.generator(0, "test"))
    head.eval()
    features, codes = numbers(4, 6), numbers(4, 2, seed=1)
    with torch.no_grad():
        alone, zero, pair = head(features), head(features, torch.zeros(4, 2)), head(features, codes)
        assert torch.equal(alone, zero)
        projection = ((codes @ head.embedding.weight.t()) * features).sum(1)
    torch.testing.assert_close(pair - alone, projection)


# --- initialisation --------------------------------------------------------------------------------------


def test_weights_are_drawn_as_in_the_authors_code(paper: dict[str, InfoGAN]) -> None:
    kinds: dict[str, list[Tensor]] = {"conv": [], "other": [], "gain": []}
    for part in paper["mnist"].modules():
        if isinstance(part, nn.Conv2d):
            kinds["conv"].append(part.weight.detach().flatten())
        elif isinstance(part, nn.ConvTranspose2d | nn.Linear):
            kinds["other"].append(part.weight.detach().flatten())
        elif isinstance(part, BatchNorm):
            kinds["gain"].append(part.weight.detach())
        bias = getattr(part, "bias", None)
        assert bias is None or not bias.any()
    conv, other, gain = (torch.cat(kinds[name]) for name in ("conv", "other", "gain"))
    # A normal distribution cut at two standard deviations has .8796 of its standard deviation left.
    assert conv.abs().max() <= 0.04
    assert conv.std().item() == pytest.approx(0.8796 * 0.02, rel=0.01)
    assert other.std().item() == pytest.approx(0.02, rel=0.001)
    assert other.abs().max() > 0.08  # not cut
    assert (gain.mean().item(), gain.std().item()) == pytest.approx((1, 0.02), rel=0.03)
    for values in (conv, other):
        assert abs(values.mean()) < 4 * 0.02 / len(values) ** 0.5


def test_statistics_begin_as_those_of_standard_normal_features(paper: dict[str, InfoGAN]) -> None:
    buffers = dict(paper["mnist"].named_buffers())
    assert len(buffers) == 3 * 4 + 3 * 2  # 3 norms of D and Q know both kinds, 3 of G know fakes alone
    for name, buffer in buffers.items():
        assert torch.all(buffer == (1.0 if name.endswith("_var") else 0.0)), name


def test_weights_depend_on_the_seed_alone() -> None:
    state = torch.random.get_rng_state()
    torch.rand(3)  # whatever happened before
    first, again, other = build(8), build(8), build(8, seed=1)
    for name, value in first.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name
    weights = "trunk.blocks.0.weight"
    assert not torch.equal(first.state_dict()[weights], other.state_dict()[weights])
    torch.random.set_rng_state(state)


def test_building_a_model_leaves_global_chance_alone() -> None:
    state, numpy_state = torch.random.get_rng_state(), np.random.get_state()[1].copy()
    model = build(8)
    model.sample(2, seed=0)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert np.array_equal(np.random.get_state()[1], numpy_state)


# --- batch norm ------------------------------------------------------------------------------------------


def norm_of(features: int) -> BatchNorm:
    norm = BatchNorm(features, ("real", "fake"))
    networks.initialise(norm, streams.generator(0, "test"))
    return norm.train()


@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 3, 3)])
def test_batch_norm_is_torch_s(shape: Sequence[int]) -> None:
    x, norm = numbers(*shape) * 3 + 1, norm_of(5)
    reference = (nn.BatchNorm1d if len(shape) == 2 else nn.BatchNorm2d)(5).train()
    with torch.no_grad():
        reference.weight.copy_(norm.weight)
    torch.testing.assert_close(norm(x, ("real",)), reference(x))
    torch.testing.assert_close(norm.get_buffer("real_mean"), reference.running_mean)
    torch.testing.assert_close(norm.get_buffer("real_var"), reference.running_var)
    torch.testing.assert_close(norm.eval()(x, ("real",)), reference.eval()(x))


def test_real_and_generated_images_have_statistics_of_their_own() -> None:
    real, fake, norm = numbers(6, 5), numbers(6, 5, seed=1) * 7 + 40, norm_of(5)
    together = norm(torch.cat([real, fake]), ("real", "fake"))
    apart = norm_of(5)
    torch.testing.assert_close(together, torch.cat([apart(real, ("real",)), apart(fake, ("fake",))]))
    for name, buffer in norm.named_buffers():
        torch.testing.assert_close(buffer, apart.get_buffer(name))
    assert norm.get_buffer("fake_mean").mean() > 3  # a tenth of the way to 40
    assert norm.get_buffer("real_mean").abs().max() < 0.5


def test_one_pass_of_both_kinds_equals_two_passes() -> None:
    one, two = build(9).train(), build(9).train()
    real, fake = numbers(6, 1, 9, 9), numbers(6, 1, 9, 9, seed=1)
    together = one.trunk(torch.cat([real, fake]), ("real", "fake"))
    apart = torch.cat([two.trunk(real, ("real",)), two.trunk(fake, ("fake",))])
    torch.testing.assert_close(together, apart)
    torch.testing.assert_close(
        one.recognition(together, ("real", "fake")),
        torch.cat([two.recognition(apart[:6], ("real",)), two.recognition(apart[6:], ("fake",))]),
    )
    for (name, buffer), (_, other) in zip(one.named_buffers(), two.named_buffers(), strict=True):
        torch.testing.assert_close(buffer, other, msg=name)


def test_fakes_change_nothing_about_real_features() -> None:
    model, real = build(9).train(), numbers(6, 1, 9, 9)
    beside = [
        model.trunk(torch.cat([real, numbers(6, 1, 9, 9, seed=1) * scale]), ("real", "fake"))[:6]
        for scale in (1, 50)
    ]
    assert torch.equal(*beside)


# --- encoding --------------------------------------------------------------------------------------------


def trained_a_little(size: int) -> InfoGAN:
    """A model whose running statistics are those of no standard normal, as after training."""
    model = build(size, width=0.25).train()
    with torch.no_grad():
        for seed in range(4):
            x = torch.rand(16, 1, size, size, generator=streams.generator(seed, "test"))
            model.recognition(model.trunk(torch.cat([x, 1 - x**2]), ("real", "fake")), ("real", "fake"))
    return model.eval()


def test_an_image_alone_is_read_exactly_as_in_any_batch() -> None:
    model, images = trained_a_little(12), pictures(70, 12, 1)
    whole = model.recognise(images)
    for batch in (slice(0, 1), slice(3, 4), slice(1, 8), slice(5, 69), slice(63, 66), slice(69, 70)):
        assert torch.equal(model.recognise(images[batch]), whole[batch])
        assert torch.equal(model.features(images[batch]), model.features(images)[batch])


def test_an_image_is_read_the_same_in_other_company() -> None:
    model, image = trained_a_little(12), pictures(1, 12, 1)
    beside = [
        np.concatenate([image, company])
        for company in (pictures(5, 12, 1, seed=1), np.zeros((5, 12, 12, 1), np.uint8))
    ]
    assert torch.equal(*(model.recognise(batch)[0] for batch in beside))


def test_reading_leaves_the_statistics_alone() -> None:
    model = trained_a_little(12)
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    model.encode(pictures(5, 12, 1))
    model.sample(3)
    assert all(torch.equal(buffer, before[name]) for name, buffer in model.named_buffers())


def test_kinds_of_images_are_read_by_statistics_of_their_own() -> None:
    model, images = trained_a_little(12), pictures(4, 12, 1)
    assert not torch.equal(model.recognise(images, domain="real"), model.recognise(images, domain="fake"))
