"""Metrics on synthetic examples, compared with theoretical values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int

from infogan.config import Categorical, LatentsConfig, Periodic, Uniform
from infogan.evaluation import clustering, distances, mutual_information, precision_recall
from infogan.evaluation.disentanglement import named
from infogan.evaluation.disentanglement.sample import SCORES, Sample
from infogan.evaluation.resampling import numpy_generator
from infogan.latents import Latents
from infogan.reporting.markdown import markdown_table
from infogan_experiments.experiment import Options, experiment
from infogan_experiments.results import publish

IMAGES, FACTORS, LEVELS = 2_000, 5, 8


@dataclass(frozen=True)
class Example:
    """A metric on one example.

    Attributes:
        metric: its name.
        planted: the example.
        theory: the exact value.
        measured: the value that the metric returns.
    """

    metric: str
    planted: str
    theory: float
    measured: float


@experiment("worked-examples")
def worked_examples(options: Options) -> None:
    """Each metric on synthetic codes, clusters and features, compared with theory."""
    folder = options.folder("worked-examples")
    folder.mkdir(parents=True, exist_ok=True)
    examples = [*clustering_examples(), *information_examples(), *feature_examples()]
    scores = disentanglement_examples()
    values = {"examples": [asdict(example) for example in examples], "disentanglement": scores}
    publish(folder, "worked-examples", values, examples_tables(examples, scores))


def clustering_examples() -> list[Example]:
    """Return accuracy, NMI and ARI of three classes of 400 images each."""
    labels = np.repeat(np.arange(3), 400)
    random = numpy_generator(0, "experiments/examples/clusters").integers(3, size=len(labels))
    # Two classes in one category: the information is the entropy of the category; that of the class is ln 3.
    shared = math.log(3) - 2 / 3 * math.log(2)
    merged = {"accuracy": 2 / 3, "NMI": 2 * shared / (shared + math.log(3)), "ARI": _merged_ari(400)}
    cases: dict[str, tuple[Int[np.ndarray, " n"], Mapping[str, float]]] = {
        "categories in another order": ((labels + 1) % 3, {"accuracy": 1.0, "NMI": 1.0, "ARI": 1.0}),
        "two classes in one category": (labels.clip(1), merged),
        "random categories": (random, {"accuracy": 1 / 3, "NMI": 0.0, "ARI": 0.0}),
    }
    examples = []
    for planted, (assigned, theory) in cases.items():
        counts = clustering.contingency(assigned, labels, 3, np.arange(3))
        measured = {
            "accuracy": clustering.accuracy(counts, clustering.match(counts)),
            "NMI": clustering.nmi(counts),
            "ARI": clustering.ari(counts),
        }
        examples += [Example(key, planted, theory[key], float(value)) for key, value in measured.items()]
    return examples


def _merged_ari(size: int) -> float:
    """Return the ARI of two of three classes of that size in one category (Hubert and Arabie 1985)."""
    together, category = 3 * math.comb(size, 2), math.comb(2 * size, 2) + math.comb(size, 2)
    expected = together * category / math.comb(3 * size, 2)
    return (together - expected) / ((together + category) / 2 - expected)


def information_examples() -> list[Example]:
    """Return L_I of a category predicted with errors, and of continuous codes predicted with noise."""
    count, wrong = 20_000, 0.1
    rng = torch.Generator().manual_seed(0)
    latents = Latents(LatentsConfig(codes={"kind": Categorical(10)}))
    codes = latents.sample_codes(count, rng)
    shifted = torch.rand(count, 1, generator=rng) < wrong
    predicted = torch.where(shifted, codes["kind"].roll(1, 0), codes["kind"])
    error = wrong * 0.9  # the previous image has the same category one time in ten
    raw = (predicted * (1 - error) + (1 - predicted) * error / 9).log()
    nats = mutual_information.score_codes(latents, raw, codes, {})["kind"]["mutual_information_nats"]
    exact = math.log(10) + (1 - error) * math.log(1 - error) + error * math.log(error / 9)
    examples = [Example("L_I in nats", "one of ten categories, 9 % predicted wrongly", exact, nats)]
    for std in (0.1, 0.3):
        scores = _with_noise(Uniform(), std, count)
        exact = math.log(2) - 0.5 * math.log(2 * math.pi * math.e * std**2)  # H(c) - H(normal noise)
        planted = f"Unif(-1, 1), predicted with normal noise of {std}"
        examples.append(Example("L_I in nats", planted, exact, scores["mutual_information_nats"]))
        examples.append(Example("R^2 of a code", planted, 1 - 3 * std**2, scores["r2_fake"]))
    scores = _with_noise(Periodic(), 0.1, count)
    exact = math.exp(-((math.pi * 0.1) ** 2) / 2)  # the mean cosine of the error
    planted = "a periodic code, predicted with normal noise of 0.1 half turns"
    return [*examples, Example("R^2 of a code", planted, exact, scores["r2_fake"])]


def _with_noise(code: Uniform | Periodic, std: float, count: int) -> dict[str, Any]:
    """Return the scores of a code whose predicted mean has noise, and whose posterior knows how much."""
    rng = torch.Generator().manual_seed(1)
    latents = Latents(LatentsConfig(codes={"code": code}))
    codes = latents.sample_codes(count, rng)
    mean = codes["code"] + std * torch.randn(count, 1, generator=rng)
    if isinstance(code, Uniform):
        raw = torch.cat([mean, torch.full_like(mean, math.log(std))], 1)
    else:
        kappa, angle = 1 / (math.pi * std) ** 2, math.pi * mean
        raw = kappa * torch.cat([angle.cos(), angle.sin()], 1)
    return mutual_information.score_codes(latents, raw, codes, {})["code"]


def feature_examples() -> list[Example]:
    """Return distances of normal features, and precision and recall of uniform ones."""
    rng, width = numpy_generator(0, "experiments/examples/features"), 8
    first, second, third = (rng.standard_normal((20_000, width)) for _ in range(3))
    moved, wider = third + np.eye(width)[0], 2 * third
    few = slice(4_000)  # the kernel distance compares all pairs
    square = rng.random((3_000, 2))
    half = rng.random((3_000, 2)) * (0.5, 1.0)
    outside = rng.random((3_000, 2)) + 2.0
    inside, apart = (precision_recall.precision_recall(square, fakes) for fakes in (half, outside))
    equal, by_one, twice = "two samples of one normal distribution", "means one apart", "stds of 1 and 2"
    # Terms of |y|^k / 8^k of the kernel's third power, for means one apart (m = 1).
    by_kernel = 3 / width + 3 / width**2 + (1 + 6 + 3 * width + 6) / width**3
    one_half = "generated images from one half of a square of real images"
    return [
        Example("Fréchet distance", f"{equal}, 8 features", 0.0, distances.frechet(first, second)),
        Example("Fréchet distance", by_one, 1.0, distances.frechet(first, moved)),
        Example("Fréchet distance", twice, float(width), distances.frechet(first, wider)),
        Example("kernel distance", equal, 0.0, distances.kernel(first[few], second[few])),
        Example("kernel distance", by_one, by_kernel, distances.kernel(first[few], moved[few])),
        Example("precision", one_half, 1.0, inside["precision"]),
        Example("recall", one_half, 0.5, inside["recall"]),
        Example("precision", "generated images far from all real images", 0.0, apart["precision"]),
    ]


def synthetic_codes() -> tuple[dict[str, Float[np.ndarray, "n k"]], Int[np.ndarray, "n f"]]:
    """Return codes of different quality for five independent factors of eight levels, and these factors."""
    rng = numpy_generator(0, "experiments/examples/codes")
    factors = rng.integers(LEVELS, size=(IMAGES, FACTORS))
    rotation = np.linalg.qr(rng.standard_normal((FACTORS, FACTORS)))[0]
    exact = factors.astype(np.float64)
    codes = {
        "the factors": exact,
        "with noise": exact + rng.standard_normal(exact.shape),
        "each twice": np.hstack([exact, exact]),
        "turned": (exact - exact.mean(0)) @ rotation,
        "constant": np.ones((IMAGES, FACTORS)),
        "by chance": rng.standard_normal((IMAGES, FACTORS)),
    }
    return codes, factors


def disentanglement_examples() -> dict[str, dict[str, float]]:
    """Return by example every score of disentanglement that applies, by its name."""
    codes, factors = synthetic_codes()
    found: dict[str, dict[str, float]] = {}
    for planted, values in codes.items():
        sample = Sample(values, factors, numpy_generator(0, f"experiments/examples/{planted}"))
        found[planted] = {}
        for name, score in SCORES.items():
            found[planted] |= named(name, score(sample))
    return found


def examples_tables(examples: list[Example], scores: Mapping[str, Mapping[str, float]]) -> str:
    """Return both tables in Markdown."""
    rows = [[one.metric, one.planted, f"{one.theory:.3f}", f"{one.measured:.3f}"] for one in examples]
    names = dict.fromkeys(name for one in scores.values() for name in one)
    score_rows = [
        [
            name.replace(".", ", "),
            *(f"{round(one[name], 3) + 0.0:.3f}" if name in one else "" for one in scores.values()),
        ]
        for name in names
    ]  # adding 0.0 makes 0.0 of -0.0
    first = markdown_table(["metric", "example", "theory", "measured"], rows)
    return f"{first}\n\n{markdown_table(['score', *scores], score_rows)}"
