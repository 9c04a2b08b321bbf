"""One run out of several, without labels: what each reads from the same images, and how they rank."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import UInt8
from torch import Tensor

from infogan.config import AugmentationConfig
from infogan.data import Dataset
from infogan.errors import UsageError
from infogan.evaluation.predicted_codes import continuous_dimensions
from infogan.evaluation.real_information import DEFAULT_POLICY, information, moved
from infogan.evaluation.resampling import numpy_generator
from infogan.evaluation.run_agreement import (
    Reading,
    consensus,
    kept_information,
    model_centrality,
    shared_factors,
    udr,
)
from infogan.evaluation.subject import Progress, drawn_subset, silent
from infogan.evaluation.true_factors import line_codes
from infogan.latents import CodeDimension
from infogan.model import InfoGAN

IMAGES = 4_000
FEWEST = 200
"""Images below which a rank would be chance."""

Criterion = Callable[[Sequence[Reading], int, np.random.Generator], float | None]

CRITERIA: dict[str, Criterion] = {
    "kept_nats": lambda readings, which, _: kept_information(readings[which]),
    "consensus": lambda readings, which, _: consensus(readings, which),
    "model_centrality": model_centrality,
    "udr": lambda readings, which, _: udr(readings, which),
}
"""By name; of each higher is better. The run of the best mean rank is chosen."""


def images_to_read(dataset: Dataset) -> UInt8[np.ndarray, "n h w c"]:
    """Test images; all images, where those are fewer than FEWEST: no label is looked at."""
    train, test = dataset.train.images, dataset.test.images
    return test if len(test) >= FEWEST else np.concatenate([np.asarray(train), np.asarray(test)])


def choose(
    models: Mapping[str, InfoGAN],
    images: UInt8[np.ndarray, "n h w c"],
    *,
    seed: int = 0,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Which run to trust, and which codes of the runs are one factor.

    Args:
        models: by the run's name, two or more of images of one form.
        images: real ones, as `images_to_read` gives them.
        seed: of which images, how they are moved, and of the votes in ModelCentrality.
        progress: is told which run is read.

    Returns:
        `runs`: by name each of `CRITERIA` that applies to all, and `mean_rank`, 1 the best; `chosen`, a name;
        `shared`: what several runs found, each with `found_in`, the code of each run (`codes`) and their
        `agreement`; `images`, the number of them.

    Raises:
        UsageError: fewer than two runs, or their images are of different forms.
    """
    _check(models, images)
    chosen = drawn_subset(len(images), IMAGES, seed=seed, stream="evaluation/choosing")
    readings = _readings(models, np.asarray(images[chosen]), seed, progress)
    progress("held beside each other")
    table = _criteria(readings, seed)
    from scipy.stats import rankdata  # late: it takes a second

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
                "found_in": len(one.members),
                "codes": {names[run]: code for run, code in one.members.items()},
                "agreement": one.agreement,
            }
            for one in shared_factors(readings)
        ],
        "images": len(chosen),
    }


def _check(models: Mapping[str, InfoGAN], images: UInt8[np.ndarray, "n h w c"]) -> None:
    """Raises UsageError unless these runs can be held beside each other on these images."""
    if len(models) < 2:
        raise UsageError(
            f"{len(models)} run", "two or more, to hold beside each other", "infogan select RUN RUN"
        )
    forms = {name: (model.size, model.channels) for name, model in models.items()}
    if len(set(forms.values())) > 1:
        raise UsageError(
            "the runs are of images of different forms: "
            + ", ".join(f"{name} {size}x{size}x{channels}" for name, (size, channels) in forms.items()),
            "runs of the same images",
            f"infogan select {next(iter(models))} ANOTHER",
        )
    _check_different(models)
    if len(images) < FEWEST:
        raise UsageError(
            f"there are {len(images)} images to read from",
            f"{FEWEST} or more",
            "more images of the same kind",
        )


def _check_different(models: Mapping[str, InfoGAN]) -> None:
    """Raises UsageError where two names stand for the same weights."""
    known: dict[bytes, str] = {}
    for name, model in models.items():
        key = b"".join(value.cpu().numpy().tobytes() for value in model.recognition.state_dict().values())
        if key in known:
            raise UsageError(
                f"{known[key]} and {name} are one model", "each run once", "infogan select RUN OTHER"
            )
        known[key] = name


def _criteria(readings: Sequence[Reading], seed: int) -> dict[str, list[float]]:
    """Each criterion that every run has a value of."""
    table: dict[str, list[float]] = {}
    for name, criterion in CRITERIA.items():
        values = [
            criterion(readings, which, numpy_generator(seed, f"evaluation/choosing/{name}/{which}"))
            for which in range(len(readings))
        ]
        known = [value for value in values if value is not None]
        if len(known) == len(values):
            table[name] = known
    return table


def _readings(
    models: Mapping[str, InfoGAN], images: UInt8[np.ndarray, "n h w c"], seed: int, progress: Progress
) -> list[Reading]:
    """What each model reads from the same images and the same moved copies."""
    policies = [model.config.augmentation for model in models.values() if model.config.augmentation.active]
    policy = policies[0] if policies else DEFAULT_POLICY
    readings = []
    for name, model in models.items():
        progress(f"reading by {name}")
        readings.append(_reading(model, images, policy, seed))
    return readings


def _reading(
    model: InfoGAN, images: UInt8[np.ndarray, "n h w c"], policy: AugmentationConfig, seed: int
) -> Reading:
    copies = moved(images, policy, model.table.output, seed=seed)
    first, second = model.recognise(images, domain="real"), model.recognise(copies, moved=True)
    kept, categories = {}, {}
    for (dimension, one), other in zip(
        model.latents.category_probabilities(first).items(), _probabilities(model, second), strict=True
    ):
        name = model.latents.dimension_name(dimension)
        draw = numpy_generator(seed, f"evaluation/choosing/{name}")
        kept[name] = float(information(one.numpy(), other.numpy(), draw)["information_nats"])
        categories[name] = np.asarray(one.argmax(1).numpy())
    return Reading(
        lines=line_codes(model.latents, first),
        periodic=frozenset(model.latents.dimension_name(dimension) for dimension in _angles(model)),
        categories=categories,
        moved=line_codes(model.latents, second),
        kept=kept,
    )


def _angles(model: InfoGAN) -> list[CodeDimension]:
    return [
        dimension
        for dimension in continuous_dimensions(model.latents)
        if model.latents.priors[dimension[0]].period
    ]


def _probabilities(model: InfoGAN, raw: Tensor) -> list[Tensor]:
    return list(model.latents.category_probabilities(raw).values())
