"""MIG and DCI beside an independent implementation, disent 0.8.0; `make reference` fetches and runs it."""

from __future__ import annotations

import importlib
import os
import sys
import types
from typing import Any

import numpy as np
import pytest

from infogan.evaluation.disentanglement.sample import SCORES, Sample

FOLDER = os.environ.get("INFOGAN_REFERENCE", "")


@pytest.fixture(scope="module")
def disent() -> types.ModuleType:
    """Its functions on arrays alone: the rest of the package wants torchvision."""
    if not os.path.isdir(os.path.join(FOLDER, "disent")):
        pytest.skip("disent is not there: make reference fetches it")
    for name in ("disent", "disent.dataset", "disent.metrics"):
        module: Any = types.ModuleType(name)
        module.__path__ = [os.path.join(FOLDER, *name.split("."))]
        sys.modules[name] = module
    sys.modules["disent.dataset"].DisentDataset = object  # type: ignore[attr-defined]
    parts: Any = types.ModuleType("reference")
    parts.dci = importlib.import_module("disent.metrics._dci")._compute_dci
    parts.mig = importlib.import_module("disent.metrics._mig")._compute_mig
    return parts


def cases() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    draw = np.random.Generator(np.random.Philox(0))
    levels = draw.integers([3, 6, 10, 8, 8], size=(2_000, 5))
    turned = np.linalg.qr(draw.standard_normal((5, 5)))[0]
    twice = np.concatenate([levels, levels], 1) + 0.01 * draw.standard_normal((2_000, 10))
    return {
        "the factors": (levels.astype(float), levels),
        "with noise": (levels + draw.standard_normal(levels.shape), levels),
        "twice": (twice, levels),
        "turned": ((levels - levels.mean(0)) @ turned, levels),
        "chance": (draw.standard_normal((2_000, 4)), levels),
    }


@pytest.mark.parametrize("name", list(cases()))
def test_mig_and_dci_are_those_of_the_reference(disent: Any, name: str) -> None:
    codes, levels = cases()[name]
    sample = Sample(codes, levels, np.random.Generator(np.random.Philox(1)), full=True)
    fit, judged = Sample(codes, levels, np.random.Generator(np.random.Philox(1))).halves
    ours = {"mig": SCORES["mig"](sample), **SCORES["dci"](sample)}  # type: ignore[dict-item]
    found = disent.dci(codes[fit].T, levels[fit].T, codes[judged].T, levels[judged].T)
    theirs = {
        "mig": disent.mig(codes.T, levels.T)["mig.discrete_score"],
        "disentanglement": found["dci.disentanglement"],
        "completeness": found["dci.completeness"],
        "informativeness": found["dci.informativeness_test"],
    }
    for key, value in theirs.items():
        print(f"{name}: {key} {ours[key]:.4f}, reference {value:.4f}")
        assert ours[key] == pytest.approx(value, abs=1e-2), key
