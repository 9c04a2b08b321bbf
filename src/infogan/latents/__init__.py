"""The input of the generator: noise and named codes, with their priors, entropies and posteriors.

A code's prior P(c) and the family of its posterior Q(c|x) are independent choices: a uniform code can have a
Gaussian posterior (the paper) or a Gaussian truncated to its support; a periodic code, an angle, has a von
Mises posterior. All information is in nats.
"""

from infogan.latents.latent_vector import CodeDimension, Codes, Latents
from infogan.latents.posteriors import (
    BernoulliPosterior,
    GaussianPosterior,
    Posterior,
    SoftmaxPosterior,
    TruncatedGaussianPosterior,
    VonMisesPosterior,
    concentration,
    wrap,
)
from infogan.latents.priors import (
    BernoulliPrior,
    CategoricalPrior,
    NormalPrior,
    PeriodicPrior,
    Prior,
    UniformPrior,
)

__all__ = [
    "BernoulliPosterior",
    "BernoulliPrior",
    "CategoricalPrior",
    "CodeDimension",
    "Codes",
    "GaussianPosterior",
    "Latents",
    "NormalPrior",
    "PeriodicPrior",
    "Posterior",
    "Prior",
    "SoftmaxPosterior",
    "TruncatedGaussianPosterior",
    "UniformPrior",
    "VonMisesPosterior",
    "concentration",
    "wrap",
]
