"""Features for comparing generated with real images, from a network that is independent of the model.

With labels, the network is a classifier trained on them. Without labels, it is trained to predict by how many
quarter turns an image was rotated (Gidaris et al. 2018). It is not the Inception network, so a Fréchet
distance in these features is not the FID.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from infogan.evaluation.classifier import Classifier, subject_classifier, train_classifier
from infogan.evaluation.clustering import classes_known
from infogan.evaluation.subject import Subject, drawn_subset

MOST_IMAGES = 3_000
FEWEST_UNLABELLED = 500
"""Minimum number of test images for a network that is trained without labels."""

_TURNED_IMAGES = 4_000


@dataclass(frozen=True)
class Features:
    """Features of the same number of images of each set.

    Attributes:
        fake: of generated images.
        train: of real training images, as a baseline.
        test: of real test images, which both are compared with.
        described: what the features are, in words.
    """

    fake: Float[np.ndarray, "n features"]
    train: Float[np.ndarray, "n features"]
    test: Float[np.ndarray, "n features"]
    described: str


def turn_classifier(images: UInt8[np.ndarray, "n h w c"], *, seed: int, device: object = "cpu") -> Classifier:
    """Train a classifier that predicts the rotation of an image, on all four rotations of every image."""
    turned = np.concatenate([np.rot90(images, turns, axes=(1, 2)) for turns in range(4)])
    labels = np.repeat(np.arange(4), len(images))
    return train_classifier(turned, labels, seed=seed, device=str(device))


def fidelity_features(subject: Subject) -> Features | None:
    """Return features of at most MOST_IMAGES of each set; None if there are too few images.

    Call it with `subject.once`.
    """
    dataset = subject.dataset
    if dataset is None:
        return None
    labelled = classes_known(dataset)
    train, test, seed = dataset.train.images, dataset.test.images, subject.seed
    count = min(MOST_IMAGES, subject.samples, len(train), len(test))
    if not labelled and count < FEWEST_UNLABELLED:
        return None
    if labelled:
        network, training = subject.once(subject_classifier), "a classifier trained with labels"
    else:
        images = subject.train_images[:_TURNED_IMAGES]
        network = turn_classifier(images, seed=seed, device=subject.model.device)
        training = "a network trained to predict quarter turns"
    fakes, _ = subject.sample(count, "fidelity")
    chosen = [
        images[drawn_subset(len(images), count, seed=seed, stream=f"evaluation/fidelity/{split}")]
        for split, images in (("train", train), ("test", test))
    ]
    of_fakes, of_train, of_test = (network.features(images) for images in (fakes, *chosen))
    described = f"{of_test.shape[1]} features of {training}, {count} images each"
    return Features(of_fakes, of_train, of_test, described)
