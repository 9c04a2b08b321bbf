"""A 2-D map of images from features: t-SNE of some landmarks, and every other image next to the nearest ones.

t-SNE (van der Maaten and Hinton 2008) of all images would take hours for a million images. Here its time is
constant: it places at most 2,000 landmarks. Any further image is placed at the weighted mean of its nearest
landmarks, one batch at a time, so that memory does not grow with the number of images.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int64

if TYPE_CHECKING:
    from sklearn.decomposition import PCA

MOST_LANDMARKS = 2_000
"""Number of images that t-SNE places, which takes about 10 s on one CPU core."""

_COMPONENTS = 50  # principal components of the features that distances are computed from
_PERPLEXITY = 30.0
_NEIGHBOURS = 5  # landmarks that determine the position of another image
_FEWEST = 12  # landmarks below which t-SNE has no neighbourhoods to keep; two principal components then
_BATCH = 8_192


class EmbeddingMap:
    """A map that has been fitted to landmarks, and places any further images.

    Args:
        landmarks: features of at least one image, such as a random subset of all; see `landmark_indices`.
        seed: random seed of t-SNE.

    Attributes:
        positions: of the landmarks, float32 [N, 2], centred on 0; the largest absolute coordinate is 1.
    """

    positions: Float[np.ndarray, "n 2"]

    def __init__(self, landmarks: Float[np.ndarray, "n d"], *, seed: int = 0) -> None:
        # All are late imports: scikit-learn is slow to import.
        from sklearn.neighbors import NearestNeighbors

        self._pca = _principal_components(landmarks)
        reduced = self._reduced(landmarks)
        self.positions = _normalised(_embedded(reduced, seed))
        self._search = NearestNeighbors(n_neighbors=min(_NEIGHBOURS, len(reduced))).fit(reduced)

    def place(self, features: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n 2"]:
        """Return the positions of images, float32; a landmark gets its own position.

        A position does not depend on the other images of the call.
        """
        parts = [np.zeros((0, 2), np.float32)]
        for start in range(0, len(features), _BATCH):
            distances, nearest = self._search.kneighbors(self._reduced(features[start : start + _BATCH]))
            parts.append(_weighted_mean(self.positions[nearest], distances))
        return np.concatenate(parts)

    def _reduced(self, features: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n components"]:
        if self._pca is None:
            return np.zeros((len(features), 1))
        return np.asarray(self._pca.transform(np.asarray(features, np.float64)))


def embedding_map(features: Float[np.ndarray, "n d"], *, seed: int = 0) -> Float[np.ndarray, "n 2"]:
    """Return the position of each image on a 2-D map in which similar images are close to each other.

    Args:
        features: one row per image, such as `InfoGAN.features` returns them.
        seed: random seed of the choice of landmarks and of t-SNE.

    Returns:
        float32 coordinates around 0, mostly from -1 to 1. Distances between separate groups have no meaning,
        as in any t-SNE.
    """
    if not len(features):
        return np.zeros((0, 2), np.float32)
    return EmbeddingMap(features[landmark_indices(len(features), seed=seed)], seed=seed).place(features)


def landmark_indices(count: int, *, seed: int = 0) -> Int64[np.ndarray, " landmarks"]:
    """Return the sorted indices of at most 2,000 random images of `count`, which serve as landmarks."""
    if count <= MOST_LANDMARKS:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, MOST_LANDMARKS, replace=False))


def _principal_components(features: Float[np.ndarray, "n d"]) -> PCA | None:
    """Return fitted principal components; None if all images have the same features."""
    from sklearn.decomposition import PCA

    if not np.ptp(features, axis=0).any():
        return None
    count = min(_COMPONENTS, *features.shape)
    return PCA(count, svd_solver="full").fit(np.asarray(features, np.float64))


def _embedded(points: Float[np.ndarray, "n d"], seed: int) -> Float[np.ndarray, "n 2"]:
    """Return t-SNE coordinates, or the first two components of few or equal points."""
    from sklearn.manifold import TSNE

    if len(points) < _FEWEST or not points.any():
        return np.pad(points, ((0, 0), (0, max(0, 2 - points.shape[1]))))[:, :2]
    if points.shape[1] == 1:  # t-SNE starts from two components
        points = np.pad(points, ((0, 0), (0, 1)))
    perplexity = min(_PERPLEXITY, (len(points) - 1) / 4)
    embedding = TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(points)
    return np.asarray(embedding)


def _normalised(positions: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
    """Return positions centred on 0, with a largest absolute coordinate of 1."""
    centred = positions - (positions.min(0) + positions.max(0)) / 2
    largest = float(np.abs(centred).max())
    return np.asarray(centred / largest if largest else centred, np.float32)


def _weighted_mean(
    positions: Float[np.ndarray, "n k 2"], distances: Float[np.ndarray, "n k"]
) -> Float[np.ndarray, "n 2"]:
    """Return means of the landmarks' positions, weighted by the inverse square of their distances."""
    # Relative to the nearest one: its square could underflow. A landmark at distance 0 takes all the weight.
    nearest = distances[:, :1]
    with np.errstate(invalid="ignore", divide="ignore"):
        weights = np.where(nearest > 0, (nearest / distances) ** 2, distances == 0)
    weights = weights / weights.sum(1, keepdims=True)
    return np.asarray((positions * weights[..., None]).sum(1), np.float32)
