"""Verdicts on candidates: what a reader may conclude from their figures."""

from __future__ import annotations

from typing import Any

import numpy as np

from infogan import api
from infogan.config import Categorical, Periodic, Uniform
from infogan.discovery.candidate_verdicts import agreements, verdicts
from infogan.model import InfoGAN
from tests.discovery.learned_builders import candidate, categories, learned


def test_a_verdict_says_where_a_code_was_found_and_whether_generated_images_show_it() -> None:
    found = learned(candidate(), found=categories())
    agreed = [{"type": 0.2, "coordinate1": 0.3}, {"type": 0.9, "coordinate1": 0.4}]
    entries = verdicts(found, agreed, best=1)
    assert entries["type"]["verdict"] == "found in the real images; generated images show it"
    assert entries["type"]["categories"] == 3
    assert entries["type"]["generated_agreements"] == [0.2, 0.9]
    shown = "found in the real images; generated images do not show it reliably"
    assert entries["coordinate1"]["verdict"] == shown


def test_before_there_is_a_generator_the_verdict_is_on_the_real_images() -> None:
    entries = verdicts(learned(candidate()))
    assert entries["coordinate1"]["verdict"] == "found in the real images"
    assert "generated_agreement" not in entries["coordinate1"]


def test_a_principal_component_that_does_as_well_is_named() -> None:
    assert verdicts(learned(candidate(explained=0.97)))["coordinate1"]["verdict"].endswith(
        "principal component 2 does as well"
    )


def test_categories_that_are_not_stable_are_said_to_be_so() -> None:
    """They are kept if the user gave their number."""
    entry = verdicts(learned(found=categories(agreement=0.3)))["type"]
    assert entry["verdict"] == "no more stable than in images without categories"


class Repeating(InfoGAN):
    """Stands for an encoder that sees all codes of generated images but one, with another sign and sense."""

    wrong = ""

    def encode(self, images: Any, **_: Any) -> dict[str, np.ndarray]:
        _, codes = self.draw(len(images), seed=1, stream="discovery/verdicts")
        given = {name: value.numpy() for name, value in codes.items()}
        given[self.wrong] = np.random.default_rng(0).permutation(given[self.wrong])
        angle = -np.pi * given["angle"][:, 0]
        return {
            "type": given["type"][:, [2, 0, 1]],
            "style": -given["style"][:, 0],
            "angle": np.stack([np.cos(angle), np.sin(angle)], 1),
        }


def test_agreement_is_1_for_any_order_sign_and_sense_and_0_for_unrelated_codes() -> None:
    codes = {"type": Categorical(3), "style": Uniform(), "angle": Periodic()}
    config = api.configure("digits", recipe="paper").replace(latents={"codes": codes}, network={"width": 0.1})
    model, encoder = InfoGAN(config), Repeating(config)
    for wrong in codes:
        encoder.wrong = wrong
        values = agreements(model, encoder, dict.fromkeys(codes))
        assert values.pop(wrong) < 0.1
        assert min(values.values()) > 0.99
