"""Selection of one of several runs without labels, by the codes that the runs predict for the same images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import UInt8

from infogan.config import AugmentationConfig
from infogan.data import Dataset
from infogan.errors import UsageError
from infogan.evaluation.predicted_codes import continuous_dimensions, line_codes
from infogan.evaluation.real_information import DEFAULT_POLICY, augmented_views, information
from infogan.evaluation.resampling import numpy_generator
from infogan.evaluation.run_agreement import (
    RunCodes,
    augmentation_information,
    consensus,
    model_centrality,
    shared_factors,
    udr,
)
from infogan.evaluation.subject import Progress, drawn_subset, silent
from infogan.model import InfoGAN

IMAGES = 4_000
FEWEST = 200
"""Minimum number of images: with fewer, the ranking is mostly noise."""

Criterion = Callable[[Sequence[RunCodes], int, np.random.Generator], float | None]

CRITERIA: dict[str, Criterion] = {
    "kept_nats": lambda runs, which, _: augmentation_information(runs[which]),
    "consensus": lambda runs, which, _: consensus(runs, which),
    "model_centrality": model_centrality,
    "udr": lambda runs, which, _: udr(runs, which),
}
"""Criteria by name; a higher value is better. The run with the best mean rank is selected."""


def images_to_read(dataset: Dataset) -> UInt8[np.ndarray, "n h w c"]:
    """Return the test images, or all images if there are fewer than FEWEST of them; labels are not used."""
    train, test = dataset.train.images, dataset.test.images
    return test if len(test) >= FEWEST else np.concatenate([np.asarray(train), np.asarray(test)])


def choose(
    models: Mapping[str, InfoGAN],
    images: UInt8[np.ndarray, "n h w c"],
    *,
    seed: int = 0,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Select a run, and find the codes that represent the same factor in several runs.

    Args:
        models: two or more models by the name of their run, with the same image shape.
        images: real images, as in `images_to_read`.
        seed: random seed of the subset of images, their augmentations and the votes in ModelCentrality.
        progress: called with a line for each run.

    Returns:
        `runs`: for each run all `CRITERIA` that apply to every run, and `mean_rank`, where 1 is the best;
        `chosen`, the name of the selected run;
        `shared`: factors that several runs found, each with `found_in`, the number of runs, the code of each
        run (`codes`) and their `agreement`; `images`, the number of images.

    Raises:
        UsageError: there are fewer than two runs, two runs are the same, or the shapes of their images
        differ.
    """
    _check(models, images)
    chosen = drawn_subset(len(images), IMAGES, seed=seed, stream="evaluation/choosing")
    runs = _predict(models, np.asarray(images[chosen]), seed, progress)
    progress("comparing the runs")
    table = _criteria(runs, seed)
    from scipy.stats import rankdata  # slow to import

    ranks = np.mean([rankdata([-value for value in values]) for values in table.values()], axis=0)
    names = list(models)
    return {
        "runs": {
            name: {
                **{criterion: values[i] for criterion, values in table.items()},
                "mean_rank": float(ranks[i]),
            }
            for i, name in enumerate(names)
        },
        "chosen": names[int(ranks.argmin())],
        "shared": [
            {
                "found_in": len(factor.members),
                "codes": {names[run]: code for run, code in factor.members.items()},
                "agreement": factor.agreement,
            }
            for factor in shared_factors(runs)
        ],
        "images": len(chosen),
    }


def _check(models: Mapping[str, InfoGAN], images: UInt8[np.ndarray, "n h w c"]) -> None:
    """Raise UsageError unless these runs can be compared on these images."""
    if len(models) < 2:
        raise UsageError(f"{len(models)} run", "two or more runs to compare", "infogan select RUN RUN")
    forms = {name: (model.size, model.channels) for name, model in models.items()}
    if len(set(forms.values())) > 1:
        raise UsageError(
            "the runs have images of different shapes: "
            + ", ".join(f"{name} {size}x{size}x{channels}" for name, (size, channels) in forms.items()),
            "runs of the same images",
            f"infogan select {next(iter(models))} ANOTHER",
        )
    names: dict[bytes, str] = {}
    for name, model in models.items():
        weights = b"".join(value.cpu().numpy().tobytes() for value in model.recognition.state_dict().values())
        if weights in names:
            raise UsageError(
                f"{names[weights]} and {name} are one model", "each run once", "infogan select RUN OTHER"
            )
        names[weights] = name
    if len(images) < FEWEST:
        raise UsageError(
            f"there are {len(images)} images to compare the runs on",
            f"{FEWEST} or more",
            "more images like these",
        )


def _criteria(runs: Sequence[RunCodes], seed: int) -> dict[str, list[float]]:
    """Return the value of each run under each criterion that applies to all runs."""
    table: dict[str, list[float]] = {}
    for name, criterion in CRITERIA.items():
        values = [
            criterion(runs, which, numpy_generator(seed, f"evaluation/choosing/{name}/{which}"))
            for which in range(len(runs))
        ]
        numbers = [value for value in values if value is not None]
        if len(numbers) == len(values):
            table[name] = numbers
    return table


def _predict(
    models: Mapping[str, InfoGAN], images: UInt8[np.ndarray, "n h w c"], seed: int, progress: Progress
) -> list[RunCodes]:
    """Return the codes that each model predicts for the same images and the same augmented views."""
    policies = [model.config.augmentation for model in models.values() if model.config.augmentation.active]
    policy = policies[0] if policies else DEFAULT_POLICY
    runs = []
    for name, model in models.items():
        progress(f"encoding images with {name}")
        runs.append(_run_codes(model, images, policy, seed))
    return runs


def _run_codes(
    model: InfoGAN, images: UInt8[np.ndarray, "n h w c"], policy: AugmentationConfig, seed: int
) -> RunCodes:
    latents = model.latents
    views = augmented_views(images, policy, model.table.output, seed=seed)
    first, second = model.recognise(images, domain="real"), model.recognise(views, augmented=True)
    of_views = latents.category_probabilities(second)
    nats, categories = {}, {}
    for dimension, probabilities in latents.category_probabilities(first).items():
        name = latents.dimension_name(dimension)
        rng = numpy_generator(seed, f"evaluation/choosing/{name}")
        figures = information(probabilities.numpy(), of_views[dimension].numpy(), rng)
        nats[name] = float(figures["information_nats"])
        categories[name] = np.asarray(probabilities.argmax(1).numpy())
    ordered = continuous_dimensions(latents, ordered=True)
    return RunCodes(
        continuous=line_codes(latents, first),
        periodic=frozenset(
            latents.dimension_name(dimension)
            for dimension in continuous_dimensions(latents)
            if dimension not in ordered
        ),
        categories=categories,
        augmented=line_codes(latents, second),
        information=nats,
    )
