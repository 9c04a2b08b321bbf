"""Figure 1: the mutual information of an InfoGAN and of a plain GAN whose Q only watches (section 7.1)."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

from PIL import Image

from infogan import api, evaluation, storage
from infogan.config import Config, parse_assignments
from infogan.errors import UsageError
from infogan.model import InfoGAN
from infogan.report import pictures, plots
from infogan.report.traversals import traversal_picture
from infogan.runs import metrics_log
from infogan.runs.directory import RunDirectory, next_free
from infogan_experiments.experiment import Options, experiment
from infogan_experiments.variants import trained_to

ARMS = {"infogan": "InfoGAN", "gan": "plain GAN, Q only watches"}
PAPER: dict[str, dict[str, list[float]]] = {
    "infogan": {"step": [25, 100, 500, 935], "nats": [2.0, 2.25, 2.28, 2.28]},
    "gan": {"step": [130, 250, 935], "nats": [0.6, 0.075, 0.075]},
}
"""Readings from the paper's Figure 1, by eye; from step 250 on its low curve lies between .05 and .1."""


@experiment("figure1")
def figure1(options: Options) -> None:
    """The control experiment: without the information term, the generator leaves its code unused.

    Both arms have the same networks, optimisers and number of updates, and Q learns in both; only the
    generator's step of the second arm leaves the bound out. Afterwards a fresh Q is fitted to convergence on
    each frozen generator, so that a low curve is the generator's doing and not a weak Q's.
    """
    if options.seeds is not None:
        raise UsageError(
            f"--seeds {options.seeds}: figure1 has two arms of one seed", "no --seeds", "--seed N for another"
        )
    base = api.configure(
        "figure1", data=options.data, settings=parse_assignments([
            f"training.seed={options.seed or 0}",
            *([] if options.steps is None else [f"training.steps={options.steps}"]),
            *options.settings,
        ]),
    )  # fmt: skip
    folder = options.out or next_free(Path("runs"), "figure1")
    result: dict[str, Any] = {
        "experiment": "figure1",
        "seed": base.training.seed,
        "steps": base.training.steps,
        "entropy_nats": None,
        "arms": {},
        "paper": PAPER,
    }
    for arm in ARMS:
        model, run = _arm(base, arm, folder / arm)
        result["entropy_nats"] = model.latents.entropies["digit"]
        result["machine"] = run.read_environment()
        result["arms"][arm] = _measured(model, run, base.training.seed)
        pictures.save_png(traversal_picture(model, "digit"), folder / f"{arm}-digit.png")
        storage.write_text(folder / "figure1.json", json.dumps(result, indent=2) + "\n")
    pictures.save_png(_plot(result), folder / "figure1.png")
    for arm, label in ARMS.items():
        found = result["arms"][arm]
        print(
            f"{label}: L_I {found['last_hundred_steps_nats']:.3f} nats over the last 100 steps; "
            f"a fresh Q on the frozen generator reads {_fresh_nats(found):.3f} "
            f"of {result['entropy_nats']:.3f}"
            + ("" if found["fresh_recognition"]["converged"] else " (not converged)")
        )
    print(folder / "figure1.png")


def _arm(base: Config, arm: str, path: Path) -> tuple[InfoGAN, RunDirectory]:
    informed = base.objective.model_copy(update={"generator_information": arm == "infogan"})
    config = base.model_copy(update={"objective": informed})
    trained = trained_to(config, config.training.steps, path)
    return trained.model, trained.run


def _measured(model: InfoGAN, run: RunDirectory, seed: int) -> dict[str, Any]:
    lines = metrics_log.read(run.metrics_path)
    curve = [line["mutual_information"]["digit"] for line in lines]
    fresh = evaluation.fit_recognition(model, seed=seed)
    return {
        "step": [line["step"] for line in lines],
        "nats": curve,
        "last_hundred_steps_nats": _last_mean(lines, 100),
        "fresh_recognition": fresh,
    }


def _last_mean(lines: list[dict[str, Any]], steps: int) -> float:
    """Mean bound over about the last `steps` steps; a line is the mean of those since the one before."""
    total = weight = 0.0
    for before, line in itertools.pairwise([{"step": 0}, *lines]):
        if line["step"] > lines[-1]["step"] - steps:
            weight += line["step"] - before["step"]
            total += (line["step"] - before["step"]) * line["mutual_information"]["digit"]
    return total / weight


def _fresh_nats(found: dict[str, Any]) -> float:
    return float(found["fresh_recognition"]["codes"]["digit"]["mutual_information_nats"])


def _plot(result: dict[str, Any]) -> Image.Image:
    arms = {label: result["arms"][arm] for arm, label in ARMS.items()}
    readings = {f"{label}: the paper's reading": PAPER[arm] for arm, label in ARMS.items()}
    series = {label: (found["step"], found["nats"]) for label, found in arms.items()}
    for label, found in arms.items():
        fresh = _fresh_nats(found)
        series[f"{label}: a fresh Q on the frozen G, {fresh:.2f} nats"] = (
            [found["step"][0], found["step"][-1]],
            [fresh, fresh],
        )
    return plots.line_plot(
        series,
        x_label="step",
        y_label="L_I in nats",
        title="Mutual information between the code and the image",
        y_range=(-0.25, 2.5),
        horizontal_lines={"H(c)": result["entropy_nats"]},
        markers={label: (points["step"], points["nats"]) for label, points in readings.items()},
    )
