"""Attributes that codes predict, compared with baselines."""

from __future__ import annotations

from typing import Any

import pytest

from infogan_experiments.attribute_tables import attributes_table, smallest_lead


def attributes(**figures: tuple[float, float]) -> dict[str, Any]:
    """Return by attribute its AUC on the selection images, and on test images."""
    return {
        name: {
            "code": "kind1", "category": 3, "sense": 1, "share": 0.1,
            "auc_choosing": choosing, "auc": auc, "auc_interval": [auc - 0.02, auc + 0.02],
        }
        for name, (choosing, auc) in figures.items()
    }  # fmt: skip


def test_three_attributes_are_selected_on_other_images_than_they_are_measured_on() -> None:
    own = attributes(
        Hat=(0.9, 0.85), Smile=(0.8, 0.9), Bangs=(0.8, 0.7), Young=(0.5, 0.99), Black_Hair=(1, 1)
    )
    none = attributes(**dict.fromkeys(own, (0.5, 0.6)))
    scores = {"attributes": own, "baselines": {"pca": {"attributes": none}}}
    found = smallest_lead(scores)
    assert found is not None
    # Young leads by chance on test images alone, and black hair is a colour: neither counts.
    assert found.own.value == pytest.approx(0.7 - 0.62)
    assert "Hat +0.230" in found.note and "Young" not in found.note and "Black_Hair" not in found.note
    assert "| 100 | Black_Hair (colour) | 0.10 | kind1 = 3 | 1.000" in attributes_table(
        [{"seed": 100, "scores": scores}]
    )
    assert smallest_lead({"attributes": {}}) is None
