"""Improved precision and recall of generated images (Kynkäänniemi et al. 2019), in `fidelity_features`."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from infogan.evaluation.fidelity_features import fidelity_features
from infogan.evaluation.metric import metric, with_baselines
from infogan.evaluation.resampling import mean_interval
from infogan.evaluation.subject import Subject

NEIGHBOURS = 3
"""The paper's k: the radius of a ball is the distance to the third nearest other image of the same set."""

_CHUNK = 500


def precision_recall(
    real: Float[np.ndarray, "n features"], fake: Float[np.ndarray, "m features"]
) -> dict[str, Any]:
    """Return precision and recall of generated images (Kynkäänniemi et al. 2019, equations 1 and 2), k = 3.

    Both decrease with the number of images, so compare only values for the same number.

    Args:
        real: features of more than 3 real images.
        fake: features of more than 3 generated ones.

    Returns:
        `precision`, the share of generated images within the ball of a real one, and `recall`, the share of
        real images within the ball of a generated one, from 0 to 1. Their 95 % `_interval`s treat the balls
        as fixed.
    """
    x, y = (torch.from_numpy(features).double() for features in (real, fake))
    figures: dict[str, Any] = {}
    for name, centres, points in (("precision", x, y), ("recall", y, x)):
        inside = covered(centres, points).double().numpy()
        figures[name] = float(inside.mean())
        figures[f"{name}_interval"] = mean_interval(inside, (0.0, 1.0))
    return figures


def covered(centres: Float[Tensor, "n features"], points: Float[Tensor, "m features"]) -> Bool[Tensor, " m"]:
    """Return True for each point that lies in the ball of any centre."""
    # The nearest centre of each centre is itself, at a distance of exactly 0.
    radii = torch.cat(
        [_distances(part, centres).kthvalue(NEIGHBOURS + 1).values for part in centres.split(_CHUNK)]
    )
    return torch.cat([(_distances(part, centres) <= radii).any(1) for part in points.split(_CHUNK)])


def _distances(points: Tensor, centres: Tensor) -> Float[Tensor, "n m"]:
    """Return exact distances; with |a|^2 + |b|^2 - 2ab, the distance of equal points may be above 0."""
    return torch.cdist(points, centres, compute_mode="donot_use_mm_for_euclid_dist")


@metric("precision and recall")
def _metric(subject: Subject) -> dict[str, Any]:
    features = subject.once(fidelity_features)
    if features is None or len(features.test) <= NEIGHBOURS:
        return {}
    described = {"features": features.described}
    return with_baselines(
        {
            name: {"fidelity": precision_recall(features.test, other) | described}
            for name, other in (("model", features.fake), ("real", features.train))
        }
    )
