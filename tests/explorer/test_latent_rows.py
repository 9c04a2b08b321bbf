"""Rows of numbers from the page become noise and codes, and every number is clamped."""

from __future__ import annotations

import numpy as np
import pytest

from infogan.errors import UsageError
from infogan.explorer.latent_rows import MOST_ROWS, controls, parse
from infogan.model import InfoGAN


def rows(model: InfoGAN, *numbers: list[float], noise: float = 0.0) -> bytes:
    full = [[noise] * model.latents.noise + list(row) for row in numbers]
    return np.array(full, "<f4").tobytes()


def test_there_is_a_control_for_each_code_dimension(model: InfoGAN) -> None:
    found = [(control.code, control.kind, control.low, control.high) for control in controls(model.latents)]
    assert found == [
        ("digit", "categorical", 0, 5),
        ("slant", "uniform", -1, 1),
        ("turn", "periodic", -1, 1),
        ("flag", "bernoulli", 0, 1),
    ]


def test_numbers_become_codes(model: InfoGAN) -> None:
    noise, codes = parse(model.latents, rows(model, [2, 0.5, -0.25, 1], [5, -1, 0.75, 0], noise=0.5))
    assert noise.shape == (2, model.latents.noise) and float(noise[0, 0]) == 0.5
    assert codes["digit"].argmax(1).tolist() == [2, 5]
    assert codes["slant"].flatten().tolist() == [0.5, -1]
    assert codes["turn"].flatten().tolist() == [-0.25, 0.75]
    assert codes["flag"].flatten().tolist() == [1, 0]


def test_numbers_outside_their_ranges_are_clamped(model: InfoGAN) -> None:
    noise, codes = parse(model.latents, rows(model, [99, 1e30, -7, -3], noise=-50))
    assert noise.min() == -1
    assert int(codes["digit"].argmax()) == 5
    assert codes["slant"].item() == 4  # the farthest that a slider can be moved
    assert codes["turn"].item() == -1
    assert codes["flag"].item() == 0


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_is_not_finite_is_refused(model: InfoGAN, value: float) -> None:
    with pytest.raises(UsageError, match="not a finite number"):
        parse(model.latents, rows(model, [0, value, 0, 0]))


def test_a_body_of_another_length_is_refused(model: InfoGAN) -> None:
    one = rows(model, [0, 0, 0, 0])
    for body in (b"", one[:-1], one + b"\0", one * (MOST_ROWS + 1)):
        with pytest.raises(UsageError, match="not rows"):
            parse(model.latents, body)
