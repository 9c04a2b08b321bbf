"""Predictions of the recognition network in the form that the page shows: a value with its certainty."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float
from torch import Tensor

from infogan.explorer.latent_rows import Control, controls
from infogan.latents import Latents, Posterior


def predicted(latents: Latents, raw: Float[Tensor, "1 outputs"]) -> list[dict[str, Any]]:
    """Return the predicted codes of one image, one entry for each control.

    A categorical code has `probabilities`, a Bernoulli code `probability`, and a continuous code `mean` and
    `std` in its own units. `value` is the number for a row of latents.
    """
    posteriors = latents.posteriors(raw)
    return [_entry(control, posteriors[control.code]) for control in controls(latents)]


def _entry(control: Control, posterior: Posterior) -> dict[str, Any]:
    mean = posterior.mean[0].numpy()
    if control.kind == "categorical":
        probabilities = mean.reshape(-1, control.size)[control.index]
        return {
            "value": int(probabilities.argmax()),
            "probabilities": [round(float(p), 5) for p in probabilities],
        }
    value = float(mean[control.index])
    if control.kind == "bernoulli":
        return {"value": round(value), "probability": round(value, 5)}
    std = posterior.std
    assert std is not None  # of every continuous code
    return {
        "value": float(np.clip(value, control.low, control.high)),
        "mean": round(value, 5),
        "std": round(min(float(std[0, control.index]), 1e6), 5),
    }


def numbers(entries: list[dict[str, Any]]) -> list[float]:
    """Return the numbers of a row of latents for predicted codes."""
    return [float(entry["value"]) for entry in entries]
