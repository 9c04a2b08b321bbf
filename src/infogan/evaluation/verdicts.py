"""A verdict for each code, without labels: used, dead, hidden, duplicate or entangled.

A bound near its maximum does not prove that a code has a meaning. G can encode it in invisible details that Q
detects, or use two codes for the same change. Each code is therefore scored by its effect on images, by how
well Q predicts it from slightly corrupted images, and by its similarity to the other codes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from infogan.config import Categorical
from infogan.evaluation.metric import metric
from infogan.evaluation.mutual_information import score_codes
from infogan.evaluation.predicted_codes import outputs_of_test
from infogan.evaluation.resampling import ratio_interval
from infogan.evaluation.run_agreement import category_agreement, continuous_agreement
from infogan.evaluation.subject import Subject, pixels
from infogan.evaluation.true_factors import spearman
from infogan.latents import Codes, Latents

IMAGES = 1_000
STEPS = 9

DEAD = 0.2
"""A code is dead if Q recovers less than this share of it from generated images."""

LOST = 0.5
"""A code does not survive a corruption that leaves less than this share of what Q recovers."""

INVISIBLE = 0.01
"""A code has no visible effect if it causes less than this share of the variance of images."""

OVERLAP = 0.5
"""Two codes are entangled if their changes of images have at least this mean squared cosine."""

SAME, ALIKE = 0.9, 0.6
"""Agreement of two codes on real images from which they are duplicates, or entangled."""


@dataclass(frozen=True)
class Figures:
    """Measurements of one code, each from 0 to 1.

    Attributes:
        recovered: how well Q predicts the code from generated images: R^2, or nats as a share of the entropy.
        effect: share of the variance of images that the code causes (the total effect of Jansen 1999).
        survival: share of `recovered` that remains after each corruption.
        overlap: mean squared cosine between the changes by this code and by each other code.
        agreement: similarity on real images to each other code of the same type.
    """

    recovered: float
    effect: float
    survival: Mapping[str, float]
    overlap: Mapping[str, float]
    agreement: Mapping[str, float]


def verdict(figures: Figures) -> tuple[str, str | None]:
    """Return the verdict on a code, and the other code that it refers to.

    The verdict is "dead", "hidden", "duplicate" or "entangled" with another code, or "used".
    """
    if figures.recovered < DEAD:
        return "dead", None
    if figures.effect < INVISIBLE and min(figures.survival.values()) < LOST:
        return "hidden", None
    for word, values, least in (
        ("duplicate", figures.agreement, SAME),
        ("entangled", figures.overlap, OVERLAP),
        ("entangled", figures.agreement, ALIKE),
    ):
        if values and max(values.values()) >= least:
            return word, max(values, key=values.__getitem__)
    return "used", None


# --- measurements ----------------------------------------------------------------------------------------


def corrupted(images: UInt8[np.ndarray, "n h w c"], rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return the images blurred, with noise, rounded to every second level, and resized down and up.

    Args:
        images: generated images of at least 8 x 8 pixels.
        rng: generator of the noise, which is normal with a std of 8 gray levels.
    """
    x = torch.from_numpy(np.ascontiguousarray(images)).movedim(3, 1).float()
    line = torch.tensor([0.25, 0.5, 0.25])
    kernel = (line[:, None] * line).expand(x.shape[1], 1, 3, 3)
    blurred = F.conv2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), kernel, groups=x.shape[1])
    small = F.interpolate(x, scale_factor=0.5, mode="bilinear", antialias=True)
    resized = F.interpolate(small, size=x.shape[2:], mode="bilinear")
    return {
        "blur": _to_uint8(blurred.movedim(1, 3).numpy()),
        "noise": _to_uint8(images + 8 * rng.standard_normal(images.shape)),
        "rounding": images - images % 2,
        "resize": _to_uint8(resized.movedim(1, 3).numpy()),
    }


def _to_uint8(values: np.ndarray) -> UInt8[np.ndarray, "n h w c"]:
    return values.round().clip(0, 255).astype(np.uint8)


def recovery(latents: Latents, raw: Float[Tensor, "n outputs"], codes: Codes) -> dict[str, float]:
    """Return how well Q predicts each code, from 0 to 1.

    This is R^2 for a continuous code, and the share of the entropy in nats for a discrete code.
    """
    fitted = {name: torch.ones(prior.width) for name, prior in latents.priors.items() if prior.has_fixed_std}
    shares = {
        name: score.get("r2_fake", score["mutual_information_nats"] / score["entropy_nats"])
        for name, score in score_codes(latents, raw, codes, fitted).items()
    }
    return {name: float(min(1.0, max(0.0, share))) for name, share in shares.items()}


def changes(
    subject: Subject, noise: Float[Tensor, "n noise"], codes: Codes, images: UInt8[np.ndarray, "n h w c"]
) -> dict[str, Float[np.ndarray, "n pixels"]]:
    """Return the change of the images when only one code is sampled again, for each code; pixels from 0 to 1.

    Args:
        subject: the model.
        noise: the noise of the images.
        codes: the codes of the images.
        images: the images that were generated from `noise` and `codes`.
    """
    _, others = subject.model.draw(len(images), seed=subject.seed, stream="evaluation/verdicts/others")
    base = pixels(images)
    return {name: pixels(subject.generate(noise, {**codes, name: others[name]})) - base for name in codes}


def overlaps(changed: Mapping[str, Float[np.ndarray, "n pixels"]]) -> dict[str, dict[str, float]]:
    """Return the mean squared cosine between the changes by two codes, over images that both change."""
    table: dict[str, dict[str, float]] = {name: {} for name in changed}
    for first, second in combinations(changed, 2):
        a, b = changed[first], changed[second]
        lengths = np.square(a).sum(1) * np.square(b).sum(1)
        both = lengths > 0
        cosines = np.square((a * b).sum(1)[both]) / lengths[both]
        table[first][second] = table[second][first] = float(cosines.mean()) if both.any() else 0.0
    return table


def agreements(latents: Latents, raw: Float[Tensor, "n outputs"]) -> dict[str, dict[str, float]]:
    """Return the similarity of every two codes of the same type, for their most similar dimensions.

    Continuous codes are compared by `run_agreement.continuous_agreement`, discrete ones by
    `category_agreement`.

    Args:
        latents: the codes of the model.
        raw: Q's outputs for real images.
    """
    table: dict[str, dict[str, float]] = {name: {} for name in latents.priors}
    means = {name: q.mean.double().numpy() for name, q in latents.posteriors(raw).items()}
    categories = {name: _categories(latents, name, means[name]) for name in means}
    for first, second in combinations(means, 2):
        priors = latents.priors[first], latents.priors[second]
        if all(prior.discrete for prior in priors):
            value = max(category_agreement(a, b) for a in categories[first] for b in categories[second])
        elif not any(prior.discrete for prior in priors):
            angles = (priors[0].period is not None, priors[1].period is not None)
            value = max(continuous_agreement(a, b, angles) for a in means[first].T for b in means[second].T)
        else:
            continue
        table[first][second] = table[second][first] = value
    return table


def _categories(latents: Latents, name: str, means: np.ndarray) -> list[np.ndarray]:
    """Return the category of each image in every dimension of a discrete code."""
    code = latents.priors[name].code
    if isinstance(code, Categorical):
        return list(means.reshape(len(means), code.dim, code.size).argmax(2).T)
    return list((means > 0.5).astype(np.int64).T) if latents.priors[name].discrete else []


def monotonicity(subject: Subject, name: str) -> float:
    """Return how steadily images change along a code, as a value from 0 to 1.

    Along a traversal from the low to the high end, this is the rank correlation between the position and the
    distance from the first image, averaged over traversals.
    """
    prior = subject.model.latents.priors[name]
    line = np.linspace(prior.centre - prior.unit, prior.centre + prior.unit, STEPS)
    values = [[value] + [prior.centre] * (prior.width - 1) for value in line]
    rows = subject.model.traverse(name, rows=64, seed=subject.seed, values=values, weights=subject.weights)
    flat = rows.reshape(*rows.shape[:2], -1).astype(np.float64)
    away = np.sqrt(np.square(flat - flat[:, :1]).sum(2))
    return float(np.mean([spearman(np.arange(float(STEPS)), row) for row in away]))


def certainty(latents: Latents, raw: Float[Tensor, "n outputs"]) -> dict[str, float]:
    """Return the certainty of Q for each code on real images, from 0 to 1.

    This is 1 - (spread of the posterior) / (spread of the prior), but at least 0. The spread is the entropy
    of a discrete code and the variance of a continuous code. Codes with a fixed std are omitted.
    """
    result = {}
    for name, posterior in latents.posteriors(raw).items():
        prior = latents.priors[name]
        if prior.has_fixed_std:
            continue
        if posterior.std is not None:
            prior_variance = 1 / 3 if prior.code.kind in ("uniform", "periodic") else 1.0
            spread = float((posterior.std.double() / prior.unit).square().mean()) / prior_variance
        else:
            shares = posterior.mean.double()
            if prior.code.kind == "bernoulli":
                shares = torch.cat([shares, 1 - shares], 1)
            spread = float(torch.special.entr(shares).sum(1).mean()) / prior.entropy
        result[name] = max(0.0, 1 - spread)
    return result


# --- of a model ------------------------------------------------------------------------------------------


@metric("verdicts")
def _metric(subject: Subject) -> dict[str, Any]:
    model, latents = subject.model, subject.model.latents
    count = min(IMAGES, subject.samples)
    noise, codes = model.draw(count, seed=subject.seed, stream="evaluation/verdicts")
    images = subject.generate(noise, codes)
    recovered = recovery(latents, model.recognise(images, domain="fake"), codes)
    after = {
        how: recovery(latents, model.recognise(worse, domain="fake"), codes)
        for how, worse in corrupted(images, subject.rng("verdicts/noise")).items()
    }
    changed = changes(subject, noise, codes, images)
    overlap = overlaps(changed)
    agreement: dict[str, dict[str, float]] = {name: {} for name in codes}
    sure: dict[str, float] = {}
    if subject.dataset is not None:
        real = subject.once(outputs_of_test)
        agreement, sure = agreements(latents, real), certainty(latents, real)

    flat = pixels(images)
    variance = np.square(flat - flat.mean(0)).sum(1) * (count / (count - 1))
    result: dict[str, dict[str, Any]] = {}
    for name in codes:
        halves = np.square(changed[name]).sum(1) / 2
        effect = float(halves.mean() / max(variance.mean(), 1e-12))
        survival = {how: min(1.0, each[name] / max(recovered[name], 1e-12)) for how, each in after.items()}
        word, other = verdict(Figures(recovered[name], effect, survival, overlap[name], agreement[name]))
        result[name] = {"verdict": word, "told": recovered[name], "effect": effect, "survival": survival}
        result[name] |= {"of": other} if other is not None else {}
        if variance.any():
            result[name]["effect_interval"] = ratio_interval(halves, variance, (0.0, np.inf))
        result[name] |= {"overlap": overlap[name]} if overlap[name] else {}
        result[name] |= {"agreement": agreement[name]} if agreement[name] else {}
        result[name] |= {"certainty": sure[name]} if name in sure else {}
        prior = latents.priors[name]
        if not prior.discrete and prior.period is None:
            result[name]["monotonicity"] = monotonicity(subject, name)
    return {"codes": result}
