"""A contact sheet: small images with a label below each, under a title."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from infogan.errors import DataError
from infogan.reporting.pictures import PAPER, draw_text, enlarged, plain, text_width, wrapped

_CELL = 72  # least width of an image in pixels
_GAP, _MARGIN = 8, 16
_LABEL, _TITLE = 12, 20  # sizes of text in pixels
_FEWEST_COLUMNS = 5  # so that a title has space above a few images


def contact_sheet(images: UInt8[np.ndarray, "n h w c"], labels: Sequence[str], title: str) -> Image.Image:
    """Return images in a nearly square grid, row by row, with a label below each and a title above them.

    Args:
        images: with 1, 3 or 4 channels, as in `sample_grid`.
        labels: one for each image; long ones are cut.
        title: wrapped into lines.

    Raises:
        DataError: there is no image, or not one label per image.
    """
    if not len(images) or len(labels) != len(images):
        raise DataError(
            f"{len(labels)} labels for {len(images)} images",
            "at least one image, a label each",
            "other images",
        )
    cells = enlarged(images, _CELL)
    height, width = cells.shape[1:3]
    columns = max(_FEWEST_COLUMNS, math.ceil(math.sqrt(len(cells))))
    rows = math.ceil(len(cells) / columns)
    pitch, step = width + _GAP, height + _LABEL + _GAP
    lines = wrapped(plain(title), _TITLE, columns * pitch - _GAP)
    top = _MARGIN + round(1.4 * _TITLE * len(lines))
    paper = Image.new("RGB", (columns * pitch - _GAP + 2 * _MARGIN, top + rows * step + _MARGIN), PAPER)
    for number, line in enumerate(lines):
        draw_text(paper, _MARGIN, _MARGIN + _TITLE + round(1.4 * _TITLE * number) - 4, line, _TITLE)
    for number, (cell, label) in enumerate(zip(cells, labels, strict=True)):
        x, y = _MARGIN + number % columns * pitch, top + number // columns * step
        paper.paste(Image.fromarray(np.ascontiguousarray(cell)), (x, y))
        draw_text(paper, x, y + height + _LABEL, _cut(plain(label), width), _LABEL)
    return paper


def _cut(label: str, width: int) -> str:
    """Return the longest start of a label that fits into a width in pixels."""
    while text_width(label, _LABEL) > width:
        label = label[:-1]
    return label
