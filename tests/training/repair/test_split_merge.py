"""The remedy for a stuck code: seen in the joint table, done to the rows of the networks, judged, undone."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from infogan import recipes, regularizers
from infogan.config import Config, parse_codes
from infogan.errors import ConfigError
from infogan.presets import load
from infogan.training.repair import category_repair, split_merge
from infogan.training.trainer import Trainer

Tiny = Callable[..., Config]
Make = Callable[[Config], Trainer]


def table_of(assignments: list[tuple[int, int, float]], size: int) -> Tensor:
    """P(c, c') of clusters (category, category of the copy, share), symmetric."""
    joint = torch.zeros(size, size)
    for first, second, share in assignments:
        joint[first, second] += share / 2
        joint[second, first] += share / 2
    return joint


TWINS = [(0, 0, 0.125), (1, 1, 0.125), (0, 1, 0.25), (2, 2, 0.25), (3, 3, 0.25)]
"""Four categories: 0 and 1 share one cluster at random; 2 and 3 have clusters of their own."""


def test_merging_twins_loses_nothing_and_merging_clusters_loses_much() -> None:
    losses = split_merge.merge_losses(table_of(TWINS, 4))
    assert losses[0, 1].item() == pytest.approx(0, abs=1e-6)
    assert losses[2, 3].item() == pytest.approx(0.5 * math.log(2), abs=1e-6)
    assert torch.isinf(losses.diagonal()).all()


def fine_table(double: int, size: int = 4) -> Tensor:
    """The table over sub-codes: those of `double` are two clusters, the others' are read by chance."""
    fine = torch.zeros(2 * size, 2 * size)
    for first, second, share in TWINS:
        for a in (0, 1):
            for b in (0, 1):
                part = (share / 2 if a == b else 0) if first == second == double else share / 4
                for i, j in ((2 * first + a, 2 * second + b), (2 * second + b, 2 * first + a)):
                    fine[i, j] += part / 2
    return fine


def test_splitting_the_category_of_two_clusters_gains_what_they_hold() -> None:
    gains = split_merge.split_gains(table_of(TWINS, 4), fine_table(double=3))
    assert gains[3].item() == pytest.approx(0.25 * math.log(2), abs=1e-6)
    assert gains[:3].abs().max().item() == pytest.approx(0, abs=1e-6)


def test_a_stuck_code_is_told_from_a_healthy_one() -> None:
    found = split_merge.diagnose(table_of(TWINS, 4), fine_table(double=3))
    assert (set(found.twins), found.double, found.stuck) == ({0, 1}, 3, True)
    healthy = table_of([(k, k, 0.25) for k in range(4)], 4)
    halves = torch.ones(2, 2) / 4
    assert not split_merge.diagnose(healthy, torch.kron(healthy, halves)).stuck


def test_categories_that_have_not_formed_yet_are_left_alone() -> None:
    blurred = 0.2 * table_of(TWINS, 4) + 0.8 * torch.ones(4, 4) / 16
    fine = 0.2 * fine_table(double=3) + 0.8 * torch.ones(8, 8) / 64
    found = split_merge.diagnose(blurred, fine)
    assert found.gain > found.loss
    assert not found.formed
    assert not found.stuck


def test_a_double_category_that_is_itself_a_twin_is_left_alone() -> None:
    found = split_merge.diagnose(table_of(TWINS, 4), fine_table(double=0))
    assert found.double not in found.twins
    assert not found.stuck


def test_two_categories_that_lie_close_are_looked_into() -> None:
    apart = torch.eye(5) / 5
    assert split_merge.suspect(apart) is None
    close = apart.clone()
    close[1, 1] = close[3, 3] = 0.12
    close[1, 3] = close[3, 1] = 0.08
    assert split_merge.suspect(close) == (1, 3)
    assert split_merge.suspect(0.1 * close + 0.9 * torch.ones(5, 5) / 25) is None, "nothing has formed yet"


def test_the_distance_of_a_pair_is_measured_by_what_is_usual() -> None:
    joint = table_of(TWINS, 4)
    assert split_merge.distance(joint, (0, 1)) < 0.05
    assert split_merge.distance(joint, (2, 3)) > 0.7
    assert split_merge.distance(torch.full((4, 4), 1 / 16), (0, 1)) == pytest.approx(0, abs=1e-3)
    # What grows for all pairs alike, as a code becomes surer, brings no pair nearer to the others.
    blurred = [0.6 * table_of(TWINS, 4) + 0.4 / 16, 0.9 * table_of(TWINS, 4) + 0.1 / 16]
    early, late = (split_merge.distance(one, (2, 3)) for one in blurred)
    assert split_merge.merge_losses(blurred[1])[2, 3] > 2 * split_merge.merge_losses(blurred[0])[2, 3]
    assert late == pytest.approx(early, rel=0.2)


def test_the_operation_splits_by_the_sub_code_and_unites_the_twins(tiny: Tiny, trainer: Make) -> None:
    made = trainer(tiny())
    for _ in range(3):
        made.advance()
    model = made.model
    rows = split_merge.rows_of(model, "digit", 0)
    hidden = torch.randn(20, model.recognition.output.in_features, generator=torch.Generator().manual_seed(0))
    layer, fine = model.recognition.output, model.recognition.subcodes
    assert fine is not None
    with torch.no_grad():
        before, sub = layer(hidden), fine(hidden)
        columns = split_merge._first_layer(model).weight[:, rows.inputs : rows.inputs + 10].clone()
        found = split_merge.Diagnosis(twins=(1, 4), loss=0.0, double=7, gain=1.0)
        split_merge.operate(model, made.optimizers, ("digit", 0), found, torch.Generator().manual_seed(0))
        after = layer(hidden)
    d = rows.outputs
    share, two = (sub[:, 2 * 7] - sub[:, 2 * 7 + 1]) / 2, math.log(2)
    assert torch.allclose(after[:, d + 7], before[:, d + 7] + share - two, atol=1e-5)
    assert torch.allclose(after[:, d + 4], before[:, d + 7] - share - two, atol=1e-5)
    mean = (before[:, d + 1] + before[:, d + 4]) / 2 + math.log(2)
    assert torch.allclose(after[:, d + 1], mean, atol=1e-5)
    others = [k for k in range(layer.out_features) if k - d not in (1, 4, 7)]
    assert torch.equal(after[:, others], before[:, others])
    first = split_merge._first_layer(model).weight[:, rows.inputs : rows.inputs + 10]
    assert torch.equal(first[:, 4], columns[:, 7])
    assert torch.equal(first[:, [0, 1, 2, 3, 5, 6, 7, 8, 9]], columns[:, [0, 1, 2, 3, 5, 6, 7, 8, 9]])
    moments = made.optimizers["discriminator"].state[layer.weight]["exp_avg"]
    assert not moments[[d + 1, d + 4, d + 7]].any()
    assert moments[[d, d + 2]].any()
    assert (
        not made.optimizers["generator"]
        .state[split_merge._first_layer(model).weight]["exp_avg"][:, rows.inputs + 4]
        .any()
    )


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every look finds a stuck code, and a trial is short."""
    monkeypatch.setattr(split_merge, "MARGIN", -1.0)
    monkeypatch.setattr(split_merge, "FORMED", -1.0)
    monkeypatch.setattr(category_repair, "TRIAL", 6)


def always_gives(value: float) -> Any:
    return lambda self, *arguments: value


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize(("nats", "apart"), [(2.0, 0.9), (0.5, 0.9), (2.0, 0.3)])
def test_what_did_not_do_what_it_was_made_for_is_undone(
    monkeypatch: pytest.MonkeyPatch, nats: float, apart: float, tiny: Tiny, trainer: Make
) -> None:
    """The information rises in these steps in any case: that alone keeps nothing."""
    made = trainer(tiny(repair_end=4))
    monkeypatch.setattr(category_repair.Remedy, "_information", always_gives(1.0))
    monkeypatch.setattr(category_repair.Remedy, "_distance", always_gives(0.4))
    for _ in range(4):
        made.advance()
    assert made.remedy.trial is not None
    kept = {key: value.clone() for key, value in made.remedy.before.items()}
    for _ in range(5):
        made.advance()
    monkeypatch.setattr(category_repair.Remedy, "_information", always_gives(nats))
    monkeypatch.setattr(category_repair.Remedy, "_distance", always_gives(apart))
    made.advance()
    assert made.remedy.trial is None
    own = {f"before.model.{name}": value for name, value in made.model.state_dict().items()}
    same = all(torch.equal(value, kept[name]) for name, value in own.items())
    good = nats > 1.0 and apart > 0.4
    assert same is not good
    assert ("kept" if good else "undone") in made.take_window()["notes"][-1]


@pytest.mark.usefixtures("always")
def test_a_trial_is_about_the_two_categories_that_were_parted(
    monkeypatch: pytest.MonkeyPatch, tiny: Tiny, trainer: Make
) -> None:
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(split_merge, "distance", lambda joint, pair: asked.append(pair) or len(asked))
    found = split_merge.Diagnosis(twins=(1, 4), loss=0.0, double=7, gain=1.0)
    monkeypatch.setattr(split_merge, "diagnose", lambda joint, fine: found)
    made = trainer(tiny(repair_end=4))
    for _ in range(10):
        made.advance()
    assert asked == [(1, 4), (4, 7)]  # the twins were too close; what one of them took is to lie farther off


@pytest.mark.usefixtures("always")
def test_a_run_resumed_during_a_trial_is_the_same_run(tiny: Tiny, trainer: Make) -> None:
    config = tiny()
    whole = trainer(config)
    for _ in range(6):
        whole.advance()
    assert whole.remedy.trial is not None
    state = whole.state()
    model = {name: value.clone() for name, value in whole.model.state_dict().items()}
    optimizer = {name: value.clone() for name, value in whole.optimizer_tensors().items()}
    again = trainer(config)
    again.restore(model, optimizer, state)
    for one in (whole, again):
        for _ in range(14):
            one.advance()
    assert whole.take_window() == again.take_window()
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, again.model.state_dict()[name]), name


def test_learning_rates_are_a_function_of_the_absolute_step(tiny: Tiny, trainer: Make) -> None:
    made = trainer(tiny(learning_rate_schedule=[[2, 1.0], [6, 0.5]], repair_end=0))
    rates = []
    for _ in range(8):
        made.advance()
        rates.append(made.optimizers["generator"].param_groups[0]["lr"] / 1e-3)
    assert rates == pytest.approx([1, 1, 1, 0.875, 0.75, 0.625, 0.5, 0.5])


def test_real_reading_finds_what_q_keeps_of_a_moved_copy(tiny: Tiny, trainer: Make) -> None:
    made = trainer(tiny())
    prior = made.model.latents.categorical["digit"]
    raw = torch.zeros(40, made.model.latents.posterior_width)
    start = split_merge.rows_of(made.model, "digit", 0).outputs
    for row in range(40):
        raw[row, start + (row % 20) % 10] = 50.0
    terms = made.real.information(raw, None)
    assert float(regularizers.table_information(made.real.category_table(("digit", 0)))) == pytest.approx(
        prior.entropy, abs=1e-4
    )
    assert terms["real_information"].item() == pytest.approx(3 * prior.entropy, abs=1e-3)  # 2 * 2 - 1


def test_terms_that_cannot_work_are_refused() -> None:
    from infogan import config as configuration

    config = recipes.apply(load("digits"), "robust")
    with pytest.raises(ConfigError, match="augmentation"):
        configuration.override(
            config, [f"augmentation.{key}=0.0" for key in ("rotation", "shift", "scale", "shear")]
        )
    with pytest.raises(ConfigError, match="subcode_weight"):
        configuration.override(config, {"subcode_weight": 0.0})
    with pytest.raises(ConfigError, match="rising order"):
        configuration.override(config, {"learning_rate_schedule": [[6_000, 1.0], [5_000, 0.02]]})


def test_without_noise_there_is_no_mode_to_seek(tiny: Tiny, trainer: Make) -> None:
    config = tiny(repair_end=0, repair_start=0)
    made = trainer(config.model_copy(update={"latents": config.latents.model_copy(update={"noise": 0})}))
    made.advance()
    assert "mode_seeking" not in made.take_window()["terms"]


def test_means_of_real_images_weigh_every_batch_alike_at_first(tiny: Tiny, trainer: Make) -> None:
    made = trainer(tiny())
    outputs = made.model.latents.posterior_width
    start = split_merge.rows_of(made.model, "digit", 0).outputs
    for category in (0, 1, 2):
        raw = torch.zeros(8, outputs)
        raw[:, start + category] = 50.0
        made.real.observe(raw)
    assert torch.allclose(made.real.usage["digit", 0][:3], torch.tensor(1 / 3), atol=1e-5)


def test_what_health_reads_is_what_the_remedy_acts_on() -> None:
    fine = fine_table(double=3)
    joint = 0.9 * table_of(TWINS, 4) + 0.1 / 16
    found, entry = split_merge.diagnose(joint, fine), split_merge.report(joint, fine)
    assert entry["merge"]["twins"] == list(found.twins)
    assert entry["merge"]["nats"] == found.loss
    usual = entry["merge"]["usual_nats"]
    assert found.loss / usual == pytest.approx(split_merge.distance(joint, found.twins))
    assert entry["split"] == {"double": found.double, "nats": found.gain}
    assert split_merge.report(torch.eye(41) / 41, torch.eye(82) / 82) == {}


def test_the_smallest_batches_train(tiny: Tiny, trainer: Make) -> None:
    """Batch norm needs two images, also in the part of a batch that continuous codes are read from."""
    made = trainer(tiny(batch_size=2, repair_end=0, repair_start=0))
    made.advance()
    assert made.step == 1


def test_without_categories_nothing_is_looked_for_on_real_images(tiny: Tiny) -> None:
    """No neighbours, no second view: no term would read them."""
    config = tiny()
    latents = config.latents.model_copy(update={"codes": parse_codes("slant:u width:u")})
    assert config.seeks_neighbours and config.reads_real
    bare = config.model_copy(update={"latents": latents})
    assert not bare.seeks_neighbours and not bare.reads_real
