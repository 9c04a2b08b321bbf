"""The project's own sources, networks, terms and metrics pass the checks that plug-ins can run."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from infogan import testing
from infogan.evaluation.metric import METRICS, metric
from infogan.networks import NETWORKS, Networks, NetworkShape, network
from infogan.training.terms import TERMS, TermInputs, term


@pytest.mark.parametrize("name", TERMS)
def test_every_term_passes(name: str) -> None:
    testing.check_term(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", METRICS)
def test_every_metric_passes(name: str) -> None:
    testing.check_metric(name)


def test_a_source_passes() -> None:
    assert len(testing.check_source("digits").train.images) == 1_500


def test_a_term_without_gradient_is_found() -> None:
    with TERMS.restored():

        @term("constant", player="generator")
        def constant(inputs: TermInputs) -> object:
            return inputs.generated.detach().mean()

        with pytest.raises(AssertionError, match="no weight of the generator receives a gradient"):
            testing.check_term("constant")


def test_a_metric_that_is_no_json_is_found() -> None:
    with METRICS.restored():
        metric("odd")(lambda subject: {"odd": object()})
        with pytest.raises(AssertionError, match="JSON"):
            testing.check_metric("odd")


def test_networks_that_generate_another_size_are_found() -> None:
    with NETWORKS.restored():

        @network("flat")
        def flat(shape: NetworkShape) -> Networks:
            return Networks(
                generator=nn.Sequential(nn.Linear(shape.latents, 4), nn.Sigmoid(), nn.Unflatten(1, (1, 2, 2)))
            )

        with pytest.raises(AssertionError, match="generated images are"):
            testing.check_network("flat")


def test_a_term_that_fails_in_bfloat16_is_found() -> None:
    with TERMS.restored():

        @term("fragile", player="generator")
        def fragile(inputs: TermInputs) -> torch.Tensor:
            mean = inputs.generated.mean()
            return mean * float("nan") if mean.dtype == torch.bfloat16 else mean

        with pytest.raises(AssertionError, match="bfloat16"):
            testing.check_term("fragile")
