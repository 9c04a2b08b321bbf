"""Attributes against codes: AUC by its definition, intervals that keep their word, an honest search."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from infogan.config import Bernoulli, Categorical, Config, Uniform
from infogan.data import Dataset, Split, Truth
from infogan.evaluation import evaluate
from infogan.evaluation.attributes import (
    Predictors,
    auc,
    auc_interval,
    choose,
    cluster_predictors,
    code_predictors,
    score,
)
from infogan.latents import Latents
from infogan.model import InfoGAN
from tests.evaluation.conftest import draw_images

DRAW = np.random.Generator(np.random.Philox(key=11))


def by_definition(values: np.ndarray, has: np.ndarray) -> float:
    above, below = values[has][:, None], values[~has][None]
    return float(((above > below) + (above == below) / 2).mean())


def test_an_area_is_the_share_of_pairs_in_order_and_ties_count_by_half() -> None:
    values = DRAW.integers(5, size=(60, 3)).astype(np.float64)
    has = DRAW.random((60, 4)) < 0.3
    table = auc(values, has)
    for attribute in range(4):
        for column in range(3):
            expected = by_definition(values[:, column], has[:, attribute])
            assert table[attribute, column] == pytest.approx(expected)
            assert table[attribute, column] == pytest.approx(
                roc_auc_score(has[:, attribute], values[:, column])
            )


def test_a_perfect_reading_an_opposite_one_and_none() -> None:
    has = np.arange(100) % 3 == 0
    values = np.stack([has, ~has, np.zeros(100)], 1).astype(np.float64)
    assert auc(values, has[:, None])[0] == pytest.approx([1, 0, 0.5])
    columns, senses, reached = choose(values[:, 1:], has[:, None])
    assert (columns[0], senses[0], reached[0]) == (0, -1, 1.0)


@pytest.mark.parametrize("distance", [0.0, 1.0, 2.5])
def test_the_interval_holds_the_truth_as_often_as_it_says(distance: float) -> None:
    truth = float(torch.special.ndtr(torch.tensor(distance / np.sqrt(2))))
    held, has = 0, np.arange(200) < 40
    for _ in range(300):
        low, high = auc_interval(DRAW.normal(size=200) + distance * has, has)
        held += low <= truth <= high
    assert 274 <= held <= 298


def test_the_interval_is_delongs_and_no_area_is_certain() -> None:
    has = DRAW.random(150) < 0.4
    values = np.round(DRAW.normal(size=150) + has, 1)
    above, below = values[has], values[~has]
    order = (above[:, None] > below) + (above[:, None] == below) / 2
    variance = order.mean(1).var(ddof=1) / len(above) + order.mean(0).var(ddof=1) / len(below)
    found, (low, high) = order.mean(), auc_interval(values, has)
    assert low < found < high
    # The width on the scale of log-odds is 2 x 1.96 standard errors.
    width = np.log(high / (1 - high)) - np.log(low / (1 - low))
    assert width == pytest.approx(2 * 1.959964 * np.sqrt(variance) / (found * (1 - found)))
    low, high = auc_interval(has.astype(np.float64), has)
    assert low < 1 == high


def predictors(values: np.ndarray) -> Predictors:
    return Predictors(tuple(("digit", index) for index in range(values.shape[1])), values)


def test_what_a_search_finds_in_noise_is_not_what_it_reports() -> None:
    """40 attributes and 100 categories without any relation: the search finds .6, the report .5."""
    start = time.process_time()
    values, has = DRAW.normal(size=(2, 3_000, 100)), DRAW.random((2, 3_000, 40)) < 0.05
    named = [{f"a{index}": part[:, index] for index in range(40)} for part in has]
    found = score(predictors(values[0]), predictors(values[1]), *named)
    assert np.mean([one["auc_choosing"] for one in found.values()]) > 0.55
    assert np.mean([one["auc"] for one in found.values()]) == pytest.approx(0.5, abs=0.02)
    holding = [one["auc_interval"][0] <= 0.5 <= one["auc_interval"][1] for one in found.values()]
    assert sum(holding) >= 34
    assert time.process_time() - start < 30  # not a minute's work of loops over pairs


def test_a_rare_attribute_is_left_out_and_a_sense_turns_the_reading() -> None:
    values, has = DRAW.normal(size=(200, 3)), DRAW.random(200) < 0.5
    values[:, 1] -= 3 * has
    rare = np.arange(200) < 7
    found = score(predictors(values), predictors(values), {"a": has, "rare": rare}, {"a": has, "rare": rare})
    assert list(found) == ["a"]
    assert (found["a"]["code"], found["a"]["category"], found["a"]["sense"]) == ("digit", 1, -1)
    assert found["a"]["auc"] > 0.95
    assert found["a"]["share"] == pytest.approx(has.mean())


def test_every_answer_of_q_is_a_column(config_of: Callable[..., Config]) -> None:
    latents = InfoGAN(config_of({"kind": Categorical(3), "style": Uniform(), "on": Bernoulli()})).latents
    assert isinstance(latents, Latents)
    raw = torch.from_numpy(DRAW.normal(size=(20, latents.posterior_width)).astype(np.float32))
    raw[:, :3] *= 15  # many a probability is 1 to a computer
    found = code_predictors(latents, raw)
    assert sorted(found.names, key=str) == [
        ("kind", 0),
        ("kind", 1),
        ("kind", 2),
        ("on", None),
        ("style", None),
    ]
    assert found.values.shape == (20, 5)
    logits = raw[:, :3].double().numpy()
    expected = logits[:, 0] - np.logaddexp(logits[:, 1], logits[:, 2])
    assert found.values[:, 0] == pytest.approx(expected)


def test_belonging_to_a_cluster_is_graded() -> None:
    distances = np.array([[1.0, 4.0, 9.0], [4.0, 1.0, 2.0], [3.0, 2.9, 0.0]])
    found = cluster_predictors(distances)
    assert found.values[0] == pytest.approx([3, -3, -8])
    assert ((found.values > 0).sum(1) == 1).all()
    assert (found.values.argmax(1) == distances.argmin(1)).all()
    assert (cluster_predictors(np.array([[2.0, 2.0]])).values == 0).all()


def split(count: int, key: int) -> Split:
    draw = np.random.Generator(np.random.Philox(key=key))
    categories, style = draw.integers(4, size=count), draw.uniform(-1, 1, count)
    attributes: Mapping[str, np.ndarray] = {
        "second": categories == 2, "not_first": categories != 0, "bright": style > 0.2,
        "nothing": draw.random(count) < 0.5,
    }  # fmt: skip
    images = draw_images(categories, style, draw.random((count, 8, 8, 1)))
    return Split(images, truth=Truth(attributes=attributes))


def test_attributes_find_their_category_beside_all_baselines(drawn_model: InfoGAN) -> None:
    found = evaluate(
        drawn_model, Dataset("drawn", split(400, 1), split(300, 2)), samples=100, only=("attributes",)
    )
    own = found["attributes"]
    assert (own["second"]["code"], own["second"]["category"], own["second"]["sense"]) == ("digit", 2, 1)
    assert (own["not_first"]["category"], own["not_first"]["sense"]) == (0, -1)
    assert own["bright"]["code"] == "style" and "category" not in own["bright"]
    assert min(own[name]["auc"] for name in ("second", "not_first", "bright")) > 0.99
    assert own["nothing"]["auc"] < 0.62
    for baseline in ("kmeans", "pca", "untrained"):
        assert set(found["baselines"][baseline]["attributes"]) == set(own)
    assert found["baselines"]["kmeans"]["attributes"]["second"]["code"] == "cluster"


def test_images_without_attributes_have_no_such_figure(drawn_model: InfoGAN, drawn_dataset: Dataset) -> None:
    found = evaluate(drawn_model, drawn_dataset, samples=100, only=("attributes",))
    assert "attributes" not in found and "baselines" not in found
