"""In ten of ten data sets without factors of variation, nothing is found; a search counts as one test."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from infogan.representation.candidates import find
from infogan.representation.category_search import category_search
from tests.representation import test_candidates, test_category_search


@pytest.mark.parametrize("images", [test_candidates.white_noise, test_candidates.permuted_digits])
def test_no_continuous_candidate_is_found(images: Callable[[int], np.ndarray]) -> None:
    assert [find(images(seed), seed=seed) for seed in range(10)] == [[]] * 10


@pytest.mark.parametrize("features", [test_category_search.white_noise, test_category_search.permuted_pixels])
@pytest.mark.parametrize("seed", range(10))
def test_no_category_is_found_by_communities(features: Callable[[int], np.ndarray], seed: int) -> None:
    assert category_search(features(seed), seed=seed, sources=["communities"]) is None


@pytest.mark.parametrize("features", [test_category_search.white_noise, test_category_search.permuted_pixels])
def test_no_category_is_found_by_heads(features: Callable[[int], np.ndarray]) -> None:
    assert category_search(features(0), seed=0) is None
