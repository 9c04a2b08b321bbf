"""Re-partition of two categories: found in the trunk's features, taught to Q, and nothing else changes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from infogan import streams
from infogan.config import Config
from infogan.training.repair import repartition, split_merge
from infogan.training.repair.repartition import Partition
from infogan.training.repair.survey import Survey
from infogan.training.trainer import Trainer
from tests.training.step_builders import advance

FEATURES = 12
"""The first distinguishes two classes, the second is a slant that a second view mostly keeps."""

Tiny = Callable[..., Config]
Make = Callable[[Config], Trainer]


def random_starts(seed: int = 0) -> torch.Generator:
    return streams.generator(seed, "redivide")


@pytest.fixture(autouse=True)
def _few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """These surveys are easier than a training's."""
    for name, value in {"STEPS": 100, "BATCH": 256, "FEW_STARTS": 6}.items():
        monkeypatch.setattr(repartition, name, value)


def survey(count: int, *, wrong: bool) -> tuple[Survey, Tensor]:
    """Return images of categories 1 and 2 of three: Q separates them by slant (wrong) or by class.

    Returns:
        The survey, and the class of each image, -1 or 1.
    """
    draw = streams.generator(0, "test")
    label = torch.randint(2, (count,), generator=draw).float() * 2 - 1
    slant = torch.randn(count, generator=draw)
    views, read = [], []
    for _ in range(2):
        features = 0.3 * torch.randn(count, FEATURES, generator=draw)
        features[:, 0] += label
        features[:, 1] += slant
        logit = 4 * features[:, 1] if wrong else 4 * features[:, 0]
        pair = torch.stack([logit, -logit], 1).softmax(1) * 0.98
        read.append(torch.cat([torch.full((count, 1), 0.02), pair], 1))
        views.append(features)
    return Survey((views[0], views[1]), (read[0], read[1])), label


def test_the_boundary_between_the_classes_is_found_where_q_has_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(repartition, "STEPS", 200)
    seen, label = survey(2_000, wrong=True)
    found = repartition.find_partition(seen, (1, 2), random_starts())
    assert found is not None
    assert found.stuck
    right = ((found(seen.features[0])[:, 0] > 0.5) == (label > 0)).float().mean()
    assert max(right, 1 - right) > 0.95


def blurred(count: int, *, wrong: bool) -> tuple[Survey, Tensor]:
    """Return the same in 400 features, each a mixture of class, slant and more noise."""
    seen, label = survey(count, wrong=wrong)
    draw = streams.generator(0, "mixing")
    mixing = torch.randn(FEATURES, 400, generator=draw) / FEATURES**0.5
    views = [part @ mixing + 0.5 * torch.randn(count, 400, generator=draw) for part in seen.features]
    return Survey((views[0], views[1]), seen.probabilities), label


@pytest.mark.parametrize("start", range(2))
def test_few_images_of_many_features_are_partitioned_in_few_components(start: int) -> None:
    seen, label = blurred(500, wrong=True)
    found = repartition.find_partition(seen, (1, 2), random_starts(start), 10)
    assert found is not None
    assert found.stuck
    right = ((found(seen.features[0])[:, 0] > 0.5) == (label > 0)).float().mean()
    assert max(right, 1 - right) > 0.95


def test_a_correct_partition_of_few_images_is_left_alone() -> None:
    found = repartition.find_partition(blurred(500, wrong=False)[0], (1, 2), random_starts(), 10)
    assert found is not None
    assert found.found < found.present + repartition.FEW_GAIN
    assert not found.stuck


def test_more_components_than_features_are_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repartition, "STEPS", 5)
    seen = survey(1_000, wrong=True)[0]
    found, same = (
        repartition.find_partition(seen, (1, 2), random_starts(), count) for count in (FEATURES, 99)
    )
    assert found is not None
    assert same is not None
    assert torch.equal(found.weight, same.weight)


def test_a_correct_partition_is_left_alone() -> None:
    found = repartition.find_partition(survey(2_000, wrong=False)[0], (1, 2), random_starts())
    assert found is not None
    assert found.present > 0.5
    assert not found.stuck


def test_noise_is_no_better_partition() -> None:
    """The new partition is measured on images that it was not fitted to."""
    draw = streams.generator(0, "test")
    views = tuple(torch.randn(300, 200, generator=draw) for _ in range(2))
    read = tuple(torch.rand(300, 2, generator=draw).softmax(1) for _ in range(2))
    found = repartition.find_partition(Survey(views, read), (0, 1), random_starts())  # type: ignore[arg-type]
    assert found is not None
    assert found.found < 0.1


def test_too_few_images_give_no_partition() -> None:
    assert repartition.find_partition(survey(150, wrong=True)[0], (1, 2), random_starts()) is None


def test_q_learns_the_partition_and_the_rest_stays(tiny: Tiny, trainer: Make) -> None:
    made = trainer(tiny(repair_end=0, repair_start=0))
    advance(made, 5)
    model, dimension, draw = made.model, ("digit", 0), streams.generator(0, "test")
    seen = made.repair.survey(dimension, made.step)
    images = torch.cat(seen.features)
    weight = torch.zeros(2, images.shape[1])
    best = images.std(0).argmax()
    weight[0, best], weight[1, best] = 20.0, -20.0
    partition = Partition(seen, (2, 5), 0.1, 0.5, weight, -weight[:, best] * images[:, best].median())
    before, trunk = model.recognition(images, ("real",)).detach(), model.trunk.state_dict()
    trunk = {name: value.clone() for name, value in trunk.items()}
    repartition.operate(model, made.optimizers, dimension, partition, draw)
    after = model.recognition(images, ("real",)).detach()
    read = [model.latents.category_probabilities(raw)[dimension] for raw in (before, after)]
    pair = [part[:, [2, 5]] / part[:, [2, 5]].sum(1, keepdim=True) for part in read]
    wanted = partition(images)
    assert (pair[1] - wanted).abs().mean() < 0.5 * (pair[0] - wanted).abs().mean()
    assert (read[1].sum(1) - 1).abs().max() < 1e-5
    assert all(torch.equal(value, trunk[name]) for name, value in model.trunk.state_dict().items())
    rows, first = split_merge.rows_of(model, *dimension), model.generator.get_submodule("hidden.blocks.0")
    assert torch.equal(first.weight[:, rows.inputs + 2], first.weight[:, rows.inputs + 5])
    assert not made.optimizers["discriminator"].state[model.recognition.output.weight]["exp_avg"].any()


def test_a_suspect_pair_is_re_partitioned_in_training(
    monkeypatch: pytest.MonkeyPatch, tiny: Tiny, trainer: Make
) -> None:
    monkeypatch.setattr(split_merge, "suspect", lambda joint: tuple(joint.sum(0).topk(2).indices.tolist()))
    monkeypatch.setattr(split_merge, "MARGIN", 100.0)
    monkeypatch.setattr(Partition, "stuck", True)
    every = torch.ones(1437, dtype=torch.bool)  # after three steps few images belong to the pair
    monkeypatch.setattr(Survey, "of_pair", lambda survey, pair: every)
    made = trainer(tiny(repair_start=3, repair_end=3, repair_every=3))
    advance(made, 3)
    assert made.repair.trial is not None
    assert "re-partitioned" in made.take_window()["notes"][-1]
