"""Independent components of images: the most and the least peaked ones are attributes of photographs."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int, UInt8

from infogan.representation.neighbours import PrincipalComponents

COMPONENTS = 40
"""Number of principal components that are whitened and unmixed."""

_ITERATIONS = 400
_LEAST_STD = 1e-4  # of a principal component of pixels in [0, 1], above rounding errors


@dataclass(frozen=True)
class IndependentComponents:
    """Independent components, fitted to some images; they apply to others of the same size.

    Attributes:
        principal: the principal components of the images.
        ica: scikit-learn's FastICA, fitted to their scores.
        signs: so that each component has its longer tail at positive values.
        kurtosis: excess kurtosis of each component: above 0 for rare attributes, below 0 for frequent ones.
    """

    principal: PrincipalComponents
    ica: Any
    signs: Float[np.ndarray, " k"]
    kurtosis: Float[np.ndarray, " k"]

    def values(self, images: UInt8[np.ndarray, "n h w c"]) -> Float[np.ndarray, "n k"]:
        """Return the components of images, of mean 0 and variance 1 over the images of the fit."""
        scores = self.principal.scores(images).values[:, : self.ica.n_features_in_]
        sources = self.ica.transform(scores) * self.signs
        return np.asarray(sources, dtype=np.float32)

    @property
    def order(self) -> Int[np.ndarray, " k"]:
        """The components from the most extreme shape to the least: the most and the least peaked in turn."""
        by_kurtosis = np.argsort(-self.kurtosis)
        half = len(by_kurtosis) // 2
        peaked, flat = by_kurtosis[: len(by_kurtosis) - half], by_kurtosis[::-1][:half]
        order = np.empty(len(by_kurtosis), dtype=np.int64)
        order[::2], order[1::2] = peaked, flat
        return order


def independent_components(
    images: UInt8[np.ndarray, "n h w c"], count: int = COMPONENTS
) -> IndependentComponents | None:
    """Fit FastICA with the logcosh nonlinearity (Hyvarinen 1999) to whitened principal components.

    Args:
        images: 0..255; larger ones are averaged down to 32x32.
        count: number of components; reduced to what the images allow.

    Returns:
        The components; None if FastICA does not converge, as on noise, or all images are equal.
    """
    from scipy.stats import kurtosis, skew  # lazy: slow to import
    from sklearn.decomposition import FastICA
    from sklearn.exceptions import ConvergenceWarning

    principal = PrincipalComponents(images, count)
    scores = principal.scores(images)
    rank = int((scores.std > _LEAST_STD).sum())
    if rank == 0:
        return None
    ica = FastICA(whiten="unit-variance", max_iter=_ITERATIONS, tol=1e-3, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            sources = ica.fit_transform(scores.values[:, :rank])
        except ConvergenceWarning:
            return None
    signs = np.where(skew(sources) < 0, -1.0, 1.0)
    return IndependentComponents(principal, ica, signs, np.asarray(kurtosis(sources)))
