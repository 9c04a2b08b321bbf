"""Changes of images: what the policy says and nothing else, drawn anew, with gradients."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from infogan import streams
from infogan.augmentation import _grid_sample, _SampledInOrder, augment, inverse_maps, still
from infogan.config import AugmentationConfig


def chance(step: int = 0) -> torch.Generator:
    return streams.generator(0, "test", step)


def dot(size: int = 33, row: int = 16, column: int = 26) -> Tensor:
    """One bright pixel, a little blurred so that bilinear reading keeps its centre."""
    rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    distance = (rows - row).square() + (columns - column).square()
    return torch.exp(-distance / 8.0)[None, None]


def centre(image: Tensor) -> tuple[float, float]:
    """Row and column of the centre of brightness, from the image's middle."""
    weights = image[0] / image.sum()
    position = torch.arange(image.shape[-1]) - (image.shape[-1] - 1) / 2
    return float((weights.sum(1) * position).sum()), float((weights.sum(0) * position).sum())


def places(policy: AugmentationConfig, count: int = 200) -> Tensor:
    images = augment(dot().expand(count, -1, -1, -1), policy, chance())
    return torch.tensor([centre(image) for image in images])


def test_nothing_is_changed_where_nothing_may_be() -> None:
    images = torch.rand(3, 1, 28, 28, generator=chance())
    assert torch.equal(augment(images, AugmentationConfig(), chance()), images)


def test_rotation_keeps_the_distance_and_stays_within_its_angle() -> None:
    found = places(AugmentationConfig(rotation=30))
    distance, angle = found.norm(dim=1), torch.atan2(found[:, 0], found[:, 1]) * 180 / math.pi
    assert torch.allclose(distance, torch.tensor(10.0), atol=0.1)
    assert angle.abs().max() <= 30.5
    assert angle.min() < -20
    assert angle.max() > 20


def test_shift_is_a_share_of_the_side_along_each_axis() -> None:
    moved = places(AugmentationConfig(shift=0.1)) - torch.tensor([0.0, 10.0])
    assert moved.abs().max() <= 3.3 + 0.1
    assert moved.abs().amax(0).min() > 2.5
    assert torch.corrcoef(moved.t())[0, 1].abs() < 0.3  # both axes by draws of their own


def test_scale_goes_as_far_up_as_down() -> None:
    distance = places(AugmentationConfig(scale=0.2)).norm(dim=1)
    assert distance.min() == pytest.approx(8, abs=0.3)
    assert distance.max() == pytest.approx(12, abs=0.3)


def test_shear_moves_columns_by_rows() -> None:
    image = dot(row=26, column=16)
    found = torch.tensor(
        [
            centre(one)
            for one in augment(image.expand(100, -1, -1, -1), AugmentationConfig(shear=0.3), chance())
        ]
    )
    assert torch.allclose(found[:, 0], torch.tensor(10.0), atol=0.1)
    assert found[:, 1].abs().max() == pytest.approx(3, abs=0.3)


def test_flip_exchanges_left_and_right_half_of_the_time() -> None:
    found = places(AugmentationConfig(flip=True))
    assert torch.allclose(found[:, 1].abs(), torch.tensor(10.0), atol=0.05)
    assert 0.35 < (found[:, 1] < 0).float().mean() < 0.65


def test_brightness_and_contrast_keep_the_form() -> None:
    images = torch.rand(50, 3, 8, 8, generator=chance())
    brighter = augment(images, AugmentationConfig(brightness=0.2), chance()) - images
    assert torch.allclose(brighter, brighter[:, :1, :1, :1].expand_as(brighter), atol=1e-6)
    assert 0.15 < brighter.abs().max() <= 0.2
    flatter = augment(images, AugmentationConfig(contrast=0.5), chance())
    assert torch.allclose(flatter.mean((1, 2, 3)), images.mean((1, 2, 3)), atol=1e-5)
    ratio = flatter.flatten(1).std(1) / images.flatten(1).std(1)
    assert 0.5 <= ratio.min() < 0.6
    assert 1.4 < ratio.max() <= 1.5


def test_noise_is_of_its_std_and_another_for_each_pixel() -> None:
    images = torch.full((100, 3, 16, 16), 0.5)
    found = augment(images, AugmentationConfig(pixel_noise=0.2), chance()) - images
    assert found.std().item() == pytest.approx(0.2, rel=0.02)
    assert torch.corrcoef(found.flatten(1).t())[0, 1:].abs().max() < 0.5
    moved = AugmentationConfig(shift=0.1)
    difference = augment(images, moved.model_copy(update={"pixel_noise": 0.2}), chance()) - augment(
        images, moved, chance()
    )
    assert torch.allclose(difference, found, atol=1e-6)  # noise does not move the other draws


def test_noise_of_continuous_codes_is_noise_for_them_alone() -> None:
    policy = AugmentationConfig(shift=0.1, code_noise=0.3)
    assert policy.for_codes(0).pixel_noise == 0.3
    assert policy.pixel_noise == 0
    assert AugmentationConfig(pixel_noise=0.2).for_codes(0).pixel_noise == 0.2
    assert not AugmentationConfig(code_noise=0.3).active
    falling = AugmentationConfig(code_noise=[[10, 1.0], [40, 0.4]])
    found = [falling.for_codes(step).pixel_noise for step in (0, 10, 25, 40, 900)]
    assert found == pytest.approx([1.0, 1.0, 0.7, 0.4, 0.4])


def test_every_image_and_every_draw_is_changed_differently_and_repeatably() -> None:
    policy = AugmentationConfig(rotation=15, shift=0.07, scale=0.12, shear=0.15)
    image = dot().expand(4, -1, -1, -1)
    once, again, other = (augment(image, policy, chance(step)) for step in (0, 0, 1))
    assert torch.equal(once, again)
    assert not torch.equal(once, other)
    assert not torch.equal(once[0], once[1])


def test_gradients_pass_through_to_the_images() -> None:
    images = torch.rand(2, 1, 16, 16, generator=chance()).requires_grad_()
    policy = AugmentationConfig(rotation=15, shift=0.07, scale=0.12, shear=0.15, contrast=0.1, brightness=0.1)
    augment(images, policy, chance()).sum().backward()
    assert images.grad is not None
    assert images.grad[:, :, 4:12, 4:12].abs().min() > 0


def test_what_comes_in_from_outside_repeats_the_border() -> None:
    white = torch.ones(8, 1, 16, 16)
    assert torch.allclose(augment(white, AugmentationConfig(rotation=45, shift=0.3), chance()), white)


def test_ranges_of_zero_leave_the_map_as_it_is() -> None:
    still = torch.tensor([[1.0, 0, 0], [0, 1.0, 0]]).expand(5, 2, 3)
    draws = torch.rand(5, 8, generator=chance()) * 2 - 1
    assert torch.allclose(inverse_maps(draws, AugmentationConfig()), still)


def test_layers_in_bfloat16_do_not_coarsen_the_changes() -> None:
    policy = AugmentationConfig(rotation=15, shift=0.07, scale=0.12, shear=0.15)
    images = torch.rand(4, 1, 28, 28, generator=chance())
    outside = augment(images, policy, chance(1))
    with torch.autocast("cpu", torch.bfloat16):
        inside = augment(images, policy, chance(1))
    assert torch.allclose(inside, outside, atol=1e-6)


@pytest.mark.slow
def test_still_images_are_as_soft_as_moved_ones_on_average_and_do_not_move() -> None:
    point = torch.zeros(1, 1, 33, 33)
    point[..., 16, 16] = 1.0
    policy = AugmentationConfig(shift=0.5 / 33)  # up to half a pixel
    moved = augment(point.expand(20_000, -1, -1, -1), policy, chance()).mean(0, keepdim=True)
    assert torch.allclose(still(point, policy), moved, atol=0.01)
    assert still(point, policy).sum().item() == pytest.approx(1, abs=1e-6)


def test_images_that_were_not_softened_in_training_are_not_softened_afterwards() -> None:
    images = torch.rand(2, 3, 8, 8, generator=chance())
    for policy in (
        AugmentationConfig(),
        AugmentationConfig(brightness=0.2, flip=True),
        AugmentationConfig(rotation=15, all_images=False),
    ):
        assert torch.equal(still(images, policy), images)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_gradient_in_fixed_order_is_that_of_torch(channels: int) -> None:
    """Of points inside, beyond the border and on it, and where many points read one pixel."""
    rng = chance()
    grid = torch.rand(2, 6, 7, 2, generator=rng) * 3 - 1.5
    grid[0, 0] = torch.tensor([[-1.0, -1], [1, 1], [0, 0], [-0.8, 1], [5, 5], [-5, 5], [0, -5]])
    grid[1, 1:3] = 0.123
    images = torch.randn(2, channels, 6, 7, generator=rng)
    gradient = torch.randn(2, channels, 6, 7, generator=rng)
    found = []
    for function in (_grid_sample, _SampledInOrder.apply):
        leaf = images.clone().requires_grad_()
        result = function(leaf, grid)
        result.backward(gradient)
        found.append((result.detach(), leaf.grad))
    assert torch.equal(found[0][0], found[1][0])
    torch.testing.assert_close(found[0][1], found[1][1])
