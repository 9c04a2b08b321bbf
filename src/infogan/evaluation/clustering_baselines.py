"""What needs no training of ours: the figures that a model's clustering has to beat, under the same rules."""

from __future__ import annotations

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
    read_assignments,
    score,
    subject_labels,
)
from infogan.evaluation.metric import metric
from infogan.evaluation.subject import Subject, train_images
from infogan.model import InfoGAN

_STARTS = 4  # of k-means; the best of them counts
_MOST_PIXELS = 1_024  # a 32x32 grey image: beyond it k-means sees principal components
_COMPONENTS = 50
_CALIBRATION_BATCHES, _CALIBRATION_BATCH = 20, 128


def kmeans(
    train: UInt8[np.ndarray, "n h w c"], test: UInt8[np.ndarray, "m h w c"], categories: int
) -> tuple[Assignments, str]:
    """k-means on pixels: clusters of training images, and the nearest one of each test image.

    Args:
        train: the images that the centres are fitted to.
        test: the images that are given to the nearest centre.
        categories: how many centres.

    Returns:
        The assignments, and what k-means saw: "pixels", or their principal components where an image has
        more than 1,024 numbers.
    """
    found = fit_kmeans(train, test, categories)
    return Assignments(found.train.argmin(1), found.test.argmin(1), categories), found.seen


@dataclass(frozen=True)
class Distances:
    """Squared distances of images to the centres of k-means.

    Attributes:
        train: of the images that the centres were fitted to.
        test: of other images.
        seen: what k-means saw: "pixels" from 0 to 1, or their principal components.
    """

    train: Float[np.ndarray, "n k"]
    test: Float[np.ndarray, "m k"]
    seen: str


def fit_kmeans(
    train: UInt8[np.ndarray, "n h w c"], test: UInt8[np.ndarray, "m h w c"], categories: int
) -> Distances:
    """`kmeans`, with the distances by which it assigns; fewer centres where there are fewer images."""
    from sklearn.cluster import KMeans  # late: scikit-learn takes a second or two
    from sklearn.decomposition import PCA

    x, y, seen = _flat(train), _flat(test), "pixels"
    if x.shape[1] > _MOST_PIXELS and len(x) > _COMPONENTS:
        pca = PCA(_COMPONENTS, svd_solver="randomized", random_state=0).fit(x)
        x, y, seen = pca.transform(x), pca.transform(y), f"{_COMPONENTS} principal components of the pixels"
    centres = KMeans(min(categories, len(x)), n_init=_STARTS, random_state=0).fit(x)
    return Distances(np.square(centres.transform(x)), np.square(centres.transform(y)), seen)


def untrained(
    config: Config, images: UInt8[np.ndarray, "n h w c"], *, seed: int = 0, steps: int | None = None
) -> InfoGAN:
    """A network of the same configuration with weights as they are before training, from another seed.

    Its batch norm has seen real images, without which an untrained network would give all images nearly
    the same answer: what is missing is training alone.

    Args:
        config: of the model that is judged.
        images: real training images.
        seed: of the order in which batch norm sees them.
        steps: of the judged model, which says through how much noise it reads; its configuration's if None.
    """
    other = config.training.model_copy(update={"seed": (config.training.seed + 1) % 2**63})
    model = InfoGAN(config.model_copy(update={"training": other}))
    model.provenance = {"steps": config.training.steps if steps is None else steps}
    model.trunk.train()
    model.recognition.train()
    with torch.no_grad():
        for batch in range(_CALIBRATION_BATCHES):
            average_batches(model, batch)
            draw = streams.generator(seed, "evaluation/calibration", batch)
            chosen = torch.randint(len(images), (_CALIBRATION_BATCH,), generator=draw).numpy()
            x = edge.to_float(torch.from_numpy(images[chosen]), model.table.output)
            model.recognition(model.trunk(x, ("real",)), ("real",))
            if model.code_noise:
                # Of generated images, in a trained model. This one generates none that are like the data.
                noisy = x + model.code_noise * torch.randn(x.shape, generator=draw)
                model.recognition(model.trunk(noisy, ("noisy",)), ("noisy",))
    return model.eval()


def untrained_model(subject: Subject) -> InfoGAN:
    """`untrained` for the model that is judged. Ask for it by `subject.once`."""
    model = subject.model
    steps = model.provenance.get("steps")
    images = subject.once(train_images)
    return untrained(model.config, images, seed=subject.seed, steps=steps).to(model.device)


def untrained_reading_of_train(subject: Subject) -> Float[Tensor, "n outputs"]:
    """Raw outputs of the untrained Q for `train_images`. Ask for it by `subject.once`."""
    return subject.once(untrained_model).recognise(subject.once(train_images), domain="real")


def untrained_reading_of_test(subject: Subject) -> Float[Tensor, "n outputs"]:
    """Raw outputs of the untrained Q for all test images. Ask for it by `subject.once`."""
    assert subject.dataset is not None
    return subject.once(untrained_model).recognise(subject.dataset.test.images, domain="real")


def _flat(images: UInt8[np.ndarray, "n h w c"]) -> Float[np.ndarray, "n pixels"]:
    return (images.reshape(len(images), -1) / np.float32(255)).astype(np.float32)


@metric("baselines")
def _metric(subject: Subject) -> dict[str, Any]:
    if not measurable(subject):
        return {}
    assert subject.dataset is not None
    train, test = subject.once(train_images), subject.dataset.test.images
    labels, seed = subject.once(subject_labels), subject.seed
    assigned, seen = kmeans(train, test, subject.once(model_clustering).categories)
    by_kmeans = score(assigned, labels, seed=seed, stream="kmeans")

    blank = subject.once(untrained_model)
    candidates = read_assignments(
        blank.latents, subject.once(untrained_reading_of_train), subject.once(untrained_reading_of_test)
    )
    dimension = choose(candidates, labels)
    by_untrained = score(candidates[dimension], labels, seed=seed, stream="untrained")
    return {
        "baselines": {
            "kmeans": {"clustering": by_kmeans, "features": seen},
            "untrained": {"clustering": {"code": blank.latents.dimension_name(dimension), **by_untrained}},
        }
    }
