"""The real images that show a category best, and those that hardly belong to it."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int


def typical_and_doubtful(
    probabilities: Float[np.ndarray, "n k"], category: int, count: int
) -> tuple[Int[np.ndarray, " a"], Int[np.ndarray, " b"]]:
    """Return the rows of a category's images with the highest and with the lowest probability.

    Args:
        probabilities: probabilities of every category, for each image.
        category: its number; an image belongs to its most probable category.
        count: the most rows of each; no image is in both.
    """
    members = np.flatnonzero(probabilities.argmax(1) == category)
    order = members[np.argsort(-probabilities[members, category], kind="stable")]
    return order[:count], order[count:][::-1][:count]
