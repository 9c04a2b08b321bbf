"""Improved precision and recall (Kynkäänniemi et al. 2019): are fakes like real images, do they cover all?

In the features of an independent network that shares nothing with the model that is judged.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from infogan.evaluation.fidelity_features import fidelity_features
from infogan.evaluation.metric import metric
from infogan.evaluation.resampling import mean_interval
from infogan.evaluation.subject import Subject

NEIGHBOURS = 3
"""k of the paper: a ball reaches to the third nearest other image of its set."""

_CHUNK = 500


def precision_recall(
    real: Float[np.ndarray, "n features"], fake: Float[np.ndarray, "m features"]
) -> dict[str, Any]:
    """Precision and recall of fakes (Kynkäänniemi et al. 2019, equations 1 and 2), with k = 3.

    Both fall with the number of images: only figures of equally many images can be held side by side.

    Args:
        real: features of more than 3 real images.
        fake: features of more than 3 generated ones.

    Returns:
        `precision`, the share of fakes within the ball of a real image, and `recall`, the share of real
        images within the ball of a fake, from 0 to 1. Their 95 % `_interval`s hold for the chance of which
        images are asked about; the balls are taken as they are.
    """
    x, y = (torch.from_numpy(features).double() for features in (real, fake))
    figures: dict[str, Any] = {}
    for name, balls, asked in (("precision", x, y), ("recall", y, x)):
        inside = covered(balls, asked).double().numpy()
        figures[name] = float(inside.mean())
        figures[f"{name}_interval"] = mean_interval(inside, (0.0, 1.0))
    return figures


def covered(centres: Float[Tensor, "n features"], asked: Float[Tensor, "m features"]) -> Bool[Tensor, " m"]:
    """Whether each point lies in a ball around a centre that reaches to that centre's third nearest other."""
    # The nearest centre of each is itself, at a distance of exactly 0.
    radii = torch.cat(
        [_distances(part, centres).kthvalue(NEIGHBOURS + 1).values for part in centres.split(_CHUNK)]
    )
    return torch.cat([(_distances(part, centres) <= radii).any(1) for part in asked.split(_CHUNK)])


def _distances(points: Tensor, centres: Tensor) -> Float[Tensor, "n m"]:
    """Exact, and not by |a|^2 + |b|^2 - 2ab, which makes the distance of equal points more than 0."""
    return torch.cdist(points, centres, compute_mode="donot_use_mm_for_euclid_dist")


@metric("precision and recall")
def _metric(subject: Subject) -> dict[str, Any]:
    features = subject.once(fidelity_features)
    if features is None or len(features.test) <= NEIGHBOURS:
        return {}
    described = {"features": features.described}
    of_train = precision_recall(features.test, features.train)
    return {
        "fidelity": precision_recall(features.test, features.fake) | described,
        "baselines": {"real": {"fidelity": of_train | described}},
    }
