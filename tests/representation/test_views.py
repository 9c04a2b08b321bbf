"""Augmented views: each range varies one property and nothing else."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from infogan import streams
from infogan.representation.views import Views, apply_views, sample_views

NONE = {"crop": 1.0, "rotation": 0.0, "colour": 0.0, "gray": 0.0}


def views_of(images: Tensor, **ranges: float | bool) -> Tensor:
    sample = sample_views(len(images), streams.generator(0, "test"))
    return apply_views(images, Views(**{**NONE, **ranges}), sample)  # type: ignore[arg-type]


def noise(count: int, channels: int, size: int) -> Tensor:
    return torch.rand(count, channels, size, size, generator=streams.generator(1, "test")) * 2 - 1


def blob(row: int, column: int, size: int = 33) -> Tensor:
    """A small bright spot on black, [1, 1, size, size]."""
    rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    return torch.exp(-((rows - row).square() + (columns - column).square()) / 8.0)[None, None]


def centres(images: Tensor) -> Tensor:
    """Return row and column of each image's centre of brightness, from its middle."""
    position = torch.arange(images.shape[-1]) - (images.shape[-1] - 1) / 2
    weights = images[:, 0] / images[:, 0].sum((1, 2), keepdim=True)
    return torch.stack([weights.sum(2) @ position, weights.sum(1) @ position], 1)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("size", [16, 33, 256])
def test_views_have_the_shape_of_the_images(channels: int, size: int) -> None:
    images = noise(4, channels, size)
    views = apply_views(images, Views(flip=True), sample_views(4, streams.generator(0, "test")))
    assert views.shape == images.shape
    assert torch.isfinite(views).all()
    assert not torch.allclose(views, images, atol=0.1)


def test_without_ranges_the_views_are_the_images() -> None:
    images = noise(4, 3, 32)
    torch.testing.assert_close(views_of(images), images, atol=1e-5, rtol=0)


def test_views_are_a_function_of_their_sample() -> None:
    images, sample = noise(4, 3, 32), sample_views(4, streams.generator(0, "test"))
    assert torch.equal(apply_views(images, Views(), sample), apply_views(images, Views(), sample))


def test_a_crop_enlarges_and_shifts_but_shows_at_least_its_share_of_the_area() -> None:
    spread = views_of(noise(1, 1, 8).expand(200, -1, -1, -1), crop=0.25)
    assert not torch.equal(spread[0], spread[1])
    moved = centres(views_of(blob(16, 16).expand(200, -1, -1, -1), crop=0.25))
    assert moved.abs().max() < 16.5
    assert moved.abs().amax(0).min() > 8


def test_a_rotation_keeps_the_distance_from_the_middle_and_stays_within_its_angle() -> None:
    moved = centres(views_of(blob(16, 26).expand(200, -1, -1, -1), rotation=15.0))
    angle = torch.atan2(moved[:, 0], moved[:, 1]) * 180 / math.pi
    torch.testing.assert_close(moved.norm(dim=1), torch.full((200,), 10.0), atol=0.1, rtol=0)
    assert 13 < angle.max() < 15.5
    assert -15.5 < angle.min() < -13


def test_mirroring_is_off_unless_asked_for() -> None:
    images = blob(16, 26).expand(200, -1, -1, -1)
    assert not Views().flip
    assert centres(views_of(images))[:, 1].min() > 9
    mirrored = centres(views_of(images, flip=True))[:, 1]
    assert (mirrored < 0).float().mean().item() == pytest.approx(0.5, abs=0.12)


def test_colour_changes_tint_but_not_where_things_are() -> None:
    images = noise(1, 3, 16).expand(50, -1, -1, -1)
    views = views_of(images, colour=0.4)
    assert (views.mean((2, 3)) - images.mean((2, 3))).std(0).min() > 0.02
    for view in views:
        assert torch.corrcoef(torch.stack([view[0].flatten(), images[0, 0].flatten()]))[0, 1] > 0.8


def test_brightness_scales_contrast_spreads_and_saturation_separates() -> None:
    """The ranges of one image each, with the numbers of the sample at one end."""
    image, neutral = noise(1, 3, 8), torch.full((1, 12), 0.5)
    views = Views(**{**NONE, "colour": 0.4})  # type: ignore[arg-type]

    def changed(column: int) -> Tensor:
        sample = neutral.clone()
        sample[:, column] = 1.0
        return apply_views(image, views, sample)

    mean, light = image.mean(), image.mean(1, keepdim=True)
    torch.testing.assert_close(changed(5), image * 1.4, atol=1e-5, rtol=0)
    torch.testing.assert_close(changed(6), mean + (image - mean) * 1.4, atol=1e-5, rtol=0)
    torch.testing.assert_close(changed(7), light + (image - light) * 1.4, atol=1e-5, rtol=0)
    shift = torch.tensor([0.12, 0.0, 0.0])[:, None, None]
    torch.testing.assert_close(changed(8), image + shift, atol=1e-5, rtol=0)


def test_a_gray_view_has_equal_channels() -> None:
    views = views_of(noise(200, 3, 8), gray=0.2)
    gray = ((views - views[:, :1]).abs() < 1e-5).all(1).flatten(1).all(1)
    assert gray.float().mean().item() == pytest.approx(0.2, abs=0.1)


def test_transparency_keeps_its_values() -> None:
    images = noise(20, 4, 16)
    views = views_of(images, colour=0.4, gray=0.5)
    torch.testing.assert_close(views[:, 3], images[:, 3], atol=1e-5, rtol=0)
    assert not torch.allclose(views[:, :3], images[:, :3], atol=0.1)


def test_gradients_pass_through() -> None:
    images = noise(2, 3, 16).requires_grad_()
    apply_views(images, Views(), sample_views(2, streams.generator(0, "test"))).sum().backward()
    assert images.grad is not None
    assert torch.isfinite(images.grad).all()
