"""Two categories divided anew: found in the trunk's features, taught to Q, and nothing else moved."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from infogan import streams
from infogan.config import Config
from infogan.training.repair import repartition, split_merge
from infogan.training.repair.repartition import Division, Survey
from infogan.training.trainer import Trainer

KINDS = 12
"""Features: the first tells two kinds apart, the second is a slant that a copy mostly keeps."""

Tiny = Callable[..., Config]
Make = Callable[[Config], Trainer]


def survey(count: int, *, wrong: bool) -> tuple[Survey, Tensor]:
    """Images of categories 1 and 2 of three, with copies: Q divides them by slant (wrong) or by kind.

    Returns:
        the survey, and the kind of each image.
    """
    draw = streams.generator(0, "test")
    kind = torch.randint(2, (count,), generator=draw).float() * 2 - 1
    slant = torch.randn(count, generator=draw)
    views, read = [], []
    for _ in range(2):
        features = 0.3 * torch.randn(count, KINDS, generator=draw)
        features[:, 0] += kind
        features[:, 1] += slant
        logit = 4 * features[:, 1] if wrong else 4 * features[:, 0]
        pair = torch.stack([logit, -logit], 1).softmax(1) * 0.98
        read.append(torch.cat([torch.full((count, 1), 0.02), pair], 1))
        views.append(features)
    return Survey((views[0], views[1]), (read[0], read[1])), kind


def test_the_line_between_the_kinds_is_found_where_q_has_another() -> None:
    seen, kind = survey(2_000, wrong=True)
    found = repartition.divide(seen, (1, 2), streams.generator(0, "redivide"))
    assert found is not None
    assert found.stuck
    right = ((found(seen.features[0])[:, 0] > 0.5) == (kind > 0)).float().mean()
    assert max(right, 1 - right) > 0.95


def blurred(count: int, *, wrong: bool) -> tuple[Survey, Tensor]:
    """The same in 400 features: all of them hold something of kind and slant, and more noise."""
    seen, kind = survey(count, wrong=wrong)
    draw = streams.generator(0, "mixing")
    mixing = torch.randn(KINDS, 400, generator=draw) / KINDS**0.5
    views = [part @ mixing + 0.5 * torch.randn(count, 400, generator=draw) for part in seen.features]
    return Survey((views[0], views[1]), seen.probabilities), kind


@pytest.mark.parametrize("start", range(3))
def test_few_images_of_many_features_are_divided_in_few_components(start: int) -> None:
    seen, kind = blurred(500, wrong=True)
    found = repartition.divide(seen, (1, 2), streams.generator(start, "redivide"), 10)
    assert found is not None
    assert found.stuck
    right = ((found(seen.features[0])[:, 0] > 0.5) == (kind > 0)).float().mean()
    assert max(right, 1 - right) > 0.95


def test_a_right_division_of_few_images_is_left_alone() -> None:
    found = repartition.divide(blurred(500, wrong=False)[0], (1, 2), streams.generator(0, "redivide"), 10)
    assert found is not None
    assert found.found < found.present + repartition.FEW_GAIN
    assert not found.stuck


def test_more_components_than_an_image_s_features_are_all_of_them() -> None:
    seen = survey(1_000, wrong=True)[0]
    draws = (streams.generator(0, "redivide") for _ in range(2))
    found, same = (
        repartition.divide(seen, (1, 2), draw, count) for draw, count in zip(draws, (KINDS, 99), strict=True)
    )
    assert found is not None
    assert same is not None
    assert torch.equal(found.weight, same.weight)


def test_a_right_division_is_left_alone() -> None:
    found = repartition.divide(survey(2_000, wrong=False)[0], (1, 2), streams.generator(0, "redivide"))
    assert found is not None
    assert found.present > 0.5
    assert not found.stuck


def test_noise_is_no_better_division() -> None:
    """The new division is judged on images that it was not found on."""
    draw = streams.generator(0, "test")
    views = tuple(torch.randn(300, 200, generator=draw) for _ in range(2))
    read = tuple(torch.rand(300, 2, generator=draw).softmax(1) for _ in range(2))
    found = repartition.divide(Survey(views, read), (0, 1), streams.generator(0, "redivide"))  # type: ignore[arg-type]
    assert found is not None
    assert found.found < 0.1


def test_too_few_images_say_nothing() -> None:
    assert repartition.divide(survey(150, wrong=True)[0], (1, 2), streams.generator(0, "redivide")) is None


def test_q_is_taught_the_division_and_the_rest_stays(tiny: Tiny, trainer: Make) -> None:
    made = trainer(tiny())
    for _ in range(20):
        made.advance()
    model, place, draw = made.model, ("digit", 0), streams.generator(0, "test")
    seen = made._survey(place)
    images = torch.cat(seen.features)
    weight = torch.zeros(2, images.shape[1])
    best = images.std(0).argmax()
    weight[0, best], weight[1, best] = 20.0, -20.0
    division = Division(seen, (2, 5), 0.1, 0.5, weight, -weight[:, best] * images[:, best].median())
    before, trunk = model.recognition(images, ("real",)).detach(), model.trunk.state_dict()
    trunk = {name: value.clone() for name, value in trunk.items()}
    repartition.operate(model, made.optimizers, place, division, draw)
    after = model.recognition(images, ("real",)).detach()
    read = [model.latents.category_probabilities(raw)[place] for raw in (before, after)]
    pair = [part[:, [2, 5]] / part[:, [2, 5]].sum(1, keepdim=True) for part in read]
    wanted = division(images)
    assert (pair[1] - wanted).abs().mean() < 0.5 * (pair[0] - wanted).abs().mean()
    assert (read[1].sum(1) - 1).abs().max() < 1e-5
    assert all(torch.equal(value, trunk[name]) for name, value in model.trunk.state_dict().items())
    rows, first = split_merge.rows_of(model, *place), split_merge._first_layer(model)
    assert torch.equal(first.weight[:, rows.inputs + 2], first.weight[:, rows.inputs + 5])
    assert not made.optimizers["discriminator"].state[model.recognition.output.weight]["exp_avg"].any()


def test_a_suspect_pair_is_divided_in_training(
    monkeypatch: pytest.MonkeyPatch, tiny: Tiny, trainer: Make
) -> None:
    monkeypatch.setattr(split_merge, "suspect", lambda joint: tuple(joint.sum(0).topk(2).indices.tolist()))
    monkeypatch.setattr(split_merge, "MARGIN", 100.0)
    monkeypatch.setattr(repartition, "BETTER", -1.0)
    monkeypatch.setattr(repartition, "_LEAST", 1)
    made = trainer(tiny(repair_start=20, repair_end=20, repair_every=20))
    for _ in range(20):
        made.advance()
    assert made.remedy.trial is not None
    assert "divided anew" in made.take_window()["notes"][-1]


def test_a_survey_does_not_depend_on_what_was_drawn_before(tiny: Tiny, trainer: Make) -> None:
    one, other = trainer(tiny()), trainer(tiny())
    one._survey(("digit", 0))
    for first, second in zip(
        one._survey(("digit", 0)).features, other._survey(("digit", 0)).features, strict=True
    ):
        assert torch.equal(first, second)
