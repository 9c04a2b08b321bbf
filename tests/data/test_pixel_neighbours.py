"""Nearest neighbours: what stands for an image in place of its own copy."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from infogan import data, streams
from infogan.config import DataConfig
from infogan.data import neighbour_index, pixel_neighbours
from infogan.data.dataset import Split
from infogan.data.pixel_neighbours import nearest
from infogan.errors import UsageError


def test_neighbours_are_mostly_of_the_same_class() -> None:
    """On scikit-learn's digits, which nobody has to download: 98 of 100."""
    train = data.load(DataConfig(source="digits")).train
    assert train.labels is not None
    found = nearest(train.images, 3)
    assert found.shape == (len(train.images), 3)
    assert (train.labels[found] == train.labels[:, None]).mean() > 0.95


def test_the_first_is_the_most_alike_by_pixels() -> None:
    """All components kept, so the distance is that of pixels; found here by brute force."""
    images = np.random.default_rng(0).integers(0, 256, (40, 5, 5, 1), dtype=np.uint8)
    flat = images.reshape(40, -1).astype(float)
    distances = np.linalg.norm(flat[:, None] - flat[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    np.testing.assert_array_equal(nearest(images, 4), distances.argsort(1)[:, :4])


def test_no_image_is_its_own_even_among_equal_ones() -> None:
    images = np.zeros((30, 8, 8, 1), np.uint8)
    found = nearest(images, 5)
    assert (found != np.arange(30)[:, None]).all()


@pytest.mark.parametrize(("count", "given"), [(2, 1), (5, 4)])
def test_fewer_images_than_asked_give_all_others(count: int, given: int) -> None:
    images = np.random.default_rng(0).integers(0, 256, (count, 4, 4, 3), dtype=np.uint8)
    found = nearest(images, 10)
    assert found.shape == (count, given)
    assert all(set(row) == set(range(count)) - {index} for index, row in enumerate(found.tolist()))


def test_large_colour_images_are_compared_when_small() -> None:
    draw = np.random.default_rng(0)
    kinds = draw.integers(0, 256, (3, 4, 4, 3), dtype=np.uint8).repeat(24, axis=1).repeat(24, axis=2)
    noise = draw.integers(0, 30, (30, 96, 96, 3), dtype=np.uint8)
    images = (kinds[np.arange(30) % 3] // 2 + noise).astype(np.uint8)
    assert (nearest(images, 5) % 3 == np.arange(30)[:, None] % 3).all()


@pytest.fixture
def small_index(monkeypatch: pytest.MonkeyPatch) -> None:
    """An index for a few hundred images, whose lists are all compared, so that it finds every neighbour."""
    pytest.importorskip("faiss")
    monkeypatch.setattr(pixel_neighbours, "INDEXED", 100)
    monkeypatch.setattr(neighbour_index, "_PROBED", 1_000)


@pytest.mark.usefixtures("small_index")
def test_an_index_finds_the_neighbours_of_an_exact_search() -> None:
    images = np.random.default_rng(0).integers(0, 256, (3_000, 5, 5, 1), dtype=np.uint8)
    np.testing.assert_array_equal(nearest(images, 4, "index"), nearest(images, 4))


@pytest.mark.usefixtures("small_index")
def test_an_index_finds_no_image_itself_even_among_equal_ones() -> None:
    images = np.random.default_rng(0).integers(0, 256, (3_000, 4, 4, 1), dtype=np.uint8)
    images[:2_000] = 7
    found = nearest(images, 5, "index")
    assert (found != np.arange(3_000)[:, None]).all()
    assert (found[:2_000] < 2_000).all()


@pytest.mark.usefixtures("small_index")
def test_an_index_searches_everywhere_where_the_nearest_lists_hold_too_few(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(neighbour_index, "_PROBED", 1)
    points = np.random.default_rng(0).standard_normal((3_000, 2)).astype(np.float32)
    points[:3] += 50  # a list of three points
    indices, squares = neighbour_index.nearest_by_index(points, 8)
    own = np.arange(3_000)[:, None]
    assert (indices != own).all()
    assert (indices >= 0).all()
    assert (np.diff(squares, axis=1) >= 0).all()


def test_few_images_need_no_index(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    images = np.random.default_rng(0).integers(0, 256, (300, 4, 4, 1), dtype=np.uint8)
    assert nearest(images, 3, "index").shape == (300, 3)
    monkeypatch.setattr(pixel_neighbours, "INDEXED", 100)
    with pytest.raises(UsageError, match=r"(?s)faiss is not installed.*infogan\[index\]"):
        nearest(images, 3, "index")


def test_a_split_looks_once() -> None:
    split = Split(np.random.default_rng(0).integers(0, 256, (20, 4, 4, 1), dtype=np.uint8))
    assert split.nearest(3) is split.nearest(3)
    assert split.nearest(4).shape == (20, 4)


def test_partners_are_neighbours_in_the_share_that_was_asked_for() -> None:
    neighbours = (torch.arange(1_000)[:, None] + torch.tensor([1, 2, 3])) % 1_000
    indices = torch.arange(1_000)

    def drawn(share: float) -> torch.Tensor:
        return (streams.partners(indices, neighbours, share, 0, 0) - indices) % 1_000

    assert (drawn(0.0) == 0).all()
    counts = torch.bincount(drawn(1.0), minlength=4)
    assert counts[0] == 0
    assert (counts[1:] > 250).all()
    assert 420 < int((drawn(0.5) == 0).sum()) < 580
