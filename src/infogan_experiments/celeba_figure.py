"""Figure 6: pose, glasses, hair style and emotion by categorical codes (section 7.2, appendix C.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from infogan import presets
from infogan_experiments.reproduction import enter
from infogan_experiments.results import with_interval
from infogan_experiments.targets import Judge, Number, Panel, Reading, Reproduction, Row, Scores, named

COLOURS = {
    "Black_Hair", "Blond_Hair", "Brown_Hair", "Gray_Hair", "Pale_Skin", "Rosy_Cheeks", "Heavy_Makeup",
    "Wearing_Lipstick",
}  # fmt: skip
"""Attributes that are colours first of all: pixels alone tell them well."""

FOUND = 3
"""How many attributes the codes are to tell better than any baseline."""


def leads(scores: Scores) -> dict[str, tuple[float, float]]:
    """By attribute that is no colour, how much better its code tells it than the best baseline.

    Returns:
        The lead in AUC on the images that chose, by which attributes are ranked; and on test images that of
        the code over the upper end of the highest interval of any baseline.
    """
    found = {}
    for name, own in scores.get("attributes", {}).items():
        others = beside(scores, name)
        if name in COLOURS or not others:
            continue
        before = max(one["auc_choosing"] for one in others.values())
        above = max(one["auc_interval"][1] for one in others.values())
        found[name] = (own["auc_choosing"] - before, own["auc"] - above)
    return found


def least_lead(scores: Scores) -> Reading | None:
    """The least lead on test images of the three attributes that lead most on the images that chose."""
    found = leads(scores)
    best = sorted(found, key=lambda name: found[name][0])[-FOUND:]
    if len(best) < FOUND:
        return None
    note = ", ".join(f"{name} {found[name][1]:+.3f}" for name in reversed(best))
    return Reading(Number(min(found[name][1] for name in best)), note=note)


def beside(scores: Scores, attribute: str) -> dict[str, Mapping[str, Any]]:
    """By baseline its figures of an attribute, where it has any."""
    return {
        name: one["attributes"][attribute]
        for name, one in scores.get("baselines", {}).items()
        if attribute in one.get("attributes", {})
    }


def table(rows: Sequence[Row]) -> str:
    """Every attribute of every seed in Markdown, the greatest lead on the choosing images first."""
    lines = []
    for entry in rows:
        scores, ahead = entry["scores"], leads(entry["scores"])
        own = scores.get("attributes", {})
        for name in sorted(own, key=lambda one: -ahead.get(one, (-1.0, 0.0))[0]):
            others = beside(scores, name)
            cells = [
                str(entry["seed"]), name + (" (colour)" if name in COLOURS else ""),
                f"{own[name]['share']:.2f}", where(own[name]), auc_cell(own[name]),
                *(auc_cell(others[key]) if key in others else "" for key in ("kmeans", "pca", "untrained")),
            ]  # fmt: skip
            lines.append(f"| {' | '.join(cells)} |")
    if not lines:
        return ""
    heads = ["seed", "attribute", "share", "code", "AUC (95 %)", "k-means", "PCA", "untrained"]
    return "\n".join([f"| {' | '.join(heads)} |", "|" + "---|" * len(heads), *lines])


def where(found: Mapping[str, Any]) -> str:
    """The code, its category where it has any, and the sense in which it stands for an attribute."""
    place = found["code"] + (f" = {found['category']}" if "category" in found else "")
    return place if found["sense"] > 0 else f"not {place}"


def auc_cell(found: Mapping[str, Any]) -> str:
    """An AUC with its interval."""
    return with_interval(found["auc"], found["auc_interval"], 3)


CELEBA = enter(
    Reproduction(
        preset="celeba",
        title="CelebA: pose, glasses, hair and emotion",
        section="Section 7.2, Figure 6; appendix C.3, Table 3",
        claim=(
            "Of ten Cat(10) codes, one varies azimuth (pose), one the presence of glasses, one hair style "
            "and one emotion."
        ),
        remark=(
            "The paper shows these four by eye; here all ten codes are drawn, and attributes are held "
            "against them. A code's AUC is to lie above the upper end of every baseline's interval. "
            "Codes, PCA and the untrained network are searched in as many columns, k-means in as many as "
            "one code has categories."
        ),
        panels=(Panel("Categories", named(*presets.load("celeba").latents.codes)),),
        judges=(
            Judge(
                "least lead in AUC, of three attributes that are no colours, over all baselines' intervals",
                least_lead,
                0.0,
                1,
                (-1.0, 1.0),
            ),
        ),
        seeds=1,
        steps=6_000,
        paper_runs="The paper tells of one run, and not how long it was.",
        across=2,
        detail=table,
    )
)
