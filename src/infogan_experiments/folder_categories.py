"""Categories that `infogan discover` finds in a labelled folder, compared with clustering methods.

Labels, here the class folders, are used for evaluation only, on images that no method was fitted to. All
methods get the number of categories that the discovery chose, and the true number.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from infogan import data, storage
from infogan.config import Categorical, Config
from infogan.data import Dataset
from infogan.discovery import discover
from infogan.discovery.discover import configured, stored_encoder
from infogan.discovery.given_images import GivenImages
from infogan.errors import UsageError
from infogan.evaluation.baselines import fit_kmeans, pixel_components, untrained
from infogan.evaluation.clustering import Assignments, Labels, classes_known, score
from infogan.evaluation.subject import silent
from infogan.model import InfoGAN
from infogan.reporting.markdown import markdown_table
from infogan.representation.categories import spectral_votes
from infogan.representation.learning import CATEGORY, Learned
from infogan.representation.merging import cut
from infogan.representation.neighbours import nearest
from infogan.runs.directory import RunDirectory
from infogan.training.anchoring import before_training
from infogan_experiments.experiment import EXPERIMENTS, Experiment, Options
from infogan_experiments.results import publish

NAME, MINUTES = "discover-folder", 20.0
SEVERAL, SEVERAL_MINUTES = "discover-folders", 10.0
METHODS = {
    "kmeans": "k-means on pixels",
    "ward": "Ward on 50 principal components",
    "spectral": "spectral clustering of the pixels' neighbours",
    "untrained": "untrained network",
    "features": "k-means on learned features",
    "representation": "Q before the generator",
    "discover": "Q after the generator",
}
_MOST_WARD = 10_000


def _publish(options: Options) -> None:
    data_path = _given(options, NAME, "one folder of images for each class")
    folder = options.folder(NAME)
    (seed,) = options.seed_range(1)
    values = _discovered(data_path, folder / f"seed-{seed}", options, seed, MINUTES)
    publish(folder, NAME, values, _table(values))


def _publish_several(options: Options) -> None:
    """Discover each folder of a parent folder once, and publish one table."""
    parent = Path(_given(options, SEVERAL, "several labelled folders"))
    folder = options.folder(SEVERAL)
    (seed,) = options.seed_range(1)
    names = sorted(path.name for path in parent.iterdir() if path.is_dir())
    values = {
        name: _discovered(parent / name, folder / f"{name}-{seed}", options, seed, SEVERAL_MINUTES)
        for name in names
    }
    publish(folder, SEVERAL, {"seed": seed, "folders": values}, _table_of_several(values))


def _given(options: Options, name: str, content: str) -> Path | str:
    if options.data is None:
        raise UsageError(
            f"{name} has no images of its own",
            f"a folder with {content}",
            f"infogan reproduce {name} --data FOLDER",
        )
    return options.data


def _discovered(path: Path | str, out: Path, options: Options, seed: int, minutes: float) -> dict[str, Any]:
    """Discover a folder within some minutes, and return what was found and the scores of all methods."""
    minutes = 0.05 if options.quick else minutes
    result = discover(
        path,
        minutes=minutes,
        out=out,
        seed=seed,
        settings=options.settings,
        progress=partial(print, file=sys.stderr),
    )
    values: dict[str, Any] = {
        "seed": seed,
        "images": result["images"],
        "minutes": minutes,
        "minutes_spent": result["minutes_spent"],
        "found": result["found"],
    }
    if result["run"] is not None:
        return values | compared(out) | {"machine": RunDirectory.open(result["run"]).read_environment()}
    config, dataset = configured(GivenImages(path), seed, options.settings, silent)
    return values | (_without_categories(dataset, out, config) if classes_known(dataset) else {})


def compared(out: Path) -> dict[str, Any]:
    """Return the scores of each method at the chosen and at the true number of categories."""
    run = RunDirectory.open(json.loads((out / "discovery.json").read_text(encoding="utf-8"))["run"])
    model = InfoGAN.from_pretrained(run.path)
    dataset = data.load(model.config.data)
    code = model.config.latents.codes.get(CATEGORY)
    if not classes_known(dataset):
        return {"scores": {}}
    if not isinstance(code, Categorical):
        return _without_categories(dataset, out, model.config)
    learned = Learned.from_files(storage.read_folder(out / "learned"))
    labels = _labels(dataset)
    chosen, true = code.size, len(np.unique(labels.train))
    scores: dict[str, Any] = {}
    for title, count in (("chosen", chosen), ("true", true)):
        assigned = {
            **_clusterings(dataset, out, model.config, count),
            **_of_model(model, run, dataset, learned, count),
        }
        scores[title] = _all_scores(assigned, labels, count)
    return {"scores": scores, "classes": true, "test_images": len(labels.test)}


def _without_categories(dataset: Dataset, out: Path, config: Config) -> dict[str, Any]:
    """Return the scores of clustering methods at the true number, where the discovery has no categories."""
    labels = _labels(dataset)
    true = len(np.unique(labels.train))
    scores = _all_scores(_clusterings(dataset, out, config, true), labels, true)
    return {"scores": {"true": scores}, "classes": true, "test_images": len(labels.test)}


def _labels(dataset: Dataset) -> Labels:
    return Labels(np.asarray(dataset.train.labels), np.asarray(dataset.test.labels))


def _all_scores(assigned: Mapping[str, Parts], labels: Labels, count: int) -> dict[str, Any]:
    return {"categories": count, **{name: _scores(parts, labels, name) for name, parts in assigned.items()}}


Parts = tuple[Int[np.ndarray, " n"], Int[np.ndarray, " m"]]
"""The category of each training and each test image."""


def _clusterings(dataset: Dataset, out: Path, config: Config, count: int) -> dict[str, Parts]:
    """Return the partitions of methods that only cluster."""
    from sklearn.cluster import AgglomerativeClustering, KMeans  # lazy: slow to import

    train, test = np.asarray(dataset.train.images), np.asarray(dataset.test.images)
    kmeans = fit_kmeans(train, test, count)
    parts: dict[str, Parts] = {"kmeans": (kmeans.train.argmin(1), kmeans.test.argmin(1))}
    x, y = pixel_components(train, test)
    if len(x) <= _MOST_WARD:
        ward = AgglomerativeClustering(count).fit_predict(x)
        parts["ward"] = (ward, ward[nearest(x, 1, y).indices[:, 0]])
    votes = spectral_votes(x.astype(np.float32), count, seed=0)
    parts["spectral"] = tuple(votes.probabilities(z.astype(np.float32)).argmax(1) for z in (x, y))
    encoder = stored_encoder(out, config)
    if encoder is not None:
        of_train, of_test = encoder.features(train), encoder.features(test)
        fitted = KMeans(count, n_init=5, random_state=0).fit(of_train)
        parts["features"] = (fitted.predict(of_train), fitted.predict(of_test))
    return parts


def _of_model(
    model: InfoGAN, run: RunDirectory, dataset: Dataset, learned: Learned, count: int
) -> dict[str, Parts]:
    """Return the partitions of Q: untrained, before and after the generator; merged to at most `count`."""
    train, test = np.asarray(dataset.train.images), np.asarray(dataset.test.images)
    before = before_training(model.config, run)
    models = {"untrained": untrained(model.config, train), "representation": before, "discover": model}
    assert learned.categories is not None
    size = learned.categories.probabilities.shape[1]
    larger = cut(learned.categories.tree, count) if count < size else np.arange(size)
    return {
        name: tuple(
            larger[one.encode(images)[CATEGORY].argmax(1)] if name != "untrained"
            else one.encode(images)[CATEGORY].argmax(1)
            for images in (train, test)
        )
        for name, one in models.items()
    }  # fmt: skip


def _scores(parts: Parts, labels: Labels, name: str) -> dict[str, Any]:
    from sklearn.metrics import adjusted_mutual_info_score  # lazy: slow to import

    categories = int(max(part.max() for part in parts)) + 1
    figures = score(Assignments(parts[0], parts[1], categories), labels, seed=0, stream=name)
    return {**figures, "ami": float(adjusted_mutual_info_score(labels.test, parts[1]))}


def _table(values: Mapping[str, Any]) -> str:
    """Return a table of all methods, with NMI, AMI and ARI on test images."""
    rows = []
    for title, scores in values.get("scores", {}).items():
        for name, text in METHODS.items():
            if name not in scores:
                continue
            figures = scores[name]
            low, high = figures["nmi_interval"]
            nmi = f"{figures['nmi']:.3f} ({low:.3f} to {high:.3f})"
            rows.append(
                [
                    f"{scores['categories']} ({title})",
                    text,
                    nmi,
                    f"{figures['ami']:.3f}",
                    f"{figures['ari']:.3f}",
                ]
            )
    return markdown_table(["categories", "method", "NMI (95 % interval)", "AMI", "ARI"], rows)


def _table_of_several(folders: Mapping[str, Mapping[str, Any]]) -> str:
    """Return one row per folder: NMI of each method at the true number, and of Q at the chosen number."""
    rows = []
    for name, values in folders.items():
        entry = values["found"].get(CATEGORY)
        scores = values.get("scores", {})
        figures = [f"{scores['true'][m]['nmi']:.3f}" if m in scores.get("true", {}) else "" for m in METHODS]
        chosen = f"{scores['chosen']['discover']['nmi']:.3f}" if "chosen" in scores else ""
        rows.append([name, "none" if entry is None else str(entry["categories"]), *figures, chosen])
    titles = [f"{text}, NMI at the true number" for text in METHODS.values()]
    return markdown_table(
        ["folder", "categories found", *titles, "Q after the generator, all categories"], rows
    )


EXPERIMENTS.add(
    SEVERAL,
    Experiment(
        _publish_several,
        "Discover factors in each of several labelled folders in 10 minutes each; compared with clustering.",
        frozenset({"quick"}),
    ),
)

EXPERIMENTS.add(
    NAME,
    Experiment(
        _publish,
        "Discover factors in a labelled folder in 20 minutes; compared with clustering methods.",
        frozenset({"quick"}),
    ),
)
