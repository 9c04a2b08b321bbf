"""Which of several runs to trust, without labels, and which codes of two runs are one factor.

Runs that found what is in the data agree; runs that found something else each found it alone. Every score
here is a function on what runs read from the same real images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
from jaxtyping import Float, Int

from infogan.evaluation.clustering import contingency, nmi
from infogan.evaluation.disentanglement.factorvae import factorvae
from infogan.evaluation.disentanglement.sample import Sample
from infogan.evaluation.true_factors import spearman

LEVELS = 10
"""Parts of equally many images into which a code is cut where it stands for a factor."""

SAME = 0.7
"""|Spearman|, or NMI of categories, from which two codes are one factor."""

_INFORMATIVE = 0.1  # std of a code's means over real images, of a half range, below which it says nothing


@dataclass(frozen=True)
class Reading:
    """What one run reads from n images.

    Attributes:
        lines: by continuous code its mean, from -1 to 1.
        categories: by categorical code the most probable category of each image.
        moved: the same `lines` of a moved copy of each image.
        kept: nats that each categorical code keeps between an image and its moved copy.
    """

    lines: Mapping[str, Float[np.ndarray, " n"]] = field(default_factory=dict)
    categories: Mapping[str, Int[np.ndarray, " n"]] = field(default_factory=dict)
    moved: Mapping[str, Float[np.ndarray, " n"]] = field(default_factory=dict)
    kept: Mapping[str, float] = field(default_factory=dict)

    @property
    def informative(self) -> dict[str, Float[np.ndarray, " n"]]:
        """The continuous codes that vary from image to image."""
        return {name: values for name, values in self.lines.items() if values.std() >= _INFORMATIVE}


def kept_information(reading: Reading) -> float:
    """The nats that all codes keep between an image and its moved copy.

    Of continuous codes -1/2 ln(1 - r^2), as of two normal variables with that rank correlation.
    """
    lines = sum(
        -0.5 * np.log(1 - min(spearman(reading.lines[name], copy), 0.999) ** 2)
        for name, copy in reading.moved.items()
    )
    return float(lines) + sum(reading.kept.values())


def agreement(first: Reading, second: Reading) -> dict[tuple[str, str], float]:
    """How alike each code of one run and each of its kind in another are on the same images, 0 to 1.

    |Spearman| of continuous codes that vary at all, NMI of categories.
    """
    found = {
        (a, b): spearman(x, y) for a, x in first.informative.items() for b, y in second.informative.items()
    }
    for a, x in first.categories.items():
        for b, y in second.categories.items():
            found[a, b] = float(nmi(contingency(x, y, int(x.max()) + 1, np.unique(y))))
    return found


def consensus(readings: Sequence[Reading], which: int) -> float:
    """How well a run's codes are found again in the others: the mean best agreement, over codes and runs.

    A code that does not vary has none to agree.
    """
    own = readings[which]
    count = len(own.lines) + len(own.categories)
    others = [reading for number, reading in enumerate(readings) if number != which]
    if not count or not others:
        return 0.0
    total = 0.0
    for other in others:
        table = agreement(own, other)
        for name in (*own.lines, *own.categories):
            total += max((value for (a, _), value in table.items() if a == name), default=0.0)
    return total / (count * len(others))


def udr(readings: Sequence[Reading], which: int) -> float | None:
    """The unsupervised disentanglement ranking of Duan et al. 2020, section 4 (arXiv 1905.12614).

    With Spearman's correlation, of codes that vary; the median over the other runs. None without continuous
    codes in all runs.
    """
    own = list(readings[which].informative.values())
    found = []
    for number, other in enumerate(readings):
        theirs = list(other.informative.values())
        if number == which or not own or not theirs:
            continue
        table = np.array([[spearman(x, y) for y in theirs] for x in own])
        found.append(_udr_pair(table))
    return float(np.median(found)) if found else None


def _udr_pair(table: Float[np.ndarray, "a b"]) -> float:
    """Equation 2: how nearly the table of two runs' codes is a permutation."""
    columns, rows = table.max(0), table.max(1)
    by_column = np.divide(columns**2, table.sum(0), out=np.zeros_like(columns), where=columns > 0)
    by_row = np.divide(rows**2, table.sum(1), out=np.zeros_like(rows), where=rows > 0)
    return float((by_column.sum() + by_row.sum()) / sum(table.shape))


def model_centrality(readings: Sequence[Reading], which: int, draw: np.random.Generator) -> float | None:
    """ModelCentrality of Lin et al. 2020, section 4 (arXiv 1906.06034): is it like the others, code by code?

    The FactorVAE score with another run's codes as if they were factors, cut into LEVELS; both ways, the mean
    over the other runs. None without continuous codes.
    """
    own = readings[which].informative
    found = [
        (_as_factors(own, other.informative, draw) + _as_factors(other.informative, own, draw)) / 2
        for number, other in enumerate(readings)
        if number != which and own and other.informative
    ]
    return float(np.mean(found)) if found else None


def _as_factors(
    codes: Mapping[str, Float[np.ndarray, " n"]],
    factors: Mapping[str, Float[np.ndarray, " n"]],
    draw: np.random.Generator,
) -> float:
    edges = np.arange(1, LEVELS) / LEVELS
    levels = [
        np.searchsorted(np.quantile(values, edges), values, side="right") for values in factors.values()
    ]
    sample = Sample(np.stack(list(codes.values()), 1), np.stack(levels, 1).astype(np.int64), draw)
    return factorvae(sample)


@dataclass(frozen=True)
class Shared:
    """One factor as several runs found it.

    Attributes:
        members: the code of each run that found it, by the run's number.
        agreement: the mean over pairs of these codes.
    """

    members: Mapping[int, str]
    agreement: float


def shared_factors(readings: Sequence[Reading]) -> list[Shared]:
    """Codes of different runs that are one factor: joined pair by pair, the most alike first, from SAME on.

    Two groups are joined only where no run is in both: one factor has one code a run. Those that most runs
    found stand first; codes that no other run has are left out.
    """
    pairs = [
        (value, (i, a), (j, b))
        for (i, first), (j, second) in combinations(enumerate(readings), 2)
        for (a, b), value in agreement(first, second).items()
        if value >= SAME
    ]
    groups: dict[tuple[int, str], set[tuple[int, str]]] = {}
    for _, one, other in sorted(pairs, key=lambda pair: -pair[0]):
        first, second = groups.get(one, {one}), groups.get(other, {other})
        if first is second or {run for run, _ in first} & {run for run, _ in second}:
            continue
        joined = first | second
        groups.update(dict.fromkeys(joined, joined))
    values = {frozenset((one, other)): value for value, one, other in pairs}
    found = []
    for group in {id(group): group for group in groups.values()}.values():
        inside = [values.get(frozenset(pair), 0.0) for pair in combinations(sorted(group), 2)]
        found.append(Shared(dict(sorted(group)), float(np.mean(inside))))
    return sorted(found, key=lambda one: (-len(one.members), -one.agreement))
