"""How much images of one category differ, and what makes generated ones differ: noise, or a continuous code.

A generator may draw one picture a category, perfectly sorted: clustering and L_I would not show it. Here real
and generated images are held side by side, and what the noise alone and each code alone moves.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from infogan.evaluation.metric import metric
from infogan.evaluation.predicted_codes import (
    continuous_dimensions,
    dividing_code,
    read_categories,
    reading_of_test,
)
from infogan.evaluation.resampling import mean_interval, ratio_interval
from infogan.evaluation.subject import Subject
from infogan.latents import Codes
from infogan.model import InfoGAN, Weights

_MOST_PAIRS = 2_000  # variances are then known to about 2 %
_CHUNK = 256

Drawn = tuple[Float[Tensor, "n noise"], Codes]
"""Noise and codes, as `InfoGAN.draw` gives them."""


def within_groups(
    images: UInt8[np.ndarray, "n h w c"], groups: Int[np.ndarray, " n"]
) -> Float[np.ndarray, " m"]:
    """Each image's part in the variance within groups: their mean is that variance, summed over pixels.

    An image's part is its squared distance from the mean of its group, times n / (n - 1) for a group of n.
    The mean of all parts is the mean of the groups' unbiased variances, weighted by size.

    Args:
        images: 0..255; the variance is that of pixels from 0 to 1.
        groups: the number of each image's group, from 0.

    Returns:
        One part an image, in order; images that are alone in their group are left out.
    """
    counts = np.bincount(groups)
    starts = range(0, len(images), _CHUNK)
    sums = np.zeros((len(counts), images[0].size))
    for start in starts:
        np.add.at(sums, groups[start : start + _CHUNK], _flat(images[start : start + _CHUNK]))
    means = sums / np.maximum(counts, 1)[:, None]
    distances = [
        np.square(_flat(images[start : start + _CHUNK]) - means[groups[start : start + _CHUNK]]).sum(1)
        for start in starts
    ]
    size = counts[groups]
    several = size > 1
    return np.asarray(np.concatenate(distances)[several] * (size[several] / (size[several] - 1)))


def of_pairs(
    first: UInt8[np.ndarray, "n h w c"], second: UInt8[np.ndarray, "n h w c"]
) -> Float[np.ndarray, " n"]:
    """|x - x'|^2 / 2 of each pair, pixels from 0 to 1: the mean is the variance of what they do not share."""
    return np.asarray(np.square(_flat(first) - _flat(second)).sum(1) / 2)


def generated_variances(
    model: InfoGAN, *, pairs: int = _MOST_PAIRS, seed: int = 0, weights: Weights | None = None
) -> dict[str, Float[np.ndarray, " pairs"]]:
    """`of_pairs` of generated images, by what the two of a pair do not share.

    Args:
        model: whose generator draws.
        pairs: how many; the first image of each pair serves all figures.
        seed: of the latents.
        weights: "raw" or "ema".

    Returns:
        "generated": all latents but the category; "noise": the noise alone; "codes.<name>": one continuous
        code alone.
    """
    latents = model.latents
    noise, codes = model.draw(pairs, seed=seed, stream="evaluation/variance/first")
    other_noise, other_codes = model.draw(pairs, seed=seed, stream="evaluation/variance/second")
    category = dividing_code(latents)
    same = {} if category is None else {category: codes[category]}
    partners: dict[str, Drawn] = {"generated": (other_noise, other_codes | same)}
    if noise.shape[1]:
        partners["noise"] = (other_noise, codes)
    for name in dict.fromkeys(name for name, _ in continuous_dimensions(latents)):
        partners[f"codes.{name}"] = (noise, codes | {name: other_codes[name]})

    found: dict[str, list[np.ndarray]] = {key: [] for key in partners}
    for start in range(0, pairs, _CHUNK):
        rows = slice(start, start + _CHUNK)
        first = _generate(model, (noise, codes), rows, weights)
        for key, partner in partners.items():
            found[key].append(of_pairs(first, _generate(model, partner, rows, weights)))
    return {key: np.concatenate(parts) for key, parts in found.items()}


def report(
    real: Float[np.ndarray, " n"] | None, generated: Mapping[str, Float[np.ndarray, " pairs"]]
) -> dict[str, Any]:
    """The figures of evaluation.json's `variance`, in squared grey levels from 0 to 1, summed over pixels.

    Args:
        real: from `within_groups` for real images; None: there are none.
        generated: from `generated_variances`.

    Returns:
        `real`, `generated` and `noise`, each with its 95 % `_interval`; `noise_share`, the noise's part of
        `generated`, with its interval; `codes`, by continuous code, with intervals under `<name>_interval`.
    """
    figures: dict[str, Any] = {}
    measured = {"real": real} if real is not None and len(real) > 1 else {}
    for name, parts in (measured | dict(generated)).items():
        section = figures.setdefault("codes", {}) if name.startswith("codes.") else figures
        key = name.removeprefix("codes.")
        section |= {key: float(parts.mean()), f"{key}_interval": mean_interval(parts, (0.0, np.inf))}
    if "noise" in generated and figures["generated"] > 0:
        figures["noise_share"] = figures["noise"] / figures["generated"]
        figures["noise_share_interval"] = ratio_interval(
            generated["noise"], generated["generated"], (0.0, np.inf)
        )
    return figures


def _generate(model: InfoGAN, drawn: Drawn, rows: slice, weights: Weights | None) -> np.ndarray:
    noise, codes = drawn
    return model.generate(noise[rows], {name: code[rows] for name, code in codes.items()}, weights=weights)


def _flat(images: UInt8[np.ndarray, "n h w c"]) -> Float[np.ndarray, "n pixels"]:
    return images.reshape(len(images), -1) / 255.0


@metric("variance within categories")
def _metric(subject: Subject) -> dict[str, Any]:
    real = None
    if subject.dataset is not None:
        categories = read_categories(subject.model.latents, subject.once(reading_of_test))
        real = within_groups(subject.dataset.test.images, categories)
    pairs = min(subject.samples, _MOST_PAIRS)
    generated = generated_variances(subject.model, pairs=pairs, seed=subject.seed, weights=subject.weights)
    return {"variance": report(real, generated)}
