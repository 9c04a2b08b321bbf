"""Choosing among runs without labels: runs that found what is there agree, and the others are told apart."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from infogan import api
from infogan.cli import main
from infogan.data import Dataset
from infogan.errors import UsageError
from infogan.evaluation import model_selection
from infogan.evaluation.model_selection import choose
from infogan.evaluation.run_agreement import (
    RunCodes,
    agreement,
    augmentation_information,
    consensus,
    model_centrality,
    shared_factors,
    udr,
)
from infogan.model import InfoGAN

IMAGES = 1_500


def chance(key: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key))


FACTORS = chance(0).uniform(-1, 1, (IMAGES, 3))
CLASSES = chance(1).integers(5, size=IMAGES)


def good(key: int, noise: float = 0.05) -> RunCodes:
    """A run that found all factors and classes, in an order, sign and numbering of its own."""
    draw = chance(key)
    order, signs = draw.permutation(3), draw.choice([-1, 1], 3)
    lines = {f"c{i}": signs[i] * FACTORS[:, order[i]] + noise * draw.normal(size=IMAGES) for i in range(3)}
    wrong = draw.random(IMAGES) < noise
    categories = np.where(wrong, draw.integers(5, size=IMAGES), draw.permutation(5)[CLASSES])
    return RunCodes(lines, categories={"kind": categories})


def mixed(key: int) -> RunCodes:
    """A run whose codes are mixtures of the factors, and whose categories are nothing."""
    draw = chance(key)
    turn = np.eye(3)
    while np.abs(turn).max() > 0.75:  # no code is nearly a factor
        turn = np.linalg.qr(draw.normal(size=(3, 3)))[0]
    turned = FACTORS @ turn
    lines = {f"c{i}": turned[:, i] for i in range(3)}
    return RunCodes(lines, categories={"kind": draw.integers(5, size=IMAGES)})


RUNS = [good(10), good(11), mixed(12), good(13), mixed(14)]
GOOD = [0, 1, 3]


def test_every_criterion_puts_runs_that_found_the_factors_first() -> None:
    for criterion in (consensus, udr, lambda runs, i: model_centrality(runs, i, chance(i))):
        values = [criterion(RUNS, which) for which in range(len(RUNS))]
        assert min(values[i] for i in GOOD) > max(values[i] for i in (2, 4)), values


def test_udr_is_one_for_a_permutation_and_low_for_mixtures() -> None:
    exact = [good(20, noise=0), good(21, noise=0)]
    # Over 1,500 images unrelated factors are correlated by some hundredths.
    assert udr(exact, 0) == pytest.approx(1, abs=0.08)
    assert udr([good(20), mixed(12)], 0) < 0.75  # type: ignore[operator]


def test_codes_of_one_factor_are_found_in_as_many_runs_as_have_it() -> None:
    found = shared_factors(RUNS)
    for one in found[:4]:
        assert {0, 1, 3} <= set(one.members) and one.agreement > 0.6
    names = [one.members[0] for one in found[:4]]
    assert sorted(names) == ["c0", "c1", "c2", "kind"]


def test_one_factor_has_one_code_a_run() -> None:
    """A run with the same code twice gives only one of them to the group."""
    twice = RunCodes({"a": FACTORS[:, 0], "b": FACTORS[:, 0] + 0.01})
    found = shared_factors([twice, RunCodes({"x": FACTORS[:, 0]}), RunCodes({"y": FACTORS[:, 0]})])
    assert [len(one.members) for one in found] == [3]


def test_a_code_that_never_varies_agrees_with_nothing() -> None:
    dead = RunCodes({"a": FACTORS[:, 0], "b": 1e-3 * FACTORS[:, 1]})
    table = agreement(dead, good(10))
    assert max(value for (a, _), value in table.items() if a == "b") == 0
    assert max(value for (a, _), value in table.items() if a == "a") > 0.9
    alive = RunCodes({"a": FACTORS[:, 0], "b": FACTORS[:, 1]})
    assert consensus([dead, good(10)], 0) == pytest.approx(consensus([alive, good(10)], 0) / 2, abs=0.02)


def test_runs_whose_codes_died_are_worse_than_noisy_ones_and_than_mixtures() -> None:
    first = FACTORS[:, 0]
    dead = RunCodes({"c0": first, "c1": 1e-4 * FACTORS[:, 1], "c2": 1e-4 * FACTORS[:, 2]})
    runs = [good(40, 0.3), good(41, 0.3), dead, good(42, 0.3)]
    for criterion in (consensus, udr, lambda runs, i: model_centrality(runs, i, chance(i))):
        values = [criterion(runs, which) for which in range(4)]
        assert min(values[i] for i in (0, 1, 3)) > values[2], values
    still = RunCodes({"a": 1e-4 * first}, augmented={"a": 1e-4 * first})
    assert augmentation_information(still) == 0
    assert model_centrality([RunCodes({"a": first}), RunCodes({"a": FACTORS[:, 1]})], 0, chance(0)) is None


def test_categories_that_hold_all_images_agree_with_nothing() -> None:
    one = RunCodes(categories={"kind": np.zeros(IMAGES, dtype=np.int64)})
    assert agreement(one, one) == {("kind", "kind"): 0.0}
    assert shared_factors([one, one]) == []


def test_an_angle_is_the_same_angle_whatever_its_zero_and_sense() -> None:
    turn = chance(50).uniform(-1, 1, IMAGES)
    other = -((turn + 0.5 + 1) % 2 - 1)
    first = RunCodes({"a": turn}, frozenset("a"))
    second = RunCodes({"b": other, "c": turn}, frozenset("b"))
    found = agreement(first, second)
    assert found["a", "b"] > 0.99 and found["a", "c"] == 0  # an angle is no number on a line


def test_the_agreement_of_a_factor_is_the_mean_over_all_pairs() -> None:
    draw = chance(51)
    runs = [RunCodes({"a": FACTORS[:, 0] + 0.35 * draw.normal(size=IMAGES)}) for _ in range(3)]
    found = shared_factors(runs)
    assert len(found) == 1 and len(found[0].members) == 3
    pairs = [agreement(runs[i], runs[j])["a", "a"] for i, j in ((0, 1), (0, 2), (1, 2))]
    assert found[0].agreement == pytest.approx(np.mean(pairs))


def test_augmentation_information_is_that_of_two_normal_variables() -> None:
    draw = chance(30)
    first = draw.normal(size=20_000)
    second = 0.8 * first + 0.6 * draw.normal(size=20_000)
    reading = RunCodes({"a": first}, augmented={"a": second}, information={"kind": 1.5})
    assert augmentation_information(reading) == pytest.approx(1.5 - 0.5 * np.log(1 - 0.8**2), abs=0.05)


# --- the command -----------------------------------------------------------------------------------------

TINY = {
    "network.width": 0.0625,
    "training.batch_size": 16,
    "objective.neighbours": 0,
    "training.repair_end": 0,
}


def test_select_ranks_runs_and_says_what_they_share(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [tmp_path / f"run{seed}" for seed in (1, 2)]
    for seed, run in enumerate(runs):
        api.train("digits", out=run, steps=4, seed=seed, settings=TINY)
    capsys.readouterr()
    assert main(["select", *map(str, runs), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found["runs"]) == {str(run) for run in runs} and found["chosen"] in found["runs"]
    for figures in found["runs"].values():
        assert {"kept_nats", "consensus", "mean_rank"} <= set(figures)
    assert found["chosen"] == min(found["runs"], key=lambda run: found["runs"][run]["mean_rank"])
    assert main(["select", *map(str, runs)]) == 0
    assert f"selected: {found['chosen']}" in capsys.readouterr().out


def test_runs_of_differently_named_images_are_held_beside_each_other_with_a_note(tmp_path: Path) -> None:
    draw, told = chance(0), []
    for name in ("mine", "other"):
        np.savez(tmp_path / f"{name}.npz", images=draw.integers(256, size=(220, 8, 8, 1), dtype=np.uint8))
        api.train(tmp_path / f"{name}.npz", out=tmp_path / name, steps=2, settings=TINY)
    api.select([tmp_path / "mine", tmp_path / "other"], progress=told.append)
    assert any(text.startswith("note: ") and "mine" in text and "other" in text for text in told)
    told.clear()
    api.train(tmp_path / "mine.npz", out=tmp_path / "again", steps=2, seed=1, settings=TINY)
    api.select([tmp_path / "mine", tmp_path / "again"], progress=told.append)
    assert not any(text.startswith("note: ") for text in told)


def test_one_run_or_one_run_twice_cannot_be_chosen_from(tmp_path: Path, tiny_model: object) -> None:
    run = tmp_path / "run"
    api.train("digits", out=run, steps=2, settings=TINY)
    with pytest.raises(UsageError, match="1 run"):
        api.select([run])
    with pytest.raises(UsageError, match="twice"):
        api.select([run, run])
    other = tmp_path / "other"
    api.train("sprites", out=other, steps=2, settings={**TINY, "data.count": 60, "data.size": 16})
    with pytest.raises(UsageError, match="different shapes"):
        api.select([run, other])


def test_the_same_runs_give_the_same_choice(
    drawn_model: InfoGAN, drawn_dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_selection, "FEWEST", 100)
    images = model_selection.images_to_read(drawn_dataset)
    other = type(drawn_model)(drawn_model.config)
    with pytest.raises(UsageError, match="one model"):
        choose({"a": drawn_model, "b": other}, images)
    with torch.no_grad():
        next(iter(other.recognition.parameters())).add_(1)
    models = {"a": drawn_model, "b": other}
    first, second = (choose(models, images, seed=3) for _ in range(2))
    assert first == second
    assert first["runs"]["a"]["consensus"] == pytest.approx(1)
    assert all(one["codes"]["a"] == one["codes"]["b"] for one in first["shared"])
    assert {one["codes"]["a"] for one in first["shared"]} == {"digit", "style"}
