"""False alarms of verdicts: codes of trained models that labels and strokes confirm but a verdict rejects.

Verdicts need no labels. Generators with planted faults, in the tests, show that bad codes are detected.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

from infogan.reporting.markdown import markdown_table
from infogan_experiments.experiment import Options, experiment
from infogan_experiments.result_tables import Result, share, values_table
from infogan_experiments.results import publish, train_and_measure
from infogan_experiments.robust_ablation import WIDTH
from infogan_experiments.study import Study, by_recipe, train_study

STUDY = Study(
    "verdicts-mnist",
    by_recipe("mnist", {"paper": "paper", "robust": "robust"}, WIDTH),
    seeds=10,
    steps=1_000,
    train=partial(train_and_measure, metrics=("clustering", "handwriting", "verdicts")),
    keep_all=False,
)

CONFIRMED_ACCURACY, CONFIRMED_SPEARMAN = 0.4, 0.5
"""Least values on real test images that confirm a categorical code, and a continuous one."""

HARSH: dict[str, frozenset[str]] = {
    "called dead or hidden": frozenset({"dead", "hidden"}),
    "not called used": frozenset({"dead", "hidden", "duplicate", "entangled"}),
}
"""Verdicts that are wrong for a confirmed code: it has no visible effect; or, it does not count."""


class JudgedCode(NamedTuple):
    """A code of a trained model, its verdict, and the evidence of real images.

    Attributes:
        recipe: of the run.
        seed: of the run.
        code: its name.
        verdict: of the code.
        evidence: accuracy, or |Spearman| with the stroke that the code was matched to; 0 if there is none.
        confirmed: the evidence is sufficient.
    """

    recipe: str
    seed: int
    code: str
    verdict: str
    evidence: float
    confirmed: bool


@experiment("verdicts-mnist")
def verdicts_mnist(options: Options) -> None:
    """False alarms of verdicts in twenty MNIST runs: codes that labels confirm, but verdicts reject."""
    folder, results = train_study(STUDY, options)
    codes = [code for result in results for code in judged_codes(result)]
    publish(folder, STUDY.name, {"summary": summary(codes), "rows": results}, verdicts_table(codes))


def judged_codes(result: Result) -> Iterator[JudgedCode]:
    """Yield every code of one run."""
    scores = result["scores"]
    for name, values in scores["codes"].items():
        if scores["clustering"]["code"].split("[")[0] == name:
            evidence, sufficient = scores["clustering"]["accuracy"], CONFIRMED_ACCURACY
        else:
            strokes = [one for one in scores["factors"].values() if one["code"].split("[")[0] == name]
            evidence = max((one.get("spearman_real", 0.0) for one in strokes), default=0.0)
            sufficient = CONFIRMED_SPEARMAN
        yield JudgedCode(
            result["arm"], result["seed"], name, values["verdict"], float(evidence), evidence >= sufficient
        )


def summary(codes: Sequence[JudgedCode]) -> dict[str, Any]:
    """Count the verdicts of confirmed codes and of the others.

    Codes of one run, and runs of one seed, are not independent: intervals are over seeds.

    Returns:
        `confirmed` and `others`: number of codes by verdict. `harsh`: for each entry of HARSH the `share` of
        confirmed codes, and the `share_of_seeds` in which it occurs with its exact 95 % interval.
    """
    confirmed = [code for code in codes if code.confirmed]
    result: dict[str, Any] = {
        "confirmed": dict(Counter(code.verdict for code in confirmed)),
        "others": dict(Counter(code.verdict for code in codes if not code.confirmed)),
        "harsh": {},
    }
    seeds = {code.seed for code in confirmed}
    for name, verdicts in HARSH.items() if confirmed else ():
        wrong = [code for code in confirmed if code.verdict in verdicts]
        of_seeds = share(len({code.seed for code in wrong}), len(seeds))
        result["harsh"][name] = {
            "share": len(wrong) / len(confirmed),
            "seeds": len(seeds),
            "share_of_seeds": of_seeds.value,
            "share_of_seeds_interval": list(of_seeds.interval or ()),
        }
    return result


def verdicts_table(codes: Sequence[JudgedCode]) -> str:
    """Return a table of all runs, and the counts."""
    by_run: dict[tuple[str, int], list[str]] = {}
    for code in codes:
        evidence = f"{code.evidence:.2f}{'' if code.confirmed else ', not confirmed'}"
        by_run.setdefault((code.recipe, code.seed), []).append(f"{code.code}: {code.verdict} ({evidence})")
    head = ["recipe", "seed", "code: verdict (accuracy, or correlation with a stroke)"]
    rows = [[*run, "; ".join(cells)] for run, cells in by_run.items()]
    return f"{markdown_table(head, rows)}\n\n{values_table('number of codes', summary(codes))}"
