"""Where in the picture a categorical code makes its change: SVHN's codes vary the digits beside the centre.

The paper shows it by eye (Figure 5b). Here pairs of generated images differ in one code alone, and the
squared change of their pixels is split into a middle strip and what lies left and right of it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8

from infogan import streams
from infogan.evaluation.metric import metric
from infogan.evaluation.resampling import ratio_interval
from infogan.evaluation.subject import Subject
from infogan.latents import CategoricalPrior

_PAIRS = 1_000
_LEAST_WIDTH = 4


def middle(width: int) -> slice:
    """The columns of the middle strip, half as wide as the picture; beside it lies the context."""
    return slice(width // 4, width - width // 4)


def outside(
    first: UInt8[np.ndarray, "n h w c"], second: UInt8[np.ndarray, "n h w c"]
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Of each pair the squared change, pixels from 0 to 1: beside the middle strip, and of the whole."""
    change = np.square((first.astype(np.float64) - second) / 255).sum((1, 3))
    whole = change.sum(1)
    return np.asarray(whole - change[:, middle(first.shape[2])].sum(1)), np.asarray(whole)


def report(
    first: UInt8[np.ndarray, "n h w c"], second: UInt8[np.ndarray, "n h w c"]
) -> dict[str, Any] | None:
    """The figures of `context` in evaluation.json, of one code.

    Args:
        first: N generated images, 2 or more.
        second: the same but for the code.

    Returns:
        `outside`, the share of the change that lies beside the middle strip, 0 to 1, with its 95 %
        `outside_interval`; `area`, the share of the picture that lies there, which is what a change all over
        the picture would reach; `change`, the mean squared change, summed over pixels from 0 to 1. None
        where nothing changes.
    """
    part, whole = outside(first, second)
    if not whole.any():
        return None
    width = first.shape[2]
    strip = middle(width)
    return {
        "outside": float(part.sum() / whole.sum()),
        "outside_interval": ratio_interval(part, whole, (0.0, 1.0)),
        "area": 1 - (strip.stop - strip.start) / width,
        "change": float(whole.mean()),
    }


def _another(prior: CategoricalPrior, codes: torch.Tensor, draw: torch.Generator) -> torch.Tensor:
    """The codes with another category in every dimension, each as probable as any other."""
    count, size = len(codes), prior.code.size
    old = codes.reshape(count, prior.code.dim, size).argmax(2)
    new = (old + torch.randint(1, size, old.shape, generator=draw)) % size
    return torch.eye(size)[new].flatten(1)


@metric("context")
def _metric(subject: Subject) -> dict[str, Any]:
    model, count = subject.model, min(subject.samples, _PAIRS)
    found: dict[str, Any] = {}
    noise, codes = model.draw(count, seed=subject.seed, stream="evaluation/context")
    for name, prior in model.latents.priors.items():
        if not isinstance(prior, CategoricalPrior) or prior.code.size < 2 or model.size < _LEAST_WIDTH:
            continue
        draw = streams.generator(subject.seed, f"evaluation/context/{name}")
        others = codes | {name: _another(prior, codes[name], draw)}
        first, second = (model.generate(noise, each, weights=subject.weights) for each in (codes, others))
        figures = report(first, second)
        found |= {} if figures is None else {name: figures}
    return {"context": found} if found else {}
