"""Every metric on planted examples, beside theory where there is one: tables to check them by."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int

from infogan.config import Categorical, LatentsConfig, Periodic, Uniform
from infogan.evaluation import clustering, distances, mutual_information, precision_recall
from infogan.evaluation.disentanglement.sample import Sample
from infogan.evaluation.disentanglement.score import SCORES
from infogan.evaluation.resampling import numpy_generator
from infogan.latents import Latents
from infogan.runs.directory import next_free
from infogan_experiments.experiment import Options, experiment
from infogan_experiments.results import publish

IMAGES, FACTORS, LEVELS = 2_000, 5, 8


@dataclass(frozen=True)
class Example:
    """One figure.

    Attributes:
        metric: what is measured.
        planted: of what.
        theory: what must come out.
        measured: what came out.
    """

    metric: str
    planted: str
    theory: float
    measured: float


@experiment("worked-examples")
def worked_examples(options: Options) -> None:
    """Each metric on planted codes, clusters and features, beside what theory says."""
    folder = options.out or next_free(Path("runs"), "worked-examples")
    folder.mkdir(parents=True, exist_ok=True)
    found = [*of_clusters(), *of_information(), *of_features()]
    planted = of_codes()
    result = {"examples": [asdict(one) for one in found], "disentanglement": planted}
    publish(folder, "worked-examples", result, table(found, planted))


# --- categories ------------------------------------------------------------------------------------------


def of_clusters() -> list[Example]:
    """Accuracy, NMI and ARI of three classes of 400 images each."""
    labels = np.repeat(np.arange(3), 400)
    drawn = numpy_generator(0, "experiments/examples/clusters").integers(3, size=len(labels))
    # Two classes in one category: its entropy is what both tell; their own is ln 3.
    told = math.log(3) - 2 / 3 * math.log(2)
    merged = {"accuracy": 2 / 3, "NMI": 2 * told / (told + math.log(3)), "ARI": _merged_ari(400)}
    cases: dict[str, tuple[Int[np.ndarray, " n"], Mapping[str, float]]] = {
        "categories in another order": ((labels + 1) % 3, {"accuracy": 1.0, "NMI": 1.0, "ARI": 1.0}),
        "two classes in one category": (labels.clip(1), merged),
        "categories by chance": (drawn, {"accuracy": 1 / 3, "NMI": 0.0, "ARI": 0.0}),
    }
    found = []
    for planted, (assigned, theory) in cases.items():
        counts = clustering.contingency(assigned, labels, 3, np.arange(3))
        figures = {
            "accuracy": clustering.accuracy(counts, clustering.match(counts)),
            "NMI": clustering.nmi(counts),
            "ARI": clustering.ari(counts),
        }
        found += [Example(key, planted, theory[key], float(value)) for key, value in figures.items()]
    return found


def _merged_ari(size: int) -> float:
    """Of two of three classes of that size in one category, by pairs (Hubert and Arabie 1985)."""
    together, category = 3 * math.comb(size, 2), math.comb(2 * size, 2) + math.comb(size, 2)
    expected = together * category / math.comb(3 * size, 2)
    return (together - expected) / ((together + category) / 2 - expected)


# --- information -----------------------------------------------------------------------------------------


def of_information() -> list[Example]:
    """L_I of a category that is read with errors, and of continuous codes that are read with noise."""
    count, wrong = 20_000, 0.1
    draw = torch.Generator().manual_seed(0)
    kinds = Latents(LatentsConfig(codes={"kind": Categorical(10)}))
    codes = kinds.sample_codes(count, draw)
    read = torch.where(torch.rand(count, 1, generator=draw) < wrong, codes["kind"].roll(1, 0), codes["kind"])
    # The image before is of the same kind one time in ten.
    error = wrong * 0.9
    raw = (read * (1 - error) + (1 - read) * error / 9).log()
    nats = mutual_information.score_codes(kinds, raw, codes, {})["kind"]["mutual_information_nats"]
    exact = math.log(10) + (1 - error) * math.log(1 - error) + error * math.log(error / 9)
    found = [Example("L_I in nats", "one of ten categories, 9 % read wrongly", exact, nats)]
    for std in (0.1, 0.3):
        figures = _read_with_noise(Uniform(), std, count)
        # H(c) less the entropy of normal noise
        exact = math.log(2) - 0.5 * math.log(2 * math.pi * math.e * std**2)
        what = f"Unif(-1, 1), read with normal noise of {std}"
        found.append(Example("L_I in nats", what, exact, figures["mutual_information_nats"]))
        found.append(Example("R^2 of a code", what, 1 - 3 * std**2, figures["r2_fake"]))
    figures = _read_with_noise(Periodic(), 0.1, count)
    exact = math.exp(-((math.pi * 0.1) ** 2) / 2)  # the mean cosine of the error
    what = "a periodic code, read with normal noise of 0.1 half turns"
    return [*found, Example("R^2 of a code", what, exact, figures["r2_fake"])]


def _read_with_noise(code: Uniform | Periodic, std: float, count: int) -> dict[str, Any]:
    """The figures of a code whose posterior is right about how much noise is in its mean."""
    draw = torch.Generator().manual_seed(1)
    latents = Latents(LatentsConfig(codes={"code": code}))
    codes = latents.sample_codes(count, draw)
    mean = codes["code"] + std * torch.randn(count, 1, generator=draw)
    if isinstance(code, Uniform):
        raw = torch.cat([mean, torch.full_like(mean, math.log(std))], 1)
    else:
        kappa, angle = 1 / (math.pi * std) ** 2, math.pi * mean
        raw = kappa * torch.cat([angle.cos(), angle.sin()], 1)
    return mutual_information.score_codes(latents, raw, codes, {})["code"]


# --- features --------------------------------------------------------------------------------------------


def of_features() -> list[Example]:
    """Distances of normal features, and precision and recall of uniform ones."""
    draw, width = numpy_generator(0, "experiments/examples/features"), 8
    first, again, other = (draw.standard_normal((20_000, width)) for _ in range(3))
    moved, wider = other + np.eye(width)[0], 2 * other
    few = slice(4_000)  # every pair is looked at
    square = draw.random((3_000, 2))
    half = draw.random((3_000, 2)) * (0.5, 1.0)
    same = draw.random((3_000, 2)) + 2.0
    inside, apart = (precision_recall.precision_recall(square, fakes) for fakes in (half, same))
    equal, by_one, twice = "two draws of one normal distribution", "means one apart", "stds of 1 and 2"
    # Terms of |y|^k / 8^k of the kernel's third power, for means one apart (m = 1).
    by_kernel = 3 / width + 3 / width**2 + (1 + 6 + 3 * width + 6) / width**3
    return [
        Example("Fréchet distance", f"{equal}, 8 features", 0.0, distances.frechet(first, again)),
        Example("Fréchet distance", by_one, 1.0, distances.frechet(first, moved)),
        Example("Fréchet distance", twice, float(width), distances.frechet(first, wider)),
        Example("kernel distance", equal, 0.0, distances.kernel(first[few], again[few])),
        Example("kernel distance", by_one, by_kernel, distances.kernel(first[few], moved[few])),
        Example("precision", "fakes from one half of a square of real images", 1.0, inside["precision"]),
        Example("recall", "fakes from one half of a square of real images", 0.5, inside["recall"]),
        Example("precision", "fakes far from all real images", 0.0, apart["precision"]),
    ]


# --- codes and true factors ------------------------------------------------------------------------------


def planted_codes() -> tuple[dict[str, Float[np.ndarray, "n k"]], Int[np.ndarray, "n f"]]:
    """Codes of several kinds for five independent factors of eight levels, and these."""
    draw = numpy_generator(0, "experiments/examples/codes")
    factors = draw.integers(LEVELS, size=(IMAGES, FACTORS))
    turn = np.linalg.qr(draw.standard_normal((FACTORS, FACTORS)))[0]
    exact = factors.astype(np.float64)
    codes = {
        "the factors": exact,
        "with noise": exact + draw.standard_normal(exact.shape),
        "each twice": np.hstack([exact, exact]),
        "turned": (exact - exact.mean(0)) @ turn,
        "constant": np.ones((IMAGES, FACTORS)),
        "by chance": draw.standard_normal((IMAGES, FACTORS)),
    }
    return codes, factors


def of_codes() -> dict[str, dict[str, float]]:
    """By kind of codes every score of disentanglement, by its name; without those that do not apply."""
    codes, factors = planted_codes()
    return {kind: _scored(Sample(values, factors, _draw(kind))) for kind, values in codes.items()}


def _draw(kind: str) -> np.random.Generator:
    return numpy_generator(0, f"experiments/examples/{kind}")


def _scored(sample: Sample) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, score in SCORES.items():
        value = score(sample)
        if isinstance(value, Mapping):
            found |= {f"{name}.{key}": float(figure) for key, figure in value.items()}
        elif value is not None:
            found[name] = float(value)
    return found


def table(examples: list[Example], planted: Mapping[str, Mapping[str, float]]) -> str:
    """Both tables in Markdown."""
    lines = ["| metric | of what | theory | measured |", "|---|---|---|---|"]
    lines += [f"| {one.metric} | {one.planted} | {one.theory:.3f} | {one.measured:.3f} |" for one in examples]
    lines += ["", "| score | " + " | ".join(planted) + " |", "|" + "---|" * (1 + len(planted))]
    names = dict.fromkeys(name for found in planted.values() for name in found)
    for name in names:
        # Adding 0.0 makes 0.0 of -0.0.
        cells = (f"{round(found[name], 3) + 0.0:.3f}" if name in found else "" for found in planted.values())
        lines.append(f"| {name.replace('.', ', ')} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
