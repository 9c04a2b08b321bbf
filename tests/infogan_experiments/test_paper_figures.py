"""The paper's figures as data."""

from __future__ import annotations

from infogan import presets
from infogan_experiments import (
    names,
)
from infogan_experiments.experiment import EXPERIMENTS


def test_every_preset_of_the_paper_can_be_reproduced() -> None:
    known = names()
    paper = [name for name in presets.PRESETS if "appendix C" in presets.PRESETS[name].summary]
    assert len(paper) == 9
    assert all(
        EXPERIMENTS[name].takes == {"recipe", "quick"} and "Section 7.2" in known[name] for name in paper
    )
