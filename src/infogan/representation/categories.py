"""Categories of images from their neighbours in feature space, without labels.

Linear heads maximise the information between the category of an image and that of a neighbour; spectral
clustering divides the neighbour graph, as `communities` does. Each returns a rule, which gives any further
point its probabilities of the categories. `category_search` compares methods and chooses how many there are.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from infogan import streams
from infogan.representation.neighbours import graph, nearest

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

_COMPONENTS = 64
_SPREAD = 16.0  # root of the total variance of points: about one per component
_STEPS, _BATCH, _LEARNING_RATE = 600, 512, 3e-3
_MARGINAL_WEIGHT = 2.0
_HELD_OUT = 8  # every eighth image ranks the starts and trains none
_LARGEST_GRAPH = 10_000
_LANCZOS, _LANCZOS_LEAST, _MOST_RESTARTS = 3, 40, 500  # vectors per eigenvector, their least number, restarts
_FRAGMENT, _SMALL = 0.01, 0.25  # of all nodes, and of the mean size of a cluster
_ROUNDS = 5
_TINY = 1e-12


# --- points and their neighbours --------------------------------------------------------------------------


def to_points(features: Float[np.ndarray, "n f"]) -> Float[np.ndarray, "n d"]:
    """Return at most 64 principal components of features, scaled so that their total variance is 256."""
    from sklearn.decomposition import PCA  # lazy: slow to import

    with np.errstate(invalid="ignore"):  # a total variance of 0, if all images are equal
        pca = PCA(min(_COMPONENTS, *features.shape), random_state=0)
        scores = pca.fit_transform(features.astype(np.float32))
    spread = float(np.sqrt(scores.var(0).sum()))
    return np.asarray(scores * (_SPREAD / max(spread, _TINY)), np.float32)


def side_by_side(*features: Float[np.ndarray, "n _"]) -> Float[np.ndarray, "n d"]:
    """Return several features of the same images as points, each of the same total variance."""
    return np.concatenate([to_points(each) for each in features], 1)


# --- heads ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Head:
    """A linear layer with softmax, from points to probabilities of categories.

    Attributes:
        weight: of the points.
        bias: of the categories.
        information: between the categories of held-out images and of their neighbours, in nats.
    """

    weight: Float[np.ndarray, "d categories"]
    bias: Float[np.ndarray, " categories"]
    information: float

    def probabilities(self, points: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n categories"]:
        """Return the probabilities of the categories of points, float32."""
        logits = torch.from_numpy(points @ self.weight + self.bias)
        return np.asarray(logits.softmax(1).numpy())


def heads(
    points: Float[np.ndarray, "n d"],
    neighbours: Int64[np.ndarray, "n k"],
    categories: int,
    *,
    seed: int,
    starts: int = 4,
) -> Head:
    """Train linear heads that maximise the information between the categories of neighbours; return the best.

    The objective is IIC (Ji et al. 2019) on frozen features, with neighbours as pairs (Van Gansbeke et al.
    2020: SCAN) and the entropy of the marginals weighted twice, which keeps small categories alive.

    Args:
        points: float32, from `to_points`.
        neighbours: indices of each point's neighbours, from `neighbours.nearest`.
        categories: their number, 2 or more.
        seed: of the initial weights and the batches.
        starts: number of heads; the one of highest information on every eighth image, which no head is
            trained on except as a neighbour, is returned.
    """
    rng = streams.generator(seed, f"categories/heads/{categories}")
    order = torch.randperm(len(points), generator=rng)
    held_out, trained = order[: len(order) // _HELD_OUT], order[len(order) // _HELD_OUT :]
    x, pairs = torch.from_numpy(points), torch.from_numpy(neighbours)
    weight, bias = _train(x, pairs, trained, _initial(starts, x.shape[1], categories, rng), rng)
    probabilities = torch.baddbmm(bias, weight, x.t().expand(starts, -1, -1)).softmax(1)
    scored = held_out if len(held_out) else order
    first = probabilities[:, :, scored].repeat_interleave(pairs.shape[1], 2)
    information = _information(first, probabilities[:, :, pairs[scored].flatten()], 1.0)
    best = int(information.argmax())
    return Head(weight[best].t().numpy(), bias[best, :, 0].numpy(), float(information[best]))


def _initial(starts: int, inputs: int, categories: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return weights [starts, categories, inputs] and biases [starts, categories, 1], as torch's layers."""
    bound = 1 / math.sqrt(inputs)
    shapes = ((starts, categories, inputs), (starts, categories, 1))
    weight, bias = ((torch.rand(shape, generator=rng) * 2 - 1) * bound for shape in shapes)
    return weight, bias


def _train(
    points: Float[Tensor, "n d"],
    neighbours: Int64[Tensor, "n k"],
    trained: Int64[Tensor, " m"],
    initial: tuple[Tensor, Tensor],
    rng: torch.Generator,
) -> tuple[Float[Tensor, "h c d"], Float[Tensor, "h c 1"]]:
    """Train all heads at once, on batches of their own; return weights and biases."""
    weight, bias = (tensor.requires_grad_() for tensor in initial)
    optimizer = torch.optim.Adam([weight, bias], _LEARNING_RATE, fused=True)
    shape = (len(weight), min(_BATCH, len(trained)))
    for _ in range(_STEPS):
        chosen = trained[torch.randint(len(trained), shape, generator=rng)]
        pairs = neighbours[chosen, torch.randint(neighbours.shape[1], shape, generator=rng)]
        inputs = points[torch.cat([chosen, pairs], 1)].transpose(1, 2)
        # Categories come before images: softmax over the last of two dimensions is several times slower.
        first, second = torch.baddbmm(bias, weight, inputs).softmax(1).chunk(2, 2)
        optimizer.zero_grad()
        (-_information(first, second, _MARGINAL_WEIGHT).sum()).backward()
        optimizer.step()
    return weight.detach(), bias.detach()


def _information(
    first: Float[Tensor, "h c n"], second: Float[Tensor, "h c n"], weight: float
) -> Float[Tensor, " h"]:
    """Return `weight` times both marginal entropies minus the joint entropy, in nats; 1: the information."""
    joint = first @ second.transpose(1, 2) / first.shape[2]
    joint = (joint + joint.transpose(1, 2)) / 2
    marginal = torch.special.entr(joint.sum(1).clamp_min(_TINY)).sum(1)
    information: Tensor = 2 * weight * marginal - torch.special.entr(joint.clamp_min(_TINY)).sum((1, 2))
    return information


# --- spectral clustering ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Votes:
    """Labelled points; a new point has the categories of its ten nearest ones.

    Attributes:
        points: with labels.
        labels: 0 to `categories` - 1.
        categories: their number.
    """

    points: Float[np.ndarray, "n d"]
    labels: Int64[np.ndarray, " n"]
    categories: int

    def probabilities(self, points: Float[np.ndarray, "m d"]) -> Float[np.ndarray, "m categories"]:
        """Return the share of each category among the ten nearest labelled points, float32.

        The nearest one decides ties: it counts slightly more.
        """
        near = self.labels[nearest(self.points, queries=points).indices]
        return shares(near, self.categories)


def shares(near: Int64[np.ndarray, "m k"], categories: int) -> Float[np.ndarray, "m categories"]:
    """Return the share of each category among the near points of each point; the first one counts more."""
    weights = np.where(np.arange(near.shape[1]) == 0, 1.001, 1.0)
    counts = np.zeros((len(near), categories))
    np.add.at(counts, (np.arange(len(near))[:, None], near), np.broadcast_to(weights, near.shape))
    return np.asarray(counts / weights.sum(), np.float32)


def spectral(edges: csr_matrix, counts: Sequence[int], *, seed: int) -> list[Int64[np.ndarray, " n"]]:
    """Cluster the nodes of a graph once for each number of clusters; -1 marks fragments.

    Normalised cuts: k-means on the first eigenvectors of the normalised Laplacian (Shi & Malik 2000; Ng,
    Jordan & Weiss 2002). A connected component, or a cluster, of less than 1 % of the nodes is a fragment. It
    would use up a category: its nodes are left out, and the others are clustered again.

    Args:
        edges: symmetric weights of a graph.
        counts: numbers of clusters.
        seed: of the eigenvectors' first approximation and of k-means.
    """
    large = _large_components(edges)
    vectors = _embedding(edges, large, max(counts), seed)
    return [_clusters(edges, large, vectors[:, :categories], categories, seed) for categories in counts]


def _clusters(
    edges: csr_matrix, nodes: np.ndarray, vectors: np.ndarray, categories: int, seed: int
) -> Int64[np.ndarray, " n"]:
    """Cluster nodes by their eigenvectors; without fragments, again, a few times."""
    from sklearn.cluster import KMeans  # lazy: slow to import

    labels = np.full(edges.shape[0], -1, np.int64)
    for _ in range(_ROUNDS):
        wanted = min(categories, len(nodes))
        means = KMeans(wanted, n_init=5, random_state=seed)
        assigned = _quietly(lambda: means.fit_predict(vectors))  # noqa: B023
        least = min(_FRAGMENT, _SMALL / wanted) * len(labels)
        fragment = np.bincount(assigned, minlength=wanted) < least
        labels[:] = -1
        labels[nodes] = np.where(fragment[assigned], -1, assigned)
        if not fragment.any() or fragment.all():
            break
        nodes = np.flatnonzero(labels >= 0)
        vectors = _embedding(edges, nodes, categories, seed)
    return labels


def _large_components(edges: csr_matrix) -> Int64[np.ndarray, " m"]:
    """Return the nodes of the connected components of at least 1 % of the nodes; all if there is none."""
    from scipy.sparse.csgraph import connected_components  # lazy: slow to import

    _, component = connected_components(edges, directed=False)
    nodes = np.flatnonzero(np.bincount(component)[component] >= _FRAGMENT * edges.shape[0])
    return nodes if len(nodes) else np.arange(edges.shape[0])


def _embedding(
    edges: csr_matrix, nodes: Int64[np.ndarray, " m"], count: int, seed: int
) -> Float[np.ndarray, "m vectors"]:
    """Return the first eigenvectors of the normalised Laplacian of the graph's part on `nodes`.

    They are the last ones of the normalised adjacency matrix, which need only products with it. On the
    neighbours of 10,000 photographs this is 100 times faster than inverting the Laplacian, which is left for
    long chains, where these products converge slowly.
    """
    from scipy.sparse import diags  # lazy: slow to import
    from scipy.sparse.linalg import ArpackNoConvergence, eigsh
    from sklearn.manifold import spectral_embedding

    part, count = edges[nodes][:, nodes], max(1, min(count, len(nodes) - 2))
    scale = 1 / np.sqrt(np.asarray(part.sum(1)).ravel())
    start = np.random.default_rng(seed).standard_normal(len(nodes))
    tried = min(len(nodes), max(_LANCZOS_LEAST, _LANCZOS * count))
    try:
        _, vectors = eigsh(
            diags(scale) @ part @ diags(scale), count, which="LA", ncv=tried, v0=start, maxiter=_MOST_RESTARTS
        )
    except ArpackNoConvergence:
        return np.asarray(
            _quietly(
                lambda: spectral_embedding(part, n_components=count, random_state=seed, drop_first=False)
            )
        )
    return np.asarray(vectors[:, ::-1] * scale[:, None])


def _quietly(compute: Callable[[], np.ndarray]) -> np.ndarray:
    """Call `compute` without scikit-learn's warnings of several components and of equal points."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return compute()


def spectral_votes(points: Float[np.ndarray, "n d"], categories: int, *, seed: int) -> Votes:
    """Cluster points spectrally; return a rule for new ones.

    Of more than 10,000 points a random 10,000 are clustered. Points of fragments have no label: like new
    points, they have the categories of their neighbours.

    Args:
        points: from `to_points`.
        categories: their number.
        seed: of the choice of points, of the eigenvectors' first approximation and of k-means.
    """
    rng = streams.generator(seed, "categories/spectral")
    if len(points) > _LARGEST_GRAPH:
        points = points[torch.randperm(len(points), generator=rng)[:_LARGEST_GRAPH].sort().values.numpy()]
    (labels,) = spectral(graph(nearest(points).indices), [categories], seed=seed)
    kept = labels >= 0
    return Votes(points[kept], labels[kept], categories)
