"""Independent components of images: the most and the least peaked ones are attributes of photographs."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, UInt8

from infogan.representation.neighbours import PrincipalComponents

COMPONENTS = 40
"""Number of principal components that are whitened and unmixed."""

STARTS = 8
"""Number of fits with different initial values.

Each fit is a local optimum: on photographs of faces, half of them have a component that follows the smile
(an AUC of .85), and the other half have several that follow it a little.
"""

_ITERATIONS = 400
_LEAST_STD = 1e-4  # of a principal component of pixels in [0, 1], above rounding errors
_SAME = 0.9  # correlation above which components of two fits are the same
_FLAT_ERRORS = 2.0  # standard errors below 0 of the kurtosis of a flat component


@dataclass(frozen=True)
class IndependentComponents:
    """Independent components, fitted to some images; they apply to others of the same size.

    Attributes:
        principal: the principal components of the images.
        unmixing: components as weights of the centred scores of the principal components; each component has
            its longer tail at positive values, and unit variance over the images of the fit.
        mean: of the scores.
        kurtosis: excess kurtosis of each component: above 0 for rare attributes, below 0 for frequent ones.
        images: number of images of the fit.
    """

    principal: PrincipalComponents
    unmixing: Float[np.ndarray, "k d"]
    mean: Float[np.ndarray, " d"]
    kurtosis: Float[np.ndarray, " k"]
    images: int

    def values(self, images: UInt8[np.ndarray, "n h w c"]) -> Float[np.ndarray, "n k"]:
        """Return the components of images, of mean 0 and variance 1 over the images of the fit."""
        scores = self.principal.scores(images).values[:, : len(self.mean)]
        return np.asarray((scores - self.mean) @ self.unmixing.T, dtype=np.float32)

    @property
    def order(self) -> Int[np.ndarray, " k"]:
        """The components from the most extreme shape to the least: the most peaked and the flattest in turn.

        Only components that are flatter than a normal distribution count as flat. Once there are none left,
        the others follow by their kurtosis.
        """
        by_kurtosis = np.argsort(-self.kurtosis, kind="stable")
        error = np.sqrt(24 / self.images)  # of the kurtosis of a normal sample
        flat = [int(k) for k in by_kurtosis[::-1] if self.kurtosis[k] < -_FLAT_ERRORS * error]
        peaked = [int(k) for k in by_kurtosis if int(k) not in flat]
        order: list[int] = []
        while flat or peaked:
            order += peaked[:1] + flat[:1]
            peaked, flat = peaked[1:], flat[1:]
        return np.array(order, dtype=np.int64)


def independent_components(
    images: UInt8[np.ndarray, "n h w c"], count: int = COMPONENTS, *, starts: int = STARTS
) -> IndependentComponents | None:
    """Fit FastICA with the logcosh nonlinearity (Hyvarinen 1999) to whitened principal components.

    It is fitted from several initial values. Components of different fits that are the same, by a correlation
    above .9, are one (after Himberg et al. 2004: Icasso). There may be more components than `count`.

    Args:
        images: 0..255; larger ones are averaged down to 32x32.
        count: number of components of a fit; reduced to what the images allow.
        starts: number of fits.

    Returns:
        The components; None if at most half of the fits converge, as on noise, or all images are equal.
    """
    from scipy.stats import kurtosis, skew  # lazy: slow to import

    principal = PrincipalComponents(images, count)
    scores = principal.scores(images)
    rank = int((scores.std > _LEAST_STD).sum())
    if rank == 0:
        return None
    values = scores.values[:, :rank]
    converged: list[Float[np.ndarray, "d d"]] = []
    for start in range(starts):
        fit = _unmixing(values, start)
        converged += [] if fit is None else [fit]
        if start + 1 - len(converged) >= starts / 2:  # the others would not change the result
            return None
    mean = values.mean(0)
    unmixing = np.concatenate(converged)
    sources = (values - mean) @ unmixing.T
    typical = _typical(np.corrcoef(sources.T))
    sources, unmixing = sources[:, typical], unmixing[typical]
    signs = np.where(skew(sources) < 0, -1.0, 1.0)
    return IndependentComponents(
        principal, unmixing * signs[:, None], mean, np.asarray(kurtosis(sources)), len(images)
    )


def _unmixing(values: Float[np.ndarray, "n d"], start: int) -> Float[np.ndarray, "d d"] | None:
    """Return the components of one fit as weights of centred scores; None if it does not converge."""
    from sklearn.decomposition import FastICA  # lazy: slow to import
    from sklearn.exceptions import ConvergenceWarning

    ica = FastICA(whiten="unit-variance", max_iter=_ITERATIONS, tol=1e-3, random_state=start)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            ica.fit(values)
        except ConvergenceWarning:
            return None
    return np.asarray(ica.components_)


def _typical(correlations: Float[np.ndarray, "k k"]) -> Int[np.ndarray, " m"]:
    """Return the most typical component of each group of equal ones, the largest group first."""
    same = np.abs(np.atleast_2d(correlations)) > _SAME
    left = np.ones(len(same), dtype=bool)
    typical = []
    while left.any():
        sizes = (same & left).sum(1) * left
        leader = int(sizes.argmax())
        typical.append(leader)
        left &= ~same[leader]
        left[leader] = False
    return np.array(typical, dtype=np.int64)
