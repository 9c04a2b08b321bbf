"""What a search might find in 60 images, made by hand."""

from __future__ import annotations

import numpy as np

from infogan.representation.candidates import Candidate
from infogan.representation.category_search import Categories, Stability
from infogan.representation.learning import Learned

IMAGES = np.random.default_rng(0).integers(0, 256, (60, 8, 8, 1), dtype=np.uint8)


def categories(agreement: float = 0.8, threshold: float = 0.5) -> Categories:
    """Return three categories of 30, 20 and 10 images; the last four images belong to none."""
    labels = np.repeat([0, 1, 2], [30, 20, 10]).astype(np.int64)
    chosen = Stability("communities", 3, agreement, 0.9, 0.01, 0.9)
    return Categories(
        labels=labels,
        probabilities=np.eye(3, dtype=np.float32)[labels],
        none=np.arange(60) >= 56,
        chosen=chosen,
        threshold=threshold,
        curve=(chosen,),
        tree=np.array([[0.0, 1.0, 0.2, 50.0], [2.0, 3.0, 0.5, 60.0]]),
    )


def candidate(name: str = "coordinate1", *, explained: float = 0.6) -> Candidate:
    """Return a coordinate along which the images lie in reverse order."""
    values = np.linspace(1, -1, 60).astype(np.float32)
    return Candidate(name, "coordinate", "plain 40", values, 0.9, 0.7, (2, explained))


def learned(*candidates: Candidate, found: Categories | None = None) -> Learned:
    """Return what was found in the images."""
    return Learned(found, candidates, 60)
