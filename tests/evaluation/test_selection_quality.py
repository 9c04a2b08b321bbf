"""Whether a score without labels picks the right seed: three oracles each."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from infogan.evaluation.resampling import numpy_generator
from infogan.evaluation.selection_quality import rank_correlation, regret

ACCURACIES = np.array([0.61, 0.93, 0.70, 0.88, 0.95, 0.52, 0.77, 0.91])


def correlated(scores: np.ndarray, accuracies: np.ndarray = ACCURACIES) -> dict:
    return rank_correlation(scores, accuracies, numpy_generator(0, "test"))


def test_a_score_of_the_same_order_correlates_wholly() -> None:
    found = correlated(np.exp(9 * ACCURACIES))  # the order counts, not the distances
    assert found["rank_correlation"] == pytest.approx(1.0)
    assert found["rank_correlation_interval"] == pytest.approx([1.0, 1.0])
    assert correlated(-ACCURACIES)["rank_correlation"] == pytest.approx(-1.0)


def test_a_score_by_chance_does_not_correlate() -> None:
    draw = np.random.default_rng(0)
    found = correlated(draw.random(400), draw.random(400))
    assert abs(found["rank_correlation"]) < 0.1
    low, high = found["rank_correlation_interval"]
    assert low < 0 < high and high - low < 0.25


def test_a_score_that_is_always_the_same_has_no_order() -> None:
    assert correlated(np.full(8, 2.3)) == {}
    assert correlated(ACCURACIES, np.full(8, 0.5)) == {}


def test_ties_share_their_mean_rank() -> None:
    tied = np.array([1.0, 3.0, 1.0, 2.0, 3.0, 1.0, 2.0, 2.0])
    found = correlated(tied)
    assert found["rank_correlation"] == pytest.approx(spearmanr(tied, ACCURACIES).statistic)
    low, high = found["rank_correlation_interval"]
    assert -1 <= low < found["rank_correlation"] < high <= 1


def test_the_interval_holds_the_truth_about_95_times_in_100() -> None:
    draw, held = np.random.default_rng(0), 0
    truth = 6 / np.pi * np.arcsin(0.7 / 2)  # Spearman's of a normal pair whose Pearson's is 0.7
    for repeat in range(100):
        first, other = draw.normal(size=(2, 60))
        second = 0.7 * first + np.sqrt(1 - 0.7**2) * other
        found = rank_correlation(first, second, numpy_generator(repeat, "test"))
        low, high = found["rank_correlation_interval"]
        held += low <= truth <= high
    assert 88 <= held <= 99


def test_few_seeds_whose_samples_are_often_one_seed_alone() -> None:
    low, high = correlated(np.array([1.0, 2.0, 3.0]), np.array([0.1, 0.3, 0.2]))["rank_correlation_interval"]
    assert -1 <= low <= 0.5 <= high <= 1


def test_regret_of_the_right_pick_is_none() -> None:
    assert regret(ACCURACIES, ACCURACIES) == 0.0
    assert regret(np.array([2.0]), np.array([0.3])) == 0.0


def test_regret_of_the_worst_pick_is_the_whole_range() -> None:
    assert regret(-ACCURACIES, ACCURACIES) == pytest.approx(0.95 - 0.52)


def test_regret_of_a_score_that_tells_nothing_is_that_of_a_blind_pick() -> None:
    assert regret(np.full(8, 1.0), ACCURACIES) == pytest.approx(0.95 - ACCURACIES.mean())
    two_first = np.array([0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0])
    assert regret(two_first, ACCURACIES) == pytest.approx(0.01)


@pytest.mark.parametrize("scores", [np.array([1.0, np.nan, 2.0]), np.array([1.0, np.inf, 2.0])])
def test_what_is_not_finite_is_refused(scores: np.ndarray) -> None:
    for function in (regret, correlated):
        with pytest.raises(ValueError, match="not finite"):
            function(scores, np.array([0.1, 0.2, 0.3]))


def test_too_few_seeds_are_refused() -> None:
    with pytest.raises(ValueError, match="2 seeds"):
        correlated(np.array([1.0, 2.0]), np.array([0.1, 0.2]))
    with pytest.raises(ValueError, match="0 seeds"):
        regret(np.array([]), np.array([]))
