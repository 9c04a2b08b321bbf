"""Fréchet and kernel distance between generated and real images, in the features of `fidelity_features`."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float

from infogan.evaluation.fidelity_features import fidelity_features
from infogan.evaluation.metric import metric, with_baselines
from infogan.evaluation.resampling import halves_interval
from infogan.evaluation.subject import Subject

HALVES = 8

_FEWEST = 500  # images of each set: with fewer the bias of the Fréchet distance dominates


def frechet(first: Float[np.ndarray, "n features"], second: Float[np.ndarray, "m features"]) -> float:
    """Return the Fréchet distance of two normal distributions with the features' means and covariances.

    |mu1 - mu2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)) (Heusel et al. 2017, equation 6), 0 or more. Its bias
    decreases with the number of images, so compare only values for the same number.
    """
    means = first.mean(0) - second.mean(0)
    c1, c2 = (np.atleast_2d(np.cov(part, rowvar=False)).astype(np.float64) for part in (first, second))
    # The trace of (C1 C2)^(1/2) is the sum of the roots of the eigenvalues of the symmetric C1^h C2 C1^h.
    values, vectors = np.linalg.eigh(c1)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    shared = np.sqrt(np.linalg.eigvalsh(root @ c2 @ root).clip(0)).sum()
    return max(0.0, float(means @ means + np.trace(c1) + np.trace(c2) - 2 * shared))


def kernel(first: Float[np.ndarray, "n features"], second: Float[np.ndarray, "m features"]) -> float:
    """Return the squared MMD with the kernel (x.y / d + 1)^3 (Binkowski et al. 2018, section 3.1).

    It is unbiased for any number of images, and can be negative if the two sets are similar.
    """
    x, y = first.astype(np.float64), second.astype(np.float64)

    def kernels(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.asarray((a @ b.T / a.shape[1] + 1) ** 3)

    def within(a: np.ndarray) -> float:
        table = kernels(a, a)
        return float((table.sum() - np.trace(table)) / (len(a) * (len(a) - 1)))

    return within(x) + within(y) - 2 * float(kernels(x, y).mean())


def distances(
    real: Float[np.ndarray, "n features"], other: Float[np.ndarray, "n features"], rng: np.random.Generator
) -> dict[str, Any]:
    """Return `frechet` and `kernel`, with 95 % intervals over images.

    Args:
        real: features of real images.
        other: of the same number of generated images, or of other real ones.
        rng: random number generator for the random halves of the intervals.
    """
    figures: dict[str, Any] = {}
    for name, distance, least in (("frechet", frechet, 0.0), ("kernel", kernel, -np.inf)):
        figures[name] = distance(real, other)
        halves = []
        for _ in range(HALVES):
            chosen = [rng.permutation(len(part))[: len(part) // 2] for part in (real, other)]
            halves.append(distance(real[chosen[0]], other[chosen[1]]))
        figures[f"{name}_interval"] = halves_interval(figures[name], halves, (least, np.inf))
    return figures


@metric("distances")
def _metric(subject: Subject) -> dict[str, Any]:
    features = subject.once(fidelity_features)
    if features is None or len(features.test) < _FEWEST:
        return {}
    # Scaled to a mean square of 1, so that figures do not depend on the scale of the network's features.
    scale = float(np.sqrt(np.square(features.test - features.test.mean(0)).sum(1).mean())) or 1.0
    test = features.test / scale
    return with_baselines(
        {
            name: {"fidelity": distances(test, other / scale, subject.rng(f"distances/{name}"))}
            for name, other in (("model", features.fake), ("real", features.train))
        }
    )
