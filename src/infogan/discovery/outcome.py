"""The outcome of a discovery: discovery.json, codes.csv, the page, and the text that the command prints."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Int64, UInt8
from PIL import Image

from infogan import storage
from infogan.discovery.state import RESULT
from infogan.model import InfoGAN
from infogan.reporting import discovery_page, pictures
from infogan.reporting.traversals import traversal_picture
from infogan.representation.learning import CATEGORY, Learned

Stage = Literal["first", "features", "generator", "nothing"]

_SHOWN_CATEGORIES, _PER_CATEGORY, _ROWS, _COLUMNS = 30, 10, 3, 10
_SHOWN_WITHIN = 6  # categories in the picture of a coordinate within categories


@dataclass(frozen=True)
class Shown:
    """The generator whose images a page shows.

    Attributes:
        run: its run directory.
        model: its model.
        scores: from `evaluation.evaluate`.
    """

    run: Path
    model: InfoGAN
    scores: Mapping[str, Any]


@dataclass(frozen=True)
class Outcome:
    """The results of a discovery after one of its phases.

    Attributes:
        learned: categories and candidates of the real images.
        verdicts: figures and verdict of each, by the code's name.
        images: the training images, uint8 [N, H, W, C].
        audit: lines on the images.
        stage: "first", without training; "features", with learned features; "generator", the end; "nothing",
            the end if no factor was found.
        minutes: the budget.
        minutes_spent: so far.
        shown: the generator, if there is one.
    """

    learned: Learned
    verdicts: Mapping[str, Mapping[str, Any]]
    images: UInt8[np.ndarray, "n h w c"]
    audit: Sequence[str]
    stage: Stage
    minutes: float
    minutes_spent: float
    shown: Shown | None = None

    def result(self) -> dict[str, Any]:
        """Return the content of discovery.json."""
        facts = self.learned.facts()
        return {
            "images": len(self.images),
            "stage": self.stage,
            "found": self.verdicts,
            "categories": facts.get("categories"),
            "none_of_these": 0 if (found := self.learned.categories) is None else int(found.none.sum()),
            "run": None if self.shown is None else str(self.shown.run),
            "scores": {} if self.shown is None else self.shown.scores,
            "minutes": self.minutes,
            "minutes_spent": self.minutes_spent,
        }

    def write(self, folder: Path) -> dict[str, Any]:
        """Write report.html, and after the last phase discovery.json; return the latter's content."""
        result, model = self.result(), None if self.shown is None else self.shown.model
        page = discovery_page.DiscoveryPage(
            title=folder.resolve().name,
            stage=self.stage,
            result=result,
            audit=self.audit,
            categories=self._category_picture(),
            strips=self._strips(),
            traversals={} if model is None else _traversals(model),
            samples=None if model is None else pictures.sample_grid(model.sample(36, seed=0)),
            none=self._none_picture(),
            tree=self._tree(),
        )
        storage.write_text(folder / discovery_page.FILE_NAME, discovery_page.render(page))
        if self.stage in ("generator", "nothing"):
            storage.write_text(folder / RESULT, json.dumps(result, indent=2, allow_nan=False) + "\n")
        return result

    def _category_picture(self) -> Image.Image | None:
        """Return typical images of each category, the largest category first, one per row."""
        found = self.learned.categories
        if found is None:
            return None
        counts = np.bincount(found.labels, minlength=found.probabilities.shape[1])
        rows = []
        for category in np.argsort(-counts, kind="stable")[:_SHOWN_CATEGORIES]:
            members = np.flatnonzero((found.labels == category) & ~found.none)
            if not len(members):
                members = np.flatnonzero(found.labels == category)
            best = members[np.argsort(-found.probabilities[members, category], kind="stable")]
            rows.append(np.resize(best, _PER_CATEGORY))
        grid = self.images[np.stack(rows)]
        return pictures.traversal_picture(
            grid, name="typical images", values=[""] * _PER_CATEGORY, row_label="one category per row"
        )

    def _strips(self) -> dict[str, Image.Image]:
        """Return real images along each candidate: the values increase from left to right.

        Each row of a coordinate within categories shows one of the largest categories.
        """
        strips = {}
        for candidate in self.learned.candidates:
            if candidate.kind == "within":
                rows = np.stack(
                    [_spread(candidate.values, members) for members in self._largest_categories()]
                )
                label = "one category per row"
            else:
                offsets = range(-(_ROWS // 2), _ROWS - _ROWS // 2)
                everything = np.arange(len(candidate.values))
                rows = np.stack([_spread(candidate.values, everything, offset) for offset in offsets])
                label = "real images"
            strips[candidate.name] = pictures.traversal_picture(
                self.images[rows], name=candidate.name, values=[""] * _COLUMNS, row_label=label
            )
        return strips

    def _largest_categories(self) -> list[Int64[np.ndarray, " m"]]:
        """Return the images of the largest categories, the largest first."""
        assert self.learned.categories is not None
        labels = self.learned.categories.labels
        counts = np.bincount(labels)
        return [np.flatnonzero(labels == c) for c in np.argsort(-counts, kind="stable")[:_SHOWN_WITHIN]]

    def _none_picture(self) -> Image.Image | None:
        """Return images that belong to no category, evenly chosen; None if there are none."""
        found = self.learned.categories
        none = np.flatnonzero(found.none) if found is not None else np.array([], int)
        if not len(none):
            return None
        count = min(len(none), _PER_CATEGORY * _ROWS)
        return pictures.sample_grid(self.images[none[np.linspace(0, len(none) - 1, count).astype(int)]])

    def _tree(self) -> list[str]:
        """Return the merges of categories into 2 or more as sentences, the least costly first."""
        found = self.learned.categories
        if found is None:
            return []
        counts = np.bincount(found.labels, minlength=found.probabilities.shape[1])
        row = {category: n + 1 for n, category in enumerate(np.argsort(-counts, kind="stable").tolist())}
        names = {category: f"{row[category]}" for category in row}
        lines = []
        for number, (left, right, lost, _) in enumerate(found.tree[:-1]):
            first, second = names[int(left)], names[int(right)]
            names[len(row) + number] = f"({first} + {second})"
            lines.append(
                f"{len(row) - 1 - number} categories: merge {first} and {second} ({lost:.2f} nats lost)"
            )
        return lines


def _spread(
    values: Float[np.ndarray, " n"], members: Int64[np.ndarray, " m"], offset: int = 0
) -> Int64[np.ndarray, " columns"]:
    """Return some of the images, evenly spread over the ranks of their values and moved by `offset` ranks."""
    order = members[np.argsort(values[members], kind="stable")]
    places = ((np.arange(_COLUMNS) + 0.5) / _COLUMNS * len(order)).astype(int)
    return np.asarray(order[np.clip(places + offset, 0, len(order) - 1)])


def _traversals(model: InfoGAN) -> dict[str, Image.Image]:
    return {name: traversal_picture(model, name, rows=4) for name in model.latents.priors}


def summary(result: Mapping[str, Any]) -> str:
    """Return the text that `infogan discover` prints at its end."""
    spent = f"{result['minutes_spent']:.1f} of {result['minutes']:g} minutes"
    if not result["found"]:
        return (
            f"no factor found in {result['images']:,} images ({spent}): nothing is reproduced on disjoint "
            "parts of the images. More images may help."
        )
    lines = [f"found in {result['images']:,} images ({spent}):"]
    for name, entry in result["found"].items():
        count = f", {entry['categories']} categories" if name == CATEGORY else ""
        lines.append(f"  {name}{count}: stability {entry['stability']:.2f}; {entry['verdict']}")
    if result["run"] is not None:
        lines.append(f"generator: {result['run']}")
    return "\n".join(lines)
