"""Split and merge: twin categories that share one cluster become one, and a double category becomes two.

Runs of InfoGAN can get stuck with one category that covers two clusters of images while two others share
one. The joint distribution of the categories of two views shows this without labels: merging the twins loses
little information, and the sub-code of the double category adds much. It also shows pairs that are
suspiciously close, which may separate two clusters along the wrong boundary; `repartition` examines them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from infogan import networks, regularizers
from infogan.model import InfoGAN
from infogan.runs.health import FORMED, MARGIN

SUSPECT = 0.7
"""Share of a typical pair's nats below which a pair of categories is examined."""

MOST_CATEGORIES = 40
"""Codes with more categories have too many pairs to examine regularly."""


@dataclass(frozen=True)
class Diagnosis:
    """Merged and split categories of one code, from its joint distribution.

    Attributes:
        twins: the two categories whose merging loses least information.
        loss: the nats that merging them loses.
        double: the category whose sub-code adds most information.
        gain: the nats that splitting it adds.
        formed: the code carries enough information for the diagnosis to be meaningful.
    """

    twins: tuple[int, int]
    loss: float
    double: int
    gain: float
    formed: bool = True

    @property
    def stuck(self) -> bool:
        """True if splitting the double category and merging the twins would gain information."""
        return self.formed and self.double not in self.twins and self.gain > self.loss + MARGIN


def merge_losses(joint: Float[Tensor, "k k"]) -> Float[Tensor, "k k"]:
    """Compute the nats of information that merging categories i and j loses; infinite on the diagonal."""
    size = len(joint)
    whole = regularizers.table_information(joint)
    losses = torch.full((size, size), float("inf"))
    for i in range(size):
        for j in range(i + 1, size):
            kept = [k for k in range(size) if k != j]
            merged = joint.clone()
            merged[i] += merged[j]
            merged[:, i] += merged[:, j]
            losses[i, j] = losses[j, i] = whole - regularizers.table_information(merged[kept][:, kept])
    return losses


def split_gains(joint: Float[Tensor, "k k"], fine: Float[Tensor, "2*k 2*k"]) -> Float[Tensor, " k"]:
    """Compute the nats of information that splitting each category into its two sub-codes adds.

    Args:
        joint: over categories.
        fine: over categories times their two sub-codes.
    """
    size = len(joint)
    whole = regularizers.table_information(joint)
    gains = []
    for k in range(size):
        rows = torch.eye(size).repeat_interleave(2, dim=1)  # [K, 2K]: sums sub-codes
        rows = torch.cat([rows, torch.zeros(1, 2 * size)])
        rows[k, 2 * k + 1], rows[size, 2 * k + 1] = 0, 1
        gains.append(regularizers.table_information(rows @ fine @ rows.t()) - whole)
    return torch.stack(gains)


def diagnose(
    joint: Float[Tensor, "k k"],
    fine: Float[Tensor, "2*k 2*k"],
    losses: Float[Tensor, "k k"] | None = None,
) -> Diagnosis:
    """Find the best pair to merge and the best category to split; `losses` are those of `merge_losses`."""
    losses = merge_losses(joint.cpu()) if losses is None else losses
    twins = _twins(losses)
    gains = split_gains(joint.cpu(), fine.cpu())
    gains[list(twins)] = -float("inf")
    double = int(gains.argmax())
    return Diagnosis(twins, float(losses.min()), double, float(gains[double]), _formed(joint))


def _twins(losses: Float[Tensor, "k k"]) -> tuple[int, int]:
    """Return the pair whose merging loses least."""
    flat = int(losses.argmin())
    return flat // len(losses), flat % len(losses)


def _formed(joint: Float[Tensor, "k k"]) -> bool:
    return float(regularizers.table_information(joint)) > FORMED * math.log(len(joint))


def suspect(joint: Float[Tensor, "k k"]) -> tuple[int, int] | None:
    """Return the closest two categories if they are much closer than a typical pair, else None.

    On MNIST, pairs of separate clusters reach 0.7 of the median over all pairs and more, once the code has
    formed.
    """
    losses = merge_losses(joint.cpu())
    return _twins(losses) if _formed(joint) and float(losses.min()) < SUSPECT * _usual(losses) else None


def distance(joint: Float[Tensor, "k k"], pair: tuple[int, int]) -> float:
    """Compute the distance of two categories: the nats that merging them loses, relative to a typical pair.

    A ratio, since all losses grow during training. 0 if the categories carry no information.
    """
    losses = merge_losses(joint.cpu())
    usual = _usual(losses)
    return float(losses[pair]) / usual if usual > 0 else 0.0


def _usual(losses: Float[Tensor, "k k"]) -> float:
    """Return the median over all pairs."""
    return float(losses[torch.triu(torch.ones_like(losses), 1).bool()].median())


def report(joint: Float[Tensor, "k k"], table: Float[Tensor, "m m"]) -> dict[str, Any]:
    """Return `merge` and, with sub-codes, `split`, as metrics.jsonl has them."""
    if not 3 <= len(joint) <= MOST_CATEGORIES:
        return {}
    losses = merge_losses(joint.cpu())
    merge = {"twins": list(_twins(losses)), "nats": float(losses.min()), "usual_nats": _usual(losses)}
    if len(table) != 2 * len(joint):
        return {"merge": merge}
    found = diagnose(joint, table, losses)
    return {"merge": merge, "split": {"double": found.double, "nats": found.gain}}


@dataclass(frozen=True)
class Rows:
    """The position of a categorical code dimension in the networks' layers.

    Attributes:
        outputs: first of its K rows in Q's last layer.
        subcodes: first of its 2K rows in the sub-codes' layer.
        inputs: first of its K columns in G's first layer.
    """

    outputs: int
    subcodes: int
    inputs: int


def rows_of(model: InfoGAN, name: str, index: int) -> Rows:
    """Return the position of dimension `index` of the categorical code `name`."""
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
    dimension: tuple[str, int],
    found: Diagnosis,
    rng: torch.Generator,
) -> None:
    """Merge the twins, and split the double category into itself and the freed category.

    Q: the first twin's row becomes the mean of both, with their joint bias; the rows of the double and the
    freed category differ by the difference of the sub-codes. G: the freed column is a copy of the double's.
    Adam's mean gradients of these rows, and the sub-codes of these categories, are reset.
    """
    rows = rows_of(model, *dimension)
    kept, freed = found.twins
    double = found.double
    output, fine, first = model.recognition.output, model.recognition.subcodes, _first_weight(model)
    assert fine is not None
    a, b, d = rows.outputs + kept, rows.outputs + freed, rows.outputs + double
    s = rows.subcodes + 2 * double
    for parameter, sub in ((output.weight, fine.weight), (output.bias, fine.bias)):
        half = (sub[s] - sub[s + 1]) / 2
        parameter[a] = (parameter[a] + parameter[b]) / 2
        parameter[b] = parameter[d] - half
        parameter[d] = parameter[d] + half
        forget(optimizers["discriminator"], parameter, [a, b, d])
    output.bias[a] += math.log(2.0)  # as probable as both together
    output.bias[[b, d]] -= math.log(2.0)  # together as probable as before
    columns = [rows.inputs + k for k in (kept, freed, double)]
    if first is not None:
        first[:, columns[1]] = first[:, columns[2]]
        forget(optimizers["generator"], first, columns, dimension=1)
    _renew_subcodes(model, optimizers, rows, (kept, freed, double), rng)


@torch.no_grad()
def make_alike(
    model: InfoGAN,
    optimizers: Mapping[str, torch.optim.Optimizer],
    dimension: tuple[str, int],
    pair: tuple[int, int],
    rng: torch.Generator,
) -> None:
    """Make G generate the same images for two categories, and reset their sub-codes."""
    rows, first = rows_of(model, *dimension), _first_weight(model)
    columns = [rows.inputs + k for k in pair]
    if first is not None:
        first[:, columns] = first[:, columns].mean(1, keepdim=True)
        forget(optimizers["generator"], first, columns, dimension=1)
    _renew_subcodes(model, optimizers, rows, pair, rng)


def _renew_subcodes(
    model: InfoGAN,
    optimizers: Mapping[str, torch.optim.Optimizer],
    rows: Rows,
    categories: Sequence[int],
    rng: torch.Generator,
) -> None:
    """Reset the sub-codes of categories that have changed their meaning."""
    fine = model.recognition.subcodes
    assert fine is not None
    indices = [rows.subcodes + 2 * k + half for k in categories for half in (0, 1)]
    std = model.config.network.recognition_init_std
    fresh = torch.randn(len(indices), fine.weight.shape[1], generator=rng, device=rng.device) * std
    fine.weight[indices] = fresh.to(fine.weight.device)
    fine.bias[indices] = 0.0
    for parameter in (fine.weight, fine.bias):
        forget(optimizers["discriminator"], parameter, indices)


def _first_weight(model: InfoGAN) -> Tensor | None:
    """Return the weight of the layer of G that reads the codes; None for a generator of a plug-in.

    Such a generator learns the repaired categories from Q.
    """
    if not isinstance(model.generator, networks.Generator):
        return None
    return model.generator.get_submodule("hidden.blocks.0").get_parameter("weight")


def forget(
    optimizer: torch.optim.Optimizer,
    parameter: Tensor,
    indices: Sequence[int] | None = None,
    dimension: int = 0,
) -> None:
    """Reset Adam's mean gradient of some rows or columns of a parameter, or of all.

    The mean square stays: without it, and with a step count past bias correction, the first updates would be
    ten times too large.
    """
    if "exp_avg" in optimizer.state[parameter]:
        every = range(parameter.shape[dimension])
        chosen = torch.tensor(every if indices is None else indices, device=parameter.device)
        optimizer.state[parameter]["exp_avg"].index_fill_(dimension, chosen, 0.0)
