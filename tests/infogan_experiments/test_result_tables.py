"""Values by key path, intervals and tables."""

from __future__ import annotations

import pytest

from infogan_experiments.result_tables import estimate, mean_over_seeds, results_table, value, values_table


def test_a_mean_over_seeds_has_students_interval() -> None:
    assert mean_over_seeds([0.9]) == (0.9, (0.9, 0.9))
    mean, interval = mean_over_seeds([1.0, 2.0, 3.0])
    assert mean == 2.0 and interval == pytest.approx((2 - 2.4841, 2 + 2.4841), abs=1e-3)  # t(2) = 4.3027
    assert mean_over_seeds([0.8, 1.0], (0.0, 1.0)).text(2) == "0.90 (0.00 to 1.00)"


def test_a_table_has_a_line_per_result_and_empty_cells_for_missing_values() -> None:
    scores = {"accuracy": 0.9, "accuracy_interval": [0.85, 0.95]}
    columns = {
        "seed": value("seed"),
        "accuracy": estimate("scores.accuracy", 2),
        "NMI": value("scores.nmi", ".3f"),
    }
    assert results_table([{"seed": 3, "scores": scores}], columns).splitlines() == [
        "| seed | accuracy | NMI |",
        "|---|---|---|",
        "| 3 | 0.90 (0.85 to 0.95) |  |",
    ]


def test_nested_values_become_lines_with_their_intervals() -> None:
    values = {"5,000": {"seeds": [7, 8], "accuracy_mean": 0.9, "accuracy_mean_interval": [0.85, 0.95]}}
    assert values_table("steps", values, 2).splitlines() == [
        "| steps |  |",
        "|---|---|",
        "| 5,000, seeds | 7, 8 |",
        "| 5,000, accuracy mean | 0.90 (0.85 to 0.95) |",
    ]
