"""What the report of a run is made of: its model, its lines of metrics, its images and its figures."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from infogan import config as configuration
from infogan import evaluation
from infogan.data import Dataset
from infogan.evaluation.reading import dividing_code
from infogan.evaluation.subject import Progress, drawn_subset, silent
from infogan.evaluation.typical import typical_and_doubtful
from infogan.model import InfoGAN
from infogan.report import html, pictures
from infogan.report.traversals import traversal_picture
from infogan.training import health, metrics
from infogan.training.run_directory import RunDirectory

_READ, _SHOWN, _MOST_CLUSTERS = 5_000, 12, 20
_ROWS = 5
_PAGE = "report.html"


def write(run: RunDirectory, model: InfoGAN, dataset: Dataset, progress: Progress | None = None) -> Path:
    """Makes the page of a run, and evaluates it first where evaluation.json is not of this model and data."""
    told = progress or silent
    scores = _scores(run, model, dataset, told)
    told("report: pictures")
    lines = metrics.read(run.metrics_path)
    material = html.Material(
        title=run.path.resolve().name,
        scores=scores,
        lines=lines,
        warnings=health.replay(lines).standing(),
        traversals={name: traversal_picture(model, name, rows=_ROWS) for name in model.latents.priors},
        samples=pictures.sample_grid(model.sample(36, seed=0)),
        clusters=tuple(_clusters(model, dataset)),
        configuration=configuration.to_toml(model.config),
        environment=json.loads(run.environment_path.read_text()) if run.environment_path.exists() else {},
        commands=_commands(run, model),
    )
    run.write_text(_PAGE, html.render(material))
    return run.path / _PAGE


def _scores(run: RunDirectory, model: InfoGAN, dataset: Dataset, progress: Progress) -> dict[str, Any]:
    """evaluation.json, where it is of these steps and images and has verdicts; else measured anew."""
    path = run.evaluation_path
    if path.exists():
        found: dict[str, Any] = json.loads(path.read_text())
        same = found.get("steps") == model.provenance.get("steps")
        same &= found.get("dataset_fingerprint") == dataset.fingerprint
        if same and all("verdict" in code for code in found["codes"].values()):
            return found
    scores = evaluation.evaluate(model, dataset, progress=progress)
    run.write_text(path.name, json.dumps(scores, indent=2) + "\n")
    return scores


def _clusters(model: InfoGAN, dataset: Dataset) -> Iterator[html.Cluster]:
    """The categories of the first categorical code, with real images of each that has any."""
    name = dividing_code(model.latents)
    if name is None:
        return
    chosen = drawn_subset(len(dataset.test.images), _READ, seed=0, stream="report/clusters")
    images = np.asarray(dataset.test.images[chosen])
    raw = model.recognise(images, domain="real")
    probabilities = model.latents.posteriors(raw)[name].mean.numpy()
    shares = np.bincount(probabilities.argmax(1), minlength=probabilities.shape[1]) / len(images)
    for category in range(min(probabilities.shape[1], _MOST_CLUSTERS)):
        surest, doubtful = typical_and_doubtful(probabilities, category, _SHOWN)
        if len(surest) and len(doubtful):
            yield html.Cluster(
                f"{name} = {category}",
                float(shares[category]),
                pictures.sample_grid(images[surest]),
                pictures.sample_grid(images[doubtful]),
            )


def _commands(run: RunDirectory, model: InfoGAN) -> list[str]:
    """How somebody else comes to the same figures."""
    training = model.config.training
    return [
        "# config.toml holds the configuration below",
        f"infogan train config.toml --seed {training.seed} --steps {training.steps}",
        f"infogan evaluate {run.path.name}",
        f"infogan report {run.path.name}",
    ]
