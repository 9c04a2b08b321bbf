"""Features in which generated images are held against real ones: of a network that is never the judged run.

With labels it is a classifier of them; without, the same network taught to tell by how many quarter turns an
image was turned (Gidaris et al. 2018), which asks for the form of what is shown. Neither is Inception, and a
distance in them is not an FID.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from infogan.evaluation.classifier import Classifier, subject_classifier, train_classifier
from infogan.evaluation.clustering import classes_known
from infogan.evaluation.mutual_information import fresh_fakes
from infogan.evaluation.subject import Subject, drawn_subset, train_images

MOST_IMAGES = 3_000
FEWEST_UNLABELLED = 500
"""Test images below which no network is taught without labels: nothing could be told apart by it."""

_TURNED_IMAGES = 4_000


@dataclass(frozen=True)
class Features:
    """Features of equally many images of each kind.

    Attributes:
        fake: of generated images.
        train: of real images of the training split: how near real images are to each other.
        test: of real test images, which both are held against.
        described: in words, what they are.
    """

    fake: Float[np.ndarray, "n features"]
    train: Float[np.ndarray, "n features"]
    test: Float[np.ndarray, "n features"]
    described: str


def turn_classifier(images: UInt8[np.ndarray, "n h w c"], *, seed: int, device: object = "cpu") -> Classifier:
    """A classifier of quarter turns: every image in all four."""
    turned = np.concatenate([np.rot90(images, turns, axes=(1, 2)) for turns in range(4)])
    labels = np.repeat(np.arange(4), len(images))
    return train_classifier(turned, labels, seed=seed, device=str(device))


def fidelity_features(subject: Subject) -> Features | None:
    """Features of at most MOST_IMAGES of each kind; None where there are too few. Use `subject.once`."""
    dataset = subject.dataset
    if dataset is None:
        return None
    labelled = classes_known(dataset)
    train, test, seed = dataset.train.images, dataset.test.images, subject.seed
    count = min(MOST_IMAGES, subject.samples, len(train), len(test))
    if not labelled and count < FEWEST_UNLABELLED:
        return None
    if labelled:
        network, taught = subject.once(subject_classifier), "a classifier trained with labels"
    else:
        network, taught = subject.once(_turns), "a network taught to tell quarter turns"
    stream = "evaluation/fidelity"
    fakes, _ = fresh_fakes(subject.model, count, seed=seed, stream=stream, weights=subject.weights)
    chosen = [
        images[drawn_subset(len(images), count, seed=seed, stream=f"{stream}/{split}")]
        for split, images in (("train", train), ("test", test))
    ]
    of_fakes, of_train, of_test = (network.features(images) for images in (fakes, *chosen))
    described = f"{of_test.shape[1]} features of {taught}, {count} images each"
    return Features(of_fakes, of_train, of_test, described)


def _turns(subject: Subject) -> Classifier:
    images = subject.once(train_images)[:_TURNED_IMAGES]
    return turn_classifier(images, seed=subject.seed, device=subject.model.device)
