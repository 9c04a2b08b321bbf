"""How well codes are the true factors, one each: the field's scores, each a function on arrays in its file.

Only continuous codes are held against factors: categories have no order. All of it is on test images.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from infogan.evaluation.clustering_baselines import untrained_reading_of_test
from infogan.evaluation.disentanglement.dci import REGRESSOR
from infogan.evaluation.disentanglement.sample import Sample, as_levels, varying
from infogan.evaluation.disentanglement.score import SCORES
from infogan.evaluation.metric import metric
from infogan.evaluation.predicted_codes import continuous_dimensions, reading_of_test
from infogan.evaluation.resampling import halves_interval, numpy_generator
from infogan.evaluation.subject import Progress, Subject, drawn_subset, silent
from infogan.evaluation.true_factors import Codes, components, line_codes

IMAGES = 2_000
"""Test images, at most, of the fast variant; the full one sees all."""

Draw = Callable[[str], np.random.Generator]

FEWEST = 200
"""Test images below which nothing is said: a half of a half of them has to show every level."""

HALVES = 8
"""Halves of the images by which an interval is measured."""


def judge(
    codes: np.ndarray, levels: np.ndarray, draw: Draw, *, full: bool = False, progress: Progress = silent
) -> dict[str, Any]:
    """Every score of the package, with its 95 % interval over images.

    Args:
        codes: float [n, k], one column a code.
        levels: int [n, f], one column a factor, as `as_levels` gives them.
        draw: from a score's name to the generator of all chance in it.
        full: the long variant, some ten times as long.
        progress: is told which score begins.

    Returns:
        By score a figure from 0 to 1, or several by name, each beside its `_interval`.
    """
    found: dict[str, Any] = {}
    for name, score in SCORES.items():
        progress(name)
        sample = Sample(codes, levels, draw(name), full)
        whole = _named(name, score(sample))
        parts = [_named(name, score(half)) for half in sample.random_halves(HALVES)]
        found |= whole | {
            f"{key}_interval": halves_interval(
                value, [part[key] for part in parts if key in part], (0.0, 1.0)
            )
            for key, value in whole.items()
        }
    return _nested(found)


def _named(name: str, found: float | Mapping[str, float] | None) -> dict[str, float]:
    """One figure by its score's name, several by SCORE.FIGURE; none where it does not apply."""
    if found is None:
        return {}
    return (
        {f"{name}.{key}": value for key, value in found.items()}
        if isinstance(found, Mapping)
        else {name: found}
    )


def _nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """ "dci.completeness" as {"dci": {"completeness": ...}}."""
    nested: dict[str, Any] = {}
    for key, value in flat.items():
        score, _, figure = key.partition(".")
        if figure:
            nested.setdefault(score, {})[figure] = value
        else:
            nested[score] = value
    return nested


@metric("disentanglement")
def _metric(subject: Subject) -> dict[str, Any]:
    dataset, latents = subject.dataset, subject.model.latents
    if dataset is None or not continuous_dimensions(latents):
        return {}
    count = len(dataset.test.images)
    chosen = np.arange(count)
    if not subject.full:
        chosen = drawn_subset(count, IMAGES, seed=subject.seed, stream="evaluation/disentanglement/images")
    factors = varying(dataset.test.truth.take(chosen).factors)
    if not factors or len(chosen) < FEWEST:
        return {}
    levels = as_levels(factors, subject.full)

    def judged(codes: Codes, who: str) -> dict[str, Any]:
        stream = f"evaluation/disentanglement/{who}"
        return judge(
            np.stack(list(codes.values()), 1)[chosen],
            levels,
            lambda name: numpy_generator(subject.seed, f"{stream}/{name}"),
            full=subject.full,
            progress=lambda name: subject.progress(f"disentanglement, {who}: {name}"),
        )

    own = judged(line_codes(latents, subject.once(reading_of_test)), "model")
    blank = judged(line_codes(latents, subject.once(untrained_reading_of_test)), "untrained")
    pca = judged(subject.once(components)[1], "pca")
    own["dci"]["regressor"] = REGRESSOR[subject.full]
    facts = {"factors": list(factors), "images": len(chosen)}
    return {
        "disentanglement": own | facts,
        "baselines": {"untrained": {"disentanglement": blank}, "pca": {"disentanglement": pca}},
    }
