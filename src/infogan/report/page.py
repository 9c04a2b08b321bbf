"""What the report of a run is made of: its model, its lines of metrics, its images and its figures."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from infogan import config as configuration
from infogan import evaluation
from infogan.data import Dataset
from infogan.evaluation.clustering import classes_known
from infogan.evaluation.predicted_codes import dividing_code
from infogan.evaluation.subject import Progress, drawn_subset, silent
from infogan.evaluation.typical_images import typical_and_doubtful
from infogan.model import InfoGAN
from infogan.report import html, pictures
from infogan.report.traversals import traversal_picture
from infogan.runs import health, metrics_log, selection
from infogan.runs.directory import RunDirectory, has_seeds

_READ, _SHOWN, _MOST_CLUSTERS = 5_000, 12, 20
_ENOUGH = 1_000  # test images, for pictures of every category
_ROWS = 5
_PAGE = "report.html"


def write(  # noqa: PLR0913 - the run, and what is known of it beside others
    run: RunDirectory,
    model: InfoGAN,
    dataset: Dataset,
    progress: Progress | None = None,
    *,
    found: Mapping[str, int] | None = None,
    runs: int = 1,
    place: str | Path | None = None,
) -> Path:
    """Makes the page of a run, and evaluates it first where evaluation.json is not of this model and data.

    Args:
        run: the run.
        model: its model.
        dataset: its images.
        progress: is told what begins.
        found: by code in how many of several runs it was found; None where nobody looked.
        runs: how many these are.
        place: where the images lie; where they lay in training when left out.
    """
    told = progress or silent
    scores = _scores(run, model, dataset, told)
    told("report: pictures")
    trained, seeds = _trained(run)
    lines = metrics_log.read(trained.metrics_path)
    state = health.replay(lines)
    shown, trained_on = _to_show(dataset)
    clusters, left_out = _clusters(model, shown)
    material = html.Material(
        title=run.path.resolve().name,
        images=_called(place or model.config.data.path, dataset),
        scores=scores,
        lines=lines,
        warnings=state.messages(),
        health="" if state.messages() else state.summary()[0],
        seeds=len(seeds) or 1,
        found=found,
        runs=runs,
        labelled=classes_known(dataset),
        traversals={name: traversal_picture(model, name, rows=_ROWS) for name in model.latents.priors},
        samples=pictures.sample_grid(model.sample(36, seed=0)),
        clusters=clusters,
        left_out=left_out,
        shown=len(shown),
        trained_on=trained_on,
        configuration=configuration.to_toml(model.config),
        environment=_environment(trained),
        commands=_commands(run, model, seeds),
    )
    run.write_text(_PAGE, html.render(material))
    return run.path / _PAGE


def _called(path: str | Path | None, dataset: Dataset) -> str:
    """The name of the folder or file that the images come from, and the data set; "" where one says both."""
    name = "" if path is None else Path(path).name
    return f"{name} ({dataset.name})" if name and name != dataset.name else ""


def _trained(run: RunDirectory) -> tuple[RunDirectory, tuple[int, ...]]:
    """Where the lines of training are: of several seeds, which stand beside it, the best one's run."""
    if not has_seeds(run.path):
        return run, ()
    chosen = selection.read(run)
    best = chosen.seeds[0] if chosen.best is None else chosen.best
    return RunDirectory(run.seeds / f"seed-{best}"), chosen.seeds


def _environment(run: RunDirectory) -> dict[str, Any]:
    return run.read_environment() if run.environment_path.exists() else {}


def _scores(run: RunDirectory, model: InfoGAN, dataset: Dataset, progress: Progress) -> dict[str, Any]:
    """evaluation.json, where it is of this model, these images and this form; else measured anew."""
    path = run.evaluation_path
    try:
        found = json.loads(path.read_text()) if path.exists() else None
    except ValueError:  # torn or edited: nothing in it is worth more than an evaluation
        found = None
    if isinstance(found, dict) and _usable(found, model, dataset):
        return found
    scores = evaluation.evaluate(model, dataset, progress=progress)
    run.write_text(path.name, json.dumps(scores, indent=2) + "\n")
    return scores


def _usable(found: dict[str, Any], model: InfoGAN, dataset: Dataset) -> bool:
    """Whether figures are of this model and these images, and hold what the page needs of every code."""
    wanted = {
        "steps": model.provenance.get("steps"),
        "dataset_fingerprint": dataset.fingerprint,
        "weights": model.weights,
    }
    if any(found.get(key) != value for key, value in wanted.items()):
        return False
    codes = found.get("codes")
    if not isinstance(codes, dict) or set(codes) != set(model.latents.priors):
        return False
    needed = {"verdict", "effect", "survival", "kind", "mutual_information_nats", "entropy_nats"}
    return all(isinstance(code, dict) and needed <= set(code) for code in codes.values())


def _clusters(model: InfoGAN, images: UInt8[np.ndarray, "n h w c"]) -> tuple[list[html.Cluster], int]:
    """The categories of the first categorical code that have real images, and how many are not shown."""
    name = dividing_code(model.latents)
    if name is None:
        return [], 0
    raw = model.recognise(images, domain="real")
    probabilities = model.latents.posteriors(raw)[name].mean.numpy()
    counts = np.bincount(probabilities.argmax(1), minlength=probabilities.shape[1])
    shown = []
    for category in np.flatnonzero(counts)[:_MOST_CLUSTERS]:
        surest, doubtful = typical_and_doubtful(probabilities, int(category), _SHOWN)
        shown.append(
            html.Cluster(
                f"{name} = {category}",
                float(counts[category] / len(images)),
                pictures.sample_grid(images[surest]),
                pictures.sample_grid(images[doubtful]) if len(doubtful) else None,
            )
        )
    return shown, len(counts) - len(shown)


def _to_show(dataset: Dataset) -> tuple[UInt8[np.ndarray, "n h w c"], int]:
    """Test images; where these are too few to fill the categories, images that were trained on as well.

    Returns:
        The images, and how many of them were trained on.
    """
    parts, room = [], _READ
    for split in (dataset.test, dataset.train):
        chosen = drawn_subset(len(split.images), room, seed=0, stream="report/clusters")
        parts.append(np.asarray(split.images[chosen]))
        room -= len(chosen)
        if len(parts[0]) >= _ENOUGH:
            break
    return np.concatenate(parts), sum(map(len, parts[1:]))


def _commands(run: RunDirectory, model: InfoGAN, seeds: Sequence[int]) -> list[str]:
    """How somebody else comes to such a run and page."""
    training, where = model.config.training, shlex.quote(str(run.path))
    several = f" --seed {seeds[0]} --seeds {len(seeds)}" if seeds else f" --seed {training.seed}"
    given = model.config.data.source == "folder" and model.config.data.path is None
    data = " --data IMAGES" if given else ""
    return [
        "# config.toml holds the configuration below"
        + ("; IMAGES are those that were given" if given else ""),
        f"infogan train --config config.toml{data} --out {where}{several} --steps {training.steps}",
        f"infogan report {where}{data}",
    ]
