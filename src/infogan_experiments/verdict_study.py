"""Whether verdicts, which need no labels, condemn codes of trained models that labels and strokes confirm.

Planted generators show that bad codes are caught; here trained ones show that good codes are left alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from infogan import api
from infogan.config import parse_assignments
from infogan.runs.directory import next_free
from infogan_experiments.experiment import Options, experiment
from infogan_experiments.results import publish, read_rows, row, seeds, share_interval, trained, with_interval
from infogan_experiments.robust_ablation import WIDTH

SEEDS, STEPS = 10, 1_000
RECIPES = ("paper", "robust")
METRICS = ("clustering", "handwriting", "verdicts")

CONFIRMED_ACCURACY, CONFIRMED_SPEARMAN = 0.4, 0.5
"""On real test images: from which a categorical code, and a continuous one, is known to mean something."""

HARSH: dict[str, frozenset[str]] = {
    "called dead or hidden": frozenset({"dead", "hidden"}),
    "not called used": frozenset({"dead", "hidden", "duplicate", "entangled"}),
}
"""Verdicts that are wrong of a confirmed code: nothing of it can be seen; or, it is not to be counted."""


class Judged(NamedTuple):
    """A code of a trained model: its verdict, and what real images with labels or strokes say of it.

    Attributes:
        recipe: of the run.
        seed: of the run.
        code: its name.
        verdict: the word.
        evidence: accuracy, or |Spearman| with the stroke that it was matched to; 0 where there is none.
        confirmed: whether that is enough to know that the code means something.
    """

    recipe: str
    seed: int
    code: str
    verdict: str
    evidence: float
    confirmed: bool


@experiment("verdicts-mnist")
def verdicts_mnist(options: Options) -> None:
    """Twenty MNIST runs, ten a recipe: is any code called dead or hidden that real images confirm?"""
    folder = options.out or next_free(Path("runs"), "verdicts-mnist")
    steps, runs = options.steps or STEPS, seeds(options, SEEDS)
    for recipe in RECIPES:
        for seed in runs:
            settings = [WIDTH, f"training.seed={seed}", *options.settings]
            config = api.configure(
                "mnist", data=options.data, recipe=recipe, settings=parse_assignments(settings)
            )
            row(folder, recipe, config, steps, trained(config, steps, METRICS))
    rows = [one for one in read_rows(folder) if one["seed"] in runs and one["steps"] == steps]
    found = [one for entry in rows for one in judged(entry)]
    publish(folder, "verdicts-mnist", {"summary": summary(found), "rows": rows}, table(found))


def judged(entry: Mapping[str, Any]) -> Iterator[Judged]:
    """Every code of one run."""
    scores = entry["scores"]
    for name, figures in scores["codes"].items():
        if scores["clustering"]["code"].split("[")[0] == name:
            evidence, enough = scores["clustering"]["accuracy"], CONFIRMED_ACCURACY
        else:
            strokes = [one for one in scores["factors"].values() if one["code"].split("[")[0] == name]
            evidence = max((one.get("spearman_real", 0.0) for one in strokes), default=0.0)
            enough = CONFIRMED_SPEARMAN
        yield Judged(
            entry["arm"], entry["seed"], name, figures["verdict"], float(evidence), evidence >= enough
        )


def summary(found: Sequence[Judged]) -> dict[str, Any]:
    """What verdicts say of codes that real images confirm, and of the others.

    Codes of one run, and runs of one seed, are no independent trials: intervals are over seeds.

    Returns:
        `confirmed` and `others`: how many codes by verdict. `harsh`: for each of HARSH the `share` of
        confirmed codes, and in how many of the `seeds` with any that happened, `share_of_seeds` with its
        exact 95 % interval.
    """
    confirmed = [one for one in found if one.confirmed]
    result: dict[str, Any] = {
        "confirmed": dict(Counter(one.verdict for one in confirmed)),
        "others": dict(Counter(one.verdict for one in found if not one.confirmed)),
        "harsh": {},
    }
    seeds = {one.seed for one in confirmed}
    for word, verdicts in HARSH.items() if confirmed else ():
        wrong = [one for one in confirmed if one.verdict in verdicts]
        hit = len({one.seed for one in wrong})
        result["harsh"][word] = {
            "share": len(wrong) / len(confirmed),
            "seeds": len(seeds),
            "share_of_seeds": hit / len(seeds),
            "share_of_seeds_interval": list(share_interval(hit, len(seeds))),
        }
    return result


def table(found: Sequence[Judged]) -> str:
    """Every run in Markdown, and the counts."""
    lines = ["| recipe | seed | code: verdict (accuracy, or correlation with a stroke) |", "|---|---|---|"]
    for recipe, seed in dict.fromkeys((one.recipe, one.seed) for one in found):
        cells = [
            f"{one.code}: {one.verdict} ({one.evidence:.2f}{'' if one.confirmed else ', not confirmed'})"
            for one in found
            if (one.recipe, one.seed) == (recipe, seed)
        ]
        lines.append(f"| {recipe} | {seed} | {'; '.join(cells)} |")
    counted = summary(found)
    for word in ("confirmed", "others"):
        counts = ", ".join(f"{count} {verdict}" for verdict, count in sorted(counted[word].items()))
        lines += ["", f"{word}: {counts or 'none'}"]
    for word, one in counted["harsh"].items():
        share = with_interval(one["share_of_seeds"], one["share_of_seeds_interval"], 2)
        where = f"in a share of {share} of {one['seeds']} seeds"
        lines += ["", f"confirmed codes {word}: {one['share']:.3f} of them; {where}"]
    return "\n".join(lines)
