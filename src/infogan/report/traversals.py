"""Traversals of a model as labelled pictures."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from infogan.config import Categorical
from infogan.model import InfoGAN
from infogan.report import pictures


def traversal_picture(  # noqa: PLR0913 - what InfoGAN.traverse takes
    model: InfoGAN,
    name: str,
    *,
    rows: int = 8,
    seed: int = 0,
    values: Sequence[float | Sequence[float]] | None = None,
    weights: str | None = None,
) -> Image.Image:
    """What one code does, with its name and values along the axis: a row shares noise and other codes.

    Arguments and errors are those of `InfoGAN.traverse`.
    """
    images = model.traverse(name, rows=rows, seed=seed, values=values, weights=weights)
    code = model.latents.priors[name].code
    line = model.traversal_values(name, values)
    if isinstance(code, Categorical):
        labels = [str(int(row[: code.size].argmax())) for row in line]
    else:
        labels = pictures.format_values(line[:, 0].tolist())
    return pictures.traversal_picture(images, name=name, values=labels)
