"""Verdicts: stability on real images, and what an independent encoder sees in generated ones."""

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
"""Agreement of a code with an independent reading of generated images from which the images show it."""

AS_GOOD = 0.95
"""Agreement with a principal component from which the component does as well."""

_GENERATED = 2_000


def independent_reader(model: InfoGAN, dataset: Dataset, learned: Learned, steps: int) -> InfoGAN:
    """Return Q fitted to the anchors by real images only, from another seed and other first weights.

    It judges generated images: a generator can write texture that the Q which trained it reads.
    """
    seed = (model.config.training.seed + 1) % 2**63
    reader = InfoGAN(model.config.replace(training={"seed": seed}))
    images = np.asarray(dataset.train.images)
    fit_recognition(reader, images, Anchors(learned.anchors()), steps, seed=seed)
    return reader


def agreements(model: InfoGAN, reader: InfoGAN, names: Mapping[str, Any]) -> dict[str, float]:
    """Return how well the reader's codes of generated images agree with the codes they were generated from.

    Of categories, the adjusted mutual information; of others, rank or circular correlation; from 0 to 1.

    Args:
        model: the generator.
        reader: from `independent_reader`.
        names: codes with anchors.
    """
    from sklearn.metrics import adjusted_mutual_info_score  # late: slow to import

    noise, codes = model.draw(_GENERATED, seed=1, stream="discovery/verdicts")
    read = reader.encode(model.generate(noise, codes), domain="fake")
    values = {}
    for name in names:
        code, given = model.config.latents.codes[name], codes[name].numpy()
        if isinstance(code, Categorical):
            score = adjusted_mutual_info_score(given.argmax(1), read[name].argmax(1))
            values[name] = float(max(0.0, score))
            continue
        circle = isinstance(code, Periodic)
        angle = read[name]
        seen = np.arctan2(angle[:, 1], angle[:, 0]) / np.pi if circle else angle
        pair = (Coordinate(v.astype(np.float32).reshape(-1), circle) for v in (given, seen))
        values[name] = agreement(*pair)
    return values


def verdicts(
    learned: Learned, readings: Sequence[Mapping[str, float]] = (), best: int = 0
) -> dict[str, dict[str, Any]]:
    """Return the figures and the verdict of each candidate, by the code's name.

    Args:
        learned: from the real images.
        readings: from `agreements`, of each generator; empty before there is one.
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
        if readings:
            entry["generated_agreement"] = readings[best][name]
            entry["generated_agreements"] = [reading[name] for reading in readings]
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
