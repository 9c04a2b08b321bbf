"""Figure 1: mutual information of InfoGAN, and of a GAN whose Q does not train G (section 7.1)."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

from PIL import Image

from infogan import evaluation, storage
from infogan.config import Config
from infogan.errors import UsageError
from infogan.report import pictures, plots
from infogan.report.traversals import traversal_picture
from infogan.runs import metrics_log
from infogan_experiments.experiment import Options, configure, experiment
from infogan_experiments.results import train_to

VARIANTS = {"infogan": "InfoGAN", "gan": "plain GAN, Q does not train G"}
PAPER: dict[str, dict[str, list[float]]] = {
    "infogan": {"step": [25, 100, 500, 935], "nats": [2.0, 2.25, 2.28, 2.28]},
    "gan": {"step": [130, 250, 935], "nats": [0.6, 0.075, 0.075]},
}
"""Points of the paper's Figure 1, read by eye; from step 250 its low curve is between .05 and .1."""


@experiment("figure1")
def figure1(options: Options) -> None:
    """The control experiment: without the information term, the generator leaves its code unused.

    Both variants have the same networks, optimisers and number of updates, and Q is trained in both; only
    the generator's step of the second leaves out the bound. Afterwards a new Q is trained to convergence on
    each frozen generator, to show that a low curve is due to the generator and not to a weak Q.
    """
    if options.seeds is not None:
        raise UsageError(
            f"--seeds {options.seeds}: figure1 has two variants of one seed", "no --seeds", "--seed N"
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
    for variant, label in VARIANTS.items():
        result |= _train(base, variant, folder, result["arms"])
        storage.write_text(folder / "figure1.json", json.dumps(result, indent=2) + "\n")
        found = result["arms"][variant]
        converged = "" if found["fresh_recognition"]["converged"] else " (not converged)"
        print(
            f"{label}: L_I {found['last_hundred_steps_nats']:.3f} nats over the last 100 steps; a new Q "
            f"trained on the frozen generator: {_new_q_nats(found):.3f} of {result['entropy_nats']:.3f}"
            + converged
        )
    pictures.save_png(_plot(result), folder / "figure1.png")
    print(folder / "figure1.png")


def _train(base: Config, variant: str, folder: Path, measured: dict[str, Any]) -> dict[str, Any]:
    """Train and measure a variant, and return the entropy of the code and the machine."""
    objective = base.objective.model_copy(update={"generator_information": variant == "infogan"})
    config = base.model_copy(update={"objective": objective})
    trained = train_to(config, config.training.steps, folder / variant)
    lines = metrics_log.read(trained.run.metrics_path)
    measured[variant] = {
        "step": [line["step"] for line in lines],
        "nats": [line["mutual_information"]["digit"] for line in lines],
        "last_hundred_steps_nats": _last_mean(lines, 100),
        "fresh_recognition": evaluation.fit_recognition(trained.model, seed=base.training.seed),
    }
    pictures.save_png(traversal_picture(trained.model, "digit"), folder / f"{variant}-digit.png")
    return {
        "entropy_nats": trained.model.latents.entropies["digit"],
        "machine": trained.run.read_environment(),
    }


def _last_mean(lines: list[dict[str, Any]], steps: int) -> float:
    """Return the mean bound over the last `steps` steps; a line is the mean since the line before."""
    total = weight = 0.0
    for before, line in itertools.pairwise([{"step": 0}, *lines]):
        if line["step"] > lines[-1]["step"] - steps:
            weight += line["step"] - before["step"]
            total += (line["step"] - before["step"]) * line["mutual_information"]["digit"]
    return total / weight


def _new_q_nats(found: dict[str, Any]) -> float:
    return float(found["fresh_recognition"]["codes"]["digit"]["mutual_information_nats"])


def _plot(result: dict[str, Any]) -> Image.Image:
    series, markers = {}, {}
    for variant, label in VARIANTS.items():
        found = result["arms"][variant]
        nats = _new_q_nats(found)
        series[label] = (found["step"], found["nats"])
        ends = [found["step"][0], found["step"][-1]]
        series[f"{label}: a new Q on the frozen G, {nats:.2f} nats"] = (ends, [nats, nats])
        markers[f"{label}: the paper"] = (PAPER[variant]["step"], PAPER[variant]["nats"])
    return plots.line_plot(
        series,
        x_label="step",
        y_label="L_I in nats",
        title="Mutual information between the code and the image",
        y_range=(-0.25, 2.5),
        horizontal_lines={"H(c)": result["entropy_nats"]},
        markers=markers,
    )
