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
from infogan.evaluation.true_factors import circular, spearman

LEVELS = 10
"""Parts of equally many images into which a code is cut where it stands for a factor."""

SAME = 0.7
"""Agreement from which two groups of codes are joined to one factor."""

_INFORMATIVE = 0.1  # std of a code's means over real images, of a half range, below which it says nothing


@dataclass(frozen=True)
class Reading:
    """What one run reads from n images.

    Attributes:
        lines: by continuous code its mean, from -1 to 1.
        periodic: the names of those that are angles, in half turns.
        categories: by categorical code the most probable category of each image.
        moved: the same `lines` of a moved copy of each image.
        kept: nats that each categorical code keeps between an image and its moved copy.
    """

    lines: Mapping[str, Float[np.ndarray, " n"]] = field(default_factory=dict)
    periodic: frozenset[str] = frozenset()
    categories: Mapping[str, Int[np.ndarray, " n"]] = field(default_factory=dict)
    moved: Mapping[str, Float[np.ndarray, " n"]] = field(default_factory=dict)
    kept: Mapping[str, float] = field(default_factory=dict)

    def alive(self, name: str) -> bool:
        """Whether a continuous code varies from image to image."""
        return bool(self.lines[name].std() >= _INFORMATIVE)


def alike(
    first: Float[np.ndarray, " n"], second: Float[np.ndarray, " n"], periodic: tuple[bool, bool]
) -> float:
    """How alike two continuous codes are, 0 to 1: |Spearman|; of two angles `circular`, whatever their zero.

    An angle and a number on a line cannot be held against each other: 0.
    """
    if periodic[0] != periodic[1]:
        return 0.0
    return circular(first, np.pi * second) if periodic[0] else spearman(first, second)


def shared_categories(first: Int[np.ndarray, " n"], second: Int[np.ndarray, " n"]) -> float:
    """NMI of two divisions of the same images; 0 where either puts all into one category."""
    classes = np.unique(second)
    if len(classes) < 2 or len(np.unique(first)) < 2:
        return 0.0
    return float(nmi(contingency(first, second, int(first.max()) + 1, classes)))


def kept_information(reading: Reading) -> float:
    """The nats that all codes keep between an image and its moved copy; a code that never varies keeps none.

    Of continuous codes -1/2 ln(1 - r^2), as of two normal variables that are alike by r.
    """
    found = sum(reading.kept.values())
    for name, copy in reading.moved.items():
        if reading.alive(name):
            angle = name in reading.periodic
            r = min(alike(reading.lines[name], copy, (angle, angle)), 0.999)
            found -= 0.5 * float(np.log(1 - r**2))
    return found


def agreement(first: Reading, second: Reading) -> dict[tuple[str, str], float]:
    """How alike each code of one run and each of its kind in another are on the same images, 0 to 1.

    `alike` of continuous codes, 0 where one never varies; `shared_categories` of categorical ones.
    """
    found = {}
    for a, x in first.lines.items():
        for b, y in second.lines.items():
            angles = (a in first.periodic, b in second.periodic)
            found[a, b] = alike(x, y, angles) if first.alive(a) and second.alive(b) else 0.0
    for a, u in first.categories.items():
        for b, v in second.categories.items():
            found[a, b] = shared_categories(u, v)
    return found


def consensus(readings: Sequence[Reading], which: int) -> float:
    """How well a run's codes are found again in the others: the mean best agreement, over codes and runs.

    A code that never varies has none to agree.
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

    By the agreement of continuous codes, the median over the other runs. A code that never varies agrees with
    none, and counts. None where this run or no other has continuous codes.
    """
    own = readings[which]
    found = []
    for number, other in enumerate(readings):
        if number != which and own.lines and other.lines:
            table = agreement(own, other)
            found.append(_udr_pair(np.array([[table[a, b] for b in other.lines] for a in own.lines])))
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
    over the other runs. A code that never varies is a factor that no code follows. None with fewer than two
    continuous codes in this run or in all others: FactorVAE has nothing to tell apart then.
    """
    own = readings[which]
    found = [
        (_as_factors(own, other, draw) + _as_factors(other, own, draw)) / 2
        for number, other in enumerate(readings)
        if number != which and min(len(own.lines), len(other.lines)) > 1
    ]
    return float(np.mean(found)) if found else None


def _as_factors(codes: Reading, factors: Reading, draw: np.random.Generator) -> float:
    columns = [values if codes.alive(name) else np.zeros_like(values) for name, values in codes.lines.items()]
    edges = np.arange(1, LEVELS) / LEVELS
    levels = [
        np.searchsorted(np.quantile(values, edges), values, side="right") * factors.alive(name)
        for name, values in factors.lines.items()
    ]
    found = factorvae(Sample(np.stack(columns, 1), np.stack(levels, 1).astype(np.int64), draw))
    assert found is not None  # there are two factors or more
    return found


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
    values = {
        ((i, a), (j, b)): value
        for (i, first), (j, second) in combinations(enumerate(readings), 2)
        for (a, b), value in agreement(first, second).items()
    }
    groups: dict[tuple[int, str], set[tuple[int, str]]] = {}
    for (one, other), value in sorted(values.items(), key=lambda pair: -pair[1]):
        first, second = groups.get(one, {one}), groups.get(other, {other})
        if value < SAME or first is second or {run for run, _ in first} & {run for run, _ in second}:
            continue
        joined = first | second
        groups.update(dict.fromkeys(joined, joined))
    found = []
    for group in {id(group): group for group in groups.values()}.values():
        inside = [values[pair] for pair in combinations(sorted(group), 2)]
        found.append(Shared(dict(sorted(group)), float(np.mean(inside))))
    return sorted(found, key=lambda one: (-len(one.members), -one.agreement))
