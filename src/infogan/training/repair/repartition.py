"""Two categories that divide two kinds of image along the wrong line, divided anew.

A run sticks where two categories share two kinds otherwise than by kind: fours and nines into slanted and
upright ones. Q's head has lost the difference by then, but the trunk's features still hold it: a linear
division of those features, found by the same information between an image and its moved copy, from several
random starts, is worth twice as much as the one that Q has. Where Q is right it is worth as much.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from infogan import objective
from infogan.latents import Place
from infogan.model import InfoGAN
from infogan.training.repair import split_merge

SURVEYED = 8_000
"""Real images that a survey reads."""

BETTER, GAIN = 1.4, 0.05
"""How many times as much a new division must be worth, and how many nats more within the pair."""

STARTS, STEPS, BATCH = 4, 200, 512

FEW_BETTER, FEW_GAIN, FEW_STARTS = 1.1, 0.02, 16
"""The same where few components are divided: little is learned by heart there, so less is proof enough.

On `mnist-5k` pairs divided wrongly came to 1.13 times and more, right ones to 1.02, or 1.3 before codes are
sharp. About one start in four finds the kinds, and costs a third of one in all features.
"""

_LEAST = 100  # images of a pair in either half: fewer say nothing
_DECAY = 1e-3  # of weights: features are as many as some pairs have images


@dataclass(frozen=True)
class Survey:
    """Real images and their moved copies, as the trunk sees them.

    Attributes:
        features: of the images and of their copies.
        probabilities: of the categories of one place, for both.
    """

    features: tuple[Float[Tensor, "n f"], Float[Tensor, "n f"]]
    probabilities: tuple[Float[Tensor, "n k"], Float[Tensor, "n k"]]

    def of_pair(self, pair: tuple[int, int]) -> Tensor:
        """Which images are of these categories, and so are their copies: [n] of bool."""
        chosen = torch.tensor(pair, device=self.features[0].device)
        both = [torch.isin(part.argmax(1), chosen) for part in self.probabilities]
        return both[0] & both[1]


@dataclass(frozen=True)
class Division:
    """A new division of a pair of categories, linear in the trunk's features.

    Attributes:
        survey: what it was found on.
        pair: the two categories.
        present: nats of information that Q's division keeps between images of the pair and their copies.
        found: nats that the new one keeps; both on images that it was not found on.
        weight: [2, f], and `bias`, [2]: of the logits of the two categories.
        bias: see above.
        few: whether it was sought in few components of the features.
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
        """Whether the new division is so much better that Q's must be wrong."""
        better, gain = (FEW_BETTER, FEW_GAIN) if self.few else (BETTER, GAIN)
        return self.found > max(better * self.present, self.present + gain)

    def __call__(self, features: Float[Tensor, "n f"]) -> Float[Tensor, "n 2"]:
        """Probabilities of the two categories."""
        return (features @ self.weight.t() + self.bias).softmax(1)


def divide(
    survey: Survey, pair: tuple[int, int], draw: torch.Generator, components: int = 0
) -> Division | None:
    """The best division of a pair out of several random starts; None where there are too few images.

    Half of the pair's images are learned from, and choose among the starts; the other half judges.

    Args:
        survey: of many images.
        pair: the two categories.
        draw: for the starts and the batches.
        components: principal components of the learned images' features that are divided; 0: all features.
            A pair of a small data set has fewer images than there are features: nearly every start divides
            them as surely as the right line does, and which one does best on them says nothing.
    """
    chosen = survey.of_pair(pair).nonzero()[:, 0]
    half = len(chosen) // 2
    if half < _LEAST:
        return None
    learned, judged = chosen[:half], chosen[half:]
    mean = survey.features[0][learned].mean(0)
    if components:
        basis = _components(torch.cat([part[learned] for part in survey.features]) - mean, components)
        views = [(part - mean) @ basis for part in survey.features]
    else:
        spread = survey.features[0][learned].std(0) + 1e-3
        views = [(part - mean) / spread for part in survey.features]
    seen, unseen = ([view[some] for view in views] for some in (learned, judged))
    starts, size, rate = (FEW_STARTS, 0.3, 3e-2) if components else (STARTS, 0.03, 1e-2)
    best = max((_fit(seen, draw, size, rate) for _ in range(starts)), key=lambda found: _worth(found, seen))
    shares = [part[judged][:, list(pair)] for part in survey.probabilities]
    first, second = (share / share.sum(1, keepdim=True) for share in shares)
    weight = best.weight.detach() @ basis.t() if components else best.weight.detach() / spread
    return Division(
        survey,
        pair,
        float(objective.real_information(first, second)),
        _worth(best, unseen),
        weight,
        best.bias.detach() - weight @ mean,
        few=components > 0,
    )


def _components(features: Float[Tensor, "n f"], count: int) -> Float[Tensor, "f c"]:
    """The first principal components of centred features, each as long as makes their values of std 1."""
    values, vectors = torch.linalg.eigh(features.t() @ features / len(features))
    basis: Tensor = vectors[:, -count:] / values[-count:].clamp_min(1e-6).sqrt()
    return basis


def _fit(views: Sequence[Float[Tensor, "n f"]], draw: torch.Generator, size: float, rate: float) -> nn.Linear:
    """A linear head that keeps information between the two views; `size` of its first weights."""
    device = views[0].device
    head = nn.Linear(views[0].shape[1], 2, device=device)
    start = torch.randn(head.weight.shape, generator=draw, device=draw.device) * size
    with torch.no_grad():
        head.weight.copy_(start)
        head.bias.zero_()
    optimizer = torch.optim.Adam(head.parameters(), lr=rate, weight_decay=_DECAY)
    for _ in range(STEPS):
        batch = torch.randint(len(views[0]), (BATCH,), generator=draw, device=draw.device).to(device)
        gain = objective.real_information(*(head(view[batch]).softmax(1) for view in views))
        optimizer.zero_grad(set_to_none=True)
        (-gain).backward()
        optimizer.step()
    return head


@torch.no_grad()
def _worth(head: nn.Linear, views: Sequence[Float[Tensor, "n f"]]) -> float:
    return float(objective.real_information(*(head(view).softmax(1) for view in views)))


def operate(
    model: InfoGAN,
    optimizers: Mapping[str, torch.optim.Optimizer],
    place: Place,
    division: Division,
    draw: torch.Generator,
) -> None:
    """Teaches Q's head the new division on the surveyed images; all else that it says stays as it was.

    The trunk is left alone. The head's mean gradients start anew. G makes images of both kinds for either
    category from here on, until Q's new answers have taught it which is which.
    """
    split_merge.make_alike(model, optimizers, place, division.pair, draw)
    survey, features = division.survey, torch.cat(division.survey.features)
    with torch.no_grad():
        before = model.recognition.eval()(features, ("real",))
        target = torch.cat(survey.probabilities).clone()
        columns = list(division.pair)
        target[:, columns] = target[:, columns].sum(1, keepdim=True) * division(features)
    head = model.recognition.train()
    parameters = [*head.hidden.parameters(), *head.output.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=1e-3)
    others = _others(model, place)
    for _ in range(STEPS):
        batch = torch.randint(len(features), (BATCH,), generator=draw, device=draw.device)
        batch = batch.to(features.device)
        raw = head(features[batch], ("real",))
        probabilities = model.latents.category_probabilities(raw)[place]
        loss = -(target[batch] * probabilities.clamp_min(1e-8).log()).sum(1).mean()
        loss = loss + (raw[:, others] - before[batch][:, others]).square().mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    head.eval()
    for parameter in parameters:
        split_merge.forget(optimizers["discriminator"], parameter)


def _others(model: InfoGAN, place: Place) -> Tensor:
    """The outputs of Q that are no category of `place`."""
    first = split_merge.rows_of(model, *place).outputs
    size = model.latents.priors[place[0]].code.size
    kept = torch.ones(model.recognition.output.out_features, dtype=torch.bool)
    kept[first : first + size] = False
    return kept.nonzero()[:, 0]
