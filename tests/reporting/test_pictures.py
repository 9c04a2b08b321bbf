"""Pictures: the right pixels at the right place, labels that can be read, files whole or not at all."""

from __future__ import annotations

import errno
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from infogan.errors import DataError, InfoGANError, UsageError
from infogan.reporting import pictures

RED = (255, 0, 0)


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image).astype(int)


def red_images(*shape: int) -> np.ndarray:
    images = np.zeros((*shape, 3), np.uint8)
    images[..., 0] = 255
    return images


def grid_box(image: Image.Image) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of what is pure red."""
    down, across = np.nonzero((pixels(image) == RED).all(axis=-1))
    return across.min(), down.min(), across.max() + 1, down.max() + 1


def stretches(filled: np.ndarray, apart: int) -> list[tuple[int, int]]:
    """Where `filled` is true, as (start, stop); what is fewer than `apart` away counts as one."""
    found: list[tuple[int, int]] = []
    for place in np.nonzero(filled)[0].tolist():
        if found and place - found[-1][1] < apart:
            found[-1] = (found[-1][0], place + 1)
        else:
            found.append((place, place + 1))
    return found


def dark(image: Image.Image) -> np.ndarray:
    return pixels(image).max(axis=-1) < 200


def value_labels(image: Image.Image) -> list[tuple[int, int]]:
    """From where to where the values below the grid reach, in pixels across."""
    below = dark(image)[grid_box(image)[3] :]
    first, last = stretches(below.any(axis=1), apart=4)[0]
    # White between labels is wider than between the letters and words of one.
    return stretches(below[first:last].any(axis=0), apart=max(6, (last - first) // 2))


def margins(image: Image.Image) -> tuple[int, int, int, int]:
    """White pixels left, above, right and below of everything drawn."""
    drawn = (pixels(image) < 250).any(axis=-1)
    down, across = np.nonzero(drawn)
    return across.min(), down.min(), image.width - 1 - across.max(), image.height - 1 - down.max()


# --- the grid ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 3])
def test_sample_grid_shows_every_pixel_enlarged_at_its_place(channels: int) -> None:
    images = np.random.default_rng(0).integers(
        0, 255, (7, 5, 4, channels), np.uint8
    )  # below 255: never white
    picture = pixels(pictures.sample_grid(images))
    starts_down = [start for start, _ in stretches((picture < 255).any(axis=(1, 2)), apart=2)]
    starts_across = [start for start, _ in stretches((picture < 255).any(axis=(0, 2)), apart=2)]
    assert len(starts_down) == 3 and len(starts_across) == 3
    for number, image in enumerate(images):
        top, left = starts_down[number // 3], starts_across[number % 3]
        cell = picture[top : top + 50, left : left + 40]
        expected = np.broadcast_to(image.repeat(10, 0).repeat(10, 1), (50, 40, 3))
        np.testing.assert_array_equal(cell, expected)
    assert (picture[starts_down[2] :, starts_across[1] :] == 255).all(), (
        "the last row's empty places are white"
    )


@pytest.mark.parametrize(
    ("count", "columns", "rows"), [(1, 1, 1), (2, 2, 1), (64, 8, 8), (60, 8, 8), (10, 4, 3)]
)
def test_sample_grid_is_nearly_square(count: int, columns: int, rows: int) -> None:
    picture = pictures.sample_grid(red_images(count, 8, 8))
    red = (pixels(picture) == RED).all(axis=-1)
    assert len(stretches(red.any(axis=0), apart=2)) == columns
    assert len(stretches(red.any(axis=1), apart=2)) == rows


@pytest.mark.parametrize(("width", "cell"), [(1, 40), (8, 40), (28, 56), (32, 64), (64, 64), (100, 100)])
def test_small_images_are_enlarged_by_a_whole_factor(width: int, cell: int) -> None:
    left, top, right, bottom = grid_box(pictures.sample_grid(red_images(1, width, width)))
    assert (right - left, bottom - top) == (cell, cell)


def test_alpha_shows_a_light_chequerboard_where_images_are_transparent() -> None:
    images = np.zeros((1, 40, 40, 4), np.uint8)
    images[..., 2] = 255  # blue
    images[:, 20:, :, 3] = 255  # its lower half opaque
    left, top, right, bottom = 2, 2, 42, 42
    picture = pixels(pictures.sample_grid(images))[top:bottom, left:right]
    np.testing.assert_array_equal(picture[20:], np.broadcast_to((0, 0, 255), (20, 40, 3)))
    clear = picture[:20]
    assert (clear[..., 0] == clear[..., 2]).all(), "the hidden colour must not shine through"
    assert set(np.unique(clear)) == {220, 255}
    images[..., 3] = 128
    half = pixels(pictures.sample_grid(images))[top:bottom, left:right]
    assert set(np.unique(half[..., 2])) == {238, 255} and set(np.unique(half[..., 0])) == {110, 127}


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((4, 8, 8), np.uint8),  # no channels
        np.zeros((4, 8, 8, 2), np.uint8),
        np.zeros((4, 3, 8, 8), np.uint8),  # channels first
        np.zeros((0, 8, 8, 1), np.uint8),
        np.zeros((4, 8, 8, 1), np.float32),
    ],
)
def test_what_is_no_image_is_refused_with_its_form(images: np.ndarray) -> None:
    with pytest.raises(DataError) as caught:
        pictures.sample_grid(images)
    assert str(list(images.shape)) in caught.value.happened or str(images.dtype) in caught.value.happened


# --- a traversal ---------------------------------------------------------------------------------------


def test_traversal_shows_row_and_column_at_their_place() -> None:
    images = np.zeros((3, 4, 8, 8, 1), np.uint8)
    images[...] = (np.arange(12).reshape(3, 4) * 10 + 100)[..., None, None, None]
    images[0, 0] = images[2, 3] = 77  # corners, to find the grid by
    image = pictures.traversal_picture(images, name="", values=[""] * 4, row_label=None)
    down, across = np.nonzero((pixels(image) == 77).all(axis=-1))
    pitch = 42
    centres = pixels(image)[down.min() + 20 :: pitch, across.min() + 20 :: pitch, 0][:3, :4]
    np.testing.assert_array_equal(centres, images[:, :, 0, 0, 0])
    assert (down.max() + 1 - down.min(), across.max() + 1 - across.min()) == (2 * pitch + 40, 3 * pitch + 40)


@pytest.mark.parametrize(
    ("columns", "size", "values"),
    [
        (10, 28, [str(digit) for digit in range(10)]),
        (10, 8, [str(digit) for digit in range(10)]),
        (9, 64, pictures.format_values(np.linspace(-2, 2, 9).tolist())),
        (9, 8, pictures.format_values(np.linspace(-2, 2, 9).tolist())),
        (20, 8, [str(category) for category in range(20)]),
        (1, 8, ["0"]),
        (3, 128, ["-1.0", "0.0", "1.0"]),
    ],
)
def test_every_column_has_its_own_label_under_its_middle(columns: int, size: int, values: list[str]) -> None:
    image = pictures.traversal_picture(red_images(2, columns, size, size), name="code", values=values)
    left, _, right, _ = grid_box(image)
    pitch = (right - left + 2) / columns
    labels = value_labels(image)
    assert len(labels) == columns, "each value stands alone, with white between it and the next"
    for column, (start, stop) in enumerate(labels):
        # The digits' own side bearings and the minus sign shift the ink a little from the middle.
        assert abs((start + stop) / 2 - (left + (column + 0.5) * pitch - 1)) < 4


def test_labels_differ_as_the_values_do() -> None:
    def label(value: str) -> np.ndarray:
        image = pictures.traversal_picture(red_images(1, 1, 40, 40), name="", values=[value], row_label=None)
        return pixels(image)[grid_box(image)[3] :]

    assert (label("0.5") != label("1.5")).any() and (
        label("-0.5") != label("0.5")[:, : label("-0.5").shape[1]]
    ).any()


@pytest.mark.parametrize("value", ["-12.345", "category number 17", "W" * 60])
def test_values_too_wide_for_their_columns_are_thinned_and_never_touch(value: str) -> None:
    image = pictures.traversal_picture(red_images(2, 20, 8, 8), name="code", values=[value] * 20)
    labels = value_labels(image)
    width = pictures.text_width(value, 11)
    every = math.ceil((width + 8) / 42)
    assert len(labels) == math.ceil(20 / every) < 20
    # Two that touched would be one of twice the width, a cut one narrower.
    assert all(width - 4 < stop - start <= width for start, stop in labels)


def test_nothing_is_cut_by_the_picture_s_edge() -> None:
    image = pictures.traversal_picture(
        red_images(1, 1, 8, 8),
        name="azimuth_of_the_chair_seen_from_above_and_a_bit_more_than_that",
        values=["a value much wider than its column"],
        title="a title of many words that goes on " * 5,
        row_label="other codes and noise",
    )
    assert min(margins(image)) >= 8


def test_title_name_and_row_label_are_drawn_only_where_given() -> None:
    def picture(**given: str | None) -> Image.Image:
        return pictures.traversal_picture(
            red_images(2, 3, 40, 40), **{"name": "", "values": ["", "", ""], "row_label": None, **given}
        )

    bare = picture()
    left, top, right, bottom = grid_box(bare)
    assert not dark(bare).any()

    def inked(image: Image.Image) -> dict[str, bool]:
        left, top, right, bottom = grid_box(image)
        ink = dark(image)
        return {
            "above": ink[:top].any(),
            "beside": ink[top:bottom, :left].any(),
            "below": ink[bottom:].any(),
            "right": ink[top:bottom, right:].any(),
        }

    nothing = {"above": False, "beside": False, "below": False, "right": False}
    assert inked(picture(title="digit")) == nothing | {"above": True}
    assert inked(picture(row_label="noise")) == nothing | {"beside": True}
    assert inked(picture(name="digit")) == nothing | {"below": True}
    assert bottom - top == right - left - 42  # two rows and three columns


def test_long_titles_break_into_lines_and_no_word_is_lost() -> None:
    words = [f"word{number}" for number in range(40)]
    lines = pictures.wrapped(" ".join(words), 14, 200)
    assert " ".join(lines).split() == words and len(lines) > 5
    assert all(pictures.text_width(line, 14) <= 200 for line in lines)


def test_letters_that_the_font_lacks_do_not_become_boxes() -> None:
    assert pictures.plain("Größe −2\n– 中") == "Gro?e -2 - ?"


def test_traversal_refuses_values_that_do_not_match_the_columns() -> None:
    with pytest.raises(UsageError, match="3 values for 4 columns"):
        pictures.traversal_picture(red_images(2, 4, 8, 8), name="digit", values=["0", "1", "2"])


def test_traversal_refuses_a_flat_stack_of_images() -> None:
    with pytest.raises(InfoGANError, match=r"rows, columns, height, width, channels"):
        pictures.traversal_picture(red_images(4, 8, 8), name="digit", values=["0"])


# --- values --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ([-2, -1.5, 0, 2], ["-2.0", "-1.5", "0.0", "2.0"]),
        ([np.float32(0.1), np.float32(-0.3)], ["0.1", "-0.3"]),
        ([-0.25, 0, 0.25], ["-0.25", "0.00", "0.25"]),
        ([-1e-9, 1], ["0.0", "1.0"]),
        ([-1.0, -1 / 3, 1 / 3], ["-1.00", "-0.33", "0.33"]),
        ([0.001, 0.002], ["0.001", "0.002"]),
        ([0.5, float("nan")], ["0.5", "nan"]),
        ([], []),
    ],
)
def test_format_values(values: list[float], labels: list[str]) -> None:
    assert pictures.format_values(values) == labels


# --- files ---------------------------------------------------------------------------------------------


def test_save_png_makes_folders_replaces_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "samples" / "deep" / "step-1.png"
    for value in (10, 200):
        pictures.save_png(Image.new("RGB", (5, 4), (value, 0, 0)), path)
    with Image.open(path) as image:
        assert image.format == "PNG" and image.size == (5, 4) and image.getpixel((0, 0)) == (200, 0, 0)
    assert list(path.parent.iterdir()) == [path]


class _Interrupt(BaseException):
    pass


@pytest.mark.parametrize("failure", [OSError(errno.ENOSPC, "No space left on device"), _Interrupt()])
@pytest.mark.parametrize("older", [None, b"an older picture"])
def test_a_failed_write_leaves_no_partial_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: BaseException, older: bytes | None
) -> None:
    path = tmp_path / "picture.png"
    if older:
        path.write_bytes(older)

    def half_written(self: Image.Image, file: object, **_: object) -> None:
        assert not path.exists() or path.read_bytes() == older
        file.write(b"half")  # type: ignore[attr-defined]
        raise failure

    monkeypatch.setattr(Image.Image, "save", half_written)
    with pytest.raises(type(failure)):
        pictures.save_png(Image.new("RGB", (5, 4)), path)
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == (
        [(path.name, older)] if older else []
    )


def test_an_impossible_path_is_an_oserror(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder.png").mkdir()
    for path in (tmp_path / "file" / "picture.png", tmp_path / "folder.png"):
        with pytest.raises(OSError):
            pictures.save_png(Image.new("RGB", (5, 4)), path)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "folder.png"]


def test_a_sheet_aligns_columns_and_leaves_white_where_a_row_is_shorter() -> None:
    red, blue = (Image.new("RGB", size, colour) for size, colour in (((4, 6), "red"), ((7, 3), "blue")))
    found = np.asarray(pictures.sheet([[red, blue], [blue], []]))
    assert found.shape == (6 + 3, 7 + 7, 3)
    assert (found[:6, :4] == (255, 0, 0)).all() and (found[:3, 7:] == (0, 0, 255)).all()
    assert (found[6:, :7] == (0, 0, 255)).all()
    assert (found[6:, 7:] == 255).all() and (found[:6, 4:7] == 255).all()
    with pytest.raises(DataError, match="without a picture"):
        pictures.sheet([[]])
