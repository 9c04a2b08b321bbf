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
from jaxtyping import Float, Int64
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


# --- beyond the paper: the terms of the recipe `robust`, all off in `paper` --------------------------------


def joint_table(first: Float[Tensor, "n k"], second: Float[Tensor, "n k"]) -> Float[Tensor, "k k"]:
    """P(c, c'): how often Q reads category c from an image and c' from its moved copy (IIC, equation 2).

    Symmetric, since which of the two is the copy is arbitrary; it sums to 1.

    Args:
        first: probabilities of the categories, for each image.
        second: the same for its copy.
    """
    joint = first.float().t() @ second.float() / len(first)
    return (joint + joint.t()) / 2


def table_information(
    joint: Float[Tensor, "*tables k k"], marginal_weight: float = 1.0
) -> Float[Tensor, "*tables"]:
    """I(c; c') = H(c) + H(c') - H(c, c') of a joint table, in nats (IIC, equation 3).

    Args:
        joint: symmetric, sums to 1.
        marginal_weight: of both marginal entropies; above 1 it keeps all categories in use, as IMSAT does
            (Hu et al. 2017, section 3.2), and the value is no longer an information.
    """
    return 2 * marginal_weight * _entropy(joint.sum(-1), 1) - _entropy(joint, 2)


def real_information(
    first: Float[Tensor, "n k"], second: Float[Tensor, "n k"], marginal_weight: float = 1.0
) -> Float[Tensor, ""]:
    """The information that Q keeps between a real image and its moved copy (Ji et al. 2019: IIC).

    The same principle as L_I, on the data's side: L_I asks that Q find in a generated image the code it was
    made from; this asks that Q find in one copy of a real image what it found in the other. Arguments as of
    `joint_table` and `table_information`.
    """
    return table_information(joint_table(first, second), marginal_weight)


def subcode_probabilities(
    categories: Float[Tensor, "n k"], subcodes: Float[Tensor, "n k 2"]
) -> Float[Tensor, "n 2*k"]:
    """P(category) P(sub-code | category): a finer division of real images that leaves the categories alone.

    No gradient reaches the categories' own outputs, only what they stand on.
    """
    return (categories.detach()[..., None] * subcodes).flatten(1)


def mode_seeking(
    noises: tuple[Float[Tensor, "n noise"], Float[Tensor, "n noise"]],
    images: tuple[Float[Tensor, "n c h w"], Float[Tensor, "n c h w"]],
) -> Float[Tensor, ""]:
    """How far two noises lie apart, over how far their images do (Mao et al. 2019, equation 3, inverted).

    Both images of a pair have the same codes. Minimised by G, it keeps the noise from being ignored. The
    hundredth keeps it small while G's first images are all alike.
    """
    between_noises = (noises[0] - noises[1]).abs().mean()
    between_images = (images[0].float() - images[1].float()).abs().mean()
    return between_noises / (between_images + 1e-2)


def contrastive_loss(
    logits: Float[Tensor, "n code_dimensions"], shared: Int64[Tensor, " n"]
) -> Float[Tensor, ""]:
    """How badly a classifier tells which one code the two images of a pair share (Lin et al. 2020, eq. 7).

    Cross-entropy in nats. The classifier and G both minimise it: codes come to make changes that can be told
    from one another.
    """
    return F.cross_entropy(logits.float(), shared)


def _entropy(probabilities: Float[Tensor, "*any"], dimensions: int) -> Float[Tensor, "*rest"]:
    """-sum p log p over the last dimensions, in nats."""
    terms: Tensor = torch.special.entr(probabilities.clamp_min(1e-12))
    return terms.flatten(-dimensions).sum(-1)
