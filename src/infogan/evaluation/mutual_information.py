"""L_I(G, Q) of each code on newly generated images, with its standard error, in nats (equation 5).

For a discrete code, H(c) is the maximum: "2.11 of 2.30 nats". A continuous code has no maximum; the standard
deviation of its posterior and R^2 help to interpret the number of nats.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from infogan.config import Categorical
from infogan.evaluation.metric import metric
from infogan.evaluation.resampling import normal_interval
from infogan.evaluation.subject import Subject
from infogan.latents import GaussianPosterior, Latents, Posterior, Prior

FITTING_SAMPLES = 2_000
"""Number of generated images for fitting the std of a fixed-std posterior; they are not scored."""
_LEAST_STD = 1e-3  # with a std of 0 the bound would be infinite


def information(subject: Subject) -> dict[str, dict[str, Any]]:
    """Return L_I of each code on newly generated images, with the keys of `score_codes`."""
    model, fitted = subject.model, {}
    if any(prior.has_fixed_std for prior in model.latents.priors.values()):
        images, codes = subject.sample(FITTING_SAMPLES, "std fit")
        fitted = fit_stds(model.latents, model.recognise(images, domain="fake"), codes)
    images, codes = subject.sample(subject.samples, "information")
    return score_codes(model.latents, model.recognise(images, domain="fake"), codes, fitted)


def fit_stds(
    latents: Latents, raw: Float[Tensor, "n outputs"], codes: Mapping[str, Tensor]
) -> dict[str, Float[Tensor, " width"]]:
    """Return the maximum-likelihood std of each fixed-std code's residuals, one per dimension.

    With the authors' fixed std of 1, the bound for Unif(-1, 1) cannot exceed ln 2 - 0.919 = -0.226 nats,
    however well Q predicts the code. With the std of Q's errors, the bound is the best possible one for Q's
    means.

    Args:
        latents: the codes of the model.
        raw: outputs of the recognition head for generated images that are not scored.
        codes: the codes of those images.
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
    """Compute L_I of each code from Q's outputs for generated images and the codes of these images.

    Args:
        latents: the codes of the model.
        raw: outputs of the recognition head for N generated images, [N, outputs].
        codes: codes of those images, float [N, width] by name.
        fitted_stds: from `fit_stds` on other images, for every code with a fixed std.

    Returns:
        By code: `kind`; `size`, the categories of a categorical code or else its dimensions;
        `entropy_nats`; `mutual_information_nats` with `_standard_error` and the 95 % `_interval`, of all
        dimensions together; for continuous codes also `std`, the posterior's mean standard deviation in
        the code's units, and `r2_fake`, R^2 of the posterior's mean, both averaged over dimensions. For
        periodic codes both are circular (`VonMisesPosterior.std`, `r_squared`). `std_fitted` is true where
        the std is from `fit_stds`.
    """
    scores: dict[str, dict[str, Any]] = {}
    for name, predicted in latents.posteriors(raw).items():
        posterior: Posterior = predicted
        prior = latents.priors[name]
        code = prior.code
        if name in fitted_stds:
            posterior = GaussianPosterior(posterior.mean, fitted_stds[name].expand_as(posterior.mean))
        scores[name] = {
            "kind": code.kind,
            "size": code.size if isinstance(code, Categorical) else code.dim,
            **({"dim": code.dim} if isinstance(code, Categorical) and code.dim > 1 else {}),
            "entropy_nats": prior.entropy,
            **_bound(posterior.log_prob(codes[name]), prior),
        }
        if posterior.std is not None:
            r2 = r_squared(codes[name], posterior.mean, prior.period)
            scores[name] |= {"std": float(posterior.std.double().mean()), "r2_fake": float(r2.mean())}
        scores[name] |= {"std_fitted": True} if name in fitted_stds else {}
    return scores


def _bound(log_probabilities: Float[Tensor, " n"], prior: Prior) -> dict[str, Any]:
    values = log_probabilities.double()
    mean = float(values.mean()) + prior.entropy
    error = float(values.std()) / math.sqrt(len(values))
    low, high = normal_interval(mean, error)
    if prior.discrete:  # the bound does not exceed H(c), whatever the sample shows
        high = max(mean, min(high, prior.entropy))
    return {
        "mutual_information_nats": mean,
        "mutual_information_nats_standard_error": error,
        "mutual_information_nats_interval": [low, high],
    }


def r_squared(
    values: Float[Tensor, "n width"], predictions: Float[Tensor, "n width"], period: float | None
) -> Float[Tensor, " width"]:
    """Return 1 minus the squared distances to the predictions divided by those to the best constant.

    On a circle a distance is the chord between two points, so that -1 and 1 are equal: this is
    1 - V(error) / V(values) with the circular variance V = 1 - mean cos (Mardia and Jupp 2000, section 2.3).
    For uniform angles that is the mean cosine of the error: 1 for no error, 0 for unrelated predictions, 0.95
    and 0.64 for errors of std 0.1 and 0.3 half turns.

    Args:
        values: the true codes.
        predictions: predictions of the same codes.
        period: period of both; None for codes on a line.
    """
    values, predictions = values.double(), predictions.double()
    if period is None:
        return 1 - (values - predictions).square().sum(0) / (values - values.mean(0)).square().sum(0)
    error, angle = (2 * math.pi / period * part for part in (values - predictions, values))
    resultant = torch.hypot(angle.cos().mean(0), angle.sin().mean(0))
    return 1 - (1 - error.cos().mean(0)) / (1 - resultant)


@metric("mutual information")
def _metric(subject: Subject) -> dict[str, Any]:
    with torch.inference_mode():
        return {"codes": information(subject)}
