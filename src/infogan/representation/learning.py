"""Learn codes from real images, before the generator is trained: categories and continuous candidates.

The result says which codes a generator should have, and what their values are for every training image.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import safetensors.numpy
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from infogan.config import Categorical, Periodic, Uniform
from infogan.config.codes import CONTINUOUS_WEIGHT
from infogan.config.codes import Code as AnyCode
from infogan.data.neighbour_index import Search
from infogan.representation.candidates import Candidate, find, numbered, unique_images
from infogan.representation.categories import side_by_side
from infogan.representation.category_search import (
    Categories,
    Source,
    Stability,
    category_search,
    steadiest,
)
from infogan.representation.coordinate_search import METRICS
from infogan.representation.gaps import are_slices, explained_by_categories, has_gaps
from infogan.representation.neighbours import Metric, PrincipalComponents, nearest
from infogan.representation.shared_coordinates import Shared, ranks_within, shared_coordinates
from infogan.representation.slow_coordinates import (
    NEW,
    Coordinate,
    dependence_on_categories,
    unpredicted_share,
)
from infogan.representation.slow_coordinates import dependence as _dependence

CATEGORY = "type"
"""Name of the categorical code."""

FEWEST = 120
"""Smallest number of distinct images from which anything is learned."""

_ARRAYS, _FACTS = "arrays.safetensors", "candidates.json"
_LEAST_PROBABILITY = 1e-3
_PREDICTED = 0.8  # R^2 from which a candidate is one that categories predict
_MIXED = 0.4  # R^2 from which a candidate cannot be set independently of the categories
_GRAPH = 10_000  # images of the graph that shows gaps


@dataclass(frozen=True)
class Learned:
    """Categories and continuous candidates of a set of images.

    Attributes:
        categories: None if no partition is more stable than on data without categories.
        candidates: continuous candidates: coordinates, circles, coordinates within categories, components.
        images: number of images.
        categorical: candidates that are predicted by the categories, or by coordinates within them. They
            become no code.
    """

    categories: Categories | None
    candidates: tuple[Candidate, ...]
    images: int
    categorical: tuple[Candidate, ...] = ()

    @property
    def empty(self) -> bool:
        """True if nothing was found."""
        return self.categories is None and not self.candidates

    def codes(self) -> dict[str, AnyCode]:
        """Return one code for the categories and one for each candidate, by name."""
        return codes_of(self.anchors(), self.facts())

    def anchors(self) -> dict[str, Tensor]:
        """Return the values of `codes` for every image, float32 [N, width]."""
        anchors = {}
        if self.categories is not None:
            anchors[CATEGORY] = torch.from_numpy(self.categories.probabilities.astype(np.float32))
        for candidate in self.candidates:
            anchors[candidate.name] = torch.from_numpy(candidate.values.astype(np.float32))[:, None]
        return anchors

    def dependence(self) -> float:
        """Return the largest mutual information of two of the codes over the images, in nats."""
        lines = [c.coordinate for c in self.candidates]
        nats = [0.0]
        if len(lines) > 1:
            nats.append(float(_dependence(np.stack([line.values for line in lines], 1)).max()))
        if self.categories is not None:
            nats += [dependence_on_categories(line, self.categories.labels) for line in lines]
        return max(nats)

    def facts(self) -> dict[str, Any]:
        """Return everything but the arrays, as JSON."""
        facts: dict[str, Any] = {
            "images": self.images,
            "candidates": [_facts_of(candidate) for candidate in self.candidates],
            "categorical": [_facts_of(candidate) for candidate in self.categorical],
        }
        if self.categories is not None:
            facts["categories"] = {
                "chosen": asdict(self.categories.chosen),
                "threshold": self.categories.threshold,
                "space": self.categories.space,
                "curve": [asdict(point) for point in self.categories.curve],
            }
        return facts

    def files(self) -> dict[str, bytes]:
        """Return the content of a folder from which `from_files` restores this."""
        arrays = {
            f"{prefix}.{number}": np.ascontiguousarray(candidate.values)
            for prefix, candidates in (("values", self.candidates), ("categorical", self.categorical))
            for number, candidate in enumerate(candidates)  # names of the latter are not unique
        }
        if (found := self.categories) is not None:
            arrays |= {
                "labels": found.labels,
                "probabilities": found.probabilities,
                "none": found.none,
                "tree": found.tree,
            }
        text = json.dumps(self.facts(), indent=2, allow_nan=False) + "\n"
        return {_ARRAYS: safetensors.numpy.save(arrays), _FACTS: text.encode()}

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> Learned:
        """Restore what `files` returned."""
        arrays, facts = safetensors.numpy.load(files[_ARRAYS]), json.loads(files[_FACTS])
        categories = None
        if (known := facts.get("categories")) is not None:
            categories = Categories(
                **{name: arrays[name] for name in ("labels", "probabilities", "none", "tree")},
                chosen=Stability(**known["chosen"]),
                threshold=known["threshold"],
                space=known.get("space", "pixels"),
                curve=tuple(Stability(**point) for point in known["curve"]),
            )
        # Earlier versions wrote the arrays by the candidates' names.
        by_number = {f"values.{entry['name']}" for entry in facts["candidates"]}.isdisjoint(arrays)
        candidates, categorical = (
            tuple(
                Candidate(
                    **{**entry, "explained_by": tuple(entry["explained_by"])},
                    values=arrays[f"{prefix}.{number if by_number else entry['name']}"],
                )
                for number, entry in enumerate(facts[key])
            )
            for prefix, key in (("values", "candidates"), ("categorical", "categorical"))
        )
        return cls(categories, candidates, facts["images"], categorical)


def _facts_of(candidate: Candidate) -> dict[str, Any]:
    """Return everything but the values of a candidate, as JSON."""
    return {key: value for key, value in asdict(candidate).items() if key != "values"}


def codes_of(anchors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> dict[str, AnyCode]:
    """Return one code for each anchor: a categorical, uniform or periodic one.

    Categories have the probabilities with which they occur in the images.

    Args:
        anchors: from `Learned.anchors`.
        facts: from `Learned.facts`.
    """
    kinds = {entry["name"]: entry["kind"] for entry in facts["candidates"]}
    codes: dict[str, AnyCode] = {}
    if CATEGORY in anchors:
        shares = np.maximum(anchors[CATEGORY].double().mean(0).numpy(), _LEAST_PROBABILITY)
        codes[CATEGORY] = Categorical(len(shares), probabilities=tuple((shares / shares.sum()).tolist()))
    for name, kind in kinds.items():
        codes[name] = (Periodic if kind == "circle" else Uniform)(info_weight=CONTINUOUS_WEIGHT)
    return codes


def learn(  # noqa: PLR0913 - the images, what is known of them, and what to search
    images: UInt8[np.ndarray, "n h w c"],
    *,
    features: Float[np.ndarray, "n f"] | None = None,
    categories: int | None = None,
    candidates: Sequence[Candidate] | None = None,
    within: bool = False,
    metrics: Sequence[Metric] = METRICS,
    search: Search = "exact",
    seed: int = 0,
    progress: Callable[[str], None] = lambda _: None,
) -> Learned:
    """Learn from images what codes they offer.

    Args:
        images: uint8, 0..255.
        features: learned features. Categories are searched for in these, or in these and principal components
            of the pixels together, whichever are more stable. None: in the pixels, which needs no training.
        categories: the number of categories, which are then kept even if they are not stable; None: chosen
            by stability; 0: no categories.
        candidates: known continuous candidates of these images; None: search for them.
        within: also search for coordinates within the categories, see `shared_coordinates`.
        metrics: as in `candidates.find`.
        search: how the neighbours of more than 50,000 images are found; see `neighbours.nearest`.
        seed: random seed.
        progress: called with a message when a part begins.

    Raises:
        UsageError: an index is needed, and faiss is not installed.
    """
    unique, _ = unique_images(images)
    if len(unique) < FEWEST:
        return Learned(None, (), len(images))
    if candidates is None:
        candidates = find(images, seed=seed, metrics=metrics, progress=progress)
    candidates = numbered(candidates)  # known ones may come from two lists, each with a number 1
    if categories == 0:
        return Learned(None, tuple(candidates), len(images))
    spaces = _spaces(images, unique, features)
    space = _chosen(spaces, seed, categories, progress)
    sources: tuple[Source, ...] = ("communities",) if features is None else ("heads", "communities")
    found = category_search(
        spaces[space],
        seed=seed,
        categories=categories,
        sources=sources,
        compared=len(spaces),
        search=search,
        after_step=progress,
    )
    if found is None:
        return Learned(None, tuple(candidates), len(images))
    fixed = categories is not None
    learned = _combined(replace(found, space=space), candidates, spaces[space], fixed=fixed)
    if not within or learned.categories is None:
        return learned
    progress("searching for coordinates within the categories")
    return with_shared(learned, images, seed=seed, fixed=fixed, progress=progress)


def _spaces(
    images: UInt8[np.ndarray, "n h w c"],
    unique: Int64[np.ndarray, " u"],
    features: Float[np.ndarray, "n f"] | None,
) -> dict[str, Float[np.ndarray, "n d"]]:
    """Return the spaces in which categories may be searched for, by name."""
    components = PrincipalComponents(images[unique]).scores(images).values
    if features is None:
        return {"pixels": components}
    both = side_by_side(components, features)
    # Not the pixels alone: what is most stable there may be slices of the brightness.
    return {"features": features, "pixels and features": both}


def _chosen(
    spaces: Mapping[str, Float[np.ndarray, "n _"]],
    seed: int,
    categories: int | None,
    progress: Callable[[str], None],
) -> str:
    """Return the name of the space with the most stable clusters."""
    if len(spaces) == 1:
        return next(iter(spaces))
    space = steadiest(spaces, seed=seed, categories=categories)
    progress(f"searching for categories in {space}")
    return space


def _combined(
    found: Categories, candidates: Sequence[Candidate], points: Float[np.ndarray, "n f"], *, fixed: bool
) -> Learned:
    """Return categories and candidates without redundant ones.

    A candidate that the categories predict is dropped, unless images lie along it without gaps: then it is a
    line, and categories that lines predict are slices of them, which are dropped unless their number is
    `fixed`.
    """
    rows = np.sort(np.random.default_rng(0).permutation(len(points))[:_GRAPH])
    indices, labels = nearest(np.asarray(points[rows], np.float32)).indices, found.labels
    kept: list[Candidate] = []
    categorical: list[Candidate] = []
    for candidate in candidates:
        line = candidate.coordinate
        predicted = explained_by_categories(line, labels) > _PREDICTED
        gaps = predicted and has_gaps(replace(line, values=line.values[rows]), labels[rows], indices)
        (categorical if gaps else kept).append(candidate)
    lines = [candidate.coordinate for candidate in kept]
    if not fixed and are_slices(lines, labels, points):
        return Learned(None, tuple(candidates), len(points))
    return Learned(found, tuple(numbered(kept)), len(points), tuple(categorical))


def with_shared(
    learned: Learned,
    images: UInt8[np.ndarray, "n h w c"],
    *,
    seed: int = 0,
    fixed: bool = False,
    progress: Callable[[str], None] = lambda _: None,
) -> Learned:
    """Return what was learned with the coordinates that categories share.

    Lines and circles that categories predict in large part become no code, since they could not be set
    independently; what lines are within categories may be shared. Candidates that the shared coordinates
    predict are dropped, too.

    Args:
        learned: with categories.
        images: uint8, all of them.
        seed: as in `shared_coordinates`.
        fixed: the number of categories was given, so they may be slices of a line, which is then kept.
        progress: called with a message about the candidates that are dropped.
    """
    assert learned.categories is not None
    unique, inverse = unique_images(images)
    labels = learned.categories.labels[unique]
    coordinates = {one.name: replace(one.coordinate, values=one.values[unique]) for one in learned.candidates}
    predicted = {name: explained_by_categories(one, labels) for name, one in coordinates.items()}
    sliced = {name for name, share in predicted.items() if fixed and share > _PREDICTED}
    mixed = [name for name, share in predicted.items() if share > _MIXED and name not in sliced]
    lines = {name: one for name, one in coordinates.items() if not one.circle}
    ranks = {name: Coordinate(ranks_within(line.values, labels)) for name, line in lines.items()}
    known = [lines[name] for name in mixed if name in lines]
    shared = shared_coordinates(images[unique], labels, known, seed=seed)
    stay = [one for name, one in coordinates.items() if one.circle and name not in mixed]
    stay += [one for name, one in ranks.items() if name in sliced]
    shared = [one for one in shared if not stay or unpredicted_share(stay, one.coordinate) > NEW]
    found = [one.coordinate for one in shared]
    similar = [name for name, one in ranks.items() if found and unpredicted_share(found, one) < NEW]
    dropped = {*mixed, *similar} - sliced
    if dropped:
        progress(f"predicted by categories and coordinates within them: {', '.join(sorted(dropped))}")
    return _replaced(learned, dropped, [_shared_candidate(one, inverse) for one in shared])


def _replaced(learned: Learned, dropped: Collection[str], new: Sequence[Candidate]) -> Learned:
    """Return what was learned without some candidates, by name, and with new ones before the components."""
    kept = [candidate for candidate in learned.candidates if candidate.name not in dropped]
    before = [candidate for candidate in kept if candidate.kind != "component"]
    components = [candidate for candidate in kept if candidate.kind == "component"]
    categorical = [candidate for candidate in learned.candidates if candidate.name in dropped]
    return replace(
        learned,
        candidates=tuple(numbered([*before, *new, *components])),
        categorical=(*learned.categorical, *categorical),
    )


def _shared_candidate(found: Shared, inverse: Int64[np.ndarray, " n"]) -> Candidate:
    """Return a shared coordinate of the distinct images as a candidate of all images."""
    values = found.coordinate.values[inverse]
    source = "coordinate within the categories"
    return Candidate("within", "within", source, values, found.stability, found.threshold, found.explained_by)
