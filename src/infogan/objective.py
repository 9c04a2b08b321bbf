"""The method on one page: the adversarial losses and the bound on the mutual information.

Symbols and equation numbers are those of Chen et al. 2016 (arXiv 1606.03657):

    min over G, Q   max over D   V(D, G) - lambda L_I(G, Q)                                     (equation 6)

Who receives which gradient (the authors' code): the step of D updates the trunk, D's head and Q's head by
the discriminator's loss and by -lambda L_I; the step of G updates G alone by its own loss and by
-lambda L_I, on latents drawn anew. All losses and bounds are means over the batch, in nats.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from infogan.latents import Latents


def discriminator_loss(
    real_logits: Float[Tensor, " n"], fake_logits: Float[Tensor, " m"]
) -> Float[Tensor, ""]:
    """-V(D, G) of equation 1: -E[log D(x)] - E[log(1 - D(G(latents)))], with D = sigmoid(logits).

    softplus(-l) is -log sigmoid(l) without a logarithm of a number that has rounded to 0.
    """
    return F.softplus(-real_logits.float()).mean() + F.softplus(fake_logits.float()).mean()


def generator_loss(fake_logits: Float[Tensor, " n"]) -> Float[Tensor, ""]:
    """-E[log D(G(latents))]: the non-saturating form of equation 1, as in the authors' code."""
    return F.softplus(-fake_logits.float()).mean()


def mutual_information_bound(
    latents: Latents, raw: Float[Tensor, "n outputs"], codes: Mapping[str, Tensor]
) -> dict[str, Float[Tensor, ""]]:
    """L_I(G, Q) of each code: E[log Q(c|x)] + H(c) <= I(c; G(latents)), in nats (equation 5).

    Args:
        latents: the priors, and how posteriors read raw outputs.
        raw: outputs of the recognition head for generated images.
        codes: the codes from which those images were made.
    """
    return {
        name: posterior.log_prob(codes[name]).mean() + latents.priors[name].entropy
        for name, posterior in latents.posteriors(raw).items()
    }


def weighted_information(
    bounds: Mapping[str, Float[Tensor, ""]], weights: Mapping[str, float]
) -> Float[Tensor, ""]:
    """The sum of lambda_i L_i over the codes: what equation 6 subtracts."""
    return torch.stack([weights[name] * bound for name, bound in bounds.items()]).sum()
