"""L_I(G, Q) of each code on fresh generated images, with its standard error, in nats (equation 5).

For a discrete code H(c) is a ceiling: "2.11 of 2.30 nats". For a continuous code it is none; there the
posterior's standard deviation and R^2 say what the number of nats means.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from infogan.config import Categorical
from infogan.evaluation.metric import metric
from infogan.evaluation.resampling import NORMAL_QUANTILE
from infogan.evaluation.subject import Subject
from infogan.latents import Codes, GaussianPosterior, Latents, Posterior, Prior
from infogan.model import InfoGAN, Weights

FITTING_SAMPLES = 2_000
"""Generated images, apart from those that are scored, on which the std of a fixed-std posterior is fitted."""
_LEAST_STD = 1e-3  # a fitted std of 0, from finitely many images, would be an infinite bound


def fresh_fakes(
    model: InfoGAN, count: int, *, seed: int, stream: str, weights: Weights | None = None
) -> tuple[UInt8[np.ndarray, "n h w c"], Codes]:
    """Generated images of latents drawn anew, and the codes they were made from.

    The images have the 256 levels that people see: what a code writes finer than that does not count.
    """
    noise, codes = model.draw(count, seed=seed, stream=stream)
    return model.generate(noise, codes, weights=weights), codes


def information(
    model: InfoGAN, *, samples: int = 10_000, seed: int = 0, weights: Weights | None = None
) -> dict[str, dict[str, Any]]:
    """L_I of each code of a model on `samples` fresh generated images; keys as in `score_codes`."""
    fitted: dict[str, Tensor] = {}
    if any(prior.has_fixed_std for prior in model.latents.priors.values()):
        images, codes = fresh_fakes(
            model, FITTING_SAMPLES, seed=seed, stream="evaluation/std fit", weights=weights
        )
        fitted = fit_stds(model.latents, model.recognise(images, domain="fake"), codes)
    images, codes = fresh_fakes(model, samples, seed=seed, stream="evaluation/information", weights=weights)
    return score_codes(model.latents, model.recognise(images, domain="fake"), codes, fitted)


def fit_stds(
    latents: Latents, raw: Float[Tensor, "n outputs"], codes: Mapping[str, Tensor]
) -> dict[str, Float[Tensor, " width"]]:
    """The most likely std of each fixed-std code's residuals, one a dimension.

    With the authors' fixed std of 1 the bound cannot exceed ln 2 - 0.919 = -0.226 nats for Unif(-1, 1),
    however well Q reads the code; with the std of its errors it is the bound that Q's means deserve.

    Args:
        latents: the priors, and how posteriors read raw outputs.
        raw: outputs of the recognition head for generated images that are not scored.
        codes: the codes from which those images were made.
    """
    return {
        name: (codes[name] - posterior.mean).square().mean(0).sqrt().clamp_min(_LEAST_STD)
        for name, posterior in latents.posteriors(raw).items()
        if latents.priors[name].has_fixed_std
    }


def score_codes(
    latents: Latents,
    raw: Float[Tensor, "n outputs"],
    codes: Mapping[str, Tensor],
    fitted_stds: Mapping[str, Float[Tensor, " width"]],
) -> dict[str, dict[str, Any]]:
    """L_I of each code, from what Q answered to images and the codes that these were made from.

    Args:
        latents: the priors, and how posteriors read raw outputs.
        raw: outputs of the recognition head for N generated images, [N, outputs].
        codes: of those images, float [N, width] by name.
        fitted_stds: from `fit_stds` on other images, for every code with a fixed std.

    Returns:
        By code: `kind`; `size`, the categories of a categorical code or else its dimensions;
        `entropy_nats`; `mutual_information_nats` with `_standard_error` and the 95 % `_interval`, of all
        dimensions together; for continuous codes also `std`, the posterior's mean standard deviation in
        the code's units, and `r2_fake`, R^2 of the posterior's mean, both averaged over dimensions. For
        periodic codes both are circular (`VonMisesPosterior.std`, `r_squared`). `std_fitted` is true where
        the std was fitted as in `fit_stds`.
    """
    scores: dict[str, dict[str, Any]] = {}
    for name, posterior in latents.posteriors(raw).items():
        prior = latents.priors[name]
        judged = posterior
        if name in fitted_stds:
            judged = GaussianPosterior(posterior.mean, fitted_stds[name].expand_as(posterior.mean))
        scores[name] = {**_describe(prior), **_bound(judged.log_prob(codes[name]), prior)}
        scores[name] |= _continuous_figures(judged, codes[name], prior.period)
        scores[name] |= {"std_fitted": True} if name in fitted_stds else {}
    return scores


def _describe(prior: Prior) -> dict[str, Any]:
    code = prior.code
    if not isinstance(code, Categorical):
        return {"kind": code.kind, "size": code.dim, "entropy_nats": prior.entropy}
    several = {"dim": code.dim} if code.dim > 1 else {}
    return {"kind": code.kind, "size": code.size, **several, "entropy_nats": prior.entropy}


def _bound(log_probabilities: Float[Tensor, " n"], prior: Prior) -> dict[str, Any]:
    values = log_probabilities.double()
    mean = float(values.mean()) + prior.entropy
    error = float(values.std()) / math.sqrt(len(values))
    low, high = mean - NORMAL_QUANTILE * error, mean + NORMAL_QUANTILE * error
    if prior.discrete:  # the bound is known not to exceed H(c), whatever the sample says
        high = max(mean, min(high, prior.entropy))
    return {
        "mutual_information_nats": mean,
        "mutual_information_nats_standard_error": error,
        "mutual_information_nats_interval": [low, high],
    }


def _continuous_figures(
    posterior: Posterior, values: Float[Tensor, "n width"], period: float | None
) -> dict[str, float]:
    std = posterior.std
    if std is None:
        return {}
    r2 = r_squared(values, posterior.mean, period)
    return {"std": float(std.double().mean()), "r2_fake": float(r2.mean())}


def r_squared(
    values: Float[Tensor, "n width"], answers: Float[Tensor, "n width"], period: float | None
) -> Float[Tensor, " width"]:
    """1 - squared distances from the answers / those from the best answer that is always the same.

    On a circle a distance is the chord between two points, so that -1 and 1 are one: 1 - V(error) / V(values)
    with the circular variance V = 1 - mean cos (Mardia and Jupp 2000, section 2.3). For angles drawn from the
    whole circle that is the mean cosine of the error: 1 for no error, 0 for answers that know nothing, 0.95
    and 0.64 for errors of std 0.1 and 0.3 half turns.

    Args:
        values: the truth.
        answers: as it was read.
        period: of both; None for numbers on a line.
    """
    values, answers = values.double(), answers.double()
    if period is None:
        return 1 - (values - answers).square().sum(0) / (values - values.mean(0)).square().sum(0)
    error, angle = (2 * math.pi / period * part for part in (values - answers, values))
    resultant = torch.hypot(angle.cos().mean(0), angle.sin().mean(0))
    return 1 - (1 - error.cos().mean(0)) / (1 - resultant)


@metric("mutual information")
def _metric(subject: Subject) -> dict[str, Any]:
    with torch.inference_mode():
        return {
            "codes": information(
                subject.model, samples=subject.samples, seed=subject.seed, weights=subject.weights
            )
        }
