"""The report of a run: one HTML file that opens anywhere, without a network and without scripts."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

import jinja2
from markupsafe import Markup
from PIL import Image

from infogan.report.charts import line_chart
from infogan.report.tables import probe_means, verdict_text

TITLES = {
    "clustering": "Categories and classes",
    "real": "Kept between an image and its moved copy",
    "factors": "True factors, each by its code",
    "agreement": "Every code and every true factor",
    "disentanglement": "Codes as true factors",
    "variance": "What varies within categories",
    "fidelity": "Generated images beside real ones",
    "context": "Where in the picture categories make their change",
}
"""Titles of parts of evaluation.json that their key does not say well."""

_APART = ("codes", "baselines")  # they have places of their own on the page
_MANY_ROWS = 12
_VISIBLE, _SURE = 0.01, 0.3  # of what varies, and of a real image: what a code needs to be built on


@dataclass(frozen=True)
class Cluster:
    """Real images of one category of a code.

    Attributes:
        name: of the code and the category.
        share: of all images.
        typical: those that Q is surest of.
        doubtful: those of the category that it is least sure of; None where all are among the others.
    """

    name: str
    share: float
    typical: Image.Image
    doubtful: Image.Image | None


@dataclass(frozen=True)
class Material:
    """What a report is made of.

    Attributes:
        title: of the page: the run's name.
        scores: evaluation.json.
        lines: of metrics.jsonl.
        warnings: what health says now, in words.
        health: one line where it warns of nothing.
        seeds: of how many seeds this is the best; 1 where it is the only one.
        images: what they are called, where that is more than the name of the data set.
        found: by code in how many of several runs it was found; None where nobody looked.
        runs: how many these are.
        labelled: whether the images have classes that categories could be held against.
        traversals: a picture of each code.
        samples: generated images.
        clusters: of the first categorical code, where there is one.
        left_out: how many of its categories are not among them.
        shown: of how many real images the clusters are.
        trained_on: how many of these were trained on.
        configuration: as TOML.
        environment: of the training.
        commands: how to repeat it.
    """

    title: str
    scores: Mapping[str, Any]
    lines: Sequence[Mapping[str, Any]]
    warnings: Sequence[str]
    traversals: Mapping[str, Image.Image]
    samples: Image.Image
    clusters: Sequence[Cluster] = ()
    images: str = ""
    left_out: int = 0
    shown: int = 0
    trained_on: int = 0
    health: str = ""
    seeds: int = 1
    found: Mapping[str, int] | None = None
    runs: int = 1
    labelled: bool = False
    configuration: str = ""
    environment: Mapping[str, Any] = field(default_factory=dict)
    commands: Sequence[str] = ()


def render(material: Material) -> str:
    """The page."""
    source = resources.files("infogan.report").joinpath("report.html").read_text(encoding="utf-8")
    page = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    page.filters["picture"] = _inline
    scores = material.scores
    return page.from_string(source).render(
        material=material,
        scores=scores,
        codes=[_code(name, code) for name, code in scores["codes"].items()],
        trust=list(_trust(material)),
        tables=list(_tables(scores)),
        probes=list(_probes(scores)),
        charts=[Markup(chart) for chart in _charts(material.lines) if chart],  # escaped by line_chart
    )


def _inline(image: Image.Image) -> str:
    """A picture as the address of an <img>."""
    held = io.BytesIO()
    image.save(held, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(held.getvalue()).decode()


# --- codes -----------------------------------------------------------------------------------------------


def _code(name: str, code: Mapping[str, Any]) -> dict[str, Any]:
    nats = f"{code['mutual_information_nats']:.2f}"
    if "std" not in code:
        nats += f" of {code['entropy_nats']:.2f}"
    facts = [f"{nats} nats are read back from generated images"]
    if "r2_fake" in code:
        facts.append(f"R² {code['r2_fake']:.2f}, std {code['std']:.2f}")
    if "monotonicity" in code:
        facts.append(f"{code['monotonicity']:.0%} steady from end to end")
    if "certainty" in code:
        facts.append(f"{code['certainty']:.0%} sure on real images")
    return {
        "name": name,
        "kind": code["kind"],
        "verdict": code.get("verdict", "not judged"),
        "words": verdict_text(code).partition(": ")[2] if "verdict" in code else "",
        "facts": facts,
    }


# --- what to trust ---------------------------------------------------------------------------------------


def _trust(material: Material) -> Iterator[tuple[bool, str]]:
    """Sentences on what the page shows, each with whether it may be built on."""
    if material.found is not None and not material.found:
        yield (
            False,
            (
                f"Nothing was found: no code that can be seen was found by two of {material.runs} runs. "
                "There may be nothing; or more images, or more time, may show something."
            ),
        )
    yield from _trust_in_codes(material.scores["codes"], material)
    yield from _trust_in_figures(material.scores, material.labelled)
    for text in material.warnings:
        yield False, text
    if material.found is not None:
        yield (
            bool(material.found),
            (f"{material.runs} runs were held beside each other, and this one was chosen without labels."),
        )
    elif material.seeds > 1:
        yield True, f"It was chosen out of {material.seeds} seeds, without labels."
    else:
        yield (
            False,
            (
                "This is one run. Another seed may find other codes: what several runs find can be trusted "
                "more. "
                "infogan select holds runs beside each other, and --seeds 4 trains four and keeps the best."
            ),
        )
    yield (
        False,
        (
            "A bound in nats says that a code can be read, not that it means anything; the pictures and the "
            "verdicts do. No label was used in training; where there are any, they only measure."
        ),
    )


def _trust_in_codes(codes: Mapping[str, Mapping[str, Any]], material: Material) -> Iterator[tuple[bool, str]]:
    by_word: dict[str, list[str]] = {}
    for name, code in codes.items():
        word = code.get("verdict", "")
        if word == "used" and code["effect"] < _VISIBLE:
            word = "faint"
        elif word == "used" and code.get("certainty", 1.0) < _SURE:
            word = "unsure"
        elif word == "used" and material.found is not None and name not in material.found:
            word = "alone"
        by_word.setdefault(word, []).append(name)
    if "used" in by_word:
        yield True, f"{_listed(by_word['used'])}: to be seen in generated images, and read back from them."
    if "alone" in by_word:
        yield (
            False,
            (
                f"{_listed(by_word['alone'])}: found by this run and none of the {material.runs - 1} others. "
                "Do not count it as found."
            ),
        )
    if "faint" in by_word:
        yield False, f"{_listed(by_word['faint'])}: read back, but hardly anything is to be seen of it."
    if "unsure" in by_word:
        yield (
            False,
            f"{_listed(by_word['unsure'])}: seen in generated images, but hardly read from real ones.",
        )
    for word in ("dead", "hidden", "duplicate", "entangled"):
        if word in by_word:
            yield False, f"{_listed(by_word[word])}: {word}. Do not name it, and do not count it as found."


def _trust_in_figures(scores: Mapping[str, Any], labelled: bool) -> Iterator[tuple[bool, str]]:
    baselines = scores.get("baselines", {})
    real = baselines.get("real", {}).get("fidelity", {}).get("precision")
    own = scores.get("fidelity", {}).get("precision")
    if real is not None and own is not None and own < real / 2:
        yield (
            False,
            (
                f"Generated images are not like real ones yet (precision {own:.2f}, other real images "
                f"{real:.2f}): "
                "what codes do in them may mean little."
            ),
        )
    if "clustering" in scores:
        accuracy = scores["clustering"]["accuracy"]
        kmeans = baselines.get("kmeans", {}).get("clustering", {}).get("accuracy")
        if kmeans is not None:
            better = scores["clustering"]["accuracy_interval"][0] > kmeans
            yield (
                better,
                f"Categories are classes in {accuracy:.1%} of images; k-means on pixels: {kmeans:.1%}.",
            )
    elif labelled:
        yield (
            False,
            "Categories were not held against the images' classes here: infogan evaluate RUN does it.",
        )
    elif any(code["kind"] == "categorical" for code in scores["codes"].values()):
        yield False, "There were no classes to hold categories against: what they mean is for you to see."


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


# --- figures ---------------------------------------------------------------------------------------------


def _tables(scores: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Every figure of the sections that has an interval, with the same of the baselines."""
    baselines = scores.get("baselines", {})
    for section, part in scores.items():
        if section in _APART or not isinstance(part, Mapping):
            continue
        rows: list[tuple[str, str, str, dict[str, str]]] = []
        for path, value, (low, high) in _figures(part, ()):
            beside = {name: _at(one.get(section, {}), path) for name, one in baselines.items()}
            rows.append(
                (" ".join(path).replace("_", " "), f"{value:.3f}", f"{low:.3f} to {high:.3f}", beside)
            )
        if rows:
            names = [name for name in baselines if any(beside[name] for *_, beside in rows)]
            title = TITLES.get(section, section.capitalize())
            yield {"title": title, "rows": rows, "baselines": names, "folded": len(rows) > _MANY_ROWS}


def _probes(scores: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Few labels: a table of means over draws, and the same as curves."""
    for what, found in probe_means(scores).items():
        names = list(next(iter(found.values())))
        known = [labels for labels in found if labels.isdigit()]
        curves = {
            name: ([math.log10(int(labels)) for labels in known], [found[labels][name] for labels in known])
            for name in names
        }
        yield {
            "title": what,
            "names": names,
            "rows": {labels: [f"{means[name]:.3f}" for name in names] for labels, means in found.items()},
            "chart": Markup(line_chart(curves, x_label="labels, powers of ten", y_label=what)),
        }


def _figures(part: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], float, Sequence[float]]]:
    for key, value in part.items():
        if isinstance(value, Mapping):
            yield from _figures(value, (*path, key))
        elif f"{key}_interval" in part:
            yield (*path, key), value, part[f"{key}_interval"]


def _at(part: Mapping[str, Any], path: Sequence[str]) -> str:
    """The figure at a place, or nothing where it has none."""
    found: Any = part
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    return "" if found is None else f"{found:.3f}"


def _charts(lines: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    steps = [line["step"] for line in lines]

    def chart(section: str, label: str) -> str:
        names = list(dict.fromkeys(name for line in lines for name in line.get(section, {})))
        series = {
            name: (steps, [line.get(section, {}).get(name, float("nan")) for line in lines]) for name in names
        }
        return line_chart(series, x_label="step", y_label=label)

    yield chart("mutual_information", "bound on the information of each code, nats")
    yield chart("loss", "losses, nats")
    yield chart("scores", "what D says of real and generated images, 0 to 1")
