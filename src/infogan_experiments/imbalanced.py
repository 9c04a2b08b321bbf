"""MNIST with digits that are not equally frequent: equal categories beside a prior that is learned."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64

from infogan import api, data, storage
from infogan.config import Categorical, Config
from infogan.evaluation.resampling import numpy_generator
from infogan.runs.directory import next_free
from infogan_experiments.experiment import Options, experiment
from infogan_experiments.results import (
    CLUSTERING,
    mean_over_seeds,
    publish,
    read_rows,
    row,
    seeds,
    trained,
    with_interval,
)

SEEDS, STEPS = 5, 1_000
FALL = 0.75
"""Each digit is so many times as frequent as the one before it: nines are a thirteenth of the noughts."""

MOST = 5_400
"""Noughts that are kept: the fewest of any digit among the training images are 5,421."""

METRICS = ("baselines", "clustering")
EQUAL, LEARNED = "equal shares", "learned shares"


@experiment("imbalanced-mnist")
def imbalanced(options: Options) -> None:
    """MNIST with 13 noughts for each nine: categories of equal and of learned shares, five seeds each."""
    folder = options.out or next_free(Path("runs"), "imbalanced-mnist")
    source = data.load(api.configure("mnist", data=options.data).data).train
    images = folder / "imbalanced-mnist.npz"
    if not images.exists():
        _write(images, source)
    steps = options.steps or STEPS
    for seed in seeds(options, SEEDS):
        for arm in (EQUAL, LEARNED):
            config = with_prior(_configured(images, seed, options.settings), arm)
            row(folder, arm, config, steps, trained(config, steps, METRICS))
    rows = [one for one in read_rows(folder) if one["steps"] == steps]
    publish(folder, "imbalanced-mnist", {"fall": FALL, "steps": steps, "rows": rows}, table(rows))


def kept(labels: Int64[np.ndarray, " n"]) -> Int64[np.ndarray, " m"]:
    """Which images stay: MOST noughts, FALL times as many ones, and so on; always the same ones, in order."""
    draw = numpy_generator(0, "experiments/imbalanced")
    chosen = []
    for digit in range(10):
        of_digit = draw.permutation(np.flatnonzero(labels == digit))
        chosen.append(of_digit[: round(MOST * FALL**digit)])
    return np.sort(np.concatenate(chosen))


def _write(path: Path, source: data.Split) -> None:
    """The images and labels that stay, as an .npz file."""
    assert source.labels is not None
    chosen = kept(np.asarray(source.labels))
    packed = io.BytesIO()
    np.savez(packed, images=source.images[chosen], labels=source.labels[chosen])
    with storage.writing(path, 0):
        path.parent.mkdir(parents=True, exist_ok=True)
    storage.write_file(path, packed.getvalue())


def _configured(images: Path, seed: int, settings: Sequence[str]) -> Config:
    """MNIST's preset on the images at hand."""
    own = ["data.source=folder", f"training.seed={seed}", *settings]
    return api.configure("mnist", data=images, recipe="robust", settings=own)


def with_prior(config: Config, arm: str) -> Config:
    """The same with the prior of an arm for every categorical code."""
    if arm != LEARNED:
        return config
    codes = config.latents.codes.items()
    return config.with_codes(
        {name: replace(code, prior="learned") for name, code in codes if isinstance(code, Categorical)}
    )


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Every run, the means over seeds and k-means, in Markdown."""
    lines = ["| categories | seed | accuracy (95 %) | NMI | ARI |", "|---|---|---|---|---|"]
    for arm in (EQUAL, LEARNED):
        some = [one for one in rows if one["arm"] == arm]
        for one in some:
            found = one["scores"]["clustering"]
            accuracy = with_interval(found["accuracy"], found["accuracy_interval"], 3)
            lines.append(f"| {arm} | {one['seed']} | {accuracy} | {found['nmi']:.3f} | {found['ari']:.3f} |")
        if some:
            found = [one["scores"]["clustering"] for one in some]
            cells = " | ".join(mean_over_seeds([one[key] for one in found], 3) for key in CLUSTERING)
            lines.append(f"| {arm}, mean (95 % over seeds) | | {cells} |")
    if rows:
        by_kmeans = rows[0]["scores"]["baselines"]["kmeans"]["clustering"]
        cells = " | ".join(f"{by_kmeans[key]:.3f}" for key in CLUSTERING)
        lines.append(f"| k-means on pixels | | {cells} |")
    return "\n".join(lines)
