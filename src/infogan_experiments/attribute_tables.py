"""Binary attributes of photographs (CelebA) that codes predict, compared with baselines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from infogan.reporting.markdown import markdown_table
from infogan.reporting.tables import predictor_text
from infogan_experiments.result_tables import Number, Result, estimate
from infogan_experiments.targets import Measurement, Scores

COLOURS = {
    "Black_Hair", "Blond_Hair", "Brown_Hair", "Gray_Hair", "Pale_Skin", "Rosy_Cheeks", "Heavy_Makeup",
    "Wearing_Lipstick",
}  # fmt: skip
"""Attributes that are mostly colours; pixels alone predict them well."""

REQUIRED = 3
"""Number of attributes that codes must predict better than every baseline."""

BASELINES = {"kmeans": "k-means", "pca": "PCA", "untrained": "untrained"}

auc_text = estimate("auc")


def leads(scores: Scores) -> dict[str, tuple[float, float]]:
    """Return by how much codes predict attributes better than the best baseline, without colours.

    Returns:
        By attribute, the lead in AUC on the images that selected the code, by which attributes are ranked;
        and on test images the lead over the upper end of the highest interval of any baseline.
    """
    lead = {}
    for name, own in scores.get("attributes", {}).items():
        baselines = of_baselines(scores, name).values()
        if name in COLOURS or not baselines:
            continue
        lead[name] = (
            own["auc_choosing"] - max(entry["auc_choosing"] for entry in baselines),
            own["auc"] - max(entry["auc_interval"][1] for entry in baselines),
        )
    return lead


def smallest_lead(scores: Scores) -> Measurement | None:
    """Return the smallest lead on test images of the three attributes that lead most on selection images."""
    lead_of = leads(scores)
    best = sorted(lead_of, key=lambda name: lead_of[name][0])[-REQUIRED:]
    if len(best) < REQUIRED:
        return None
    note = ", ".join(f"{name} {lead_of[name][1]:+.3f}" for name in reversed(best))
    return Measurement(Number(min(lead_of[name][1] for name in best)), note=note)


def of_baselines(scores: Scores, attribute: str) -> dict[str, Mapping[str, Any]]:
    """Return the values of an attribute by baseline."""
    return {
        name: baseline["attributes"][attribute]
        for name, baseline in scores.get("baselines", {}).items()
        if attribute in baseline.get("attributes", {})
    }


def attributes_table(results: Sequence[Result], shown: int | None = None) -> str:
    """Return a table of attributes of all seeds by lead on the selection images; empty without any.

    Args:
        results: with `attributes` in their scores.
        shown: number of attributes for each seed, without colours; None: all attributes.
    """
    rows = []
    for result in results:
        scores, ahead = result["scores"], leads(result["scores"])
        attributes = scores.get("attributes", {})
        names = sorted(attributes, key=lambda one: -ahead.get(one, (-1.0, 0.0))[0])
        for name in names if shown is None else [name for name in names if name in ahead][:shown]:
            own, baselines = attributes[name], of_baselines(scores, name)
            label = f"{name} (colour)" if name in COLOURS else name
            others = [auc_text(baselines.get(key, {})) for key in BASELINES]
            rows.append(
                [result["seed"], label, f"{own['share']:.2f}", predictor_text(own), auc_text(own), *others]
            )
    head = ["seed", "attribute", "share", "code", "AUC (95 %)", *BASELINES.values()]
    return markdown_table(head, rows) if rows else ""
