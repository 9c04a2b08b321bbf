"""Markdown tables."""

from __future__ import annotations

import pytest

from infogan.reporting.markdown import markdown_table


def test_a_table_has_a_head_a_rule_and_one_line_per_row() -> None:
    assert markdown_table(["seed", "accuracy"], [[0, "0.95"], [1, ""]]).splitlines() == [
        "| seed | accuracy |",
        "|---|---|",
        "| 0 | 0.95 |",
        "| 1 |  |",
    ]


def test_cells_cannot_break_the_table() -> None:
    assert markdown_table(["text"], [["a|b\nc"]]).splitlines()[-1] == "| a\\|b c |"


def test_a_row_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(ValueError, match="a row has 1 cells, the table 2 columns"):
        markdown_table(["seed", "accuracy"], [[0]])
