"""The recipe `anchored` on CelebA: attributes that Q predicts of unseen faces, and that codes control.

Codes are independent components and slow coordinates of the training images. Attributes are used for
evaluation only. Generated images are judged by a network that is trained to predict the true attributes of
the real training images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from infogan import evaluation
from infogan.config import Bernoulli, Config
from infogan.data import Dataset
from infogan.evaluation.true_factors import spearman
from infogan.model import InfoGAN
from infogan.training.anchoring import before_training
from infogan.training.runner import Trained
from infogan_experiments.experiment import EXPERIMENTS, Experiment, Options, configure
from infogan_experiments.result_tables import Cell, Result, mean_over_seeds, results_table, value
from infogan_experiments.results import publish, train_and_measure
from infogan_experiments.study import Study, train_study
from infogan_experiments.supervised_judge import judged

ATTRIBUTES = ("Smiling", "Eyeglasses", "Wearing_Hat", "Bangs", "Blond_Hair")
"""The attributes that the targets name."""

STEPS = 700
SIDE = 120
"""Height and width of the central square that is resized to 32x32: the face without its surroundings."""

_PARTS = {"read": "attributes", "representation": "representation"}


def _configure(options: Options, seed: int) -> dict[str, Config]:
    steps = options.steps or STEPS
    settings = {
        "data.crop": SIDE,
        "training.seed": seed,
        "training.steps": steps,
        "training.learning_rate_schedule": [[steps // 2, 1.0], [steps, 0.05]],
        "representation.contrastive_steps": 0,
        "representation.categories": 0,  # attributes overlap: no face is of one category
    }
    return {"anchored": configure("celeba", options, settings, recipe="anchored")}


def measure(trained: Trained) -> dict[str, Any]:
    """Return the scores of a model, of Q before the generator, and of the codes of generated images."""
    model, dataset = trained.model, trained.dataset
    scores = evaluation.evaluate(model, dataset, only=("attributes", "mutual information", "baselines"))
    before = before_training(model.config, trained.run)
    scores["representation"] = evaluation.evaluate(before, dataset, only=("attributes",))["attributes"]
    scores["generated"] = generated_table(model, dataset)
    return scores


def generated_table(model: InfoGAN, dataset: Dataset) -> dict[str, dict[str, float]]:
    """Return by code |rank correlation| with what the judge sees of each attribute in generated images."""
    truth = {name: dataset.train.truth.attributes[name] for name in ATTRIBUTES}
    codes = {name.lower(): Bernoulli() for name in truth}
    targets = {name.lower(): values.astype(np.float32) for name, values in truth.items()}
    given, seen = judged(model, dataset, codes, targets, stream="experiments/anchored-celeba")
    return {
        code: {
            name: spearman(values.numpy()[:, 0], seen[name.lower()].reshape(len(values))) for name in truth
        }
        for code, values in given.items()
    }


def controlled(scores: Mapping[str, Any], attribute: str) -> float:
    """Return the rank correlation of an attribute in generated images with the code that predicts it best."""
    code = scores["attributes"][attribute]["code"]
    return float(scores["generated"][code][attribute])


def summary(results: Sequence[Result]) -> dict[str, Any]:
    """Return means over seeds, with t intervals: AUC of real images, and correlation in generated ones."""
    found: dict[str, Any] = {}
    for attribute in ATTRIBUTES:
        for title, section in _PARTS.items():
            mean = mean_over_seeds([one["scores"][section][attribute]["auc"] for one in results])
            found[f"{title}.{attribute}"] = {"mean": mean.value, "interval": list(mean.interval or ())}
        mean = mean_over_seeds([controlled(one["scores"], attribute) for one in results])
        found[f"generated.{attribute}"] = {"mean": mean.value, "interval": list(mean.interval or ())}
    return found


def _publish(study: Study, options: Options) -> None:
    folder, results = train_study(study, options)
    columns: dict[str, Cell] = {"seed": value("seed")}
    for attribute in ATTRIBUTES:
        for title, section in _PARTS.items():
            columns[f"{attribute}: {title}"] = value(f"scores.{section}.{attribute}.auc", ".3f")
        columns[f"{attribute}: generated"] = partial(_controlled_cell, attribute)
        columns[f"{attribute}: PCA"] = value(f"scores.baselines.pca.attributes.{attribute}.auc", ".3f")
    publish(
        folder, study.name, {"summary": summary(results), "rows": results}, results_table(results, columns)
    )


def _controlled_cell(attribute: str, result: Result) -> str:
    return f"{controlled(result['scores'], attribute):.3f}"


STUDY = Study("anchored-celeba", _configure, seeds=3, train=partial(train_and_measure, measure=measure))

EXPERIMENTS.add(
    STUDY.name,
    Experiment(
        partial(_publish, STUDY),
        "The recipe `anchored` on CelebA, three seeds: attributes of unseen faces and of generated images.",
    ),
)
