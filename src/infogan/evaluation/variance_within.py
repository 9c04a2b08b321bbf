"""Variance of images within a category, and its parts that noise and each continuous code cause.

A generator may generate a single image per category. Neither clustering nor L_I shows this.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float, Int, UInt8

from infogan.evaluation.metric import metric
from infogan.evaluation.predicted_codes import (
    continuous_dimensions,
    dividing_code,
    outputs_of_test,
    predicted_categories,
)
from infogan.evaluation.resampling import mean_interval, ratio_interval
from infogan.evaluation.subject import Subject

_MOST_PAIRS = 2_000  # the error of a variance is then about 2 %
_CHUNK = 256


def within_groups(
    images: UInt8[np.ndarray, "n h w c"], groups: Int[np.ndarray, " n"]
) -> Float[np.ndarray, " m"]:
    """Return each image's contribution to the variance within groups, summed over pixels.

    The contribution is the squared distance from the mean of the group, times n / (n - 1) for a group of n.
    The mean of all contributions is the mean of the groups' unbiased variances, weighted by size.

    Args:
        images: 0..255; the variance is that of pixels from 0 to 1.
        groups: the number of each image's group, from 0.

    Returns:
        One number per image, in order; images that are alone in their group are left out.
    """
    counts = np.bincount(groups)
    starts = range(0, len(images), _CHUNK)
    sums = np.zeros((len(counts), images[0].size))
    for start in starts:
        np.add.at(sums, groups[start : start + _CHUNK], _pixels64(images[start : start + _CHUNK]))
    means = sums / np.maximum(counts, 1)[:, None]
    distances = [
        np.square(_pixels64(images[start : start + _CHUNK]) - means[groups[start : start + _CHUNK]]).sum(1)
        for start in starts
    ]
    size = counts[groups]
    several = size > 1
    return np.asarray(np.concatenate(distances)[several] * (size[several] / (size[several] - 1)))


def of_pairs(
    first: UInt8[np.ndarray, "n h w c"], second: UInt8[np.ndarray, "n h w c"]
) -> Float[np.ndarray, " n"]:
    """Return |x - x'|^2 / 2 of each pair; the mean is the variance due to the latents that differ."""
    return np.asarray(np.square(_pixels64(first) - _pixels64(second)).sum(1) / 2)


def _pixels64(images: UInt8[np.ndarray, "n h w c"]) -> Float[np.ndarray, "n pixels"]:
    return images.reshape(len(images), -1) / 255.0


def generated_variances(
    subject: Subject, *, pairs: int = _MOST_PAIRS
) -> dict[str, Float[np.ndarray, " pairs"]]:
    """Return `of_pairs` of generated images, by the latents in which the two images of a pair differ.

    Args:
        subject: the model.
        pairs: number of pairs; the first image of each pair is the same in all results.

    Returns:
        "generated": all latents except the category differ; "noise": only the noise differs; "codes.<name>":
        only this continuous code differs.
    """
    model, latents = subject.model, subject.model.latents
    noise, codes = model.draw(pairs, seed=subject.seed, stream="evaluation/variance/first")
    other_noise, other_codes = model.draw(pairs, seed=subject.seed, stream="evaluation/variance/second")
    category = dividing_code(latents)
    same = {} if category is None else {category: codes[category]}
    partners = {"generated": (other_noise, other_codes | same)}
    if noise.shape[1]:
        partners["noise"] = (other_noise, codes)
    for name in dict.fromkeys(name for name, _ in continuous_dimensions(latents)):
        partners[f"codes.{name}"] = (noise, codes | {name: other_codes[name]})

    variances: dict[str, list[np.ndarray]] = {key: [] for key in partners}
    for start in range(0, pairs, _CHUNK):
        rows = slice(start, start + _CHUNK)
        first = subject.generate(noise[rows], {name: code[rows] for name, code in codes.items()})
        for key, (partner_noise, partner_codes) in partners.items():
            chunk = {name: code[rows] for name, code in partner_codes.items()}
            variances[key].append(of_pairs(first, subject.generate(partner_noise[rows], chunk)))
    return {key: np.concatenate(parts) for key, parts in variances.items()}


def report(
    real: Float[np.ndarray, " n"] | None, generated: Mapping[str, Float[np.ndarray, " pairs"]]
) -> dict[str, Any]:
    """Return the figures of `variance` in evaluation.json, of pixels from 0 to 1, summed over pixels.

    Args:
        real: from `within_groups` for real images, if there are any.
        generated: from `generated_variances`.

    Returns:
        `real`, `generated` and `noise`, each with its 95 % `_interval`; `noise_share`, the share of the
        noise in `generated`, with its interval; `codes`, by continuous code, with
        intervals.
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


@metric("variance within categories")
def _metric(subject: Subject) -> dict[str, Any]:
    real = None
    if subject.dataset is not None:
        categories = predicted_categories(subject.model.latents, subject.once(outputs_of_test))
        real = within_groups(subject.dataset.test.images, categories)
    pairs = min(subject.samples, _MOST_PAIRS)
    return {"variance": report(real, generated_variances(subject, pairs=pairs))}
