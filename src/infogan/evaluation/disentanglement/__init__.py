"""Disentanglement scores of the literature, on test images; each is a function on arrays in its own file.

Only continuous codes are scored, because categories have no order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from infogan.evaluation.baselines import codes_and_baselines
from infogan.evaluation.disentanglement.dci import REGRESSOR
from infogan.evaluation.disentanglement.sample import SCORES, Sample, as_levels, varying
from infogan.evaluation.metric import metric, with_baselines
from infogan.evaluation.predicted_codes import continuous_dimensions
from infogan.evaluation.resampling import halves_interval
from infogan.evaluation.subject import Progress, Subject, drawn_subset, silent

IMAGES = 2_000
"""Largest number of test images in the fast variant; the full one uses all."""

FEWEST = 200
"""Smallest number of test images: half of a half of them has to show every level."""

HALVES = 8
"""Number of random halves of the images, for an interval."""

Rng = Callable[[str], np.random.Generator]


def score_all(
    codes: np.ndarray, levels: np.ndarray, rng: Rng, *, full: bool = False, progress: Progress = silent
) -> dict[str, Any]:
    """Compute every registered score, with its 95 % interval over images.

    Args:
        codes: float [n, k], one column a code.
        levels: int [n, f], one column a factor, as `as_levels` gives them.
        rng: returns the random generator of a score, by its name.
        full: use the long variant, which takes about ten times as long.
        progress: called with the name of each score when it starts.

    Returns:
        By score a figure from 0 to 1, or several by name, each with its `_interval`.
    """
    figures: dict[str, Any] = {}
    for name, score in SCORES.items():
        progress(name)
        sample = Sample(codes, levels, rng(name), full)
        whole = named(name, score(sample))
        parts = [named(name, score(half)) for half in sample.random_halves(HALVES)]
        intervals = {
            f"{key}_interval": halves_interval(
                value, [part[key] for part in parts if key in part], (0.0, 1.0)
            )
            for key, value in whole.items()
        }
        for key, value in (whole | intervals).items():
            _, _, figure = key.partition(".")
            section = figures.setdefault(name, {}) if figure else figures
            section[figure or key] = value
    return figures


def named(name: str, result: float | Mapping[str, float] | None) -> dict[str, float]:
    """Return one figure under its score's name, or several under SCORE.FIGURE; {} if it does not apply."""
    if isinstance(result, Mapping):
        return {f"{name}.{key}": value for key, value in result.items()}
    return {} if result is None else {name: result}


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
    sections: dict[str, dict[str, Any]] = {}
    for name, (_, codes) in subject.once(codes_and_baselines).items():
        figures = score_all(
            np.stack(list(codes.values()), 1)[chosen],
            levels,
            lambda score, name=name: subject.rng(f"disentanglement/{name}/{score}"),  # type: ignore[misc]
            full=subject.full,
            progress=lambda score, name=name: subject.progress(f"disentanglement, {name}: {score}"),  # type: ignore[misc]
        )
        sections[name] = {"disentanglement": figures}
    own = sections["model"]["disentanglement"]
    own["dci"]["regressor"] = REGRESSOR[subject.full]
    own |= {"factors": list(factors), "images": len(chosen)}
    return with_baselines(sections)
