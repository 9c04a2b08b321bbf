"""Real images by their codes: predictions of the recognition network for all images, computed once.

Predictions and features are stored in RUN/explorer, under a key of the model and the images.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import safetensors
import safetensors.torch
import torch
from jaxtyping import Float, Float32, Int64, UInt8
from torch import Tensor

from infogan import storage
from infogan.errors import InfoGANError
from infogan.evaluation.embedding_map import embedding_map
from infogan.explorer.latent_rows import Control
from infogan.model import InfoGAN

log = logging.getLogger(__name__)

FOLDER, _FILE = "explorer", "codes.safetensors"
_VERSION = 1
_BATCH = 256
_COMPONENTS, _FITTED = 48, 2_000

Order = Literal["typical", "doubtful", "random"]
Progress = Callable[[float, str], None]


@dataclass(frozen=True, eq=False)
class Images:
    """All images that a run was trained and evaluated on.

    Attributes:
        pixels: uint8 [N, H, W, C], often a memory map.
        names: a file name, or the index, of each.
        fingerprint: of the data set.
    """

    pixels: UInt8[np.ndarray, "n h w c"]
    names: Sequence[str]
    fingerprint: str


@dataclass(frozen=True, eq=False)
class Recognised:
    """The outputs of the recognition network for all images.

    Attributes:
        raw: raw outputs of Q.
        features: principal components of the features that Q receives.
        mean: of the features, subtracted before the projection.
        components: of the projection.
        positions: of the images on the map, each coordinate in -1..1.
    """

    raw: Float32[Tensor, "n outputs"]
    features: Float32[Tensor, "n k"]
    mean: Float32[Tensor, " features"]
    components: Float32[Tensor, "features k"]
    positions: Float32[Tensor, "n 2"]

    def project(self, features: Float[Tensor, "m features"]) -> Float32[Tensor, "m k"]:
        """Return the principal components of features."""
        return (features - self.mean) @ self.components


class RealImages:
    """Finds real images by their codes.

    Args:
        model: the model.
        images: all images.
        recognised: from `recognise`.
    """

    def __init__(self, model: InfoGAN, images: Images, recognised: Recognised) -> None:
        self.model, self.images, self.recognised = model, images, recognised
        self._margins: dict[tuple[str, int], Float[np.ndarray, "n k"]] = {}

    @property
    def count(self) -> int:
        """The number of images."""
        return len(self.images.pixels)

    @cached_property
    def _posteriors(self) -> dict[str, tuple[np.ndarray, np.ndarray | None]]:
        """Mean and standard deviation of every code."""
        posteriors = self.model.latents.posteriors(self.recognised.raw)
        return {
            name: (q.mean.numpy(), None if q.std is None else q.std.numpy()) for name, q in posteriors.items()
        }

    def probabilities(self, control: Control) -> Float[np.ndarray, "n k"]:
        """Return the probability of each category."""
        mean, _ = self._posteriors[control.code]
        chosen: np.ndarray = mean.reshape(len(mean), -1, control.size)[:, control.index]
        return chosen

    def values(self, control: Control) -> Float[np.ndarray, " n"]:
        """Return the most probable category, or the mean, of every image."""
        if control.kind == "categorical":
            most_probable: np.ndarray = self.probabilities(control).argmax(1)
            return most_probable.astype(np.float32)
        means: np.ndarray = self._posteriors[control.code][0][:, control.index]
        return means

    def stds(self, control: Control) -> Float[np.ndarray, " n"]:
        """Return the standard deviation of a continuous code for every image."""
        std = self._posteriors[control.code][1]
        assert std is not None  # of every continuous code
        chosen: np.ndarray = std[:, control.index]
        return chosen

    def category(
        self, control: Control, category: int, order: Order, *, seed: int = 0
    ) -> tuple[Int64[np.ndarray, " m"], Float[np.ndarray, " m"]]:
        """Return the images of a category and its probability for each.

        Args:
            control: of a categorical code.
            category: an image belongs to its most probable category.
            order: from the most certain, from the least certain, or in random order.
            seed: of the random order.
        """
        probabilities = self.probabilities(control)
        members = np.flatnonzero(self.values(control) == category)
        if order == "random":
            members = np.random.Generator(np.random.Philox(seed)).permutation(members)
        else:
            margin = self.margins(control)[members, category]
            members = members[np.argsort(-margin if order == "typical" else margin, kind="stable")]
        return members.astype(np.int64), probabilities[members, category]

    def margins(self, control: Control) -> Float[np.ndarray, "n k"]:
        """Return log-odds of each category, which differ where probabilities round to 1."""
        key = (control.code, control.index)
        if key not in self._margins:
            posterior = self.model.latents.posteriors(self.recognised.raw)[control.code]
            logs = posterior.log_probabilities[:, control.index].double()  # type: ignore[attr-defined]
            others = torch.stack(
                [torch.cat([logs[:, :k], logs[:, k + 1 :]], 1).logsumexp(1) for k in range(control.size)], 1
            )
            self._margins[key] = (logs - others).numpy()
        return self._margins[key]

    def along(
        self, control: Control, count: int, within: tuple[Control, int] | None = None
    ) -> tuple[Int64[np.ndarray, " m"], Float[np.ndarray, " m"], int]:
        """Return images at evenly spaced ranks along a continuous code, their values and the total number.

        Args:
            control: of a continuous or Bernoulli code.
            count: largest number of images to return.
            within: only images of this category of another code.
        """
        values = self.values(control)
        members = np.arange(len(values))
        if within is not None:
            members = np.flatnonzero(self.values(within[0]) == within[1])
        ordered = members[np.argsort(values[members], kind="stable")]
        chosen = ordered[np.linspace(0, len(ordered) - 1, min(count, len(ordered))).round().astype(int)]
        return chosen.astype(np.int64), values[chosen], len(members)

    def nearest(
        self, image: UInt8[np.ndarray, "1 h w c"], count: int, *, generated: bool
    ) -> tuple[Int64[np.ndarray, " m"], Float[np.ndarray, " m"]]:
        """Return the real images with the most similar features, and their distances.

        Args:
            image: one image.
            count: largest number of images to return.
            generated: the image comes from the generator.
        """
        features = self.model.features(image, domain="fake" if generated else "real")
        distances = torch.cdist(self.recognised.project(features), self.recognised.features)[0]
        found = distances.topk(min(count, self.count), largest=False)
        return found.indices.numpy(), found.values.numpy()


# --- computing -------------------------------------------------------------------------------------------


def open_images(model: InfoGAN, images: Images, folder: Path | None, progress: Progress) -> RealImages:
    """Return real images by code, from the run's cache or computed now.

    Args:
        model: the model.
        images: all images.
        folder: the run directory, in which the result is stored; None: it is not stored.
        progress: called with the share that is done and a message.
    """
    key = _key(model, images)
    recognised = None if folder is None else _read(folder / FOLDER, key, len(images.pixels))
    if recognised is None:
        recognised = _compute(model, images, progress)
        if folder is not None:
            _write(folder / FOLDER, key, recognised)
    return RealImages(model, images, recognised)


def _compute(model: InfoGAN, images: Images, progress: Progress) -> Recognised:
    count = len(images.pixels)
    mean, components = _principal_components(model, images)
    raw, projected = [], []
    for start in range(0, count, _BATCH):
        batch = np.ascontiguousarray(images.pixels[start : start + _BATCH])
        raw.append(model.recognise(batch))
        projected.append((model.features(batch) - mean) @ components)
        done = min(start + _BATCH, count)
        progress(0.9 * done / count, f"encoding real images: {done:,} of {count:,}")
    features = torch.cat(projected)
    progress(0.9, "arranging the images on a map")
    return Recognised(
        torch.cat(raw), features, mean, components, torch.from_numpy(embedding_map(features.numpy()))
    )


def _principal_components(model: InfoGAN, images: Images) -> tuple[Tensor, Tensor]:
    """Return the mean and the first principal components of the features of some images.

    Only the components of all images are kept: an image may have a thousand features.
    """
    rng = np.random.Generator(np.random.Philox(0))
    count = len(images.pixels)
    chosen = np.sort(rng.choice(count, min(_FITTED, count), replace=False))
    sample = model.features(np.ascontiguousarray(images.pixels[chosen]))
    mean = sample.mean(0)
    _, _, rows = torch.linalg.svd(sample - mean, full_matrices=False)
    return mean, rows[:_COMPONENTS].T.contiguous()


# --- storing ---------------------------------------------------------------------------------------------


def _key(model: InfoGAN, images: Images) -> str:
    digest = hashlib.sha256(f"{_VERSION} {images.fingerprint}".encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _read(folder: Path, key: str, count: int) -> Recognised | None:
    """Return what is stored, or None if it is of another model or other images, or damaged."""
    if not (folder / storage.MANIFEST).is_file():
        return None
    try:
        if storage.read_manifest(folder).get("key") != key:
            return None
        tensors = safetensors.torch.load(storage.read_folder(folder)[_FILE])
        stored = Recognised(**tensors)
        return stored if len(stored.raw) == count else None
    except (InfoGANError, safetensors.SafetensorError, KeyError, TypeError) as error:
        log.warning("note: %s is computed again: %s", folder, str(error).splitlines()[0])
        return None


def _write(folder: Path, key: str, recognised: Recognised) -> None:
    tensors = {name: tensor.contiguous() for name, tensor in vars(recognised).items()}
    try:
        storage.write_folder(folder, {_FILE: safetensors.torch.save(tensors)}, {"key": key}, exactly=True)
    except InfoGANError as error:  # a run that cannot be written can still be explored
        log.warning("note: codes of real images are not stored: %s", error.happened)
