"""Scores of disentanglement on codes of which theory says what each score must be."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from infogan.data import Dataset, Split
from infogan.data.dataset import Factor, Truth
from infogan.evaluation import disentanglement, evaluate
from infogan.evaluation.disentanglement import score_all
from infogan.evaluation.disentanglement.dci import from_importances
from infogan.evaluation.disentanglement.information import information_table
from infogan.evaluation.disentanglement.sample import LEVELS, SCORES, Sample, as_levels, varying
from infogan.model import InfoGAN
from tests.evaluation.conftest import draw_images

IMAGES, FACTORS, SIZE = 2_000, 5, 8


def chance(key: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key))


@pytest.fixture(scope="module")
def truth() -> np.ndarray:
    return chance(1).integers(SIZE, size=(IMAGES, FACTORS))


def measured(codes: np.ndarray, truth: np.ndarray, *names: str) -> dict[str, Any]:
    known = SCORES
    return {name: known[name](Sample(codes.astype(np.float64), truth, chance(2))) for name in names or known}


def in_one(found: dict[str, Any]) -> dict[str, float]:
    return {
        f"{name}.{key}" if key else name: number
        for name, value in found.items()
        for key, number in (value.items() if isinstance(value, dict) else [("", value)])
    }


def test_the_factors_themselves_score_near_one(truth: np.ndarray) -> None:
    found = in_one(measured(truth + 0.01 * chance(3).standard_normal(truth.shape), truth))
    for name, value in found.items():
        assert 0.97 <= value <= 1 + 1e-9, name


def test_few_images_that_a_line_parts_are_scored_without_a_warning() -> None:
    few = chance(1).integers(3, size=(40, 2))
    codes = few + 0.01 * chance(3).standard_normal(few.shape)
    assert measured(codes, few, "infomec")["infomec"]["explicitness"] > 0.95


def test_constant_codes_score_as_chance_does(truth: np.ndarray) -> None:
    found = in_one(measured(np.ones((IMAGES, 4)), truth))
    for name in ("factorvae", "betavae"):
        assert found.pop(name) == pytest.approx(1 / FACTORS, abs=0.05), name
    assert found.pop("dci.informativeness") == pytest.approx(1 / SIZE, abs=0.05)
    for name, value in found.items():
        assert value == pytest.approx(0, abs=0.02), name


def test_random_codes_score_near_chance(truth: np.ndarray) -> None:
    found = in_one(measured(chance(4).standard_normal((IMAGES, 5)), truth))
    for name in ("factorvae", "betavae"):
        assert found[name] < 1 / FACTORS + 0.12, name
    assert found["dci.informativeness"] == pytest.approx(1 / SIZE, abs=0.05)
    for name in ("mig", "sap", "explicitness", "infomec.explicitness"):
        assert found[name] < 0.06, name
    assert found["dci.disentanglement"] < 0.1 and found["dci.completeness"] < 0.1


@pytest.mark.slow
def test_duplicated_codes_are_disentangled_and_not_complete(truth: np.ndarray) -> None:
    codes = np.concatenate([truth, truth], 1) + 0.01 * chance(5).standard_normal((IMAGES, 2 * FACTORS))
    found = in_one(measured(codes, truth))
    assert found["mig"] < 0.02 and found["sap"] < 0.02
    shared = 1 - math.log(2) / math.log(2 * FACTORS)
    assert found["dci.completeness"] == pytest.approx(shared, abs=0.01)
    assert found["infomec.compactness"] == pytest.approx((1 / 2 - 0.1) / (1 - 0.1), abs=0.06)
    for name in ("modularity", "infomec.modularity", "dci.disentanglement", "factorvae"):
        assert found[name] > 0.93, name


@pytest.mark.slow
def test_turned_codes_are_read_and_not_disentangled(truth: np.ndarray) -> None:
    """Each code a mixture of all factors: every factor can be read, and no code is one."""
    mixing = np.linalg.qr(chance(6).standard_normal((FACTORS, FACTORS)))[0]
    found = in_one(measured((truth - truth.mean(0)) @ mixing, truth))
    assert found["explicitness"] > 0.9 and found["infomec.explicitness"] > 0.9
    assert found["mig"] < 0.3 and found["dci.disentanglement"] < 0.3 and found["dci.completeness"] < 0.3
    assert found["infomec.modularity"] < 0.6 and found["modularity"] < 0.95 and found["sap"] < 0.4


def test_one_code_of_two_factors_is_complete_and_not_modular(truth: np.ndarray) -> None:
    codes = np.stack([truth[:, 0] + SIZE * truth[:, 1], truth[:, 2]], 1)
    both = in_one(measured(codes, truth[:, :3], "dci", "infomec", "mig"))
    apart = in_one(measured(truth[:, :3], truth[:, :3], "dci", "infomec", "mig"))
    assert both["dci.completeness"] > 0.85 and both["infomec.compactness"] > 0.85
    assert both["dci.disentanglement"] < apart["dci.disentanglement"] - 0.2
    assert both["infomec.modularity"] < apart["infomec.modularity"] - 0.2


@pytest.mark.slow
def test_order_and_unit_of_the_codes_change_nothing(truth: np.ndarray) -> None:
    codes = truth + 0.5 * chance(7).standard_normal(truth.shape)
    plain = in_one(measured(codes, truth))
    shuffled = in_one(measured(codes[:, ::-1], truth))
    scaled = in_one(measured(codes * 1e-3 + 7, truth))
    for name, value in plain.items():
        near = 0.03 if name.startswith(("dci", "factorvae", "betavae")) else 1e-3
        assert shuffled[name] == pytest.approx(value, abs=near), name
        assert scaled[name] == pytest.approx(value, abs=near), name


@pytest.fixture
def few_halves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Intervals from three halves, where their width is not what is tested."""
    monkeypatch.setattr(disentanglement, "HALVES", 3)


@pytest.mark.slow
def test_one_sample_and_one_seed_give_one_answer(truth: np.ndarray, few_halves: None) -> None:
    codes, truth = truth[:200, :2] + 0.5 * chance(8).standard_normal((200, 2)), truth[:200, :2]
    one, again, other = (score_all(codes, truth, lambda _, key=key: chance(key)) for key in (3, 3, 4))  # type: ignore[misc]
    assert one == again and one != other
    flat = in_one(one)
    for name in ("mig", "dci.completeness", "infomec.compactness"):
        low, high = flat[f"{name}_interval"]  # type: ignore[misc]
        assert 0 <= low <= flat[name] <= high <= 1 and 0 < high - low < 0.7


def test_the_interval_is_as_wide_as_the_figure_moves_from_set_to_set() -> None:
    """MIG of forty sets of images: about the spread that the interval of one of them says."""
    figures, widths = [], []
    for key in range(40):
        levels = chance(100 + key).integers(4, size=(500, 3))
        codes = levels + 1.5 * chance(200 + key).standard_normal(levels.shape)
        figures.append(measured(codes, levels, "mig")["mig"])
        if key < 8:
            halves = Sample(codes, levels, chance(key)).random_halves(40)
            widths.append(np.std([SCORES["mig"](half) for half in halves], ddof=1))
    assert np.mean(widths) == pytest.approx(np.std(figures, ddof=1), rel=0.35)


def test_information_is_that_of_the_table_it_was_drawn_from() -> None:
    first = chance(9).integers(4, size=200_000)
    noisy = np.where(chance(10).random(200_000) < 0.25, chance(11).integers(4, size=200_000), first)
    same = 0.75 + 0.25 / 4
    expected = math.log(4) + same * math.log(same) + 3 * (0.0625 * math.log(0.0625))
    table = information_table(noisy[:, None].astype(float), first[:, None])
    assert table[0, 0] == pytest.approx(expected, abs=5e-3)


def test_importances_give_the_published_formulas() -> None:
    found = from_importances(np.array([[0.5, 0.0], [0.5, 0.0], [0.0, 1.0]]))
    assert found["disentanglement"] == pytest.approx(1.0)
    assert found["completeness"] == pytest.approx((1 - math.log(2) / math.log(3) + 1) / 2)
    even = from_importances(np.full((3, 2), 1 / 3))
    assert even["disentanglement"] == pytest.approx(0) and even["completeness"] == pytest.approx(0)


def test_factors_become_levels_of_equally_many_images() -> None:
    values = chance(12).standard_normal(4_000) ** 3
    found = as_levels({"few": Factor(np.repeat([3.0, 1.0], 2_000)), "many": Factor(values)})
    assert sorted(np.unique(found[:, 0])) == [0, 1] and found[0, 0] == 1
    assert set(np.bincount(found[:, 1])) == {4_000 // LEVELS[0]}
    assert np.all(np.diff(found[np.argsort(values), 1]) >= 0)
    rare = np.arange(100) < 10.0
    known = {"one": Factor(np.ones(100)), "two": Factor(np.arange(100.0)), "rare": Factor(rare * 1.0)}
    assert list(varying(known)) == ["two"]


def test_a_sample_without_images_is_refused() -> None:
    with pytest.raises(ValueError, match="4 or more"):
        Sample(np.zeros((3, 1)), np.zeros((3, 1), dtype=np.int64), chance())


@pytest.mark.slow
def test_the_full_variant_is_finite_where_boosting_rounds_below_zero(truth: np.ndarray) -> None:
    found = SCORES["dci"](Sample(truth[:300, :3].astype(float), truth[:300, :3], chance(2), full=True))
    assert isinstance(found, dict)
    assert found["completeness"] == pytest.approx(1) and found["disentanglement"] == pytest.approx(1)


def split(count: int, key: int) -> Split:
    draw = chance(key)
    style = draw.uniform(-1, 1, count)
    factors = {"level": Factor(np.exp(style)), "always": Factor(np.ones(count))}
    images = draw_images(draw.integers(4, size=count), style, draw.random((count, 8, 8, 1)))
    return Split(images, truth=Truth(factors=factors))


def test_evaluate_holds_a_models_codes_against_the_factors_that_vary(
    drawn_model: InfoGAN, few_halves: None
) -> None:
    told: list[str] = []
    dataset = Dataset("drawn", split(200, 21), split(200, 22))
    scores = evaluate(drawn_model, dataset, samples=100, only=("disentanglement",), progress=told.append)
    found = scores["disentanglement"]
    assert found["factors"] == ["level"] and found["images"] == 200
    # One code and one factor leave no gap to a second code and no entropy over others.
    assert found["mig"] > 0.7 and found["explicitness"] > 0.8 and found["dci"]["informativeness"] > 0.5
    assert found["dci"]["regressor"].startswith("random forest")
    assert found["mig"] > scores["baselines"]["untrained"]["disentanglement"]["mig"] + 0.3
    low, high = found["infomec"]["explicitness_interval"]
    assert low <= found["infomec"]["explicitness"] <= high
    assert any("dci" in text for text in told)
    bare = Dataset("bare", Split(dataset.train.images), Split(dataset.test.images))
    assert "disentanglement" not in evaluate(drawn_model, bare, samples=100, only=("disentanglement",))
