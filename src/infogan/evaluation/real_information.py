"""What Q's categories keep of a real image when it moves a little: I(code; code of its moved copy), in nats.

No label is used. A category that is a cluster of the data survives a small move; one that is an accident of
pixels does not. H(c) of the usage is a ceiling: Q that puts all images into one category keeps 0 nats.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8

from infogan import images as edge
from infogan import streams
from infogan.augmentation import augment
from infogan.config import AugmentationConfig
from infogan.evaluation.clustering_baselines import untrained_model, untrained_reading_of_test
from infogan.evaluation.metric import metric
from infogan.evaluation.predicted_codes import reading_of_test
from infogan.evaluation.resampling import RESAMPLES, centred_interval, numpy_generator
from infogan.evaluation.subject import Subject
from infogan.regularizers import joint_table, table_information

DEFAULT_POLICY = AugmentationConfig(rotation=15.0, shift=0.07, scale=0.12, shear=0.15)
"""How images are moved where the model's recipe moved none."""

_BATCH = 256


def moved(
    images: UInt8[np.ndarray, "n h w c"], policy: AugmentationConfig, output: edge.Output, *, seed: int = 0
) -> UInt8[np.ndarray, "n h w c"]:
    """One moved copy of each image.

    Args:
        images: real images.
        policy: how far they may be moved.
        output: the range in which brightness counts, as in training.
        seed: of the moves.
    """
    draw = streams.generator(seed, "evaluation/real information/move")
    parts = [images[:0]]
    for start in range(0, len(images), _BATCH):
        part = torch.from_numpy(np.ascontiguousarray(images[start : start + _BATCH]))
        parts.append(edge.to_uint8(augment(edge.to_float(part, output), policy, draw), output).numpy())
    return np.concatenate(parts)


def information(
    first: Float[np.ndarray, "n k"], second: Float[np.ndarray, "n k"], generator: np.random.Generator
) -> dict[str, Any]:
    """The information between the categories read from images and from their moved copies.

    I(c; c') of the joint table over the images (Ji et al. 2019: IIC, equations 2 and 3). A Q that is unsure
    of every image keeps next to nothing, though its most probable categories may; hence the second figure.

    Args:
        first: probabilities of the K categories, for each image.
        second: the same for its copy.
        generator: of the intervals.

    Returns:
        `information_nats`, from 0 to ln K, and `most_probable_information_nats`, the same as if Q were sure
        of its most probable category, both with 95 % bootstrap `_interval`s; `usage`, the share of the
        images whose most probable category is each of the K.
    """
    size = first.shape[1]
    sure = np.eye(size, dtype=first.dtype)
    chosen = (sure[first.argmax(1)], sure[second.argmax(1)])
    figures: dict[str, Any] = {}
    for name, tables in (("information_nats", (first, second)), ("most_probable_information_nats", chosen)):
        a, b = tables
        measured = float(table_information(joint_table(torch.from_numpy(a), torch.from_numpy(b))))
        resampled = np.stack([_resampled_table(a, b, generator) for _ in range(RESAMPLES)])
        of_resampled = table_information(torch.from_numpy(resampled)).double().numpy()
        figures[name] = measured
        figures[f"{name}_interval"] = centred_interval(measured, of_resampled, (0.0, float(np.log(size))))
    return figures | {"usage": (np.bincount(first.argmax(1), minlength=size) / len(first)).tolist()}


def stated(policy: AugmentationConfig, origin: str) -> dict[str, Any]:
    """What of a policy is not 0, and whether it comes from the "model" or is the "default"."""
    ranges = policy.model_dump(exclude={"all_images"})
    told = {key: value for key, value in ranges.items() if value and not key.startswith("code_")}
    return {"origin": origin, **told}


def _resampled_table(
    first: Float[np.ndarray, "n k"], second: Float[np.ndarray, "n k"], generator: np.random.Generator
) -> Float[np.ndarray, "k k"]:
    """`joint_table` of a bootstrap sample of the images: each counts as often as it was drawn."""
    count = len(first)
    times = np.bincount(generator.integers(count, size=count), minlength=count).astype(first.dtype)
    joint = (first * times[:, None]).T @ second / count
    return np.asarray((joint + joint.T) / 2)


@metric("information on real images")
def _metric(subject: Subject) -> dict[str, Any]:
    model = subject.model
    if subject.dataset is None or not model.latents.categorical:
        return {}
    own = model.config.augmentation
    policy, origin = (own, "model") if own.active else (DEFAULT_POLICY, "default")
    copies = moved(subject.dataset.test.images, policy, model.table.output, seed=subject.seed)

    blank = subject.once(untrained_model)
    readings = {
        "real": (subject.once(reading_of_test), model.recognise(copies, moved=True)),
        "untrained": (subject.once(untrained_reading_of_test), blank.recognise(copies, moved=True)),
    }
    found: dict[str, dict[str, Any]] = {}
    for who, (image, copy) in readings.items():
        first, second = (model.latents.category_probabilities(raw) for raw in (image, copy))
        found[who] = {}
        for dimension, probabilities in first.items():
            name = model.latents.dimension_name(dimension)
            generator = numpy_generator(subject.seed, f"evaluation/bootstrap/real information/{who}/{name}")
            found[who][name] = information(probabilities.numpy(), second[dimension].numpy(), generator)
    for figures in found["real"].values():
        figures["policy"] = stated(policy, origin)
    return {"real": found["real"], "baselines": {"untrained": {"real": found["untrained"]}}}
