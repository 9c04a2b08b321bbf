"""A map of images: positions in two dimensions at which images with similar features are neighbours."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float32

_LANDMARKS = 2_000
_NEAREST = 4
_CHUNK = 4_096


def place(features: Float32[np.ndarray, "n k"]) -> Float32[np.ndarray, "n 2"]:
    """Return positions in [-1, 1] x [-1, 1].

    A random sample of landmarks is arranged by t-SNE (van der Maaten and Hinton 2008). Every other image is
    placed between its nearest landmarks. The result does not depend on the number of threads or on a global
    seed.

    Args:
        features: features of the images.
    """
    rng = np.random.Generator(np.random.Philox(0))
    count = len(features)
    chosen = np.sort(rng.choice(count, min(_LANDMARKS, count), replace=False))
    landmarks = _tsne(features[chosen])
    if count == len(chosen):
        return _scaled(landmarks)
    positions = _between(features, features[chosen], landmarks, rng)
    positions[chosen] = landmarks
    return _scaled(positions)


def _tsne(features: Float32[np.ndarray, "n k"]) -> Float32[np.ndarray, "n 2"]:
    from sklearn.manifold import TSNE  # slow to import

    count = len(features)
    if count < 5:  # t-SNE needs more images than its perplexity
        return np.pad(features[:, :2], ((0, 0), (0, max(0, 2 - features.shape[1])))).astype(np.float32)
    embedding: np.ndarray = TSNE(
        perplexity=min(30.0, (count - 1) / 3), init="pca", max_iter=600, random_state=0, n_jobs=1
    ).fit_transform(features)
    return np.asarray(embedding, dtype=np.float32)


def _between(
    features: Float32[np.ndarray, "n k"],
    marks: Float32[np.ndarray, "m k"],
    places: Float32[np.ndarray, "m 2"],
    rng: np.random.Generator,
) -> Float32[np.ndarray, "n 2"]:
    """Place images between their nearest landmarks, weighted by similarity, with a small random offset.

    Without the offset, images with the same nearest landmarks would lie on a few lines.
    """
    known, at = torch.from_numpy(marks), torch.from_numpy(places)
    spacing = _spacing(at)
    result = np.empty((len(features), 2), np.float32)
    for start in range(0, len(features), _CHUNK):
        part = torch.from_numpy(features[start : start + _CHUNK])
        distances, index = torch.cdist(part, known).topk(_NEAREST, largest=False)
        width = distances[:, -1:].clamp_min(1e-9)
        weights = (-(distances / width).square() * 2).softmax(1)
        middle = (weights[:, :, None] * at[index]).sum(1)
        # A mean of distant landmarks would lie in empty space: then the nearest one counts alone.
        spread = (at[index] - middle[:, None]).norm(dim=2).mean(1)
        middle = torch.where((spread > 8 * spacing)[:, None], at[index[:, 0]], middle)
        offset = torch.from_numpy(rng.normal(size=(len(part), 2)).astype(np.float32)) * spacing * 0.8
        result[start : start + len(part)] = (middle + offset).numpy()
    return result


def _spacing(places: torch.Tensor) -> float:
    """Return the median distance from a landmark to the nearest other one."""
    distances = torch.cdist(places, places)
    distances.fill_diagonal_(float("inf"))
    return float(distances.min(1).values.median())


def _scaled(positions: Float32[np.ndarray, "n 2"]) -> Float32[np.ndarray, "n 2"]:
    """Scale positions to [-1, 1] with the same factor for both axes."""
    low, high = positions.min(0), positions.max(0)
    half = float((high - low).max()) / 2 or 1.0
    centred: np.ndarray = (positions - (low + high) / 2) / half
    return centred.astype(np.float32)
