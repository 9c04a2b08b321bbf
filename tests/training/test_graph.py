"""Recorded and replayed steps: the same bits as eager ones, from the same memory, also after a resume."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

from infogan.config import Config, parse_codes
from infogan.errors import DivergenceError
from infogan.model import InfoGAN
from infogan.training import graph
from infogan.training.graph import CpuRecorder, Graphs, Recorder
from infogan.training.step import Step
from infogan.training.terms import TERMS, TermInputs, term
from infogan.training.trainer import Trainer
from tests.training.step_builders import (
    CPU,
    IMAGES,
    advance,
    anchored,
    anchors_of_images,
    assert_same_training,
    copied,
    make_trainer,
    snapshot,
    with_training,
)
from tests.training.tape import Tape, memory, tensors

STEPS = 20
CASES = ["paper", "spectral", "spectral-step", "robust", "contrastive", "anchored"]


def scheduled(case: str, tiny: Config) -> Config:
    """Return a configuration in which the schedules of a recipe change, and terms begin and end."""
    training = {"ema_decay": 0.9, "ema_start": 7, "learning_rate_schedule": [[4, 1.0], [16, 0.1]]}
    config = with_training(tiny, **training)
    if case.startswith("spectral"):
        iterations = "step" if case == "spectral-step" else "pass"
        return config.replace(
            network={"normalization": "spectral", "spectral_iterations": iterations},
            latents={"codes": parse_codes("turn:p on:b")},
        )
    if case == "contrastive":
        return config.replace(
            objective={"contrastive_weight": [[9, 0.0], [9, 1.0], [18, 3.0]]},
            network={"normalization": "spectral", "spectral_recognition": True},
            training={"generator_updates": 2},
        )
    if case == "anchored":
        return anchored(tiny, **training).replace(
            latents={"joint": "empirical"},
            network={"pairs": True},
            augmentation={"rotation": 10.0, "code_rotation": 5.0},
            objective={"anchored_information": [[3, 0.0], [15, 0.7]]},
        )
    if case == "robust":
        return config.replace(
            latents={"codes": parse_codes("digit:4 shape:3 style:u")},
            network={"recognition_init_std": 0.08},
            augmentation={"rotation": 10.0, "code_rotation": 5.0, "code_noise": [[5, 1.0], [15, 0.0]]},
            objective={
                "real_information_weight": 1.0,
                "subcode_weight": [[6, 0.0], [12, 1.0]],
                "mode_seeking_weight": [[8, 0.0], [14, 0.01]],
                "marginal_weight": 2.0,
            },
        )
    return config


def trainer_of(config: Config, recorder: Recorder | None = None, log: graph.Log = pytest.fail) -> Trainer:
    anchors = anchors_of_images(config) if config.objective.anchor_weight else None
    return Trainer(
        InfoGAN(config),
        IMAGES,
        device=CPU,
        precision="float32",
        anchors=anchors,
        recorder=recorder,
        log=log,
    )


# --- bits ------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_replayed_steps_are_those_of_an_eager_training(case: str, tiny_config: Config) -> None:
    config = scheduled(case, tiny_config)
    eager, tape = trainer_of(config), Tape()
    replayed = trainer_of(config, tape)
    for step in range(STEPS):
        eager.advance()
        replayed.advance()
        if step % 5 == 4:
            assert_same_training(eager, replayed)
    assert tape.replays >= STEPS  # of the draws and of the step, without the warm-ups
    assert eager.peek_window() == replayed.peek_window()


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_a_replayed_training_resumes_to_the_same_bits(case: str, tiny_config: Config) -> None:
    config = scheduled(case, tiny_config)
    whole, first, second = trainer_of(config), trainer_of(config, Tape()), trainer_of(config, Tape())
    advance(whole, STEPS)
    advance(first, 11)
    second.restore(*snapshot(first))
    advance(second, STEPS - 11)
    assert_same_training(whole, second)


def test_restoring_a_trainer_that_has_recorded_steps_records_them_again(tiny_config: Config) -> None:
    config = scheduled("paper", tiny_config)
    trainer, whole = trainer_of(config, tape := Tape()), trainer_of(config)
    advance(trainer, 5)
    before = snapshot(trainer)
    advance(trainer, 3)
    trainer.restore(*before)
    advance(trainer, STEPS - 5)
    advance(whole, STEPS)
    assert_same_training(whole, trainer)
    assert tape.records == 4


@pytest.mark.parametrize("case", CASES)
def test_static_buffers_alone_change_nothing(case: str, tiny_config: Config) -> None:
    """On a CPU, `training.graph = true` calls the step on static buffers."""
    config = scheduled(case, tiny_config)
    eager = trainer_of(config)
    static = trainer_of(config.replace(training={"graph": True}))
    assert isinstance(static.graphs.recorder, CpuRecorder)
    advance(eager, 10)
    advance(static, 10)
    assert_same_training(eager, static)


@pytest.mark.slow
def test_category_repair_between_replayed_steps(
    tiny: Callable[..., Config], trainer: Callable[[Config], Trainer]
) -> None:
    """A repair replaces moments and statistics, so that the step is recorded again."""
    config = tiny(repair_start=10, repair_every=10)
    config = config.replace(objective={"mode_seeking_weight": 0.0})
    eager = trainer(config)
    replayed = Trainer(
        InfoGAN(eager.config),
        eager.images,
        device=CPU,
        precision="float32",
        recorder=(tape := Tape()),
        log=pytest.fail,
    )
    for made in (eager, replayed):
        repaired = made.repair.act

        def act(*arguments: Any, repaired: Any = repaired, made: Trainer = made) -> Any:
            made.statistics.forget(("digit", 0))
            return ["a repair"], None

        made.repair.act = act  # type: ignore[method-assign]
        advance(made, 15)
    assert_same_training(eager, replayed)
    assert tape.records == 4


# --- structure and memory --------------------------------------------------------------------------------


def test_a_term_that_begins_gets_a_record_of_its_own(tiny_config: Config) -> None:
    config = with_training(tiny_config).replace(
        objective={"mode_seeking_weight": [[6, 0.0], [6, 0.5], [20, 1.0]]}
    )
    trainer = trainer_of(config, tape := Tape())
    counts = []
    for _ in range(14):
        trainer.advance()
        counts.append(tape.records)
    # After two warm-ups: one record of the draws and one of the step, twice.
    assert counts == [0, 0, 2, 2, 2, 2, 2, 2, 4, 4, 4, 4, 4, 4]


def test_every_step_reads_the_same_memory(tiny_config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[int]] = []
    updates = Step._make_updates

    def watched(self: Step, *inputs: Any) -> Any:
        seen.append([memory(tensor) for tensor in tensors(inputs)])
        return updates(self, *inputs)

    monkeypatch.setattr(Step, "_make_updates", watched)
    config = scheduled("paper", tiny_config).replace(training={"graph": True})
    advance(make_trainer(config), 5)
    assert seen[0] and seen == [seen[0]] * 5


def test_scheduled_numbers_arrive_as_tensors_and_all_else_as_it_is() -> None:
    graphs = Graphs(CpuRecorder(), CPU, pytest.fail)
    received: list[Any] = []
    replayed = graphs.replayed(lambda *inputs: received.append(inputs), {})
    for weight in (0.1, 0.2):
        replayed({"a": weight, "b": None}, [torch.ones(2)], ("x", 3, True))
    (first, second) = received
    assert first[0]["a"] is second[0]["a"] and first[0]["a"].dtype == torch.float32
    assert float(second[0]["a"]) == float(torch.tensor(0.2))
    assert second[0]["b"] is None and second[2] == ("x", 3, True)


@pytest.mark.parametrize(
    ("first", "second", "records"),
    [
        (torch.zeros(2), torch.ones(2), 1),
        (torch.zeros(2), torch.zeros(3), 2),
        (torch.zeros(2), torch.zeros(2, dtype=torch.float64), 2),
        (0.5, 0.0, 1),
        (None, 0.5, 2),
        ({"a": 1.0}, {"b": 1.0}, 2),
        (True, False, 2),
    ],
)
def test_inputs_of_another_structure_are_recorded_separately(first: Any, second: Any, records: int) -> None:
    tape = Tape()
    replayed = Graphs(tape, CPU, pytest.fail).replayed(lambda value: [t + 1 for t in tensors(value)], {})
    for value in (first, second) * 4:
        result = replayed(value)
        wanted = [torch.as_tensor(v) + 1 for v in flat(value)]
        assert all(torch.equal(r, w.to(r.dtype)) for r, w in zip(result, wanted, strict=True))
    assert tape.records == records


def flat(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        yield from value.values()
    elif isinstance(value, Tensor) or type(value) is float:
        yield value


def test_a_list_with_other_tensors_is_read_again() -> None:
    replayed = Graphs(CpuRecorder(), CPU, pytest.fail).replayed(lambda given: given[0] + 0, {})
    given = [torch.ones(2)]
    assert replayed(given).tolist() == [1, 1]
    given[0] = torch.zeros(2)
    assert replayed(given).tolist() == [0, 0]


# --- divergence ------------------------------------------------------------------------------------------


def test_a_replayed_step_that_diverges_blocks_all_later_updates(tiny_config: Config) -> None:
    config = with_training(tiny_config, ema_decay=0.9)
    trainer = trainer_of(config, tape := Tape())
    advance(trainer, 5)
    assert tape.replays
    first = next(iter(trainer.model.generator.parameters()))
    with torch.no_grad():
        first[0, 0] = math.nan
    advance(trainer, 1)
    before = copied(trainer.model.trunk)
    moments = {name: value.clone() for name, value in trainer.optimizer_tensors().items()}
    advance(trainer, 3)
    ours = trainer.model.trunk.state_dict()
    parameters = {name for name, _ in trainer.model.trunk.named_parameters()}
    assert all(torch.equal(ours[name], before[name]) for name in parameters)
    for name, value in trainer.optimizer_tensors().items():
        assert name.startswith("real.") or torch.equal(value, moments[name]), name
    with pytest.raises(DivergenceError, match="at step 6"):
        trainer.check()


# --- functions that cannot be captured -------------------------------------------------------------------


@pytest.fixture
def reading_term() -> Iterator[str]:
    """A loss term of a plug-in that reads the value of a tensor."""

    def reads(inputs: TermInputs) -> Tensor:
        mean = inputs.generated.mean()
        return mean if mean > 0.5 else -mean

    with TERMS.restored():
        term("reads_a_value", player="generator")(reads)
        yield "reads_a_value"


def test_a_step_that_reads_a_value_trains_without_a_graph_and_says_so_once(
    tiny_config: Config, reading_term: str
) -> None:
    config = with_training(tiny_config).replace(objective={"terms": {reading_term: 0.1}})
    eager, lines = trainer_of(config), []
    trainer = trainer_of(config, tape := Tape(), log=lines.append)
    advance(eager, 8)
    advance(trainer, 8)
    assert_same_training(eager, trainer)
    (line,) = lines
    assert "was not captured as a CUDA graph (aten::_local_scalar_dense" in line
    assert tape.records == 1, "the draws are captured all the same"


def test_draws_that_cannot_be_captured_come_from_new_generators(tiny_config: Config) -> None:
    class Refusing(Tape):
        def record(self, function: Any, rngs: Any) -> Any:
            if rngs:
                for rng in rngs.values():
                    rng.manual_seed(0)  # as after a capture that broke off
                raise RuntimeError("no such generator\nand more")
            return super().record(function, rngs)

    config, lines = scheduled("paper", tiny_config), []
    eager, trainer = trainer_of(config), trainer_of(config, tape := Refusing(), log=lines.append)
    advance(eager, 8)
    advance(trainer, 8)
    assert_same_training(eager, trainer)
    assert [line.count("(no such generator)") for line in lines] == [1]
    assert tape.records == 1


# --- the setting -----------------------------------------------------------------------------------------


def test_the_setting_decides_whether_steps_are_recorded() -> None:
    assert graph.recorder(CPU, "auto") is None
    assert graph.recorder(CPU, False) is None
    assert isinstance(graph.recorder(CPU, True), CpuRecorder)
    assert graph.recorder(torch.device("cuda"), False) is None
    assert graph.recorder(torch.device("mps"), "auto") is None
