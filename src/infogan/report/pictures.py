"""Images as labelled pictures: a grid of samples, and what one code does (Figure 2 of the paper).

Arrays in, a Pillow picture out, always RGB. Small images are enlarged by a whole factor with nearest
neighbour, so that a pixel of the picture is a pixel of the image and nothing is blurred or made up.
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

_MINIMUM_CELL = 40  # pixels; below that a digit is hard to make out
_GAP = 2  # pixels between cells
_MARGIN = 14  # pixels of white around everything
_SPACE = 8  # pixels between a picture and its text
_FINE = 4  # text is drawn so many times larger, and reduced
_SMALLEST_TEXT = 11  # pixels; the least that can be read

# --- pictures ------------------------------------------------------------------------------------------


def sample_grid(
    images: UInt8[np.ndarray, "n h w c"], columns: int | None = None, scale: int | None = None
) -> Image.Image:
    """Images side by side, row by row from the top left; what is left of the last row stays white.

    Args:
        images: N images of 1 (grey), 3 (RGB) or 4 (RGB and alpha, shown over a light chequerboard) channels.
        columns: images a row; as many as make the grid nearly square when left out.
        scale: screen pixels a pixel of an image; what makes a cell at least 40 wide when left out.

    Raises:
        DataError: the images are not of that form, or there are none.
        UsageError: `columns` or `scale` is below 1.
    """
    images = _checked(images, "N, height, width, channels")
    count, _, width, _ = images.shape
    columns = math.ceil(math.sqrt(count)) if columns is None else columns
    scale = _whole_factor(width) if scale is None else scale
    if columns < 1 or scale < 1:
        raise UsageError(f"{columns} columns at scale {scale}", "both at least 1", "leaving both out")
    columns = min(columns, count)
    cells = _cells(images, scale)
    blank = np.full((-count % columns, *cells.shape[1:]), 255, np.uint8)
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
    """What one code does: a row shares its noise, a column the code's value.

    The values stand below the columns, the code's name below them, `row_label` along the left side. Where the
    values are too wide to stand below every column, every second one (third, ...) is left out.

    Args:
        images: of 1, 3 or 4 channels, as in `sample_grid`.
        name: of the code.
        values: one a column, as they are to be read; `format_values` makes them of numbers.
        title: above the grid, on as many lines as it takes.
        row_label: what differs from row to row; nothing when None.

    Raises:
        DataError: the images are not of that form, or there are none.
        UsageError: not one value a column.
    """
    images = _checked(images, "rows, columns, height, width, channels")
    rows, columns, _, width, _ = images.shape
    if len(values) != columns:
        raise UsageError(f"{len(values)} values for {columns} columns", "one a column", f"{columns} values")
    cells = _cells(images.reshape(-1, *images.shape[2:]), _whole_factor(width))
    grid = Image.fromarray(_tiled(cells.reshape(rows, columns, *cells.shape[1:])))
    cell = cells.shape[2]
    size = min(max(13, round(cell / 4)), 32)
    # Drawn from the grid's lower left corner: x to the right from its left side, y down from its lower side.
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


def sheet(panels: Sequence[Sequence[Image.Image]]) -> Image.Image:
    """Pictures in rows on one white sheet, each in the upper left of its place; columns are aligned.

    Args:
        panels: rows, from the top; they need not be equally long.

    Raises:
        DataError: there is no picture.
    """
    if not any(panels):
        raise DataError("a sheet without a picture", "at least one", "leaving it away")
    across = max(map(len, panels))
    widths = [max(row[column].width for row in panels if column < len(row)) for column in range(across)]
    heights = [max((one.height for one in row), default=0) for row in panels]
    paper = Image.new("RGB", (sum(widths), sum(heights)), PAPER)
    for number, row in enumerate(panels):
        for column, one in enumerate(row):
            paper.paste(one, (sum(widths[:column]), sum(heights[:number])))
    return paper


def save_png(image: Image.Image, path: str | Path) -> None:
    """Writes a PNG whole or not at all; folders on the way are made, an older picture is replaced.

    Raises:
        OSError: it could not be written; what stood at `path` before still does.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{secrets.token_hex(8)}.part")  # in the same folder: a rename stays on one disk
    try:
        with open(aside, "xb") as file:
            image.save(file, format="PNG")
        os.replace(aside, path)
    except BaseException:  # a signal, too, must not leave the half-written file
        aside.unlink(missing_ok=True)
        raise


def format_values(values: Sequence[float]) -> list[str]:
    """Numbers as labels, all with the same decimals: -2.0, -1.5, ... 2.0.

    One or two decimals, more (at most 6) only where different numbers would read the same otherwise. The
    minus sign is the ASCII one, which every font has; zero has none.
    """
    numbers = [float(value) for value in values]
    finite = [number for number in numbers if math.isfinite(number)]

    def with_decimals(decimals: int) -> list[str]:
        # + 0.0 turns the -0.0 that rounding leaves of -0.001 into 0.0
        return [f"{round(number, decimals) + 0.0:.{decimals}f}" for number in numbers]

    if all(abs(number - round(number, 1)) < 1e-6 for number in finite):
        return with_decimals(1)
    different = len({round(number, 6) for number in finite})
    enough = (
        places for places in range(2, 6) if len({round(number, places) for number in finite}) == different
    )
    return with_decimals(next(enough, 6))


# --- text ----------------------------------------------------------------------------------------------


@functools.cache
def font(size: int) -> ImageFont.FreeTypeFont:
    """Pillow's own font at `size` pixels: the same on every machine."""
    loaded = ImageFont.load_default(size)
    if not isinstance(loaded, ImageFont.FreeTypeFont):
        raise ImportError("Pillow was built without FreeType; its wheels on the package index have it")
    return loaded


def plain(text: str) -> str:
    """`text` on one line, in letters that the font has: accents are dropped, what is left becomes "?"."""
    text = " ".join(text.split()).translate(str.maketrans("−–—×", "---x"))
    letters = (letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))
    return "".join(letters).encode("ascii", "replace").decode("ascii")


def text_width(text: str, size: int) -> float:
    """How many pixels `text` is wide."""
    return font(size * _FINE).getlength(text) / _FINE


def draw_text(  # noqa: PLR0913 - what, where and how
    paper: Image.Image, x: float, y: float, text: str, size: int, *, align: float = 0.0
) -> None:
    """Dark text standing on y; x is its left end, middle or right end when `align` is 0, 0.5 or 1.

    Drawn large and reduced: at its own size the font rounds every letter's place to whole pixels, and words
    run into each other.
    """
    width, height = math.ceil(text_width(text, size)) + 2, 2 * size
    mask = Image.new("L", (width * _FINE, height * _FINE), 0)
    ImageDraw.Draw(mask).text((_FINE, round(1.25 * size) * _FINE), text, 255, font(size * _FINE), anchor="ls")
    place = (round(x - (width - 2) * align) - 1, round(y) - round(1.25 * size))
    paper.paste(INK, place, mask.resize((width, height), Image.Resampling.LANCZOS))


def wrapped(text: str, size: int, width: float) -> list[str]:
    """`text` broken between words into lines of at most `width` pixels; a longer word is not broken."""
    lines: list[str] = []
    for word in text.split():
        if lines and text_width(f"{lines[-1]} {word}", size) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def rotated_text(text: str, size: int) -> Image.Image:
    """`text` that reads upward, dark on white, cut close at its ends."""
    image = Image.new("RGB", (math.ceil(text_width(text, size)) + 2, round(size * 1.3)), PAPER)
    draw_text(image, 1, size, text, size)
    return image.transpose(Image.Transpose.ROTATE_90)


class _Text:
    """A line of text, `size` pixels high, centred on x, standing on y."""

    def __init__(self, text: str, size: int, x: float, y: float) -> None:
        self.text, self.size, self.x, self.y = text, size, x, y
        self.half = text_width(text, size) / 2


def _column_texts(values: Sequence[str], cell: int, size: int) -> list[_Text]:
    """The values below their columns: smaller where they would touch, and fewer where that is not enough."""

    def room(size: int) -> float:
        return max(text_width(value, size) for value in values) + max(8, size / 2)

    pitch = cell + _GAP
    while room(size) > pitch and size > _SMALLEST_TEXT:
        size -= 1
    every = max(1, math.ceil(room(size) / pitch))
    return [
        _Text(value, size, number * pitch + cell / 2, _SPACE + size * 0.8)
        for number, value in enumerate(values)
        if number % every == 0
    ]


# --- composing -----------------------------------------------------------------------------------------


def _composed(grid: Image.Image, texts: Sequence[_Text], side: Image.Image | None) -> Image.Image:
    """The grid, the text around it and the margins, on white paper large enough for all of it."""
    beside = side.width + _SPACE if side else 0
    left = min([-beside, *(text.x - text.half for text in texts)])
    right = max([grid.width, *(text.x + text.half for text in texts)])
    top = min([-max(grid.height, side.height if side else 0), *(text.y - text.size for text in texts)])
    bottom = max([0, *(text.y + text.size * 0.3 for text in texts)])
    x, y = math.ceil(_MARGIN - left), math.ceil(_MARGIN - top)
    paper = Image.new("RGB", (math.ceil(x + right) + _MARGIN, math.ceil(y + bottom) + _MARGIN), PAPER)
    paper.paste(grid, (x, y - grid.height))
    if side:
        # Centred on the grid's height; a label longer than that reaches above it, where nothing else stands.
        paper.paste(side, (x - beside, y - max(side.height, (grid.height + side.height) // 2)))
    for text in texts:
        draw_text(paper, x + text.x, y + text.y, text.text, text.size, align=0.5)
    return paper


def _whole_factor(width: int) -> int:
    """The least whole factor that makes a cell at least 40 pixels wide."""
    return max(1, math.ceil(_MINIMUM_CELL / width))


def _checked(images: UInt8[np.ndarray, "*axes"], axes: str) -> UInt8[np.ndarray, "*axes"]:
    """The images as an array, if it has those axes and bytes and is not empty."""
    images = np.asarray(images)
    if images.ndim != len(axes.split(",")) or images.shape[-1] not in (1, 3, 4) or 0 in images.shape:
        raise DataError(
            f"an array of shape {list(images.shape)} for a picture",
            f"[{axes}], none of them 0, of 1, 3 or 4 channels",
            "images[..., None] where grey images have no channel axis; channels stand last",
        )
    if images.dtype != np.uint8:
        raise DataError(
            f"images of type {images.dtype} for a picture",
            "uint8, 0 to 255",
            '(images * 255).round().astype("uint8") for numbers from 0 to 1',
        )
    return images


def _cells(images: UInt8[np.ndarray, "n h w c"], scale: int) -> UInt8[np.ndarray, "n {scale}*h {scale}*w 3"]:
    """The images enlarged `scale` times, as RGB."""
    large = images.repeat(scale, axis=1).repeat(scale, axis=2)
    if large.shape[-1] == 4:
        return _over_chequerboard(large)
    return np.broadcast_to(large, (*large.shape[:-1], 3))


def _over_chequerboard(images: UInt8[np.ndarray, "n h w 4"]) -> UInt8[np.ndarray, "n h w 3"]:
    """What can be seen through shows white and light grey squares."""
    height, width = images.shape[1:3]
    square = max(4, width // 8)
    down, across = np.arange(height)[:, None] // square, np.arange(width) // square
    board = np.where((down + across) % 2, 220, 255)[..., None]
    alpha = images[..., 3:].astype(np.int32)
    blended = (images[..., :3] * alpha + board * (255 - alpha) + 127) // 255
    return np.asarray(blended, np.uint8)


def _tiled(cells: UInt8[np.ndarray, "rows columns h w 3"]) -> UInt8[np.ndarray, "height width 3"]:
    """Cells as one picture, with white between them."""
    rows, columns, height, width, _ = cells.shape
    spaced = np.pad(cells, ((0, 0), (0, 0), (0, _GAP), (0, _GAP), (0, 0)), constant_values=255)
    whole = spaced.transpose(0, 2, 1, 3, 4).reshape(rows * (height + _GAP), columns * (width + _GAP), 3)
    return np.ascontiguousarray(whole[:-_GAP, :-_GAP])
