"""Sprites: the grid in dSprites' order, and factors that are found again in the pictures."""

from __future__ import annotations

import numpy as np
import pytest

from infogan.errors import DataError
from infogan.scenes import sprite_scene


def indices_of(classes: np.ndarray) -> np.ndarray:
    """The images in which the factors have these values: the inverse of `classes`."""
    return np.ravel_multi_index(tuple(classes.T), tuple(sprite_scene.GRID.values()))


def some(**fixed: int) -> np.ndarray:
    """200 images spread over the grid, int64, with some factors fixed."""
    random = np.random.default_rng(0)
    columns = [
        np.full(200, fixed[name]) if name in fixed else random.integers(0, count, 200)
        for name, count in sprite_scene.GRID.items()
    ]
    return indices_of(np.stack(columns, 1))


def middle(image: np.ndarray) -> tuple[float, float]:
    """x and y of the centre of mass, in pixels from the left and from the top."""
    rows, columns = np.nonzero(image[:, :, 0])
    return columns.mean() + 0.5, rows.mean() + 0.5


def sprite(shape: str, scale: int, orientation: int) -> np.ndarray:
    """One sprite in the middle of an image, bool [64, 64]."""
    chosen = np.array([[sprite_scene.SHAPES.index(shape), scale, orientation, 16, 16]])
    return sprite_scene.render_sprites(indices_of(chosen))[0, :, :, 0] > 0


def test_the_grid_has_the_images_of_dsprites_in_their_order() -> None:
    assert np.prod(list(sprite_scene.GRID.values())) == sprite_scene.COUNT == 737_280
    np.testing.assert_array_equal(
        sprite_scene.classes(np.array([0, 1, 32, 1024, 40_960, 245_760, 737_279])),
        [
            [0, 0, 0, 0, 0],
            [0, 0, 0, 0, 1],
            [0, 0, 0, 1, 0],
            [0, 0, 1, 0, 0],
            [0, 1, 0, 0, 0],
            [1, 0, 0, 0, 0],
            [2, 5, 39, 31, 31],
        ],
    )


def test_indices_and_factors_are_each_others_inverse() -> None:
    indices = np.arange(0, sprite_scene.COUNT, 911)
    np.testing.assert_array_equal(indices_of(sprite_scene.classes(indices)), indices)
    values = sprite_scene.factors(indices)
    columns = [np.searchsorted(sprite_scene.VALUES[name], column) for name, column in values.items()]
    np.testing.assert_array_equal(indices_of(np.stack(columns, 1)), indices)


def test_the_factors_have_the_values_of_dsprites() -> None:
    ends = {name: (values[0], values[-1]) for name, values in sprite_scene.VALUES.items()}
    assert ends == {
        "shape": (0, 2),
        "scale": (0.5, 1),
        "orientation": (0, 2 * np.pi),
        "x": (0, 1),
        "y": (0, 1),
    }
    for values in sprite_scene.VALUES.values():
        np.testing.assert_allclose(np.diff(values), np.diff(values)[0])


def test_images_are_black_and_white_and_nothing_is_cut_off() -> None:
    images = sprite_scene.render_sprites(some())
    assert images.shape == (200, 64, 64, 1)
    assert images.dtype == np.uint8
    assert np.unique(images).tolist() == [0, 255]
    corners = indices_of(
        np.array([[s, 5, o, x, y] for s in range(3) for o in range(40) for x in (0, 31) for y in (0, 31)])
    )
    edge = np.ones((64, 64), bool)
    edge[1:-1, 1:-1] = False
    assert not sprite_scene.render_sprites(corners)[:, edge].any()


def test_x_and_y_are_the_place_of_the_centre() -> None:
    indices = some()
    values = sprite_scene.factors(indices)
    found = np.array([middle(image) for image in sprite_scene.render_sprites(indices)])
    np.testing.assert_allclose(found[:, 0], 16.5 + 31 * values["x"], atol=0.35)
    np.testing.assert_allclose(found[:, 1], 16.5 + 31 * values["y"], atol=0.35)


def test_the_area_grows_with_the_square_of_the_scale() -> None:
    for shape in range(3):
        indices = some(shape=shape)
        area = (sprite_scene.render_sprites(indices) > 0).sum((1, 2, 3))
        unit = area / sprite_scene.factors(indices)["scale"] ** 2
        assert unit.std() / unit.mean() < 0.05


def test_orientation_is_the_angle_of_the_ellipse() -> None:
    """By the second moments: counter-clockwise as seen, and the same after half a turn."""
    for index in some(shape=1, scale=5):
        rows, columns = np.nonzero(sprite_scene.render_sprites(np.array([index]))[0, :, :, 0])
        covariance = np.cov(columns, -rows)
        angle = 0.5 * np.arctan2(2 * covariance[0, 1], covariance[0, 0] - covariance[1, 1])
        off = angle - sprite_scene.factors(np.array([index]))["orientation"][0]
        assert abs((off + np.pi / 2) % np.pi - np.pi / 2) < 0.05


@pytest.mark.parametrize("shape", sprite_scene.SHAPES)
def test_a_whole_turn_gives_the_same_image(shape: str) -> None:
    np.testing.assert_array_equal(sprite(shape, 3, 0), sprite(shape, 3, 39))
    different = len({sprite(shape, 5, o).tobytes() for o in range(39)})
    assert different == 39 if shape != "square" else different >= 36  # two may agree in every pixel


def test_only_the_heart_changes_by_half_a_turn() -> None:
    for shape, changed in (("square", 0.0), ("ellipse", 0.0), ("heart", 0.15)):
        image = sprite(shape, 5, 0)[16:49, 16:49]
        share = (image != image[::-1, ::-1]).sum() / image.sum()
        assert share >= changed > 0 or share == changed


def test_the_heart_stands_on_its_tip_and_turns_counter_clockwise() -> None:
    rows = np.nonzero(sprite("heart", 5, 0))[0]
    assert (rows.max() - rows.mean()) > 1.15 * (rows.mean() - rows.min())
    columns = np.nonzero(sprite("heart", 5, 10))[1]  # about a quarter turn: the tip points to the right
    assert (columns.max() - columns.mean()) > 1.15 * (columns.mean() - columns.min())


def test_an_image_does_not_depend_on_what_else_is_drawn() -> None:
    indices = some()[:20]
    images = sprite_scene.render_sprites(indices)
    for index, image in zip(indices, images, strict=True):
        np.testing.assert_array_equal(sprite_scene.render_sprites(np.array([index]))[0], image)


@pytest.mark.parametrize("index", [-1, 737_280])
def test_an_index_out_of_the_grid_is_refused(index: int) -> None:
    for function in (sprite_scene.render_sprites, sprite_scene.classes, sprite_scene.factors):
        with pytest.raises(DataError, match=f"{index} of 737280\n  expected: 0 to 737279"):
            function(np.array([0, index]))
