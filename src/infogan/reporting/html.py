"""The HTML report of a run: one file without scripts, readable offline in any browser."""

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

from infogan.reporting.charts import Curve, line_chart
from infogan.reporting.tables import metric_name, probe_means, scores_with_interval, value_at, verdict_text
from infogan.runs.code_names import CodeNames

TITLES = {
    "clustering": "Categories compared with labelled classes",
    "real": "Information between the codes of a real image and of its augmented view",
    "factors": "True factors, each with its best code",
    "agreement": "All codes compared with all true factors",
    "disentanglement": "Disentanglement",
    "variance": "Variance within categories",
    "fidelity": "Generated images compared with real images",
    "context": "Where categories change the image",
}
"""Titles of the sections of evaluation.json whose keys are not suitable as titles."""

_SEPARATE = ("codes", "baselines")  # sections that have no table
_MAX_OPEN_ROWS = 12  # longer tables are collapsed
_VISIBLE = 0.01  # smallest share of the variance of generated images that counts as visible
_CERTAIN = 0.3  # smallest certainty on real images that counts as reliable


@dataclass(frozen=True)
class Cluster:
    """Real images of one category of a code.

    Attributes:
        name: name of the code, and the category.
        share: share of all images that belong to the category.
        typical: the images with the highest probability of the category.
        doubtful: the images with the lowest probability; None if all images are among the typical ones.
    """

    name: str
    share: float
    typical: Image.Image
    doubtful: Image.Image | None


@dataclass(frozen=True)
class Contents:
    """Everything that a report shows.

    Attributes:
        title: the name of the run.
        scores: the contents of evaluation.json.
        lines: the lines of metrics.jsonl.
        warnings: messages of the active training warnings.
        traversals: a picture for each code.
        samples: generated images.
        clusters: real images by category of the first categorical code, if there is one.
        images: description of the data, if it differs from the name of the data set.
        audit: lines about a user's own images.
        hidden_clusters: number of categories that are empty or not shown.
        clustered: number of real images from which those of the clusters were chosen.
        clustered_train: number of training images among them.
        health: a line of text if there is no warning.
        seeds: number of seeds from which this run was selected.
        found: number of runs that found each code, by name; None if runs were not compared.
        runs: number of runs that were compared.
        labelled: True if the images have class labels.
        configuration: as TOML.
        environment: of the training.
        commands: commands that reproduce the run.
        names: names and descriptions that the user gave to the codes; None: none.
    """

    title: str
    scores: Mapping[str, Any]
    lines: Sequence[Mapping[str, Any]]
    warnings: Sequence[str]
    traversals: Mapping[str, Image.Image]
    samples: Image.Image
    clusters: Sequence[Cluster] = ()
    images: str = ""
    audit: Sequence[str] = ()
    hidden_clusters: int = 0
    clustered: int = 0
    clustered_train: int = 0
    health: str = ""
    seeds: int = 1
    found: Mapping[str, int] | None = None
    runs: int = 1
    labelled: bool = False
    configuration: str = ""
    environment: Mapping[str, Any] = field(default_factory=dict)
    commands: Sequence[str] = ()
    names: CodeNames | None = None


def render(contents: Contents) -> str:
    """Return the report as an HTML document."""
    source = resources.files("infogan.reporting").joinpath("report.html").read_text(encoding="utf-8")
    page = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    page.filters["picture"] = data_url
    page.filters["metric"] = metric_name
    scores = contents.scores
    return page.from_string(source).render(
        contents=contents,
        scores=scores,
        codes=[_code(name, code, contents.names) for name, code in scores["codes"].items()],
        trust=list(_trust(contents)),
        tables=list(_tables(scores)),
        probes=list(_probes(scores)),
        charts=[Markup(chart) for chart in _charts(contents.lines) if chart],  # escaped by line_chart
    )


def style() -> Markup:
    """Return the style sheet that all pages share."""
    source = resources.files("infogan.reporting").joinpath("report.html").read_text(encoding="utf-8")
    css = source[source.index("<style>") + len("<style>") : source.index("</style>")]
    return Markup(jinja2.Environment(trim_blocks=True).from_string(css).render())


def data_url(image: Image.Image) -> str:
    """Return a picture as the URL of a PNG file, for an HTML page without other files."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


# --- codes -----------------------------------------------------------------------------------------------


def _code(name: str, code: Mapping[str, Any], names: CodeNames | None) -> dict[str, Any]:
    nats = f"{code['mutual_information_nats']:.2f}"
    if "std" not in code:
        nats += f" of {code['entropy_nats']:.2f}"
    facts = [f"{nats} nats of information in generated images"]
    if "r2_fake" in code:
        facts.append(f"R² {code['r2_fake']:.2f}, std {code['std']:.2f}")
    if "monotonicity" in code:
        facts.append(f"{code['monotonicity']:.0%} monotonic over its range")
    if "certainty" in code:
        facts.append(f"{code['certainty']:.0%} certainty on real images")
    explanation = verdict_text(code).partition(": ")[2] if "verdict" in code else ""
    return {
        "name": name,
        "title": name if names is None else names.titled(name),
        "description": "" if names is None else names.note(name).description,
        "kind": code["kind"],
        "verdict": code.get("verdict", "no verdict"),
        "words": explanation[:1].upper() + explanation[1:],
        "facts": facts,
    }


# --- which results to trust ------------------------------------------------------------------------------


def _trust(contents: Contents) -> Iterator[tuple[bool, str]]:
    """Yield sentences about the results.

    True means that a sentence is a reason to trust them, False a warning.
    """
    found = contents.found
    if found is not None and not found:
        yield (
            False,
            f"No factor found: no code with a visible effect was found by two of {contents.runs} runs. The "
            "images may have no factors. More images or more time may help.",
        )
    yield from _trust_in_codes(contents)
    yield from _trust_in_images(contents.scores)
    yield from _trust_in_categories(contents)
    yield from ((False, text) for text in contents.warnings)
    if found is not None:
        yield bool(found), f"This run was selected from {contents.runs} runs, without labels."
    elif contents.seeds > 1:
        yield True, f"This run was selected from {contents.seeds} seeds, without labels."
    else:
        yield (
            False,
            "This is a single run, and the codes may differ with another seed. Codes that several runs find "
            "are "
            "more reliable: train with --seeds 4, or compare runs with infogan select.",
        )
    yield (
        False,
        "The information in nats shows that a code can be predicted from generated images. It does not show "
        "what the code means: look at the pictures for this. Labels are used for evaluation only.",
    )


_CODE_GROUPS = {
    "used": "visible in generated images and predictable from them.",
    "single": "found in this run, but in none of the {others} other runs; do not interpret as a factor.",
    "faint": "predictable from generated images, but with almost no visible effect.",
    "uncertain": "visible in generated images, but predicted from real images with low certainty.",
    **{
        verdict: f"{verdict}; do not interpret as a factor."
        for verdict in ("dead", "hidden", "duplicate", "entangled")
    },
}


def _trust_in_codes(contents: Contents) -> Iterator[tuple[bool, str]]:
    groups: dict[str, list[str]] = {}
    for name, code in contents.scores["codes"].items():
        group = code.get("verdict", "")
        if group == "used" and code["effect"] < _VISIBLE:
            group = "faint"
        elif group == "used" and code.get("certainty", 1.0) < _CERTAIN:
            group = "uncertain"
        elif group == "used" and contents.found is not None and name not in contents.found:
            group = "single"
        groups.setdefault(group, []).append(name)
    for group, text in _CODE_GROUPS.items():
        if group in groups:
            names = " and ".join(filter(None, [", ".join(groups[group][:-1]), groups[group][-1]]))
            yield group == "used", f"{names}: {text.format(others=contents.runs - 1)}"


def _trust_in_images(scores: Mapping[str, Any]) -> Iterator[tuple[bool, str]]:
    real = value_at(scores, ("baselines", "real", "fidelity", "precision"))
    own = value_at(scores, ("fidelity", "precision"))
    if real is not None and own is not None and own < real / 2:
        yield (
            False,
            f"Generated images do not resemble real images yet (precision {own:.2f}, compared with "
            f"{real:.2f} for "
            "other real images). Do not draw conclusions from the effect of codes on them.",
        )


def _trust_in_categories(contents: Contents) -> Iterator[tuple[bool, str]]:
    scores = contents.scores
    if "clustering" in scores:
        accuracy, (low, _) = scores["clustering"]["accuracy"], scores["clustering"]["accuracy_interval"]
        kmeans = value_at(scores, ("baselines", "kmeans", "clustering", "accuracy"))
        if kmeans is not None:
            yield (
                low > kmeans,
                f"The categories match the labelled classes for {accuracy:.1%} of the images, compared with "
                f"{kmeans:.1%} for k-means on pixels.",
            )
    elif contents.labelled:
        yield (False, "The categories were not compared with the labelled classes: run infogan evaluate RUN.")
    elif any(code["kind"] == "categorical" for code in scores["codes"].values()):
        yield False, "The images have no labelled classes. Look at the images of each category."


# --- tables and charts -----------------------------------------------------------------------------------


def _tables(scores: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a table for each section, with the scores that have an interval and those of the baselines."""
    for section, part in scores.items():
        if section in _SEPARATE or not isinstance(part, Mapping):
            continue
        rows = []
        for path in scores_with_interval(part):
            low, high = value_at(part, (*path[:-1], f"{path[-1]}_interval"))
            baselines = {
                name: value_at(entry, (section, *path)) for name, entry in scores.get("baselines", {}).items()
            }
            rows.append(
                {
                    "metric": ": ".join(map(metric_name, path)),
                    "value": f"{value_at(part, path):.3f}",
                    "interval": f"{low:.3f} to {high:.3f}",
                    "baselines": {n: f"{value:.3f}" for n, value in baselines.items() if value is not None},
                }
            )
        if rows:
            yield {
                "title": TITLES.get(section, section.capitalize()),
                "rows": rows,
                "baselines": list(dict.fromkeys(name for row in rows for name in row["baselines"])),
                "folded": len(rows) > _MAX_OPEN_ROWS,
            }


def _probes(scores: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the mean probe scores by number of labels, as a table and as a chart."""
    for metric, by_labels in probe_means(scores).items():
        names = list(next(iter(by_labels.values())))
        counts = [labels for labels in by_labels if labels.isdigit()]
        xs = [math.log10(int(labels)) for labels in counts]
        curves = {name: (xs, [by_labels[labels][name] for labels in counts]) for name in names}
        yield {
            "title": metric,
            "names": names,
            "rows": {labels: [f"{means[name]:.3f}" for name in names] for labels, means in by_labels.items()},
            "chart": Markup(line_chart(curves, x_label="log10 of the number of labels", y_label=metric)),
        }


def _charts(lines: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    titles = {
        "mutual_information": "information of each code in nats (lower bound)",
        "loss": "losses in nats",
        "scores": "mean discriminator output for real and generated images, 0 to 1",
    }
    steps = [line["step"] for line in lines]
    for section, title in titles.items():
        names = dict.fromkeys(name for line in lines for name in line.get(section, {}))
        curves: dict[str, Curve] = {
            name: (steps, [line.get(section, {}).get(name, math.nan) for line in lines]) for name in names
        }
        yield line_chart(curves, x_label="step", y_label=title)
