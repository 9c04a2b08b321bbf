"""L_I against channels whose information is known in closed form."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from infogan.config import Bernoulli, Categorical, Code, Config, Gaussian, LatentsConfig, Normal, Uniform
from infogan.evaluation.mutual_information import FITTING_SAMPLES, fit_stds, information, score_codes
from infogan.evaluation.subject import Subject
from infogan.latents import Latents
from infogan.model import InfoGAN

KEY = "mutual_information_nats"


def one_code(code: Code) -> Latents:
    return Latents(LatentsConfig(noise=1, codes={"c": code}))


def categories(count: int, seed: int = 0) -> tuple[Latents, torch.Tensor]:
    latents = one_code(Categorical(10))
    return latents, latents.sample_codes(count, torch.Generator().manual_seed(seed))["c"]


def test_a_perfect_reading_carries_the_entropy() -> None:
    latents, codes = categories(500)
    found = score_codes(latents, 30 * codes, {"c": codes}, {})["c"]
    assert found[KEY] == pytest.approx(math.log(10), abs=1e-6)
    assert found["entropy_nats"] == pytest.approx(math.log(10))
    assert found[f"{KEY}_interval"][1] <= math.log(10) + 1e-6
    assert found["kind"] == "categorical" and found["size"] == 10
    assert not {"std", "r2_fake", "dim", "std_fitted"} & set(found)


def test_a_constant_reading_carries_nothing() -> None:
    latents, codes = categories(500)
    found = score_codes(latents, torch.zeros(500, 10), {"c": codes}, {})["c"]
    assert found[KEY] == pytest.approx(0, abs=1e-6)
    assert found[f"{KEY}_standard_error"] == pytest.approx(0, abs=1e-6)


def test_a_permuted_reading_is_below_nothing() -> None:
    latents, codes = categories(500)
    assert score_codes(latents, 30 * codes.roll(1, dims=1), {"c": codes}, {})["c"][KEY] < -20


def symmetric_channel(codes: torch.Tensor, error: float, draw: torch.Generator) -> torch.Tensor:
    """log of the true posterior of a code that is replaced by another one with probability `error`."""
    count, size = codes.shape
    shift = torch.randint(1, size, (count,), generator=draw)
    wrong = torch.rand(count, generator=draw) < error
    seen = (codes.argmax(1) + torch.where(wrong, shift, 0)) % size
    posterior = torch.full((count, size), error / (size - 1))
    posterior[torch.arange(count), seen] = 1 - error
    return posterior.log()


def test_a_noisy_channel_has_its_known_information() -> None:
    latents, codes = categories(20_000)
    raw = symmetric_channel(codes, 0.2, torch.Generator().manual_seed(1))
    truth = math.log(10) + 0.8 * math.log(0.8) + 0.2 * math.log(0.2 / 9)
    found = score_codes(latents, raw, {"c": codes}, {})["c"]
    assert abs(found[KEY] - truth) < 4 * found[f"{KEY}_standard_error"] < 0.05


def test_intervals_hold_the_truth_about_95_times_in_100() -> None:
    truth, held = math.log(10) + 0.8 * math.log(0.8) + 0.2 * math.log(0.2 / 9), 0
    for repeat in range(200):
        latents, codes = categories(300, repeat)
        raw = symmetric_channel(codes, 0.2, torch.Generator().manual_seed(1_000 + repeat))
        low, high = score_codes(latents, raw, {"c": codes}, {})["c"][f"{KEY}_interval"]
        held += low <= truth <= high
    assert 180 <= held <= 198


def test_a_gaussian_channel_has_its_known_information_std_and_r2() -> None:
    noise, latents = 0.5, one_code(Normal())
    codes = latents.sample_codes(20_000, torch.Generator().manual_seed(0))
    seen = codes["c"] + noise * torch.randn(20_000, 1, generator=torch.Generator().manual_seed(1))
    std = noise / math.sqrt(1 + noise**2)
    raw = torch.cat([seen / (1 + noise**2), torch.full((20_000, 1), math.log(std))], dim=1)
    found = score_codes(latents, raw, codes, {})["c"]
    truth = 0.5 * math.log(1 + 1 / noise**2)
    assert abs(found[KEY] - truth) < 4 * found[f"{KEY}_standard_error"] < 0.05
    assert found["std"] == pytest.approx(std, rel=1e-4)
    assert found["r2_fake"] == pytest.approx(1 / (1 + noise**2), abs=0.01)
    assert "std_fitted" not in found


def test_dimensions_add_up_and_the_others_are_averaged() -> None:
    latents = one_code(Uniform(dim=3))
    codes = latents.sample_codes(4_000, torch.Generator().manual_seed(0))
    raw = torch.cat([codes["c"], torch.full((4_000, 3), math.log(0.1))], dim=1)
    found = score_codes(latents, raw, codes, {})["c"]
    one = math.log(2) - math.log(0.1) - 0.5 * math.log(2 * math.pi)
    assert found[KEY] == pytest.approx(3 * one, abs=1e-3)
    assert (found["size"], found["r2_fake"]) == (3, 1.0)
    assert found["entropy_nats"] == pytest.approx(3 * math.log(2))


def test_a_bernoulli_code_is_a_discrete_code() -> None:
    latents = one_code(Bernoulli(probability=0.3))
    codes = latents.sample_codes(4_000, torch.Generator().manual_seed(0))
    found = score_codes(latents, 60 * codes["c"] - 30, codes, {})["c"]
    assert found[KEY] == pytest.approx(found["entropy_nats"], abs=1e-6)
    assert "std" not in found


def test_a_fixed_std_is_replaced_by_one_fitted_on_other_images() -> None:
    latents = one_code(Uniform(posterior=Gaussian(std=1.0)))
    draw = torch.Generator().manual_seed(0)
    codes = latents.sample_codes(20_000, draw)
    raw = codes["c"] + 0.2 * torch.randn(20_000, 1, generator=draw)
    halves = [{"c": part} for part in codes["c"].split(10_000)]
    fitted = fit_stds(latents, raw[:10_000], halves[0])
    assert fitted["c"].item() == pytest.approx(0.2, rel=0.03)
    fixed = score_codes(latents, raw[10_000:], halves[1], {})["c"]
    found = score_codes(latents, raw[10_000:], halves[1], fitted)["c"]
    assert fixed[KEY] < math.log(2) - 0.918
    assert found[KEY] == pytest.approx(
        math.log(2) - math.log(0.2) - 0.5 * math.log(2 * math.pi * math.e), abs=0.03
    )
    assert found["std"] == pytest.approx(0.2, rel=0.03)
    assert found["std_fitted"] is True
    assert fit_stds(one_code(Uniform()), torch.zeros(4, 2), {"c": torch.zeros(4, 1)}) == {}


def test_a_fixed_std_model_fits_on_images_that_it_does_not_score(config_of: Callable[..., Config]) -> None:
    seen: list[np.ndarray] = []

    class Watched(InfoGAN):
        def recognise(self, images: np.ndarray, **options: str) -> torch.Tensor:
            assert options["domain"] == "fake"
            seen.append(images)
            return super().recognise(images, **options)

    codes = {"style": Uniform(posterior=Gaussian(std=1.0))}
    found = information(Subject(Watched(config_of(codes)), samples=300))["style"]
    assert [len(images) for images in seen] == [FITTING_SAMPLES, 300]
    assert not (seen[0][:300] == seen[1]).all()
    assert found[KEY] > -0.226


def test_a_model_without_training_carries_nearly_nothing(tiny_model: InfoGAN) -> None:
    found = information(Subject(tiny_model, samples=400))
    assert abs(found["digit"][KEY]) < 0.01
    assert found["style"]["r2_fake"] < 0.1


def test_fresh_images_are_a_function_of_the_seed(tiny_model: InfoGAN) -> None:
    assert information(Subject(tiny_model, samples=50, seed=1)) == information(
        Subject(tiny_model, samples=50, seed=1)
    )
    assert information(Subject(tiny_model, samples=50, seed=1)) != information(
        Subject(tiny_model, samples=50, seed=2)
    )
