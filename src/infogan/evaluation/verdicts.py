"""A verdict for each code, without labels: used, dead, a duplicate, entangled, or hidden.

A bound near its ceiling does not prove that a code means something: G can write it where only Q looks, or
give two codes one and the same thing to do. Here each code is asked what it changes in pictures, whether it
can still be read from pictures that were slightly spoilt, and whether another code does or says the same.
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
from infogan.evaluation.predicted_codes import reading_of_test
from infogan.evaluation.resampling import numpy_generator, ratio_interval
from infogan.evaluation.run_agreement import alike, shared_categories
from infogan.evaluation.subject import Subject
from infogan.evaluation.true_factors import spearman
from infogan.latents import Codes, Latents

PICTURES = 1_000
STEPS = 9

DEAD = 0.2
"""Share of a code that is read back, below which nothing of it is in the pictures."""

LOST = 0.5
"""Share of what was read that is read from spoilt pictures, below which it did not survive."""

INVISIBLE = 0.01
"""Share of all that varies in pictures, below which what a code changes is tiny."""

OVERLAP = 0.5
"""Mean squared cosine of the changes by two codes, from which they do the same thing."""

SAME, ALIKE = 0.9, 0.6
"""How closely two codes agree on real images, from which they say the same, or much of the same."""


@dataclass(frozen=True)
class Figures:
    """What is known of one code; every number from 0 to 1.

    Attributes:
        told: how much of it Q reads back: R^2, or nats as a share of its entropy.
        effect: the share of the variance of pictures that changes with it (Jansen 1999: the total effect).
        survival: of `told`, what is still read from pictures spoilt in each way.
        overlap: by other code, the mean squared cosine of the changes that both make.
        agreement: by other code of its kind, how alike the two are on real images.
    """

    told: float
    effect: float
    survival: Mapping[str, float]
    overlap: Mapping[str, float]
    agreement: Mapping[str, float]


def verdict(figures: Figures) -> tuple[str, str | None]:
    """The word for a code, and the other code that it is about.

    Returns:
        "dead", "hidden", "duplicate" or "entangled" of another code, or "used".
    """
    if figures.told < DEAD:
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


# --- what is measured ------------------------------------------------------------------------------------


def spoilt(images: UInt8[np.ndarray, "n h w c"], draw: np.random.Generator) -> dict[str, np.ndarray]:
    """The same pictures blurred, made noisy, rounded to every second grey level, and made smaller and back.

    Args:
        images: of 8 pixels or more.
        draw: of the noise, normal with a std of 8 of 255 levels.
    """
    x = torch.from_numpy(np.ascontiguousarray(images)).movedim(3, 1).float()
    line = torch.tensor([0.25, 0.5, 0.25])
    kernel = (line[:, None] * line).expand(x.shape[1], 1, 3, 3)
    blurred = F.conv2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), kernel, groups=x.shape[1])
    small = F.interpolate(x, scale_factor=0.5, mode="bilinear", antialias=True)
    resized = F.interpolate(small, size=x.shape[2:], mode="bilinear")
    return {
        "blur": _levels(blurred.movedim(1, 3).numpy()),
        "noise": _levels(images + 8 * draw.standard_normal(images.shape)),
        "rounding": images - images % 2,
        "resize": _levels(resized.movedim(1, 3).numpy()),
    }


def _levels(values: np.ndarray) -> UInt8[np.ndarray, "n h w c"]:
    return values.round().clip(0, 255).astype(np.uint8)


def told(latents: Latents, raw: Float[Tensor, "n outputs"], codes: Codes) -> dict[str, float]:
    """How much of each code Q reads back, 0 to 1: R^2, or for discrete ones nats as a share of entropy."""
    fitted = {name: torch.ones(prior.width) for name, prior in latents.priors.items() if prior.has_fixed_std}
    found = score_codes(latents, raw, codes, fitted)
    shares = {
        name: one.get("r2_fake", one["mutual_information_nats"] / one["entropy_nats"])
        for name, one in found.items()
    }
    return {name: float(min(1.0, max(0.0, share))) for name, share in shares.items()}


def changes(
    subject: Subject, noise: Float[Tensor, "n noise"], codes: Codes, images: UInt8[np.ndarray, "n h w c"]
) -> dict[str, Float[np.ndarray, "n pixels"]]:
    """By code, what changes in pictures where that code alone is drawn anew; pixels from 0 to 1.

    Args:
        subject: the model.
        noise: of the pictures.
        codes: of the pictures.
        images: the pictures.
    """
    _, others = subject.model.draw(len(images), seed=subject.seed, stream="evaluation/verdicts/others")
    base = _flat(images)
    return {
        name: _flat(subject.model.generate(noise, {**codes, name: others[name]}, weights=subject.weights))
        - base
        for name in codes
    }


def _flat(images: UInt8[np.ndarray, "n h w c"]) -> Float[np.ndarray, "n pixels"]:
    return images.reshape(len(images), -1).astype(np.float32) / np.float32(255)


def overlaps(found: Mapping[str, Float[np.ndarray, "n pixels"]]) -> dict[str, dict[str, float]]:
    """Of each two codes the mean squared cosine of their changes, over pictures in which both change any."""
    table: dict[str, dict[str, float]] = {name: {} for name in found}
    for one, other in combinations(found, 2):
        a, b = found[one], found[other]
        lengths = np.square(a).sum(1) * np.square(b).sum(1)
        moved = lengths > 0
        cosines = np.square((a * b).sum(1)[moved]) / lengths[moved]
        table[one][other] = table[other][one] = float(cosines.mean()) if moved.any() else 0.0
    return table


def agreements(latents: Latents, raw: Float[Tensor, "n outputs"]) -> dict[str, dict[str, float]]:
    """Of each two codes of a kind how alike they are on the same images; by their most alike dimensions.

    `runs.alike` of continuous codes, `runs.shared_categories` of discrete ones.

    Args:
        latents: the priors.
        raw: Q's outputs for real images.
    """
    table: dict[str, dict[str, float]] = {name: {} for name in latents.priors}
    answers = {name: q.mean.double().numpy() for name, q in latents.posteriors(raw).items()}
    divisions = {name: _divisions(latents, name, answers[name]) for name in answers}
    for one, other in combinations(answers, 2):
        discrete = [latents.priors[name].discrete for name in (one, other)]
        if all(discrete):
            value = max(shared_categories(a, b) for a in divisions[one] for b in divisions[other])
        elif not any(discrete):
            angles = (latents.priors[one].period is not None, latents.priors[other].period is not None)
            value = max(alike(a, b, angles) for a in answers[one].T for b in answers[other].T)
        else:
            continue
        table[one][other] = table[other][one] = value
    return table


def _divisions(latents: Latents, name: str, means: np.ndarray) -> list[np.ndarray]:
    """The category of each image in every dimension of a discrete code."""
    code = latents.priors[name].code
    if isinstance(code, Categorical):
        return list(means.reshape(len(means), code.dim, code.size).argmax(2).T)
    return list((means > 0.5).astype(np.int64).T) if latents.priors[name].discrete else []


def monotonicity(subject: Subject, name: str) -> float:
    """How steadily pictures move away as a code goes from its low end to its high one, from 0 to 1.

    The rank correlation of the steps and the distance from the first picture, the mean over pictures.
    """
    prior = subject.model.latents.priors[name]
    line = np.linspace(prior.centre - prior.unit, prior.centre + prior.unit, STEPS)
    values = [[value] + [prior.centre] * (prior.width - 1) for value in line]
    rows = subject.model.traverse(name, rows=64, seed=subject.seed, values=values, weights=subject.weights)
    flat = rows.reshape(*rows.shape[:2], -1).astype(np.float64)
    away = np.sqrt(np.square(flat - flat[:, :1]).sum(2))
    return float(np.mean([spearman(np.arange(float(STEPS)), row) for row in away]))


def certainty(latents: Latents, raw: Float[Tensor, "n outputs"]) -> dict[str, float]:
    """How sure Q is of each code on real images: 1 less what is left open, as a share of the prior's.

    Of categories the entropy, of continuous codes the variance; 0 or below is 0. A std that is fixed says
    nothing: such a code is left out.
    """
    found = {}
    for name, posterior in latents.posteriors(raw).items():
        prior = latents.priors[name]
        if prior.has_fixed_std:
            continue
        if posterior.std is not None:
            spread = 1 / 3 if prior.code.kind in ("uniform", "periodic") else 1.0
            left = float((posterior.std.double() / prior.unit).square().mean()) / spread
        else:
            shares = posterior.mean.double()
            if prior.code.kind == "bernoulli":
                shares = torch.cat([shares, 1 - shares], 1)
            left = float(torch.special.entr(shares).sum(1).mean()) / prior.entropy
        found[name] = max(0.0, 1 - left)
    return found


# --- of a model ------------------------------------------------------------------------------------------


@metric("verdicts")
def _metric(subject: Subject) -> dict[str, Any]:
    model, latents = subject.model, subject.model.latents
    count = min(PICTURES, subject.samples)
    noise, codes = model.draw(count, seed=subject.seed, stream="evaluation/verdicts")
    images = model.generate(noise, codes, weights=subject.weights)
    draw = numpy_generator(subject.seed, "evaluation/verdicts/noise")
    read = told(latents, model.recognise(images, domain="fake"), codes)
    after = {
        how: told(latents, model.recognise(worse, domain="fake"), codes)
        for how, worse in spoilt(images, draw).items()
    }
    changed = changes(subject, noise, codes, images)
    overlap = overlaps(changed)
    real = None if subject.dataset is None else subject.once(reading_of_test)
    agree = agreements(latents, real) if real is not None else {name: {} for name in codes}
    sure = certainty(latents, real) if real is not None else {}

    flat = _flat(images)
    variance = np.square(flat - flat.mean(0)).sum(1) * (count / (count - 1))
    result: dict[str, dict[str, Any]] = {}
    for name in codes:
        halves = np.square(changed[name]).sum(1) / 2
        effect = float(halves.mean() / max(variance.mean(), 1e-12))
        survival = {how: min(1.0, one[name] / max(read[name], 1e-12)) for how, one in after.items()}
        word, other = verdict(Figures(read[name], effect, survival, overlap[name], agree[name]))
        result[name] = {"verdict": word, "told": read[name], "effect": effect, "survival": survival}
        result[name] |= {"of": other} if other is not None else {}
        if variance.any():
            result[name]["effect_interval"] = ratio_interval(halves, variance, (0.0, np.inf))
        result[name] |= {"overlap": overlap[name]} if overlap[name] else {}
        result[name] |= {"agreement": agree[name]} if agree[name] else {}
        result[name] |= {"certainty": sure[name]} if name in sure else {}
        if _on_a_line(latents, name):
            result[name]["monotonicity"] = monotonicity(subject, name)
    return {"codes": result}


def _on_a_line(latents: Latents, name: str) -> bool:
    prior = latents.priors[name]
    return not prior.discrete and prior.period is None
