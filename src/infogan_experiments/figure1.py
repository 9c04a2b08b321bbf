"""Figure 1 of the paper: the mutual information of an InfoGAN and of a plain GAN (section 7.1)."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any

from infogan import evaluation, storage
from infogan.errors import UsageError
from infogan.reporting import pictures
from infogan.reporting.charts import chart_file
from infogan.reporting.traversals import traversal_picture
from infogan.runs import metrics_log
from infogan.training.runner import Trained
from infogan_experiments.experiment import Options, configure, experiment
from infogan_experiments.results import train_to

VARIANTS = {"infogan": "InfoGAN", "gan": "GAN without the information term"}
PAPER: dict[str, dict[str, list[float]]] = {
    "infogan": {"step": [25, 100, 500, 935], "nats": [2.0, 2.25, 2.28, 2.28]},
    "gan": {"step": [130, 250, 935], "nats": [0.6, 0.075, 0.075]},
}
"""Points of the paper's Figure 1, estimated by eye; from step 250 its low curve is between .05 and .1."""


@experiment("figure1")
def figure1(options: Options) -> None:
    """The control experiment: without the information term, the generator ignores its code.

    Both variants have the same networks, optimizers and number of updates, and train Q. Only the generator's
    loss differs: the GAN leaves the bound out. A new Q is then trained to convergence on each frozen
    generator, to exclude that the GAN's low curve comes from a weak Q.
    """
    if options.seeds is not None:
        raise UsageError(
            f"--seeds {options.seeds}: figure1 trains two variants with one seed",
            "no --seeds",
            "--seed N for another seed",
        )
    steps = {} if options.steps is None else {"training.steps": options.steps}
    base = configure("figure1", options, {"training.seed": options.seed or 0, **steps})
    folder = options.folder("figure1")
    result: dict[str, Any] = {
        "experiment": "figure1",
        "seed": base.training.seed,
        "steps": base.training.steps,
        "entropy_nats": None,
        "arms": {},
        "paper": PAPER,
    }
    for variant in VARIANTS:
        config = base.replace(objective={"generator_information": variant == "infogan"})
        trained = train_to(config, base.training.steps, folder / variant)
        result["entropy_nats"] = trained.model.latents.entropies["digit"]
        result["machine"] = trained.run.read_environment()
        result["arms"][variant] = _measure(trained, base.training.seed)
        pictures.save_png(traversal_picture(trained.model, "digit"), folder / f"{variant}-digit.png")
        storage.write_text(folder / "figure1.json", json.dumps(result, indent=2) + "\n")
    storage.write_text(folder / "figure1.svg", figure(result))
    for variant, label in VARIANTS.items():
        measured = result["arms"][variant]
        print(
            f"{label}: L_I {measured['last_hundred_steps_nats']:.3f} nats over the last 100 steps; "
            f"a new Q trained on the frozen generator: {_new_q_nats(measured):.3f} "
            f"of {result['entropy_nats']:.3f} nats"
            + ("" if measured["fresh_recognition"]["converged"] else " (not converged)")
        )
    print(folder / "figure1.svg")


def _measure(trained: Trained, seed: int) -> dict[str, Any]:
    lines = metrics_log.read(trained.run.metrics_path)
    return {
        "step": [line["step"] for line in lines],
        "nats": [line["mutual_information"]["digit"] for line in lines],
        "last_hundred_steps_nats": _last_mean(lines, 100),
        "fresh_recognition": evaluation.fit_recognition(trained.model, seed=seed),
    }


def _last_mean(lines: Sequence[Mapping[str, Any]], steps: int) -> float:
    """Return the mean bound over about the last `steps` steps, weighting each line by its steps."""
    total = weight = 0.0
    for before, line in itertools.pairwise([{"step": 0}, *lines]):
        if line["step"] > lines[-1]["step"] - steps:
            weight += line["step"] - before["step"]
            total += (line["step"] - before["step"]) * line["mutual_information"]["digit"]
    return total / weight


def _new_q_nats(measured: Mapping[str, Any]) -> float:
    return float(measured["fresh_recognition"]["codes"]["digit"]["mutual_information_nats"])


def figure(result: Mapping[str, Any]) -> str:
    """Return Figure 1 as an SVG document, from the contents of figure1.json."""
    curves, levels, readings = {}, {}, {}
    for variant, label in VARIANTS.items():
        measured, reading = result["arms"][variant], result["paper"][variant]
        curves[label] = (measured["step"], measured["nats"])
        new_q = _new_q_nats(measured)
        levels[f"{label}: a new Q trained on the frozen generator, {new_q:.2f} nats"] = new_q
        readings[f"{label}: the paper's Figure 1"] = (reading["step"], reading["nats"])
    entropy = float(result["entropy_nats"])
    return chart_file(
        curves,
        title="Mutual information between code and generated image",
        x_label="step",
        y_label="lower bound L_I in nats",
        levels={**levels, f"entropy of the code, H(c) = {entropy:.2f} nats": entropy},
        markers=readings,
    )
