"""Which real images show a category best, and which only just belong to it."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int


def typical_and_doubtful(
    probabilities: Float[np.ndarray, "n k"], category: int, count: int
) -> tuple[Int[np.ndarray, " a"], Int[np.ndarray, " b"]]:
    """Rows of the images of a category of which Q is surest, and of those it is least sure of.

    Args:
        probabilities: of every category, for each image.
        category: its number; an image belongs to its most probable category.
        count: how many of each, at most; no image is in both.
    """
    members = np.flatnonzero(probabilities.argmax(1) == category)
    order = members[np.argsort(-probabilities[members, category], kind="stable")]
    surest = order[:count]
    return surest, order[len(surest) :][::-1][:count]
