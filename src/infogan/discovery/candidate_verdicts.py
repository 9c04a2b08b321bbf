"""Verdicts on candidates: stability on real images, and agreement with an independent encoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from infogan.config import Categorical, Periodic
from infogan.data import Dataset
from infogan.model import InfoGAN
from infogan.representation.learning import CATEGORY, Learned
from infogan.representation.slow_coordinates import Coordinate, agreement
from infogan.training.anchoring import fit_recognition
from infogan.training.anchors import Anchors

SHOWN = 0.5
"""Least agreement with the independent encoder at which generated images are said to show a code."""

AS_GOOD = 0.95
"""Least agreement with a principal component at which the component is said to do as well as the code."""

_GENERATED = 2_000


def independent_encoder(model: InfoGAN, dataset: Dataset, learned: Learned, steps: int) -> InfoGAN:
    """Return a Q that is fitted to the anchors on real images only, with another seed and other initial
    weights.

    It evaluates generated images. The Q that trained the generator could not: the generator can hide codes in
    texture that only this Q detects.
    """
    seed = (model.config.training.seed + 1) % 2**63
    encoder = InfoGAN(model.config.replace(training={"seed": seed}))
    images = np.asarray(dataset.train.images)
    fit_recognition(encoder, images, Anchors(learned.anchors()), steps, seed=seed)
    return encoder


def agreements(model: InfoGAN, encoder: InfoGAN, names: Mapping[str, Any]) -> dict[str, float]:
    """Return how well predicted codes of generated images agree with the codes they were generated from.

    This is the adjusted mutual information for categories, and rank or circular correlation for other codes,
    from 0 to 1.

    Args:
        model: the generator.
        encoder: from `independent_encoder`.
        names: codes with anchors.
    """
    from sklearn.metrics import adjusted_mutual_info_score  # lazy: slow to import

    noise, codes = model.draw(_GENERATED, seed=1, stream="discovery/verdicts")
    predicted = encoder.encode(model.generate(noise, codes), domain="fake")
    values = {}
    for name in names:
        code, given = model.config.latents.codes[name], codes[name].numpy()
        if isinstance(code, Categorical):
            score = adjusted_mutual_info_score(given.argmax(1), predicted[name].argmax(1))
            values[name] = float(max(0.0, score))
            continue
        circle = isinstance(code, Periodic)
        angle = predicted[name]
        seen = np.arctan2(angle[:, 1], angle[:, 0]) / np.pi if circle else angle
        pair = (Coordinate(v.astype(np.float32).reshape(-1), circle) for v in (given, seen))
        values[name] = agreement(*pair)
    return values


def verdicts(
    learned: Learned, agreed: Sequence[Mapping[str, float]] = (), best: int = 0
) -> dict[str, dict[str, Any]]:
    """Return the figures and the verdict of each candidate, by the code's name.

    Args:
        learned: from the real images.
        agreed: from `agreements`, of each generator; empty before there is one.
        best: index of the generator that is shown.
    """
    entries: dict[str, dict[str, Any]] = {}
    if (found := learned.categories) is not None:
        entries[CATEGORY] = {
            "kind": "categories",
            "source": found.chosen.source,
            "categories": found.probabilities.shape[1],
            "stability": found.chosen.agreement,
            "threshold": found.threshold,
        }
    for candidate in learned.candidates:
        component, value = candidate.explained_by
        entries[candidate.name] = {
            "kind": candidate.kind,
            "source": candidate.source,
            "stability": candidate.stability,
            "threshold": candidate.threshold,
            "principal_component": component,
            "principal_component_agreement": value,
        }
    for name, entry in entries.items():
        if agreed:
            entry["generated_agreement"] = agreed[best][name]
            entry["generated_agreements"] = [values[name] for values in agreed]
        entry["verdict"] = _sentence(entry)
    return entries


def _sentence(entry: Mapping[str, Any]) -> str:
    """Return what a reader may conclude from the figures of one candidate."""
    stable = entry["stability"] > entry["threshold"]
    parts = ["found in the real images" if stable else "no more stable than in images without categories"]
    if "generated_agreement" in entry:
        shows = entry["generated_agreement"] >= SHOWN
        parts.append("generated images show it" if shows else "generated images do not show it reliably")
    if entry.get("principal_component_agreement", 0.0) >= AS_GOOD:
        parts.append(f"principal component {entry['principal_component']} does as well")
    return "; ".join(parts)
