"""Label-free scores that measure the agreement of runs, and factors that several runs found.

Runs that found the factors of the data agree with each other, and other runs do not. Each score is a function
of the codes that the runs predict for the same real images.
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
"""Number of quantile bins of a code that is used as a factor."""

SAME = 0.7
"""Minimum agreement of two groups of codes that are joined into one factor."""

_LEAST_STD = 0.1  # of a code's means over real images, on [-1, 1]; with less it is constant


@dataclass(frozen=True)
class RunCodes:
    """The codes that one run predicts for n images.

    Attributes:
        continuous: predicted mean of each continuous code, from -1 to 1.
        periodic: names of the continuous codes that are angles, in half turns.
        categories: most probable category of each image, by categorical code.
        augmented: like `continuous`, for an augmented view of each image.
        information: information between an image and its augmented view, in nats, by categorical code.
    """

    continuous: Mapping[str, Float[np.ndarray, " n"]] = field(default_factory=dict)
    periodic: frozenset[str] = frozenset()
    categories: Mapping[str, Int[np.ndarray, " n"]] = field(default_factory=dict)
    augmented: Mapping[str, Float[np.ndarray, " n"]] = field(default_factory=dict)
    information: Mapping[str, float] = field(default_factory=dict)

    def varies(self, name: str) -> bool:
        """Return True if a continuous code varies between images."""
        return bool(self.continuous[name].std() >= _LEAST_STD)


def continuous_agreement(
    first: Float[np.ndarray, " n"], second: Float[np.ndarray, " n"], periodic: tuple[bool, bool]
) -> float:
    """Return the agreement of two continuous codes, 0 to 1: |Spearman|, or `circular` for two angles.

    The agreement of an angle and another code is 0, because they cannot be compared.
    """
    if periodic[0] != periodic[1]:
        return 0.0
    return circular(first, np.pi * second) if periodic[0] else spearman(first, second)


def category_agreement(first: Int[np.ndarray, " n"], second: Int[np.ndarray, " n"]) -> float:
    """Return the NMI of two partitions of the same images; 0 if either puts all into one category."""
    classes = np.unique(second)
    if len(classes) < 2 or len(np.unique(first)) < 2:
        return 0.0
    return float(nmi(contingency(first, second, int(first.max()) + 1, classes)))


def augmentation_information(run: RunCodes) -> float:
    """Return the information between an image and its augmented view in nats, summed over all codes.

    For a continuous code this is -1/2 ln(1 - r^2), as for two normal variables with correlation r, and 0 if
    the code is constant.
    """
    nats = sum(run.information.values())
    for name, augmented in run.augmented.items():
        if run.varies(name):
            angle = name in run.periodic
            r = min(continuous_agreement(run.continuous[name], augmented, (angle, angle)), 0.999)
            nats -= 0.5 * float(np.log(1 - r**2))
    return nats


def agreement(first: RunCodes, second: RunCodes) -> dict[tuple[str, str], float]:
    """Return the agreement, from 0 to 1, of each code of one run with each code of the same type in another
    run.

    This is `continuous_agreement` (0 if a code is constant) or `category_agreement`.
    """
    table = {}
    for a, x in first.continuous.items():
        for b, y in second.continuous.items():
            angles = (a in first.periodic, b in second.periodic)
            vary = first.varies(a) and second.varies(b)
            table[a, b] = continuous_agreement(x, y, angles) if vary else 0.0
    for a, u in first.categories.items():
        for b, v in second.categories.items():
            table[a, b] = category_agreement(u, v)
    return table


def _others(runs: Sequence[RunCodes], which: int) -> list[RunCodes]:
    return [run for number, run in enumerate(runs) if number != which]


def consensus(runs: Sequence[RunCodes], which: int) -> float:
    """Return the best agreement of a run's codes with those of another, averaged over codes and runs."""
    own, others = runs[which], _others(runs, which)
    count = len(own.continuous) + len(own.categories)
    if not count or not others:
        return 0.0
    total = 0.0
    for other in others:
        table = agreement(own, other)
        for name in (*own.continuous, *own.categories):
            total += max((value for (a, _), value in table.items() if a == name), default=0.0)
    return total / (count * len(others))


def udr(runs: Sequence[RunCodes], which: int) -> float | None:
    """Return the unsupervised disentanglement ranking of Duan et al. 2020, section 4 (arXiv 1905.12614).

    It is the median over the other runs and uses the agreement of continuous codes; that of a constant code
    is 0. None if this run, or all others, have no continuous codes.
    """
    own, scores = runs[which], []
    for other in _others(runs, which):
        if own.continuous and other.continuous:
            table = agreement(own, other)
            square = np.array([[table[a, b] for b in other.continuous] for a in own.continuous])
            # How close the table of two runs' codes is to a permutation (equation 2).
            bests = [
                np.divide(best**2, sums, out=np.zeros_like(best), where=best > 0).sum()
                for best, sums in ((square.max(axis), square.sum(axis)) for axis in (0, 1))
            ]
            scores.append(float(sum(bests) / sum(square.shape)))
    return float(np.median(scores)) if scores else None


def model_centrality(runs: Sequence[RunCodes], which: int, rng: np.random.Generator) -> float | None:
    """Return ModelCentrality of Lin et al. 2020, section 4 (arXiv 1906.06034).

    This is the FactorVAE score where the codes of another run, in LEVELS bins, are the factors, and vice
    versa. It is averaged over the other runs. A constant code is a factor that no code represents. None if
    this run, or all others, have fewer than the two continuous codes that FactorVAE needs.
    """
    own = runs[which]
    scores = [
        (_score_against(own, other, rng) + _score_against(other, own, rng)) / 2
        for other in _others(runs, which)
        if min(len(own.continuous), len(other.continuous)) > 1
    ]
    return float(np.mean(scores)) if scores else None


def _score_against(codes: RunCodes, factors: RunCodes, rng: np.random.Generator) -> float:
    columns = [
        values if codes.varies(name) else np.zeros_like(values) for name, values in codes.continuous.items()
    ]
    edges = np.arange(1, LEVELS) / LEVELS
    levels = [
        np.searchsorted(np.quantile(values, edges), values, side="right") * factors.varies(name)
        for name, values in factors.continuous.items()
    ]
    score = factorvae(Sample(np.stack(columns, 1), np.stack(levels, 1).astype(np.int64), rng))
    assert score is not None  # there are two factors or more
    return score


@dataclass(frozen=True)
class Shared:
    """A factor that several runs found.

    Attributes:
        members: the code that represents it, by the number of the run.
        agreement: mean agreement over pairs of these codes.
    """

    members: Mapping[int, str]
    agreement: float


def shared_factors(runs: Sequence[RunCodes]) -> list[Shared]:
    """Group codes of different runs that represent the same factor; factors that most runs found come first.

    Pairs with an agreement of at least SAME are joined, the best first, unless a group would then contain two
    codes of one run. Codes that agree with no other run are omitted.
    """
    values = {
        ((i, a), (j, b)): value
        for (i, first), (j, second) in combinations(enumerate(runs), 2)
        for (a, b), value in agreement(first, second).items()
    }
    groups: dict[tuple[int, str], set[tuple[int, str]]] = {}
    for (a, b), value in sorted(values.items(), key=lambda pair: -pair[1]):
        first, second = groups.get(a, {a}), groups.get(b, {b})
        if value < SAME or first is second or {run for run, _ in first} & {run for run, _ in second}:
            continue
        joined = first | second
        groups.update(dict.fromkeys(joined, joined))
    shared = []
    for group in {id(group): group for group in groups.values()}.values():
        inside = [values[pair] for pair in combinations(sorted(group), 2)]
        shared.append(Shared(dict(sorted(group)), float(np.mean(inside))))
    return sorted(shared, key=lambda factor: (-len(factor.members), -factor.agreement))
