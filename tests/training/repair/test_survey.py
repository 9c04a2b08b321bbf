"""A survey of many real images and their second views."""

from __future__ import annotations

from collections.abc import Callable

import torch

from infogan.config import Config
from infogan.training.repair.survey import Survey
from infogan.training.trainer import Trainer

Tiny = Callable[..., Config]
Make = Callable[[Config], Trainer]


def test_a_survey_is_a_function_of_the_step_alone(tiny: Tiny, trainer: Make) -> None:
    first, second = trainer(tiny()), trainer(tiny())
    first.repair.survey(("digit", 0), 0)
    surveys = [made.repair.survey(("digit", 0), 3) for made in (first, second)]
    for ours, theirs in zip(surveys[0].features, surveys[1].features, strict=True):
        assert torch.equal(ours, theirs)
    other = first.repair.survey(("digit", 0), 4)
    assert not torch.equal(other.features[0], surveys[0].features[0])


def test_both_views_of_all_images_are_encoded(tiny: Tiny, trainer: Make) -> None:
    made = trainer(tiny())
    survey = made.repair.survey(("digit", 0), 0)
    for features, probabilities in zip(survey.features, survey.probabilities, strict=True):
        assert features.shape == (len(made.images), made.model.trunk.features)
        assert torch.allclose(probabilities.sum(1), torch.ones(len(made.images)))
    assert not torch.equal(*survey.features)


def test_images_of_a_pair_have_both_views_in_it() -> None:
    first, second = torch.eye(4)[[0, 1, 2, 1]], torch.eye(4)[[1, 3, 2, 1]]
    survey = Survey((torch.zeros(4, 2), torch.zeros(4, 2)), (first, second))
    assert survey.of_pair((0, 1)).tolist() == [True, False, False, True]


def test_with_its_own_encoder_q_s_features_are_surveyed(tiny: Tiny, trainer: Make) -> None:
    made = trainer(tiny().replace(network={"architecture": "anchored"}))
    assert made.model.encoder is not None
    assert made.model.encoder.features != made.model.trunk.features
    features, _ = made.repair.survey(("digit", 0), 0).features
    assert features.shape == (len(made.images), made.model.encoder.features)
