"""The recipe `anchored` on rendered faces: what Q reads from unseen identities, and what the generator obeys.

Factors are used for evaluation only. Generated images are judged by a network that is trained to predict the
true factors of the real training images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from infogan import evaluation
from infogan.config import Config, Uniform
from infogan.data import Dataset
from infogan.evaluation.true_factors import spearman
from infogan.model import InfoGAN
from infogan.representation.slow_coordinates import uniform_ranks
from infogan.training.anchoring import before_training
from infogan.training.runner import Trained
from infogan_experiments.experiment import EXPERIMENTS, Experiment, Options, configure
from infogan_experiments.result_tables import Cell, Result, mean_over_seeds, results_table, value
from infogan_experiments.results import publish, train_and_measure
from infogan_experiments.study import Study, train_study
from infogan_experiments.supervised_judge import judged

FACTORS = ("azimuth", "light_azimuth", "elevation")
"""The factors that the targets name; the table also shows the others."""

STEPS = 1_200
_METRICS = ("true factors", "mutual information")


def _configure(options: Options, seed: int) -> dict[str, Config]:
    steps = options.steps or STEPS
    settings = {
        "training.seed": seed,
        "training.steps": steps,
        "training.learning_rate_schedule": [[steps // 2, 1.0], [steps, 0.05]],
        "representation.contrastive_steps": 0,  # the factors of renders are continuous
        "representation.categories": 0,
    }
    return {"anchored": configure("faces-azimuth", options, settings, recipe="anchored")}


def measure(trained: Trained) -> dict[str, Any]:
    """Return the scores of a model, of Q before the generator, and of the codes of generated images."""
    model, dataset = trained.model, trained.dataset
    scores = evaluation.evaluate(model, dataset, only=_METRICS)
    before = before_training(model.config, trained.run)
    test = dataset.test
    scores["representation"] = table(
        before.encode(np.asarray(test.images)), factor_values(test.truth.factors)
    )
    scores["read"] = table(model.encode(np.asarray(test.images)), factor_values(test.truth.factors))
    scores["generated"] = generated_table(model, dataset)
    return scores


def factor_values(factors: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Return the values of each factor."""
    return {name: factor.values for name, factor in factors.items()}


def table(codes: Mapping[str, np.ndarray], factors: Mapping[str, np.ndarray]) -> dict[str, dict[str, float]]:
    """Return |rank correlation| of every code on a line with every factor."""
    return {
        code: {name: spearman(values, truth) for name, truth in factors.items()}
        for code, values in codes.items()
        if values.ndim == 1
    }


def generated_table(model: InfoGAN, dataset: Dataset) -> dict[str, dict[str, float]]:
    """Return |rank correlation| of codes with the factors that a supervised network sees in their images."""
    truth = factor_values(dataset.train.truth.factors)
    codes = {name: Uniform() for name in truth}
    targets = {name: uniform_ranks(values) for name, values in truth.items()}
    given, seen = judged(model, dataset, codes, targets, stream="experiments/anchored-faces")
    return table({name: values.numpy()[:, 0] for name, values in given.items()}, seen)


def best(figures: Mapping[str, Mapping[str, float]], factor: str) -> tuple[str, float]:
    """Return the code that agrees best with a factor, and the agreement."""
    return max(((code, row[factor]) for code, row in figures.items()), key=lambda pair: pair[1])


def cross_term(figures: Mapping[str, Mapping[str, float]]) -> float:
    """Return the largest agreement of the best code of a factor with another of the three factors."""
    codes = {factor: best(figures, factor)[0] for factor in FACTORS}
    return max(figures[codes[a]][b] for a in FACTORS for b in FACTORS if a != b)


def summary(results: Sequence[Result]) -> dict[str, Any]:
    """Return the mean over seeds of each factor's best code, with its t interval, and the cross terms."""
    found: dict[str, Any] = {}
    for source in ("read", "representation", "generated"):
        tables = [result["scores"][source] for result in results]
        for factor in FACTORS:
            mean = mean_over_seeds([best(figures, factor)[1] for figures in tables])
            found[f"{source}.{factor}"] = {"mean": mean.value, "interval": list(mean.interval or ())}
        found[f"{source}.cross_term"] = {"largest": max(map(cross_term, tables))}
    return found


def _publish(study: Study, options: Options) -> None:
    folder, results = train_study(study, options)
    columns: dict[str, Cell] = {"seed": value("seed")}
    for source in ("read", "representation", "generated"):
        columns |= {f"{source}: {factor}": partial(_cell, source, factor) for factor in FACTORS}
        columns[f"{source}: largest cross term"] = partial(_cross_cell, source)
    pca = "scores.baselines.pca.factors"
    columns |= {f"PCA: {factor}": value(f"{pca}.{factor}.spearman", ".3f") for factor in FACTORS}
    publish(
        folder, study.name, {"summary": summary(results), "rows": results}, results_table(results, columns)
    )


def _cell(source: str, factor: str, result: Result) -> str:
    return f"{best(result['scores'][source], factor)[1]:.3f}"


def _cross_cell(source: str, result: Result) -> str:
    return f"{cross_term(result['scores'][source]):.3f}"


STUDY = Study("anchored-faces", _configure, seeds=3, train=partial(train_and_measure, measure=measure))

EXPERIMENTS.add(
    STUDY.name,
    Experiment(
        partial(_publish, STUDY),
        "The recipe `anchored` on rendered faces, three seeds: unseen identities and generated images.",
    ),
)
