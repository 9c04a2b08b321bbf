"""A fresh Q finds nothing where there is nothing, and nearly all where codes are drawn into pixels."""

import math
from collections.abc import Callable

import pytest
import torch

from infogan.config import Config, Gaussian, Uniform
from infogan.evaluation import Budget, fit_recognition
from infogan.evaluation.fresh_recognition import FreshRecognition
from infogan.model import InfoGAN

KEY = "mutual_information_nats"
SHORT = Budget(max_steps=100, patience=50, check_every=25, batch_size=64, learning_rate=4e-3, held_out=400)


def ignoring(model: InfoGAN) -> InfoGAN:
    """The model with a generator that reads its noise alone."""
    first = model.generator.hidden.blocks[0]
    with torch.no_grad():
        first.weight[:, model.latents.noise :] = 0
        first.weight *= 20  # far enough that images differ
    return model


def test_a_generator_that_ignores_its_codes_gives_nothing(tiny_model: InfoGAN) -> None:
    found = fit_recognition(ignoring(tiny_model), budget=SHORT, samples=2_000)
    digit = found["codes"]["digit"]
    assert digit[KEY] < 3 * digit[f"{KEY}_standard_error"] + 1e-6
    assert digit[KEY] > -0.05
    assert found["codes"]["style"]["r2_fake"] < 0.02
    assert found["steps"] <= 100


def test_codes_drawn_into_pixels_are_read_nearly_whole(drawn_model: InfoGAN) -> None:
    found = fit_recognition(drawn_model, budget=SHORT, samples=1_000)
    assert found["codes"]["digit"][KEY] > 0.9 * math.log(4)
    assert found["codes"]["digit"][KEY] <= math.log(4) + 1e-6
    assert found["codes"]["style"]["r2_fake"] > 0.8
    curve = found["curve"]
    assert [look["step"] for look in curve] == [0, 25, 50, 75, 100]
    assert abs(curve[0]["mutual_information"]["digit"]) < 0.1
    assert found["steps"] == 100 and not found["converged"]


def test_training_stops_when_the_held_out_bound_no_longer_rises(tiny_model: InfoGAN) -> None:
    patient = Budget(max_steps=5_000, patience=30, check_every=10, batch_size=16, held_out=100)
    found = fit_recognition(ignoring(tiny_model), budget=patient, samples=50)
    assert found["converged"]
    assert found["steps"] - max(code["best_step"] for code in found["codes"].values()) == 30
    for name, code in found["codes"].items():
        nats = {look["step"]: look["mutual_information"][name] for look in found["curve"]}
        assert nats[code["best_step"]] == max(nats.values())


def test_the_best_parameters_of_each_code_are_scored_and_not_the_last(drawn_model: InfoGAN) -> None:
    # A rate far too high: what later steps read is worse than at the first look.
    wild = Budget(max_steps=20, patience=100, check_every=5, batch_size=8, learning_rate=3.0, held_out=300)
    found = fit_recognition(drawn_model, budget=wild, samples=300)
    for name, code in found["codes"].items():
        nats = {look["step"]: look["mutual_information"][name] for look in found["curve"]}
        assert code[KEY] == pytest.approx(nats[code["best_step"]], abs=0.2)
    assert any(code["best_step"] < 20 for code in found["codes"].values())


def test_the_model_is_left_as_it_was_and_the_result_is_a_function_of_the_seed(tiny_model: InfoGAN) -> None:
    before = {name: value.clone() for name, value in tiny_model.state_dict().items()}
    brief = Budget(max_steps=4, check_every=2, batch_size=8, held_out=30)
    chance = torch.random.get_rng_state()
    once, again = (fit_recognition(tiny_model, budget=brief, samples=20, seed=3) for _ in range(2))
    assert once == again
    assert fit_recognition(tiny_model, budget=brief, samples=20, seed=4)["codes"] != once["codes"]
    assert torch.equal(chance, torch.random.get_rng_state())
    assert all(torch.equal(before[name], value) for name, value in tiny_model.state_dict().items())
    assert not tiny_model.training


def test_fresh_latents_in_every_batch(tiny_model: InfoGAN, monkeypatch: pytest.MonkeyPatch) -> None:
    streams: list[str] = []
    draw = tiny_model.draw

    def watched(count: int, *, seed: int, stream: str) -> object:
        streams.append(stream)
        return draw(count, seed=seed, stream=stream)

    monkeypatch.setattr(tiny_model, "draw", watched)
    fit_recognition(tiny_model, budget=Budget(max_steps=3, batch_size=4, held_out=10), samples=10)
    assert len(streams) == len(set(streams)) == 6  # three steps; those that normalise, choose, and score


def test_a_fixed_std_is_fitted(config_of: Callable[..., Config]) -> None:
    model = InfoGAN(config_of({"style": Uniform(posterior=Gaussian(std=1.0))}))
    brief = Budget(max_steps=2, batch_size=8, held_out=200)
    assert fit_recognition(model, budget=brief, samples=200)["codes"]["style"]["std_fitted"] is True


def test_a_fresh_q_has_the_encoder_of_the_model_s_q(tiny_config: Config) -> None:
    model = InfoGAN(tiny_config.replace(network={"architecture": "anchored"}))
    assert model.encoder is not None and model.encoder.features != model.trunk.features
    assert FreshRecognition(model, seed=0).trunk.features == model.encoder.features
