"""The page of a discovery: one HTML file without scripts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

import jinja2
from markupsafe import Markup
from PIL import Image

from infogan.reporting.charts import line_chart
from infogan.reporting.html import data_url, style

FILE_NAME = "report.html"


@dataclass(frozen=True)
class DiscoveryPage:
    """Everything that the page of a discovery shows.

    Attributes:
        title: name of the discovery.
        stage: "first", "features", "generator" or "nothing".
        result: the content of discovery.json.
        audit: lines on the images.
        categories: typical images of each category.
        strips: real images along each candidate, by name.
        traversals: generated images along each code, by name.
        samples: generated images.
        none: real images of no category.
        tree: merges of categories, as sentences.
    """

    title: str
    stage: str
    result: Mapping[str, Any]
    audit: Sequence[str] = ()
    categories: Image.Image | None = None
    strips: Mapping[str, Image.Image] = field(default_factory=dict)
    traversals: Mapping[str, Image.Image] = field(default_factory=dict)
    samples: Image.Image | None = None
    none: Image.Image | None = None
    tree: Sequence[str] = ()


def render(page: DiscoveryPage) -> str:
    """Return the page as an HTML document."""
    source = resources.files("infogan.reporting").joinpath("discovery.html").read_text(encoding="utf-8")
    template = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    template.filters["picture"] = data_url
    return template.from_string(source).render(
        page=page, result=page.result, found=page.result["found"], chart=_chart(page.result), style=style()
    )


def _chart(result: Mapping[str, Any]) -> Markup | None:
    """Return the stability of each method by number of categories; line_chart escapes its texts."""
    if not result["categories"]:
        return None
    curves: dict[str, tuple[list[float], list[float]]] = {}
    for point in result["categories"]["curve"]:
        x, y = curves.setdefault(point["source"], ([], []))
        x.append(point["categories"])
        y.append(point["agreement"])
    return Markup(line_chart(curves, x_label="categories", y_label="agreement on a third part"))
