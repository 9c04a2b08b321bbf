"""The real images of each step: the same whether they are gathered when needed or one step ahead."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from infogan import streams
from infogan.config import Config
from infogan.training import batches
from infogan.training.batches import RealBatches
from tests.training.step_builders import CPU, IMAGES, with_training

NEAREST = torch.stack([(torch.arange(40) + 1) % 40, (torch.arange(40) + 2) % 40], dim=1)


@pytest.fixture
def permutations(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The lengths of the permutations that are computed."""
    computed: list[int] = []
    randperm = torch.randperm

    def counted(count: int, **given: object) -> Tensor:
        computed.append(count)
        return randperm(count, **given)  # type: ignore[call-overload]

    monkeypatch.setattr(torch, "randperm", counted)
    yield computed


def test_an_epoch_is_permuted_once(permutations: list[int]) -> None:
    order = streams.BatchOrder(3, 8, 40)
    for step in range(10):
        order.indices(step)
    assert permutations == [40, 40]


def test_a_batch_depends_on_the_seed_and_the_step_alone() -> None:
    """A resumed run begins in the middle of an epoch, and a batch may cover several epochs."""
    for batch in (7, 8, 40, 93):
        order = streams.BatchOrder(3, batch, 40)
        for step in (0, 1, 2, 9, 4):
            epochs = [torch.randperm(40, generator=streams.generator(3, "shuffle", e)) for e in range(30)]
            expected = torch.cat(epochs)[step * batch : (step + 1) * batch]
            assert torch.equal(order.indices(step), expected)


def with_second_views(config: Config) -> Config:
    return with_training(config).replace(
        objective={"real_information_weight": 1.0, "neighbours": 2, "neighbour_share": 0.5},
        augmentation={"rotation": 10.0},
    )


@pytest.mark.parametrize("steps", [(0, 1, 2), (5, 6, 3)])
def test_batches_gathered_ahead_are_those_of_their_steps(
    tiny_config: Config, steps: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = with_second_views(tiny_config)
    direct = RealBatches(config, IMAGES, NEAREST, CPU)
    monkeypatch.setattr(batches, "_AHEAD_BYTES", 0)
    ahead = RealBatches(config, IMAGES, NEAREST, CPU)
    for step in steps:
        one, other = direct.at(step), ahead.at(step)
        assert torch.equal(one.indices, other.indices)
        assert len(one.images) == len(other.images) == 2
        assert all(map(torch.equal, one.images, other.images))
    assert ahead._next is not None  # the next one is being gathered
    assert ahead._next[0] == steps[-1] + 1
