"""A stuck categorical code mended: twins become one category, and a category of two clusters becomes two.

Runs of InfoGAN stick where one category holds two kinds of image while two others share one, or where two
categories divide two kinds along the wrong line (fives and eights into slanted and upright ones). The joint
table of an image's code and its moved copy's shows this without labels: merging twins loses little
information, the sub-code of a double category adds much, and two categories that exchange halves gain.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from infogan import objective
from infogan.model import InfoGAN
from infogan.training.health import FORMED, MARGIN

MOST_CATEGORIES = 40
"""Beyond them pairs are too many to be looked at every some steps."""


@dataclass(frozen=True)
class Diagnosis:
    """What the joint table says of one categorical code.

    Attributes:
        twins: the two categories whose merging loses least.
        loss: the nats that it loses.
        double: the category whose sub-code adds most.
        gain: the nats that it adds.
        formed: whether the categories carry enough for that to mean anything.
    """

    twins: tuple[int, int]
    loss: float
    double: int
    gain: float
    formed: bool = True

    @property
    def stuck(self) -> bool:
        """Whether splitting the one and merging the others would gain information."""
        return self.formed and self.double not in self.twins and self.gain > self.loss + MARGIN


def merge_losses(joint: Float[Tensor, "k k"]) -> Float[Tensor, "k k"]:
    """Nats of information lost by making categories i and j one; infinite on the diagonal."""
    size = len(joint)
    whole = objective.table_information(joint)
    losses = torch.full((size, size), float("inf"))
    for i in range(size):
        for j in range(i + 1, size):
            kept = [k for k in range(size) if k != j]
            merged = joint.clone()
            merged[i] += merged[j]
            merged[:, i] += merged[:, j]
            losses[i, j] = losses[j, i] = whole - objective.table_information(merged[kept][:, kept])
    return losses


def split_gains(joint: Float[Tensor, "k k"], fine: Float[Tensor, "2*k 2*k"]) -> Float[Tensor, " k"]:
    """Nats of information added by telling apart the two sub-codes of each category.

    Args:
        joint: over categories.
        fine: over categories times their two sub-codes.
    """
    size = len(joint)
    whole = objective.table_information(joint)
    gains = []
    for k in range(size):
        rows = torch.eye(size).repeat_interleave(2, dim=1)  # [K, 2K]: sums sub-codes
        rows = torch.cat([rows, torch.zeros(1, 2 * size)])
        rows[k, 2 * k + 1], rows[size, 2 * k + 1] = 0, 1
        gains.append(objective.table_information(rows @ fine @ rows.t()) - whole)
    return torch.stack(gains)


def diagnose(joint: Float[Tensor, "k k"], fine: Float[Tensor, "2*k 2*k"]) -> Diagnosis:
    """The best pair to merge and the best category to split."""
    losses = merge_losses(joint.cpu())
    twins = _twins(losses)
    gains = split_gains(joint.cpu(), fine.cpu())
    gains[list(twins)] = -float("inf")
    double = int(gains.argmax())
    return Diagnosis(twins, float(losses.min()), double, float(gains[double]), _formed(joint))


def _twins(losses: Float[Tensor, "k k"]) -> tuple[int, int]:
    """The pair whose merging loses least."""
    flat = int(losses.argmin())
    return flat // len(losses), flat % len(losses)


def _formed(joint: Float[Tensor, "k k"]) -> bool:
    return float(objective.table_information(joint)) > FORMED * math.log(len(joint))


@dataclass(frozen=True)
class Exchange:
    """Two categories whose halves would be better put together the other way.

    Attributes:
        pair: the two categories.
        crossed: whether the first half of one belongs to the second half of the other.
        gain: nats of information that the new division has more than the present one; mostly below 0.
        present: nats that the present division of the two is worth: what making them one would lose.
        usual: the median of that over all pairs of categories.
        formed: as of `Diagnosis`.
    """

    pair: tuple[int, int]
    crossed: bool
    gain: float
    present: float
    usual: float
    formed: bool = True

    @property
    def stuck(self) -> bool:
        """Whether the two are little apart, and sub-codes divide them nearly as well or better.

        Sub-codes have had less training than categories: a division of theirs that is worth three quarters of
        the categories' own is the better one. Healthy pairs on MNIST come to .6 at most, stuck ones to .8 and
        more; the least separated healthy pair lies at .84 of the usual and above, a stuck one at .62.
        """
        apart = self.present < 0.8 * self.usual
        return self.formed and apart and self.gain > -0.25 * self.present


def best_exchange(joint: Float[Tensor, "k k"], fine: Float[Tensor, "2*k 2*k"]) -> Exchange:
    """The pair of categories that gains most, or loses least, by exchanging halves.

    Args:
        joint: over categories, two or more.
        fine: over categories times their two sub-codes.
    """
    joint, fine, size = joint.cpu(), fine.cpu(), len(joint)
    pairs = [(i, j, crossed) for i in range(size) for j in range(i + 1, size) for crossed in (False, True)]
    rows = torch.eye(size).repeat_interleave(2, dim=1).repeat(len(pairs), 1, 1)  # sums sub-codes
    for index, (i, j, crossed) in enumerate(pairs):
        moved = 2 * j if not crossed else 2 * j + 1  # it joins i's first half; i's second goes to j
        rows[index, [i, j], 2 * i + 1] = rows[index, [j, i], 2 * i + 1]
        rows[index, [i, j], moved] = rows[index, [j, i], moved]
    gains = objective.table_information(rows @ fine @ rows.mT) - objective.table_information(joint)
    i, j, crossed = pairs[int(gains.argmax())]
    losses = merge_losses(joint)
    usual = float(losses[torch.triu(torch.ones_like(losses), 1).bool()].median())
    return Exchange((i, j), crossed, float(gains.max()), float(losses[i, j]), usual, _formed(joint))


def report(joint: Float[Tensor, "k k"], table: Float[Tensor, "m m"]) -> dict[str, Any]:
    """`merge` and, with sub-codes, `split` and `exchange`: categories and nats, for metrics.jsonl."""
    if not 3 <= len(joint) <= MOST_CATEGORIES:
        return {}
    if len(table) != 2 * len(joint):
        losses = merge_losses(joint.cpu())
        return {"merge": {"twins": list(_twins(losses)), "nats": float(losses.min())}}
    found, other = diagnose(joint, table), best_exchange(joint, table)
    return {
        "merge": {"twins": list(found.twins), "nats": found.loss},
        "split": {"double": found.double, "nats": found.gain},
        "exchange": {"pair": list(other.pair), "nats": other.gain},
    }


# --- the operation ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rows:
    """Where a categorical code stands in the networks' layers.

    Attributes:
        outputs: first row of its K outputs in Q's last layer.
        subcodes: first row of its 2K outputs in the sub-codes' layer.
        inputs: first of its K columns in G's first layer.
    """

    outputs: int
    subcodes: int
    inputs: int


def rows_of(model: InfoGAN, name: str, index: int) -> Rows:
    """The rows of dimension `index` of the categorical code `name`."""
    outputs = subcodes = 0
    inputs = model.latents.noise
    for other, prior in model.latents.priors.items():
        if other == name:
            size = prior.code.size
            return Rows(outputs + index * size, subcodes + 2 * index * size, inputs + index * size)
        outputs, inputs = outputs + prior.posterior_width, inputs + prior.width
        subcodes += 2 * prior.width if other in model.latents.categorical else 0
    raise KeyError(name)


@torch.no_grad()
def operate(
    model: InfoGAN,
    optimizers: Mapping[str, torch.optim.Optimizer],
    rows: Rows,
    found: Diagnosis,
    draw: torch.Generator,
) -> None:
    """Makes the twins one category and gives the freed one to a half of the double category.

    Q: the first twin's row becomes the mean of both, with the bias of both together; the double's row and
    the freed one differ by the difference of its sub-codes. G: the freed column is the double's. Adam's
    mean gradients of all these rows start anew, and so do the sub-codes of the categories concerned.
    """
    kept, freed = found.twins
    double = found.double
    output, fine, first = model.recognition.output, model.recognition.subcodes, _first_layer(model)
    assert fine is not None
    a, b, d = rows.outputs + kept, rows.outputs + freed, rows.outputs + double
    s = rows.subcodes + 2 * double
    for parameter, sub in ((output.weight, fine.weight), (output.bias, fine.bias)):
        half = (sub[s] - sub[s + 1]) / 2
        parameter[a] = (parameter[a] + parameter[b]) / 2
        parameter[b] = parameter[d] - half
        parameter[d] = parameter[d] + half
        _forget(optimizers["discriminator"], parameter, [a, b, d])
    output.bias[a] += math.log(2.0)  # together as probable as both were
    output.bias[[b, d]] -= math.log(2.0)  # as probable as the one was, where its sub-codes are unsure
    columns = [rows.inputs + k for k in (kept, freed, double)]
    first.weight[:, columns[1]] = first.weight[:, columns[2]]
    _forget(optimizers["generator"], first.weight, columns, dimension=1)
    _renew_subcodes(model, optimizers, rows, (kept, freed, double), draw)


@torch.no_grad()
def exchange(
    model: InfoGAN,
    optimizers: Mapping[str, torch.optim.Optimizer],
    rows: Rows,
    found: Exchange,
    draw: torch.Generator,
) -> None:
    """Divides two categories anew, by their sub-codes in place of their own outputs.

    Both rows of Q become their mean, with the bias of both together, and differ by the mean of both
    differences between sub-codes. G's columns stay: Q's new answers teach G what they are to mean.
    """
    output, fine, first = model.recognition.output, model.recognition.subcodes, _first_layer(model)
    assert fine is not None
    i, j = (rows.outputs + k for k in found.pair)
    s, t = (rows.subcodes + 2 * k for k in found.pair)
    sign = -1 if found.crossed else 1
    for parameter, sub in ((output.weight, fine.weight), (output.bias, fine.bias)):
        middle = (parameter[i] + parameter[j]) / 2
        half = (sub[s] - sub[s + 1] + sign * (sub[t] - sub[t + 1])) / 4
        parameter[i], parameter[j] = middle + half, middle - half
        _forget(optimizers["discriminator"], parameter, [i, j])
    output.bias[[i, j]] += math.log(2.0)
    _forget(optimizers["generator"], first.weight, [rows.inputs + k for k in found.pair], dimension=1)
    _renew_subcodes(model, optimizers, rows, found.pair, draw)


def _renew_subcodes(
    model: InfoGAN,
    optimizers: Mapping[str, torch.optim.Optimizer],
    rows: Rows,
    categories: Sequence[int],
    draw: torch.Generator,
) -> None:
    """Sub-codes of categories that have changed their meaning start anew."""
    fine = model.recognition.subcodes
    assert fine is not None
    again = [rows.subcodes + 2 * k + half for k in categories for half in (0, 1)]
    std = model.config.network.recognition_std
    fresh = torch.randn(len(again), fine.weight.shape[1], generator=draw, device=draw.device) * std
    fine.weight[again] = fresh.to(fine.weight.device)
    fine.bias[again] = 0.0
    for parameter in (fine.weight, fine.bias):
        _forget(optimizers["discriminator"], parameter, again)


def _first_layer(model: InfoGAN) -> nn.Linear:
    layer = model.generator.hidden.blocks[0]
    assert isinstance(layer, nn.Linear)
    return layer


def _forget(
    optimizer: torch.optim.Optimizer, parameter: Tensor, indices: list[int], dimension: int = 0
) -> None:
    """Adam's mean gradient of some rows (or columns) back to none.

    Their mean square stays: without it, and with a step count that is past bias correction, the first
    updates would be ten times too large.
    """
    if "exp_avg" in optimizer.state[parameter]:
        chosen = torch.tensor(indices, device=parameter.device)
        optimizer.state[parameter]["exp_avg"].index_fill_(dimension, chosen, 0.0)
