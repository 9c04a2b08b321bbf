"""The documented rule that gives any image one form, on pixels whose outcome is known."""

from __future__ import annotations

import io
import logging

import numpy as np
import pytest
from PIL import Image

from infogan.data.preprocessing import common_size, fit, is_gray, preprocess


def encoded(image: Image.Image, kind: str, **options: object) -> Image.Image:
    """An image after a way through a file."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return Image.open(io.BytesIO(buffer.getvalue()))


def plain(mode: str, colour: object) -> Image.Image:
    return Image.new(mode, (8, 8), colour)  # type: ignore[arg-type]


def palette(colour: tuple[int, int, int]) -> Image.Image:
    image = Image.new("P", (8, 8), 1)
    image.putpalette([0, 0, 0, *colour])
    return image


def clear_palette() -> Image.Image:
    image = palette((10, 20, 30))
    image.info["transparency"] = 1
    return image


@pytest.mark.parametrize(
    ("image", "gray", "rgb", "rgba"),
    [
        (plain("1", 1), [255], [255, 255, 255], [255, 255, 255, 255]),
        (plain("L", 77), [77], [77, 77, 77], [77, 77, 77, 255]),
        (plain("LA", (77, 255)), [77], [77, 77, 77], [77, 77, 77, 255]),
        (plain("LA", (77, 0)), [255], [255, 255, 255], [77, 77, 77, 0]),
        (plain("LA", (55, 51)), [215], [215, 215, 215], [55, 55, 55, 51]),  # 255 - 200 * 51 / 255
        (palette((200, 100, 50)), [124], [200, 100, 50], [200, 100, 50, 255]),  # 0.299 R + 0.587 G + 0.114 B
        (clear_palette(), [255], [255, 255, 255], [10, 20, 30, 0]),
        (plain("RGB", (200, 100, 50)), [124], [200, 100, 50], [200, 100, 50, 255]),
        (plain("RGBA", (200, 100, 50, 255)), [124], [200, 100, 50], [200, 100, 50, 255]),
        (plain("RGBA", (9, 9, 9, 0)), [255], [255, 255, 255], [9, 9, 9, 0]),
        (plain("CMYK", (55, 155, 205, 0)), [124], [200, 100, 50], [200, 100, 50, 255]),
        (Image.fromarray(np.full((8, 8), 257 * 99, np.uint16)), [99], [99] * 3, [99, 99, 99, 255]),
        (Image.fromarray(np.full((8, 8), 257 * 99, np.int32)), [99], [99] * 3, [99, 99, 99, 255]),
        (Image.fromarray(np.full((8, 8), 0.2, np.float32)), [51], [51] * 3, [51, 51, 51, 255]),
    ],
    ids=lambda value: f"{value.mode}" if isinstance(value, Image.Image) else None,
)
def test_every_mode_becomes_gray_colour_and_alpha_by_the_rule(
    image: Image.Image, gray: list[int], rgb: list[int], rgba: list[int]
) -> None:
    for channels, expected in ((1, gray), (3, rgb), (4, rgba)):
        pixels = fit(image.copy(), 8, channels)
        assert pixels.shape == (8, 8, channels)
        assert pixels.dtype == np.uint8
        assert (pixels == expected).all(), (channels, pixels[0, 0])


def test_16_bit_png_files_are_scaled_and_not_clipped() -> None:
    ramp = np.arange(64, dtype=np.uint16).reshape(8, 8) * 1040
    pixels = fit(encoded(Image.fromarray(ramp), "PNG"), 8, 1)
    assert np.abs(pixels[..., 0] - ramp / 257).max() <= 0.5


@pytest.mark.parametrize(
    "values",
    [
        np.full((8, 8), 2.0, np.float32),
        np.full((8, 8), np.nan, np.float32),
        np.full((8, 8), -1, np.int32),
        np.full((8, 8), 70_000, np.int32),
    ],
)
def test_values_without_a_documented_meaning_are_refused(values: np.ndarray) -> None:
    with pytest.raises(ValueError, match="with values from"):
        fit(Image.fromarray(values), 8, 1)


def test_the_central_square_is_cut_out() -> None:
    columns = np.broadcast_to(np.arange(12, dtype=np.uint8) * 10, (8, 12))
    wide, high = Image.fromarray(columns.copy()), Image.fromarray(columns.T.copy())
    assert fit(wide, 8, 1)[0, :, 0].tolist() == [20, 30, 40, 50, 60, 70, 80, 90]
    assert fit(high, 8, 1)[:, 0, 0].tolist() == [20, 30, 40, 50, 60, 70, 80, 90]


def test_a_line_of_pixels_becomes_a_square() -> None:
    assert (fit(Image.new("L", (1, 500), 33), 8, 1) == 33).all()


def test_exif_rotation_is_applied() -> None:
    pixels = np.zeros((16, 16), np.uint8)
    pixels[:8, :8] = 255  # bright at the top left
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter clockwise: bright at the top right
    turned = fit(encoded(Image.fromarray(pixels), "PNG", exif=exif.tobytes()), 16, 1)[..., 0]
    assert turned[:8, 8:].min() == 255
    assert turned[:8, :8].max() == turned[8:].max() == 0


def test_of_an_animation_the_first_frame_is_taken() -> None:
    frames = [Image.new("L", (8, 8), value) for value in (10, 200)]
    moving = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert moving.n_frames == 2  # type: ignore[attr-defined]
    assert (fit(moving, 8, 1) == 10).all()


def test_shrinking_averages_and_does_not_pick() -> None:
    stripes = np.zeros((64, 64), np.uint8)
    stripes[:, ::2] = 255
    assert np.abs(fit(Image.fromarray(stripes), 8, 1).astype(int) - 127.5).max() < 6


def test_arrays_follow_the_same_rule_as_files() -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 20, 30, 3), dtype=np.uint8)
    result = preprocess(images, 16, 1)
    assert result.shape == (3, 16, 16, 1)
    for index in range(3):
        assert (result[index] == fit(Image.fromarray(images[index]), 16, 1)).all()


def test_arrays_that_have_the_form_are_not_copied() -> None:
    images = np.zeros((3, 16, 16, 4), np.uint8)
    assert preprocess(images, 16, None) is images


@pytest.mark.parametrize(
    ("sizes", "side", "noted"),
    [
        ({(28, 28)}, 28, False),
        ({(8, 8)}, 8, False),
        ({(256, 256)}, 256, False),
        ({(7, 7)}, 64, True),
        ({(257, 257)}, 64, True),
        ({(28, 20)}, 64, True),
        ({(28, 28), (32, 32)}, 64, True),
    ],
)
def test_the_size_that_nobody_named(
    sizes: set[tuple[int, int]], side: int, noted: bool, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert common_size(sizes) == side
    assert ("64 x 64" in caplog.text) == noted


def test_gray_modes() -> None:
    assert all(is_gray(Image.new(mode, (1, 1))) for mode in ("1", "L", "LA", "I;16", "I", "F"))
    assert not any(is_gray(Image.new(mode, (1, 1))) for mode in ("P", "RGB", "RGBA", "CMYK"))
