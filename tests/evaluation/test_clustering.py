"""Clustering figures against oracles, and the rule that only training labels choose."""

import numpy as np
import pytest
import torch
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from infogan.config import LatentsConfig, parse_codes
from infogan.data import Dataset
from infogan.errors import DataError
from infogan.evaluation import clustering, resampling
from infogan.evaluation.clustering import UNMATCHED, Assignments, Labels
from infogan.evaluation.subject import TRAIN_IMAGES, train_subset
from infogan.latents import Latents

K = 10


def labels(count: int = 1_000, seed: int = 0) -> Labels:
    draw = np.random.default_rng(seed)
    return Labels(draw.integers(K, size=count), draw.integers(K, size=count))


def figures(assigned: Assignments, of: Labels) -> dict:
    return clustering.score(assigned, of, seed=0, stream="test")


def test_perfect_codes_score_one_under_any_numbering() -> None:
    truth, permuted = labels(), np.random.default_rng(3).permutation(K)
    found = figures(Assignments(permuted[truth.train], permuted[truth.test], K), truth)
    assert (found["accuracy"], found["nmi"], found["ari"]) == pytest.approx((1, 1, 1))
    assert found["matching"] == np.argsort(permuted).tolist()
    assert found["accuracy_interval"] == [1.0, 1.0]


def test_a_constant_code_scores_what_its_largest_class_gives() -> None:
    truth = labels()
    found = figures(Assignments(np.full(1_000, 4), np.full(1_000, 4), K), truth)
    biggest = np.bincount(truth.train).argmax()
    assert found["accuracy"] == pytest.approx((truth.test == biggest).mean())
    assert found["matching"][4] == biggest
    assert (found["nmi"], found["ari"]) == pytest.approx((0, 0), abs=1e-12)


def test_an_independent_code_is_at_chance() -> None:
    truth, draw = labels(5_000), np.random.default_rng(9)
    found = figures(Assignments(draw.integers(K, size=5_000), draw.integers(K, size=5_000), K), truth)
    assert found["accuracy"] == pytest.approx(1 / K, abs=0.02)
    assert found["nmi"] < 0.01
    assert abs(found["ari"]) < 0.005


def test_the_matching_is_chosen_on_training_labels_and_not_again_on_test_images() -> None:
    truth = labels()
    swapped = np.where(truth.test < 2, 1 - truth.test, truth.test)
    found = figures(Assignments(truth.train, swapped, K), truth)
    assert found["matching"] == list(range(K))
    assert found["accuracy"] == pytest.approx((truth.test >= 2).mean())
    assert found["nmi"] == pytest.approx(1)


def test_the_code_is_chosen_on_training_labels() -> None:
    truth, noise = labels(), labels(seed=7)
    candidates = {
        ("good_on_test", 0): Assignments(noise.train, truth.test, K),
        ("good_on_train", 0): Assignments(truth.train, noise.test, K),
    }
    assert clustering.choose(candidates, truth) == ("good_on_train", 0)


def test_categories_left_over_count_as_errors_and_stand_beside_the_majority_figure() -> None:
    truth, draw = labels(), np.random.default_rng(4)
    halves = [2 * part + draw.integers(2, size=len(part)) for part in (truth.train, truth.test)]
    found = figures(Assignments(halves[0], halves[1], 2 * K), truth)
    assert found["accuracy"] == pytest.approx(0.5, abs=0.06)
    assert found["matching"].count(UNMATCHED) == K
    assert sorted(label for label in found["matching"] if label != UNMATCHED) == list(range(K))
    assert found["accuracy_majority"] == 1.0
    assert found["matching_majority"] == np.repeat(np.arange(K), 2).tolist()
    assert "accuracy_majority" not in figures(Assignments(truth.train, truth.test, K), truth)


def test_fewer_categories_than_classes_and_labels_that_are_no_range() -> None:
    classes = np.array([5, 70, 900])
    truth = Labels(classes[np.arange(90) % 3], classes[np.arange(60) % 3])
    found = figures(Assignments(np.arange(90) % 3 % 2, np.arange(60) % 3 % 2, 2), truth)
    assert found["accuracy"] == pytest.approx(2 / 3)
    assert set(found["matching"]) <= {5, 70, 900}


def test_a_class_that_training_never_saw_is_an_error() -> None:
    truth = Labels(np.array([0, 1, 0, 1]), np.array([0, 1, 2, 2]))
    assert figures(Assignments(truth.train, np.array([0, 1, 1, 1]), 2), truth)["accuracy"] == 0.5


@pytest.mark.parametrize("seed", range(5))
def test_nmi_and_ari_are_those_of_scikit_learn(seed: int) -> None:
    draw = np.random.default_rng(seed)
    truth = draw.integers(4, size=300)
    assigned = np.where(draw.random(300) < 0.6, truth, draw.integers(6, size=300))
    table = clustering.contingency(assigned, truth, 6, np.arange(4))
    assert float(clustering.nmi(table)) == pytest.approx(normalized_mutual_info_score(truth, assigned))
    assert float(clustering.ari(table)) == pytest.approx(adjusted_rand_score(truth, assigned))
    many = np.stack([table, table * 2])
    assert clustering.ari(many)[0] == pytest.approx(float(clustering.ari(table)))
    assert clustering.nmi(many) == pytest.approx([float(clustering.nmi(table))] * 2)


def test_partitions_without_a_division_agree() -> None:
    table = np.array([[7]])
    assert float(clustering.nmi(table)) == 1.0
    assert float(clustering.ari(table)) == 1.0


def test_bootstrap_intervals_hold_the_truth_about_95_times_in_100() -> None:
    draw, held = np.random.default_rng(0), 0
    for repeat in range(200):
        right = draw.binomial(300, 0.8)
        table = np.array([[right, 300 - right], [0, 0]])
        low, high = resampling.bootstrap_interval(
            lambda tables: clustering.accuracy(tables, np.array([0, 1])),
            table,
            resampling.numpy_generator(repeat, "test"),
            (0.0, 1.0),
        )
        assert low < right / 300 < high
        held += low <= 0.8 <= high
    assert 180 <= held <= 198


def test_resampling_is_a_function_of_seed_and_stream() -> None:
    drawn = [
        resampling.numpy_generator(seed, stream).integers(10**9)
        for seed, stream in ((0, "a"), (0, "a"), (1, "a"), (0, "b"))
    ]
    assert drawn[0] == drawn[1]
    assert len(set(drawn)) == 3


def test_each_dimension_of_each_categorical_code_is_a_candidate() -> None:
    latents = Latents(LatentsConfig(noise=2, codes=parse_codes("a:3 width:u b:2")))
    codes = latents.sample_codes(20, torch.Generator().manual_seed(0))
    raw = torch.cat([9 * codes["a"], codes["width"], torch.zeros(20, 1), 9 * codes["b"]], dim=1)
    found = clustering.predict_categories(latents, raw, raw[:7])
    assert list(found) == [("a", 0), ("b", 0)]
    assert (found["a", 0].train == codes["a"].argmax(1).numpy()).all()
    assert (found["b", 0].test == codes["b"][:7].argmax(1).numpy()).all()


def test_training_images_are_drawn_from_the_whole_set() -> None:
    chosen = train_subset(3 * TRAIN_IMAGES, 0)
    assert len(set(chosen)) == TRAIN_IMAGES
    assert (np.diff(chosen) > 0).all()
    assert chosen.max() > 2.9 * TRAIN_IMAGES
    assert (train_subset(3 * TRAIN_IMAGES, 1) != chosen).any()
    assert (train_subset(5, 0) == np.arange(5)).all()


def test_negative_labels_are_refused(drawn_dataset: Dataset) -> None:
    with pytest.raises(DataError, match="negative"):
        Labels(np.array([0, -1]), np.array([0, 1]))
    with pytest.raises(DataError, match="empty"):
        Labels(np.array([0, 1]), np.array([], dtype=np.int64))
