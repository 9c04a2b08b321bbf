"""Pictures of latent traversals of a model."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from infogan.config import Categorical
from infogan.model import InfoGAN
from infogan.reporting import pictures
from infogan.runs.code_names import CodeNames


def traversal_picture(  # noqa: PLR0913 - the arguments of InfoGAN.traverse
    model: InfoGAN,
    name: str,
    *,
    rows: int = 8,
    seed: int = 0,
    values: Sequence[float | Sequence[float]] | None = None,
    weights: str | None = None,
    title: str | None = None,
    names: CodeNames | None = None,
) -> Image.Image:
    """Return a picture in which one code varies from left to right; a row shares noise and other codes.

    The code's name and values are below the images, `title` above. With `names`, these are the user's names
    of the code and its categories. Other arguments and errors are those of `InfoGAN.traverse`.
    """
    names = names or CodeNames(model.config.latents.codes)
    images = model.traverse(name, rows=rows, seed=seed, values=values, weights=weights)
    code = model.latents.priors[name].code
    points = model.traversal_values(name, values)
    if isinstance(code, Categorical):
        labels = [names.category(name, int(row[: code.size].argmax())) for row in points]
    else:
        labels = pictures.format_values(points[:, 0].tolist())
    others = len(model.latents.priors) > 1 or code.dim > 1
    low, high = getattr(code, "low", None), getattr(code, "high", None)
    trained = f" (in training {low:g} to {high:g})" if low is not None and high is not None else ""
    return pictures.traversal_picture(
        images,
        name=f"{names.shown(name)}{trained}",
        values=labels,
        title=title,
        row_label="noise and other codes" if others else "noise",
    )
