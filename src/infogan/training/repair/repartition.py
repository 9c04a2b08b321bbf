"""Re-partition: find a better boundary between the images of two categories, and train Q on it.

Two categories can divide two clusters along the wrong boundary: for example fours and nines into slanted and
upright digits. Q's head no longer separates the clusters, but the trunk's features still do: a linear
partition of these features that maximises the information between two views of an image, from several random
starts, keeps about twice as much information as Q's. If Q is right, it keeps about as much.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from infogan import regularizers
from infogan.latents import CodeDimension
from infogan.model import InfoGAN
from infogan.training.repair import split_merge
from infogan.training.repair.survey import Survey

BETTER, GAIN = 1.4, 0.05
"""A new partition must keep at least this many times Q's information, and this many nats more."""

STARTS, STEPS, BATCH = 4, 200, 512

FEW_BETTER, FEW_GAIN, FEW_STARTS = 1.1, 0.02, 16
"""The values for a few principal components, in which a partition overfits less.

On `mnist-5k` wrong pairs reached 1.13 times and more, right ones 1.02, or 1.3 while categories are not
distinct yet. About one start in four finds the clusters, at a third of the cost of a start in all features.
"""

_LEAST = 100  # images of a pair in each half; fewer are too little evidence
_DECAY = 1e-3  # weight decay: some pairs have no more images than there are features


@dataclass(frozen=True)
class Partition:
    """A partition of the images of a pair of categories, linear in the trunk's features.

    Attributes:
        survey: the images that it was found on.
        pair: the two categories.
        present: information in nats between the two views of the pair's images that Q's partition keeps.
        found: information that this partition keeps; both are measured on held-out images.
        weight: of the logits of the two categories, [2, f].
        bias: of these logits, [2].
        few: it was found in a few principal components of the features.
    """

    survey: Survey
    pair: tuple[int, int]
    present: float
    found: float
    weight: Float[Tensor, "2 f"]
    bias: Float[Tensor, " 2"]
    few: bool = False

    @property
    def stuck(self) -> bool:
        """True if this partition is so much better that Q's must be wrong."""
        better, gain = (FEW_BETTER, FEW_GAIN) if self.few else (BETTER, GAIN)
        return self.found > max(better * self.present, self.present + gain)

    def __call__(self, features: Float[Tensor, "n f"]) -> Float[Tensor, "n 2"]:
        """Return the probabilities of the two categories."""
        return (features @ self.weight.t() + self.bias).softmax(1)


def find_partition(
    survey: Survey, pair: tuple[int, int], rng: torch.Generator, components: int = 0
) -> Partition | None:
    """Find the best partition of a pair's images from several random starts.

    One half of the images is fitted and chooses among the starts; the other half measures `present` and
    `found`.

    Args:
        survey: of many images.
        pair: the two categories.
        rng: random number generator for starts and batches.
        components: principal components of the features to use; 0: all features. A pair of a small data set
            has fewer images than there are features, so that nearly any start fits them perfectly.

    Returns:
        The partition, or None if there are too few images.
    """
    chosen = survey.of_pair(pair).nonzero()[:, 0]
    half = len(chosen) // 2
    if half < _LEAST:
        return None
    fitted, held_out = chosen[:half], chosen[half:]
    mean = survey.features[0][fitted].mean(0)
    if components:
        basis = _components(torch.cat([part[fitted] for part in survey.features]) - mean, components)
        views = [(part - mean) @ basis for part in survey.features]
    else:
        spread = survey.features[0][fitted].std(0) + 1e-3
        views = [(part - mean) / spread for part in survey.features]
    seen, unseen = ([view[some] for view in views] for some in (fitted, held_out))
    starts, size, rate = (FEW_STARTS, 0.3, 3e-2) if components else (STARTS, 0.03, 1e-2)
    best = max(
        (_fit(seen, rng, size, rate) for _ in range(starts)), key=lambda found: _information(found, seen)
    )
    shares = [part[held_out][:, list(pair)] for part in survey.probabilities]
    first, second = (share / share.sum(1, keepdim=True) for share in shares)
    weight = best.weight.detach() @ basis.t() if components else best.weight.detach() / spread
    return Partition(
        survey,
        pair,
        float(regularizers.real_information(first, second)),
        _information(best, unseen),
        weight,
        best.bias.detach() - weight @ mean,
        few=components > 0,
    )


def _components(features: Float[Tensor, "n f"], count: int) -> Float[Tensor, "f c"]:
    """Return the first principal components of centred features, scaled so that projections have std 1."""
    values, vectors = torch.linalg.eigh(features.t() @ features / len(features))
    basis: Tensor = vectors[:, -count:] / values[-count:].clamp_min(1e-6).sqrt()
    return basis


def _fit(views: Sequence[Float[Tensor, "n f"]], rng: torch.Generator, size: float, rate: float) -> nn.Linear:
    """Fit a linear head that maximises the information between the two views; `size` is its initial scale."""
    device = views[0].device
    head = nn.Linear(views[0].shape[1], 2, device=device)
    start = torch.randn(head.weight.shape, generator=rng, device=rng.device) * size
    with torch.no_grad():
        head.weight.copy_(start)
        head.bias.zero_()
    optimizer = torch.optim.Adam(head.parameters(), lr=rate, weight_decay=_DECAY)
    for _ in range(STEPS):
        batch = torch.randint(len(views[0]), (BATCH,), generator=rng, device=rng.device).to(device)
        gain = regularizers.real_information(*(head(view[batch]).softmax(1) for view in views))
        optimizer.zero_grad(set_to_none=True)
        (-gain).backward()
        optimizer.step()
    return head


@torch.no_grad()
def _information(head: nn.Linear, views: Sequence[Float[Tensor, "n f"]]) -> float:
    return float(regularizers.real_information(*(head(view).softmax(1) for view in views)))


def operate(
    model: InfoGAN,
    optimizers: Mapping[str, torch.optim.Optimizer],
    dimension: CodeDimension,
    partition: Partition,
    rng: torch.Generator,
) -> None:
    """Train Q's head on the new partition of the surveyed images; its other outputs are kept.

    The trunk stays unchanged, and the head's mean gradients are reset. G generates both clusters for either
    category until Q's new predictions have taught it the difference.
    """
    split_merge.make_alike(model, optimizers, dimension, partition.pair, rng)
    survey, features = partition.survey, torch.cat(partition.survey.features)
    with torch.no_grad():
        before = model.recognition.eval()(features, ("real",))
        target = torch.cat(survey.probabilities).clone()
        columns = list(partition.pair)
        target[:, columns] = target[:, columns].sum(1, keepdim=True) * partition(features)
    head = model.recognition.train()
    parameters = [*head.hidden.parameters(), *head.output.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=1e-3)
    others = _others(model, dimension)
    for _ in range(STEPS):
        batch = torch.randint(len(features), (BATCH,), generator=rng, device=rng.device)
        batch = batch.to(features.device)
        raw = head(features[batch], ("real",))
        probabilities = model.latents.category_probabilities(raw)[dimension]
        loss = -(target[batch] * probabilities.clamp_min(1e-8).log()).sum(1).mean()
        loss = loss + (raw[:, others] - before[batch][:, others]).square().mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    head.eval()
    for parameter in parameters:
        split_merge.forget(optimizers["discriminator"], parameter)


def _others(model: InfoGAN, dimension: CodeDimension) -> Tensor:
    """Return the indices of Q's outputs that are not categories of this code dimension."""
    first = split_merge.rows_of(model, *dimension).outputs
    size = model.latents.priors[dimension[0]].code.size
    others = torch.ones(model.recognition.output.out_features, dtype=torch.bool)
    others[first : first + size] = False
    return others.nonzero()[:, 0]
