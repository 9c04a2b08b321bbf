"""The region of the image that a categorical code changes: SVHN's codes vary the neighbouring digits.

The paper shows it by eye (Figure 5b). Here pairs of generated images differ in one code alone, and the
squared difference of their pixels is split into a middle strip and the context to its left and right.
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
    """Return the columns of the middle strip, half as wide as the image."""
    return slice(width // 4, width - width // 4)


def outside(
    first: UInt8[np.ndarray, "n h w c"], second: UInt8[np.ndarray, "n h w c"]
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Return the squared change of each pair, pixels from 0 to 1: in the context and in the whole image."""
    change = np.square((first.astype(np.float64) - second) / 255).sum((1, 3))
    whole = change.sum(1)
    return np.asarray(whole - change[:, middle(first.shape[2])].sum(1)), np.asarray(whole)


def report(
    first: UInt8[np.ndarray, "n h w c"], second: UInt8[np.ndarray, "n h w c"]
) -> dict[str, Any] | None:
    """Return the figures of `context` in evaluation.json for one code; None if it changes nothing.

    Args:
        first: 2 or more generated images.
        second: the same images with another value of the code.

    Returns:
        `outside`, the share of the change in the context, 0 to 1, with its 95 % `outside_interval`; `area`,
        the context's share of the image, which a uniform change would reach; `change`, the mean squared
        change, summed over pixels from 0 to 1.
    """
    context, whole = outside(first, second)
    if not whole.any():
        return None
    width = first.shape[2]
    strip = middle(width)
    return {
        "outside": float(context.sum() / whole.sum()),
        "outside_interval": ratio_interval(context, whole, (0.0, 1.0)),
        "area": 1 - (strip.stop - strip.start) / width,
        "change": float(whole.mean()),
    }


def _another(prior: CategoricalPrior, codes: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    """Return codes with another category in every dimension, chosen uniformly."""
    count, size = len(codes), prior.code.size
    old = codes.reshape(count, prior.code.dim, size).argmax(2)
    new = (old + torch.randint(1, size, old.shape, generator=rng)) % size
    return torch.eye(size)[new].flatten(1)


@metric("context")
def _metric(subject: Subject) -> dict[str, Any]:
    model, count = subject.model, min(subject.samples, _PAIRS)
    sections: dict[str, Any] = {}
    noise, codes = model.draw(count, seed=subject.seed, stream="evaluation/context")
    for name, prior in model.latents.categorical.items():
        if prior.code.size < 2 or model.size < _LEAST_WIDTH:
            continue
        rng = streams.generator(subject.seed, f"evaluation/context/{name}")
        others = codes | {name: _another(prior, codes[name], rng)}
        figures = report(subject.generate(noise, codes), subject.generate(noise, others))
        sections |= {} if figures is None else {name: figures}
    return {"context": sections} if sections else {}
