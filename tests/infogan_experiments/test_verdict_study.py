"""Verdicts of trained models compared with labels: which codes are confirmed, and what is counted."""

from __future__ import annotations

from typing import Any

import pytest

from infogan_experiments.verdict_study import JudgedCode, judged_codes, summary, verdicts_table


def entry(words: dict[str, str], accuracy: float, slant: float) -> dict[str, Any]:
    """A row of a run with the codes digit, style1 and style2, of which style1 was matched to slant."""
    return {
        "arm": "robust",
        "seed": 103,
        "scores": {
            "codes": {name: {"verdict": word} for name, word in words.items()},
            "clustering": {"code": "digit[0]", "accuracy": accuracy},
            "factors": {"slant": {"code": "style1", "spearman_real": slant, "spearman_generated": 0.99}},
        },
    }


def test_real_images_confirm_a_code_by_accuracy_or_by_a_stroke() -> None:
    words = {"digit": "used", "style1": "hidden", "style2": "dead"}
    digit, first, second = judged_codes(entry(words, 0.41, 0.5))
    assert digit == JudgedCode("robust", 103, "digit", "used", 0.41, True)
    assert first == JudgedCode("robust", 103, "style1", "hidden", 0.5, True)
    assert second == JudgedCode("robust", 103, "style2", "dead", 0.0, False)  # it is matched to no stroke
    assert [one.confirmed for one in judged_codes(entry(words, 0.39, 0.49))] == [False] * 3


def test_only_confirmed_codes_count_against_verdicts_and_intervals_are_over_seeds() -> None:
    words = {"digit": "entangled", "style1": "hidden", "style2": "dead"}
    found = [
        *judged_codes(entry(words, 0.9, 0.9)),
        *judged_codes(entry({**words, "style1": "used"}, 0.9, 0.9)),
    ]
    found += [one._replace(seed=104) for one in judged_codes(entry(dict.fromkeys(words, "used"), 0.9, 0.9))]
    counted = summary(found)
    assert counted["confirmed"] == {"entangled": 2, "hidden": 1, "used": 3}
    assert counted["others"] == {"dead": 2, "used": 1}
    hidden, unused = counted["harsh"].values()
    assert hidden["share"] == 1 / 6 and unused["share"] == 3 / 6
    for one in (hidden, unused):  # in one of two seeds: three codes of one seed are no three trials
        assert one["share_of_seeds"] == 0.5
        assert one["share_of_seeds_interval"] == pytest.approx([0.0126, 0.9874], abs=1e-4)
    text = verdicts_table(found)
    assert "| harsh, called dead or hidden, share | 0.167 |" in text
    assert "| harsh, called dead or hidden, share of seeds | 0.500 (0.013 to 0.987) |" in text
    assert "style1: hidden (0.90); style2: dead (0.00, not confirmed)" in text


def test_without_confirmed_codes_no_share_is_given() -> None:
    found = list(judged_codes(entry(dict.fromkeys(("digit", "style1", "style2"), "dead"), 0.1, 0.1)))
    assert not summary(found)["harsh"]
