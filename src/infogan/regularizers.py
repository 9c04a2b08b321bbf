"""Loss terms beyond the paper, each with its source; the recipe `paper` uses none of them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from infogan.latents.posteriors import Posterior


def joint_table(first: Float[Tensor, "n k"], second: Float[Tensor, "n k"]) -> Float[Tensor, "k k"]:
    """Compute P(c, c'), the joint distribution of the categories of two views of an image (IIC, equation 2).

    It is symmetric, because the order of the two views is arbitrary, and its entries sum to 1.

    Args:
        first: probabilities of the categories, predicted from the first view of each image.
        second: the same from the second view.
    """
    joint = first.float().t() @ second.float() / len(first)
    return (joint + joint.t()) / 2


def table_information(
    joint: Float[Tensor, "*tables k k"], marginal_weight: float = 1.0
) -> Float[Tensor, "*tables"]:
    """Compute I(c; c') = H(c) + H(c') - H(c, c') of a joint distribution, in nats (IIC, equation 3).

    Args:
        joint: the joint distribution; symmetric, with sum 1.
        marginal_weight: weight of both marginal entropies. A weight above 1 keeps all categories in use, as
            in IMSAT (Hu et al. 2017, section 3.2); the value is then no longer a mutual information.
    """
    return 2 * marginal_weight * _entropy(joint.sum(-1), 1) - _entropy(joint, 2)


def real_information(
    first: Float[Tensor, "n k"], second: Float[Tensor, "n k"], marginal_weight: float = 1.0
) -> Float[Tensor, ""]:
    """Compute the information between the categories of two views of real images (Ji et al. 2019: IIC).

    L_I trains Q to predict the code from which an image was generated. This term trains Q to predict the same
    category from two augmented views of a real image. The arguments are those of `joint_table` and
    `table_information`.
    """
    return table_information(joint_table(first, second), marginal_weight)


def subcode_probabilities(
    categories: Float[Tensor, "n k"], subcodes: Float[Tensor, "n k 2"]
) -> Float[Tensor, "n 2*k"]:
    """Compute P(category) P(sub-code | category), a finer partition of real images.

    The outputs for the categories receive no gradient, but the features of the trunk do.
    """
    return (categories.detach()[..., None] * subcodes).flatten(1)


def mode_seeking(
    noises: tuple[Float[Tensor, "n noise"], Float[Tensor, "n noise"]],
    images: tuple[Float[Tensor, "n c h w"], Float[Tensor, "n c h w"]],
) -> Float[Tensor, ""]:
    """Compute the distance of two noise vectors divided by that of their images.

    This is equation 3 of Mao et al. 2019, inverted. Both images of a pair have the same codes. G minimises
    the term, so that it does not ignore the noise. The constant 0.01 limits it while the first images of G
    are nearly identical.
    """
    between_noises = (noises[0] - noises[1]).abs().mean()
    between_images = (images[0].float() - images[1].float()).abs().mean()
    return between_noises / (between_images + 1e-2)


def contrastive_loss(logits: Float[Tensor, "n dimensions"], shared: Int64[Tensor, " n"]) -> Float[Tensor, ""]:
    """Compute the cross-entropy of a classifier that predicts which code a pair shares (Lin et al. 2020, eq.
    7).

    The result is in nats. The classifier and G both minimise it, so that the changes by different codes can
    be distinguished.

    Args:
        logits: one logit per code dimension.
        shared: index of the code dimension that the two images of a pair share.
    """
    return F.cross_entropy(logits.float(), shared)


def anchor_loss(
    posteriors: Mapping[str, Posterior], anchors: Mapping[str, Float[Tensor, "n width"]]
) -> Float[Tensor, ""]:
    """Compute -log Q(anchor | x) of real images, the mean over images and over codes with anchors, in nats.

    It is the cross-entropy of a code's categories with their target probabilities, and the negative log
    density of a continuous code's posterior. Unlike the wake phase of Wake-Sleep (Hinton et al. 1995), which
    trains the generative model on real images with inferred codes, it trains the recognition model.

    Args:
        posteriors: of every code, for real images.
        anchors: targets by code, as `infogan.training.anchors.Anchors` has them.
    """
    return -torch.stack([posteriors[name].log_prob(target).mean() for name, target in anchors.items()]).mean()


def _entropy(probabilities: Float[Tensor, "*any"], dimensions: int) -> Float[Tensor, "*rest"]:
    """Compute -sum p log p over the last dimensions, in nats."""
    terms: Tensor = torch.special.entr(probabilities.clamp_min(1e-12))
    return terms.flatten(-dimensions).sum(-1)
