"""An evaluation as lines of text: all that was measured stands there, and nothing that was not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from infogan.report import tables

ROOT = Path(__file__).resolve().parents[3]


def published(steps: int) -> dict[str, Any]:
    """The figures of a published run."""
    rows = json.loads((ROOT / "docs" / "results" / "robust-mnist.json").read_text())["rows"]
    scores: dict[str, Any] = next(row["scores"] for row in rows if row["steps"] == steps)
    return scores


def test_every_kind_of_figure_has_its_line() -> None:
    scores = published(5_000)
    shown = tables.evaluation_text(scores)
    information = scores["real"]["digit"]["information_nats"]
    assert f"digit of a real image and of its moved copy share {information:.3f} (95 %:" in shown
    assert f"generated images {scores['variance']['generated']:.1f}, noise alone" in shown
    for factor, found in scores["factors"].items():
        assert f"  {factor}: code {found['code']}, rank correlation within categories" in shown
        assert f"{found['spearman_real']:.2f}" in shown
    assert f"precision {scores['fidelity']['precision']:.3f}" in shown
    assert all(len(line) < 180 for line in shown.splitlines())


def test_what_was_not_measured_has_no_line() -> None:
    scores = {
        key: value
        for key, value in published(5_000).items()
        if key not in ("clustering", "baselines", "real", "variance", "factors", "fidelity")
    }
    lines = tables.evaluation_text(scores).splitlines()
    assert len(lines) == 1 + len(scores["codes"])
