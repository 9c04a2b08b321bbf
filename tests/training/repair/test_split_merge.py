"""Merged and split categories: found in the joint distribution, corrected in the rows of the networks."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from infogan.config import Config
from infogan.training.repair import split_merge
from infogan.training.trainer import Trainer
from tests.training.step_builders import advance

Tiny = Callable[..., Config]
Make = Callable[[Config], Trainer]


def table_of(assignments: list[tuple[int, int, float]], size: int) -> Tensor:
    """P(c, c') of clusters (category, category of the copy, share), symmetric."""
    joint = torch.zeros(size, size)
    for first, second, share in assignments:
        joint[first, second] += share / 2
        joint[second, first] += share / 2
    return joint


TWINS = [(0, 0, 0.125), (1, 1, 0.125), (0, 1, 0.25), (2, 2, 0.25), (3, 3, 0.25)]
"""Four categories: 0 and 1 share one cluster at random; 2 and 3 have clusters of their own."""


def test_merging_twins_loses_nothing_and_merging_clusters_loses_much() -> None:
    losses = split_merge.merge_losses(table_of(TWINS, 4))
    assert losses[0, 1].item() == pytest.approx(0, abs=1e-6)
    assert losses[2, 3].item() == pytest.approx(0.5 * math.log(2), abs=1e-6)
    assert torch.isinf(losses.diagonal()).all()


def fine_table(double: int, size: int = 4) -> Tensor:
    """The table over sub-codes: those of `double` are two clusters, the others' are read by chance."""
    fine = torch.zeros(2 * size, 2 * size)
    for first, second, share in TWINS:
        for a in (0, 1):
            for b in (0, 1):
                part = (share / 2 if a == b else 0) if first == second == double else share / 4
                for i, j in ((2 * first + a, 2 * second + b), (2 * second + b, 2 * first + a)):
                    fine[i, j] += part / 2
    return fine


def test_splitting_the_category_of_two_clusters_gains_what_they_hold() -> None:
    gains = split_merge.split_gains(table_of(TWINS, 4), fine_table(double=3))
    assert gains[3].item() == pytest.approx(0.25 * math.log(2), abs=1e-6)
    assert gains[:3].abs().max().item() == pytest.approx(0, abs=1e-6)


def test_a_code_with_merged_and_split_categories_is_distinguished_from_a_healthy_one() -> None:
    found = split_merge.diagnose(table_of(TWINS, 4), fine_table(double=3))
    assert (set(found.twins), found.double, found.stuck) == ({0, 1}, 3, True)
    healthy = table_of([(k, k, 0.25) for k in range(4)], 4)
    halves = torch.ones(2, 2) / 4
    assert not split_merge.diagnose(healthy, torch.kron(healthy, halves)).stuck


def test_categories_that_have_not_formed_yet_are_left_alone() -> None:
    blurred = 0.2 * table_of(TWINS, 4) + 0.8 * torch.ones(4, 4) / 16
    fine = 0.2 * fine_table(double=3) + 0.8 * torch.ones(8, 8) / 64
    found = split_merge.diagnose(blurred, fine)
    assert found.gain > found.loss
    assert not found.formed
    assert not found.stuck


def test_a_double_category_that_is_itself_a_twin_is_left_alone() -> None:
    found = split_merge.diagnose(table_of(TWINS, 4), fine_table(double=0))
    assert found.double not in found.twins
    assert not found.stuck


def test_two_categories_that_are_close_are_suspect() -> None:
    apart = torch.eye(5) / 5
    assert split_merge.suspect(apart) is None
    close = apart.clone()
    close[1, 1] = close[3, 3] = 0.12
    close[1, 3] = close[3, 1] = 0.08
    assert split_merge.suspect(close) == (1, 3)
    assert split_merge.suspect(0.1 * close + 0.9 * torch.ones(5, 5) / 25) is None, "nothing has formed yet"


def test_the_distance_of_a_pair_is_relative_to_a_typical_pair() -> None:
    joint = table_of(TWINS, 4)
    assert split_merge.distance(joint, (0, 1)) < 0.05
    assert split_merge.distance(joint, (2, 3)) > 0.7
    assert split_merge.distance(torch.full((4, 4), 1 / 16), (0, 1)) == pytest.approx(0, abs=1e-3)
    # Growth of all losses, as a code becomes more certain, leaves the ratio as it is.
    blurred = [0.6 * table_of(TWINS, 4) + 0.4 / 16, 0.9 * table_of(TWINS, 4) + 0.1 / 16]
    early, late = (split_merge.distance(one, (2, 3)) for one in blurred)
    assert split_merge.merge_losses(blurred[1])[2, 3] > 2 * split_merge.merge_losses(blurred[0])[2, 3]
    assert late == pytest.approx(early, rel=0.2)


def test_the_operation_splits_by_the_sub_code_and_unites_the_twins(tiny: Tiny, trainer: Make) -> None:
    made = trainer(tiny())
    advance(made, 2)
    model = made.model
    rows = split_merge.rows_of(model, "digit", 0)
    hidden = torch.randn(20, model.recognition.output.in_features, generator=torch.Generator().manual_seed(0))
    layer, fine = model.recognition.output, model.recognition.subcodes
    assert fine is not None
    with torch.no_grad():
        before, sub = layer(hidden), fine(hidden)
        columns = (
            model.generator.get_submodule("hidden.blocks.0").weight[:, rows.inputs : rows.inputs + 10].clone()
        )
        found = split_merge.Diagnosis(twins=(1, 4), loss=0.0, double=7, gain=1.0)
        split_merge.operate(model, made.optimizers, ("digit", 0), found, torch.Generator().manual_seed(0))
        after = layer(hidden)
    d = rows.outputs
    share, two = (sub[:, 2 * 7] - sub[:, 2 * 7 + 1]) / 2, math.log(2)
    assert torch.allclose(after[:, d + 7], before[:, d + 7] + share - two, atol=1e-5)
    assert torch.allclose(after[:, d + 4], before[:, d + 7] - share - two, atol=1e-5)
    mean = (before[:, d + 1] + before[:, d + 4]) / 2 + math.log(2)
    assert torch.allclose(after[:, d + 1], mean, atol=1e-5)
    others = [k for k in range(layer.out_features) if k - d not in (1, 4, 7)]
    assert torch.equal(after[:, others], before[:, others])
    first = model.generator.get_submodule("hidden.blocks.0").weight[:, rows.inputs : rows.inputs + 10]
    assert torch.equal(first[:, 4], columns[:, 7])
    assert torch.equal(first[:, [0, 1, 2, 3, 5, 6, 7, 8, 9]], columns[:, [0, 1, 2, 3, 5, 6, 7, 8, 9]])
    moments = made.optimizers["discriminator"].state[layer.weight]["exp_avg"]
    assert not moments[[d + 1, d + 4, d + 7]].any()
    assert moments[[d, d + 2]].any()
    assert (
        not made.optimizers["generator"]
        .state[model.generator.get_submodule("hidden.blocks.0").weight]["exp_avg"][:, rows.inputs + 4]
        .any()
    )


def test_the_health_warnings_and_the_repair_use_the_same_numbers() -> None:
    fine = fine_table(double=3)
    joint = 0.9 * table_of(TWINS, 4) + 0.1 / 16
    found, entry = split_merge.diagnose(joint, fine), split_merge.report(joint, fine)
    assert entry["merge"]["twins"] == list(found.twins)
    assert entry["merge"]["nats"] == found.loss
    usual = entry["merge"]["usual_nats"]
    assert found.loss / usual == pytest.approx(split_merge.distance(joint, found.twins))
    assert entry["split"] == {"double": found.double, "nats": found.gain}
    assert split_merge.report(torch.eye(41) / 41, torch.eye(82) / 82) == {}
