"""Clustering of real images without a generator: a baseline of the recipe `robust`.

It has the same trunk, head, augmentations and steps, and maximises the same information between an image and
an augmented view of it or of a neighbour (Ji et al. 2019), without generated images. It measures the effect
of augmentations and neighbours, which are prior knowledge, alone.
"""

from __future__ import annotations

import torch
from torch import nn

from infogan import images as edge
from infogan import streams
from infogan.augmentation import augment
from infogan.config import Config
from infogan.data import Dataset
from infogan.model import InfoGAN
from infogan.networks.normalization import Domain
from infogan.training.real_statistics import RealStatistics
from infogan.training.trainer import nearest_images


def cluster_real(config: Config, dataset: Dataset) -> InfoGAN:
    """Return a model whose trunk and Q are trained on real images only; its generator is not trained.

    Args:
        config: with an active augmentation; its steps, batch size, learning rates and seed are used.
        dataset: only its training images are used.
    """
    model, training = InfoGAN(config), config.training
    trained = nn.ModuleList([model.feature_extractor, model.recognition]).train()
    optimizer = torch.optim.Adam(
        trained.parameters(),
        lr=training.learning_rate_discriminator,
        betas=(training.beta1, 0.999),
        fused=True,
    )
    pictures, real = torch.tensor(dataset.train.images), RealStatistics(model.latents, config.objective)
    weights, nearest = config.objective, nearest_images(config, dataset.train)
    for step in range(training.steps):
        chosen = streams.batch_indices(training.seed, step, training.batch_size, len(pictures))
        others = streams.partners(chosen, nearest, weights.neighbour_share, training.seed, step)
        views = [
            augment(
                edge.to_float(pictures[indices], model.table.output),
                config.augmentation,
                streams.generator(training.seed, f"augment/real-{view}", step),
            )
            for view, indices in enumerate((chosen, others))
        ]
        domains: tuple[Domain, Domain] = ("real", "real")
        raw, subcodes = model.recognition.read(model.feature_extractor(torch.cat(views), domains), domains)
        terms = real.information(raw, subcodes)
        gain = weights.real_information_weight.at(step) * terms["real_information"]
        if "subcode_information" in terms:
            gain = gain + weights.subcode_weight.at(step) * terms["subcode_information"]
        optimizer.zero_grad(set_to_none=True)
        (-gain).backward()
        optimizer.step()
    model.provenance = {"steps": training.steps, "images_seen": training.steps * training.batch_size}
    return model.eval()
