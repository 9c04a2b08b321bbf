"""Mutual information between Q's categories for a real image and for its augmented view, in nats.

No labels are used. A category that is a cluster of the data is stable under augmentation, and a category that
depends on accidental pixels is not. The entropy of the category frequencies is the maximum: if Q puts all
images into one category, the information is 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8

from infogan import images as edge
from infogan import streams
from infogan.augmentation import augment
from infogan.config import AugmentationConfig
from infogan.evaluation.baselines import untrained_model, untrained_outputs_of_test
from infogan.evaluation.metric import metric, with_baselines
from infogan.evaluation.predicted_codes import outputs_of_test
from infogan.evaluation.resampling import RESAMPLES, centred_interval
from infogan.evaluation.subject import Subject
from infogan.regularizers import joint_table, table_information

DEFAULT_POLICY = AugmentationConfig(rotation=15.0, shift=0.07, scale=0.12, shear=0.15)
"""The augmentations for models whose recipe has none."""

_BATCH = 256


def augmented_views(
    images: UInt8[np.ndarray, "n h w c"], policy: AugmentationConfig, output: edge.Output, *, seed: int = 0
) -> UInt8[np.ndarray, "n h w c"]:
    """Return one augmented view of each image.

    Args:
        images: real images.
        policy: the augmentations.
        output: the range of pixel values in training.
        seed: random seed of the augmentations.
    """
    return np.concatenate([images[:0], *_views_in_parts(images, policy, output, seed)])


def _views_in_parts(
    images: UInt8[np.ndarray, "n h w c"], policy: AugmentationConfig, output: edge.Output, seed: int
) -> Iterator[UInt8[np.ndarray, "m h w c"]]:
    """Yield the parts of `augmented_views`, so that those of a large split are never all in memory."""
    rng = streams.generator(seed, "evaluation/real information/move")
    for start in range(0, len(images), _BATCH):
        part = torch.from_numpy(np.ascontiguousarray(images[start : start + _BATCH]))
        yield edge.to_uint8(augment(edge.to_float(part, output), policy, rng), output).numpy()


def information(
    first: Float[np.ndarray, "n k"], second: Float[np.ndarray, "n k"], rng: np.random.Generator
) -> dict[str, Any]:
    """Return the information between the categories of images and those of their augmented views.

    This is I(c; c') of the joint table over the images (Ji et al. 2019: IIC, equations 2 and 3). If Q is
    uncertain about every image, it is nearly 0, even if the most probable categories agree. Therefore the
    information between the most probable categories is also returned.

    Args:
        first: probabilities of the K categories, for each image.
        second: the same for its augmented view.
        rng: random number generator for the intervals.

    Returns:
        `information_nats`, from 0 to ln K, and `most_probable_information_nats`, that of the most
        probable categories, both with 95 % bootstrap `_interval`s; `usage`, the share of the
        images whose most probable category is each of the K.
    """
    size = first.shape[1]
    sure = np.eye(size, dtype=first.dtype)
    chosen = (sure[first.argmax(1)], sure[second.argmax(1)])
    figures: dict[str, Any] = {}
    for name, tables in (("information_nats", (first, second)), ("most_probable_information_nats", chosen)):
        a, b = tables
        measured = float(table_information(joint_table(torch.from_numpy(a), torch.from_numpy(b))))
        resampled = np.stack([_resampled_table(a, b, rng) for _ in range(RESAMPLES)])
        of_resampled = table_information(torch.from_numpy(resampled)).double().numpy()
        figures[name] = measured
        figures[f"{name}_interval"] = centred_interval(measured, of_resampled, (0.0, float(np.log(size))))
    return figures | {"usage": (np.bincount(first.argmax(1), minlength=size) / len(first)).tolist()}


def _resampled_table(
    first: Float[np.ndarray, "n k"], second: Float[np.ndarray, "n k"], rng: np.random.Generator
) -> Float[np.ndarray, "k k"]:
    """Return `joint_table` of a bootstrap sample of the images."""
    count = len(first)
    times = np.bincount(rng.integers(count, size=count), minlength=count).astype(first.dtype)
    joint = (first * times[:, None]).T @ second / count
    return np.asarray((joint + joint.T) / 2)


@metric("information on real images")
def _metric(subject: Subject) -> dict[str, Any]:
    model = subject.model
    if subject.dataset is None or not model.latents.categorical:
        return {}
    own = model.config.augmentation
    policy, origin = (own, "model") if own.active else (DEFAULT_POLICY, "default")
    networks = (model, subject.once(untrained_model))
    parts = _views_in_parts(subject.dataset.test.images, policy, model.table.output, subject.seed)
    of_views = zip(
        *([network.recognise(part, augmented=True) for network in networks] for part in parts), strict=True
    )
    sections: dict[str, dict[str, Any]] = {}
    for who, stream, raw, raw_of_views in zip(
        ("model", "untrained"),
        ("real", "untrained"),
        (subject.once(outputs_of_test), subject.once(untrained_outputs_of_test)),
        of_views,
        strict=True,
    ):
        first = model.latents.category_probabilities(raw)
        second = model.latents.category_probabilities(torch.cat(raw_of_views))
        figures: dict[str, dict[str, Any]] = {}
        for dimension, probabilities in first.items():
            name = model.latents.dimension_name(dimension)
            rng = subject.rng(f"bootstrap/real information/{stream}/{name}")
            figures[name] = information(probabilities.numpy(), second[dimension].numpy(), rng)
        sections[who] = {"real": figures}
    ranges = policy.model_dump(exclude={"all_images"})
    active = {key: value for key, value in ranges.items() if value and not key.startswith("code_")}
    for figures in sections["model"]["real"].values():
        figures["policy"] = {"origin": origin, **active}
    return with_baselines(sections)
