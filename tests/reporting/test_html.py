"""The HTML report: one escaped file with a sentence for every verdict."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from infogan.reporting.charts import line_chart
from infogan.reporting.html import Cluster, Contents, render

ROOT = Path(__file__).resolve().parents[2]
PICTURE = Image.new("RGB", (12, 8), (200, 30, 30))


def scores() -> dict[str, Any]:
    rows = json.loads((ROOT / "docs" / "results" / "robust-mnist.json").read_text())["rows"]
    found: dict[str, Any] = next(row["scores"] for row in rows if row["steps"] == 5_000)
    words = {"digit": ("used", {}), "rotation": ("hidden", {}), "width": ("entangled", {"of": "rotation"})}
    for name, (word, more) in words.items():
        found["codes"][name] |= {"verdict": word, "effect": 0.2, "effect_interval": [0.1, 0.3]} | more
        found["codes"][name] |= {"survival": {"blur": 0.9, "rounding": 0.0}}
    return found


def page(**changed: Any) -> str:
    figures = changed.pop("scores", scores())
    lines = [
        {"step": step, "mutual_information": {"digit": step / 100}, "loss": {"generator": 1.0}, "scores": {}}
        for step in (20, 40, 60)
    ]
    parts: dict[str, Any] = {
        "title": "run-7", "scores": figures, "lines": lines, "warnings": ["noise-dead since step 40: ..."],
        "traversals": dict.fromkeys(figures["codes"], PICTURE), "samples": PICTURE,
        "clusters": [Cluster("digit = 3", 0.125, PICTURE, PICTURE)],
        "configuration": "preset = 'mnist'", "commands": ["infogan train mnist"],
    }  # fmt: skip
    return render(Contents(**parts | changed))


def test_the_page_loads_nothing_from_elsewhere() -> None:
    text = page()
    assert not re.search(r"""(src|href)=["'](?!data:image/png;base64,)""", text)
    assert "<script" not in text and "@import" not in text and "url(" not in text
    assert 'name="viewport"' in text and "prefers-color-scheme: dark" in text


def test_every_code_has_its_verdict_its_picture_and_its_nats() -> None:
    text, figures = page(), scores()
    for name, code in figures["codes"].items():
        assert f'alt="traversal of {name}"' in text
        assert f'{name} <span class="tag {code["verdict"]}">' in text
    assert f"{figures['codes']['digit']['mutual_information_nats']:.2f} of 2.30 nats" in text
    assert "do not survive rounding" in text and "Both codes change images in the same way" in text


def test_the_page_says_which_results_to_trust() -> None:
    text = page()
    trusted, doubted = (re.findall(f'<li class="{kind}">(.*?)</li>', text, re.S) for kind in ("yes", "no"))
    assert any(line.startswith("digit: visible") for line in trusted)
    assert any(line.startswith("rotation: hidden") for line in doubted)
    assert any("noise-dead" in line for line in doubted)
    faint, unsure = scores(), scores()
    faint["codes"]["digit"]["effect"] = 0.001
    unsure["codes"]["digit"]["certainty"] = 0.05
    grey = scores()
    grey["fidelity"]["precision"] = 0.0
    for figures, told in ((faint, "almost no visible effect"), (unsure, "low certainty"), (grey, "0.00")):
        assert any(
            told in line for line in re.findall('<li class="no">(.*?)</li>', page(scores=figures), re.S)
        )
    worse = scores()
    worse["baselines"]["kmeans"]["clustering"]["accuracy"] = 0.999
    doubted = re.findall('<li class="no">(.*?)</li>', page(scores=worse), re.S)
    assert any("99.9% for k-means on pixels" in line for line in doubted)


def test_metrics_have_intervals_and_baselines() -> None:
    text, figures = page(), scores()
    accuracy = figures["clustering"]["accuracy"]
    row = re.search(r"<tr><td>accuracy</td>(.*?)</tr>", text, re.S)
    assert row and f"{accuracy:.3f}" in row[1]
    assert f"{figures['clustering']['accuracy_interval'][1]:.3f}" in row[1]
    assert f"{figures['baselines']['kmeans']['clustering']['accuracy']:.3f}" in row[1]


def test_names_given_by_users_are_escaped() -> None:
    text = page(title="<b>mine</b>", commands=["infogan train '<x>'"], configuration="a = '<script>'")
    assert "<b>mine" not in text and "<script" not in text and "&lt;b&gt;mine" in text
    assert "<i>" not in line_chart({"<i>": ([0, 1], [0, 1])}, x_label="step", y_label="nats")


def test_every_section_with_intervals_is_on_the_page() -> None:
    odd = scores() | {"novel": {"figure": 0.5, "figure_interval": [0.4, 0.6]}}
    assert "<h3>Novel</h3>" in page(scores=odd) and "0.400 to 0.600" in page(scores=odd)
    many = {f"a{i}": {"auc": 0.5, "auc_interval": [0.4, 0.6]} for i in range(40)}
    assert "<summary>40 metrics</summary>" in page(scores=scores() | {"attributes": many})


def test_categories_without_doubtful_images_and_hidden_ones_are_reported() -> None:
    text = page(clusters=[Cluster("digit = 4", 0.01, PICTURE, None)], hidden_clusters=3)
    assert "digit = 4" in text and "doubtful images of digit = 4" not in text and "3 more categories" in text


@pytest.mark.parametrize("missing", ["clusters", "warnings", "commands"])
def test_a_page_without_a_part_is_still_a_page(missing: str) -> None:
    assert "</html>" in page(**{missing: ()})


def test_probes_are_a_table_and_a_chart() -> None:
    figures = scores() | {
        "probe": {
            "10": {"codes": [0.9, 0.8], "supervised": [0.4, 0.5]},
            "100": {"codes": [0.95], "supervised": [0.8]},
            "all": {"codes": [0.97], "supervised": [0.99]},
        },
        "probe_labels": 10_000,
    }
    text = page(scores=figures)
    assert '<tr><td>10</td><td class="number">0.850</td><td class="number">0.450</td></tr>' in text
    part = text[text.index("Classification with few labels") :]
    curves = re.findall(r'points="([^"]*)"', part[: part.index("<h2>Training")])
    assert [len(curve.split()) for curve in curves] == [2, 2]
    assert "Classification with few labels" not in page()


def test_a_search_without_a_factor_says_so_first_and_training_images_are_declared() -> None:
    assert "No factor found" not in page() and "No factor found" not in page(found={"digit": 2}, runs=3)
    text = page(found={}, runs=3)
    assert text.index(
        "No factor found: no code with a visible effect was found by two of 3 runs"
    ) < text.index("do not interpret as a factor")
    assert "training images, because" not in page(clustered=5_000)
    assert "chosen from 400 images, of which 360 are training images" in page(
        clustered=400, clustered_train=360
    )
