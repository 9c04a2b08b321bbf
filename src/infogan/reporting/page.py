"""Writes the HTML report of a run from its model, metrics, images and evaluation."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int, UInt8

from infogan import config as configuration
from infogan import evaluation
from infogan.config import Config
from infogan.data import Dataset
from infogan.evaluation.clustering import classes_known
from infogan.evaluation.predicted_codes import dividing_code
from infogan.evaluation.subject import Progress, drawn_subset, silent
from infogan.model import InfoGAN
from infogan.reporting import html, pictures
from infogan.reporting.traversals import traversal_picture
from infogan.runs import code_names, health, metrics_log, selection
from infogan.runs.directory import RunDirectory, has_seeds

_CLUSTERED_IMAGES = 5_000
_MIN_TEST_IMAGES = 1_000  # with fewer test images, training images are shown as well
_IMAGES_PER_CLUSTER, _MAX_CLUSTERS, _TRAVERSAL_ROWS = 12, 20, 5
_FILE_NAME = "report.html"


def write(  # noqa: PLR0913 - the run, and how it compares with others
    run: RunDirectory,
    model: InfoGAN,
    dataset: Dataset,
    progress: Progress | None = None,
    *,
    found: Mapping[str, int] | None = None,
    runs: int = 1,
    place: str | Path | None = None,
) -> Path:
    """Write RUN/report.html; evaluate first if evaluation.json is not of this model and these images.

    Args:
        run: the run directory.
        model: the model of the run.
        dataset: the images.
        progress: called with a line of text when a part begins.
        found: by code, in how many of several runs it was found; None without a search.
        runs: number of these runs.
        place: path of the images; the one used in training if None.

    Returns:
        The path of the report.
    """
    report_progress = progress or silent
    scores = _scores(run, model, dataset, report_progress)
    report_progress("report: pictures")
    names = code_names.read(run.path, model.config.latents.codes)
    trained_run, seeds = _trained_run(run)
    lines = metrics_log.read(trained_run.metrics_path)
    state = health.replay(lines)
    images, clustered_train = _clustered_images(dataset)
    clusters, hidden_clusters = _clusters(model, images, names)
    contents = html.Contents(
        title=run.path.resolve().name,
        images=_description(place or model.config.data.path, dataset),
        audit=dataset.audit,
        scores=scores,
        lines=lines,
        warnings=state.messages(),
        health="" if state.active else state.summary()[0],
        seeds=len(seeds) or 1,
        found=found,
        runs=runs,
        labelled=classes_known(dataset),
        traversals={
            name: traversal_picture(model, name, rows=_TRAVERSAL_ROWS, names=names)
            for name in model.latents.priors
        },
        names=names,
        samples=pictures.sample_grid(model.sample(36, seed=0)),
        clusters=clusters,
        hidden_clusters=hidden_clusters,
        clustered=len(images),
        clustered_train=clustered_train,
        configuration=configuration.to_toml(_without_folders(model.config)),
        environment=_environment(trained_run),
        commands=_commands(run, model, seeds),
    )
    run.write_text(_FILE_NAME, html.render(contents))
    return run.path / _FILE_NAME


def _environment(run: RunDirectory) -> dict[str, Any]:
    """Return the machine and versions of the last session, and how many sessions there were before."""
    values = run.read_environment() if run.environment_path.exists() else {}
    if earlier := values.pop("earlier_sessions", []):
        values["earlier sessions"] = f"{len(earlier)}, in environment.json"
    return values


def _without_folders(config: Config) -> Config:
    """Return the configuration with the name of the images only: a report may be given to others."""
    path = config.data.path
    return config if path is None else config.replace(data={"path": Path(path).name})


def _description(path: str | Path | None, dataset: Dataset) -> str:
    """Return "FOLDER (DATA SET)", or "" if the folder or file has the name of the data set."""
    name = "" if path is None else Path(path).name
    return f"{name} ({dataset.name})" if name and name != dataset.name else ""


def _trained_run(run: RunDirectory) -> tuple[RunDirectory, tuple[int, ...]]:
    """Return the run that has the metrics: of several seeds the best one's; and all seeds, () for one."""
    if not has_seeds(run.path):
        return run, ()
    chosen = selection.read(run)
    best = chosen.seeds[0] if chosen.best is None else chosen.best
    return RunDirectory(run.seeds / f"seed-{best}"), chosen.seeds


def _scores(run: RunDirectory, model: InfoGAN, dataset: Dataset, progress: Progress) -> dict[str, Any]:
    """Return evaluation.json if it is of this model, these images and this format; else evaluate."""
    path = run.evaluation_path
    try:
        scores = json.loads(path.read_text()) if path.exists() else None
    except ValueError:  # damaged: evaluate again
        scores = None
    if not (isinstance(scores, dict) and _usable(scores, model, dataset)):
        scores = evaluation.evaluate(model, dataset, progress=progress)
        run.write_text(path.name, json.dumps(scores, indent=2) + "\n")
    return scores


def _usable(scores: dict[str, Any], model: InfoGAN, dataset: Dataset) -> bool:
    """Return True if scores are of this model and these images and have all that the report shows."""
    expected = {
        "steps": model.provenance.get("steps"),
        "dataset_fingerprint": dataset.fingerprint,
        "weights": model.weights,
    }
    codes = scores.get("codes")
    if any(scores.get(key) != value for key, value in expected.items()) or not isinstance(codes, dict):
        return False
    required = {"verdict", "effect", "survival", "kind", "mutual_information_nats", "entropy_nats"}
    return set(codes) == set(model.latents.priors) and all(
        isinstance(code, dict) and required <= set(code) for code in codes.values()
    )


def typical_and_doubtful(
    probabilities: Float[np.ndarray, "n k"], category: int, count: int
) -> tuple[Int[np.ndarray, " a"], Int[np.ndarray, " b"]]:
    """Return the rows of a category's images with the highest and with the lowest probability.

    Args:
        probabilities: of every category, for each image.
        category: its number; an image belongs to its most probable category.
        count: largest number of rows of each; no image is in both.
    """
    members = np.flatnonzero(probabilities.argmax(1) == category)
    order = members[np.argsort(-probabilities[members, category], kind="stable")]
    return order[:count], order[count:][::-1][:count]


def _clusters(
    model: InfoGAN, images: UInt8[np.ndarray, "n h w c"], names: code_names.CodeNames
) -> tuple[list[html.Cluster], int]:
    """Return the categories of the first categorical code that have images, and how many are not shown."""
    name = dividing_code(model.latents)
    if name is None:
        return [], 0
    raw = model.recognise(images, domain="real")
    probabilities = model.latents.posteriors(raw)[name].mean.numpy()
    counts = np.bincount(probabilities.argmax(1), minlength=probabilities.shape[1])
    clusters = []
    for category in np.flatnonzero(counts)[:_MAX_CLUSTERS]:
        typical, doubtful = typical_and_doubtful(probabilities, int(category), _IMAGES_PER_CLUSTER)
        clusters.append(
            html.Cluster(
                f"{names.shown(name)} = {names.category(name, int(category))}",
                float(counts[category] / len(images)),
                pictures.sample_grid(images[typical]),
                pictures.sample_grid(images[doubtful]) if len(doubtful) else None,
            )
        )
    return clusters, len(counts) - len(clusters)


def _clustered_images(dataset: Dataset) -> tuple[UInt8[np.ndarray, "n h w c"], int]:
    """Return a sample of the test images, with training images if there are few, and the number of those."""
    parts, room = [], _CLUSTERED_IMAGES
    for split in (dataset.test, dataset.train):
        chosen = drawn_subset(len(split.images), room, seed=0, stream="report/clusters")
        parts.append(np.asarray(split.images[chosen]))
        room -= len(chosen)
        if len(parts[0]) >= _MIN_TEST_IMAGES:
            break
    return np.concatenate(parts), sum(map(len, parts[1:]))


def _commands(run: RunDirectory, model: InfoGAN, seeds: Sequence[int]) -> list[str]:
    """Return the commands that reproduce the run and the report."""
    training, out = model.config.training, shlex.quote(run.path.resolve().name)
    seed = f"--seed {seeds[0]} --seeds {len(seeds)}" if seeds else f"--seed {training.seed}"
    path = model.config.data.path
    kept = path is not None and Path(path) == run.images.resolve()
    from_array = kept or (path is None and model.config.data.source == "folder")
    data = " --data IMAGES" if path is not None or from_array else ""
    where = "the array of images" if from_array else f"the path of {Path(path).name}" if path else ""
    return [
        "# in the folder of the run; config.toml: the configuration below"
        + (f"; IMAGES: {where}" if where else ""),
        f"infogan train --config config.toml{data} --out {out} {seed} --steps {training.steps}",
        f"infogan report {out}{data}",
    ]
