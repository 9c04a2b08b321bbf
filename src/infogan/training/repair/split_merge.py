"""A stuck categorical code mended: twins become one category, and a category of two clusters becomes two.

Runs of InfoGAN stick where one category holds two kinds of image while two others share one. The joint table
of an image's code and its moved copy's shows this without labels: merging twins loses little information,
and the sub-code of a double category adds much. It also shows which two categories lie suspiciously close:
they may divide two kinds along the wrong line, which is looked into by `redivide`.
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
from infogan.runs.health import FORMED, MARGIN

SUSPECT = 0.7
"""Share of the usual nats between two categories below which a pair is looked into."""

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


def diagnose(
    joint: Float[Tensor, "k k"],
    fine: Float[Tensor, "2*k 2*k"],
    losses: Float[Tensor, "k k"] | None = None,
) -> Diagnosis:
    """The best pair to merge and the best category to split; `losses` as merge_losses gives them."""
    losses = merge_losses(joint.cpu()) if losses is None else losses
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


def suspect(joint: Float[Tensor, "k k"]) -> tuple[int, int] | None:
    """The two categories that lie least apart, if that is much less than usual; else None.

    Healthy pairs on MNIST come to .7 of the median over all pairs and above, once the code has formed.
    """
    losses = merge_losses(joint.cpu())
    return _twins(losses) if _formed(joint) and float(losses.min()) < SUSPECT * _usual(losses) else None


def distance(joint: Float[Tensor, "k k"], pair: tuple[int, int]) -> float:
    """How far two categories lie apart: the nats that merging them loses, over those of a usual pair.

    A ratio, since all losses grow while a run goes on. 0 where categories carry nothing.
    """
    losses = merge_losses(joint.cpu())
    usual = _usual(losses)
    return float(losses[pair]) / usual if usual > 0 else 0.0


def _usual(losses: Float[Tensor, "k k"]) -> float:
    """The median over all pairs."""
    return float(losses[torch.triu(torch.ones_like(losses), 1).bool()].median())


def report(joint: Float[Tensor, "k k"], table: Float[Tensor, "m m"]) -> dict[str, Any]:
    """`merge`, with the nats of a usual pair, and with sub-codes `split`: for metrics.jsonl."""
    if not 3 <= len(joint) <= MOST_CATEGORIES:
        return {}
    losses = merge_losses(joint.cpu())
    merge = {"twins": list(_twins(losses)), "nats": float(losses.min()), "usual_nats": _usual(losses)}
    if len(table) != 2 * len(joint):
        return {"merge": merge}
    found = diagnose(joint, table, losses)
    return {"merge": merge, "split": {"double": found.double, "nats": found.gain}}


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
        outputs, inputs = outputs + prior.posterior_width, inputs + prior.input_width
        subcodes += 2 * prior.width if other in model.latents.categorical else 0
    raise KeyError(name)


@torch.no_grad()
def operate(
    model: InfoGAN,
    optimizers: Mapping[str, torch.optim.Optimizer],
    place: tuple[str, int],
    found: Diagnosis,
    draw: torch.Generator,
) -> None:
    """Makes the twins one category and gives the freed one to a half of the double category.

    Q: the first twin's row becomes the mean of both, with the bias of both together; the double's row and
    the freed one differ by the difference of its sub-codes. G: the freed column is the double's. Adam's
    mean gradients of all these rows start anew, and so do the sub-codes of the categories concerned.
    """
    rows = rows_of(model, *place)
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
        forget(optimizers["discriminator"], parameter, [a, b, d])
    output.bias[a] += math.log(2.0)  # together as probable as both were
    output.bias[[b, d]] -= math.log(2.0)  # as probable as the one was, where its sub-codes are unsure
    columns = [rows.inputs + k for k in (kept, freed, double)]
    first.weight[:, columns[1]] = first.weight[:, columns[2]]
    forget(optimizers["generator"], first.weight, columns, dimension=1)
    _renew_subcodes(model, optimizers, rows, (kept, freed, double), draw)


@torch.no_grad()
def make_alike(
    model: InfoGAN,
    optimizers: Mapping[str, torch.optim.Optimizer],
    place: tuple[str, int],
    pair: tuple[int, int],
    draw: torch.Generator,
) -> None:
    """G makes the same for two categories, and their sub-codes start anew: both are to be divided again."""
    rows, first = rows_of(model, *place), _first_layer(model)
    columns = [rows.inputs + k for k in pair]
    first.weight[:, columns] = first.weight[:, columns].mean(1, keepdim=True)
    forget(optimizers["generator"], first.weight, columns, dimension=1)
    _renew_subcodes(model, optimizers, rows, pair, draw)


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
    std = model.config.network.recognition_init_std
    fresh = torch.randn(len(again), fine.weight.shape[1], generator=draw, device=draw.device) * std
    fine.weight[again] = fresh.to(fine.weight.device)
    fine.bias[again] = 0.0
    for parameter in (fine.weight, fine.bias):
        forget(optimizers["discriminator"], parameter, again)


def _first_layer(model: InfoGAN) -> nn.Linear:
    layer = model.generator.hidden.blocks[0]
    assert isinstance(layer, nn.Linear)
    return layer


def forget(
    optimizer: torch.optim.Optimizer,
    parameter: Tensor,
    indices: Sequence[int] | None = None,
    dimension: int = 0,
) -> None:
    """Adam's mean gradient of some rows (or columns), or of all, back to none.

    Their mean square stays: without it, and with a step count that is past bias correction, the first
    updates would be ten times too large.
    """
    if "exp_avg" in optimizer.state[parameter]:
        every = range(parameter.shape[dimension])
        chosen = torch.tensor(every if indices is None else indices, device=parameter.device)
        optimizer.state[parameter]["exp_avg"].index_fill_(dimension, chosen, 0.0)
