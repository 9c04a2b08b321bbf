"""Nearest neighbours, their graph and the dimension of points."""

from __future__ import annotations

import numpy as np
import pytest

from infogan.data import neighbour_index
from infogan.representation import neighbours
from infogan.representation.neighbours import (
    Metric,
    PrincipalComponents,
    graph,
    intrinsic_dimension,
    nearest,
    pixels,
)


def cloud(count: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, width)).astype(np.float32)


@pytest.mark.parametrize("width", [3, 20])  # searched by a tree, and by all distances
def test_neighbours_are_those_of_brute_force(width: int) -> None:
    points, queries = cloud(300, width), cloud(50, width, seed=1)
    distances = np.linalg.norm(queries[:, None] - points[None], axis=2)
    near = nearest(points, 7, queries)
    assert np.array_equal(near.indices, np.argsort(distances, axis=1)[:, :7])
    assert near.distances == pytest.approx(np.sort(distances, axis=1)[:, :7], abs=1e-4)


@pytest.mark.parametrize("width", [3, 20])
def test_no_point_is_its_own_neighbour_even_among_equal_points(width: int) -> None:
    points = np.repeat(cloud(60, width), 2, axis=0)
    near = nearest(points, 5)
    assert not (near.indices == np.arange(len(points))[:, None]).any()
    assert near.distances[:, 0] == pytest.approx(0, abs=1e-3)  # its twin


def test_few_points_have_as_many_neighbours_as_there_are() -> None:
    assert nearest(cloud(4, 2), 10).indices.shape == (4, 3)
    assert nearest(cloud(4, 2), 10, cloud(2, 2)).indices.shape == (2, 4)


def test_an_index_of_many_points_finds_the_neighbours_of_an_exact_search(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("faiss")
    monkeypatch.setattr(neighbours, "INDEXED", 100)
    monkeypatch.setattr(neighbour_index, "_PROBED", 1_000)
    points = cloud(3_000, 20)
    exact, indexed = nearest(points, 7), nearest(points, 7, search="index")
    assert np.array_equal(indexed.indices, exact.indices)
    assert indexed.distances == pytest.approx(exact.distances, abs=1e-3)


def test_the_graph_is_symmetric_and_connects_neighbours_only() -> None:
    near = nearest(cloud(200, 3), 6)
    weights = np.exp(-(near.distances**2))
    for matrix in (graph(near.indices), graph(near.indices, weights)):
        dense = matrix.toarray()
        assert np.array_equal(dense, dense.T)
        linked = np.zeros((200, 200), dtype=bool)
        linked[np.arange(200)[:, None], near.indices] = True
        assert np.array_equal(dense > 0, linked | linked.T)


def test_a_plane_in_ten_dimensions_has_dimension_two() -> None:
    rng = np.random.default_rng(0)
    axes = np.linalg.qr(rng.standard_normal((10, 2)))[0]
    plane = (rng.uniform(-1, 1, (2_000, 2)) @ axes.T).astype(np.float32)
    assert intrinsic_dimension(nearest(plane).distances) == pytest.approx(2, abs=0.2)


def test_components_of_the_wrong_scale_count_equally_once_whitened() -> None:
    rng = np.random.default_rng(0)
    images = np.zeros((500, 4, 4, 1), dtype=np.uint8)
    images[:, 0, 0, 0], images[:, 3, 3, 0] = rng.integers(0, 250, 500), rng.integers(0, 25, 500)
    scores = PrincipalComponents(images, 2).scores(images)
    strong, weak = Metric(2, whitened=False).points(scores).std(0)
    assert strong > 5 * weak
    assert Metric(2, whitened=True).points(scores).std(0) == pytest.approx([1, 1], abs=0.01)


def test_large_images_are_averaged_to_32_pixels_a_side() -> None:
    images = np.full((2, 64, 48, 3), 51, dtype=np.uint8)
    assert pixels(images).shape == (2, 3 * 32 * 32)
    assert pixels(images) == pytest.approx(0.2)
    assert pixels(images[:, :16, :16, :1]).shape == (2, 256)


def test_equal_images_have_equal_scores() -> None:
    images = np.full((40, 8, 8, 1), 7, dtype=np.uint8)
    assert np.abs(PrincipalComponents(images).scores(images).values).max() < 1e-5


def test_components_of_many_images_are_fitted_to_some_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.random.default_rng(0).integers(0, 256, (300, 6, 6, 1), dtype=np.uint8)
    everything = PrincipalComponents(images, 5).scores(images).values
    monkeypatch.setattr(neighbours, "_MOST_BYTES", 100 * 36 * 4)
    some = PrincipalComponents(images, 5).scores(images).values
    assert np.array_equal(some, PrincipalComponents(images[::3], 5).scores(images).values)
    assert not np.array_equal(some, everything)
