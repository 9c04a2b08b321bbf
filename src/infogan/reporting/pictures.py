"""Grids of samples and labelled latent traversals (as Figure 2 of the paper), as RGB pictures.

Small images are enlarged by a whole factor with nearest-neighbour interpolation, so that no pixel is blurred.
"""

from __future__ import annotations

import functools
import math
import os
import secrets
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from infogan.errors import DataError, UsageError

PAPER = (255, 255, 255)
INK = (34, 34, 34)

_MIN_CELL = 40  # pixels; smaller digits are hard to recognize
_GAP = 2  # pixels between cells
_MARGIN = 14  # white pixels around the picture
_SPACE = 8  # pixels between a picture and its text
_OVERSAMPLING = 4  # text is rendered this many times larger, then reduced
_MIN_TEXT = 11  # pixels; smaller text is hard to read

# --- pictures ------------------------------------------------------------------------------------------


def sample_grid(images: UInt8[np.ndarray, "n h w c"]) -> Image.Image:
    """Return images in a nearly square grid, row by row from the top left; each at least 40 pixels wide.

    Args:
        images: N images with 1 (grey), 3 (RGB) or 4 channels (RGB and alpha, over a light chequerboard).

    Raises:
        DataError: the images do not have that format, or there are none.
    """
    cells = enlarged(_checked(images, "N, height, width, channels"))
    columns = math.ceil(math.sqrt(len(cells)))
    blank = np.full((-len(cells) % columns, *cells.shape[1:]), 255, np.uint8)
    full = np.concatenate([cells, blank]).reshape(-1, columns, *cells.shape[1:])
    return Image.fromarray(np.pad(_tiled(full), ((_GAP, _GAP), (_GAP, _GAP), (0, 0)), constant_values=255))


def traversal_picture(
    images: UInt8[np.ndarray, "rows columns h w c"],
    *,
    name: str,
    values: Sequence[str],
    title: str | None = None,
    row_label: str | None = "noise",
) -> Image.Image:
    """Return a labelled grid in which rows share their noise and columns the value of a code.

    Values and name of the code are below the columns, `row_label` is to the left. If the values are too wide
    for their columns, only every second (third, ...) one is shown.

    Args:
        images: with 1, 3 or 4 channels, as in `sample_grid`.
        name: name of the code.
        values: one text per column, for example from `format_values`.
        title: above the grid, wrapped into lines.
        row_label: what differs from row to row; None for no label.

    Raises:
        DataError: the images do not have that format, or there are none.
        UsageError: there is not one value per column.
    """
    images = _checked(images, "rows, columns, height, width, channels")
    rows, columns = images.shape[:2]
    if len(values) != columns:
        raise UsageError(f"{len(values)} values for {columns} columns", "one per column", f"{columns} values")
    cells = enlarged(images.reshape(-1, *images.shape[2:]))
    grid = Image.fromarray(_tiled(cells.reshape(rows, columns, *cells.shape[1:])))
    cell = cells.shape[2]
    size = min(max(13, round(cell / 4)), 32)
    # The origin is the lower left corner of the grid; x points right, y down.
    texts = _column_texts([plain(value) for value in values], cell, size)
    below = _SPACE + texts[0].size if any(values) else 0
    texts.append(_Text(plain(name), size + 2, grid.width / 2, below + _SPACE + size + 2))
    headline = round(size * 1.15)
    lines = wrapped(plain(title or ""), headline, max(grid.width, 28 * headline))
    side = rotated_text(plain(row_label), size + 2) if row_label else None
    y = -max(grid.height, side.height if side else 0) - _SPACE - headline * 0.3
    for line in reversed(lines):
        texts.append(_Text(line, headline, grid.width / 2, y))
        y -= headline * 1.3
    return _composed(grid, [text for text in texts if text.text], side)


def sheet(rows: Sequence[Sequence[Image.Image]]) -> Image.Image:
    """Return pictures in aligned rows and columns on white; rows may have different lengths.

    Raises:
        DataError: there is no picture.
    """
    if not any(rows):
        raise DataError("a sheet without a picture", "at least one picture", "leaving the sheet out")
    widths = [max(row[n].width for row in rows if n < len(row)) for n in range(max(map(len, rows)))]
    heights = [max((picture.height for picture in row), default=0) for row in rows]
    paper = Image.new("RGB", (sum(widths), sum(heights)), PAPER)
    for number, row in enumerate(rows):
        for column, picture in enumerate(row):
            paper.paste(picture, (sum(widths[:column]), sum(heights[:number])))
    return paper


def save_png(image: Image.Image, path: str | Path) -> None:
    """Write a PNG file atomically, replacing an older one; missing folders are created.

    Raises:
        OSError: it cannot be written; the old file is intact.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{secrets.token_hex(8)}.part")  # in the same folder: renames need one disk
    try:
        with open(partial, "xb") as file:
            image.save(file, format="PNG")
        os.replace(partial, path)
    except BaseException:  # signals included
        partial.unlink(missing_ok=True)
        raise


def format_values(values: Sequence[float]) -> list[str]:
    """Return numbers as labels with the same number of decimals: -2.0, -1.5, ... 2.0.

    There are one or two decimals, or up to 6 if different numbers would have the same label.
    """
    numbers = [float(value) for value in values]
    finite = [number for number in numbers if math.isfinite(number)]

    def with_decimals(decimals: int) -> list[str]:
        # + 0.0 turns -0.0 into 0.0
        return [f"{round(number, decimals) + 0.0:.{decimals}f}" for number in numbers]

    if all(abs(number - round(number, 1)) < 1e-6 for number in finite):
        return with_decimals(1)

    def distinct(decimals: int) -> int:
        return len({round(number, decimals) for number in finite})

    return with_decimals(next((n for n in range(2, 6) if distinct(n) == distinct(6)), 6))


# --- text ----------------------------------------------------------------------------------------------


@functools.cache
def font(size: int) -> ImageFont.FreeTypeFont:
    """Return the font of Pillow at `size` pixels, which is the same on every machine."""
    loaded = ImageFont.load_default(size)
    if not isinstance(loaded, ImageFont.FreeTypeFont):
        raise ImportError("Pillow was built without FreeType; its wheels on the package index have it")
    return loaded


def plain(text: str) -> str:
    """Return `text` on one line in ASCII, which the font has: without accents, other letters as "?"."""
    text = " ".join(text.split()).translate(str.maketrans("−–—×", "---x"))
    letters = (letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))
    return "".join(letters).encode("ascii", "replace").decode("ascii")


def text_width(text: str, size: int) -> float:
    """Return the width of `text` in pixels."""
    return font(size * _OVERSAMPLING).getlength(text) / _OVERSAMPLING


def draw_text(  # noqa: PLR0913 - text, position and style
    paper: Image.Image, x: float, y: float, text: str, size: int, *, align: float = 0.0
) -> None:
    """Draw dark text with baseline y; x is its left end, middle or right end for `align` 0, 0.5 or 1.

    The text is rendered large and reduced, as small fonts round letter positions to whole pixels.
    """
    width, height = math.ceil(text_width(text, size)) + 2, 2 * size
    mask = Image.new("L", (width * _OVERSAMPLING, height * _OVERSAMPLING), 0)
    ImageDraw.Draw(mask).text(
        (_OVERSAMPLING, round(1.25 * size) * _OVERSAMPLING),
        text,
        255,
        font(size * _OVERSAMPLING),
        anchor="ls",
    )
    position = (round(x - (width - 2) * align) - 1, round(y) - round(1.25 * size))
    paper.paste(INK, position, mask.resize((width, height), Image.Resampling.LANCZOS))


def wrapped(text: str, size: int, width: float) -> list[str]:
    """Break `text` between words into lines of at most `width` pixels, unless one word is longer."""
    lines: list[str] = []
    for word in text.split():
        if lines and text_width(f"{lines[-1]} {word}", size) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def rotated_text(text: str, size: int) -> Image.Image:
    """Return `text` that reads upwards, dark on white."""
    image = Image.new("RGB", (math.ceil(text_width(text, size)) + 2, round(size * 1.3)), PAPER)
    draw_text(image, 1, size, text, size)
    return image.transpose(Image.Transpose.ROTATE_90)


class _Text:
    """A line of text of `size` pixels, centred on x, with baseline y."""

    def __init__(self, text: str, size: int, x: float, y: float) -> None:
        self.text, self.size, self.x, self.y = text, size, x, y
        self.half = text_width(text, size) / 2


def _column_texts(values: Sequence[str], cell: int, size: int) -> list[_Text]:
    """Place the values below their columns: smaller if they would touch, then fewer."""

    def needed(size: int) -> float:
        return max(text_width(value, size) for value in values) + max(8, size / 2)

    pitch = cell + _GAP
    while needed(size) > pitch and size > _MIN_TEXT:
        size -= 1
    every = max(1, math.ceil(needed(size) / pitch))
    return [
        _Text(value, size, number * pitch + cell / 2, _SPACE + size * 0.8)
        for number, value in enumerate(values)
        if number % every == 0
    ]


# --- composing -----------------------------------------------------------------------------------------


def _composed(grid: Image.Image, texts: Sequence[_Text], side: Image.Image | None) -> Image.Image:
    """Return the grid, the texts around it and the margins on white."""
    side_width = side.width + _SPACE if side else 0
    left = min([-side_width, *(text.x - text.half for text in texts)])
    right = max([grid.width, *(text.x + text.half for text in texts)])
    top = min([-max(grid.height, side.height if side else 0), *(text.y - text.size for text in texts)])
    bottom = max([0, *(text.y + text.size * 0.3 for text in texts)])
    x, y = math.ceil(_MARGIN - left), math.ceil(_MARGIN - top)
    paper = Image.new("RGB", (math.ceil(x + right) + _MARGIN, math.ceil(y + bottom) + _MARGIN), PAPER)
    paper.paste(grid, (x, y - grid.height))
    if side:
        # Centred on the grid; a longer label extends above it, where there is space.
        paper.paste(side, (x - side_width, y - max(side.height, (grid.height + side.height) // 2)))
    for text in texts:
        draw_text(paper, x + text.x, y + text.y, text.text, text.size, align=0.5)
    return paper


def _checked(images: UInt8[np.ndarray, "*axes"], axes: str) -> UInt8[np.ndarray, "*axes"]:
    """Return the images as a uint8 array with the given axes, none of them 0."""
    images = np.asarray(images)
    if images.ndim != len(axes.split(",")) or images.shape[-1] not in (1, 3, 4) or 0 in images.shape:
        raise DataError(
            f"an array of shape {list(images.shape)} for a picture",
            f"[{axes}], none of them 0, with 1, 3 or 4 channels",
            "images[..., None] if grey images have no channel axis; channels are the last axis",
        )
    if images.dtype != np.uint8:
        raise DataError(
            f"images of type {images.dtype} for a picture",
            "uint8, 0 to 255",
            '(images * 255).round().astype("uint8") for numbers from 0 to 1',
        )
    return images


def enlarged(images: UInt8[np.ndarray, "n h w c"], width: int = _MIN_CELL) -> UInt8[np.ndarray, "n _ _ 3"]:
    """Return the images as RGB, enlarged by the smallest whole factor to at least `width` pixels."""
    scale = max(1, math.ceil(width / images.shape[2]))
    large = images.repeat(scale, axis=1).repeat(scale, axis=2)
    if large.shape[-1] == 4:
        return _over_chequerboard(large)
    return np.broadcast_to(large, (*large.shape[:-1], 3))


def _over_chequerboard(images: UInt8[np.ndarray, "n h w 4"]) -> UInt8[np.ndarray, "n h w 3"]:
    """Blend RGBA images over white and light grey squares."""
    height, width = images.shape[1:3]
    square = max(4, width // 8)
    down, across = np.arange(height)[:, None] // square, np.arange(width) // square
    board = np.where((down + across) % 2, 220, 255)[..., None]
    alpha = images[..., 3:].astype(np.int32)
    blended = (images[..., :3] * alpha + board * (255 - alpha) + 127) // 255
    return np.asarray(blended, np.uint8)


def _tiled(cells: UInt8[np.ndarray, "rows columns h w 3"]) -> UInt8[np.ndarray, "height width 3"]:
    """Join cells into one array, with white gaps."""
    rows, columns, height, width, _ = cells.shape
    spaced = np.pad(cells, ((0, 0), (0, 0), (0, _GAP), (0, _GAP), (0, 0)), constant_values=255)
    whole = spaced.transpose(0, 2, 1, 3, 4).reshape(rows * (height + _GAP), columns * (width + _GAP), 3)
    return np.ascontiguousarray(whole[:-_GAP, :-_GAP])
