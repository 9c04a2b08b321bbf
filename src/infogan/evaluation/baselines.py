"""Baselines: an untrained network, k-means and principal components, and their clustering scores."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from infogan import images as edge
from infogan import streams
from infogan.config import Config
from infogan.evaluation.batch_norm import average_batches
from infogan.evaluation.clustering import (
    Assignments,
    choose,
    measurable,
    model_clustering,
    predict_categories,
    score,
    subject_labels,
)
from infogan.evaluation.metric import metric
from infogan.evaluation.predicted_codes import (
    Values,
    continuous_dimensions,
    line_codes,
    outputs_of_test,
    outputs_of_train,
)
from infogan.evaluation.subject import Subject, in_parts, pixels
from infogan.model import InfoGAN

_STARTS = 4  # of k-means; the best of them counts
_MOST_KMEANS_PIXELS = 1_024  # a 32x32 gray image; k-means takes principal components of larger ones
_MOST_PCA_PIXELS = 4_096
_COMPONENTS = 50
_CALIBRATION_BATCHES, _CALIBRATION_BATCH = 20, 128

Images = UInt8[np.ndarray, "_ h w c"]
Codes = dict[str, Values]
"""Continuous codes by name, scaled to [-1, 1] as `line_codes` does."""


# --- k-means and principal components --------------------------------------------------------------------


@dataclass(frozen=True)
class Distances:
    """Squared distances of images to the centres of k-means.

    Attributes:
        train: distances of the images to which the centres are fitted.
        test: distances of other images.
        features: description of the features: "pixels" from 0 to 1, or their principal components.
    """

    train: Float[np.ndarray, "n k"]
    test: Float[np.ndarray, "m k"]
    features: str


def fit_kmeans(train: Images, test: Images, categories: int) -> Distances:
    """Fit k-means to training images, and return the distances of both sets to the centres.

    Images with more than 1,024 values are first reduced to their principal components. If there are fewer
    images than `categories`, there are fewer centres.
    """
    from sklearn.cluster import KMeans  # slow to import

    if train[0].size > _MOST_KMEANS_PIXELS and len(train) > _COMPONENTS:
        x, y = pixel_components(train, test)
        features = f"{_COMPONENTS} principal components of the pixels"
    else:
        x, y, features = pixels(train), pixels(test), "pixels"
    centres = KMeans(min(categories, len(x)), n_init=_STARTS, random_state=0).fit(x)
    return Distances(np.square(centres.transform(x)), np.square(centres.transform(y)), features)


def pixel_components(train: Images, test: Images) -> tuple[np.ndarray, np.ndarray]:
    """Return at most 50 principal components of the pixels of both sets, fitted to the first."""
    from sklearn.decomposition import PCA  # slow to import

    x = pixels(train)
    pca = PCA(min(_COMPONENTS, *x.shape), svd_solver="randomized", random_state=0).fit(x)
    return pca.transform(x), in_parts(lambda part: pca.transform(pixels(part)), test)


def component_codes(train: Images, test: Images, count: int) -> tuple[Codes, Codes]:
    """Return the first `count` principal components of the pixels of both sets as codes.

    Each is spread evenly over [-1, 1] by the ranks of training images, like a uniform code, so that the
    comparison of angles by `circular` is fair.
    """
    from sklearn.decomposition import PCA  # slow to import

    stride = math.ceil(train[0].size / _MOST_PCA_PIXELS)  # of pixels, each with all its channels

    def some_pixels(images: Images) -> Float[np.ndarray, "n pixels"]:
        chosen = images.reshape(len(images), -1, images.shape[-1])[:, ::stride]
        return chosen.reshape(len(images), -1).astype(np.float32)

    x = some_pixels(train)
    model = PCA(min(count, *x.shape), random_state=0).fit(x)
    columns = model.transform(x).T
    ranked = [np.sort(column) for column in columns]

    def spread(components: np.ndarray) -> Codes:
        return {
            f"component{i + 1}": 2 * np.searchsorted(ranked[i], values) / len(x) - 1
            for i, values in enumerate(components)
        }

    return spread(columns), spread(in_parts(lambda part: model.transform(some_pixels(part)), test).T)


def subject_components(subject: Subject) -> tuple[Codes, Codes]:
    """Return as many `component_codes` as there are continuous codes. Call it with `subject.once`."""
    count = len(continuous_dimensions(subject.model.latents))
    return component_codes(subject.train_images, subject.real.test.images, count)


# --- an untrained network --------------------------------------------------------------------------------


def untrained(config: Config, images: Images, *, seed: int = 0, steps: int | None = None) -> InfoGAN:
    """Return a network of the same configuration before training, from another seed.

    The statistics of its batch norm are estimated from real images. Without this, the network has nearly the
    same output for all images, and the baseline would differ from the model in more than the training.

    Args:
        config: configuration of the model under evaluation.
        images: real training images.
        seed: random seed of the order of the images for batch norm.
        steps: training steps of the model under evaluation, which determine the noise level of its input; by
            default those of the configuration.
    """
    model = InfoGAN(config.replace(training={"seed": (config.training.seed + 1) % 2**63}))
    model.provenance = {"steps": config.training.steps if steps is None else steps}
    model.feature_extractor.train()
    model.recognition.train()
    with torch.no_grad():
        for batch in range(_CALIBRATION_BATCHES):
            average_batches(model, batch)
            rng = streams.generator(seed, "evaluation/calibration", batch)
            chosen = torch.randint(len(images), (_CALIBRATION_BATCH,), generator=rng).numpy()
            x = edge.to_float(torch.from_numpy(images[chosen]), model.table.output)
            model.predict(x, "real")
            if model.code_noise:
                # A trained model uses generated images here, but those of an untrained model do not resemble
                # the data.
                noisy = x + model.code_noise * torch.randn(x.shape, generator=rng)
                model.predict(noisy, "noisy")
    return model.eval()


def untrained_model(subject: Subject) -> InfoGAN:
    """Return `untrained` for the model under evaluation. Call it with `subject.once`."""
    model = subject.model
    steps = model.provenance.get("steps")
    return untrained(model.config, subject.train_images, seed=subject.seed, steps=steps).to(model.device)


def untrained_outputs_of_test(subject: Subject) -> Float[Tensor, "n outputs"]:
    """Return the untrained Q's raw outputs for all test images. Call it with `subject.once`."""
    return subject.once(untrained_model).recognise(subject.real.test.images, domain="real")


def outputs(subject: Subject) -> dict[str, tuple[Tensor, Tensor]]:
    """Return raw outputs of Q for training and test images, of the "model" and of the "untrained" network.

    Call it with `subject.once`.
    """
    of_train = subject.once(untrained_model).recognise(subject.train_images, domain="real")
    return {
        "model": (subject.once(outputs_of_train), subject.once(outputs_of_test)),
        "untrained": (of_train, subject.once(untrained_outputs_of_test)),
    }


def codes_and_baselines(subject: Subject) -> dict[str, tuple[Codes, Codes]]:
    """Return `line_codes` of training and test images: of "model", "untrained" and "pca".

    Call it with `subject.once`.
    """
    latents = subject.model.latents
    predicted = {
        name: (line_codes(latents, train), line_codes(latents, test))
        for name, (train, test) in subject.once(outputs).items()
    }
    return {**predicted, "pca": subject.once(subject_components)}


@metric("baselines")
def _metric(subject: Subject) -> dict[str, Any]:
    if not measurable(subject):
        return {}
    labels, seed, latents = subject.once(subject_labels), subject.seed, subject.model.latents
    categories = subject.once(model_clustering).categories
    kmeans = fit_kmeans(subject.train_images, subject.real.test.images, categories)
    nearest = Assignments(kmeans.train.argmin(1), kmeans.test.argmin(1), categories)
    candidates = predict_categories(latents, *subject.once(outputs)["untrained"])
    best = choose(candidates, labels)
    return {
        "baselines": {
            "kmeans": {
                "clustering": score(nearest, labels, seed=seed, stream="kmeans"),
                "features": kmeans.features,
            },
            "untrained": {
                "clustering": {
                    "code": latents.dimension_name(best),
                    **score(candidates[best], labels, seed=seed, stream="untrained"),
                }
            },
        }
    }
