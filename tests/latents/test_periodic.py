"""The periodic code: an angle that closes on itself, from its density to a trained run."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats
from torch import Tensor

from infogan import InfoGAN, cli, objective, streams
from infogan.config import Config, LatentsConfig, Periodic, Uniform, VonMises, parse_codes
from infogan.evaluation.mutual_information import r_squared, score_codes
from infogan.evaluation.predicted_codes import continuous_dimensions
from infogan.latents import Latents, VonMisesPosterior, concentration, wrap
from infogan.training.repair.split_merge import rows_of

KAPPAS = [0.0, 1e-6, 0.3, 1.7, 10.7, 100.0, 1e4, 1e7]
LINE = torch.linspace(-1, 1, 400_001, dtype=torch.float64)[:, None]


def von_mises(kappa: float, mean: float = 0.0, count: int = 1) -> VonMisesPosterior:
    """`mean` in half turns."""
    angle = math.pi * torch.full((count, 1), mean, dtype=torch.float64)
    return VonMisesPosterior(kappa * torch.cat([angle.cos(), angle.sin()], 1), 1e9)


def one_code(code: Periodic) -> Latents:
    return Latents(LatentsConfig(noise=1, codes={"turn": code}))


def von_mises_information(kappa: float) -> float:
    """ln 2 less the entropy of the error, by scipy: I(code; code + von Mises error) in nats."""
    return math.log(2 * math.pi) - float(stats.vonmises(kappa).entropy())


# --- the prior -------------------------------------------------------------------------------------------


def test_the_entropy_is_that_of_the_density() -> None:
    density = von_mises(0.0).log_prob(LINE).double().exp()
    torch.testing.assert_close(density, torch.full_like(density, 0.5))
    integral = torch.trapezoid(torch.special.entr(density), LINE[:, 0]).item()
    assert one_code(Periodic()).entropies["turn"] == pytest.approx(integral, abs=1e-6)
    assert integral == pytest.approx(math.log(2), abs=1e-6)


@settings(deadline=None)
@given(st.floats(-1e4, 1e4, width=32))
def test_every_angle_has_one_value(value: float) -> None:
    wrapped = wrap(torch.tensor([value])).item()
    assert -1 <= wrapped < 1
    assert math.remainder(value - wrapped, 2) == pytest.approx(0, abs=2e-3 if abs(value) > 10 else 1e-6)
    if -1 <= value < 1:
        assert wrapped == value


def test_both_ends_are_one_input_of_the_generator() -> None:
    latents = one_code(Periodic(dim=2))
    noise = torch.zeros(1, 1)
    joined = [latents.join(noise, {"turn": torch.tensor([[0.3, end]])}) for end in (-1.0, 1.0, 3.0)]
    assert torch.equal(joined[0], joined[1]) and torch.equal(joined[0], joined[2])
    angles = math.pi * torch.tensor([0.3, 1.0])
    torch.testing.assert_close(joined[0][0, 1:], torch.cat([angles.cos(), angles.sin()]))
    assert latents.width == 1 + 4 and latents.posterior_width == 4


# --- the posterior ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kappa", KAPPAS)
@pytest.mark.parametrize("mean", [0.0, 0.9])
def test_the_density_integrates_to_one(kappa: float, mean: float) -> None:
    density = von_mises(kappa, mean).log_prob(LINE).double().exp()
    assert torch.trapezoid(density, LINE[:, 0]).item() == pytest.approx(1, abs=2e-6)


@pytest.mark.parametrize("kappa", [0.3, 1.7, 10.7, 100.0])
def test_the_density_is_scipy_s(kappa: float) -> None:
    values = torch.linspace(-1, 1, 41, dtype=torch.float64)[:, None]
    found = von_mises(kappa, 0.75).log_prob(values).double().numpy()
    # scipy's is of radians: of half turns it is pi times as dense.
    expected = stats.vonmises(kappa, 0.75 * math.pi).logpdf(math.pi * values[:, 0].numpy()) + math.log(
        math.pi
    )
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kappa", [1e4, 1e7])
def test_a_large_kappa_loses_nothing_of_float32_outputs(kappa: float) -> None:
    """As the head gives it: near the mean, where log I0 and kappa cancel. There it is a Gaussian."""
    angle, std = math.pi * torch.tensor([[0.25]]), 1 / (math.pi * math.sqrt(kappa))
    raw = kappa * torch.cat([angle.cos(), angle.sin()], 1)
    found = VonMisesPosterior(raw, 1e9).log_prob(torch.tensor([[0.25 + std]])).item()
    assert found == pytest.approx(stats.norm(0, std).logpdf(std), abs=2e-3)


@pytest.mark.parametrize("std", [1e-4, 0.01, 0.1, 0.3, 1.0])
def test_the_limit_is_the_least_std(std: float) -> None:
    kappa = concentration(std)
    resultant = special.i1e(kappa) / special.i0e(kappa)
    assert math.sqrt(-2 * math.log(resultant)) / math.pi == pytest.approx(std, rel=1e-5)
    prior = one_code(Periodic(posterior=VonMises(std_min=std))).priors["turn"]
    sharpest = prior.posterior(torch.tensor([[-3e8, 4e8]]))
    assert isinstance(sharpest, VonMisesPosterior)
    assert sharpest.kappa.item() == pytest.approx(kappa)
    assert sharpest.std.item() == pytest.approx(std, rel=1e-5)
    assert sharpest.mean.item() == pytest.approx(math.atan2(4, -3) / math.pi)  # it keeps its direction


def test_the_std_is_that_of_draws() -> None:
    drawn = stats.vonmises(3.0).rvs(200_000, random_state=np.random.default_rng(0))
    assert von_mises(3.0).std.item() == pytest.approx(stats.circstd(drawn) / math.pi, rel=0.01)
    nothing = VonMisesPosterior(torch.zeros(1, 2), 1.7)
    assert nothing.mean.item() == 0
    assert math.isfinite(nothing.std.item())


@pytest.mark.parametrize(
    ("mean", "seen"), [(0.0, 0.0), (0.75, 0.75), (-0.75, -0.75), (1.0, -1.0), (-1.0, -1.0)]
)
def test_the_mean_is_an_angle_in_half_turns(mean: float, seen: float) -> None:
    found = von_mises(2.0, mean).mean.item()
    assert -1 <= found < 1
    assert found == pytest.approx(seen, abs=1e-6)


@pytest.mark.parametrize("length", [0.0, 1e-30, 1e-3, 1.0, 10.0, 1e4, 1e20])
@pytest.mark.parametrize("std", [1e-4, 0.1, 1.0])
@pytest.mark.parametrize("value", [-1.0, 0.2, 1.0])
def test_the_gradient_is_finite_at_any_length(length: float, std: float, value: float) -> None:
    raw = torch.tensor([[0.6 * length, -0.8 * length]], requires_grad=True)
    prior = one_code(Periodic(posterior=VonMises(std_min=std))).priors["turn"]
    log_prob = prior.posterior(raw).log_prob(torch.tensor([[value]]))
    log_prob.sum().backward()
    assert math.isfinite(log_prob.item())
    assert raw.grad is not None and torch.isfinite(raw.grad).all()
    if length < 1e-6:  # where Q knows nothing it is told the direction, wherever the code lies
        expected = [math.cos(math.pi * value), math.sin(math.pi * value)]
        torch.testing.assert_close(raw.grad, torch.tensor([expected]), rtol=0, atol=1e-6)


@pytest.mark.parametrize("length", [0.0, 2.0])
def test_half_precision_under_autocast_trains(length: float) -> None:
    latents = one_code(Periodic())
    raw = torch.tensor([[length, 0.0]], dtype=torch.bfloat16, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        bounds = objective.mutual_information_bound(latents, raw, {"turn": torch.tensor([[0.5]])})
    assert bounds["turn"].dtype == torch.float32
    bounds["turn"].backward()
    assert raw.grad is not None and torch.isfinite(raw.grad).all() and raw.grad.abs().max() > 0.5


# --- the bound -------------------------------------------------------------------------------------------


def channel(kappa: float, count: int = 40_000) -> tuple[Tensor, Tensor]:
    """Codes, and the cosine and sine of angles that miss them by von Mises errors."""
    codes = torch.rand(count, 1, generator=streams.generator(0, "test")) * 2 - 1
    errors = stats.vonmises(kappa).rvs(count, random_state=np.random.default_rng(1))
    angle = math.pi * codes + torch.from_numpy(errors).float()[:, None]
    return codes, torch.cat([angle.cos(), angle.sin()], 1)


@pytest.mark.parametrize("kappa", [0.5, 1.69, 10.6])
def test_the_bound_is_tight_at_the_right_kappa(kappa: float) -> None:
    codes, direction = channel(kappa)
    latents = one_code(Periodic())
    found = score_codes(latents, kappa * direction, {"turn": codes}, {})["turn"]
    nats, error = (found[f"mutual_information_nats{part}"] for part in ("", "_standard_error"))
    assert abs(nats - von_mises_information(kappa)) < 3 * error < 0.03
    for wrong in (kappa / 1.5, kappa * 1.5):
        posterior = VonMisesPosterior(wrong * direction, 1e9)
        assert posterior.log_prob(codes).mean().item() + math.log(2) < nats
    resultant = special.i1e(kappa) / special.i0e(kappa)
    assert found["r2_fake"] == pytest.approx(resultant, abs=0.01)
    assert found["std"] == pytest.approx(math.sqrt(-2 * math.log(resultant)) / math.pi, rel=1e-4)
    assert (found["kind"], found["size"]) == ("periodic", 1)


@pytest.mark.parametrize(("std", "nats"), [(0.03, 2.78), (0.1, 1.58), (0.2, 0.88), (0.3, 0.47), (0.5, 0.09)])
def test_a_std_is_worth_what_the_docs_say(std: float, nats: float) -> None:
    kappa = concentration(std)
    assert von_mises_information(kappa) == pytest.approx(nats, abs=0.005)
    codes, direction = channel(kappa)
    found = VonMisesPosterior(kappa * direction, 1e9).log_prob(codes).mean().item() + math.log(2)
    assert found == pytest.approx(nats, abs=0.02)


def test_a_reading_that_knows_nothing_is_worth_nothing() -> None:
    latents = one_code(Periodic())
    codes = latents.sample_codes(4_096, streams.generator(0, "test"))
    raw = torch.zeros(4_096, 2)
    assert objective.mutual_information_bound(latents, raw, codes)["turn"].item() == pytest.approx(
        0, abs=1e-6
    )
    answer = torch.tensor(
        [[3.0, -1.0]], requires_grad=True
    )  # certain, and of a code that is not in the image
    for _ in range(200):
        bound = objective.mutual_information_bound(latents, answer.expand(4_096, 2), codes)["turn"]
        (gradient,) = torch.autograd.grad(bound, answer)
        answer = (answer + gradient).detach().requires_grad_()
    assert bound.item() == pytest.approx(0, abs=1e-3)


def test_r_squared_knows_that_the_circle_closes() -> None:
    values = torch.linspace(-1, 1, 201)[:-1, None]
    assert r_squared(values, values, 2.0).item() == pytest.approx(1)
    assert r_squared(values, wrap(values + 0.01), 2.0).item() == pytest.approx(math.cos(0.01 * math.pi))
    assert r_squared(values, wrap(values + 0.01), None).item() < 0.99  # one value missed by a whole turn
    assert r_squared(values, torch.full_like(values, 0.3), 2.0).item() == pytest.approx(0, abs=1e-5)
    assert r_squared(values, -values.flip(0), 2.0).item() == pytest.approx(1, abs=0.01)


# --- a generator -----------------------------------------------------------------------------------------


@pytest.fixture
def model(tiny_config: Config) -> InfoGAN:
    """Reads an angle and a category; with weights so large that codes and noise show in the images."""
    codes = parse_codes("turn:p digit:4")
    model = InfoGAN(tiny_config.model_copy(update={"latents": LatentsConfig(noise=6, codes=codes)}))
    draw = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for value in model.generator.parameters():
            value.add_(0.3 * torch.randn(value.shape, generator=draw))
    return model


def test_a_full_turn_ends_in_the_same_picture(model: InfoGAN) -> None:
    pictures = model.traverse("turn", rows=3, values=[-1, 1, 0.5, -1.5, 0])
    assert np.array_equal(pictures[:, 0], pictures[:, 1])
    assert np.array_equal(pictures[:, 2], pictures[:, 3])
    assert not np.array_equal(pictures[:, 0], pictures[:, 4])
    assert np.array_equal(model.sample(3, codes={"turn": 1.0}), model.sample(3, codes={"turn": -1.0}))


def test_a_traversal_closes_on_itself(model: InfoGAN) -> None:
    line = model.traversal_values("turn")[:, 0]
    assert line.tolist() == [-1, -0.75, -0.5, -0.25, 0, 0.25, 0.5, 0.75]
    assert len({math.remainder(step, 2) for step in (line.roll(-1) - line).tolist()}) == 1
    strip = model.traverse("turn", rows=16).astype(float)
    steps = np.sqrt(np.square(np.roll(strip, -1, axis=1) - strip).sum((2, 3, 4))).mean(0)
    assert len(steps) == 8
    assert steps.min() > 0
    assert steps[-1] < 1.3 * steps[:-1].max()  # from the last picture to the first
    # A line between two ends: the way back is the longest step by far.
    two_ends = model.traverse("turn", rows=16, values=np.linspace(0, 1, 8).tolist()).astype(float)
    steps = np.sqrt(np.square(np.roll(two_ends, -1, axis=1) - two_ends).sum((2, 3, 4))).mean(0)
    assert steps[-1] > 2 * steps[:-1].max()


def test_a_code_of_several_angles_moves_the_first() -> None:
    line = one_code(Periodic(dim=3)).priors["turn"].traversal()
    assert line.shape == (8, 3)
    assert torch.all(line[:, 1:] == 0)


def test_what_comes_behind_an_angle_keeps_its_columns(model: InfoGAN) -> None:
    rows = rows_of(model, "digit", 0)
    assert (rows.outputs, rows.inputs) == (2, model.latents.noise + 2)
    digit = {"turn": torch.zeros(1, 1), "digit": torch.tensor([[1.0, 2, 3, 4]])}
    joined = model.latents.join(torch.zeros(1, 6), digit)
    assert joined[0, rows.inputs :].tolist() == [1, 2, 3, 4]


def test_an_angle_is_continuous_but_has_no_order() -> None:
    codes = parse_codes("digit:4 turn:p style:u")
    latents = Latents(LatentsConfig(noise=1, codes=codes))
    assert continuous_dimensions(latents) == [("turn", 0), ("style", 0)]
    assert continuous_dimensions(latents, ordered=True) == [("style", 0)]
    assert [name for name, prior in latents.priors.items() if prior.discrete] == ["digit"]


# --- a run -----------------------------------------------------------------------------------------------

SMALL = [
    "--device=cpu",
    "--set=width=0.125",
    "--set=batch_size=16",
    "--set=save_every=2",
    "--set=precision=float32",
]


def run(*arguments: object) -> int:
    return cli.main([str(argument) for argument in arguments])


@pytest.fixture(scope="module", params=["robust", "paper"])
def place(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`whole`, trained 4 steps at once, and `parts`, stopped after 2."""
    place = tmp_path_factory.mktemp("periodic")
    train = ["train", "digits", "--recipe", request.param, "--codes", "turn:p digit:4 both:p2", *SMALL]
    assert run(*train, "--out", place / "whole", "--steps", 4) == 0
    assert run(*train, "--out", place / "parts", "--steps", 2) == 0
    assert run("resume", place / "parts", "--steps", 4) == 0
    return place


def test_a_run_with_an_angle_goes_on_exactly(place: Path) -> None:
    whole, parts = (
        (place / name / "model" / "model.safetensors").read_bytes() for name in ("whole", "parts")
    )
    assert whole == parts
    config = InfoGAN.from_pretrained(place / "whole").config
    assert list(config.latents.codes) == ["turn", "digit", "both"]
    robust = config.training.recipe == "robust"
    assert config.latents.codes["both"] == Periodic(
        dim=2, info_weight=0.2 if robust else 0.1, posterior=VonMises(std_min=0.3 if robust else 0.1)
    )
    line = json.loads((place / "whole" / "metrics.jsonl").read_text().splitlines()[-1])
    assert set(line["mutual_information"]) == {"turn", "digit", "both"}
    assert set(line["ceiling"]) == {"digit"}


@pytest.mark.slow
def test_a_run_with_an_angle_is_evaluated(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("evaluate", place / "whole", "--json", "--samples", 200) == 0
    scores = json.loads(capsys.readouterr().out)
    found = scores["codes"]["both"]
    assert (found["kind"], found["size"]) == ("periodic", 2)
    assert found["entropy_nats"] == pytest.approx(2 * math.log(2))
    assert abs(found["mutual_information_nats"]) < 0.5 and 0 < found["std"] < 4
    assert -1 <= found["r2_fake"] <= 1
    assert {"turn", "both"} <= set(scores["variance"]["codes"])
    assert "factors" not in scores  # ranks of angles mean nothing
    assert run("evaluate", place / "whole", "--samples", 200) == 0
    assert "  both: " in capsys.readouterr().out


def test_a_run_with_an_angle_encodes_and_traverses(place: Path, tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 1), dtype=np.uint8)
    np.save(tmp_path / "images.npy", images)
    assert run("encode", place / "whole", tmp_path / "images.npy", "--out", tmp_path / "codes.csv") == 0
    with (tmp_path / "codes.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {"turn", "both_0", "both_1", "digit"} <= set(rows[0])
    encoded = InfoGAN.from_pretrained(place / "whole").encode(images)
    assert encoded["turn"].shape == (5,) and encoded["both"].shape == (5, 2)
    assert np.all((encoded["both"] >= -1) & (encoded["both"] < 1))
    assert [float(row["turn"]) for row in rows] == pytest.approx(encoded["turn"].tolist(), abs=1e-5)
    out = tmp_path / "turn.png"
    assert run("traverse", place / "whole", "--code", "turn", "--out", out) == 0
    assert out.stat().st_size > 0


def test_a_uniform_code_beside_it_is_as_it_was() -> None:
    """The same range, entropy and unit: what the docstring of `Periodic` promises."""
    line, circle = (Latents(LatentsConfig(codes={"a": code})).priors["a"] for code in (Uniform(), Periodic()))
    assert line.entropy == circle.entropy
    assert (line.code.low, line.code.high) == (circle.code.low, circle.code.high)
    assert (line.period, circle.period) == (None, 2.0)
