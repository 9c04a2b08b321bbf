"""HTML for notebooks, of models, runs and reports: self-contained, without scripts or style sheets."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

_GAP = 1  # white pixels between images
_WIDTH = 36  # smallest width of a cell in CSS pixels
_CELL = "text-align:left;padding:2px 12px 2px 0"


def block(title: str, *parts: str) -> str:
    """Return a titled block of HTML."""
    return f"<div><strong>{escape(title)}</strong>{''.join(parts)}</div>"


def line(text: str) -> str:
    """Return a paragraph of plain text."""
    return f'<div style="margin:2px 0">{escape(text)}</div>'


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table of plain text."""
    lines = _row("th", head) + "".join(_row("td", row) for row in rows)
    return f'<table style="margin:4px 0;border-collapse:collapse">{lines}</table>'


def _row(tag: str, texts: Sequence[str]) -> str:
    cells = "".join(f'<{tag} style="{_CELL}">{escape(text)}</{tag}>' for text in texts)
    return f"<tr>{cells}</tr>"


def image_grid(images: UInt8[np.ndarray, "rows columns h w c"], text: str) -> str:
    """Return rows of images as one picture, described by `text`."""
    gap = ((0, 0), (0, 0), (0, _GAP), (0, _GAP), (0, 0))
    images = np.pad(images, gap, constant_values=255)
    rows, columns, height, width, channels = images.shape
    grid = images.transpose(0, 2, 1, 3, 4).reshape(rows * height, columns * width, channels)
    file = io.BytesIO()
    Image.fromarray(grid[..., 0] if channels == 1 else grid).save(file, "PNG", optimize=True)
    return _picture(file.getvalue(), text, columns * max(_WIDTH, width))


def picture_file(path: Path, text: str, width: int | None = None) -> str:
    """Return a PNG file as a picture, described by `text`; `width` is in CSS pixels."""
    return _picture(path.read_bytes(), text, width)


def page(document: str, height: int = 600) -> str:
    """Return a whole HTML document in a frame, in which its scripts do not run."""
    return (
        f'<iframe sandbox srcdoc="{escape(document)}" title="report" '
        f'style="width:100%;height:{height}px;border:1px solid #ccc"></iframe>'
    )


def _picture(png: bytes, text: str, width: int | None) -> str:
    size = "" if width is None else f";width:{width}px"
    data = base64.b64encode(png).decode()
    style = f"max-width:100%;image-rendering:pixelated;margin:4px 0{size}"
    return f'<div><img alt="{escape(text)}" style="{style}" src="data:image/png;base64,{data}"></div>'
