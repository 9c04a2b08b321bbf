"""The method on one page: the objective, and which networks minimise it (Chen et al. 2016, arXiv 1606.03657).

    V(D, G)   = E[log D(x)] + E[log(1 - D(G(z, c)))]                                              (equation 1)
    L_I(G, Q) = E[log Q(c | G(z, c))] + H(c)  <=  I(c; G(z, c))                                   (equation 5)
    min over G, Q   max over D   V(D, G) - lambda L_I(G, Q)                                       (equation 6)

One training step makes two updates. Each samples its own noise z and codes c (as in the authors' code):

    D, Q and their trunk minimise  -V(D, G)       - sum_i lambda_i L_i      (discriminator_objective)
    G minimises                    -E[log D(G)]   - sum_i lambda_i L_i      (generator_objective)

All losses and bounds are means over the batch, in nats.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from infogan.latents import Latents

UPDATES = {
    "discriminator": ("trunk", "discriminator", "recognition", "encoder"),
    "generator": ("generator",),
}
"""The networks of `InfoGAN` that each update changes. The trunk receives gradients from both D and Q; from D
only if Q has its own encoder, which few tables have."""


def discriminator_loss(
    real_logits: Float[Tensor, " n"], fake_logits: Float[Tensor, " m"]
) -> Float[Tensor, ""]:
    """Compute -V(D, G) of equation 1, with D = sigmoid(logits).

    softplus(-l) is -log sigmoid(l), but never computes the logarithm of a number that was rounded to 0.
    """
    return F.softplus(-real_logits.float()).mean() + F.softplus(fake_logits.float()).mean()


def generator_loss(fake_logits: Float[Tensor, " n"]) -> Float[Tensor, ""]:
    """Compute -E[log D(G(z, c))], the non-saturating form of equation 1 (the authors' code)."""
    return F.softplus(-fake_logits.float()).mean()


def mutual_information_bound(
    latents: Latents, raw: Float[Tensor, "n outputs"], codes: Mapping[str, Tensor]
) -> dict[str, Float[Tensor, ""]]:
    """Compute L_I(G, Q) of each code, a lower bound of I(c; G(z, c)) (equation 5).

    Args:
        latents: the priors, and the family of each posterior.
        raw: outputs of the recognition head for generated images.
        codes: the codes from which these images were generated.
    """
    return {
        name: posterior.log_prob(codes[name]).mean() + latents.priors[name].entropy
        for name, posterior in latents.posteriors(raw).items()
    }


def weighted_information(
    bounds: Mapping[str, Float[Tensor, ""]], weights: Mapping[str, float | Float[Tensor, ""]]
) -> Float[Tensor, ""]:
    """Compute sum_i lambda_i L_i, which is subtracted in equation 6."""
    return torch.stack([weights[name] * bound for name, bound in bounds.items()]).sum()


def discriminator_objective(
    loss: Float[Tensor, ""],
    bounds: Mapping[str, Float[Tensor, ""]],
    weights: Mapping[str, float | Float[Tensor, ""]],
) -> Float[Tensor, ""]:
    """Return the objective that D, Q and the trunk minimise; `loss` is `discriminator_loss`."""
    return loss - weighted_information(bounds, weights)


def generator_objective(
    loss: Float[Tensor, ""], bounds: Mapping[str, Float[Tensor, ""]], weights: Mapping[str, float]
) -> Float[Tensor, ""]:
    """Return the objective that G minimises, with D and Q frozen; `loss` is `generator_loss`."""
    return loss - weighted_information(bounds, weights)
